package incident

import (
	"slices"
	"time"

	"quarterdeck/actions"
)

// Span is a length of time from one moment to another. Seconds is null where one of the two is missing, and Reason says which: it is never 0
// for that.
type Span struct {
	Seconds *float64 `json:"seconds"`
	Reason  string   `json:"reason"`
	By      string   `json:"by"` // what its end stands on
}

// Times are how long an incident took to be detected, acknowledged, mitigated and resolved, each from the start of the impact.
type Times struct {
	Detect      Span `json:"detect"`
	Acknowledge Span `json:"acknowledge"`
	Mitigate    Span `json:"mitigate"`
	Resolve     Span `json:"resolve"`
}

const noImpact = "nobody has set when the impact began"

// TimesOf are an incident's times, as its phases have them. runs are what was done to its services meanwhile: where nobody has said that it was
// mitigated, the last one that went well before it was resolved did it.
func TimesOf(x *Incident, runs []Mitigation) Times {
	mitigated := MitigatedBy(x, runs)
	return Times{
		Detect:      span(x.Impact, x.Detected, noImpact, "it was not detected"),
		Acknowledge: span(x.Impact, x.Acknowledged, noImpact, "nobody has acknowledged it"),
		Mitigate:    span(x.Impact, mitigated, noImpact, "nobody has said that it was mitigated, and no run on its services went well"),
		Resolve:     span(x.Impact, x.Resolved, noImpact, "it is not resolved"),
	}
}

// MitigatedBy is when it was mitigated: as somebody has said, else by the last run that went well.
func MitigatedBy(x *Incident, runs []Mitigation) Moment {
	if x.Mitigated.Known() {
		return x.Mitigated
	}
	for _, r := range slices.Backward(runs) {
		if r.Ended == nil || r.Result != actions.ResultDone || x.Resolved.Known() && r.Ended.After(x.Resolved.At) {
			continue
		}
		return Moment{At: *r.Ended, By: r.Actor, Source: "run " + r.Run}
	}
	return Moment{}
}

func span(from, to Moment, noFrom, noTo string) Span {
	switch {
	case !to.Known():
		return Span{Reason: noTo}
	case !from.Known():
		return Span{Reason: noFrom, By: to.words()}
	case to.At.Before(from.At):
		return Span{Reason: "its end lies before its beginning: one of the two is wrong", By: to.words()}
	}
	s := took(from.At, to.At).Seconds()
	return Span{Seconds: &s, By: to.words()}
}

// took is how long it is from one moment to another, in the whole seconds in which both are told: so a length of time is always the difference of the two
// times that stand beside it, whoever reckons.
func took(from, to time.Time) time.Duration {
	return to.Truncate(time.Second).Sub(from.Truncate(time.Second))
}

// words say what a moment stands on.
func (m Moment) words() string {
	if m.Source == "" || m.Source == aPerson || m.Source == m.By {
		return m.By
	}
	if m.By == "" {
		return m.Source
	}
	return m.Source + ", by " + m.By
}

// Median is the middle of some times, and of how many. Seconds is null where there is none.
type Median struct {
	Seconds *float64 `json:"seconds"`
	N       int      `json:"n"`
}

// Medians are those of the times of several incidents. Of an even number it is the mean of the two in the middle.
type Medians struct {
	Detect      Median `json:"detect"`
	Acknowledge Median `json:"acknowledge"`
	Mitigate    Median `json:"mitigate"`
	Resolve     Median `json:"resolve"`
}

// MediansOf leaves out what is not known: a missing time is no short one.
func MediansOf(all []Times) Medians {
	of := func(pick func(*Times) Span) Median {
		var have []float64
		for i := range all {
			if s := pick(&all[i]); s.Seconds != nil {
				have = append(have, *s.Seconds)
			}
		}
		if len(have) == 0 {
			return Median{}
		}
		slices.Sort(have)
		m := have[len(have)/2]
		if len(have)%2 == 0 {
			m = (have[len(have)/2-1] + m) / 2
		}
		return Median{&m, len(have)}
	}
	return Medians{
		Detect:      of(func(t *Times) Span { return t.Detect }),
		Acknowledge: of(func(t *Times) Span { return t.Acknowledge }),
		Mitigate:    of(func(t *Times) Span { return t.Mitigate }),
		Resolve:     of(func(t *Times) Span { return t.Resolve }),
	}
}

// between tells whether t lies in [from, to]; a zero to is open.
func between(t, from, to time.Time) bool { return !t.Before(from) && (to.IsZero() || !t.After(to)) }
