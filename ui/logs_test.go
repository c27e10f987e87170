package ui

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/patterns"
)

// archive is a source that holds lines, and answers from them as Loki does.
type archive struct {
	stub
	lines []sources.Entry // in order
}

func (a *archive) Query(_ context.Context, q sources.LogQuery) (sources.LogPage, error) {
	a.calls.Add(1)
	if strings.Contains(q.Expr, "(") {
		return sources.LogPage{}, &sources.Error{Source: "loki", Op: "read lines", Kind: sources.BadQuestion, Err: fmt.Errorf("parse error at line 1, col 9: syntax error")}
	}
	re, not := regexp.MustCompile(q.Regexp), regexp.MustCompile(q.Exclude)
	var page sources.LogPage
	for _, e := range a.lines {
		switch {
		case e.Time.Before(q.Since), !e.Time.Before(q.Until), len(q.Tasks) > 0 && !slices.Contains(q.Tasks, e.Stream.Task),
			len(q.Services) > 0 && !slices.Contains(q.Services, e.Stream.Service), len(q.Levels) > 0 && !slices.Contains(q.Levels, e.Level),
			!re.MatchString(e.Line), q.Exclude != "" && not.MatchString(e.Line), q.Pattern != "" && !patterns.Match(q.Pattern, e.Line):
			continue
		}
		page.Entries = append(page.Entries, e)
	}
	if n := len(page.Entries); n > q.Limit && q.Limit > 0 {
		page.More = true
		if q.Forward {
			page.Entries = page.Entries[:q.Limit]
		} else {
			page.Entries = page.Entries[n-q.Limit:]
		}
	}
	return page, nil
}

func (a *archive) Volume(_ context.Context, q sources.LogQuery, step time.Duration) ([]sources.VolumePoint, error) {
	by := map[int64]map[sources.Level]float64{}
	for _, e := range a.lines {
		if t := e.Time.Truncate(step).UnixNano(); !e.Time.Before(q.Since) && e.Time.Before(q.Until) {
			if by[t] == nil {
				by[t] = map[sources.Level]float64{}
			}
			by[t][e.Level]++
		}
	}
	var out []sources.VolumePoint
	for t, c := range by {
		out = append(out, sources.VolumePoint{Time: time.Unix(0, t), Counts: c})
	}
	return out, nil
}

func (a *archive) Complete(_ context.Context, _ string, at int, _, _ time.Time) (sources.Completion, error) {
	return sources.Completion{From: at, To: at, Offers: []sources.Offer{{Text: `service="`, Kind: sources.OfferLabel}}}, nil
}

// newArchive holds an hour-long stretch a line a second that ended two days ago, and the lines of the last ten minutes.
func newArchive() *archive {
	a := &archive{}
	streams := []*sources.Stream{{Service: "shop_payments", Task: "dead1", Node: "node2", Source: "loki"}, {Service: "shop_payments", Task: "t-shop_web-1", Node: "node1", Source: "loki"}}
	add := func(t time.Time, i int) {
		e := sources.Entry{Time: t, Stream: streams[i%2], Level: sources.LevelInfo, Line: fmt.Sprintf(`level=info msg="charge card" order=%d status=200`, i)}
		if i%1000 == 500 {
			e.Level, e.Line = sources.LevelError, fmt.Sprintf(`level=error msg="bank is away" order=%d status=503`, i)
		}
		a.lines = append(a.lines, e)
	}
	for i := range 3600 {
		add(noon.Add(-49*time.Hour+time.Duration(i)*time.Second), i)
	}
	for i := range 300 {
		add(noon.Add(-10*time.Minute+time.Duration(2*i)*time.Second), i)
	}
	return a
}

// runner runs a model's commands as Bubble Tea does.
type runner struct {
	t    *testing.T
	m    *Model
	msgs chan tea.Msg
}

