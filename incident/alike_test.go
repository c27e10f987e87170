package incident

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// found are all that an expression finds in a text, by its first group: what its others have found there.
func found(text, expr string) map[string][]string {
	out := map[string][]string{}
	for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(text, -1) {
		out[m[1]] = append(out[m[1]], strings.Join(m[2:], " | "))
	}
	return out
}

// oneFigure holds that all that was found of each thing is the same, and gives it.
func oneFigure(t *testing.T, what string, all map[string][]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for of, list := range all {
		if slices.Sort(list); list[0] != list[len(list)-1] {
			t.Errorf("%s of %s: %q", what, of, slices.Compact(list))
		}
		out[of] = list[0]
	}
	return out
}

// checkFigures holds that whatever a report says in more than one place is the same there: lengths of time and the times they lie between, shares and
// counts, what is usual, and the worst of a figure.
func checkFigures(t *testing.T, r *Report, md string) {
	t.Helper()
	checkLengths(t, r, md)
	oneFigure(t, "requests that failed", found(md, `(?m)^- (?:Also )?(\S+?)(?: \(also\))?: (.* requests failed with 5xx \([^)]*\))`))
	const value = `([0-9]+(?:\.[0-9]+)?(?: %)?)`
	worst := func(name, service string) string {
		for i := range r.Charts {
			if c := &r.Charts[i]; c.Name == name && c.Service == service {
				if _, v, ok := c.worstIn(r.Window); ok {
					return c.figure(v)
				}
			}
		}
		return ""
	}
	for service, text := range oneFigure(t, "the ratio of errors", found(md, `the ratio of errors of (\S+) goes from `+value+` to `+value)) {
		base, top, _ := strings.Cut(text, " | ")
		if w := worst("errors", service); w != top {
			t.Errorf("%s: the ratio goes to %s, and at worst it is %s", service, top, w)
		}
		if usual := oneFigure(t, "the usual ratio", found(md, `(?m)^- (`+regexp.QuoteMeta(service)+`): .*; usually `+value+`\)`))[service]; usual != "" && usual != base {
			t.Errorf("%s: from %s, and usual is %s", service, base, usual)
		}
		for _, said := range regexp.MustCompile(`the ratio of errors: `+value+` at worst \([0-9:]+ UTC\), usually `+value).FindAllStringSubmatch(md, -1) {
			if len(r.Services) == 1 && (said[1] != top || said[2] != base) {
				t.Errorf("a cause says %s and %s, elsewhere it is %s and %s", said[1], said[2], top, base)
			}
		}
	}
	for service, text := range oneFigure(t, "error lines", found(md, `error lines of (\S+) go from `+value+` to `+value+` in (\S+?)[. |]`)) {
		part := strings.Split(text, " | ")
		impact := oneFigure(t, "error lines at worst", found(md, `(?m)^- (`+regexp.QuoteMeta(service)+`): `+value+` error lines in (\S+) at worst \([0-9:]+ UTC\), usually `+value))[service]
		if want := part[1] + " | " + part[2] + " | " + part[0]; impact != "" && impact != want {
			t.Errorf("%s: the impact says %q, the timeline %q", service, impact, want)
		}
	}
	checkCounts(t, r, md)
}

