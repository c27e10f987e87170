package actions_test

import (
	"context"
	"sync/atomic"
	"testing"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// lingering has the service's tasks end late: for some looks one of them is alive still.
type lingering struct {
	sources.Workbench
	looks atomic.Int32
}

func (l *lingering) ServiceTasks(ctx context.Context, service string) ([]sources.Task, error) {
	if l.looks.Add(-1) >= 0 {
		return []sources.Task{{State: sources.TaskRunning, Desired: sources.TaskShutdown}}, nil
	}
	return l.Workbench.ServiceTasks(ctx, service)
}

// early notes whether a service is given replicas while a task of before is alive.
type early struct {
	sources.Hands
	bench *lingering
	was   atomic.Bool
}

func (e *early) UpdateService(ctx context.Context, id string, version uint64, spec sources.Spec) ([]string, error) {
	if n, replicated := spec.Replicas(); replicated && n > 0 && e.bench.looks.Load() >= 0 {
		e.was.Store(true)
	}
	return e.Hands.UpdateService(ctx, id, version, spec)
}

// lingers puts such tasks under a deck.
func lingers(r *rig) *early {
	bench := &lingering{Workbench: r.Bench}
	bench.looks.Store(2)
	e := &early{Hands: r.Hands, bench: bench}
	r.Bench, r.Hands = bench, e
	return e
}

// TestScaleUpWaitsForTheLast: what writes to a volume is not started while its last task ends: the orchestrator would start the new one beside it.
func TestScaleUpWaitsForTheLast(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name := named(t)
	p.createNamed(t, p.spec(name, append(filesSpec(name, "true"), replicas(0))...))
	r := p.recoverable(t, t.TempDir())
	e := lingers(r)
	if _, err := r.run(r.scale(name, 1), actions.ResultDone); err != nil {
		t.Error(err)
	}
	if e.was.Load() {
		t.Error("it was started while a task was alive")
	}
}

// TestTakenBackWaitsForTheLast: a restore that died right after its scaling to 0 is taken back only once the last task has ended (on the lab two Postgres ran on one volume for a second, and its rows were lost).
func TestTakenBackWaitsForTheLast(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	service, snapshot := p.saved(t)
	dir := t.TempDir()
	const scaled = 1 + 2*4 // begin, and both of four steps, the last of which scales to 0
	said, killed := spawn(t, job{Dir: dir, Host: p.host, Image: p.image, Action: actions.Restore, Service: service, Snapshot: snapshot, Means: p.means(t), DieAtEntry: scaled}).rest()
	if !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	if n := p.replicas(t, service); n != 0 {
		t.Fatalf("it has %d replicas after entry %d", n, scaled)
	}
	r := p.recoverable(t, dir)
	plan := r.planned(r.PlanUndo(t.Context(), p.openRun(t, r, "taken back", scaled).ID))
	e := lingers(r)
	back, err := r.Start(t.Context(), plan, actions.Approval{Yes: true}, nil)
	must(t, err)
	if _, err := r.ended(back, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if e.was.Load() {
		t.Error("it was started while a task was alive")
	}
	p.nothingLeft(t, service)
}