func archived(t *testing.T, w, h int) (*runner, *archive) {
	t.Helper()
	a := newArchive()
	m, _ := console(t, w, h, func(o *Options) { o.Logs = a })
	r := &runner{t: t, m: m, msgs: make(chan tea.Msg, 1000)}
	m.logs.view.Reset()
	r.press("3")
	if m.logs.key == "" {
		t.Fatal("no service is looked at")
	}
	m.logs.view.Prepend(sources.LogPage{Entries: a.lines[3600:]}) // as the feed does
	r.update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	return r, a
}

func (r *runner) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			for _, c := range msg {
				r.run(c)
			}
		case toastExpiredMsg, volumeDueMsg:
		default:
			r.msgs <- msg
		}
	}()
}

func (r *runner) update(msg tea.Msg) {
	_, cmd := r.m.Update(msg)
	r.run(cmd)
}

func (r *runner) press(keys ...string) {
	r.t.Helper()
	ks, err := parseKeys(keys)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range ks {
		r.update(k)
	}
}

// until handles messages until something holds.
func (r *runner) until(what string, ok func() bool) {
	r.t.Helper()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case msg := <-r.msgs:
			r.update(msg)
		case <-end:
			r.t.Fatalf("waited for %s:\n%s", what, r.screen())
		}
	}
}

func (r *runner) screen() string { return ansi.Strip(r.m.Frame()) }

func (r *runner) shows(text string) func() bool {
	return func() bool { return strings.Contains(r.screen(), text) }
}

// Up at the oldest line more are read, over stretches without any, to the end; then it is said how far was asked.
func TestHistoryPagesBackwards(t *testing.T) {
	r, a := archived(t, 120, 40)
	oldest := a.lines[0].Time
	for range 6 {
		before := r.m.logs.view.Oldest()
		if before.Equal(oldest) {
			break
		}
		r.press("g")
		r.until("an older page", func() bool { return r.m.logs.view.Oldest().Before(before) })
	}
	if !r.m.logs.view.Oldest().Equal(oldest) || r.m.logs.view.Status().Total != len(a.lines) {
		t.Fatalf("reaches to %s with %d of %d lines", r.m.logs.view.Oldest(), r.m.logs.view.Status().Total, len(a.lines))
	}
	r.press("g")
	r.until("the word that there is no more", r.shows("no line before Nov 22 11:00"))
	if !strings.Contains(r.screen(), "asked back to 2025-") {
		t.Error("it is not said how far was asked")
	}
}

// With a filter on, further pages are read through it until the screen is full; with the filter off they are read whole again.
func TestFilterReadsFurtherBack(t *testing.T) {
	r, a := archived(t, 120, 40)
	r.press("/", "b", "a", "n", "k", "enter")
	r.until("the older errors", func() bool { return r.m.logs.view.Status().Shown >= 5 && r.m.logs.reach.begin })
	if got := r.m.logs.view.Status(); got.Total > 320 {
		t.Errorf("%d lines were read to find 4", got.Total)
	}
	r.press("backspace")
	r.until("the full lines", func() bool { return r.m.logs.view.Oldest().Equal(a.lines[3600].Time) })
	r.press("g")
	r.until("a page that is whole", func() bool {
		return r.m.logs.view.Status().Total == 300+PageLimit-1 || r.m.logs.view.Status().Total == 300+PageLimit
	})
}

// The moment brings the lines around it, up and down from there more; live follows again.
func TestMomentBringsItsLines(t *testing.T) {
	r, _ := archived(t, 120, 40)
	at := noon.Add(-48*time.Hour - 30*time.Minute)
	r.m.when.set(at, noon)
	r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
	r.until("the lines around", func() bool { return r.m.logs.view.Covers(at) })
	if e := r.m.logs.view.Selected(); e == nil || e.Time.After(at) || at.Sub(e.Time) > time.Second {
		t.Errorf("the cursor is on %v, the moment %s", e, at)
	}
	for {
		newest := r.m.logs.view.Newest()
		if newest.After(noon.Add(-time.Minute)) {
			break
		}
		r.press("G")
		r.until("a newer page", func() bool { return r.m.logs.view.Newest().After(newest) })
	}
	r.press("G")
	r.until("the end", r.shows("no newer line: 0 goes back to live"))
	r.press("0")
	if r.m.logs.view.Static() || !r.m.logs.at.IsZero() {
		t.Error("not live")
	}
}

