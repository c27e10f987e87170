package actions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources"
)

// Times of the watching.
const (
	lookAgain   = time.Second     // a verdict may change by time alone
	linesAgain  = 5 * time.Second // between two questions for a dead task's last lines
	linesShown  = 8
	linesWithin = 3 * time.Second
)

// verify watches the services of a group until each is proven well, or one has failed.
func (r *Running) verify(ctx context.Context, group int) error {
	var watched []*watcher
	for i := range r.plan.Changes {
		c := &r.plan.Changes[i]
		if c.Group == group && r.applied[c.ID] != nil {
			watched = append(watched, &watcher{applied: *r.applied[c.ID], deadline: r.deadline()})
		}
	}
	return r.watch(ctx, watched)
}

func (r *Running) deadline() time.Duration {
	if r.plan.Deadline > 0 {
		return r.plan.Deadline
	}
	return DefaultDeadline
}

// watch looks each time the fleet differs, and once a second. All must come to an end before the group has; the worst is what it came to.
func (r *Running) watch(ctx context.Context, watched []*watcher) error {
	changed, stop := r.d.Fleet.Subscribe()
	defer stop()
	var asked time.Time
	for {
		snap, now := r.d.Fleet.Snapshot(), r.d.Now()
		open := 0
		var failed *watcher
		looks := make(map[string]Rollout, len(watched))
		for _, w := range watched {
			o := w.look(snap, now)
			looks[o.Service] = o
			switch {
			case !o.State.Ended():
				open++
			case o.State != RolloutDone && failed == nil:
				failed = w
			}
		}
		r.show(looks)
		if task, w := deadTask(watched); task != nil && r.d.Logs != nil && (now.Sub(asked) >= linesAgain || open == 0) && task.ID != w.lastAsked {
			asked = now
			w.lastAsked = task.ID
			w.last.Lines = r.lastLines(ctx, w.change.Service, task)
			r.rollout(w.change.Service, func(o *Rollout) { o.Lines = w.last.Lines })
		}
		if open == 0 || failed != nil && r.plan.TakeBack {
			if failed != nil {
				return &failure{rollout: failed.last, back: failed.last.State == RolloutRolledBack && len(r.applied) == 1}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(lookAgain):
		}
	}
}

// show takes looks into the progress.
func (r *Running) show(looks map[string]Rollout) {
	r.set(func(p *Progress) {
		next := append([]Rollout(nil), p.Rollouts...)
		for i := range next {
			if o, ok := looks[next[i].Service]; ok {
				next[i] = o
			}
		}
		p.Rollouts = next
	})
}

// deadTask is the newest task of what was asked for that has died, of the services that have one.
func deadTask(watched []*watcher) (*sources.Task, *watcher) {
	var newest *sources.Task
	var of *watcher
	for _, w := range watched {
		for i := range w.last.Slots {
			t := w.last.Slots[i].Failed
			if t == nil || t.State == sources.TaskRejected { // it never ran
				continue
			}
			if newest == nil || t.Since.After(newest.Since) {
				newest, of = t, w
			}
		}
	}
	return newest, of
}

// lastLines are what a task said last. Nothing is said about logs that cannot be read: the logs pane does.
func (r *Running) lastLines(ctx context.Context, service string, t *sources.Task) []sources.Entry {
	ctx, cancel := context.WithTimeout(ctx, linesWithin)
	defer cancel()
	page, err := r.d.Logs.Query(ctx, sources.LogQuery{Services: []string{service}, Tasks: []string{t.ID}, Since: t.Created.Add(-time.Minute), Limit: linesShown})
	if err != nil {
		r.d.log().Warn("a dead task's last lines could not be read", "task", t.ID, "error", err)
	}
	return page.Entries
}

// takeBack gives the services that were changed their specs of before, and watches them come back.
func (r *Running) takeBack(ctx context.Context) error {
	r.set(func(p *Progress) { p.TakingBack = true })
	var watched []*watcher
	for i := len(r.plan.Changes) - 1; i >= 0; i-- {
		c := &r.plan.Changes[i]
		done := r.applied[c.ID]
		if done == nil {
			continue
		}
		if c.Make {
			if err := r.step(ctx, Step{Name: "remove service " + c.Service, Kind: StepDrop, At: i}); err != nil {
				return err
			}
			continue
		}
		st, err := r.reach(ctx, c.ID)
		if err != nil {
			return err
		}
		if sources.Same(st.Spec, c.Before) { // the swarm has done it
			watched = append(watched, r.back(c, &st))
			continue
		}
		spec, conflicts := sources.Revert(st.Spec, c.Before, c.After)
		if len(conflicts) > 0 {
			return fmt.Errorf("%s was changed by somebody else meanwhile: %s", c.Service, conflicts[0].Field)
		}
		back := &Change{Service: c.Service, ID: c.ID, Stack: c.Stack, Version: st.Version, Before: st.Spec, After: spec, Policy: c.Policy, Fields: c.Fields}
		if err := r.step(ctx, Step{Name: "take back " + c.Service, Kind: StepUpdate, At: r.extra(back)}); err != nil {
			return err
		}
		watched = append(watched, &watcher{applied: *r.applied[c.ID], deadline: r.deadline()})
	}
	return r.watch(ctx, watched)
}

// extra adds a change to the plan that the run itself has found to be needed, and gives its index.
func (r *Running) extra(c *Change) int {
	p := *r.plan
	p.Changes = append(append([]Change(nil), p.Changes...), *c)
	r.plan = &p
	return len(p.Changes) - 1
}

func (r *Running) back(c *Change, st *sources.ServiceState) *watcher {
	return &watcher{applied: applied{change: c, at: r.d.Now(), version: st.Version, generation: st.Generation, desired: st.Desired, mode: st.Mode}, deadline: r.deadline()}
}

// verifyReport is the proof, or what is missing to one; nil where nobody looked.
func (r *Running) verifyReport(result string) *VerifyReport {
	if r.plan.NoWait {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v := &VerifyReport{Converged: result == ResultDone, Checks: append([]CheckReport{}, r.checks...), Silence: r.silenceID}
	looked := len(r.checks) > 0 || r.silenceID != ""
	for i := range r.progress.Rollouts {
		o := &r.progress.Rollouts[i]
		if o.State == RolloutWaiting && o.Began.IsZero() {
			continue
		}
		looked = true
		if o.State == RolloutGone {
			v.Checks = append(v.Checks, CheckReport{Service: o.Service, Name: "removed", OK: true, Detail: "the swarm has no such service any more"})
			continue
		}
		ok := o.State == RolloutDone
		v.Checks = append(v.Checks, CheckReport{Service: o.Service, Name: "rollout", OK: ok, Detail: strings.TrimSuffix(string(o.State)+": "+o.Reason, ": ")},
			CheckReport{Service: o.Service, Name: "replicas", OK: o.Well >= o.Want, Detail: fmt.Sprintf("%d of %d run what was asked for, and stay well", o.Well, o.Want)})
		if ok && (v.StableFor == 0 || o.Window.Seconds() < v.StableFor) {
			v.StableFor = o.Window.Seconds()
		}
	}
	if !looked {
		return nil
	}
	if !v.Converged {
		v.StableFor = 0
	}
	return v
}
