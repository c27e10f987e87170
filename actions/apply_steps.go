package actions

import (
	"context"
	"errors"
	"fmt"

	"quarterdeck/sources"
)

// stackTitle is the plan of a stack in a line.
func (p *Plan) stackTitle() string {
	made, changed, gone := 0, 0, 0
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.Make:
			made++
		case c.Remove:
			gone++
		default:
			changed++
		}
	}
	what := ""
	for _, x := range []struct {
		n    int
		word string
	}{{made, "made"}, {changed, "changed"}, {gone, "removed"}} {
		switch {
		case x.n == 0:
		case what != "":
			what += fmt.Sprintf(", %d %s", x.n, x.word)
		case x.n == 1:
			what = ": 1 service " + x.word
		default:
			what = fmt.Sprintf(": %d services %s", x.n, x.word)
		}
	}
	return p.Action + " the stack " + p.Stack.Stack + what
}

// step is the one that brings a change about.
func (c *Change) step(at int) Step {
	switch {
	case c.Make:
		return Step{Name: makeStep + c.Service, Kind: StepMake, At: at}
	case c.Remove:
		return Step{Name: "remove service " + c.Service, Kind: StepDrop, At: at}
	}
	return Step{Name: "update " + c.Service, Kind: StepUpdate, At: at}
}

// makeStep begins the name of a step that makes a service, partStep that of one that makes something else of a stack: the journal is read by them.
const (
	makeStep = "create service "
	partStep = "create "
)

func (x *StackPart) made() string { return partStep + x.step() }

func (x *StackPart) step() string {
	if x.Kind == PartLabel {
		return fmt.Sprintf("label %s on %s", x.Name, x.Node)
	}
	return string(x.Kind) + " " + x.Name
}

// steps make the parts, or take them away.
func (c *StackChange) steps() []Step {
	var out []Step
	for i := range c.Parts {
		x := &c.Parts[i]
		if c.Remove {
			out = append(out, x.gone(i))
		} else {
			out = append(out, Step{Name: x.made(), Kind: StepPart, At: i})
		}
	}
	return out
}

func (x *StackPart) gone(at int) Step {
	return Step{Name: "remove " + x.step(), Kind: StepPartGone, At: at}
}

// stays tells whether a group has a service that runs after it.
func (p *Plan) stays(group int) bool {
	for i := range p.Changes {
		if p.Changes[i].Group == group && !p.Changes[i].Remove {
			return true
		}
	}
	return false
}

// stepMade is what the journal keeps of a part that was made.
type stepMade struct {
	ID string `json:"id"`
}

// part makes a part of the stack.
func (r *Running) part(ctx context.Context, at int) error {
	x := &r.plan.Stack.Parts[at]
	if x.Kind == PartLabel {
		id, err := r.label(ctx, x, true)
		if err == nil {
			r.parts[x.made()] = id
		}
		return err
	}
	labels := map[string]string{runLabel: r.id}
	id := ""
	err := persist(ctx, func() error {
		var err error
		if id, err = r.partMade(ctx, x); err != nil || id != "" { // by a try whose answer was lost
			return err
		}
		if kind := x.Kind.material(); kind != "" {
			m := x.material
			m.Labels = joined(m.Labels, labels)
			id, err = r.d.Hands.CreateMaterial(ctx, kind, m)
			return err
		}
		n := x.network
		n.Labels = joined(n.Labels, labels)
		id, err = r.d.Bench.CreateNetwork(ctx, n)
		return err
	})
	if err == nil {
		r.parts[x.made()] = id
	}
	return err
}

// material is the kind of material that a part is; "": it is none.
func (k PartKind) material() sources.MaterialKind {
	switch k {
	case PartConfig:
		return sources.Config
	case PartSecret:
		return sources.Secret
	}
	return ""
}

func joined(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// partMade is the id of a part that this run has made; "": it is not there. One that somebody else has made meanwhile is an error.
func (r *Running) partMade(ctx context.Context, x *StackPart) (string, error) {
	id, run, err := r.d.findPart(ctx, x)
	if err == nil && id != "" && run != r.id {
		err = &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "create " + x.Name, Err: errors.New("somebody else has made one of that name meanwhile"), Next: "plan again: what is there is taken"}
	}
	return id, err
}

