package actions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark/ast"

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
		md := b.String()
		heads := 0
		for n := markdowntest.Parse(md).FirstChild(); n != nil; n = n.NextSibling() {
			switch n.Kind() {
			case ast.KindHeading:
				heads++
			case ast.KindHTMLBlock, ast.KindThematicBreak, ast.KindBlockquote, ast.KindFencedCodeBlock:
				t.Errorf("%q: %s is in\n%s", s, n.Kind(), md)
			}
		}
		if heads != 5 { // the title, now, what was done, the run, the record
			t.Errorf("%q: %d headings, want 5:\n%s", s, heads, md)
		}
		var rows []string
		for line := range strings.SplitSeq(md, "\n") {
			if strings.HasPrefix(line, "| ") {
				rows = append(rows, line)
			}
		}
		markdowntest.CheckTable(t, strings.Join(rows, "\n")+"\n", 4, 1, false)
		if strings.ContainsAny(md, "\x1b\x07\x00\u202e\u200b") {
			t.Errorf("%q: a control character is in\n%s", s, md)
		}
	}
}
