package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quarterdeck/actions"
)

// do does one task and waits for its end. It tells whether something has changed, so that what is due is to be looked at anew.
func (a *Agent) do(ctx context.Context, t Task) bool {
	if err := a.look(ctx, 0); err != nil { // somebody may have done it since
		return false
	}
	if !a.stillDue(&t) {
		return true
	}
	run, err := a.begin(ctx, &t)
	if err == nil {
		a.Log.Info("begun", "task", t.Kind, "service", t.Service, "due", t.when(), "run", run.ID())
		err = a.follow(&t, run)
	}
	var locked *actions.Locked
	var busy *actions.Busy
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, actions.ErrNoLease):
		a.Log.Warn("the lease was lost: nothing is begun", "task", t.Kind, "service", t.Service)
	case errors.As(err, &locked), errors.As(err, &busy), errors.Is(err, errTaken):
		a.Log.Info("waits", "task", t.Kind, "service", t.Service, "for", err)
		a.later[t.key()] = a.Now().Add(laterBy)
		return false
	case err != nil:
		a.failed(ctx, &t, err)
	default:
		a.try(ctx, t.key(), nil)
	}
	_ = a.look(ctx, 0) // what cannot be read now is read at the next look
	return true
}

// stillDue tells whether a task is still on the agenda.
func (a *Agent) stillDue(t *Task) bool {
	return slices.ContainsFunc(Agenda(a.known(), a.Now()), func(x Task) bool { return x.key() == t.key() && x.Due.Equal(t.Due) })
}

// begin plans a task and starts it, after a proof that this agent is the one that may.
func (a *Agent) begin(ctx context.Context, t *Task) (*actions.Running, error) {
	planning, cancel := context.WithTimeout(ctx, planWithin)
	defer cancel()
	var plan *actions.Plan
	var err error
	switch t.Kind {
	case Backup:
		plan, err = a.Deck.PlanScheduled(planning, t.Service, t.Due)
	case Audit:
		plan, err = a.Deck.PlanAudit(planning)
	default:
		plan, err = a.Deck.PlanDrill(planning, t.Service, "")
	}
	switch {
	case err != nil:
		return nil, err
	case plan.Locked != "":
		return nil, fmt.Errorf("%w: %s", errTaken, plan.Refused)
	case plan.Refused != "":
		return nil, &actions.Refusal{Why: plan.Refused}
	}
	if err := a.lease.Prove(planning); err != nil {
		return nil, err
	}
	why := "it is overdue"
	if t.Kind == Backup {
		why = "its schedule: due " + t.when()
	}
	return a.Deck.Start(ctx, plan, actions.Approval{Yes: true, Typed: plan.Word(), Reason: why}, nil)
}

// follow waits for the end of a run.
func (a *Agent) follow(t *Task, run *actions.Running) error {
	a.set(func(s *Status) { s.Running, s.Run = t, run.ID() })
	defer a.set(func(s *Status) { s.Running, s.Run = nil, "" })
	report, err := run.Report()
	if x := report.RecoveryReport; x != nil {
		for _, w := range x.Warnings {
			a.Log.Warn(w, "service", t.Service, "run", report.Run)
			a.set(func(s *Status) { s.CleanUps[t.Service]++ })
		}
	}
	switch {
	case report.Result == actions.ResultDone:
		a.Log.Info("done", "task", t.Kind, "service", t.Service, "run", report.Run)
		return nil
	case err != nil:
		return err
	}
	return errors.New(report.Result + ": " + report.Reason)
}

// failed counts an attempt that came to nothing, unless what it was for was done by another meanwhile.
func (a *Agent) failed(ctx context.Context, t *Task, why error) {
	if err := a.look(ctx, 0); err == nil && !a.stillDue(t) {
		a.Log.Info("not needed any more", "task", t.Kind, "service", t.Service, "run", why)
		return
	}
	next := failed(t, why.Error(), a.Now())
	a.try(ctx, t.key(), &next)
	a.set(func(s *Status) { s.Failures[t.key()]++ })
	if next.Count >= MaxTries {
		a.Log.Error("given up", "task", t.Kind, "service", t.Service, "due", t.when(), "attempt", next.Count, "error", why)
		return
	}
	a.Log.Warn("failed", "task", t.Kind, "service", t.Service, "due", t.when(), "attempt", next.Count, "again", next.Next.UTC(), "error", why)
}

// goOn goes on with one run that a dead agent, or a dead console, has left open. Those that bring data back are for people: they are told of and left alone. It
// tells whether there was one.
func (a *Agent) goOn(ctx context.Context) bool {
	own, err := a.Deck.Unfinished()
	foreign, ferr := a.Deck.Foreign(ctx)
	if err = errors.Join(err, ferr); err != nil {
		if ctx.Err() == nil {
			a.Log.Warn("whether runs were left open could not be looked at", "error", err)
		}
		return false
	}
	left := slices.DeleteFunc(slices.Concat(own, foreign), func(r actions.RunRecord) bool {
		return r.Elsewhere && !r.Silent() || r.Action != actions.Audit && !a.known().means(r.Target)
	})
	restores := 0
	for i := range left {
		if left[i].Restores() {
			restores++
			a.tell(&left[i])
		}
	}
	a.set(func(s *Status) { s.Restores = restores })
	for _, r := range left {
		if slices.Contains([]string{actions.Backup, actions.Drill, actions.Audit}, r.Action) && !a.later[r.ID].After(a.Now()) {
			a.later[r.ID] = a.Now().Add(laterBy)
			a.resume(ctx, r)
			return true
		}
	}
	return false
}

// tell says once in the log that a run is left alone.
func (a *Agent) tell(r *actions.RunRecord) {
	if !a.told[r.ID] {
		a.told[r.ID] = true
		a.Log.Warn("a restore is not at its end: it is left to people", "service", r.Target, "run", r.ID, "by", r.Actor)
	}
}

func (a *Agent) resume(ctx context.Context, r actions.RunRecord) {
	t := Task{Kind: Kind(r.Action), Service: r.Target}
	err := a.lease.Prove(ctx)
	if err == nil && r.Elsewhere {
		r, err = a.Deck.Adopt(ctx, r)
	}
	var st actions.Standing
	if err == nil {
		st, err = a.Deck.Stand(ctx, r)
	}
	if err == nil && st.NoFinish != "" {
		if err = a.Deck.EndDead(ctx, r); err == nil {
			a.Log.Warn("a run that cannot be gone on with is ended", "task", t.Kind, "service", t.Service, "run", r.ID, "why", st.NoFinish)
			return
		}
	}
	var run *actions.Running
	if err == nil {
		run, err = a.Deck.Resume(ctx, st, nil)
	}
	if err == nil {
		a.Log.Info("gone on with", "task", t.Kind, "service", t.Service, "run", r.ID, "after", st.Step, "begun_by", r.Actor)
		err = a.follow(&t, run)
	}
	if err != nil && ctx.Err() == nil {
		a.Log.Warn("a run that was left open came to nothing", "task", t.Kind, "service", t.Service, "run", r.ID, "error", err)
	}
	_ = a.look(ctx, 0) // what cannot be read now is read at the next look
}
