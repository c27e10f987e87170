package loki

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/patterns"
)

// conformFacets: labels and fields with their kinds, and counts of values over the whole window, of logfmt and JSON lines alike.
func conformFacets(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	base := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	var v [][]any
	for i := range 60 {
		l := fmt.Sprintf(`level=info msg="request served" route=/orders code=%d dur=%dms`, 200+300*(i%3/2), i)
		if i%2 == 1 {
			l = fmt.Sprintf(`{"level":"error","msg":"request failed","route":"/pay","code":%d,"db":{"host":"db-%d"}}`, 200+300*(i%3/2), i%3)
		}
		v = append(v, value(base.Add(time.Duration(i)*time.Second), l))
	}
	g.push(t, pushStream{labelsOf(s, taskA), v})
	q := sources.LogQuery{Services: []string{s}, Since: base, Until: base.Add(time.Minute)}
	list, err := c.Facets(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]sources.Facet{}
	for _, f := range list {
		byName[f.Name] = f
	}
	for name, kind := range map[string]sources.FacetKind{"swarm_service": sources.FacetLabel, "host": sources.FacetLabel,
		"detected_level": sources.FacetMeta, "route": sources.FacetField, "code": sources.FacetField, "db_host": sources.FacetField, "dur": sources.FacetField} {
		if byName[name].Kind != kind || byName[name].Values == 0 {
			t.Errorf("%s: %+v, want a %s", name, byName[name], kind)
		}
	}
	if f := byName["code"]; f.Type != "int" || !slices.Equal(f.Parsers, []string{"json", "logfmt"}) {
		t.Errorf("code: %+v", f)
	}
	for _, k := range []struct {
		name string
		n    int
		want []sources.FacetValue
	}{
		{"route", 5, []sources.FacetValue{{Value: "/orders", Count: 30}, {Value: "/pay", Count: 30}}},
		{"code", 5, []sources.FacetValue{{Value: "200", Count: 40}, {Value: "500", Count: 20}}},
		{"code", 1, []sources.FacetValue{{Value: "200", Count: 40}}},
		{"db_host", 5, []sources.FacetValue{{Value: "db-0", Count: 10}, {Value: "db-1", Count: 10}, {Value: "db-2", Count: 10}}},
		{"detected_level", 5, []sources.FacetValue{{Value: "error", Count: 30}, {Value: "info", Count: 30}}},
		{"swarm_service", 5, []sources.FacetValue{{Value: s, Count: 60}}},
	} {
		got, err := c.FacetValues(t.Context(), q, byName[k.name], k.n)
		if err != nil || !slices.Equal(got, k.want) {
			t.Errorf("%s: %v, %v", k.name, got, err)
		}
	}
	q.Regexp = "failed"
	got, err := c.FacetValues(t.Context(), q, byName["route"], 5)
	if want := []sources.FacetValue{{Value: "/pay", Count: 30}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("with a filter: %v, %v", got, err)
	}
	if _, err := c.FacetValues(t.Context(), q, sources.Facet{Name: `x"}`}, 5); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("a name that is none: %v", err)
	}
}

