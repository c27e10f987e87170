package logview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"quarterdeck/sources"
)

func feed(tb testing.TB, p *Pane, e ...sources.Entry) {
	tb.Helper()
	p.Append(sources.LogBatch{Entries: e})
	settle(tb, p)
}

func TestFollowAndPause(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 100)...)
	if !p.Following() || selected(p) != "line 000099" {
		t.Fatalf("selected %s", selected(p))
	}
	p.TogglePause()
	before := screen(t, p)
	feed(t, p, numbered(100, 1234)...)
	s := p.Status()
	if s.New != 1234 || !s.Paused {
		t.Errorf("%+v", s)
	}
	after := screen(t, p)
	if !strings.Contains(after, "PAUSED +1,234") {
		t.Errorf("header:\n%s", strings.Split(after, "\n")[0])
	}
	if body(after) != body(before) {
		t.Errorf("paused, and the lines changed:\n%s", after)
	}
	p.Bottom()
	if selected(p) != "line 000099" {
		t.Errorf("paused bottom is %s", selected(p))
	}
	p.TogglePause()
	if selected(p) != "line 001333" || p.Status().New != 0 {
		t.Errorf("followed to %s", selected(p))
	}
	p.Move(-1)
	if p.Following() || selected(p) != "line 001332" {
		t.Errorf("up selects %s", selected(p))
	}
	p.Move(2)
	if !p.Following() {
		t.Error("moving past the end does not follow")
	}
}

// A pause of a screen that is not full keeps new lines out as well.
func TestPauseOfAFewLines(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 3)...)
	p.TogglePause()
	feed(t, p, numbered(3, 3)...)
	if s := screen(t, p); strings.Contains(s, "000003") || !strings.Contains(s, "PAUSED +3") {
		t.Errorf("%s", s)
	}
	feed(t, p, line(1, "late"), line(-5, "of before"))
	p.Prepend(sources.LogPage{Entries: []sources.Entry{line(-9, "older page")}})
	settle(t, p)
	if s := screen(t, p); strings.Contains(s, "late") || !strings.Contains(s, "PAUSED +4") || !strings.Contains(s, "older page") {
		t.Errorf("%s", s)
	}
	p.TogglePause()
	if s := screen(t, p); !strings.Contains(s, "late") {
		t.Errorf("%s", s)
	}
	empty := newPane(Options{})
	empty.TogglePause()
	feed(t, empty, numbered(0, 3)...)
	if s := screen(t, empty); strings.Contains(s, "000001") || !strings.Contains(s, "PAUSED +3") || !strings.Contains(s, "paused before the first") {
		t.Errorf("%s", s)
	}
}

func body(frame string) string { return frame[strings.IndexByte(frame, '\n'):] }

// The selected line and the screen stay where they are while lines come at both
// ends, in between, and the oldest go.
func TestSelectionStaysPut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPane(Options{MaxBytes: 256 << 10})
		p.Append(sources.LogBatch{Entries: numbered(10000, rapid.IntRange(300, 1500).Draw(rt, "n"))})
		settle(t, p)
		p.Top()
		p.Move(rapid.IntRange(150, 280).Draw(rt, "down"))
		p.Scroll(rapid.IntRange(-5, 5).Draw(rt, "scroll"))
		if p.Following() {
			return
		}
		want, frame := p.Selected(), body(screen(t, p))
		next, older := 20000, 10000
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				p.Append(sources.LogBatch{Entries: numbered(next, 100)})
				next += 100
			case 1:
				older -= 50
				p.Prepend(sources.LogPage{Entries: numbered(older, 50)})
			case 2:
				must(t, p.SetFilter(Filter{Include: []Term{{Text: "no such text"}}}))
				settle(t, p)
				must(t, p.SetFilter(Filter{}))
			}
			settle(t, p)
		}
		if c, _ := p.list.get(p.sel); c == nil {
			return // evicted: nothing can be held
		}
		if got := p.Selected(); got == nil || got.Line != want.Line {
			rt.Fatalf("selected %v, was %v", got, want)
		}
		if c, _ := p.list.get(p.top); c != nil && body(screen(t, p)) != frame {
			rt.Fatalf("the screen moved:\n%s\nwas\n%s", body(screen(t, p)), frame)
		}
	})
}

