package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"quarterdeck/actions/journal"
	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// title is the plan in a line.
func (c *RecoveryChange) title(action string) string {
	switch {
	case c.ID == "" && action == Undo:
		return "take away what a run has left of " + c.Service
	case c.Snapshot == nil && action == Undo:
		return "take back the restore of " + c.Service + ", whose data was not touched"
	case action == Audit:
		return "look through the repository"
	case c.Snapshot == nil && !c.Due.IsZero():
		return "back up " + c.Service + ", due " + c.Due.UTC().Format("2006-01-02 15:04:05Z")
	case c.Snapshot == nil:
		return "back up " + c.Service
	case c.Safety != "":
		return fmt.Sprintf("put the data of %s back as it was before the restore (snapshot %s)", c.Service, c.Snapshot.Short())
	}
	return fmt.Sprintf("%s %s from snapshot %s of %s", action, c.Service, c.Snapshot.Short(), c.Snapshot.Taken.UTC().Format("2006-01-02 15:04:05Z"))
}

// jobRecord is what the journal keeps of a job: what came of it, and the last that its runner said.
type jobRecord struct {
	Result *recovery.Result `json:"result,omitempty"`
	Lines  []string         `json:"lines,omitempty"`
}

// keptLine and keptLines bound what the journal keeps of a runner's lines.
const (
	keptLine  = 500 // bytes
	keptLines = 50
)

func (r *Running) jobDetail(job string) json.RawMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return raw(jobRecord{r.results[job], r.lines[job]})
}

func (r *Running) keepLines(j *recovery.Job, lines []string) {
	lines = slices.Clone(lines[max(0, len(lines)-keptLines):])
	for i := range lines {
		lines[i] = strings.ToValidUTF8(lines[i][:min(len(lines[i]), keptLine)], "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == nil {
		r.lines = map[string][]string{}
	}
	r.lines[j.Name] = lines
}

// recoveryReport adds to a report what a recovery has to say.
func (r *Running) recoveryReport(report *Report) {
	c := r.plan.Recovery
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &RecoveryReport{}
	report.RecoveryReport = out
	if c.Snapshot != nil {
		out.Snapshot, out.Taken = c.Snapshot.ID, c.Snapshot.Taken
	}
	for _, job := range []string{jobBackup, jobDrill, jobRestore} {
		x := r.results[job]
		if x == nil {
			continue
		}
		out.Bytes, out.Verified = x.Bytes, x.Verified
		if job == jobBackup && x.Snapshot != nil {
			out.Snapshot, out.Taken = x.Snapshot.ID, x.Snapshot.Taken
		}
	}
	out.Warnings = r.warnings
	if x := r.results[jobForget]; x != nil {
		out.Forgot = len(x.Forgot)
	}
	if d := r.recovered; d != nil && d.OK {
		out.RTO, out.RPO = &d.RTO, &d.RPO
	}
}

// touched tells whether a run's restore may have changed the service's data: its job was begun, and has not said that it left all as it was. What cannot be
// looked at counts as touched.
func (r *Running) touched(ctx context.Context) (bool, error) {
	if !r.plan.brings() {
		return false, nil
	}
	if c := r.plan.Recovery; c.Safety != "" && c.Snapshot != nil {
		return true, nil // by the run that is taken back
	}
	last, err := r.lastAttempt(ctx, jobRestore)
	for n := last; n > 0 && err == nil; n-- {
		j := r.job(jobRestore, n)
		x, rerr := j.Result(ctx, r.d.Objects)
		switch {
		case rerr == nil && x.Touched:
			return true, nil
		case rerr == nil:
			continue
		case sources.KindOf(rerr) != sources.NotFound:
			return true, rerr
		}
		if claimed, cerr := j.Claimed(ctx, r.d.Objects); claimed || cerr != nil {
			return true, cerr
		}
	}
	return err != nil, err
}

// recoveryFailed ends a recovery that failed. As long as the service's data is what it was, all is put back as it was and the run has ended; from then on it
// stays open, with its lock, until somebody goes on with it or puts the safety copy back (OPERATIONS.md, "Restore").
func (r *Running) recoveryFailed(ctx context.Context, cause error) {
	reason := cause.Error()
	if l, err := r.d.lockOf(ctx, r.plan.Recovery.Service); err == nil && (l == nil || l.run() != r.id || !r.hold.mine(&l.ConfigState)) { // refused, or somebody has taken it over
		r.endRecovery(ResultFailed, reason, cause)
		return
	}
	touched, err := r.touched(ctx)
	if touched {
		reason += r.leftAs(err)
		_, _ = r.write(journal.Entry{Phase: phaseLeft, Reason: reason}) // the run is found unfinished without it as well
		r.finish(ResultFailed, reason, cause)
		r.offer()
		return
	}
	if r.plan.Action == Drill && r.result(jobDrill) != nil || r.plan.Action == Audit && tells(r.result(jobAudit)) { // one that failed is a record as well
		if err := r.record(ctx); err != nil {
			reason += "; the record could not be written: " + err.Error()
		}
	}
	result, err := r.putBack(ctx)
	if err != nil {
		reason += "; what the run had made could not be taken away: " + err.Error()
		_, _ = r.write(journal.Entry{Phase: phaseLeft, Reason: reason})
		r.finish(ResultFailed, reason, cause)
		r.offer()
		return
	}
	r.endRecovery(result, reason, cause)
}

// leftAs says how the service is left.
func (r *Running) leftAs(err error) string {
	text := fmt.Sprintf("; the data of %s is not what it was: go on by `quarterdeck resume %s --yes`, or put back what was there by `quarterdeck resume %s --undo`", r.plan.Recovery.Service, r.id, r.id)
	if err != nil {
		text = fmt.Sprintf("; whether the data of %s was touched could not be looked at (%v), so it counts as touched: `quarterdeck resume %s` once the object store answers", r.plan.Recovery.Service, err, r.id)
	}
	return text
}

func (r *Running) offer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Undo = "quarterdeck resume " + r.id + " --undo"
}

