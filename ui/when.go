package ui

import (
	"fmt"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// spans are the lengths of time that the console can show at once.
var spans = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour}

const defaultSpan = 3 // an hour

// stepsInSpan is how many of the moment's steps make the shown time.
const stepsInSpan = 120

// when is the console's shared time: the moment that every pane shows, and the stretch of time around it. Live, the moment is now and the
// stretch ends there. As soon as one looks at a moment that stretch stands still, so that nothing moves away below the eye; live again with
// goLive. The zero value is no good: newWhen.
type when struct {
	at         time.Time // the moment; zero: live
	end        time.Time // the shown time's end; zero when live, and only then
	span       int       // its length, an index into spans
	generation uint64    // rises with each change of the others
}

func newWhen() when { return when{span: defaultSpan} }

// live tells whether the panes show what is now.
func (w *when) live() bool { return w.at.IsZero() }

// length is how much time is shown.
func (w *when) length() time.Duration { return spans[w.span] }

// window is the shown time.
func (w *when) window(now time.Time) (start, end time.Time) {
	if end = w.end; end.IsZero() {
		end = now
	}
	return end.Add(-w.length()), end
}

// moment is what is looked at: now, when live.
func (w *when) moment(now time.Time) time.Time {
	if w.live() {
		return now
	}
	return w.at
}

// step is by how much the moment moves at a key: a round time, some thousandths of what is shown.
func (w *when) step() time.Duration { return (w.length() / stepsInSpan).Truncate(time.Second) }

// set puts the moment, and the shown time around it where it lies outside of that. A zero moment is live; one to come, as other machines'
// clocks tell of, is now.
func (w *when) set(at, now time.Time) {
	if at.IsZero() {
		w.goLive()
		return
	}
	at = earlier(at, now)
	start, end := w.window(now)
	if at.Before(start) || at.After(end) {
		end = earlier(at.Add(w.length()/2), now)
	}
	w.change(at, end)
}

// stepBy moves the moment by n steps, to a round time, and takes the shown time with it by a quarter where it would leave it.
func (w *when) stepBy(n int, now time.Time) {
	if w.live() && n >= 0 {
		return
	}
	step := w.step()
	at := w.moment(now)
	round := at.Truncate(step)
	if n < 0 && round.Before(at) {
		n++ // the round time before it is one step
	}
	at = round.Add(time.Duration(n) * step)
	start, end := w.window(now)
	switch quarter := w.length() / 4; {
	case !at.Before(now):
		w.goLive()
		return
	case at.Before(start):
		end = at.Add(w.length() - quarter)
	case at.After(end):
		end = earlier(at.Add(quarter), now)
	}
	w.change(at, end)
}

// pan moves the shown time by quarters of its length, the moment with it. It ends at now, which is live.
func (w *when) pan(quarters int, now time.Time) {
	if w.live() && quarters >= 0 {
		return
	}
	by := time.Duration(quarters) * w.length() / 4
	at, end := w.moment(now).Add(by), now
	if !w.end.IsZero() {
		end = w.end
	}
	if !at.Before(now) {
		w.goLive()
		return
	}
	w.change(at, earlier(end.Add(by), now))
}

// zoom makes the shown time longer, or with by < 0 shorter; the moment keeps its place in it.
func (w *when) zoom(by int, now time.Time) {
	to := min(max(w.span+by, 0), len(spans)-1)
	if to == w.span {
		return
	}
	old := w.length()
	w.span = to
	w.generation++
	if !w.live() {
		after := float64(w.end.Sub(w.at)) / float64(old) * float64(w.length())
		w.end = earlier(w.at.Add(time.Duration(after)), now)
	}
}

// goLive goes back to now.
func (w *when) goLive() { w.change(time.Time{}, time.Time{}) }

func (w *when) change(at, end time.Time) {
	if w.at.Equal(at) && w.end.Equal(end) {
		return
	}
	w.at, w.end = at, end
	w.generation++
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// doWhen does what a key does to the shared time.
func (m *Model) doWhen(a act) tea.Cmd {
	w, now := &m.when, m.o.Now()
	switch a {
	case actZoomIn:
		w.zoom(-1, now)
	case actZoomOut:
		w.zoom(1, now)
	case actEarlier:
		w.pan(-1, now)
	case actLater:
		w.pan(1, now)
	case actStepBack:
		w.stepBy(-1, now)
	case actStepOn:
		w.stepBy(1, now)
	case actLive:
		w.goLive()
	case actBrush:
		return m.doBrush()
	}
	return nil
}

// whenWords say which moment is looked at, and the way back; "": now.
func (m *Model) whenWords() string {
	if m.when.live() {
		return ""
	}
	return fmt.Sprintf("AT %s, %s ago · 0 live", m.clock(m.when.at), calmAge(m.when.at, m.now()))
}

// whenPieces say so in the header.
func (m *Model) whenPieces() []piece {
	var ps []piece
	if words := m.whenWords(); words != "" {
		ps = append(ps, piece{text: " ", style: m.st.Text}, piece{text: " " + words + " ", style: m.st.Moment})
	}
	if a := m.brush.a; !a.IsZero() {
		ps = append(ps, piece{text: "  A is " + m.clock(a), style: m.st.Accent, drop: 4}, piece{text: ", . compares", style: m.st.Muted, drop: 5})
	}
	return ps
}

// whenHints are the keys that move the moment, while one is looked at.
func (m *Model) whenHints() []key.Help {
	if m.when.live() {
		return nil
	}
	hints := []key.Help{{Key: "0", Desc: "live"}, {Key: "< >", Desc: "moment"}, {Key: "[ ]", Desc: "time"}, {Key: "{ }", Desc: "length"}, {Key: ".", Desc: "set A"}}
	if !m.brush.a.IsZero() {
		hints[4].Desc = "compare with A"
	}
	return hints
}

func spanWord(d time.Duration) string {
	if d >= 24*time.Hour {
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
	if d >= time.Hour {
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dm", int(d.Minutes()))
}
