package actions

import (
	"context"
	"fmt"
	"slices"

	"quarterdeck/sources"
)

// rotation is the kind of a plan that makes or removes a secret or a config, and moves services over in between.
type rotation struct {
	services
	c *MaterialChange
}

// recordedMaterial is the change as the journal keeps it: without the value.
type recordedMaterial struct {
	Kind  sources.MaterialKind `json:"kind"`
	Old   string               `json:"old"`
	OldID string               `json:"old_id,omitempty"`
	New   string               `json:"new,omitempty"`
}

func (c *MaterialChange) recorded() *recordedMaterial {
	if c == nil {
		return nil
	}
	return &recordedMaterial{c.Kind, c.Old, c.OldID, c.New}
}

func (r *recordedMaterial) change() *MaterialChange {
	if r == nil {
		return nil
	}
	return &MaterialChange{Kind: r.Kind, Old: r.Old, OldID: r.OldID, New: r.New}
}

func (k rotation) subject(p *Plan) subject {
	s := k.services.subject(p)
	if len(p.Changes) == 0 {
		s.target, s.word = k.c.Old, k.c.Old
	}
	return s
}

func (k rotation) steps(p *Plan) []Step {
	var out []Step
	if k.c.New != "" {
		out = append(out, Step{Name: fmt.Sprintf("create %s %s", k.c.Kind, k.c.New), Kind: StepCreate})
	}
	out = append(out, k.services.steps(p)...)
	if k.c.OldID != "" && !p.NoWait {
		out = append(out, Step{Name: fmt.Sprintf("remove %s %s", k.c.Kind, k.c.Old), Kind: StepRemove})
	}
	return out
}

func (k rotation) do(ctx context.Context, r *Running, s Step) (out stepped, err error) {
	switch s.Kind {
	case StepCreate:
		err = r.create(ctx)
	case StepRemove:
		err = r.remove(ctx)
	case StepUpdate: // the id of what was made was not known when the spec was planned
		c := &r.plan.Changes[s.At]
		after := c.After
		if k.c.New != "" {
			after, _ = after.WithMaterial(k.c.Kind, k.c.New, r.material, k.c.New)
		}
		out.after, err = r.update(ctx, c, after, sources.Same)
	default:
		return k.services.do(ctx, r, s)
	}
	return out, err
}

// undo moves the services back and removes what was made, as long as what was there before is there still.
func (k rotation) undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	p := &Plan{Action: Undo, Of: run.ID, Harm: Serious}
	gone, err := d.oldGone(ctx, k.c)
	if err != nil {
		return nil, err
	}
	if gone {
		p.Refused = fmt.Sprintf("run %s has removed %s %s, whose value nobody has written down: rotate again with the value that shall be", run.ID, k.c.Kind, k.c.Old)
		return d.finish(p), nil
	}
	if err := d.takeServicesBack(ctx, p, run); err != nil {
		return nil, err
	}
	made, err := d.madeBy(ctx, run.ID, k.c.Kind)
	if err != nil {
		return nil, err
	}
	if made.ID != "" {
		p.Material = &MaterialChange{Kind: k.c.Kind, Old: made.Name, OldID: made.ID}
	}
	return d.finish(p), nil
}

// stand: one that has made nothing yet cannot be gone on with, because the value is not in the journal.
func (k rotation) stand(ctx context.Context, d *Deck, s *Standing) error {
	err := k.services.stand(ctx, d, s)
	if err != nil || k.c.New == "" || s.Done > 0 || s.NoFinish != "" {
		return err
	}
	made, err := d.madeBy(ctx, s.Run.ID, k.c.Kind)
	if err == nil && made.ID == "" {
		s.NoFinish = noValue(k.c.New)
	}
	return err
}

func (k rotation) resume(ctx context.Context, r *Running, s *Standing) error {
	if k.c.New == "" {
		return nil
	}
	made, err := r.d.madeBy(ctx, r.id, k.c.Kind)
	if err != nil {
		return err
	}
	r.material = made.ID
	if made.ID == "" && s.Done > 0 {
		return &Refusal{fmt.Sprintf("%s %s, which the run has made, is gone", k.c.Kind, k.c.New)}
	}
	return nil
}

// oldGone tells whether the secret or config that a run has rotated is not there any more.
func (d *Deck) oldGone(ctx context.Context, m *MaterialChange) (bool, error) {
	list, err := d.Hands.Materials(ctx, m.Kind)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(list, func(x sources.Reference) bool { return x.Name == m.Old && (m.OldID == "" || x.ID == m.OldID) }), nil
}

// madeBy finds the secret or config that a run has made; the zero value where there is none.
func (d *Deck) madeBy(ctx context.Context, run string, kind sources.MaterialKind) (sources.Reference, error) {
	list, err := d.Hands.Materials(ctx, kind)
	for _, x := range list {
		if x.Labels[runLabel] == run {
			return x, nil
		}
	}
	return sources.Reference{}, err
}

// noValue is why a rotation that has made nothing yet cannot be finished by another process.
func noValue(name string) string {
	return fmt.Sprintf("the value of %s is nowhere but in the run that was interrupted: take the run back and rotate again", name)
}

// rotated tells whether a spec is what was planned but for the id of the secret, which was not known then.
func (r *RunRecord) rotated(now, planned sources.Spec) bool {
	m := r.plan.Material
	if m == nil || m.New == "" {
		return false
	}
	withNew, used := planned.WithMaterial(m.Kind, m.New, "", m.New)
	nowNew, _ := now.WithMaterial(m.Kind, m.New, "", m.New)
	return used && sources.Same(withNew, nowNew)
}