func (r *Running) endRecovery(result, reason string, cause error) {
	if _, werr := r.write(journal.Entry{Phase: phaseEnd, Result: result, Reason: reason, Detail: raw(r.verifyReport(result))}); werr != nil {
		reason += "; the end could not be written down: " + werr.Error()
	}
	r.finish(result, reason, cause)
}

// putBack takes away what the run has made and gives the service its replicas again, where it was scaled to 0 and its data was not touched.
func (r *Running) putBack(ctx context.Context) (result string, err error) {
	result = ResultFailed
	if err := r.clear(ctx); err != nil {
		return result, err
	}
	if r.plan.brings() && r.plan.Recovery.ID != "" {
		st, err := r.reach(ctx, r.plan.Recovery.ID)
		if err != nil {
			return result, err
		}
		if n, _ := st.Spec.Replicas(); n != r.plan.Recovery.Replicas && r.begun(StepDown) {
			r.set(func(p *Progress) { p.TakingBack = true })
			if err := r.scaleTo(ctx, r.plan.Recovery.Replicas); err != nil {
				return result, err
			}
			if err := r.prove(ctx); err != nil {
				return result, err
			}
			result = ResultTakenBack
		}
	}
	return result, r.unlock(ctx)
}

// begun tells whether a step of a kind was begun, by this process or by an earlier one.
func (r *Running) begun(kind StepKind) bool {
	steps := r.plan.Steps()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range steps {
		if steps[i].Kind == kind {
			return i < r.skip || slices.ContainsFunc(r.progress.Steps, func(s StepReport) bool { return s.Name == steps[i].Name })
		}
	}
	return false
}

// undo plans to take an interrupted recovery back. Where the service's data was not touched that is free: what was made is taken away, and the
// replicas come back. Else the safety copy is restored.
func (c *RecoveryChange) undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	if !run.Ended.IsZero() {
		if run.Action != Restore {
			return &Plan{Action: Undo, Of: run.ID, Nothing: "a " + run.Action + " changes nothing that could be taken back"}, nil
		}
		r := d.running(run.ID, &Plan{Action: run.Action, Recovery: c}, "", nil)
		x, err := r.knownResult(ctx, jobSafety)
		if err != nil {
			return nil, err
		}
		if x == nil || x.Snapshot == nil {
			return nil, &Refusal{"run " + run.ID + " has saved nothing that could be put back"}
		}
		return d.PlanRestore(ctx, c.Service, x.Snapshot.ID)
	}
	back := *c
	back.Safety, back.Snapshot = run.ID, nil
	if !(&Plan{Action: run.Action}).brings() { // the service is what it was, or gone
		back.ID = ""
	}
	p := &Plan{Action: Undo, Of: run.ID, Recovery: &back, Harm: Serious}
	r := d.running(run.ID, &Plan{Action: run.Action, Recovery: c}, "", nil)
	touched, err := r.touched(ctx)
	if err != nil {
		return nil, err
	}
	if !touched {
		return d.finish(p), nil
	}
	x, err := r.knownResult(ctx, jobSafety)
	switch {
	case err != nil:
		return nil, err
	case x == nil || x.Snapshot == nil:
		p.Refused = fmt.Sprintf("run %s has saved nothing before it began to restore: it can only be gone on with (quarterdeck resume %s --yes)", run.ID, run.ID)
	default:
		back.Snapshot = x.Snapshot
	}
	return d.finish(p), nil
}

// stand says where an interrupted recovery is.
func (c *RecoveryChange) stand(ctx context.Context, d *Deck, s *Standing) error {
	one := ServiceStanding{Service: c.Service}
	s.NoLeave = c.leave().Error()
	var st sources.ServiceState
	var err error
	if c.ID != "" {
		st, err = d.Hands.ServiceState(ctx, c.ID)
	}
	switch {
	case c.ID == "":
	case sources.KindOf(err) == sources.NotFound:
		one.State, s.NoFinish = "gone", c.Service+" is gone"
	case err != nil:
		return err
	default:
		n, _ := st.Spec.Replicas()
		one.State = fmt.Sprintf("%d of %d replicas", n, c.Replicas)
	}
	l, err := d.lockOf(ctx, c.Service)
	switch {
	case err != nil:
		return err
	case l == nil && s.Done > 0 && s.Done < s.Of-1: // the last step takes it away
		s.NoFinish = "its lock is gone: somebody has ended it"
	case l != nil && l.run() != s.Run.ID:
		s.NoFinish = l.words()
	}
	r := d.running(s.Run.ID, &Plan{Action: s.Run.Action, Recovery: c}, "", nil)
	touched, err := r.touched(ctx)
	one.Reason = "its data was not touched"
	if touched {
		one.Reason = "its data is not what it was before"
	}
	if err != nil {
		one.Reason = "whether its data was touched could not be looked at: " + err.Error()
	}
	if v := d.Fleet.Snapshot().Service(c.ID); v != nil {
		one.Health = string(v.Health)
	}
	s.Services, s.AllMade = append(s.Services, one), false
	return nil
}

var errHalf = errors.New("its service's data may be half restored, or it has things in the swarm that only it can take away: finish it or take it back")
