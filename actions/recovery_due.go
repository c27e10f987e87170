package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quarterdeck/actions/journal"
	"quarterdeck/recovery"
	"quarterdeck/sources"
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

// EndLost ends a recovery in this machine's journal whose lock is gone, or is another run's: it can do nothing more, and what it has left in the swarm is taken
// away. One that brings data back is not ended by this.
func (d *Deck) EndLost(ctx context.Context, run RunRecord) error {
	if d.Policy.ReadOnly {
		return ErrReadOnly
	}
	if run.plan.Recovery == nil || run.Restores() {
		return &Refusal{errHalf.Error()}
	}
	l, err := d.lockOf(ctx, run.plan.Recovery.Service)
	if err != nil {
		return err
	}
	if l != nil && l.run() == run.ID {
		return &Refusal{l.words()}
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
	if err := d.running(run.ID, &Plan{Action: run.Action, Recovery: run.plan.Recovery}, "", nil).clear(ctx); err != nil && sources.KindOf(err) != sources.NotFound {
		return err
	}
	_, err = d.write(journal.Entry{Run: run.ID, Action: run.Action, Target: run.Target, Phase: phaseEnd, Result: ResultInterrupted, Reason: "its lock is gone: another has ended it"})
	return err
}
