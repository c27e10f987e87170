package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
)

// recordedStack is what the journal keeps of a stack's parts. What is in a config is not written down: it is in the files. What is in a secret is nowhere.
type recordedStack struct {
	Name   string         `json:"name"`
	Remove bool           `json:"remove,omitempty"`
	Parts  []recordedPart `json:"parts,omitempty"`
}

type recordedPart struct {
	Kind PartKind `json:"kind"`
	Name string   `json:"name"`
	Node string   `json:"node,omitempty"`
	ID   string   `json:"id,omitempty"`
}

func (s *StackChange) recorded() *recordedStack {
	if s == nil {
		return nil
	}
	out := &recordedStack{Name: s.Stack, Remove: s.Remove}
	for i := range s.Parts {
		out.Parts = append(out.Parts, recordedPart{s.Parts[i].Kind, s.Parts[i].Name, s.Parts[i].Node, s.Parts[i].ID})
	}
	return out
}

func (r *recordedStack) change() *StackChange {
	if r == nil {
		return nil
	}
	out := &StackChange{Stack: r.Name, Remove: r.Remove}
	for _, x := range r.Parts {
		out.Parts = append(out.Parts, StackPart{Kind: x.Kind, Name: x.Name, Node: x.Node, ID: x.ID})
	}
	return out
}

// madeParts are the ids of the parts that the run has made, by the steps' names.
func (r *RunRecord) madeParts() map[string]string {
	out := map[string]string{}
	if r.plan.Stack.Remove {
		return out
	}
	for i := range r.Steps {
		var made stepMade
		if e := &r.Steps[i]; e.Phase == phaseStep && e.State == stateDone && strings.HasPrefix(e.Step, partStep) && json.Unmarshal(e.Detail, &made) == nil && made.ID != "" {
			out[e.Step] = made.ID
		}
	}
	return out
}

// unmake adds to the plan that a service that the run has made is removed, if it is still as it was made.
func (d *Deck) unmake(ctx context.Context, p *Plan, r *RunRecord, s recordedService, group int) error {
	ref, begun := r.madeService(&s)
	if !begun {
		return nil
	}
	st, err := d.Hands.ServiceState(ctx, orWords(ref.ID, s.Name))
	if sources.KindOf(err) == sources.NotFound {
		if ref.ID != "" {
			p.warn("%s is gone", s.Name)
		}
		return nil
	}
	if err != nil {
		return err
	}
	key, err := d.key()
	if err != nil {
		return err
	}
	made, err := d.Spec(orWords(ref.Spec, s.After))
	if err != nil {
		return err
	}
	now := st.Spec.Masked(key)
	differs := sources.Diff(made, now)
	if ref.ID == "" { // the run was interrupted before it could write down what the swarm made of it
		differs = sources.FileDiff(now, d.namedMask(ctx, made))
	}
	if len(differs) > 0 {
		var names []string
		for _, c := range differs {
			names = append(names, c.Field)
		}
		p.Refused = fmt.Sprintf("%s was changed since the run made it: %s; take that back first, or remove it yourself", s.Name, strings.Join(names, ", "))
		return nil
	}
	p.raise(Grave, "")
	for _, m := range st.Mounts {
		if m.Type == "volume" && m.Source != "" {
			p.warn("%s: its volume %s stays on the nodes, with what is in it", s.Name, m.Source)
		}
	}
	p.Changes = append(p.Changes, Change{Service: st.Name, ID: st.ID, Stack: st.Stack, Version: st.Version, Remove: true, Before: st.Spec, Policy: st.Update, Group: group, seen: st,
		Fields: []sources.FieldChange{{Path: []string{"Name"}, Field: "service", Before: st.Name}}})
	return nil
}

// namedMask is a masked spec with the ids that what it refers to has now; without an answer it is as it was.
func (d *Deck) namedMask(ctx context.Context, s sources.Spec) sources.Spec {
	known, err := d.namesNow(ctx)
	if err != nil {
		return s
	}
	return known.named(s)
}

// madeService is what the run has made of a service, and whether it has begun to.
func (r *RunRecord) madeService(s *recordedService) (ref SpecRef, begun bool) {
	for i := range r.Steps {
		e := &r.Steps[i]
		if e.Phase != phaseStep || e.Step != makeStep+s.Name {
			continue
		}
		begun = begun || r.Ended.IsZero()
		for _, x := range refsOf(e.After) {
			if e.State == stateDone && x.Service == s.Name {
				return x, true
			}
		}
	}
	return ref, begun
}

// unmakeParts adds to the plan that the parts that the run has made are removed, where no service but those that are removed uses them.
func (d *Deck) unmakeParts(ctx context.Context, p *Plan, r *RunRecord) error {
	ids := r.madeParts()
	all, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return err
	}
	for i := len(r.plan.Stack.Parts) - 1; i >= 0; i-- {
		part := StackPart{Kind: r.plan.Stack.Parts[i].Kind, Name: r.plan.Stack.Parts[i].Name, Node: r.plan.Stack.Parts[i].Node}
		id, run, err := d.findPart(ctx, &part)
		if part.Kind == PartLabel && ids[part.made()] == id { // nothing on a node says who has given it a label
			run = r.ID
		}
		switch {
		case err != nil:
			return err
		case id == "" || run != r.ID || ids[part.made()] != "" && ids[part.made()] != id: // gone, or another's of that name
			continue
		}
		if user := userOf(all, p, part.Kind, id, part.Name); user != "" {
			p.warn("%s needs it: the %s %s stays", user, part.Kind, part.Name)
			continue
		}
		part.ID = id
		p.Stack.Parts = append(p.Stack.Parts, part)
	}
	return nil
}

// userOf is a service that uses a part of a stack once the plan is carried out; "": none does.
func userOf(all []sources.ServiceState, p *Plan, kind PartKind, id, name string) string {
	for i := range all {
		s := &all[i]
		spec := s.Spec
		if at := slices.IndexFunc(p.Changes, func(c Change) bool { return c.ID == s.ID }); at >= 0 {
			spec = p.Changes[at].After
		}
		if usesPart(s, spec, kind, id, name) {
			return s.Name
		}
	}
	return ""
}

func usesPart(s *sources.ServiceState, spec sources.Spec, kind PartKind, id, name string) bool {
	switch kind {
	case PartNetwork:
		return slices.ContainsFunc(spec.NetworkTargets(), func(t string) bool { return t == id || t == name })
	case PartLabel: // what is removed has no spec
		return len(spec.JSON()) > 0 && slices.ContainsFunc(s.Constraints, func(c string) bool { return labelWanted(c) == name })
	}
	return slices.ContainsFunc(spec.Materials(kind.material()), func(x sources.Reference) bool { return x.ID == id })
}

// partsBack removes the parts that a run that has failed has made.
func (r *Running) partsBack(ctx context.Context) error {
	for i := len(r.plan.Stack.Parts) - 1; i >= 0; i-- {
		x := &r.plan.Stack.Parts[i]
		if r.parts[x.made()] == "" {
			continue
		}
		if err := r.step(ctx, x.gone(i)); err != nil {
			return err
		}
		delete(r.parts, x.made())
	}
	return nil
}
