package actions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

// The actions, by the names that commands, journal and screen share.
const (
	Scale    = "scale"
	Redeploy = "redeploy"
	Rollback = "rollback"
	Undo     = "undo"
	Rotate   = "rotate"
	// Silence mutes alerts, Unsilence ends that.
	Silence   = "silence"
	Unsilence = "unsilence"
	// Backup saves a service's data, Drill brings a snapshot back into a place that is thrown away, Restore in place of what is there.
	Backup  = "backup"
	Drill   = "drill"
	Restore = "restore"
	// Audit looks through the repository of all backups.
	Audit = "audit"
	// DRDay drills all services of a stack, one after the other.
	DRDay = "dr-day"
	// Attest writes a person's word down, or takes it away.
	Attest = "attest"
	// Apply makes what is missing of a stack, and changes what differs from its files.
	Apply = "apply"
	// Drain empties a node and Activate lets it take tasks again; Promote makes it a manager and Demote a worker.
	Drain    = "drain"
	Activate = "activate"
	Promote  = "promote"
	Demote   = "demote"
	// Rightsize makes reservations fit what is used.
	Rightsize = "rightsize"
)

// Harm is how much an action may break, and so how much is asked before it.
type Harm int

// How a plan is confirmed, in rising order.
const (
	// Light: one key (more replicas).
	Light Harm = iota
	// Serious: a confirmation whose default is No.
	Serious
	// Grave: the confirmation is asked twice (to 0 replicas).
	Grave
	// Guarded: the target's name must be typed (protected services, quiet hours).
	Guarded
)

// Plan is what an action would do. It was made by reading alone; nothing has happened. It is a value: never changed once it is given out.
type Plan struct {
	Action string
	At     time.Time
	// Changes are the services that would change, in the order in which they are changed.
	Changes []Change
	// Material is what is made before and removed after, or nil.
	Material *MaterialChange
	// Silence is what is muted or no longer muted, or nil: then there are no Changes.
	Silence *SilenceChange
	// Recovery is what is saved or brought back, or nil: then there are no Changes.
	Recovery *RecoveryChange
	// Day is a DR day, or nil: then there are no Changes.
	Day *DayPlan
	// Attest is a person's word, or nil: then there are no Changes.
	Attest *AttestChange
	// Stack is what is made of a stack beside its services, or what of it is taken away; nil: this is about none.
	Stack *StackChange
	// Scaling stops all autoscaling or lets it go on, or nil: then there are no Changes.
	Scaling *ScalingChange
	// Node is what is wanted of a node, or nil: then there are no Changes.
	Node *NodeChange
	// Hook redeploys in place of us, or nil.
	Hook sources.Hook
	// HookTag is the tag that the hook is asked for.
	HookTag string
	// Of is the run that is taken back, of an undo.
	Of string
	// Saves is what right-sizing saves an hour, by the nodes' prices; negative: it costs more; 0: nothing, or that is not known.
	Saves float64
	// Reason is why, in the words of whoever asked.
	Reason string
	// Warnings are risks that are worth reading before a yes.
	Warnings []string
	// Refused says why it cannot be done at all; "": it can.
	Refused string
	// Locked is the run that has the service in hand, where that is why it is refused; "": it is not.
	Locked string
	// Nothing says why there is nothing to do; "": there is.
	Nothing string
	Harm    Harm
	// Why is what makes the harm greater than the action's own: protected, quiet hours.
	Why string

	// Deadline is how long a rollout may make no progress; 0: DefaultDeadline.
	Deadline time.Duration
	// TakeBack: a rollout that fails is taken back by itself.
	TakeBack bool
	// NoWait ends the run after the last change, without a verdict.
	NoWait bool
}

// Change is what happens to one service.
type Change struct {
	Service string
	ID      string
	Stack   string
	// Version is the one that the change is based on.
	Version uint64
	// Make: it is not there, and is made: Before is empty, and ID and Version are known once it is there. Remove: it is taken away, and After is empty.
	Make, Remove bool
	// Before and After are whole, with their secrets: they never leave this process. What is written down and shown is masked.
	Before, After sources.Spec
	// Fields is the difference as shown: masked.
	Fields []sources.FieldChange
	// Policy is how the rollout goes.
	Policy sources.UpdatePolicy
	// Group orders rollouts: those of one group go together, and the next begins once all of it is well.
	Group int
	// Usually is how long such a rollout took so far; 0: not known.
	Usually time.Duration
	seen    sources.ServiceState // as it was read for the plan
}

// Rolls tells whether tasks are replaced, and not just added or taken away.
func (c *Change) Rolls() bool {
	for _, f := range c.Fields {
		if f.Path[0] == "TaskTemplate" && strings.Join(f.Path, ".") != "TaskTemplate.Placement" {
			return true
		}
	}
	return false
}

// MaterialChange is a secret's or a config's new version.
type MaterialChange struct {
	Kind sources.MaterialKind
	// Old is the one in use; the one with the id OldID is removed after the proof. "": it stays.
	Old, OldID string
	// New is the new one's name; "": none is made.
	New    string
	Labels map[string]string
	data   []byte
}

// Target is the plan's services, as one line of the journal has them.
func (p *Plan) Target() string {
	names := make([]string, 0, len(p.Changes))
	for i := range p.Changes {
		names = append(names, p.Changes[i].Service)
	}
	return strings.Join(names, ",")
}

// target is what the journal says that the plan is about.
func (p *Plan) target() string { return p.subject().target }

// Word is what is typed to confirm a guarded plan: the name of the service that it touches, or the stack's, or the node's.
func (p *Plan) Word() string {
	if word := p.subject().word; word != "" {
		return word
	}
	names := p.touched()
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) == 0:
		return p.Action
	}
	if stack := p.stack(); stack != "" {
		return stack
	}
	return fmt.Sprint(len(names), " services")
}

// touched are the services that a plan is about: those that it changes, and those that its kind names.
func (p *Plan) touched() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range p.Changes {
		add(p.Changes[i].Service)
	}
	for _, name := range p.subject().touches {
		add(name)
	}
	return names
}

// changes tells whether the plan has a service in hand, or whatever else the journal names as a run's target.
func (p *Plan) changes(target string) bool {
	return slices.Contains(p.subject().inHand, target) || slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Service == target })
}

// BySteps tells whether a run of the plan is watched step by step, and not service by service.
func (p *Plan) BySteps() bool { return p.subject().bySteps }

// stack is the one that all changed services are of; "": there is none.
func (p *Plan) stack() string {
	if len(p.Changes) == 0 {
		return ""
	}
	stack := p.Changes[0].Stack
	for i := range p.Changes {
		if p.Changes[i].Stack != stack {
			return ""
		}
	}
	return stack
}

// Title is the plan in a line: "scale shop_web 2 → 4".
func (p *Plan) Title() string { return p.subject().title }

// changesTitle is the same of a plan that changes services alone.
func (p *Plan) changesTitle() string {
	switch {
	case len(p.Changes) == 0:
		return p.Action
	case len(p.Changes) > 1:
		return fmt.Sprintf("%s %d services", p.Action, len(p.Changes))
	}
	c := &p.Changes[0]
	if p.Action == Scale && len(c.Fields) == 1 {
		before, after := c.Fields[0].Text()
		return fmt.Sprintf("scale %s %s → %s", c.Service, before, after)
	}
	return p.Action + " " + c.Service
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

func (p *Plan) raise(h Harm, why string) {
	if h > p.Harm {
		p.Harm = h
	}
	if why != "" {
		if p.Why != "" {
			p.Why += "; "
		}
		p.Why += why
	}
}
