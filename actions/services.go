package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"quarterdeck/sources"
)

// services is the kind of a plan that changes services and nothing else. Those that change something beside them answer as this one does, but for what they say
// themselves.
type services struct{}

func (services) subject(p *Plan) subject {
	return subject{title: p.changesTitle(), target: p.Target()}
}

func (services) steps(p *Plan) []Step {
	var out []Step
	if p.Hook != nil {
		out = append(out, Step{Name: "call the webhook " + p.Hook.Name(), Kind: StepHook})
	}
	for i := range p.Changes {
		if p.Hook == nil {
			out = append(out, p.Changes[i].step(i))
		}
		if last := i == len(p.Changes)-1; (last || p.Changes[i+1].Group != p.Changes[i].Group) && !p.NoWait && p.stays(p.Changes[i].Group) {
			out = append(out, Step{Name: p.verifyName(p.Changes[i].Group), Kind: StepVerify, At: p.Changes[i].Group})
		}
	}
	return out
}

func (services) report(*Plan, *Report) {}

func (services) do(ctx context.Context, r *Running, s Step) (out stepped, err error) {
	switch s.Kind {
	case StepHook:
		out.after, err = r.callHook(ctx)
	case StepUpdate:
		c := &r.plan.Changes[s.At]
		out.after, err = r.update(ctx, c, c.After, sources.Same)
	case StepVerify:
		err = r.verify(ctx, s.At)
	default:
		err = unknownStep(s)
	}
	return out, err
}

func unknownStep(s Step) error { return fmt.Errorf("step %q is of no kind that is known", s.Name) }

func (services) takeBack(ctx context.Context, r *Running) (did bool, err error) {
	if len(r.applied) == 0 {
		return false, nil
	}
	return true, r.takeBack(ctx)
}

func (services) finish(r *Running, report *Report) { r.offerUndo(report, len(r.applied) > 0) }

// offerUndo puts into a report how the run is taken back, where it has changed something and that is not taken back already.
func (r *Running) offerUndo(report *Report, changed bool) {
	if changed && report.Result != ResultTakenBack {
		report.Undo = "quarterdeck undo " + r.id
	}
}

func (services) names(run *RunRecord) []string {
	var out []string
	for i := range run.plan.Services {
		out = append(out, run.plan.Services[i].Name)
	}
	if out == nil && run.Target != "" {
		out = strings.Split(run.Target, ",")
	}
	return out
}

func (services) touched(run *RunRecord) bool { return len(run.touched()) > 0 }
func (services) offered(run *RunRecord) bool { return len(run.applied()) > 0 }

func (services) undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	p := &Plan{Action: Undo, Of: run.ID, Harm: Serious}
	if len(run.touched()) == 0 {
		p.Nothing = "run " + run.ID + " has changed nothing"
		return d.finish(p), nil
	}
	if err := d.takeServicesBack(ctx, p, run); err != nil {
		return nil, err
	}
	return d.finish(p), nil
}

func (services) stand(ctx context.Context, d *Deck, s *Standing) error {
	key, err := d.key()
	if err != nil {
		return err
	}
	r := &s.Run
	snap := d.Fleet.Snapshot()
	for _, x := range r.plan.Services {
		one := ServiceStanding{Service: x.Name}
		st, err := d.Hands.ServiceState(ctx, x.ID)
		switch {
		case sources.KindOf(err) == sources.NotFound:
			one.State, s.NoFinish = "gone", x.Name+" is gone"
		case err != nil:
			return err
		default:
			before, errB := d.Spec(x.Before)
			after, errA := d.Spec(x.After)
			if errA != nil || errB != nil {
				return errors.Join(errA, errB)
			}
			now := st.Spec.Masked(key)
			switch {
			case sources.Same(now, after) || r.rotated(now, after):
				one.State = "changed"
			case sources.Same(now, before):
				one.State, s.AllMade = "as before", false
			default:
				one.State, s.NoFinish = "changed by somebody else", x.Name+" was changed by somebody else meanwhile"
			}
		}
		if v := snap.Service(x.ID); v != nil {
			one.Health, one.Reason = string(v.Health), v.Reason
		}
		s.Services = append(s.Services, one)
	}
	return nil
}

// resume has nothing to add: what was made of the services is in the journal's steps.
func (services) resume(context.Context, *Running, *Standing) error { return nil }