// conformPatterns: the frequent ones alone, by level, counted over time; and LogQL's |> takes a pattern's text.
func conformPatterns(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	base := time.Now().Add(-90 * time.Second)
	var v [][]any
	for i := range 80 {
		v = append(v, value(base.Add(time.Duration(i)*time.Second), fmt.Sprintf(`level=info msg="order placed" order=%d dur=%dms`, 1000+i, i)))
		if i%20 == 0 { // too rare: Loki tells of patterns from 30 lines on
			v = append(v, value(base.Add(time.Duration(i)*time.Second+1), fmt.Sprintf(`level=error msg="cannot open ledger" order=%d`, 1000+i)))
		}
		if i%2 == 0 {
			v = append(v, value(base.Add(time.Duration(i)*time.Second+2), fmt.Sprintf(`level=error msg="payment declined" order=%d reason=timeout`, 1000+i)))
		}
	}
	g.push(t, pushStream{labelsOf(s, taskA), v})
	q := sources.LogQuery{Services: []string{s}, Since: base.Add(-time.Minute), Until: time.Now().Add(time.Second)}
	var list []sources.Pattern
	var err error
	for end := time.Now().Add(20 * time.Second); ; { // the ingester takes its time
		if list, err = c.Patterns(t.Context(), q, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if len(list) >= 2 || time.Now().After(end) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if len(list) != 2 {
		t.Fatalf("%d patterns: %+v", len(list), list)
	}
	for i, want := range []struct {
		count int
		level sources.Level
		has   string
	}{{80, sources.LevelInfo, "order placed"}, {40, sources.LevelError, "payment declined"}} {
		p := list[i]
		sum := 0
		for _, x := range p.Points {
			sum += x.Count
		}
		if p.Count != want.count || sum != want.count || p.Level != want.level || !strings.Contains(p.Text, want.has) || !strings.Contains(p.Text, "order="+patterns.Wildcard) {
			t.Errorf("pattern %d: %+v", i, p)
		}
		if p.First.Before(base.Add(-20*time.Second)) || p.Last.Before(base.Add(70*time.Second)) {
			t.Errorf("from %s to %s, lines from %s on", p.First, p.Last, base)
		}
		page, err := c.Query(t.Context(), sources.LogQuery{Expr: `{swarm_service="` + s + `"} |> ` + quote(p.Text), Since: q.Since, Until: q.Until})
		if err != nil || len(page.Entries) != want.count {
			t.Errorf("|> %s: %d lines, %v", p.Text, len(page.Entries), err)
		}
		for _, e := range page.Entries {
			if !patterns.Match(p.Text, e.Line) {
				t.Fatalf("loki says that %q is of %q, patterns.Match does not", e.Line, p.Text)
			}
		}
	}
}

// conformComplete: names and values of the server's own, in their place in the query.
func conformComplete(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	g.push(t, pushStream{labelsOf(s, taskA), [][]any{value(time.Now().Add(-time.Second), `level=warn msg=x route=/orders code=418`)}})
	for _, k := range []struct {
		query, want string // | is the cursor
	}{
		{"|", `{swarm_service=""}`},
		{"{|", `swarm_service=""`},
		{"{swarm_|", `swarm_service=""`},
		{`{swarm_service|`, `swarm_service=""`},
		{`{swarm_service |`, `="`},
		{`{swarm_service="` + s[:len(s)-6] + `|`, s},
		{`{swarm_service="` + s[:len(s)-4] + `|"}`, s},
		{`{swarm_service=~"` + s[:len(s)-4] + `|`, s},
		{`{swarm_service="` + s + `", host="|`, "node1"},
		{`{swarm_service="` + s + `"} |`, "| json"},
		{`{swarm_service="` + s + `"} \|= "x" |`, "| logfmt"},
		{`{swarm_service="` + s + `"} \| log|`, "logfmt"},
		{`{swarm_service="` + s + `"} \| logfmt \| ro|`, `route=""`},
		{`{swarm_service="` + s + `"} \| logfmt \| code="|`, "418"},
	} {
		text := strings.ReplaceAll(k.query, `\|`, "\x00")
		at := strings.Index(text, "|")
		query := strings.ReplaceAll(text[:at]+text[at+1:], "\x00", "|")
		out, err := c.Complete(t.Context(), query, at, time.Time{}, time.Time{})
		if err != nil {
			t.Fatalf("%s: %v", k.query, err)
		}
		if !slices.ContainsFunc(out.Offers, func(o sources.Offer) bool { return o.Text == k.want }) {
			t.Errorf("%s: no %q among %v (%s)", k.query, k.want, out.Offers, out.Reason)
		}
		if out.From > at || out.To < at {
			t.Errorf("%s: replaces %d..%d, the cursor is at %d", k.query, out.From, out.To, at)
		}
	}
	for _, query := range []string{`{swarm_service="x"} |= "`, `{swarm_service="x"} |~ "a`, `sum(`} {
		if out, err := c.Complete(t.Context(), query, len(query), time.Time{}, time.Time{}); err != nil || len(out.Offers) > 0 {
			t.Errorf("%s: %v, %v", query, out.Offers, err)
		}
	}
}

// FuzzPlaceIn: whatever is written and wherever the cursor is, the place is within the query.
func FuzzPlaceIn(f *testing.F) {
	for _, q := range []string{"", "{", `{a="b"`, `{a="b", c=~"d|e"} |= "x" | json | y="z"`, "# {\n{a=`b`}", `{a="\"`} {
		f.Add(q, len(q))
	}
	f.Fuzz(func(t *testing.T, query string, at int) {
		p := placeIn(query, at)
		if p.from < 0 || p.from > p.to || p.to > len(query) {
			t.Fatalf("%q at %d: %+v", query, at, p)
		}
		if at >= 0 && at <= len(query) && p.kind != placeNone && (p.from > at || p.to < at) {
			t.Fatalf("%q at %d: %+v does not hold the cursor", query, at, p)
		}
	})
}

// conformHorizon: how far back it goes is told by the server, and before it there is nothing, which is no error.
func conformHorizon(t *testing.T, g target) {
	c := g.client(t)
	h := c.Horizon(t.Context())
	if h.Oldest.IsZero() || h.Why == "" || !h.Oldest.Before(time.Now().Add(-24*time.Hour)) {
		t.Fatalf("horizon %+v", h)
	}
	service := unique(t)
	now := time.Now()
	g.push(t, pushStream{labelsOf(service, taskA), [][]any{value(now, "a line")}})
	q := sources.LogQuery{Services: []string{service}, Since: h.Oldest.Add(-20 * 24 * time.Hour), Until: h.Oldest}
	if page, err := c.Query(t.Context(), q); err != nil || len(page.Entries) > 0 {
		t.Errorf("before the horizon: %d lines, %v", len(page.Entries), err)
	}
	q.Since, q.Until = now.Add(-time.Minute), now.Add(time.Minute)
	if page, err := c.Query(t.Context(), q); err != nil || len(page.Entries) != 1 {
		t.Errorf("within it: %d lines, %v", len(page.Entries), err)
	}
}
