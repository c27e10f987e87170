package actions

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// Who executes a recovery is told by its lock: the holder is a word that each process makes anew, and the beat changes as long as that process lives. Clocks of
// different machines are never compared: somebody who wants to take a run over looks whether the lock changes.
const (
	labelHolder = "qd.holder"
	labelBeat   = "qd.beat"

	// beatEvery is how often a living process changes the lock; deadAfter how long another waits for such a change before it takes the process for dead.
	beatEvery = 10 * time.Second
	deadAfter = 35 * time.Second
)

// holder is the process's word for itself in the run's lock.
func (r *Running) holder() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token == "" {
		r.token = rand.Text()
	}
	return r.token
}

// relabel changes labels of the run's lock, if this process still holds it. take: whoever holds it, it is this process's from now on.
func (r *Running) relabel(ctx context.Context, change map[string]string, take bool) error {
	r.lockMu.Lock() // the beat and the steps change the same labels
	defer r.lockMu.Unlock()
	for try := 0; ; try++ {
		err := r.persist(ctx, func() error { return r.relabelOnce(ctx, change, take) })
		// The version has moved on: by a change of ours whose answer was lost, or a manager is behind. Whether the lock is still ours is read again. Of two that
		// take a run over at the same moment one has it.
		if take || sources.KindOf(err) != sources.Conflict || try >= sequenceTries || !pause(ctx, time.Second) {
			return err
		}
	}
}

func (r *Running) relabelOnce(ctx context.Context, change map[string]string, take bool) error {
	l, err := r.d.lockOf(ctx, r.plan.Recovery.Service)
	switch {
	case err != nil:
		return err
	case l == nil:
		return &Refusal{"the lock " + lockName(r.plan.Recovery.Service) + " is gone: somebody has removed it, and nothing more is done"}
	case l.run() != r.id:
		return &Refusal{l.words()}
	case l.Labels[labelHolder] != r.holder() && !take:
		return &Refusal{"the run was taken over by " + orWords(l.Labels[labelOwner], "somebody") + ", and goes on there"}
	}
	labels := maps.Clone(l.Labels)
	maps.Copy(labels, change)
	labels[labelHolder], labels[labelOwner] = r.holder(), r.owner()
	if maps.Equal(labels, l.Labels) {
		return nil
	}
	return r.d.Bench.RelabelConfig(ctx, l.ID, l.Version, labels)
}

// beat changes the lock until ctx ends, so that others see that the run is being executed.
func (r *Running) beat(ctx context.Context) {
	for n := 1; pause(ctx, beatEvery); n++ {
		if err := r.relabel(ctx, map[string]string{labelBeat: r.d.Now().UTC().Format(time.RFC3339)}, false); err != nil && ctx.Err() == nil {
			r.d.log().Warn("the lock of a run could not be kept fresh", "run", r.id, "error", err) // the next step's look at it says what is wrong
		}
	}
}

// takeOver makes an interrupted run this process's. Where the lock is another machine's it is watched first: if it changes somebody is at work.
func (r *Running) takeOver(ctx context.Context) error {
	service := r.plan.Recovery.Service
	first, err := r.d.lockOf(ctx, service)
	if err != nil || first == nil || first.run() != r.id { // the step's own look says what that means
		return err
	}
	if first.Labels[labelOwner] != r.owner() {
		for began := r.d.Now(); r.d.Now().Sub(began) < deadAfter; {
			if !pause(ctx, time.Second) {
				return ctx.Err()
			}
			if l, err := r.d.lockOf(ctx, service); err == nil && l != nil && l.Version != first.Version {
				return &Busy{r.id, service + " (" + orWords(l.Labels[labelOwner], "somebody") + ")"}
			}
		}
	}
	return r.relabel(ctx, nil, true)
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
		out = append(out, l.record(d.cluster()))
	}
	slices.SortFunc(out, func(a, b RunRecord) int { return a.Began.Compare(b.Began) })
	return out, nil
}

// record is the run that a lock tells of: the steps before the one that it names are done.
func (l *recoveryLock) record(cluster string) RunRecord {
	doc := &l.doc
	r := RunRecord{ID: l.run(), Action: doc.Action, Target: l.Labels[labelService], Actor: doc.Actor, Host: doc.Host, Cluster: cluster, Began: doc.Began, Why: doc.Why, Elsewhere: true, plan: doc.Plan}
	r.Of = r.plan.Of
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
