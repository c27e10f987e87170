package actions_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/autoscale"
	"quarterdeck/sources"
)

// TestStopScaling: a stop is a run that every console sees, with who and why; it is taken back, let go on by another, and what somebody else has stopped since stays.
func TestStopScaling(t *testing.T) {
	p := sharedDemo(t)
	ann, bob := p.deck(t), p.deck(t)
	ann.Policy.Actor, bob.Policy.Actor = "ann", "bob"
	always, err := actions.ParseHours("00:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	ann.Policy.Quiet = []actions.Hours{always}
	t.Cleanup(func() { _ = bob.StartScaling(context.WithoutCancel(t.Context()), "the test is over") })
	now := func() *autoscale.Stop {
		t.Helper()
		configs, err := p.hands.Materials(t.Context(), sources.Config)
		if err != nil {
			t.Fatal(err)
		}
		return autoscale.StoppedBy(configs)
	}
	plan := ann.planned(ann.PlanStopScaling(t.Context()))
	if plan.Harm != actions.Light || plan.Title() != "stop all autoscaling" || len(plan.Steps()) != 2 {
		t.Errorf("a stop in quiet hours: %+v", plan)
	}
	report, _ := ann.run(plan, actions.ResultDone)
	if s := now(); s == nil || s.Who != "ann" || s.Why != "a test" || s.Run != report.Run || time.Since(s.At).Abs() > time.Hour {
		t.Fatalf("the swarm has %+v", s)
	}
	if report.Undo == "" || report.Verify == nil || len(report.Verify.Checks) != 1 || !report.Verify.Checks[0].OK {
		t.Errorf("%+v", report)
	}
	if again, err := bob.PlanStopScaling(t.Context()); err != nil || !strings.Contains(again.Nothing, "stopped by ann") {
		t.Errorf("twice: %+v, %v", again, err)
	}
	if err := bob.MayScale(t.Context(), "shop_api"); err == nil || !strings.Contains(err.Error(), "stopped by ann") {
		t.Errorf("an autoscaler may: %v", err)
	}
	on := bob.planned(bob.PlanStartScaling(t.Context()))
	if on.Harm != actions.Serious || len(on.Warnings) != 1 || !strings.Contains(on.Warnings[0], "ann") {
		t.Errorf("%+v", on)
	}
	bob.run(on, actions.ResultDone)
	if s := now(); s != nil {
		t.Fatalf("it is still stopped: %+v", s)
	}
	if undo, err := ann.PlanUndo(t.Context(), report.Run); err != nil || undo.Nothing == "" {
		t.Errorf("the stop is over, and is taken back: %+v, %v", undo, err)
	}
	if err := bob.StopScaling(t.Context(), "by command"); err != nil {
		t.Fatal(err)
	}
	if undo, err := ann.PlanUndo(t.Context(), report.Run); err != nil || !strings.Contains(undo.Refused, "by command") {
		t.Errorf("somebody else's stop is taken away: %+v, %v", undo, err)
	}
	if err := bob.StartScaling(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	report, _ = ann.run(ann.planned(ann.PlanStopScaling(t.Context())), actions.ResultDone)
	ann.Policy.Quiet = nil
	if undo := ann.undo(""); undo.Of != report.Run {
		t.Errorf("the last run is %s, not %s", report.Run, undo.Of)
	}
	back, _ := ann.run(ann.undo(report.Run), actions.ResultDone)
	if s := now(); s != nil {
		t.Errorf("taken back, and still %+v", s)
	}
	ann.run(ann.undo(back.Run), actions.ResultDone)
	if s := now(); s == nil || s.Run == report.Run {
		t.Errorf("the undo was taken back: %+v", s)
	}
	for _, r := range []*rig{ann, bob} {
		r.sound()
	}
	runs, err := ann.Runs()
	if err != nil || len(runs) == 0 || runs[0].Target != autoscale.StopConfig || len(runs[0].Services()) != 0 || !runs[0].Touched() {
		t.Errorf("%+v, %v", runs, err)
	}
}

// TestPlanRecommended: of several at once each must still have the number that was decided about, and the verdict is waited for.
func TestPlanRecommended(t *testing.T) {
	p := sharedDemo(t)
	r := p.deck(t)
	name := p.create(t, replicas(2), label(autoscale.LabelEnable, "true"), label(autoscale.LabelMax, "9"))
	d := autoscale.Decision{Service: name, ID: p.service(t, name).ID, Current: 2, Recommended: 3, Reason: "CPU 90% of target 60%, 2 -> 3"}
	plan := r.planned(r.PlanRecommended(t.Context(), []autoscale.Decision{d}))
	if plan.NoWait || plan.Reason != d.Reason || plan.Title() != "scale "+name+" 2 → 3" || len(plan.Warnings) > 0 {
		t.Errorf("%+v", plan)
	}
	d.Current = 4
	if plan, err := r.PlanRecommended(t.Context(), []autoscale.Decision{d}); err != nil || !strings.Contains(plan.Refused, "2 replicas meanwhile") {
		t.Errorf("decided about 4, and it has 2: %+v, %v", plan, err)
	}
	other := p.service(t, "shop_cart")
	two := []autoscale.Decision{{Service: name, ID: d.ID, Current: 2, Recommended: 3, Reason: "x"}, {Service: "shop_cart", ID: other.ID, Current: int(*other.Spec.Mode.Replicated.Replicas), Recommended: 5, Reason: "y"}}
	plan = r.planned(r.PlanRecommended(t.Context(), two))
	if len(plan.Changes) != 2 || plan.Reason != name+": x; shop_cart: y" {
		t.Errorf("%+v", plan)
	}
	if auto, err := r.PlanAutoscale(t.Context(), &two[0]); err != nil || !auto.NoWait {
		t.Errorf("an autoscaler waits: %+v, %v", auto, err)
	}
}
