package actions_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// conflicting are plans of each action that update a service, made in time.
func (r *rig) conflicting(t *testing.T, name, secret string) map[string]*actions.Plan {
	t.Helper()
	return map[string]*actions.Plan{
		actions.Scale:    r.scale(name, 3),
		actions.Redeploy: r.redeploy(name, ":1.1"),
		actions.Rotate:   r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte("new")})),
		actions.Rollback: r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{})),
	}
}

// Somebody else changes the service between plan and run: nothing is forced over it.
func testConflict(t *testing.T, p *platform) {
	name, secret := p.withSecret(t)
	r := p.deck(t)
	p.change(t, name, env("BEFORE=1"))
	p.well(t, name)
	plans := r.conflicting(t, name, secret)
	p.change(t, name, label("qd.other", "was here"), env("LOG_LEVEL=debug"))
	p.well(t, name)
	other := p.service(t, name)
	for action, plan := range plans {
		report, err := r.run(plan, actions.ResultFailed)
		var c *actions.Conflict
		if !errors.As(err, &c) || c.Service != name || !strings.Contains(strings.Join(c.Changed, ", "), "env LOG_LEVEL") {
			t.Errorf("%s: %v", action, err)
		}
		if report.Undo != "" || report.Verify != nil {
			t.Errorf("%s: undo %q, %+v", action, report.Undo, report.Verify)
		}
		if now := p.service(t, name); now.Version != other.Version {
			t.Errorf("%s: version %d after %d", action, now.Version.Index, other.Version.Index)
		}
	}
	r.proven(r.redeploy(name, ":1.1")) // planned anew it goes
	if s := p.service(t, name).Spec; s.Labels["qd.other"] != "was here" || !strings.Contains(strings.Join(s.TaskTemplate.ContainerSpec.Env, " "), "LOG_LEVEL=debug") {
		t.Errorf("the other's change is gone: %s", specJSON(t, s))
	}
}

// The version alone moves on, as it does when an update is under way: the change is sent again.
func testVersionAlone(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":1.1")
	was := p.service(t, name)
	if now := p.change(t, name); now.Version == was.Version {
		t.Fatal("the version has not moved on")
	}
	r.proven(plan)
	if got := p.service(t, name).Spec.TaskTemplate; got.ForceUpdate != 0 || !strings.HasPrefix(got.ContainerSpec.Image, p.image+"1.1@") {
		t.Errorf("%+v", got)
	}
}

// Somebody else changes the service while its rollout is watched.
func testOvertaken(t *testing.T, p *platform) {
	for what, c := range map[string]struct {
		change option
		says   string
	}{
		"spec":  {env("OTHER=1"), "somebody else has changed what it runs"},
		"scale": {replicas(3), "somebody else has scaled it to 3"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := p.running(t, monitored(3*monitor))
			r := p.deck(t)
			run := r.start(r.redeploy(name, ":1.1"))
			p.until(t, "the rollout is watched", func() bool { return len(run.Progress().Steps) == 2 })
			p.change(t, name, c.change)
			report, err := r.ended(run, actions.ResultFailed)
			if err == nil || !strings.Contains(report.Reason, c.says) || report.Verify.Converged {
				t.Errorf("%q %v %+v", report.Reason, err, report.Verify)
			}
			if !imageIs("1.1")(t, p, &job{Service: name}) {
				t.Error("it was taken back")
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		name := p.running(t, monitored(3*monitor))
		r := p.deck(t)
		run := r.start(r.redeploy(name, ":1.1"))
		p.until(t, "the rollout is watched", func() bool { return len(run.Progress().Steps) == 2 })
		if _, err := p.api.ServiceRemove(t.Context(), name, client.ServiceRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
		if report, err := r.ended(run, actions.ResultFailed); err == nil || !strings.Contains(report.Reason, "the service was removed") {
			t.Errorf("%q %v", report.Reason, err)
		}
	})
}

// A run that takes a failed rollout back leaves alone what somebody else has changed meanwhile, and says so.
func testTakeBackMeetsAnother(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":2.0-bad")
	plan.TakeBack = true
	run := r.start(plan)
	p.until(t, "the rollout is watched", func() bool { return len(run.Progress().Steps) == 2 })
	p.change(t, name, func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = p.image + "1.1" })
	report, err := r.ended(run, actions.ResultFailed)
	if err == nil || !strings.Contains(report.Reason, "taking it back failed as well: "+name+" was changed by somebody else meanwhile: image") {
		t.Errorf("%q %v", report.Reason, err)
	}
	if !imageIs("1.1")(t, p, &job{Service: name}) {
		t.Error("the other's change is gone")
	}
}
