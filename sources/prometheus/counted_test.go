package prometheus

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// counter is a series with a reading every 15 s from a moment on; -1: it has none there.
func counter(code string, from time.Time, values ...float64) *model.SampleStream {
	s := &model.SampleStream{Metric: model.Metric{"code": model.LabelValue(code)}}
	for i, v := range values {
		if v >= 0 {
			s.Values = append(s.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(from.Add(time.Duration(i) * 15 * time.Second).UnixNano()), Value: model.SampleValue(v)})
		}
	}
	return s
}

// Requests are counted from the readings themselves: a status that is new counts from nothing, a counter that fell was begun anew, and what was
// counted across an edge is in the upper bound alone.
func TestCountRequests(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	start, end := at.Add(20*time.Second), at.Add(70*time.Second) // readings within: 30, 45, 60
	for what, c := range map[string]struct {
		series      model.Matrix
		all, failed sources.Counted
	}{
		"steady":      {model.Matrix{counter("200", at, 100, 110, 120, 130, 140, 150, 160)}, sources.Counted{Least: 20, Most: 40}, sources.Counted{}},
		"a new one":   {model.Matrix{counter("200", at, 100, 110, 120, 130, 140, 150), counter("502", at, -1, -1, -1, 7, 9, 9)}, sources.Counted{Least: 29, Most: 49}, sources.Counted{Least: 9, Most: 9}},
		"begun anew":  {model.Matrix{counter("503", at, 1000, 1000, 1000, 5, 8, 8)}, sources.Counted{Least: 8, Most: 8}, sources.Counted{Least: 8, Most: 8}},
		"all outside": {model.Matrix{counter("500", at, 0, 50, 50, 50, 50, 50, 90)}, sources.Counted{}, sources.Counted{}},
		"another one": {model.Matrix{counter("200", at, 10, 10, 10, 10, 10, 10), func() *model.SampleStream { // it is read first far within the time
			x := counter("500", at.Add(90*time.Second), 5, 6)
			x.Metric["instance"] = "b"
			return x
		}()}, sources.Counted{Least: 1, Most: 6}, sources.Counted{Least: 1, Most: 6}},
		"the edges": {model.Matrix{counter("500", at, 0, 0, 50, 50, 50, 90)}, sources.Counted{Most: 90}, sources.Counted{Most: 90}},
	} {
		var out sources.RequestCount
		end, last := end, at.Add(60*time.Second)
		if what == "another one" {
			end, last = at.Add(2*time.Minute), at.Add(105*time.Second)
		}
		countRequests(&out, c.series, "code", start, end)
		if out.All != c.all || out.Failed != c.failed || out.Reason != "" || !out.From.Equal(at.Add(30*time.Second)) || !out.To.Equal(last) {
			t.Errorf("%s: %+v", what, out)
		}
	}
	var out sources.RequestCount
	countRequests(&out, model.Matrix{nil, {}, counter("200", at, 1)}, "code", start, end)
	if out.Reason == "" {
		t.Error("no reading lies within, and it does not say so")
	}
}