func TestEvictedSelection(t *testing.T) {
	p := newPane(Options{MaxBytes: 64 << 10})
	feed(t, p, numbered(0, 500)...)
	p.Top()
	feed(t, p, numbered(500, 5000)...)
	oldest := shown(p)[0]
	if oldest == "line 000000" || selected(p) != oldest {
		t.Errorf("selected %s, the oldest is %s", selected(p), oldest)
	}
	if s := screen(t, p); !strings.Contains(s, oldest) {
		t.Errorf("%s", s)
	}
}

func TestErrorsAndMatches(t *testing.T) {
	p := newPane(Options{})
	lines := numbered(0, 5000)
	for _, i := range []int{10, 2500, 4990} {
		lines[i].Level = sources.LevelError
		lines[i].Line = fmt.Sprintf("bang %d", i)
	}
	feed(t, p, lines...)
	if !p.NextError() || selected(p) != "bang 4990" || p.Following() {
		t.Errorf("from the end that is followed: %s", selected(p))
	}
	if p.NextError() || selected(p) != "bang 4990" {
		t.Errorf("an error after the last: %s", selected(p))
	}
	p.SetFollow(true)
	for _, want := range []string{"bang 4990", "bang 2500", "bang 10"} {
		if !p.PrevError() || selected(p) != want {
			t.Fatalf("at %s, want %s", selected(p), want)
		}
	}
	if p.PrevError() || selected(p) != "bang 10" {
		t.Error("an error before the first")
	}
	if !p.NextError() || selected(p) != "bang 2500" {
		t.Errorf("next error is %s", selected(p))
	}
	must(t, p.SetSearch(Term{Text: "BANG"}))
	settle(t, p)
	if m := p.Status().Matches; m != 0 {
		t.Errorf("capital letters match %d", m)
	}
	must(t, p.SetSearch(Term{Text: "bang"}))
	settle(t, p)
	if s := p.Status(); s.Matches != 3 || s.Match != 2 || s.Shown != 5000 {
		t.Errorf("%+v", s)
	}
	if !p.NextMatch() || selected(p) != "bang 4990" || !p.NextMatch() || selected(p) != "bang 10" || !p.PrevMatch() || selected(p) != "bang 4990" {
		t.Errorf("at %s", selected(p))
	}
	if s := screen(t, p); !strings.Contains(s, `find "bang" 3/3`) {
		t.Errorf("%s", s)
	}
}

func TestContext(t *testing.T) {
	p := newPane(Options{})
	lines := numbered(0, 400)
	for i := range lines {
		if i%2 == 1 {
			lines[i].Stream = api
		}
	}
	lines[201].Line = "api boom"
	feed(t, p, lines...)
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "boom"}}}))
	settle(t, p)
	if len(shown(p)) != 1 || !p.Context() {
		t.Fatal("no context")
	}
	settle(t, p)
	if n := len(shown(p)); n != 200 || selected(p) != "api boom" || !p.InContext() {
		t.Errorf("%d lines around %s", n, selected(p))
	}
	if s := screen(t, p); !strings.Contains(s, "line 000199") || strings.Contains(s, "line 000200") {
		t.Errorf("%s", s)
	}
	p.Context()
	settle(t, p)
	if len(shown(p)) != 1 || p.InContext() || selected(p) != "api boom" {
		t.Error("the filter does not come back")
	}
}

func TestBookmarks(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 100)...)
	if _, ok := p.NextBookmark(); ok {
		t.Error("a bookmark from nowhere")
	}
	p.Top()
	p.ToggleBookmark()
	p.Move(50)
	p.ToggleBookmark()
	for _, want := range []string{"line 000000", "line 000050", "line 000000"} {
		if _, ok := p.NextBookmark(); !ok || selected(p) != want {
			t.Errorf("at %s, want %s", selected(p), want)
		}
	}
	p.ToggleBookmark()
	p.NextBookmark()
	if selected(p) != "line 000050" || !strings.Contains(screen(t, p), "▪") {
		t.Errorf("at %s", selected(p))
	}
}

