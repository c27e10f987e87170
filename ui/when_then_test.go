package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
)

// pastConsole is a console that has seen shop_web well, then down, then well again, as the clock went by.
func pastConsole(t testing.TB, w, h int) (*Model, *stub, *clock) {
	t.Helper()
	c := &clock{}
	f := filledAt(c.now)
	m, s := console(t, w, h, func(o *Options) { o.Fleet, o.Now = f, c.now })
	tell := func(mend func(*sources.World)) {
		x := world()
		mend(x)
		f.Fold(sources.Change{World: x})
		m.Update(wakeMsg{snap: f.Snapshot()})
	}
	c.later(10 * time.Minute)
	tell(func(x *sources.World) {
		for i := range x.Tasks {
			if k := &x.Tasks[i]; k.ServiceID == "id-shop_web" {
				k.State, k.Desired, k.Err, k.ExitCode, k.Since = sources.TaskFailed, sources.TaskShutdown, "task: non-zero exit (3)", 3, c.now()
			}
		}
		x.Nodes[1].State = "down"
	})
	c.later(10 * time.Minute)
	tell(func(*sources.World) {})
	c.later(5 * time.Minute)
	f.SetRates(map[string]float64{"shop_web": 1}) // news: the picture is of now
	m.Update(wakeMsg{snap: f.Snapshot()})
	m.gotoService("shop_web")
	m.arrange()
	return m, s, c
}

func TestPastMomentShowsTheStateOfThen(t *testing.T) {
	m, _, c := pastConsole(t, 160, 48)
	if v := m.then().Service("shop_web"); v.Health != fleet.Healthy {
		t.Fatalf("now it is %s: %s", v.Health, v.Reason)
	}
	press(t, m, "2")
	m.when.set(c.now().Add(-10*time.Minute), c.now())
	m.arrange()
	v := m.then().Service("shop_web")
	if !m.then().Past || v.Health == fleet.Healthy || v.Running != 0 {
		t.Fatalf("ten minutes ago it was %s, %s", v.Health, v.Run())
	}
	frame := ansi.Strip(m.Frame())
	for _, want := range []string{"AT ", "10m ago", "nodes 2/3", "0/3", "non-zero exit (3)"} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen:\n%s", want, frame)
		}
	}
	if m.snap.Service("shop_web").Health != fleet.Healthy {
		t.Error("what actions act on is of the past")
	}
	press(t, m, "0")
	if m.then() != m.snap {
		t.Error("live again it is not the picture of now")
	}
}

// TestTheRowUnderTheCursorStays: with only what is not well shown, the row that is looked at stays at a moment at which it was well.
func TestTheRowUnderTheCursorStays(t *testing.T) {
	m, _, c := pastConsole(t, 160, 48)
	m.when.set(c.now().Add(-10*time.Minute), c.now())
	m.arrange()
	press(t, m, "!")
	if m.services.selected() != "shop_web" {
		t.Fatalf("of what was not well %s is under the cursor", m.services.selected())
	}
	m.when.set(c.now().Add(-20*time.Minute), c.now())
	m.arrange()
	if v := m.then().Service("shop_web"); v.Health != fleet.Healthy || m.services.selected() != "shop_web" {
		t.Fatalf("it was %s, and the cursor went to %s", v.Health, m.services.selected())
	}
	press(t, m, "0")
	if slices.Contains(m.services.ids, "shop_web") {
		t.Fatal("live, what is well is still among what is not")
	}
}

