package actions_test

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/markdown/markdowntest"
)

// TestHostileHandover: whatever others have written, a handover's parts stay where they are.
func TestHostileHandover(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, s := range markdowntest.Hostile {
		h := actions.Handover{At: at, By: s, Context: s, Since: at,
			Runs: []actions.RunRecord{{ID: s, Action: actions.Rollback, Target: s, Actor: s, Host: s, Began: at, Ended: at, Result: actions.ResultDone, Reason: s, Why: s, Of: s, UndoneBy: s}},
			Fleet: &fleet.Snapshot{Listed: at, Services: []*fleet.Service{{Service: sources.Service{Name: s}, Verdict: fleet.Verdict{Health: fleet.Down, Reason: s}}},
				Alerts: []sources.Alert{{Name: s, Service: s, Severity: s, Summary: s, State: sources.Firing}}}}
		h.SetChanges(s, actions.FieldReport{Service: s, Field: s, Before: s, After: s})
		var b strings.Builder
		if err := h.Markdown(&b); err != nil {
			t.Fatal(err)
		}
		markdowntest.CheckDocument(t, b.String(), 4, 4, 1) // the title, now, what was done, the run
	}
}
