package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// twoDays answers for now and for a day before; what else is asked for is not to be.
type twoDays struct {
	sources.Metrics
	now, before []sources.Reading
	end         time.Time
	err         error // of the day before
}

func (m twoDays) Standard(_ context.Context, _ string, w sources.Window, _ ...string) ([]sources.Reading, error) {
	if w.End.Equal(m.end) {
		return m.now, nil
	}
	return m.before, m.err
}

func (m twoDays) Range(context.Context, string, sources.Window) (sources.MetricsAnswer, error) {
	return sources.MetricsAnswer{}, m.err
}

// at is a reading of one series with two points that end at a moment.
func at(end time.Time, name, code string, values ...float64) sources.Reading {
	labels := map[string]string{}
	if code != "" {
		labels["code"] = code
	}
	s := sources.Series{Labels: labels}
	for i, v := range values {
		s.Points = append(s.Points, sources.Point{T: end.Add(time.Duration(i-len(values)+1) * time.Minute), V: v})
	}
	return sources.Reading{Name: name, Unit: "s", Answer: sources.MetricsAnswer{Query: "q", Series: []sources.Series{s}}}
}

// TestMetricsCompare: each series has that of the same labels of the time before beside it, at the times that it is compared with; where there is none
// it says why, and what there was then and is not now is not left out.
func TestMetricsCompare(t *testing.T) {
	end := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	day := end.Add(-24 * time.Hour)
	p95 := at(end, "p95", "", 0.2, 0.25)
	p95.Bounds, p95.How = []float64{0.1, 0.3, 1.2, 5}, "as Traefik counts them"
	requests, then200 := at(end, "requests", "200", 3, 4), at(day, "requests", "200", 1, 2)
	then200.Answer.Series = append(then200.Answer.Series, at(day, "requests", "500", 7, 8).Answer.Series...)
	m := twoDays{end: end, now: []sources.Reading{p95, requests, {Name: "memory-limit", Unit: "bytes", Reason: "no memory limit is set on it"}},
		before: []sources.Reading{{Name: "p95", Unit: "s", Reason: "no sample then"}, then200, {Name: "memory-limit", Reason: "no memory limit is set on it"}}}
	w := sources.Window{Start: end.Add(-time.Hour), End: end, Step: time.Minute}
	past := readThen(t.Context(), m, metricsOptions{compare: "yesterday"}, "shop_web", w)
	raw, err := json.Marshal(metricsOf("shop_web", w, m.now, past))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	top := fields(t, "metrics", doc, "compare", "series")
	if c := fields(t, "compare", top["compare"], "with", "start", "end"); c["with"] != "yesterday" || c["end"] != day.Format(time.RFC3339) {
		t.Errorf("%v", c)
	}
	all := list(t, top, "series")
	if len(all) != 4 {
		t.Fatalf("%d series, want p95, requests of 200 and 500, memory-limit: %s", len(all), raw)
	}
	one := func(i int) (s, then map[string]any) {
		s = fields(t, "series", all[i], "name", "last", "reason", "how", "bounds", "limits", "then")
		return s, fields(t, "then", s["then"], "last", "reason", "points")
	}
	s, then := one(0)
	if l := fields(t, "limits", s["limits"], "low", "high"); s["how"] != "as Traefik counts them" || len(list(t, s, "bounds")) != 4 || l["low"] != 0.1 || l["high"] != 0.3 {
		t.Errorf("p95: %v", s)
	}
	if then["last"] != nil || then["reason"] != "no sample then" {
		t.Errorf("p95 of then: %v", then)
	}
	s, then = one(1)
	points := list(t, then, "points")
	if s["limits"] != nil || then["last"] != 2.0 || then["reason"] != "" || len(points) != 2 || points[1].(map[string]any)["time"] != end.Format(time.RFC3339) {
		t.Errorf("requests of then stand at the times of now: %v", then)
	}
	if s, then = one(2); s["last"] != nil || s["reason"] == "" || then["last"] != 8.0 || s["labels"].(map[string]any)["code"] != "500" {
		t.Errorf("what is not there any more: %v", s)
	}
	if s, then = one(3); s["reason"] != "no memory limit is set on it" || then["reason"] != "no memory limit is set on it" {
		t.Errorf("%v", s)
	}
	var table bytes.Buffer
	if err := writeMetrics(&table, m.now, past); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"YESTERDAY", "100 ms to 300 ms", "yesterday: no sample then", "code=500"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
	m.before, m.err = nil, errors.New("it does not answer")
	past = readThen(t.Context(), m, metricsOptions{compare: "week"}, "shop_web", w)
	if got := past.of("requests", map[string]string{"code": "200"}); got.Last != nil || got.Reason != "it does not answer" {
		t.Errorf("%+v", got)
	}
	if metricsOf("shop_web", w, m.now, nil).Compare != nil {
		t.Error("nothing was compared")
	}
}

// Above the last bound of a histogram a quantile has no upper bound.
func TestLimitsAreOpenAbove(t *testing.T) {
	r, v := sources.Reading{Bounds: []float64{0.1, 5}}, 5.0
	if l := limitsOf(&r, &v); l == nil || l.Low != 5 || l.High != nil {
		t.Errorf("%+v", l)
	}
	if limitsOf(&r, nil) != nil || limitsOf(&sources.Reading{}, &v) != nil {
		t.Error("bounds of what has none")
	}
}
