package actions_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

func testReadOnly(t *testing.T, p *platform) {
	name, r := p.running(t, replicas(1)), p.deck(t)
	plan := r.scale(name, 2)
	before := p.service(t, name)
	r.Policy.ReadOnly = true
	if err := r.notStarted(plan, actions.Approval{Yes: true}, "read-only"); !errors.Is(err, actions.ErrReadOnly) {
		t.Error(err)
	}
	if _, err := r.Resume(t.Context(), actions.Standing{}, nil); !errors.Is(err, actions.ErrReadOnly) {
		t.Errorf("resume: %v", err)
	}
	if now := p.service(t, name); now.Version != before.Version {
		t.Error("it was changed")
	}
}

func testConfirmation(t *testing.T, p *platform) {
	name, r := p.running(t, replicas(1)), p.deck(t)
	if err := r.notStarted(r.scale(name, 2), actions.Approval{}, "not confirmed"); !errors.Is(err, actions.ErrNotConfirmed) {
		t.Error(err)
	}
	r.Policy.NeedReason = true
	if err := r.notStarted(r.scale(name, 2), actions.Approval{Yes: true, Reason: "  "}, "reason"); !errors.Is(err, actions.ErrNoReason) {
		t.Error(err)
	}
	r.Policy.NeedReason = false
	r.Policy.Protected = []string{"other-*", name[:6] + "*"}
	plan := r.scale(name, 2)
	if plan.Harm != actions.Guarded || !strings.Contains(plan.Why, name+" is protected") || plan.Word() != name {
		t.Errorf("harm %d, %q, word %q", plan.Harm, plan.Why, plan.Word())
	}
	for _, typed := range []string{"", "yes", name + "x"} {
		_ = r.notStarted(plan, actions.Approval{Yes: true, Typed: typed}, "is protected")
	}
	r.Policy.Protected = nil
	always, err := actions.ParseHours("00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	r.Policy.Quiet = []actions.Hours{always}
	plan = r.scale(name, 2)
	if plan.Harm != actions.Guarded || !strings.Contains(plan.Why, "quiet hours (00:00-24:00)") {
		t.Errorf("harm %d, %q", plan.Harm, plan.Why)
	}
	_ = r.notStarted(plan, actions.Approval{Yes: true}, "quiet hours")
	r.proven(plan) // with the word it goes
}

// While an update is under way, paused, or rolling back, a service is not scaled; it can be redeployed.
func testScaleOfBusyService(t *testing.T, p *platform) {
	name, r := p.running(t, monitored(4*monitor)), p.deck(t)
	p.change(t, name, env("A=1"))
	p.until(t, "it is updating", func() bool {
		u := p.service(t, name).UpdateStatus
		return u != nil && u.State == swarm.UpdateStateUpdating
	})
	r.refused("an update is on its way", actions.ScaleTarget{Service: name, Replicas: 3})
	plan := r.redeploy(name, ":1.1")
	if !strings.Contains(strings.Join(plan.Warnings, "\n"), "an update is on its way and will be overtaken") {
		t.Errorf("%q", plan.Warnings)
	}
}

// An update that begins between plan and run: the scaling is not sent into it.
func testScaleMeetsUpdate(t *testing.T, p *platform) {
	name, r := p.running(t, monitored(4*monitor), env("A=1")), p.deck(t)
	p.change(t, name, env("B=1"))
	p.well(t, name)
	plan := r.scale(name, 3)
	s := p.service(t, name)
	p.change(t, name, env("C=1"))
	p.until(t, "its tasks are replaced", func() bool { return len(p.taskIDs(t, name)) > 2 })
	p.change(t, name, func(x *swarm.ServiceSpec) { *x = s.Spec }, func(x *swarm.ServiceSpec) { x.TaskTemplate.ForceUpdate = s.Spec.TaskTemplate.ForceUpdate })
	p.until(t, "it is updating", func() bool {
		u := p.service(t, name).UpdateStatus
		return u != nil && u.State == swarm.UpdateStateUpdating
	})
	report, err := r.run(plan, actions.ResultFailed)
	var refusal *actions.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(report.Reason, "an update is on its way") || p.replicas(t, name) != 2 {
		t.Errorf("%q %v", report.Reason, err)
	}
}

func testModes(t *testing.T, p *platform) {
	global := p.create(t, func(s *swarm.ServiceSpec) { s.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} }, constraints("node.labels.nowhere==yes"))
	p.until(t, "it is seen", func() bool { return p.fleet.Snapshot().Service(global) != nil })
	r := p.deck(t)
	r.refused("it is global", actions.ScaleTarget{Service: global, Replicas: 3})
	one := uint64(1)
	job := p.create(t, func(s *swarm.ServiceSpec) {
		s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &one, TotalCompletions: &one}}
		s.UpdateConfig, s.RollbackConfig = nil, nil
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	}, constraints("node.labels.nowhere==yes"))
	r.refused("it is a job", actions.ScaleTarget{Service: job, Replicas: 3})
	plan, err := r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: job}})
	if err != nil || !strings.Contains(plan.Refused, "is a job") {
		t.Errorf("%+v %v", plan, err)
	}
	plan, err = r.PlanRollback(t.Context(), job, actions.RollbackOptions{})
	if err != nil || !strings.Contains(plan.Refused, "is a job") {
		t.Errorf("%+v %v", plan, err)
	}
}

