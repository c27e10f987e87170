package autoscale

import (
	"slices"
	"time"
)

// Spans of the algorithm (OPERATIONS.md, "Autoscale"; the window is the HPA's --horizontal-pod-autoscaler-downscale-stabilization).
const (
	// Every is how often is decided.
	Every = 30 * time.Second
	// Window is over how long the largest recommendation counts on the way down.
	Window = 5 * time.Minute
	// pace is the span that the bounds on how fast it goes are for.
	pace = time.Minute
	// gap is after how long without a decision nothing counts that was before: so many rounds were missed.
	gap = 5 * Every
	// jitter is by how much a timer may come early.
	jitter = time.Second
)

// The flap guard: after so many turns from up to down or back within the span, each at most turnWithin after the change before, nothing is taken away until calm after the last of them.
const (
	turnsMost  = 3
	turnsSpan  = time.Hour
	turnWithin = 15 * time.Minute
	calm       = 30 * time.Minute
)

// History is what is remembered of a service from one decision to the next. It is a value: Decide gives a new one. The zero value remembers nothing.
type History struct {
	n     int       // replicas at the last decision
	at    time.Time // of the last decision
	asked int       // what it said
	// recommendations of the window, the oldest first.
	recommended []recommendation
	// rose is the last recommendation of more than there were, and of which samples it was made; zero: the last was of no more.
	rose    recommendation
	changes []change // of the last pace, the oldest first
	// turned are when it went the other way than before; last is the last change.
	turned []time.Time
	last   change
}

type recommendation struct {
	at time.Time
	n  int
}

type change struct {
	at time.Time
	by int // replicas more; below 0 less
}

// follow is the history as of a decision that is about to be made: what was before a gap or a clock that was put back is forgotten, and a change that nobody here has asked for begins the window anew.
func (h *History) follow(s *State, now time.Time) History {
	if h.at.IsZero() || now.Before(h.at) || now.Sub(h.at) > gap {
		out := begin(s.Replicas, now)
		if h.at.IsZero() && s.Before > 0 && s.Before != s.Replicas && !s.Updated.IsZero() && now.Sub(s.Updated) < pace {
			out.changes = []change{{s.Updated, s.Replicas - s.Before}} // another agent's, perhaps
		}
		return out
	}
	out := History{n: s.Replicas, at: now, rose: h.rose, last: h.last,
		recommended: after(h.recommended, now.Add(-Window), func(r recommendation) time.Time { return r.at }),
		changes:     after(h.changes, now.Add(-pace+jitter), func(c change) time.Time { return c.at }),
		turned:      after(h.turned, now.Add(-turnsSpan), func(t time.Time) time.Time { return t })}
	if s.Replicas == h.n {
		return out
	}
	c := change{h.at, s.Replicas - h.n} // ours was made just after it was decided
	if s.Replicas != h.asked {
		c.at = now
		out.recommended = append(out.recommended, recommendation{now, s.Replicas})
		out.rose = recommendation{}
	}
	if now.Sub(c.at) < pace-jitter {
		out.changes = append(out.changes, c)
	}
	if h.last.by != 0 && (h.last.by > 0) != (c.by > 0) && c.at.Sub(h.last.at) < turnWithin {
		out.turned = append(out.turned, c.at)
	}
	out.last = c
	return out
}

// begin is a history that begins now: as the HPA does, it takes the number that is there for the first recommendation.
func begin(n int, now time.Time) History {
	return History{n: n, at: now, asked: n, recommended: []recommendation{{now, n}}}
}

// after copies what is later than a moment, with room for one more.
func after[T any](list []T, than time.Time, at func(T) time.Time) []T {
	i := 0
	for i < len(list) && !at(list[i]).After(than) {
		i++
	}
	if i == len(list) {
		return nil
	}
	return append(make([]T, 0, len(list)-i+1), list[i:]...)
}

// largest is the largest recommendation of the window.
func (h *History) largest() int {
	return slices.MaxFunc(h.recommended, func(a, b recommendation) int { return a.n - b.n }).n
}

// added and removed are how many replicas came and went within the last pace.
func (h *History) added() (n int) {
	for _, c := range h.changes {
		n += max(c.by, 0)
	}
	return n
}

func (h *History) removed() (n int) {
	for _, c := range h.changes {
		n += max(-c.by, 0)
	}
	return n
}

// flapping is until when nothing is taken away because the number went to and fro; zero: it did not.
func (h *History) flapping(now time.Time) time.Time {
	if len(h.turned) < turnsMost {
		return time.Time{}
	}
	if until := h.turned[len(h.turned)-1].Add(calm); until.After(now) {
		return until
	}
	return time.Time{}
}