func TestPreviousErrorBeyondWhatIsLoaded(t *testing.T) {
	r, a := archived(t, 120, 40)
	r.press("E")
	r.until("the error of two days ago", func() bool { e := r.m.logs.view.Selected(); return e != nil && e.Line == a.lines[3500].Line })
	if r.m.when.live() {
		t.Error("the shared moment did not go along")
	}
	r.press("E")
	r.until("the one before", func() bool { e := r.m.logs.view.Selected(); return e != nil && e.Line == a.lines[2500].Line })
	r.press("e")
	r.until("the later one", func() bool { e := r.m.logs.view.Selected(); return e != nil && e.Line == a.lines[3500].Line })
}

// Context is the task's own lines from the source, before and after; esc comes back to where one was.
func TestContextComesFromTheSource(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("k", "k", "k")
	was := *r.m.logs.view.Selected()
	r.press("enter")
	r.until("the task's lines", func() bool { return r.m.logs.aside != nil && !r.m.logs.aside.older })
	if e := r.m.logs.top().Selected(); e == nil || e.Line != was.Line || !strings.Contains(r.screen(), "context of") {
		t.Errorf("selected %v", e)
	}
	for e := range allOf(r.m.logs.aside.view.All()) {
		if e.Stream.Task != was.Stream.Task {
			t.Fatalf("a line of task %s", e.Stream.Task)
		}
	}
	if n := r.m.logs.aside.view.Status().Total; n != 150 {
		t.Errorf("%d lines of the task", n)
	}
	before := r.m.logs.top().Oldest()
	r.press("g")
	r.until("more before", func() bool { return r.m.logs.top().Oldest().Before(before) })
	r.press("esc")
	if e := r.m.logs.top().Selected(); r.m.logs.aside != nil || e == nil || e.Line != was.Line {
		t.Errorf("after esc: %v", e)
	}
}

func allOf(each func(func(*sources.Entry) bool)) func(func(sources.Entry) bool) {
	return func(yield func(sources.Entry) bool) { each(func(e *sources.Entry) bool { return yield(*e) }) }
}

// D shows the last lines of a dead task; where no line bears its label, the service's on its node in its time.
func TestDeadTasksLastLines(t *testing.T) {
	for _, label := range []bool{true, false} {
		r, a := archived(t, 160, 48)
		if !label {
			for i := range a.lines {
				st := *a.lines[i].Stream
				st.Task = ""
				a.lines[i].Stream = &st
			}
		}
		r.press("1")
		r.m.gotoService("shop_payments")
		r.press("enter")
		if !r.m.tasks.selectID("dead1") {
			t.Fatal("no dead task")
		}
		r.press("D")
		r.until("its lines", func() bool { return r.m.logs.aside != nil && r.m.logs.aside.view.Status().Total > 0 })
		s := r.screen()
		if !strings.Contains(r.m.logsTitle(), "of shop_payments.1 dead1") || !strings.Contains(s, "charge card") {
			t.Errorf("label %v:\n%s", label, s)
		}
		if label == strings.Contains(s, "no line bears") {
			t.Errorf("label %v: what the lines are of is not said:\n%s", label, s)
		}
		r.press("esc")
		if r.m.logs.aside != nil || r.m.focus != paneTable {
			t.Error("esc does not come back to the tasks")
		}
	}
}

func TestHistogramCountsTheRange(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("V")
	r.until("the counts", r.shows("300 lines in 1h"))
	if s := r.screen(); !strings.Contains(s, "info 300") || !strings.Contains(s, "= the lines below") {
		t.Errorf("%s", s)
	}
	checkFrame(t, r.m)
	r.press("V")
	if strings.Contains(r.screen(), "lines in 1h") {
		t.Error("V does not take it off")
	}
}

