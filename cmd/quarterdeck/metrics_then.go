package main

import (
	"context"
	"math"
	"time"

	"quarterdeck/sources"
)

// comparisons are the times that figures can be compared with, as `y` of the console has them: the same stretch, so long before.
var comparisons = map[string]time.Duration{"yesterday": 24 * time.Hour, "week": 7 * 24 * time.Hour}

// then is what the figures are compared with. Its points stand at the times that they are compared with: by later than they were measured.
type then struct {
	with     string
	by       time.Duration
	window   sources.Window
	readings []sources.Reading // by the same names as those of now
	err      error             // nothing could be read
}

// readThen reads the same figures of an earlier time; nil: nothing is compared. That it fails takes nothing away from the figures of now.
func readThen(ctx context.Context, metrics sources.Metrics, o metricsOptions, service string, w sources.Window) *then {
	by, ok := comparisons[o.compare]
	if !ok {
		return nil
	}
	t := &then{with: o.compare, by: by, window: w}
	t.window.Start, t.window.End = w.Start.Add(-by), w.End.Add(-by)
	if o.query == "" {
		t.readings, t.err = metrics.Standard(ctx, service, t.window)
	} else {
		var a sources.MetricsAnswer
		a, t.err = metrics.Range(ctx, o.query, t.window)
		t.readings = []sources.Reading{{Name: "query", Answer: a, Reason: whyNothing(a)}}
	}
	for _, r := range t.readings {
		for _, s := range r.Answer.Series {
			for i := range s.Points {
				s.Points[i].T = s.Points[i].T.Add(by)
			}
		}
	}
	return t
}

// series finds that of the same labels, or says why there is none.
func (t *then) series(name string, labels map[string]string) (s *sources.Series, reason string) {
	for i := range t.readings {
		r := &t.readings[i]
		if r.Name != name {
			continue
		}
		for j := range r.Answer.Series {
			if labelWords(r.Answer.Series[j].Labels) == labelWords(labels) {
				return &r.Answer.Series[j], ""
			}
		}
		if r.Reason != "" && len(r.Answer.Series) == 0 {
			reason = r.Reason
		}
	}
	switch {
	case t.err != nil:
		reason = t.err.Error()
	case reason == "":
		reason = "no series of these labels had a sample then"
	}
	return nil, reason
}

// gone are the series of a reading that there were then and are not now.
func (t *then) gone(r *sources.Reading) (out []sources.Series) {
	if t == nil {
		return nil
	}
	now := map[string]bool{}
	for i := range r.Answer.Series {
		now[labelWords(r.Answer.Series[i].Labels)] = true
	}
	for i := range t.readings {
		if t.readings[i].Name != r.Name {
			continue
		}
		for _, s := range t.readings[i].Answer.Series {
			if !now[labelWords(s.Labels)] {
				out = append(out, s)
			}
		}
	}
	return out
}

// compareJSON is the time that is compared with, as it was.
type compareJSON struct {
	With  string    `json:"with"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// thenJSON is a series at the time that is compared with. The times of its points are those that they are compared with.
type thenJSON struct {
	Last   *float64    `json:"last"`
	Reason string      `json:"reason"`
	Points []pointJSON `json:"points"`
}

func (t *then) json() *compareJSON {
	if t == nil {
		return nil
	}
	return &compareJSON{t.with, t.window.Start.UTC(), t.window.End.UTC()}
}

func (t *then) of(name string, labels map[string]string) *thenJSON {
	if t == nil {
		return nil
	}
	out := &thenJSON{Points: []pointJSON{}}
	s, reason := t.series(name, labels)
	if out.Reason = reason; s != nil {
		out.Points, out.Last = pointsJSON(s.Points)
	}
	return out
}

// last is the figure at the end of the time that is compared with; NaN: there is none.
func (t *then) last(name string, labels map[string]string) float64 {
	s, _ := t.series(name, labels)
	if s == nil || len(s.Points) == 0 {
		return math.NaN()
	}
	return s.Points[len(s.Points)-1].V
}

// limitsJSON are the two bounds of the histogram between which a quantile lies. High is null above the last.
type limitsJSON struct {
	Low  float64  `json:"low"`
	High *float64 `json:"high"`
}

// limitsOf are those of a figure; nil: it is not made from a histogram with bounds, or there is no figure.
func limitsOf(r *sources.Reading, v *float64) *limitsJSON {
	if len(r.Bounds) == 0 || v == nil || *v < 0 {
		return nil
	}
	lo, hi, _ := r.Bucket(*v)
	return &limitsJSON{lo, known(hi)}
}
