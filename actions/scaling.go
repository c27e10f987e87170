package actions

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"quarterdeck/autoscale"
	"quarterdeck/sources"
)

// stopNote bounds why the autoscaler is stopped, in bytes.
const stopNote = 500

// ScalingChange stops every autoscaler of a swarm, or lets them go on.
type ScalingChange struct {
	// Stop: they are stopped, and not let go on.
	Stop bool `json:"stop"`
	// Before is who has stopped them, where they are let go on; nil: nobody.
	Before *autoscale.Stop `json:"-"`
}

// Title is the change in a few words.
func (c *ScalingChange) Title() string {
	if c.Stop {
		return "stop all autoscaling"
	}
	return "let autoscaling go on"
}

// PlanStopScaling plans to stop every autoscaler of the swarm.
func (d *Deck) PlanStopScaling(ctx context.Context) (*Plan, error) {
	return d.planScaling(ctx, &Plan{Action: Autoscale, Scaling: &ScalingChange{Stop: true}, Harm: Light})
}

// PlanStartScaling plans to let the autoscalers go on after a stop.
func (d *Deck) PlanStartScaling(ctx context.Context) (*Plan, error) {
	return d.planScaling(ctx, &Plan{Action: Autoscale, Scaling: &ScalingChange{}, Harm: Serious})
}

// planScaling adds how it is now.
func (d *Deck) planScaling(ctx context.Context, p *Plan) (*Plan, error) {
	before, _, err := d.stopNow(ctx)
	if err != nil {
		return nil, err
	}
	c := p.Scaling
	switch {
	case c.Stop && before != nil:
		p.Nothing = "autoscaling is " + before.Words()
	case !c.Stop && before == nil:
		p.Nothing = "nobody has stopped autoscaling"
	case !c.Stop:
		c.Before = before
		if before.Who != d.Policy.Actor {
			p.warn("it was %s", before.Words())
		}
	}
	return d.finish(p), nil
}

// stopNow is who has stopped the autoscalers, as the swarm has it now, and the config's id; nil: nobody has.
func (d *Deck) stopNow(ctx context.Context) (*autoscale.Stop, string, error) {
	all, err := d.Hands.Materials(ctx, sources.Config)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(all, func(c sources.Reference) bool { return c.Name == autoscale.StopConfig })
	if i < 0 {
		return nil, "", nil
	}
	s := autoscale.StopOf(&all[i])
	return &s, all[i].ID, nil
}

// makeStop makes the config that stops them, for a run or for none. That one is there already is as good.
func (d *Deck) makeStop(ctx context.Context, reason, run string) error {
	note := strings.ToValidUTF8(reason, "\uFFFD")
	note = note[:min(len(note), stopNote)]
	labels := map[string]string{labelWho: d.Policy.Actor, labelAt: d.Now().UTC().Format(time.RFC3339), labelNote: strings.ToValidUTF8(note, "")}
	if run != "" {
		labels[runLabel] = run
	}
	_, err := d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: autoscale.StopConfig, Data: []byte("stop\n"), Labels: labels})
	if sources.KindOf(err) == sources.Conflict {
		return nil
	}
	return err
}

// liftStop removes the config. One that is gone already is as good.
func (d *Deck) liftStop(ctx context.Context) error {
	_, id, err := d.stopNow(ctx)
	if err == nil && id != "" {
		err = d.Hands.RemoveMaterial(ctx, sources.Config, id)
	}
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}

// switchScaling is the step that stops the autoscalers, or lets them go on.
func (r *Running) switchScaling(ctx context.Context) error {
	return persist(ctx, func() error {
		if r.plan.Scaling.Stop {
			return r.d.makeStop(ctx, r.reason, r.id)
		}
		return r.d.liftStop(ctx)
	})
}

// scalingSwitched is the proof: the swarm has the config, or has it no more.
func (r *Running) scalingSwitched(ctx context.Context) error {
	now, _, err := r.d.stopNow(ctx)
	if err != nil {
		return err
	}
	check := CheckReport{Name: "stop", OK: (now != nil) == r.plan.Scaling.Stop, Detail: "the swarm has no config " + autoscale.StopConfig}
	if now != nil {
		check.Detail = now.Words()
	}
	r.mu.Lock()
	r.checks = []CheckReport{check}
	r.mu.Unlock()
	if !check.OK {
		return errors.New("somebody else has changed it meanwhile: " + check.Detail)
	}
	return nil
}

// subject: a stop of all autoscaling changes nothing that runs; letting it go on does.
func (c *ScalingChange) subject(*Plan) subject {
	return subject{title: c.Title(), target: autoscale.StopConfig, harmless: c.Stop}
}

func (c *ScalingChange) steps(*Plan) []Step {
	return []Step{{Name: c.Title(), Kind: StepScaling}, {Name: "verify that the swarm has it so", Kind: StepScalingSet}}
}

func (c *ScalingChange) report(*Plan, *Report) {}

func (c *ScalingChange) do(ctx context.Context, r *Running, s Step) (stepped, error) {
	switch s.Kind {
	case StepScaling:
		return stepped{}, r.switchScaling(ctx)
	case StepScalingSet:
		return stepped{}, r.scalingSwitched(ctx)
	}
	return stepped{}, unknownStep(s)
}

// takeBack: where somebody else has changed it meanwhile, that stays.
func (c *ScalingChange) takeBack(context.Context, *Running) (did bool, err error) { return false, nil }

func (c *ScalingChange) finish(r *Running, report *Report) {
	r.offerUndo(report, report.Result == ResultDone)
}

// names: it is about no service.
func (c *ScalingChange) names(*RunRecord) []string { return nil }

// touched tells whether the autoscalers were stopped, or let go on.
func (c *ScalingChange) touched(run *RunRecord) bool { return run.didStep() }
func (c *ScalingChange) offered(run *RunRecord) bool { return c.touched(run) }

// stand has nothing to look at: what is there already is as good to the step.
func (c *ScalingChange) stand(context.Context, *Deck, *Standing) error { return nil }

func (c *ScalingChange) resume(context.Context, *Running, *Standing) error { return nil }

// undo plans to take a stop back, or the end of one. A stop that somebody else has made since stays.
func (c *ScalingChange) undo(ctx context.Context, d *Deck, r *RunRecord) (*Plan, error) {
	if !c.touched(r) {
		return d.finish(&Plan{Action: Undo, Of: r.ID, Nothing: "run " + r.ID + " has changed nothing"}), nil
	}
	p := &Plan{Action: Undo, Of: r.ID, Scaling: &ScalingChange{Stop: !c.Stop}, Harm: Serious}
	p, err := d.planScaling(ctx, p)
	if err == nil && p.Scaling.Before != nil && p.Scaling.Before.Run != r.ID {
		p.Refused = "somebody has stopped it again since: " + p.Scaling.Before.Words()
	}
	return p, err
}
