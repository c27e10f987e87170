package actions_test

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// A person's word is seen by every console, is renewed against what was said before, is taken back to it, and is withdrawn.
func testAttest(t *testing.T, p *platform) {
	check := named(t)
	ann, bob := p.deck(t), p.deck(t)
	ann.Policy.Actor, bob.Policy.Actor = "ann", "bob"
	said := func(r *rig) sources.Attestation {
		t.Helper()
		all, err := r.Attestations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all[check]
	}
	t.Cleanup(func() {
		if pl, err := ann.PlanWithdraw(t.Context(), check); err == nil && pl.Nothing == "" {
			t.Errorf("the test has left a word: %+v", pl.Attest.Before)
		}
	})
	until := time.Now().Add(90 * 24 * time.Hour)
	plan := ann.planned(ann.PlanAttest(t.Context(), sources.Attestation{Check: check, Who: "mallory", Note: " looked at 30 deploys ", Until: until}))
	if plan.Harm != actions.Light || plan.Attest.Before != nil || !strings.Contains(plan.Title(), check) {
		t.Errorf("%+v", plan)
	}
	ann.run(plan, actions.ResultDone)
	first := said(bob)
	if first.Who != "ann" || first.Note != "looked at 30 deploys" || first.Until.Sub(until).Abs() > time.Second || time.Since(first.At) > time.Hour {
		t.Fatalf("the other console sees %+v", first)
	}
	plan = bob.planned(bob.PlanAttest(t.Context(), sources.Attestation{Check: check, Note: "and so did I", Until: until}))
	if len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "ann has said so") {
		t.Errorf("warnings %q", plan.Warnings)
	}
	report, _ := bob.run(plan, actions.ResultDone)
	if report.Verify == nil || len(report.Verify.Checks) != 1 || !report.Verify.Checks[0].OK {
		t.Errorf("no proof: %+v", report.Verify)
	}
	if got := said(ann); got.Who != "bob" || got.Note != "and so did I" {
		t.Errorf("after the second one: %+v", got)
	}
	undo := bob.undo(report.Run)
	bob.run(undo, actions.ResultDone)
	if got := said(ann); got != first {
		t.Errorf("taken back: %+v, it was %+v", got, first)
	}
	report, _ = ann.run(ann.planned(ann.PlanWithdraw(t.Context(), check)), actions.ResultDone)
	if got := said(bob); got.Check != "" {
		t.Errorf("withdrawn: %+v", got)
	}
	ann.run(ann.undo(report.Run), actions.ResultDone)
	if got := said(bob); got != first {
		t.Errorf("the withdrawal was taken back: %+v, it was %+v", got, first)
	}
	bob.run(bob.planned(bob.PlanWithdraw(t.Context(), check)), actions.ResultDone)
	ann.sound()
	bob.sound()
}

// What is no word is refused before anything is written.
func testAttestRefused(t *testing.T, p *platform) {
	r := p.deck(t)
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		a    sources.Attestation
		want string
	}{
		{sources.Attestation{Note: "x"}, "over before"},
		{sources.Attestation{Note: "x", Until: time.Now().Add(-time.Hour)}, "over before"},
		{sources.Attestation{Note: " \n ", Until: later}, "needs a note"},
		{sources.Attestation{Note: strings.Repeat("x", 501), Until: later}, "longer"},
	} {
		c.a.Check = "no-touch-deploy"
		plan, err := r.PlanAttest(t.Context(), c.a)
		if err != nil || !strings.Contains(plan.Refused, c.want) {
			t.Errorf("%+v: %+v, %v, want %q", c.a, plan, err, c.want)
		}
	}
}
