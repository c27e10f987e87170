package delivery

import (
	"context"
	"fmt"
	"sync"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Stack is how a service's stack is deployed, by the word of who deploys stacks. It is never changed after it is made.
type Stack struct {
	// Name is the stack's, Manager whose word it is.
	Name, Manager string
	// Managed is nil where the manager has no such stack, or NotRead says why that is not known.
	Managed *sources.ManagedStack
	NotRead string
}

// Words are it in a line. They quote servers: untrusted.
func (s *Stack) Words() string {
	m := s.Managed
	switch {
	case s.NotRead != "":
		return s.Name + ": " + s.NotRead
	case m == nil:
		return s.Name + " is none that " + s.Manager + " deploys"
	}
	out := fmt.Sprintf("%s by %s, %s, ", s.Name, s.Manager, m.State)
	if m.Repository == "" {
		out += "of a file that was typed or uploaded there"
	} else {
		branch := m.Branch
		if branch == "" {
			branch = "its default branch"
		}
		out += fmt.Sprintf("of %s in %s on %s", m.File, m.Repository, branch)
		if m.Commit != "" {
			out += " at " + short(m.Commit)
		}
		out += "; " + updates(m)
	}
	if !m.Updated.IsZero() {
		out += m.Updated.UTC().Format("; updated 2006-01-02 15:04Z")
		if m.UpdatedBy != "" {
			out += " by " + m.UpdatedBy
		}
	}
	return out
}

// updates says when it is deployed without a person.
func updates(m *sources.ManagedStack) string {
	var out string
	switch every := m.Every.String(); {
	case m.Every > 0 && m.Webhook:
		out = "looked at every " + every + " and by a webhook"
	case m.Every > 0:
		out = "looked at every " + every
	case m.Webhook:
		out = "looked at by a webhook"
	default:
		return "deployed by hand"
	}
	if m.Force {
		out += ", deployed though nothing is new"
	}
	if m.Pull {
		out += ", images pulled anew"
	}
	return out
}

// is tells whether the manager says that of the stack.
func (s *Stack) is(state sources.StackState) bool {
	return s != nil && s.Managed != nil && s.Managed.State == state
}

// kept are a manager's stacks, read once whoever asks first.
type kept struct {
	once sync.Once
	list []sources.ManagedStack
	err  error
}

// stack is how the service's stack is deployed; nil: nobody is asked, or it is in none.
func (f *follower) stack(ctx context.Context, v *fleet.Service) *Stack {
	from := f.from.Stacks
	if from == nil || v.Stack == "" {
		return nil
	}
	f.kept.once.Do(func() { f.kept.list, f.kept.err = from.Stacks(ctx, f.from.Swarm) })
	out := &Stack{Name: v.Stack, Manager: from.Name()}
	if f.kept.err != nil {
		out.NotRead = f.kept.err.Error()
		return out
	}
	for i := range f.kept.list {
		m := &f.kept.list[i]
		switch {
		case m.Name != v.Stack:
		case out.Managed != nil && out.Managed.Swarm != m.Swarm:
			out.Managed, out.NotRead = nil, "several swarms have one of that name, and the id of this one is not known"
			return out
		default:
			out.Managed = m
		}
	}
	return out
}
