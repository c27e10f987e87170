package diagnosis_test

import (
	"slices"
	"testing"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/demo"
)

// TestOneCauseIsAsSureForWhoeverAsks: seen from all, from the service that it is about and from one that suffers from it, a cause is as sure, began at the
// same moment and has the same evidence.
func TestOneCauseIsAsSureForWhoeverAsks(t *testing.T) {
	onlyWhole(t)
	t.Parallel()
	for _, scenario := range []string{"dependency-errors", "dependency-slow"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, demo.Options{Seed: 5}, without{})
			must(t, r.demo.StartScenario(scenario))
			alike := 0
			until(t, "three times in a row all views have the same cause", func() bool {
				var first *diagnosis.Cause
				same := true
				for _, service := range []string{"", "shop_store", "shop_api"} {
					rep, err := r.doctor.Investigate(t.Context(), diagnosis.Question{Service: service}, nil)
					must(t, err)
					i := slices.IndexFunc(rep.Causes, func(c diagnosis.Cause) bool { return c.Service == "shop_store" && c.ID == "dependency-failing" })
					switch {
					case i < 0:
						same = false
					case first == nil:
						first = &rep.Causes[i]
					case rep.Causes[i].Confidence != first.Confidence || !rep.Causes[i].Since.Equal(first.Since) || len(rep.Causes[i].Evidence) != len(first.Evidence):
						same = false
					}
				}
				if !same || first == nil || len(first.Evidence) < 2 { // some is still to come
					alike = 0
					return false
				}
				alike++
				return alike == 3
			})
		})
	}
}