// checkLengths: each length of time is the difference of the two times beside it, and all that tell of it tell the same.
func checkLengths(t *testing.T, r *Report, md string) {
	t.Helper()
	began := ""
	if r.Start.At != nil {
		began = clockOf(*r.Start.At)
	}
	since := func(clock string) string {
		a, err := time.Parse(time.TimeOnly, began)
		b, err2 := time.Parse(time.TimeOnly, clock)
		if err != nil || err2 != nil {
			return "?"
		}
		return long(b.Sub(a))
	}
	times := map[string][2]string{} // what it took and when that was
	for _, m := range regexp.MustCompile(`(?m)^\| (detect|acknowledge|mitigate|resolve) +\| (\S+) +\| ([0-9:]{8}) `).FindAllStringSubmatch(md, -1) {
		times[m[1]] = [2]string{m[2], m[3]}
		if m[2] != since(m[3]) {
			t.Errorf("to %s it took %s, from %s to %s", m[1], m[2], began, m[3])
		}
	}
	for clock, text := range oneFigure(t, "an alert", found(md, `fired at ([0-9:]{8}) UTC, (\S+) after the impact began`)) {
		if text != since(clock) {
			t.Errorf("an alert fired at %s, %s after %s", clock, text, began)
		}
	}
	if m := regexp.MustCompile(`(?m)^- Lasted (.*), until it was (mitigated|resolved)\.$`).FindStringSubmatch(md); m != nil && m[1] != times[strings.TrimSuffix(m[2], "d")][0] {
		t.Errorf("it lasted %s, and took %v", m[1], times)
	}
	if m := regexp.MustCompile(`resolved at ([0-9:]{8}) UTC, (\S+) after the impact began`).FindStringSubmatch(md); m != nil && (m[2] != times["resolve"][0] || m[1] != times["resolve"][1]) {
		t.Errorf("the summary says %v, the table %v", m[1:], times["resolve"])
	}
	if m := regexp.MustCompile(`Noticed at ([0-9:]{8}) UTC`).FindStringSubmatch(md); m != nil && times["detect"][1] != "" && m[1] != times["detect"][1] {
		t.Errorf("noticed at %s, and detected at %s", m[1], times["detect"][1])
	}
	if s := r.Start.Source; s != "" && strings.Contains(s, ": ") && len(r.Start.Proposed) > 0 {
		source, text, _ := strings.Cut(s, ": ")
		if !slices.ContainsFunc(r.Start.Proposed, func(p Proposal) bool { return p.Source == source && p.Text == text }) {
			t.Errorf("it began by %q, which is none of the evidence: %+v", s, r.Start.Proposed)
		}
	}
}

// checkCounts: tasks that failed and lines that are of a kind are as many in the rows of the timeline as where they are counted.
func checkCounts(t *testing.T, r *Report, md string) {
	t.Helper()
	for service, text := range found(md, `(?m)^- (\S+) failed ([0-9]+) times in `) {
		n := 0
		for i := range r.Timeline {
			if x := &r.Timeline[i]; x.Kind == fleet.TaskDied && x.Service == service && x.Outside == "" {
				n += max(x.count, 1)
			}
		}
		if fmt.Sprint(n) != text[0] {
			t.Errorf("%s failed %s times, and %d times by the timeline", service, text[0], n)
		}
	}
	for i := range r.Lines {
		for _, x := range r.Timeline {
			var n int
			if _, err := fmt.Sscanf(x.Text, "a new kind of error line, %d times", &n); err == nil && x.Service == r.Lines[i].Service && !slices.ContainsFunc(r.Lines[i].Patterns, func(p Pattern) bool { return p.Count == n && p.New }) {
				t.Errorf("%s: %q, and the patterns are %+v", x.Service, x.Text, r.Lines[i].Patterns)
			}
		}
	}
	for i := range r.Causes {
		c := &r.Causes[i]
		for j := range r.Deploys {
			if d := &r.Deploys[j]; c.Change != nil && d.Service == c.Service && d.At.Sub(c.Change.At).Abs() < sameChange && !d.At.Equal(c.Change.At) {
				t.Errorf("the change of %s is of %s and of %s", d.Service, d.At, c.Change.At)
			}
		}
	}
}

// risen is a chart with a point each quarter of a minute: of base until it rises to the values, and of base again.
func risen(name, unit, source string, from, at int, base float64, values ...float64) (Chart, []sources.Point) {
	c := Chart{Service: "web", Name: name, Unit: unit, Query: "query of " + name, Source: source, Start: after(-900), End: after(600), Step: 15}
	var points []sources.Point
	for t := from; t < 600; t += 15 {
		v := base
		if i := (t - at) / 15; t >= at && i < len(values) {
			v = values[i]
		}
		points = append(points, sources.Point{T: after(t), V: v})
	}
	for i := range points {
		c.Points = append(c.Points, Sample{points[i].T, &points[i].V})
	}
	return c, points
}

