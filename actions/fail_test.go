package actions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// failed carries out a plan that must come to nothing good, and gives the report.
func (r *rig) failed(p *actions.Plan, want, reason string) actions.Report {
	r.t.Helper()
	report, err := r.run(p, want)
	if !strings.Contains(report.Reason, reason) || err == nil {
		r.t.Errorf("the reason is %q (%v), want one with %q", report.Reason, err, reason)
	}
	if v := report.Verify; v != nil && (v.Converged || v.StableFor != 0) {
		r.t.Errorf("the proof of a failure: %+v", v)
	}
	if left := want == actions.ResultFailed; left != (report.Undo != "") {
		r.t.Errorf("undo: %q", report.Undo)
	}
	return report
}

func testNoSuchTag(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	before := p.service(t, name)
	_, err := r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: name, Image: ":missing-1"}})
	if sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "is not redeployed") || !strings.Contains(sources.NextOf(err), "missing-1") {
		t.Errorf("%v", err)
	}
	_, err = r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: name, Image: "registry.invalid/app:1"}})
	if sources.KindOf(err) != sources.Unreachable {
		t.Errorf("%v", err)
	}
	_, err = r.PlanRedeploy(t.Context(), []actions.RedeployTarget{{Service: name, Image: "no reference"}})
	if sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("%v", err)
	}
	if now := p.service(t, name); now.Version != before.Version || len(r.entries("")) > 0 {
		t.Error("something was changed or written")
	}
}

func testCrashPauses(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":2.0-bad")
	report := r.failed(plan, actions.ResultFailed, "update paused")
	if !strings.Contains(report.Reason, "non-zero exit (1)") {
		t.Errorf("the reason does not name the task's error: %q", report.Reason)
	}
	s := p.service(t, name)
	if s.UpdateStatus.State != swarm.UpdateStatePaused || !strings.Contains(s.Spec.TaskTemplate.ContainerSpec.Image, "2.0-bad") {
		t.Errorf("left as %+v", s.UpdateStatus)
	}
	r.refused("its update is paused", actions.ScaleTarget{Service: name, Replicas: 3})
	back := r.undo("")
	if back.Of != report.Run {
		t.Errorf("the undo is of %s", back.Of)
	}
	r.proven(back)
	if n := p.runs(t, name, p.image+"1.0"); n != 2 {
		t.Errorf("%d run", n)
	}
	_, states, err := r.States(t.Context(), name)
	if err != nil || !strings.Contains(states[1].Bad, "paused") {
		t.Errorf("%+v %v", states, err)
	}
}

// refused holds that a scaling is refused, at the plan and at the runner.
func (r *rig) refused(why string, targets ...actions.ScaleTarget) {
	r.t.Helper()
	plan, err := r.PlanScale(r.t.Context(), targets)
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(plan.Refused, why) {
		r.t.Errorf("refused: %q, want %q", plan.Refused, why)
	}
	_ = r.notStarted(plan, actions.Approval{Yes: true, Typed: plan.Word(), Reason: "a test"}, why)
}

// notStarted holds that the runner refuses a plan, and writes nothing.
func (r *rig) notStarted(plan *actions.Plan, a actions.Approval, why string) error {
	r.t.Helper()
	before := r.written()
	_, err := r.Start(r.t.Context(), plan, a, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "refused") || !strings.Contains(err.Error(), why) {
		r.t.Errorf("started: %v, want a refusal with %q", err, why)
	}
	if after := r.written(); after != before {
		r.t.Errorf("%d entries were written", after-before)
	}
	return err
}

// written counts the entries of this deck's own actor: another process may be writing meanwhile.
func (r *rig) written() (n int) {
	r.t.Helper()
	for _, e := range r.entries("") {
		if e.Actor == r.Policy.Actor {
			n++
		}
	}
	return n
}

func testCrashIsRolledBack(t *testing.T, p *platform) {
	name, r := p.running(t, onFailure(swarm.UpdateFailureActionRollback)), p.deck(t)
	run := r.start(r.redeploy(name, ":2.0-bad"))
	report, err := r.ended(run, actions.ResultTakenBack)
	if err == nil || !strings.Contains(report.Reason, "non-zero exit (1)") || !strings.Contains(report.Reason, "rolled back due to failure") || report.Undo != "" {
		t.Errorf("%q %v, undo %q", report.Reason, err, report.Undo)
	}
	var lines []string
	for _, e := range run.Progress().Rollouts[0].Lines {
		lines = append(lines, e.Line)
	}
	if len(lines) == 0 || len(lines) > 8 {
		t.Errorf("the last lines: %q", lines)
	}
	s := p.service(t, name)
	if s.UpdateStatus.State != swarm.UpdateStateRollbackCompleted || !strings.HasPrefix(s.Spec.TaskTemplate.ContainerSpec.Image, p.image+"1.0") {
		t.Errorf("it is %+v", s.UpdateStatus)
	}
	again, err := r.PlanUndo(t.Context(), report.Run)
	if err != nil || again.Nothing == "" {
		t.Errorf("its undo: %+v %v", again, err)
	}
	_, states, err := r.States(t.Context(), name)
	if err != nil || len(states) != 3 || states[1].Bad == "" || states[1].Run != report.Run || !states[0].Now || states[0].Spec != states[2].Spec {
		t.Errorf("%+v %v", states, err)
	}
}

