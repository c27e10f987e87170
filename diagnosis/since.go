package diagnosis

import (
	"slices"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// When trouble began. The swarm keeps five tasks a slot, and lines are read up to a bound: their first one is not the beginning, and slides forward with
// time. What is known from further back is the fleet's history, the jump of a figure, and what this program has said before.

// oneTrouble is how far the ends of tasks may lie apart and still be one trouble.
const oneTrouble = JustBefore

// began is when the row of ends began that a task's end belongs to, all with the same words: further back than the swarm keeps tasks, as the fleet's
// history has it. A deploy begins a row anew.
func (s *Scene) began(t *sources.Task) time.Time {
	since := t.Since
	for i := len(s.Snap.History) - 1; i >= 0; i-- {
		h := &s.Snap.History[i]
		switch {
		case h.Service != s.Service.Name || h.Time.After(since):
			continue
		case since.Sub(h.Time) > oneTrouble, h.Kind == fleet.DeployStarted:
			return since
		case h.Kind == fleet.TaskDied && t.Err != "" && has(h.Text, oneLine(t.Err)), h.Kind == fleet.TaskStarted && t.Err == "":
			since = h.Time
		}
	}
	return since
}

// saidSince is when lines began of which the first that was read is known: where earlier ones were left away, with the jump of their number.
func (l *LogsSeen) saidSince(first time.Time) time.Time {
	cut := l.Headless || first.Sub(l.From) < 2*figuresStep
	if cut && l.Jump.Found && l.Jump.From.Before(first) {
		return l.Jump.From
	}
	return first
}

// lull is the least time without a line after which what the lines are about is over.
const lull = time.Minute

// goesOn tells whether what lines say, in rising order of time, is still so at a moment: the last is no further back than ten of their gaps, or lull.
// What a stack says while it starts is true, and over.
func goesOn(lines []sources.Entry, at time.Time) bool {
	n := len(lines)
	return n > 0 && still(lines[0].Time, lines[n-1].Time, n, at)
}

// still is goesOn of n lines of which the first and the last are known.
func still(first, last time.Time, n int, at time.Time) bool {
	return at.Sub(last) <= max(lull, 10*last.Sub(first)/time.Duration(max(n-1, 1)))
}

// memory is since when causes are known that were named before, by their keys. Safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	known map[string]remembered
	words map[string][]sources.Entry // the last lines of dead tasks, which do not change any more, by their ids
}

// wordsOf bounds how many dead tasks' last lines are remembered.
const wordsOf = 500

// lastWords are the last lines of dead tasks: those that were read now and, of tasks of which none were, those that an earlier look has read. A look that
// comes too late to hear them again does not know less.
func (m *memory) lastWords(read []sources.Entry, tasks []sources.Task) []sources.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := map[string][]sources.Entry{}
	for _, e := range read {
		if e.Stream != nil {
			now[e.Stream.Task] = append(now[e.Stream.Task], e)
		}
	}
	if m.words == nil || len(m.words)+len(now) > wordsOf {
		m.words = map[string][]sources.Entry{}
	}
	out := slices.Clone(read)
	for i := range tasks {
		id := tasks[i].ID
		switch {
		case len(now[id]) > 0:
			m.words[id] = now[id]
		case tasks[i].State.Ended():
			out = append(out, m.words[id]...)
		}
	}
	slices.SortStableFunc(out, func(a, b sources.Entry) int { return a.Time.Compare(b.Time) })
	return out
}

type remembered struct{ since, last time.Time }

// recall dates causes back to where they were dated before, as long as they have been named again and again; note: these are remembered.
func (m *memory) recall(causes []Cause, at time.Time, note bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, r := range m.known {
		if at.Sub(r.last) > Recent {
			delete(m.known, key)
		}
	}
	for i := range causes {
		c := &causes[i]
		r, known := m.known[c.key()]
		if known && !r.since.IsZero() && (c.Since.IsZero() || r.since.Before(c.Since)) {
			c.Since = r.since
		}
		if note && !c.Since.IsZero() {
			if m.known == nil {
				m.known = map[string]remembered{}
			}
			m.known[c.key()] = remembered{c.Since, at}
		}
	}
}
