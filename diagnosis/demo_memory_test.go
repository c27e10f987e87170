package diagnosis_test

import (
	"slices"
	"strings"
	"testing"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/demo"
)

// TestMemoryIsToldOfBeforeTheKill: a leak is named while nothing has been killed yet, explains the alert that is pending, and the kill takes it over.
func TestMemoryIsToldOfBeforeTheKill(t *testing.T) {
	onlyWhole(t)
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 5}, without{})
	if rep := r.investigate(t); slices.ContainsFunc(rep.Causes, func(c diagnosis.Cause) bool { return c.ID == "memory-near-limit" }) {
		t.Fatalf("on a platform that is well:%s", words(&rep))
	}
	must(t, r.demo.StartScenario("oom"))
	before, pending := false, false
	until(t, "the kill is named", func() bool {
		rep := r.investigate(t)
		if len(rep.Causes) == 0 {
			return false
		}
		first := &rep.Causes[0]
		switch first.ID {
		case "memory-near-limit":
			before = true
			for i := range rep.Troubles {
				if x := &rep.Troubles[i]; x.Alert != "" && len(x.Causes) > 0 && !x.Perhaps && strings.Contains(rep.Explanation(x), "memory") {
					pending = true
				}
			}
			return false
		case "oom-killed":
			return first.Confidence >= diagnosis.Confident
		}
		return false
	})
	if !before || !pending {
		t.Errorf("told of before the kill: %v, with its alert: %v", before, pending)
	}
}
