package ui

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
)

// watched is a source of lines and figures that remembers what time it was asked about.
type watched struct {
	*stub
	mu      sync.Mutex
	figures []sources.Window
	lines   []sources.Window
}

func (w *watched) Standard(ctx context.Context, service string, at sources.Window, names ...string) ([]sources.Reading, error) {
	w.mu.Lock()
	w.figures = append(w.figures, at)
	w.mu.Unlock()
	return w.stub.Standard(ctx, service, at, names...)
}

func (w *watched) Query(ctx context.Context, q sources.LogQuery) (sources.LogPage, error) {
	w.mu.Lock()
	w.lines = append(w.lines, sources.Window{Start: q.Since, End: q.Until})
	w.mu.Unlock()
	return w.stub.Query(ctx, q)
}

// about tells whether one of some questions was about a stretch of time, to two of its steps, and one of the others touched its moment.
func (w *watched) about(start, end, moment time.Time) (figures, lines bool) {
	near := func(a, b time.Time) bool { return a.Sub(b).Abs() <= 2*end.Sub(start)/stepsInSpan }
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.figures {
		figures = figures || near(x.Start, start) && near(x.End, end)
	}
	for _, x := range w.lines {
		lines = lines || !x.Start.After(moment) && !x.End.Before(moment.Add(-time.Second))
	}
	return figures, lines
}

func (w *watched) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.figures, w.lines = nil, nil
}

// TestTimeMovesEveryPane: zoom and pan of time are of all panes at once. After each key the figures are asked for over the shown time, the lines at
// the moment, the table is of the moment, and the strip's axis ends where the shown time does.
func TestTimeMovesEveryPane(t *testing.T) {
	w := &watched{stub: &stub{}}
	r := newRig(t, 160, 48, func(o *Options) { o.Logs, o.Metrics = w, w })
	r.clock.later(3 * time.Hour)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	for _, step := range []struct{ key, what string }{
		{"[", "a quarter back"}, {"{", "longer"}, {"[", "back again"}, {"}", "shorter"}, {"]", "on"}, {"<", "a step back"}, {"{", "longer again"},
	} {
		w.forget()
		was := r.when
		wasStart, wasEnd := was.window(r.o.Now())
		r.clock.later(time.Second) // a key that is held is one question
		r.press(step.key)
		if r.when == was || r.when.live() {
			t.Fatalf("%s (%s): the shown time stays", step.key, step.what)
		}
		start, end := r.when.window(r.o.Now())
		moved, stretched := !was.at.Equal(r.when.at), !start.Equal(wasStart) || !end.Equal(wasEnd)
		r.until("every pane asks for "+step.what, func() bool {
			figures, lines := w.about(start, end, r.when.at)
			return (figures || !stretched) && (lines || !moved)
		})
		if then := r.then(); !then.Past || !then.At.Equal(r.when.at) {
			t.Errorf("%s: the table is of %s, the moment is %s", step.what, then.At, r.when.at)
		}
		frame := r.screen()
		for _, want := range []string{"AT " + r.Model.clock(r.when.at), "timeline, " + spanWord(r.when.length()) + " until " + r.Model.clock(end)} {
			if !strings.Contains(frame, want) {
				t.Errorf("%s: %q is not on the screen:\n%s", step.what, want, frame)
			}
		}
	}
}
