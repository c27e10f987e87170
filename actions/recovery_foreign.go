package actions

import (
	"context"
	"maps"
	"slices"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// lockHold is the run's hold on its service's lock.
func (r *Running) lockHold() *hold {
	h := newHold(r.d.Bench, lockName(r.plan.Recovery.Service), r.owner())
	h.other = func(c *sources.ConfigState) error {
		if l := (recoveryLock{ConfigState: *c}); l.run() != r.id {
			return &Refusal{l.words()}
		}
		return nil
	}
	return h
}

// beat changes the lock until ctx ends, so that others see that the run is being executed.
func (r *Running) beat(ctx context.Context) {
	for pause(ctx, beatEvery) {
		if err := r.hold.relabel(ctx, map[string]string{labelBeat: r.d.Now().UTC().Format(time.RFC3339)}); err != nil && ctx.Err() == nil {
			r.d.log().Warn("the lock of a run could not be kept fresh", "run", r.id, "error", err) // the next step's look at it says what is wrong
		}
	}
}

// letGoWithin bounds how long a process that ends tries to say so.
const letGoWithin = 3 * time.Second

// letGo tells others that this process does not execute the run any more, so that they need not wait for its beat.
func (r *Running) letGo(ctx context.Context) {
	if r.hold == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoWithin)
	defer cancel()
	if err := r.hold.release(ctx); err != nil {
		r.d.log().Info("the lock of a run was not let go of", "run", r.id, "error", err) // it may have none yet; else the next one waits
	}
}

// takeOver makes an interrupted run this process's. Where the lock is another machine's it is watched first: if it changes somebody is at work.
func (r *Running) takeOver(ctx context.Context) error {
	service := r.plan.Recovery.Service
	l, err := r.d.lockOf(ctx, service)
	if err != nil || l == nil || l.run() != r.id { // the step's own look says what that means
		return err
	}
	if l.Labels[labelOwner] != r.owner() && l.Version != r.silent {
		first := l.Version
		for v := new(vigil); !v.silent(&l.ConfigState, r.d.Now()); {
			if !pause(ctx, time.Second) {
				return ctx.Err()
			}
			if now, err := r.d.lockOf(ctx, service); err == nil && now != nil {
				l = now
			}
			if l.Version != first {
				return &Busy{r.id, service + " (" + orWords(l.Labels[labelOwner], "somebody") + ")"}
			}
		}
	}
	return r.hold.take(ctx, &l.ConfigState)
}

// Alive watches the lock of a run that another machine has begun until it is known whether somebody executes it: each who does changes it, and says so when
// he lets go. The run is marked where nobody does (Silent). ended: the lock is gone, or another run's by now.
func (d *Deck) Alive(ctx context.Context, run *RunRecord) (alive, ended bool, err error) {
	var v vigil
	var first uint64
	for {
		l, err := d.lockOf(ctx, run.Target)
		switch {
		case err != nil:
			return false, false, err
		case l == nil || l.run() != run.ID:
			return false, true, nil
		case v.silent(&l.ConfigState, d.Now()):
			run.silent = l.Version
			return false, false, nil
		case first == 0:
			first = l.Version
		case l.Version != first:
			return true, false, nil
		}
		if !pause(ctx, time.Second) {
			return false, false, ctx.Err()
		}
	}
}

// Foreign are the recoveries that the swarm's locks tell of and this machine's journal does not know: begun elsewhere, and under way there or interrupted.
func (d *Deck) Foreign(ctx context.Context) ([]RunRecord, error) {
	if d.Bench == nil {
		return nil, nil
	}
	locks, err := d.locks(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := d.Runs()
	if err != nil {
		return nil, err
	}
	var out []RunRecord
	for _, l := range locks {
		if l.run() == "" || slices.ContainsFunc(runs, func(r RunRecord) bool { return r.ID == l.run() }) {
			continue
		}
		r := l.record(d.cluster())
		if d.watch(l) {
			r.silent = l.Version
		}
		out = append(out, r)
	}
	d.unwatch(locks)
	slices.SortFunc(out, func(a, b RunRecord) int { return a.Began.Compare(b.Began) })
	return out, nil
}

// watch looks at a lock of another machine, and tells whether nobody has it in hand any more, as the looks until now have it.
func (d *Deck) watch(l *recoveryLock) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.vigils == nil {
		d.vigils = map[string]*vigil{}
	}
	if d.vigils[l.run()] == nil {
		d.vigils[l.run()] = &vigil{}
	}
	return d.vigils[l.run()].silent(&l.ConfigState, d.Now())
}

// unwatch forgets the locks that are there no more.
func (d *Deck) unwatch(there []*recoveryLock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.vigils, func(run string, _ *vigil) bool {
		return !slices.ContainsFunc(there, func(l *recoveryLock) bool { return l.run() == run })
	})
}

// Silent tells of a run that Foreign gave that nobody executes it any more. It takes several looks to know: Foreign is to be asked again and again.
func (r *RunRecord) Silent() bool { return r.silent != 0 }

// Restores tells whether the run replaces data, or takes that back: then what is to come of it is for people to say.
func (r *RunRecord) Restores() bool {
	return r.plan.Recovery != nil && (r.Action == Restore || r.Action == Undo)
}

// record is the run that a lock tells of: the steps before the one that it names are done.
func (l *recoveryLock) record(cluster string) RunRecord {
	doc := &l.doc
	r := RunRecord{ID: l.run(), Action: doc.Action, Target: l.Labels[labelService], Actor: doc.Actor, Host: doc.Host, Cluster: cluster, Began: doc.Began, Why: doc.Why, Elsewhere: true, plan: doc.Plan}
	r.Of = r.plan.Of
	if doc.Run != r.ID { // an undo has taken the lock of what it takes back
		r.Of = doc.Run
	}
	for _, name := range r.plan.Steps {
		if name == l.Labels[labelPhase] {
			break
		}
		r.Steps = append(r.Steps, journal.Entry{Run: r.ID, Phase: phaseStep, Step: name, State: stateDone})
	}
	return r
}

// Adopt writes a foreign run's beginning into this machine's journal, so that it can be gone on with or taken back from here like one of its own.
func (d *Deck) Adopt(ctx context.Context, run RunRecord) (RunRecord, error) {
	if d.Policy.ReadOnly {
		return run, ErrReadOnly
	}
	if run.plan.Recovery == nil {
		return run, &Refusal{"its plan cannot be read from its lock: it was made by another version of this program"}
	}
	l, err := d.lockOf(ctx, run.Target)
	switch {
	case err != nil:
		return run, err
	case l == nil || l.run() != run.ID:
		return run, &Refusal{"run " + run.ID + " has ended meanwhile"}
	}
	e := journal.Entry{Run: run.ID, Action: run.Action, Target: run.Target, Phase: phaseBegin, Detail: raw(run.plan), Reason: run.Why}
	if _, err := d.write(e); err != nil {
		return run, err
	}
	for i := range run.Steps {
		x := run.Steps[i]
		x.Action, x.Target, x.Reason = run.Action, run.Target, "done by "+run.Actor+" on "+run.Host+", as the lock says"
		if _, err := d.write(x); err != nil {
			return run, err
		}
	}
	return run, nil
}
