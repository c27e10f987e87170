package actions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
)

// at calls f once, when a step of the run begins.
func (r *rig) at(step string, f func()) {
	r.SetAfterWrite(func(e *journal.Entry) {
		if e.State == "started" && strings.HasPrefix(e.Step, step) {
			r.SetAfterWrite(nil)
			f()
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bereaved is an action that loses its manager, when the step begins that makes its change and while it is watched.
type bereaved struct {
	action string
	steps  []string
	// plan makes what the action is about, and plans it.
	plan func(*testing.T, *platform) (*rig, *actions.Plan, func(*testing.T))
}

var bereavements = []bereaved{
	{actions.Scale, []string{"update", "verify"}, func(t *testing.T, p *platform) (*rig, *actions.Plan, func(*testing.T)) {
		name, r := p.running(t, replicas(1), aliveSomewhere(p)), p.deck(t)
		return r, r.scale(name, 2), func(t *testing.T) { t.Helper(); once(t, r, name, "1.0", 2) }
	}},
	{actions.Redeploy, []string{"update", "verify"}, func(t *testing.T, p *platform) (*rig, *actions.Plan, func(*testing.T)) {
		name, r := p.running(t, replicas(1), aliveSomewhere(p)), p.deck(t)
		return r, r.redeploy(name, ":1.1"), func(t *testing.T) { t.Helper(); once(t, r, name, "1.1@", 1) }
	}},
	{actions.Rollback, []string{"update", "verify"}, func(t *testing.T, p *platform) (*rig, *actions.Plan, func(*testing.T)) {
		name, r := p.running(t, replicas(1), aliveSomewhere(p)), p.deck(t)
		r.proven(r.redeploy(name, ":1.1"))
		return r, r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{})), func(t *testing.T) { t.Helper(); once(t, r, name, "1.0", 1) }
	}},
	{actions.Undo, []string{"update", "verify"}, func(t *testing.T, p *platform) (*rig, *actions.Plan, func(*testing.T)) {
		name, r := p.running(t, replicas(1), aliveSomewhere(p)), p.deck(t)
		r.proven(r.redeploy(name, ":1.1"))
		return r, r.undo(""), func(t *testing.T) { t.Helper(); once(t, r, name, "1.0", 1) }
	}},
	{actions.Rotate, []string{"create", "update", "verify", "remove"}, func(t *testing.T, p *platform) (*rig, *actions.Plan, func(*testing.T)) {
		name, secret := p.withSecret(t, replicas(1), aliveSomewhere(p))
		next, r := strings.TrimSuffix(secret, "1"), p.deck(t)
		plan := r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte("new")}))
		return r, plan, func(t *testing.T) {
			t.Helper()
			once(t, r, name, "1.0", 1)
			left := p.secrets(t, next)
			if used := p.service(t, name).Spec.TaskTemplate.ContainerSpec.Secrets; len(left) != 1 || len(used) != 1 || used[0].SecretID != left[next+"2"].ID {
				t.Errorf("there are %v, in use is %+v", left, used)
			}
		}
	}},
}

// aliveSomewhere keeps a service's tasks away from the engine that is killed: it is about the manager, not about the tasks.
func aliveSomewhere(p *platform) option {
	if p.demo != nil {
		return func(*swarm.ServiceSpec) {}
	}
	return constraints("node.hostname==node2")
}

// once holds that a service runs what was asked for, and that nothing was done to it twice.
func once(t *testing.T, r *rig, name, tag string, n int) {
	t.Helper()
	s := r.service(t, name).Spec
	if got := s.TaskTemplate; got.ForceUpdate != 0 || !strings.HasPrefix(got.ContainerSpec.Image, r.image+tag) || int(*s.Mode.Replicated.Replicas) != n { //nolint:gosec // small
		t.Errorf("force update %d, %s, %d replicas", got.ForceUpdate, got.ContainerSpec.Image, *s.Mode.Replicated.Replicas)
	}
}

// loses has one action lose its manager when a step begins, and go on through another.
func (b *bereaved) loses(t *testing.T, p *platform, step string, kill, revive func()) {
	t.Helper()
	r, plan, proof := b.plan(t, p)
	killed := false
	r.at(step, func() { killed = true; kill() })
	report, err := r.run(plan, actions.ResultDone)
	if err != nil || !report.Verify.Converged || !killed {
		t.Errorf("killed: %t, %+v %v", killed, report, err)
	}
	p.until(t, "it says that another manager is asked", func() bool { return strings.Contains(p.fleet.Snapshot().Source("swarm").Detail, "through ") })
	revive()
	proof(t)
}

