package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Times of a recovery's other steps.
const (
	// restWithin is how long tasks may take to end after the scaling to 0: their own grace period is theirs to choose, and seldom longer.
	restWithin = 5 * time.Minute
	// goneWithin is how long a network may still be in use after the services on it were removed.
	goneWithin = 2 * time.Minute
	// forgetWithin is how long the swarm may take to forget tasks that have ended and that it means to remove: it looks each 250 ms (swarmkit, taskreaper), and a task on
	// a node that is gone is never forgotten.
	forgetWithin = 5 * time.Second
)

// recoveryStep does a step of a recovery, after a look that the lock is still this process's. Each can be done again: what an earlier process has done of it is
// found and not done twice.
func (r *Running) recoveryStep(ctx context.Context, s Step) error {
	if s.Kind != StepLock && s.Kind != StepUnlock {
		if err := r.fence(ctx, s.Name); err != nil {
			return err
		}
	}
	switch s.Kind {
	case StepLock:
		if err := r.lock(ctx); err != nil {
			return err
		}
		if r.plan.Of != "" {
			return r.clear(ctx) // of the run that is taken back
		}
		return r.stillDue(ctx)
	case StepUnlock:
		if err := r.clear(ctx); err != nil {
			return err
		}
		return r.unlock(ctx)
	case StepJob:
		result, err := r.doJob(ctx, s.Job)
		if result != nil {
			r.keepResult(s.Job, result)
		}
		var failed *jobFailure
		if s.Job == jobForget && errors.As(err, &failed) { // what was saved is as good without it
			r.tell(func(s *StepReport) { s.Detail = "nothing was forgotten: " + failed.Error() })
			r.warn("the clean-up failed: " + failed.Error())
			return nil
		}
		return err
	case StepApart:
		return r.startApart(ctx, s.Job)
	case StepApartGone:
		return r.removeApart(ctx, s.Job)
	case StepDown:
		return r.scaleTo(ctx, 0)
	case StepRest:
		return r.rest(ctx, r.plan.Recovery.ID, nil)
	case StepUp:
		return r.scaleTo(ctx, r.plan.Recovery.Replicas)
	case StepProve:
		return r.prove(ctx)
	case StepRecord:
		return r.record(ctx)
	}
	return fmt.Errorf("step %q is of no kind that is known", s.Name)
}

// apartName and netName name what a run makes beside the service.
func (r *Running) apartName(place string) string { return shortName("qd-" + place + "-" + r.id) }
func (r *Running) netName() string               { return shortName("qd-net-" + r.id) }

// startApart starts a copy of the service on a network of its own, on its own volume or an empty one. That it answers is the runner's to wait for.
func (r *Running) startApart(ctx context.Context, place string) error {
	c := r.plan.Recovery
	st, err := r.reach(ctx, c.ID)
	if err != nil {
		return err
	}
	network := ""
	err = persist(ctx, func() error {
		id, err := r.d.Bench.CreateNetwork(ctx, sources.NetworkSpec{Name: r.netName(), Labels: r.labels(place)})
		if sources.KindOf(err) == sources.Conflict {
			names, rerr := r.d.Bench.NetworkNames(ctx, runLabel, r.id)
			if rerr == nil && slices.Contains(names, r.netName()) {
				id, err = r.netName(), nil
			}
		}
		network = id
		return err
	})
	if err != nil {
		return err
	}
	o := sources.Apart{Name: r.apartName(place), Labels: r.labels(place), Network: network}
	if place == placeEmpty {
		o.Without = c.Policy.Volume
	} else {
		o.Node = c.Node
	}
	if place == placeEmpty && c.Policy.Volume == "" {
		for _, m := range st.Mounts {
			if m.Type == "volume" && m.Source != "" {
				return &Refusal{fmt.Sprintf("%s mounts more than one named volume, and %s does not say which has the data: a copy could write into it", c.Service, recovery.LabelVolume)}
			}
		}
	}
	return r.makeService(ctx, st.Spec.Apart(o))
}

// removeApart stops the copy, waits until its tasks have ended, and only then removes it: of its own volume two servers at once would be the end, and with the
// service the swarm forgets its tasks.
func (r *Running) removeApart(ctx context.Context, place string) error {
	name := r.apartName(place)
	if err := r.stop(ctx, name); err != nil {
		return err
	}
	if err := persist(ctx, func() error { return r.d.Bench.RemoveService(ctx, name) }); err != nil {
		return err
	}
	return r.removeNetwork(ctx, r.netName())
}