// TestFiguresOfOneReport: an incident whose evidence was taken while it still grew, whose figures go on after it was mitigated and were once higher before it,
// and whose sources date things a little differently, is told of in figures that agree.
func TestFiguresOfOneReport(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	for s := range 12 {
		g.Deck.Fleet.Note(fleet.Happening{Time: after(20 + 30*s).Add(700 * time.Millisecond), Kind: fleet.TaskDied, Service: "web", Text: "web.1: task: non-zero exit (1)", Source: fleet.SwarmName, Bad: true, Ref: fmt.Sprint(s)})
	}
	moment := func(seconds int, by string) Moment {
		return Moment{At: after(seconds).Add(600 * time.Millisecond), By: by, Source: aPerson}
	}
	x := &Incident{ID: "inc", Title: "web: it began with a deploy", State: Resolved, Services: []string{"web"}, Started: moment(61, "ada"), Detected: Moment{At: after(58).Add(100 * time.Millisecond), By: "alert Errors (alertmanager)", Source: "alert Errors (alertmanager)"},
		Impact: Moment{At: after(10).Add(800 * time.Millisecond), By: "ada", Source: "loki: error lines of web go from 0 to 18 in 15s", Query: "query of error lines"}, Acknowledged: moment(70, "ada"), Mitigated: moment(150, "ada"), Resolved: moment(301, "ada")}
	x.Entries = []Entry{{Phase: Start, At: x.Started.At, id: "inc", causes: []Cause{{ID: "bad-deploy", Title: "it began with a deploy", Service: "web", Confidence: 0.85, At: after(60), Change: &Deploy{Service: "web", At: after(4)},
		Evidence: []Proof{{Text: "the service was changed", Source: fleet.SwarmName, At: new(time.Time)}, {Text: "errors of requests: 11.0%, before 0.2%", Source: fleet.PrometheusName, Query: "query of errors", At: new(time.Time)}}}}}}
	*x.Entries[0].causes[0].Evidence[0].At, *x.Entries[0].causes[0].Evidence[1].At = after(4), after(30)
	g.x = x
	g.r.ID, g.r.Deploys = x.ID, []Deploy{{Service: "web", At: after(2), How: "seen in the swarm", Fields: []Field{{"web", "image", "a", "b"}}}}
	for _, c := range []struct {
		name, unit, source string
		base               float64
		values             []float64
	}{{"errors", "ratio", fleet.PrometheusName, 0.0016, []float64{0.11, 0.16, 0.19, 0.18, 0.17, 0.15, 0.14, 0.12, 0.1, 0.2, 0.222, 0.21}}, {errorLines, "1", "loki", 1, []float64{18, 22, 20, 26, 24, 20, 20, 20, 20, 31, 30}}} {
		chart, points := risen(c.name, c.unit, c.source, -900, 15, c.base, c.values...)
		*chart.Points[3].V = 3 * c.values[0] // higher than ever in the impact, and long before
		j, ok := jump(points, floorOf(c.name))
		if !ok || j.at.Before(after(0)) {
			t.Fatalf("%s: %+v", c.name, j)
		}
		chart.rise = &j
		g.rose(&chart, j.at)
		g.charts["web"] = append(g.charts["web"], chart)
	}
	g.counts["web"] = counted{sources.RequestCount{All: sources.Counted{Least: 1000, Most: 1200}, Failed: sources.Counted{Least: 250, Most: 260}}, nil}
	g.spells = []spell{{Alert: sources.Alert{Name: "Errors", Service: "web", Since: after(61), State: sources.Firing}, live: true, source: fleet.AlertmanagerName}}
	g.spells = append(g.spells, noticed(x, g.spells)...)
	g.begun()
	g.finish()
	var b strings.Builder
	if err := g.r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	md := b.String()
	checkFigures(t, g.r, md)
	for _, text := range []string{"| detect      | 48s ", "Lasted 2m20s, until it was mitigated", "resolved at 12:05:01 UTC, 4m51s after the impact began", "failed 7 times in", "declared 3s later",
		"set by ada from: loki: error lines of web go from 1 to 31 in 15s", "| Q1 ", "the ratio of errors: 20 % at worst (12:02:30 UTC), usually 0.16 %", "most 33 % at 11:45:45 (before the impact; in it"} {
		if !strings.Contains(md, text) {
			t.Errorf("the report lacks %q:\n%s", text, md)
		}
	}
	if text := x.Entries[0].causes[0].Evidence[1].Text; text != "errors of requests: 11.0%, before 0.2%" || !x.Entries[0].causes[0].Change.At.Equal(after(4)) {
		t.Errorf("what was kept with the incident was changed: %q", text)
	}
}