// Patterns of a source that has none are mined here; what the time before the shown one has not is new, and first.
func TestPatternsNewFirst(t *testing.T) {
	r, a := archived(t, 120, 40)
	st := a.lines[len(a.lines)-1].Stream
	for i := range 3 {
		a.lines = append(a.lines, sources.Entry{Time: noon.Add(-time.Duration(3-i) * time.Second), Stream: st, Level: sources.LevelError, Line: fmt.Sprintf(`level=error msg="ledger is locked" by=%d`, i)})
	}
	for i := range 100 {
		a.lines = append(a.lines, sources.Entry{Time: noon.Add(-100 * time.Minute).Add(time.Duration(i) * time.Second), Stream: st, Level: sources.LevelInfo, Line: fmt.Sprintf(`level=info msg="charge card" order=%d status=200`, i)})
	}
	slices.SortStableFunc(a.lines, func(x, y sources.Entry) int { return x.Time.Compare(y.Time) })
	r.press("P")
	r.until("patterns", r.shows("patterns · 2, 1 new"))
	lines := strings.Split(r.screen(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "NEW") })
	if at < 0 || !strings.Contains(lines[at], "ledger is locked") || !strings.Contains(r.screen(), "mined from 303 lines") {
		t.Errorf("%s", r.screen())
	}
	checkFrame(t, r.m)
	r.press("enter")
	if f := r.m.logs.view.Filter(); len(f.Patterns) != 1 || r.m.overlay != nil {
		t.Errorf("filter %+v", f)
	}
}

// Fields of what is loaded, where the source knows none: a value becomes a part of the filter, a field a column.
func TestFacets(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("T")
	r.until("fields", r.shows("status"))
	b := r.m.overlay.(*facetsBox)
	b.fields.selectID("status")
	r.run(b.wantValues(r.m))
	r.press("space", "enter", "enter")
	if f := r.m.logs.view.Filter().Fields; len(f) != 1 || f[0].String() != "status=200" {
		t.Fatalf("filter %v", f)
	}
	if cols := r.m.logs.view.FieldColumns(); !slices.Equal(cols, []string{"status"}) || !strings.Contains(r.screen(), "status MESSAGE") {
		t.Errorf("columns %v:\n%s", cols, r.screen())
	}
	checkFrame(t, r.m)
}

func TestQueryByHand(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("Q")
	r.until("offers", r.shows(`service="`))
	b := r.m.overlay.(*queryBox)
	b.input.SetValue("")
	r.press("{", "x", "(", "enter")
	r.until("the source's own words", r.shows("parse error at line 1, col 9"))
	if !strings.Contains(r.screen(), "        ^") {
		t.Errorf("the place is not marked:\n%s", r.screen())
	}
	b.input.SetValue(`{service="x"}`)
	r.press("enter")
	r.until("the query's lines", func() bool { return r.m.logs.expr == `{service="x"}` && r.m.overlay == nil })
	if r.m.logs.query.Expr != `{service="x"}` || !strings.Contains(r.screen(), `logs {service="x"}`) {
		t.Errorf("%+v\n%s", r.m.logs.query, r.screen())
	}
	r.press("Q", "up")
	if got := r.m.overlay.(*queryBox).input.Value(); got != `{service="x"}` {
		t.Errorf("history gives %q", got)
	}
	r.press("esc", "backspace")
	if r.m.logs.expr != "" || len(r.m.logs.query.Services) == 0 {
		t.Error("backspace does not take the query off")
	}
}

func TestChipsBox(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("L", "/", "a", "enter", "K")
	if s := r.screen(); !strings.Contains(s, "level>=info") || !strings.Contains(s, `"a"`) {
		t.Fatalf("%s", s)
	}
	r.press("down", "enter", "esc")
	if got := r.m.logs.view.Chips(); len(got) != 1 || got[0].Text != "level>=info" {
		t.Errorf("%v", got)
	}
}
