package incident

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources/fleet"
)

// told is a report's words about an incident, and about what was done meanwhile.
func told(x *Incident, runs ...Mitigation) *Report {
	g := &gatherer{Desk: &Desk{}, r: &Report{Services: []string{"web"}, Fixes: runs}, x: x, redacted: map[Redaction]int{}}
	g.startOf()
	g.words()
	return g.r
}

// A run that went well is the mitigation by itself: the status says so, and users were hit until then and not until somebody closed it.
func TestARunIsTheMitigation(t *testing.T) {
	ended := noon.Add(12 * time.Minute)
	run := Mitigation{Run: "r1", Action: actions.Rollback, Target: "web", Actor: "bo", Began: noon.Add(10 * time.Minute), Ended: &ended, Result: actions.ResultDone}
	x := &Incident{State: Acknowledged, Title: "it is slow", Services: []string{"web"}, Impact: at(0, "ada"), Detected: at(1, "alert"), Started: at(2, "ada"), Acknowledged: at(3, "ada")}
	if r := told(x); !strings.HasPrefix(r.Status, "acknowledged since 2026-11-24 12:03:00 by ada") {
		t.Errorf("status %q", r.Status)
	}
	r := told(x, run)
	if !strings.HasPrefix(r.Status, "mitigated at 2026-11-24 12:12:00 by run r1, by bo") {
		t.Errorf("status %q", r.Status)
	}
	if text := strings.Join(r.Impact, "\n"); !strings.Contains(text, "Lasted 12m, until it was mitigated.") {
		t.Errorf("impact %q", text)
	}
	x.State, x.Resolved = Resolved, at(40, "ada")
	if r := told(x, run); !strings.HasPrefix(r.Status, "resolved at ") || !strings.Contains(strings.Join(r.Impact, "\n"), "Lasted 12m, until it was mitigated.") {
		t.Errorf("%q %q", r.Status, r.Impact)
	}
	if r := told(x); !strings.Contains(strings.Join(r.Impact, "\n"), "Lasted 40m, until it was resolved.") {
		t.Errorf("nothing was done: %q", r.Impact)
	}
	x.Impact = Moment{}
	if text := strings.Join(told(x, run).Impact, "\n"); strings.Contains(text, "Lasted") {
		t.Errorf("nobody has set when it began: %q", text)
	}
}

// A quantile of coarse buckets is no figure to the millisecond.
func TestCoarseQuantileIsARange(t *testing.T) {
	c := Chart{Name: "p95", Unit: "s", Bounds: []float64{0.1, 0.3, 1.2, 5}}
	for v, want := range map[float64]string{0.05: "at most 100 ms", 0.984: "300 ms to 1.2 s", 5: "more than 5 s"} {
		if got := c.figure(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	c.Bounds = nil
	if got := c.figure(0.984); got != "984 ms" {
		t.Errorf("without bounds: %q", got)
	}
}

// The query that proves when the impact began is named as that of the source that it is asked of.
func TestQueryOfTheImpactIsItsSources(t *testing.T) {
	const lines = `{swarm_service="web"} | level="error"`
	g := &gatherer{Desk: &Desk{}, r: &Report{Services: []string{"web"}}, proposals: []Proposal{{At: noon, Text: "error lines go up", Source: fleet.LokiName, Query: lines}}}
	g.r.Timeline = []Row{{Time: noon, Source: "journal", Kind: "incident", Service: "web", Text: "impact began", Query: lines}, {Time: noon, Source: "journal", Kind: "incident", Service: "web", Text: "acknowledged", Query: "quarterdeck journal --run inc-1"}}
	g.listQueries()
	if q := g.r.Queries; len(q) != 2 || q[0].Source != fleet.LokiName || q[0].Query != lines || q[0].For != "when the impact on web began" || q[1].Source != "journal" {
		t.Errorf("%+v", q)
	}
}