// TestManagerDies takes the manager that is talked to away, before the change and while it is watched: the run goes on through another.
func TestManagerDies(t *testing.T) {
	t.Parallel()
	for _, b := range bereavements {
		for _, step := range b.steps {
			t.Run(b.action+" "+step, func(t *testing.T) {
				t.Parallel()
				p := ownDemo(t, demo.Options{Managers: 3})
				b.loses(t, p, step, func() { must(t, p.demo.KillManager(0)) }, func() { must(t, p.demo.ReviveManager(0)) })
			})
		}
	}
}

// TestOnlyManagerDies takes the only manager away: nobody can look, the run is unfinished, and goes on when it is back.
func TestOnlyManagerDies(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{})
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":1.1")
	plan.Deadline = 2 * time.Second
	r.at("verify", func() { must(t, p.demo.KillManager(0)) })
	report, err := r.run(plan, actions.ResultInterrupted)
	if sources.KindOf(err) != sources.Unreachable || !strings.Contains(report.Reason, "could not look") || report.Verify.Converged {
		t.Errorf("%+v %v", report, err)
	}
	open, err := r.Unfinished()
	if err != nil || len(open) != 1 || open[0].ID != report.Run {
		t.Fatal(open, err)
	}
	if _, err := r.Stand(t.Context(), open[0]); sources.KindOf(err) != sources.Unreachable {
		t.Errorf("where it stands, while nobody can look: %v", err)
	}
	must(t, p.demo.ReviveManager(0))
	p.well(t, name)
	st, err := r.Stand(t.Context(), open[0])
	if err != nil || !st.AllMade || st.Done != 1 {
		t.Fatalf("%+v %v", st, err)
	}
	again, err := r.Resume(t.Context(), st, nil)
	must(t, err)
	if _, err := r.ended(again, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if n := p.runs(t, name, p.image+"1.1@"); n != 2 {
		t.Errorf("%d run", n)
	}
}

// TestManagerComesBack takes the only manager away for a moment, before the change: the change waits for it.
func TestManagerComesBack(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{})
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":1.1")
	r.at("update", func() { must(t, p.demo.KillManager(0)) })
	run := r.start(plan)
	p.until(t, "the update is tried", func() bool { return len(run.Progress().Steps) == 1 })
	p.until(t, "the loss is seen", func() bool { return !p.fleet.Snapshot().Source("swarm").OK() })
	must(t, p.demo.ReviveManager(0))
	if _, err := r.ended(run, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if got := p.service(t, name).Spec.TaskTemplate; got.ForceUpdate != 0 || !strings.HasPrefix(got.ContainerSpec.Image, p.image+"1.1@") {
		t.Errorf("%+v", got.ContainerSpec)
	}
}

// TestCutChanges cuts the connection of each kind of change, before and after it is made: it has one effect.
func TestCutChanges(t *testing.T) {
	t.Parallel()
	for _, cut := range []demo.Cut{demo.CutBefore, demo.CutAfter, demo.CutWithin} {
		for _, step := range []string{"create", "update", "remove"} {
			t.Run(fmt.Sprintf("%s %d", step, cut), func(t *testing.T) {
				t.Parallel()
				p := ownDemo(t, demo.Options{Managers: 2})
				name, secret := p.withSecret(t, replicas(1))
				next := strings.TrimSuffix(secret, "1") + "2"
				r := p.deck(t)
				plan := r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte("new")}))
				r.at(step, func() { p.demo.CutNextChange(cut) })
				if report, err := r.run(plan, actions.ResultDone); err != nil {
					t.Errorf("%+v %v", report, err)
				}
				if p.demo.CutPending() {
					t.Error("nothing was cut")
				}
				s := p.service(t, name).Spec.TaskTemplate
				left := p.secrets(t, strings.TrimSuffix(secret, "1"))
				if len(left) != 1 || left[next].ID != s.ContainerSpec.Secrets[0].SecretID || len(s.ContainerSpec.Secrets) != 1 {
					t.Errorf("there are %v, in use is %+v", left, s.ContainerSpec.Secrets[0])
				}
			})
		}
		t.Run(fmt.Sprintf("forced update %d", cut), func(t *testing.T) {
			t.Parallel()
			p := ownDemo(t, demo.Options{})
			name, r := p.running(t, replicas(1)), p.deck(t)
			r.proven(r.redeploy(name, ""))
			plan := r.redeploy(name, "")
			r.at("update", func() { p.demo.CutNextChange(cut) })
			r.proven(plan)
			if n := p.service(t, name).Spec.TaskTemplate.ForceUpdate; n != 1 || p.demo.CutPending() {
				t.Errorf("it was forced %d times", n)
			}
		})
	}
}