// findPart is the id of a network, config or secret by its name, and the run that has made it; "": there is none. A label has its node's id, and nobody knows who made it.
func (d *Deck) findPart(ctx context.Context, x *StackPart) (id, run string, err error) {
	switch kind := x.Kind.material(); {
	case x.Kind == PartLabel:
		id, err = d.findLabel(ctx, x)
		return id, "", err
	case kind != "":
		list, err := d.Hands.Materials(ctx, kind)
		for i := range list {
			if list[i].Name == x.Name {
				return list[i].ID, list[i].Labels[runLabel], nil
			}
		}
		return "", "", err
	}
	all, err := d.Bench.Networks(ctx)
	for i := range all {
		if all[i].Name == x.Name {
			return all[i].ID, all[i].Labels[runLabel], nil
		}
	}
	return "", "", err
}

// partGone takes a part away.
func (r *Running) partGone(ctx context.Context, at int) error {
	x := &r.plan.Stack.Parts[at]
	id := orWords(x.ID, r.parts[x.made()])
	kind := x.Kind.material()
	switch {
	case x.Kind == PartLabel:
		_, err := r.label(ctx, x, false)
		return err
	case kind == "":
		return r.removeNetwork(ctx, id)
	}
	return persist(ctx, func() error {
		err := r.d.Hands.RemoveMaterial(ctx, kind, id)
		if sources.KindOf(err) == sources.NotFound {
			return nil
		}
		return err
	})
}

// makeOf makes a service of the stack. One of that name that is as the plan has it, and was not there when it was planned, is what a try whose answer was
// lost has made.
func (r *Running) makeOf(ctx context.Context, at int) ([]SpecRef, error) {
	if err := r.withIDs(ctx, at); err != nil {
		return nil, err
	}
	c := &r.plan.Changes[at]
	began, sent := r.d.Now(), false
	var st sources.ServiceState
	err := persist(ctx, func() (err error) {
		st, err = r.d.Hands.ServiceState(ctx, c.Service)
		switch {
		case err == nil && sent:
			return nil
		case err == nil:
			return &Refusal{c.Service + " was made by somebody else meanwhile: look at the plan again"}
		case sources.KindOf(err) != sources.NotFound:
			return err
		}
		sent = true
		if _, err = r.d.Bench.CreateService(ctx, c.After); err != nil {
			return err
		}
		st, err = r.d.Hands.ServiceState(ctx, c.Service)
		return err
	})
	if err != nil {
		return nil, err
	}
	if differs := sources.FileDiff(st.Spec, c.After); len(differs) > 0 {
		return nil, &Refusal{fmt.Sprintf("%s is not as it was asked for (%s): somebody else has changed it meanwhile", c.Service, differs[0].Field)}
	}
	r.edit(at, func(c *Change) { c.ID, c.Version, c.After = st.ID, st.Version, st.Spec })
	c = &r.plan.Changes[at]
	refs, err := r.tookAt(c, &st, began)
	if err == nil {
		r.applied[c.ID].made = true
	}
	return refs, err
}

// withIDs puts the ids of what a change refers to into it: when it was planned, some of that was not there.
func (r *Running) withIDs(ctx context.Context, at int) error {
	return persist(ctx, func() error {
		known, err := r.d.namesNow(ctx)
		if err != nil {
			return err
		}
		after := known.named(r.plan.Changes[at].After)
		for _, kind := range []sources.MaterialKind{sources.Secret, sources.Config} {
			for _, ref := range after.Materials(kind) {
				if ref.ID == pendingID {
					return &Refusal{fmt.Sprintf("the %s %s is gone: plan again", kind, ref.Name)}
				}
			}
		}
		r.edit(at, func(c *Change) { c.After = after })
		return nil
	})
}

// edit changes one of the plan's changes: the plan that was given out stays as it was.
func (r *Running) edit(at int, f func(*Change)) {
	p := *r.plan
	p.Changes = append([]Change(nil), p.Changes...)
	f(&p.Changes[at])
	r.plan = &p
}

// drop takes a service of the stack away, and proves that it is gone. Its volumes stay where they are.
func (r *Running) drop(ctx context.Context, at int) error {
	c := &r.plan.Changes[at]
	err := persist(ctx, func() error {
		if err := r.d.Bench.RemoveService(ctx, c.ID); err != nil {
			return err
		}
		switch _, err := r.d.Hands.ServiceState(ctx, c.ID); {
		case sources.KindOf(err) == sources.NotFound:
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("%s was removed, and is still there", c.Service)
	})
	if err == nil {
		delete(r.applied, c.ID)
		r.rollout(c.Service, func(o *Rollout) { *o = Rollout{Service: o.Service, State: RolloutGone, Began: r.d.Now()} })
	}
	return err
}