func testSlips(t *testing.T, p *platform) {
	name, r := p.running(t, replicas(1)), p.deck(t)
	r.refused("10001 replicas are more than 10000", actions.ScaleTarget{Service: name, Replicas: actions.MaxReplicas + 1})
	id := p.service(t, name).ID
	_, err := r.PlanScale(t.Context(), []actions.ScaleTarget{{Service: name, Replicas: 2}, {Service: id, Replicas: 3}})
	var refusal *actions.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("%v", err)
	}
	_, err = r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: name}, {Service: name}})
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("%v", err)
	}
	p.until(t, "it is seen", func() bool { return p.fleet.Snapshot().Service(name) != nil })
	for what, f := range map[string]func(string) (*actions.Plan, error){
		"scale": func(n string) (*actions.Plan, error) {
			return r.PlanScale(t.Context(), []actions.ScaleTarget{{Service: n, Replicas: 2}})
		},
		"redeploy": func(n string) (*actions.Plan, error) {
			return r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: n}})
		},
		"rollback": func(n string) (*actions.Plan, error) {
			return r.PlanRollback(t.Context(), n, actions.RollbackOptions{})
		},
	} {
		if _, err := f(name[:len(name)-1]); sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) != "did you mean "+name+"?" {
			t.Errorf("%s of an unknown service: %v; %s", what, err, sources.NextOf(err))
		}
	}
	for what, o := range map[string]actions.RotateOptions{
		"empty":    {Kind: sources.Secret, Name: "x"},
		"too long": {Kind: sources.Secret, Name: "x", Data: make([]byte, actions.MaxSecret+1)},
		"unknown":  {Kind: sources.Config, Name: "act-no-such-config", Data: []byte("x")},
	} {
		if _, err := r.PlanRotate(t.Context(), o); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := r.PlanUndo(t.Context(), "20990101"); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("%v", err)
	}
	if _, err := r.PlanRollback(t.Context(), name, actions.RollbackOptions{}); err == nil || !strings.Contains(err.Error(), "no earlier state that differs is known") {
		t.Errorf("%v", err)
	}
	if _, err := r.PlanRollback(t.Context(), name, actions.RollbackOptions{At: time.Now().Add(-1000 * time.Hour)}); err == nil || !strings.Contains(err.Error(), "nothing is known") {
		t.Errorf("%v", err)
	}
	if len(r.entries("")) > 0 {
		t.Error("planning has written something")
	}
}

// What cannot be placed is named before it is done.
func testCapacity(t *testing.T, p *platform) {
	node := p.fleet.Snapshot().Nodes[0]
	here := "node.hostname==" + node.Name
	for what, c := range map[string]struct {
		option option
		says   string
	}{
		"reservation": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{MemoryBytes: node.MemoryBytes + 1<<20}}
		}, node.Name + " has "},
		"most a node": {func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.MaxReplicas = 2 }, node.Name + " has its 2 replicas, the most for a node"},
	} {
		name := p.create(t, replicas(0), constraints(here), c.option)
		p.until(t, "it is seen", func() bool { return p.fleet.Snapshot().Service(name) != nil })
		plan := p.deck(t).scale(name, 4)
		if len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "new replicas have no place now: ") || !strings.Contains(plan.Warnings[0], c.says) || plan.Harm != actions.Serious {
			t.Errorf("%s: %q", what, plan.Warnings)
		}
	}
}
