package actions

import (
	"context"
	"fmt"

	"quarterdeck/sources"
)

// stackOf is the kind of a plan that makes or removes parts of a stack, and makes, changes or removes its services.
type stackOf struct {
	services
	c *StackChange
}

func (k stackOf) subject(p *Plan) subject {
	s := subject{title: p.stackTitle(), target: p.Target(), word: k.c.Stack}
	if len(p.Changes) == 0 {
		s.target = "stack " + k.c.Stack
	}
	return s
}

// steps: what services need is made before them, and goes after them.
func (k stackOf) steps(p *Plan) []Step {
	changes := k.services.steps(p)
	if k.c.Remove {
		return append(changes, k.c.steps()...)
	}
	return append(k.c.steps(), changes...)
}

func (k stackOf) report(_ *Plan, report *Report) {
	for i := range k.c.Parts {
		x := &k.c.Parts[i]
		f := FieldReport{Field: string(x.Kind) + " " + x.Name, After: x.About()}
		if k.c.Remove {
			f.Before, f.After = f.After, nil
		}
		report.Plan.Changes = append(report.Plan.Changes, f)
	}
}

func (k stackOf) do(ctx context.Context, r *Running, s Step) (out stepped, err error) {
	switch s.Kind {
	case StepMake:
		out.after, err = r.makeOf(ctx, s.At)
	case StepDrop:
		err = r.drop(ctx, s.At)
	case StepPart:
		if err = r.part(ctx, s.At); err == nil {
			out.detail = raw(stepMade{r.parts[s.Name]})
		}
	case StepPartGone:
		err = r.partGone(ctx, s.At)
	case StepUpdate:
		if !k.c.Remove {
			if err = r.withIDs(ctx, s.At); err != nil {
				return out, err
			}
		}
		c := &r.plan.Changes[s.At]
		out.after, err = r.update(ctx, c, c.After, asFiled)
	default:
		return k.services.do(ctx, r, s)
	}
	return out, err
}

// asFiled tells whether a service is as a file has it: a file has no more than it says, and the engine fills in the rest.
func asFiled(now, asked sources.Spec) bool {
	return sources.Same(now, asked) || len(sources.FileDiff(now, asked)) == 0
}

func (k stackOf) takeBack(ctx context.Context, r *Running) (did bool, err error) {
	if len(r.applied)+len(r.parts) == 0 {
		return false, nil
	}
	if err := r.takeBack(ctx); err != nil {
		return true, err
	}
	return true, r.partsBack(ctx)
}

// finish: what was removed is made anew by applying the stack, and not by an undo.
func (k stackOf) finish(r *Running, report *Report) {
	r.offerUndo(report, len(r.applied)+len(r.parts) > 0 && !k.c.Remove)
}

func (k stackOf) touched(run *RunRecord) bool {
	return k.services.touched(run) || len(run.madeParts()) > 0
}

func (k stackOf) offered(run *RunRecord) bool {
	return k.services.offered(run) || len(run.madeParts()) > 0
}

// undo: what the run made is removed, what it changed is changed back.
func (k stackOf) undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	p := &Plan{Action: Undo, Of: run.ID, Harm: Serious}
	if k.c.Remove {
		p.Refused = fmt.Sprintf("run %s has removed what another had made: apply the stack %s again", run.ID, k.c.Stack)
		return d.finish(p), nil
	}
	p.Stack = &StackChange{Stack: k.c.Stack, Remove: true}
	applied, most := run.touched(), run.lastGroup()
	for _, s := range run.plan.Services {
		if s.Make {
			if err := d.unmake(ctx, p, run, s, most-s.Group); err != nil {
				return nil, err
			}
		} else if ref, done := applied[s.ID]; done {
			if err := d.takeBack(ctx, p, s, ref, most-s.Group); err != nil {
				return nil, err
			}
		}
	}
	p.packGroups()
	if err := d.unmakeParts(ctx, p, run); err != nil {
		return nil, err
	}
	return d.finish(p), nil
}

// stand: it is not gone on with. Applying the stack again goes on where it stopped, and so does taking the other run back again.
func (k stackOf) stand(ctx context.Context, d *Deck, s *Standing) error {
	s.AllMade = false
	s.NoFinish = fmt.Sprintf("take it back, or leave it as it is and apply the stack %s again: that goes on where it stopped", k.c.Stack)
	if k.c.Remove {
		s.NoFinish = "leave it as it is, and take back run " + s.Run.Of + " again: that goes on where it stopped"
	}
	snap := d.Fleet.Snapshot()
	for _, x := range s.Run.plan.Services {
		one := ServiceStanding{Service: x.Name, State: "there"}
		_, err := d.Hands.ServiceState(ctx, x.Name)
		switch {
		case sources.KindOf(err) == sources.NotFound:
			one.State = "not there"
		case err != nil:
			return err
		}
		if v := snap.Service(x.Name); v != nil {
			one.Health, one.Reason = string(v.Health), v.Reason
		}
		s.Services = append(s.Services, one)
	}
	return nil
}

// resume says the same to whoever does not ask stand first: what is in a config or a secret is not in the journal.
func (k stackOf) resume(_ context.Context, _ *Running, s *Standing) error {
	return &Refusal{fmt.Sprintf("run %s is not gone on with: apply the stack %s again", s.Run.ID, k.c.Stack)}
}
