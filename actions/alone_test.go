package actions_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/recovery"
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

// forgetful has the swarm still mean to remove an ended task of each service that is about to go, for some looks.
type forgetful struct {
	sources.Workbench
	mu    sync.Mutex
	looks map[string]int // by service
	was   []string       // removed while such a task was there
	gone  int
}

func (f *forgetful) ServiceTasks(ctx context.Context, service string) ([]sources.Task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.looks[service]++; f.looks[service] <= 3 {
		return []sources.Task{{State: sources.TaskShutdown, Desired: sources.TaskRemove}}, nil
	}
	return f.Workbench.ServiceTasks(ctx, service)
}

func (f *forgetful) RemoveService(ctx context.Context, service string) error {
	f.mu.Lock()
	if strings.HasPrefix(service, "qd-empty-") { // jobs end by themselves, and no task of theirs is forgotten
		f.gone++
		if f.looks[service] <= 3 {
			f.was = append(f.was, service)
		}
	}
	f.mu.Unlock()
	return f.Workbench.RemoveService(ctx, service)
}

// TestRemovedOnceForgotten: a copy of a service is removed once the swarm has forgotten its tasks; a manager of 20.10 that clears them away at that moment panics.
func TestRemovedOnceForgotten(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	network := named(t) + "-net"
	if _, err := p.api.NetworkCreate(t.Context(), network, client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm"}); err != nil {
		t.Fatal(err)
	}
	service, _ := p.saved(t, label(recovery.LabelEngine, "redis"), label(recovery.LabelVerify, "true"), func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: network}}
	})
	r := p.recoverable(t, t.TempDir())
	f := &forgetful{Workbench: r.Bench, looks: map[string]int{}}
	r.Bench = f
	if _, err := r.run(r.planned(r.PlanDrill(t.Context(), service, "")), actions.ResultDone); err != nil {
		t.Error(err)
	}
	if len(f.was) > 0 || f.gone == 0 {
		t.Errorf("of %d services these were removed before their tasks were forgotten: %v", f.gone, f.was)
	}
	p.nothingLeft(t, service)
}