// stop scales a service of the run's own to 0 and waits until none of its tasks is alive, nor about to be forgotten. One that is gone is as good.
func (r *Running) stop(ctx context.Context, name string) error {
	for try := 0; ; try++ {
		st, err := r.reach(ctx, name)
		switch {
		case sources.KindOf(err) == sources.NotFound:
			return nil
		case err != nil:
			return err
		}
		if n, _ := st.Spec.Replicas(); n == 0 {
			if err := r.rest(ctx, name, nil); err != nil {
				return err
			}
			return r.forgotten(ctx, name)
		}
		_, err = r.d.Hands.UpdateService(ctx, st.ID, st.Version, st.Spec.WithReplicas(0))
		if kind := sources.KindOf(err); err != nil && (kind != sources.Conflict && kind != sources.Unreachable || try >= sequenceTries) {
			return err
		}
	}
}

// forgotten waits until the swarm has forgotten those of a service's tasks that it means to remove, for a while at most. A manager of Docker 20.10 ends by a panic where
// a service is removed at that very moment: it reads the service's tasks in one transaction and writes them in the next (swarmkit, orchestrator.SetServiceTasksRemove).
func (r *Running) forgotten(ctx context.Context, service string) error {
	for began := r.d.Now(); r.d.Now().Sub(began) < forgetWithin; {
		tasks, err := r.d.Bench.ServiceTasks(ctx, service)
		if err != nil || !slices.ContainsFunc(tasks, func(t sources.Task) bool { return t.Desired == sources.TaskRemove }) {
			return nil // what cannot be seen is not waited for: this is a kindness to the manager, and no condition
		}
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// removeNetwork removes the run's network once no task is on it any more. The swarm refuses until then, and so it tells that the copy's tasks have ended.
func (r *Running) removeNetwork(ctx context.Context, name string) error {
	b := backoff.NewConstantBackOff(time.Second)
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := r.d.Bench.RemoveNetwork(ctx, name)
		switch sources.KindOf(err) {
		case sources.Conflict, sources.Unreachable, sources.Forbidden: // the engine calls a network in use forbidden (moby, daemon/network.go)
			return struct{}{}, err
		}
		if err != nil {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(goneWithin))
	return err
}

// scaleTo gives the service another number of replicas, over no one else's change: what else differs meanwhile stays.
func (r *Running) scaleTo(ctx context.Context, n uint64) error {
	c := r.plan.Recovery
	for try := 0; ; try++ {
		st, err := r.reach(ctx, c.ID)
		if err != nil {
			return err
		}
		now, replicated := st.Spec.Replicas()
		if !replicated {
			return &Refusal{c.Service + " is not replicated any more"}
		}
		after := st.Spec.WithReplicas(n)
		ch := &Change{Service: c.Service, ID: c.ID, Stack: c.Stack, Version: st.Version, Before: st.Spec, After: after, Policy: st.Update}
		if now == n {
			_, err = r.took(ch, &st)
			return err
		}
		if now == 0 { // a run that died between the scaling to 0 and the end of the last task is taken back: two servers on one volume ruin what is in it
			if err := r.rest(ctx, c.ID, nil); err != nil {
				return err
			}
		}
		began := r.d.Now()
		_, err = r.d.Hands.UpdateService(ctx, c.ID, st.Version, after)
		switch kind := sources.KindOf(err); {
		case err == nil:
			if st, err = r.reach(ctx, c.ID); err != nil {
				return err
			}
			_, err = r.tookAt(ch, &st, began)
			return err
		case (kind == sources.Conflict || kind == sources.Unreachable) && try < sequenceTries && ctx.Err() == nil:
		default:
			return err
		}
	}
}

// rest waits until no task of a service is alive: until then somebody may still write. Tasks on nodes that are gone, by their ids, are not waited for.
func (r *Running) rest(ctx context.Context, service string, gone []string) error {
	began := r.d.Now()
	for {
		alive := 0
		tasks, err := r.d.Bench.ServiceTasks(ctx, service)
		for i := range tasks {
			if !tasks[i].State.Ended() && !slices.Contains(gone, tasks[i].NodeID) {
				alive++
			}
		}
		switch {
		case err == nil && alive == 0:
			return nil
		case err != nil && sources.KindOf(err) != sources.Unreachable:
			return err
		case r.d.Now().Sub(began) > restWithin:
			return fmt.Errorf("still alive after %s: %s of %s; look at the node", restWithin, tasksOf(alive), service)
		}
		r.tell(func(s *StepReport) { s.Detail = "still alive: " + tasksOf(alive) })
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// prove watches the service come back, as after any rollout.
func (r *Running) prove(ctx context.Context) error {
	c := r.plan.Recovery
	if r.applied[c.ID] == nil { // an earlier process has scaled it back
		if err := r.scaleTo(ctx, c.Replicas); err != nil {
			return err
		}
	}
	a := *r.applied[c.ID]
	a.scaleOnly = true
	return r.watch(ctx, []*watcher{{applied: a, deadline: r.deadline()}})
}

// keepResult and keepLines keep what a job said, for the report and the journal.
func (r *Running) keepResult(job string, result *recovery.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results == nil {
		r.results = map[string]*recovery.Result{}
	}
	r.results[job] = result
}

func (r *Running) result(job string) *recovery.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.results[job]
}

// knownResult is a job's result: of this process, or of an earlier one, as the object store has it. nil: there is none.
func (r *Running) knownResult(ctx context.Context, job string) (*recovery.Result, error) {
	if x := r.result(job); x != nil {
		return x, nil
	}
	last, err := r.lastAttempt(ctx, job)
	if err != nil || last == 0 {
		return nil, err
	}
	j := r.job(job, last)
	x, err := j.Result(ctx, r.d.Objects)
	if sources.KindOf(err) == sources.NotFound {
		return nil, nil
	}
	if err == nil {
		r.keepResult(job, x)
	}
	return x, err
}

// record writes down what has come of a drill, a restore or an audit.
func (r *Running) record(ctx context.Context) error {
	if r.plan.Action == Audit {
		return r.recordAudit(ctx)
	}
	return r.recordDrill(ctx)
}

// recordDrill writes down how long it took, what would have been lost, and what the policy's command said, in the object store: where the snapshot is.
func (r *Running) recordDrill(ctx context.Context) error {
	d, err := r.drill(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.recovered = d
	r.mu.Unlock()
	return persist(ctx, func() error { return recovery.SaveDrill(ctx, r.d.Objects, d) })
}

// drill is the record of the run so far.
func (r *Running) drill(ctx context.Context) (*recovery.Drill, error) {
	c, job := r.plan.Recovery, jobDrill
	if r.plan.Action != Drill {
		job = jobRestore
	}
	x, err := r.knownResult(ctx, job)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, errors.New("the job's result is not in the object store")
	}
	began, ended := r.progress.Began, x.Ended
	if r.plan.Action != Drill {
		ended = r.d.Now() // it serves again
	}
	return &recovery.Drill{Run: r.id, Service: c.Service, Engine: c.engine(), Snapshot: c.Snapshot.ID, Taken: c.Snapshot.Taken, Began: began.UTC(), Ended: ended.UTC(), Real: r.plan.Action != Drill,
		OK: x.OK, RTO: ended.Sub(began).Seconds(), RPO: began.Sub(c.Snapshot.Taken).Seconds(), Bytes: x.Bytes, Reason: x.Reason, Verified: x.Verified, Actor: r.d.Policy.Actor, Steps: r.stepTimes()}, nil
}

// kind names what a step does, the same for each recovery (recovery.Step).
func (s Step) kind() string { return strings.TrimSpace(string(s.Kind) + " " + s.Job) }

// stepTimes are the steps that are done, with how long each took. Of those that an earlier process did the journal knows it, where it was on this machine.
func (r *Running) stepTimes() []recovery.DrillStep {
	r.mu.Lock()
	reports := slices.Clone(r.progress.Steps)
	r.mu.Unlock()
	if r.resumed {
		if run, err := r.d.findRun(r.id); err == nil {
			reports = run.StepReports()
		}
	}
	var out []recovery.DrillStep
	for _, s := range r.plan.Steps() {
		for i := range reports {
			if x := &reports[i]; x.Name == s.Name && x.State == stateDone && x.Took > 0 {
				out = append(out, recovery.DrillStep{Step: recovery.Step{Name: s.Name, Kind: s.kind()}, Took: x.Took})
			}
		}
	}
	return out
}

// own tells whether something was made by this run, or by the one that it takes back.
func (r *Running) own(labels map[string]string) bool {
	run := labels[runLabel]
	return run != "" && (run == r.id || run == r.plan.Of)
}

// clear removes whatever the run has made in the swarm, its lock aside.
func (r *Running) clear(ctx context.Context) error {
	services, err := r.d.Hands.ServiceStates(ctx)
	if err != nil {
		return err
	}
	for i := range services {
		if r.own(services[i].Labels) {
			err = errors.Join(err, r.stop(ctx, services[i].ID)) // a runner may be writing
			err = errors.Join(err, persist(ctx, func() error { return r.d.Bench.RemoveService(ctx, services[i].ID) }))
		}
	}
	for _, run := range []string{r.id, r.plan.Of} {
		names, nerr := r.d.Bench.NetworkNames(ctx, runLabel, run)
		err = errors.Join(err, nerr)
		for _, name := range names {
			if run != "" {
				err = errors.Join(err, r.removeNetwork(ctx, name))
			}
		}
	}
	configs, cerr := r.d.Hands.Materials(ctx, sources.Config)
	err = errors.Join(err, cerr)
	for i := range configs {
		if c := &configs[i]; r.own(c.Labels) && c.Labels[labelJob] != "" {
			err = errors.Join(err, persist(ctx, func() error { return ignoreGone(r.d.Hands.RemoveMaterial(ctx, sources.Config, c.ID)) }))
		}
	}
	return err
}
