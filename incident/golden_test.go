package incident

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/exp/golden"
	"github.com/yuin/goldmark/ast"

	"quarterdeck/sources/markdown/markdowntest"
)

// TestGoldenReports renders reports that were recorded on the demo's scenarios (quarterdeck demo --headless --scenario NAME --seed 3; the JSON of
// quarterdeck incident report): the JSON has all that the Markdown has, and the Markdown is a fixed page.
func TestGoldenReports(t *testing.T) {
	for _, name := range []string{"bad-deploy", "crash-loop"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var r Report
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&r); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := r.Markdown(&b); err != nil {
				t.Fatal(err)
			}
			checkOrder(t, b.String())
			checkTables(t, b.String())
			golden.RequireEqual(t, b.String())
		})
	}
}

// checkTables: each table of a report is one, aligned, and no more than text but for the emphasis that is ours.
func checkTables(t *testing.T, md string) {
	t.Helper()
	var rows []string
	end := func() {
		if len(rows) > 0 {
			markdowntest.CheckTable(t, strings.Join(rows, "\n")+"\n", strings.Count(rows[0], "|")-1, len(rows)-2, true)
		}
		rows = nil
	}
	for line := range strings.SplitSeq(md, "\n") {
		if strings.HasPrefix(line, "| ") {
			rows = append(rows, line)
			continue
		}
		end()
	}
	end()
}

// TestHostileReport: whatever others have written, the report's parts stay where they are.
func TestHostileReport(t *testing.T) {
	for _, s := range markdowntest.Hostile {
		at := noon
		r := Report{ID: s, Title: s, Made: noon, By: s, Context: s, Since: noon, Until: noon, Services: []string{s}, Authors: []string{s}, Status: s, Severity: s, Owner: s,
			Summary: []string{s}, Impact: []string{s}, CauseNotes: []string{s}, Trigger: []string{s}, Resolution: []string{s}, Detection: []string{s}, Actions: []string{s}, Lessons: []string{s},
			Start:  ImpactStart{Proposed: []Proposal{{At: noon, Text: s, Source: s, Query: s}}},
			Causes: []Cause{{ID: s, Title: s, Service: s, Why: s, EffectOf: s, Evidence: []Proof{{Text: s, Source: s, Query: s, At: &at, Outside: s}}, Against: []Proof{{Text: s, Source: s, Query: s}}}},
			Nodes:  []string{s}, Also: []Affected{{Service: s, Why: []string{s}}}, Proposed: []ActionItem{{s, s, s}},
			Looked:   []Look{{s, s, s}, {s, "looked", s}},
			Timeline: []Row{{Time: noon, Source: s, Kind: s, Service: s, Actor: s, Text: s, Query: s, Confidence: Said, Bad: true, Also: true, Outside: s}, {Time: noon, Source: "swarm", Kind: "k", Text: "t"}},
			Charts:   []Chart{{Service: s, Name: s, Unit: s, Reason: s}, {Service: s, Name: s, Start: noon, End: noon.Add(1), Points: []Sample{{noon, new(float64)}}}},
			Lines:    []Lines{{Service: s, Query: s, First: []Line{{Time: noon, Task: s, Node: s, Level: s, Text: s}}, Patterns: []Pattern{{Text: s, Count: 1}}}},
			Deploys:  []Deploy{{Service: s, At: noon, Run: s, Actor: s, How: s, Failed: s, Fields: []Field{{s, s, s, s}}}},
			Queries:  []Query{{s, s, s}}, Redactions: []Redaction{{s, s, 1}}, Gaps: []Gap{{Source: s, What: s, Reason: s, From: &at, To: &at}}, Chain: s}
		var b strings.Builder
		if err := r.Markdown(&b); err != nil {
			t.Fatal(err)
		}
		md := b.String()
		checkOrder(t, md)
		heads := 0
		for n := markdowntest.Parse(md).FirstChild(); n != nil; n = n.NextSibling() {
			switch n.Kind() {
			case ast.KindHeading:
				heads++
			case ast.KindHTMLBlock, ast.KindThematicBreak, ast.KindBlockquote:
				t.Errorf("%q: %s is in the report", s, n.Kind())
			}
		}
		if heads != 17 {
			t.Errorf("%q: %d headings, want 17", s, heads)
		}
		if strings.ContainsAny(md, "\x1b\x07\x00\u202e\u200b") {
			t.Errorf("%q: a control character is in the report", s)
		}
	}
}
