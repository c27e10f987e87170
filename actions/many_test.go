package actions_test

import (
	"strings"
	"testing"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
)

// bigDemo is an embedded platform of many services, and the plan that gives each replicated one of them a replica more.
func bigDemo(t testing.TB, services int) (*platform, []actions.ScaleTarget) {
	t.Helper()
	p := ownDemo(t, demo.Options{Services: services, Tasks: 2 * services, Seed: 1})
	var targets []actions.ScaleTarget
	for _, s := range p.fleet.Snapshot().Services {
		if s.Mode == sources.Replicated && s.Desired > 0 && s.UpdateState != "paused" && s.UpdateState != "updating" && len(targets) < services {
			targets = append(targets, actions.ScaleTarget{Service: s.Name, By: 1})
		}
	}
	return p, targets
}

// TestMany scales all services of a fleet in one run: one plan, one verdict, one undo.
func TestMany(t *testing.T) {
	t.Parallel()
	p, targets := bigDemo(t, 300)
	r := p.deck(t)
	plan := r.planned(r.PlanScale(t.Context(), targets))
	if len(plan.Changes) < 250 {
		t.Fatalf("%d services", len(plan.Changes))
	}
	report, err := r.run(plan, actions.ResultDone)
	if err != nil || len(report.Steps) != len(plan.Changes)+1 || !report.Verify.Converged || len(report.Verify.Checks) != 2*len(plan.Changes) {
		t.Errorf("%d steps, %v", len(report.Steps), err)
	}
	for _, c := range plan.Changes {
		now, _ := c.After.Replicas()
		if n := p.replicas(t, c.Service); uint64(n) != now { //nolint:gosec // small
			t.Errorf("%s has %d", c.Service, n)
		}
	}
	if last := report.Steps[len(report.Steps)-1].Name; !strings.HasPrefix(last, "verify ") {
		t.Error(last)
	}
	if undo := r.undo(report.Run); len(undo.Changes) != len(plan.Changes) {
		t.Errorf("the undo has %d changes", len(undo.Changes))
	}
}
