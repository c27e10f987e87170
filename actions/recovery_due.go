package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quarterdeck/actions/journal"
	"quarterdeck/recovery"
)

// brings tells whether the plan brings data back into its service, or takes that back.
func (p *Plan) brings() bool { return p.Action == Restore || p.Action == Undo }

// stillDue refuses a scheduled backup that was made meanwhile. It is asked with the lock in hand: whoever has made it for the same time had the lock until its
// record was written, so that of two there is one.
func (r *Running) stillDue(ctx context.Context) error {
	c := r.plan.Recovery
	if c.Due.IsZero() {
		return nil
	}
	return persist(ctx, func() error {
		list, err := recovery.SnapshotsOf(ctx, r.d.Objects, c.Service)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(s recovery.Snapshot) bool { return c.Policy.Meets(&s, c.Due, r.d.Now()) }); i >= 0 {
			return &Refusal{fmt.Sprintf("%s was saved for %s meanwhile, by run %s", c.Service, c.Due.UTC().Format("2006-01-02 15:04:05Z"), list[i].Run)}
		}
		return nil
	})
}

// warn adds to what the report says of the run.
func (r *Running) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, text)
}

// recordAudit writes down what was found in the repository.
func (r *Running) recordAudit(ctx context.Context) error {
	x, err := r.knownResult(ctx, jobAudit)
	if err != nil {
		return err
	}
	if x == nil {
		return errors.New("the job's result is not in the object store")
	}
	a := &recovery.Audit{Run: r.id, Began: x.Began, Ended: x.Ended, OK: x.OK, Code: x.Code, Reason: x.Reason, Actor: r.d.Policy.Actor}
	return persist(ctx, func() error { return recovery.SaveAudit(ctx, r.d.Objects, a) })
}

// tells is whether a failed audit says something of the repository, and not of what stood in its way.
func tells(x *recovery.Result) bool {
	return x != nil && slices.Contains([]recovery.Code{recovery.Damaged, recovery.WrongPassword, recovery.NoRepository}, x.Code)
}

// EndDead ends a run that saves or tries something and cannot be gone on with, as where its service is gone: what it has left in the swarm is taken away, and its
// lock, which would keep others from the service of that name. One that brings data back is not ended by this.
func (d *Deck) EndDead(ctx context.Context, run RunRecord) error {
	if d.Policy.ReadOnly {
		return ErrReadOnly
	}
	if run.plan.Recovery == nil || run.Restores() {
		return &Refusal{errHalf.Error()}
	}
	release, err := d.Journal.Hold(run.ID)
	if errors.Is(err, journal.ErrHeld) {
		return &Busy{run.ID, run.Target}
	}
	if err != nil {
		return err
	}
	defer release()
	if err := d.unended(run.ID); err != nil {
		return err
	}
	l, err := d.lockOf(ctx, run.plan.Recovery.Service)
	if err != nil {
		return err
	}
	r := d.running(run.ID, &Plan{Action: run.Action, Recovery: run.plan.Recovery, Of: run.Of}, "", nil)
	if l != nil && l.run() == run.ID {
		if !d.watch(l) { // it takes several looks to know
			return &Busy{run.ID, run.Target + " (" + orWords(l.Labels[labelOwner], "somebody") + ")"}
		}
		if err := r.hold.take(ctx, &l.ConfigState); err != nil {
			return err
		}
	}
	if err := r.clear(ctx); err != nil {
		return err
	}
	if err := r.unlock(ctx); err != nil {
		return err
	}
	_, err = d.write(journal.Entry{Run: run.ID, Action: run.Action, Target: run.Target, Phase: phaseEnd, Result: ResultInterrupted, Reason: "it cannot be gone on with: what it had made was taken away"})
	return err
}