// TestGoldenPast holds the views at a past moment at each size.
func TestGoldenPast(t *testing.T) {
	views := map[string][]string{"overview": {"1"}, "services": {"2"}, "tasks": {"2", "enter"}, "logs": {"3"}, "metrics": {"4"}, "timeline": {"6"}, "nodes": {"9"}}
	for _, size := range sizes {
		for name, keys := range views {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _, c := pastConsole(t, size[0], size[1])
				m.when.set(c.now().Add(-10*time.Minute), c.now())
				m.arrange()
				press(t, m, keys...)
				m.answer()
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// TestFiguresOfThen: a moving moment asks nothing in Update; what is answered late to a moment that was left is dropped, and an answer
// is remembered.
func TestFiguresOfThen(t *testing.T) {
	m, s, _ := pastConsole(t, 160, 48)
	before := s.calls.Load()
	press(t, m, "<", "<", "[", "]", "{", "}", ">", "<")
	if got := s.calls.Load(); got != before {
		t.Fatalf("moving asked a source %d times", got-before)
	}
	first := m.requestFigures()
	was := m.when.at
	press(t, m, "<")
	late := first()
	if s.calls.Load() == before {
		t.Fatal("the command asked nothing: the stub proves nothing")
	}
	m.Update(late)
	if m.past.figures(was) != nil || len(m.past.known) != 0 {
		t.Fatal("an answer about a moment that was left was taken in")
	}
	m.Update(momentSettledMsg{m.past.generation - 1})
	msg := m.requestFigures()()
	m.Update(msg)
	if m.past.figures(m.when.at) == nil {
		t.Fatal("an answer was dropped")
	}
	asked := m.past.generation
	at := m.when.at
	press(t, m, "<", ">")
	if !m.when.at.Equal(at) || m.past.figures(at) == nil || m.past.generation == asked {
		t.Fatal("back at the moment its answer is forgotten")
	}
	n := s.calls.Load()
	if cmd := m.wantThen(); cmd != nil || s.calls.Load() != n {
		t.Fatal("what is known is asked again")
	}
}

func TestFiguresAreBounded(t *testing.T) {
	var p thenPane
	for i := range 200 {
		p.generation++
		p.applyFigures(figuresMsg{p.generation, figuresAt{at: noon.Add(time.Duration(i) * time.Second), points: figurePoints / 10}})
	}
	if len(p.known) > 10 || p.figures(noon.Add(199*time.Second)) == nil {
		t.Fatalf("%d answers are kept", len(p.known))
	}
	p.generation++
	p.applyFigures(figuresMsg{p.generation, figuresAt{at: noon, points: 10 * figurePoints}})
	if len(p.known) != 1 || p.figures(noon) == nil {
		t.Fatalf("of one big answer %d are kept", len(p.known))
	}
}

func TestBrushComparesTwoMoments(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press(".")
	r.shows("A is")
	r.press(".") // the same moment takes it off
	if !r.brush.a.IsZero() {
		t.Fatal("the second press at the same moment keeps A")
	}
	r.press(".", "[", ".")
	r.shows("before and after: shop_web", "what happened between A and B [1]", "cpu", "memory")
	box, ok := r.overlay.(*compareBox)
	if !ok {
		t.Fatalf("%T is open", r.overlay)
	}
	r.until("all parts", func() bool { return box.metrics.done && box.counts.done && box.patterns.done && box.states.done })
	for _, w := range []sources.Window{box.before, box.after} {
		if w.End.Sub(w.Start) != 15*time.Minute {
			t.Errorf("a window is %s long", w.End.Sub(w.Start))
		}
	}
	old := box.generation
	r.press("m")
	if box.generation == old || !box.around {
		t.Fatal("m asks nothing anew")
	}
	r.Update(compareMsg{box, old, func(*compareBox) { t.Error("a part of windows that were left was taken in") }})
	r.press("a")
	if r.overlay != nil || !r.when.at.Equal(box.a) {
		t.Fatalf("a goes to %s, A is %s", r.when.at, box.a)
	}
}

// asked is what a question about lines was of, in a source that remembers it.
type asked struct {
	sources.Logs
	mu      sync.Mutex
	windows []sources.Window
}

func (l *asked) Query(_ context.Context, q sources.LogQuery) (sources.LogPage, error) {
	if q.Pattern != "" { // was it there before? never
		return sources.LogPage{}, nil
	}
	l.mu.Lock()
	l.windows = append(l.windows, sources.Window{Start: q.Since, End: q.Until})
	l.mu.Unlock()
	word := strings.Map(func(r rune) rune { return r - '0' + 'k' }, q.Since.Format("1504")) // no number, no hash: a part of the pattern
	text := strings.TrimSpace(strings.Repeat(word+" ", 5))
	return sources.LogPage{Entries: []sources.Entry{{Time: q.Since.Add(time.Minute), Line: text, Level: sources.LevelError}}}, nil
}

// TestPatternsAreAskedAgain: the lines that are new are those between the two moments that are shown; when the moments change they are asked
// for again, and what was there before is gone at once.
func TestPatternsAreAskedAgain(t *testing.T) {
	logs := &asked{}
	r := newRig(t, 120, 40, func(o *Options) { logs.Logs, o.Logs = o.Logs, logs })
	read := func() []sources.Window {
		logs.mu.Lock()
		defer logs.mu.Unlock()
		return slices.Clone(logs.windows)
	}
	holds := func(w sources.Window) bool {
		return slices.ContainsFunc(read(), func(x sources.Window) bool { return x.Start.Equal(w.Start) && x.End.Equal(w.End) })
	}
	compare := func(keys ...string) *compareBox {
		r.press(keys...)
		box, ok := r.overlay.(*compareBox)
		if !ok {
			t.Fatalf("%T is open", r.overlay)
		}
		r.until("the patterns", func() bool { return box.patterns.done })
		if box.patterns.err != nil || len(box.patterns.of.list) != 1 {
			t.Fatalf("new: %+v", box.patterns)
		}
		if !holds(box.after) {
			t.Errorf("%s to %s was not asked for, but %v", box.after.Start, box.after.End, read())
		}
		return box
	}
	first := compare(".", "[", ".")
	of, was := first.patterns.of, first.after
	r.shows(of.list[0].Text)
	compare("m") // the same box, of the time around each of the two
	if first.after == was || first.patterns.of.list[0].Text == of.list[0].Text || first.patterns.of.query == of.query {
		t.Errorf("around B it shows %+v, of the time from A to B it was %+v", first.patterns.of, of)
	}
	r.press("esc")
	n := len(read())
	second := compare("[", ".", "[", ".")
	if second == first || second.a.Equal(first.a) || second.b.Equal(first.b) || len(read()) == n {
		t.Errorf("two other moments: %s and %s after %s and %s", second.a, second.b, first.a, first.b)
	}
	if second.patterns.of.list[0].Text == of.list[0].Text {
		t.Errorf("of two other moments the same is new: %+v", second.patterns.of)
	}
	// An answer about moments that were left is dropped.
	old := first.generation - 1
	r.Update(compareMsg{first, old, func(*compareBox) { t.Error("a part of windows that were left was taken in") }})
}

// TestTheLastLineOffersAKeyOnce: at a past moment too, on every page and at every size.
func TestTheLastLineOffersAKeyOnce(t *testing.T) {
	for _, size := range [][2]int{{160, 48}, {120, 40}, {80, 24}} {
		m, _, _ := pastConsole(t, size[0], size[1])
		press(t, m, "[")
		for _, page := range []string{"1", "2", "3", "4", "5", "6", "9"} {
			press(t, m, page)
			line := ansi.Strip(m.lastLine())
			if !strings.Contains(line, "0 live") || !strings.Contains(line, "< > moment") {
				t.Errorf("%v page %s: how one gets back, or on, is not offered: %s", size, page, line)
			}
			for _, keys := range []string{"< > ", "[ ] ", "{ } ", "0 live", " . "} {
				if strings.Count(line, keys) > 1 {
					t.Errorf("%v page %s: %q is offered twice: %s", size, page, keys, line)
				}
			}
		}
	}
}

func TestMeanAndP95(t *testing.T) {
	var points []sources.Point
	for i := 1; i <= 100; i++ {
		points = append(points, sources.Point{T: noon, V: float64(i)})
	}
	if mean, p95 := meanAndP95(points); mean != 50.5 || p95 != 95 {
		t.Errorf("mean %v, p95 %v of 1 to 100", mean, p95)
	}
	for _, c := range []struct {
		a, b float64
		want string
	}{{0, 0, "about the same"}, {100, 105, "about the same"}, {0, 3, "new"}, {3, 0, "gone"}, {10, 30, "3.0 times as much"}, {10, 15, "+50%"}, {10, 5, "-50%"}} {
		if got := change(c.a, c.b); got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestEachMarkHasItsSign(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		m, _ := console(t, 120, 40, func(o *Options) { o.ASCII, o.NoColor = ascii, true })
		seen := map[string]string{}
		for _, x := range markWords {
			sign, ok := strings.CutSuffix(legend(m.st, func(k chart.MarkKind) bool { return k == x.kind }), " "+x.word)
			if other := seen[sign]; !ok || other != "" {
				t.Errorf("%s has the sign %q of %q", x.word, sign, other)
			}
			seen[sign] = x.word
		}
	}
}
