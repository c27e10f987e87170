package actions

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

var _ interface {
	kind
	opening
	locking
} = (*RecoveryChange)(nil)

func (c *RecoveryChange) subject(p *Plan) subject {
	return subject{title: c.title(p.Action), target: c.Service, touches: []string{c.Service}, inHand: []string{c.Service}, bySteps: true}
}

func (c *RecoveryChange) steps(p *Plan) []Step {
	if p.Refused != "" { // then it may lack what the steps are named by
		return nil
	}
	s := c.Service
	lock := Step{Name: "lock " + s, Kind: StepLock}
	unlock := Step{Name: "unlock " + s, Kind: StepUnlock}
	job := func(name, words string) Step { return Step{Name: words, Kind: StepJob, Job: name} }
	server := c.Snapshot != nil && c.engine().Server()
	try := func() []Step {
		check := job(jobCheck, fmt.Sprintf("look whether snapshot %s of %s can be brought back", c.Snapshot.Short(), s))
		drill := job(jobDrill, fmt.Sprintf("bring snapshot %s back into an empty place, and verify it", c.Snapshot.Short()))
		if !server {
			return []Step{check, drill}
		}
		return []Step{check, {Name: fmt.Sprintf("start a copy of %s on an empty volume", s), Kind: StepApart, Job: placeEmpty}, drill,
			{Name: fmt.Sprintf("remove the copy of %s on the empty volume", s), Kind: StepApartGone, Job: placeEmpty}}
	}
	record := Step{Name: "write the record down", Kind: StepRecord}
	switch {
	case p.Action == Undo && c.ID == "":
		return []Step{lock, unlock}
	case p.Action == Undo && c.Snapshot == nil:
		return []Step{lock, {Name: fmt.Sprintf("scale %s back to %d", s, c.Replicas), Kind: StepUp}, {Name: "verify " + s, Kind: StepProve}, unlock}
	case p.Action == Backup && c.Due.IsZero():
		return []Step{lock, job(jobBackup, "save "+s), unlock}
	case p.Action == Backup:
		return []Step{lock, job(jobBackup, "save "+s), job(jobForget, fmt.Sprintf("forget the snapshots of %s that %s does not keep", s, c.Policy.Keep)), unlock}
	case p.Action == Audit:
		return []Step{lock, job(jobAudit, "look through the repository, and read a share of it back"), record, unlock}
	case p.Action == Drill:
		return slices.Concat([]Step{lock}, try(), []Step{record, unlock})
	}
	steps := []Step{lock}
	if c.Safety == "" {
		steps = append(steps, try()...)
	} else { // what is put back was saved by this very run, minutes ago
		steps = append(steps, job(jobCheck, fmt.Sprintf("look whether snapshot %s of %s can be brought back", c.Snapshot.Short(), s)))
	}
	safety := job(jobSafety, fmt.Sprintf("save %s as it is now", s))
	if c.Safety == "" && c.safetyEngine().Server() {
		steps = append(steps, safety)
	}
	steps = append(steps, Step{Name: fmt.Sprintf("scale %s to 0", s), Kind: StepDown}, Step{Name: fmt.Sprintf("wait until no task of %s is alive", s), Kind: StepRest})
	if c.Safety == "" && !c.safetyEngine().Server() && c.Policy.Volume != "" {
		steps = append(steps, safety)
	}
	restore := job(jobRestore, fmt.Sprintf("replace the data of %s with snapshot %s", s, c.Snapshot.Short()))
	if server {
		steps = append(steps, Step{Name: fmt.Sprintf("start a copy of %s on its own volume", s), Kind: StepApart, Job: placeReal}, restore,
			Step{Name: fmt.Sprintf("remove the copy of %s on its own volume", s), Kind: StepApartGone, Job: placeReal})
	} else {
		steps = append(steps, restore)
	}
	steps = append(steps, Step{Name: fmt.Sprintf("scale %s back to %d", s, c.Replicas), Kind: StepUp}, Step{Name: "verify " + s, Kind: StepProve}, record)
	if !server {
		steps = append(steps, job(jobClear, "remove what was put aside in the volume of "+s))
	}
	return append(steps, unlock)
}

func (c *RecoveryChange) report(_ *Plan, report *Report) { report.Service = c.Service }

// prepare makes the run's hold on its service's lock.
func (c *RecoveryChange) prepare(r *Running) {
	r.hold = r.lockHold()
	if r.plan.brings() {
		r.progress.Rollouts = append(r.progress.Rollouts, Rollout{Service: c.Service, State: RolloutWaiting})
	}
}

// open takes an interrupted run over, and keeps its lock fresh until all is over.
func (c *RecoveryChange) open(ctx context.Context, r *Running) (shut func(), err error) {
	if r.resumed {
		if err := r.takeOver(ctx); err != nil {
			return nil, err
		}
	}
	beating, stop := context.WithCancel(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { r.beat(beating) })
	return func() { stop(); beat.Wait() }, nil
}

func (c *RecoveryChange) do(ctx context.Context, r *Running, s Step) (out stepped, err error) {
	err = r.recoveryStep(ctx, s)
	if s.Kind == StepJob {
		out.detail = r.jobDetail(s.Job)
	}
	return out, err
}

// takeBack: failed has its own way back, whether or not one was asked for.
func (c *RecoveryChange) takeBack(context.Context, *Running) (did bool, err error) { return false, nil }

func (c *RecoveryChange) failed(ctx context.Context, r *Running, err error) {
	r.recoveryFailed(ctx, err)
}

func (c *RecoveryChange) finish(r *Running, report *Report) {
	r.recoveryReport(report)
	r.offerUndo(report, len(r.applied) > 0)
}

func (c *RecoveryChange) names(*RunRecord) []string { return []string{c.Service} }

// touched: steps alone do not tell whether data was changed; what a job says of it is asked for where it matters (Running.touched).
func (c *RecoveryChange) touched(*RunRecord) bool { return false }

// offered: a restore is taken back only by its name.
func (c *RecoveryChange) offered(*RunRecord) bool { return false }

func (c *RecoveryChange) resume(context.Context, *Running, *Standing) error { return nil }

func (c *RecoveryChange) leave() error { return errHalf }