func TestInput(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 100)...)
	typed := func(s string) {
		for _, r := range s {
			p.UpdateInput(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
		settle(t, p)
	}
	p.StartInput(InputFilter)
	typed("00005")
	if len(shown(p)) != 11 {
		t.Errorf("%d shown while typing", len(shown(p)))
	}
	if s := screen(t, p); !strings.Contains(s, " filter 00005") {
		t.Errorf("%s", s)
	}
	must(t, p.AcceptInput())
	p.StartInput(InputExclude)
	typed("~[1-9]$")
	if len(shown(p)) != 1 {
		t.Errorf("%d shown", len(shown(p)))
	}
	p.CancelInput()
	settle(t, p)
	if len(shown(p)) != 11 || len(p.Filter().Exclude) != 0 {
		t.Error("esc does not take it back")
	}
	p.StartInput(InputSearch)
	typed("~[")
	if err := p.AcceptInput(); err == nil || p.Input() != InputSearch {
		t.Error("a wrong expression is taken")
	}
	if s := screen(t, p); !strings.Contains(s, "regular expression") {
		t.Errorf("%s", s)
	}
	p.CancelInput()
	p.ClearFilters()
	settle(t, p)
	p.StartInput(InputSearch)
	typed("LINE")
	p.CancelInput()
	for search, want := range map[string]string{"42": "line 000042", "99": "line 000099"} {
		p.SetFollow(true)
		p.StartInput(InputSearch)
		for range inputLimit {
			p.UpdateInput(tea.KeyPressMsg{Code: tea.KeyBackspace})
		}
		typed(search)
		must(t, p.AcceptInput())
		settle(t, p)
		if selected(p) != want || p.Following() || len(shown(p)) != 100 {
			t.Errorf("found %s, want %s", selected(p), want)
		}
	}
	p.StartInput(InputSearch)
	p.UpdateInput(tea.PasteMsg{Content: strings.Repeat("a\x1b[2J", 1<<18)})
	if n := len(p.Search().Text); n > inputLimit {
		t.Errorf("a pasted megabyte searches for %d bytes", n)
	}
	settle(t, p)
	checkFrame(t, p, 80, 20)
}

func TestCycleLevel(t *testing.T) {
	p := newPane(Options{})
	for l := sources.LevelUnknown; l <= sources.LevelFatal; l++ {
		feed(t, p, sources.Entry{Time: at(int(l)), Line: "x", Level: l, Stream: web})
	}
	for _, want := range []int{5, 3, 2, 7} {
		p.CycleLevel()
		settle(t, p)
		if n := len(shown(p)); n != want {
			t.Errorf("%v: %d shown, want %d", p.chips(), n, want)
		}
	}
}

func TestSaveAndCopy(t *testing.T) {
	p := newPane(Options{})
	hostile := "red \x1b[31mflag\x1b]0;own\x07\nsecond"
	feed(t, p, line(0, "other"), line(1, hostile))
	p.Append(sources.LogBatch{Gap: &sources.Gap{From: at(2), To: at(12002), Reason: "loki dropped lines", Lost: 340}})
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "flag"}}}))
	settle(t, p)
	var text, lines bytes.Buffer
	if n, err := p.Save(&text, FormatText); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if s := text.String(); strings.ContainsAny(s, "\x1b\x07") || !strings.HasPrefix(s, "2026-11-24T08:14:29.124Z web.2 node-1 info red flag") ||
		!strings.Contains(s, "12 s, ≥ 340 lines missing: loki dropped lines") {
		t.Errorf("%q", s)
	}
	if _, err := p.Save(&lines, FormatJSON); err != nil {
		t.Fatal(err)
	}
	var got struct{ Service, Task, Node, Level, Source, Line string }
	d := json.NewDecoder(&lines)
	if err := d.Decode(&got); err != nil || got.Line != hostile || got.Service != "shop_web" || got.Level != "info" {
		t.Errorf("%+v %v", got, err)
	}
	var gap struct{ Gap struct{ Lost int } }
	if err := d.Decode(&gap); err != nil || gap.Gap.Lost != 340 {
		t.Errorf("%+v %v", gap, err)
	}
	p.Top()
	if s := p.SelectedText(); strings.Contains(s, "\x1b") || !strings.HasSuffix(s, "\nsecond") {
		t.Errorf("copies %q", s)
	}
	if _, err := p.Save(failing{}, FormatText); err == nil {
		t.Error("a full disk is no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left") }