func testCrashGoesOn(t *testing.T, p *platform) {
	name, r := p.running(t, onFailure(swarm.UpdateFailureActionContinue), replicas(1)), p.deck(t)
	plan := r.redeploy(name, ":2.0-bad")
	plan.Deadline = p.patience(8 * time.Second)
	report := r.failed(plan, actions.ResultFailed, "crash loop")
	if !strings.Contains(report.Reason, "no progress for") {
		t.Errorf("%q", report.Reason)
	}
}

func testTakeBack(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	before := p.service(t, name).Spec
	plan := r.redeploy(name, ":2.0-bad")
	plan.TakeBack = true
	report := r.failed(plan, actions.ResultTakenBack, "non-zero exit (1)")
	judged := time.Now()
	if last := report.Steps[len(report.Steps)-1]; last.Name != "take back "+name || last.State != "done" {
		t.Errorf("%+v", report.Steps)
	}
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
	r.stable(name, judged)
	if n := p.runs(t, name, p.image+"1.0"); n != 2 {
		t.Errorf("%d run", n)
	}
}

// unwell is a spec whose health check fails.
func unwell(s *swarm.ServiceSpec) {
	s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD-SHELL", "exit 1"}, Interval: time.Second, Timeout: time.Second, Retries: 1}
}

// A state with a failing health check is gone back to: it never gets well.
func testUnhealthy(t *testing.T, p *platform) {
	name := p.create(t, replicas(0), unwell)
	r := p.deck(t)
	_, states, err := r.States(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p.well(t, name)
	p.change(t, name, replicas(1), func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Healthcheck = nil })
	p.well(t, name)
	plan := r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{To: states[0].SpecRef.Spec}))
	plan.Deadline = p.patience(10 * time.Second)
	report := r.failed(plan, actions.ResultFailed, "")
	if !strings.Contains(report.Reason, "unhealthy") && !strings.Contains(report.Reason, "update paused") {
		t.Errorf("%q", report.Reason)
	}
	if s := p.service(t, name); s.Spec.TaskTemplate.ContainerSpec.Healthcheck == nil {
		t.Error("it was not left as it is")
	}
	r.proven(r.undo(report.Run))
}

// patience is a deadline in whose time a task starts and fails several times: on real engines, which are busy with other cases as well, longer.
func (p *platform) patience(d time.Duration) time.Duration {
	if p.demo == nil {
		return 4 * d
	}
	return d
}

// engineSays is how long a busy engine's scheduler may take until it says why it places no task: 4 s were once not enough.
const engineSays = 15 * time.Second

func testNoNode(t *testing.T, p *platform) {
	name, r := p.running(t, replicas(0), constraints("node.labels.nowhere==yes")), p.deck(t)
	plan := r.scale(name, 2)
	plan.Deadline = engineSays
	if plan.Harm != actions.Serious || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "2 of the 2 new replicas have no place now") || !strings.Contains(plan.Warnings[0], "node.labels.nowhere==yes") {
		t.Errorf("harm %d, %q", plan.Harm, plan.Warnings)
	}
	r.failed(plan, actions.ResultFailed, "no suitable node")
	if n := p.replicas(t, name); n != 2 {
		t.Errorf("%d replicas are wanted", n)
	}
	back := r.undo("")
	if back.Harm != actions.Grave {
		t.Errorf("to 0 is of harm %d", back.Harm)
	}
	if _, err := r.run(back, actions.ResultDone); err != nil {
		t.Error(err)
	}
}

func testPortTaken(t *testing.T, p *platform) {
	node := p.fleet.Snapshot().Nodes[0].Name
	port := uint32(18000 + serial.Add(1)) //nolint:gosec // small
	name, r := p.running(t, replicas(1), constraints("node.hostname=="+node), hostPort(port)), p.deck(t)
	plan := r.scale(name, 2)
	plan.Deadline = engineSays
	if len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], fmt.Sprintf("%s has its port tcp/%d taken by %s", node, port, name)) {
		t.Errorf("%q", plan.Warnings)
	}
	plan.TakeBack = true
	r.failed(plan, actions.ResultTakenBack, "host-mode port already in use")
	if n := p.replicas(t, name); n != 1 {
		t.Errorf("%d replicas are wanted", n)
	}
}

// A rotation whose services do not get well leaves the old secret there, and can be taken back. Started first, a new task finds the host port
// taken by the old one.
func testRotateFails(t *testing.T, p *platform) {
	name, secret := p.withSecret(t, replicas(1), constraints("node.hostname=="+p.fleet.Snapshot().Nodes[0].Name), hostPort(uint32(18000+serial.Add(1)))) //nolint:gosec // small
	prefix := strings.TrimSuffix(secret, "1")
	before := p.service(t, name).Spec
	r := p.deck(t)
	plan := r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte("new")}))
	plan.Deadline = engineSays
	if !strings.Contains(strings.Join(plan.Warnings, "\n"), "start-first with host port") {
		t.Errorf("%q", plan.Warnings)
	}
	report := r.failed(plan, actions.ResultFailed, "host-mode port already in use")
	if left := p.secrets(t, prefix); len(left) != 2 {
		t.Errorf("there are %v", left)
	}
	r.proven(r.undo(report.Run))
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
	if left := p.secrets(t, prefix); len(left) != 1 || left[secret].ID == "" {
		t.Errorf("there are %v", left)
	}
}
