package actions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

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

// TestManagerDies takes the manager that is talked to away, before the change and while it is watched: the run goes on through another.
func TestManagerDies(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"update", "verify"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			p := ownDemo(t, demo.Options{Managers: 3})
			name, r := p.running(t), p.deck(t)
			plan := r.redeploy(name, "")
			r.at(step, func() { must(t, p.demo.KillManager(0)) })
			report, err := r.run(plan, actions.ResultDone)
			if err != nil || !report.Verify.Converged {
				t.Errorf("%+v %v", report, err)
			}
			must(t, p.demo.ReviveManager(0))
			if got := p.service(t, name).Spec.TaskTemplate; got.ForceUpdate != 0 || !strings.Contains(got.ContainerSpec.Image, "@sha256:") {
				t.Errorf("force update %d, %s", got.ForceUpdate, got.ContainerSpec.Image)
			}
		})
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