func TestEmptyAndStates(t *testing.T) {
	p := newPane(Options{})
	p.SetEmpty("no logs yet for shop_web since 08:14")
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, "no logs yet for shop_web since 08:14") {
		t.Errorf("%s", s)
	}
	feed(t, p, numbered(0, 1500)...)
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "absent"}}}))
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, `none of 1,500 lines passes the filter "absent"`) {
		t.Errorf("%s", s)
	}
	p.ClearFilters()
	p.Append(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Dropped, Lost: 1615, Detail: "slow"}})
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, "loki ▼ DROPPED ≥1,615") {
		t.Errorf("%s", s)
	}
	if s := p.Status(); s.State != sources.Dropped || s.Detail != "slow" || s.Lost != 1615 {
		t.Errorf("%+v", s)
	}
	p.Append(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Reconnecting, Since: start.Add(48 * time.Second)}})
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, "loki ↻ RECONNECTING 12 s") {
		t.Errorf("%s", s)
	}
	old := p.Feed()
	p.Reset()
	old(sources.LogBatch{Entries: numbered(0, 3)})
	settle(t, p)
	if p.Status().Total != 0 || p.Status().State != sources.Connecting {
		t.Errorf("after reset: %+v", p.Status())
	}
}

func TestRate(t *testing.T) {
	p := newPane(Options{})
	for i := range 10 {
		p.Append(sources.LogBatch{Entries: numbered(i*500, 500)})
		p.Sync(start.Add(time.Duration(i) * 500 * time.Millisecond))
	}
	if r := p.Status().Rate; r != 1000 {
		t.Errorf("%v lines a second", r)
	}
	for i := range 20 {
		p.Sync(start.Add(10*time.Second + time.Duration(i)*500*time.Millisecond))
	}
	if r := p.Status().Rate; r != 0 {
		t.Errorf("at rest: %v", r)
	}
}

// Lines come from other goroutines while the pane is used: run with -race.
func TestAppendWhileViewing(t *testing.T) {
	p := newPane(Options{MaxBytes: 256 << 10})
	must(t, p.SetFilter(Filter{Exclude: []Term{{Text: "99"}}}))
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			put := p.Feed()
			for i := range 60 {
				put(sources.LogBatch{Entries: numbered(i*50-w*20, 50), Status: &sources.Status{Name: "loki", State: sources.Live}})
				if i%20 == 0 {
					put(sources.LogBatch{Gap: &sources.Gap{From: at(i), Reason: "r"}})
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	results := make(chan tea.Msg, 1)
	busy := false
	keys := []func(){func() { p.Move(-3) }, func() { p.Page(-1) }, func() { p.SetFollow(true) }, p.TogglePause, p.ToggleWrap, func() { p.NextMatch() },
		func() { must(t, p.SetSearch(Term{Text: "7"})) }, func() { must(t, p.SetSearch(Term{})) }}
	for i, run := 0, true; run || busy; i++ {
		select {
		case <-done:
			run = false
		default:
		}
		select {
		case m := <-results:
			busy = false
			if cmd := p.ApplyScan(m.(ScanMsg)); cmd != nil {
				busy = true
				go func() { results <- cmd() }()
			}
		default:
		}
		if cmd := p.Sync(start); cmd != nil {
			if busy {
				cmd() // as Bubble Tea may run two
			} else {
				busy = true
				go func() { results <- cmd() }()
			}
		}
		keys[i%len(keys)]()
		checkSize(t, p)
	}
	p.ClearFilters()
	settle(t, p)
	if s := p.Status(); uint64(s.Total)+s.Evicted != 2*(60*50+3) {
		t.Errorf("%+v", s)
	}
}

func TestMouseAndEnds(t *testing.T) {
	p := newPane(Options{})
	if !p.AtTop() || !p.Oldest().IsZero() || p.SelectLine(1) || p.JumpTo(at(0)) || p.NextError() || p.NextMatch() || p.Context() {
		t.Error("an empty pane has lines")
	}
	p.Scroll(-1)
	p.Move(-1)
	p.Top()
	p.Page(1)
	feed(t, p, numbered(0, 100)...)
	if p.AtTop() || !p.Oldest().Equal(at(0)) {
		t.Error("at the bottom is not at the top")
	}
	if p.SelectLine(0) || p.SelectLine(20) || !p.SelectLine(1) || selected(p) != "line 000081" {
		t.Errorf("the first line drawn is %s", selected(p))
	}
	if s := strings.Split(screen(t, p), "\n")[1]; !strings.HasPrefix(s, "▌") || !strings.Contains(s, "line 000081") {
		t.Errorf("%s", s)
	}
	p.HalfPage(-1)
	if selected(p) != "line 000081" {
		t.Errorf("half a page up selects %s", selected(p))
	}
	p.Page(-1)
	p.Page(-1)
	p.Page(-10)
	if !p.AtTop() {
		t.Error("pages up do not reach the top")
	}
	p.SetFocused(false)
	p.Page(10)
	if !p.Following() || p.Filter().Zero() == false || p.SelectedText() != "line 000099" {
		t.Error("pages down do not reach the end")
	}
}

// What is known of evicted chunks is forgotten: a pane that runs for weeks does not grow.
func TestForgetsTheEvicted(t *testing.T) {
	p := newPane(Options{MaxBytes: 1})
	must(t, p.SetFilter(Filter{Exclude: []Term{{Text: "7"}}}))
	feed(t, p, numbered(0, 100)...)
	p.Top()
	p.ToggleBookmark()
	p.SetFollow(true)
	for i := range 100 {
		p.Append(sources.LogBatch{Entries: numbered(100+i*200, 200)})
		if !p.Pending() {
			t.Fatal("lines came and none are pending")
		}
		settle(t, p)
		p.View(styles(t, "dark"))
		if p.Pending() {
			t.Fatal("pending after Sync")
		}
	}
	if n := len(p.snap.chunks); len(p.known) > 2*n+16 || len(p.bookmarks) != 0 {
		t.Errorf("%d chunks, %d known, %d bookmarks", n, len(p.known), len(p.bookmarks))
	}
	if n := len(p.blocks.young) + len(p.blocks.old); n > 2*p.cacheLimit() {
		t.Errorf("%d rows laid out are kept", n)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "+1s", 0: "now", 59 * time.Second: "59s", 184 * time.Second: "3m04s", 20 * time.Minute: "20m", 130 * time.Minute: "2h10m", 72 * time.Hour: "3d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 B", 1023: "1023 B", 998 << 10: "998 KB", 3 << 19: "1.5 MB", 64 << 20: "64 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for _, c := range []struct {
		s    sources.Stream
		want string
	}{
		{*web, "web.2"}, {sources.Stream{Service: "cron"}, "cron"}, {sources.Stream{Service: "cron", Task: "x7k2pq91mn"}, "cron.x7k2p"},
		{sources.Stream{}, ""}, {sources.Stream{Task: "x7k2pq"}, "x7k2p"},
	} {
		if got := ShortTask(&c.s); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s, got, c.want)
		}
	}
	for r, want := range map[float64]string{0: "", 0.4: "0.4/s", 120: "120/s", 200000: "200k/s"} {
		if got := perSecond(r); got != want {
			t.Errorf("%v: %s", r, got)
		}
	}
}

func TestFields(t *testing.T) {
	for in, want := range map[string]string{
		`{"msg":"hi","a":1,"b":{"c":[1, 2]}}`: `hi|a=1|b={"c":[1, 2]}`,
		`a=1 msg="two words" b=`:              `two words|a=1|b=`,
		`{"a":1`:                              "",
		`{"a":1} trailing`:                    "",
		`prose with a=b in it`:                "",
		`key=value then prose`:                "",
		`only=one`:                            "",
		`{}`:                                  "",
		`[1,2]`:                               "",
		`x="unterminated`:                     "",
		"plain":                               "",
	} {
		got := ""
		if f, ok := parseFields(in); ok {
			m, rest := arrange(f, true, true)
			got = m
			for _, r := range rest {
				got += "|" + r.key + "=" + r.value
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
