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
	"quarterdeck/ui/plain"
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
	empty := newPane(Options{})
	empty.TogglePause()
	feed(t, empty, numbered(0, 3)...)
	if s := screen(t, empty); strings.Contains(s, "000001") || !strings.Contains(s, "PAUSED +3") {
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
	if p.NextBookmark() {
		t.Error("a bookmark from nowhere")
	}
	p.Top()
	p.ToggleBookmark()
	p.Move(50)
	p.ToggleBookmark()
	for _, want := range []string{"line 000000", "line 000050", "line 000000"} {
		if !p.NextBookmark() || selected(p) != want {
			t.Errorf("at %s, want %s", selected(p), want)
		}
	}
	p.ToggleBookmark()
	p.NextBookmark()
	if selected(p) != "line 000050" || !strings.Contains(screen(t, p), "◆") {
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
	if s := screen(t, p); !strings.Contains(s, "loki DROPPED ≥1,615") {
		t.Errorf("%s", s)
	}
	if s := p.Status(); s.State != sources.Dropped || s.Detail != "slow" || s.Lost != 1615 {
		t.Errorf("%+v", s)
	}
	p.Append(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Reconnecting, Since: start.Add(48 * time.Second)}})
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, "loki RECONNECTING 12 s") {
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

// A row of any size never costs more than a screen, and never fills it.
func TestLongAndManyLines(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, line(0, "before"), line(1, strings.Repeat("0123456789", 100<<10)), line(2, "panic: x\n\tat a.b(c.java:1)\n\tat d.e(f.java:2)"), line(3, "after"))
	frame := screen(t, p)
	if !strings.Contains(frame, "at d.e(f.java:2)") {
		t.Errorf("the trace's third line is not there:\n%s", frame)
	}
	p.ToggleWrap()
	frame = screen(t, p)
	if !strings.Contains(frame, "… +99") || !strings.Contains(frame, "after") {
		t.Errorf("wrapped:\n%s", frame)
	}
	checkFrame(t, p, 80, 20)
	p.ToggleWrap()
	p.Top()
	p.ScrollSide(1003)
	if s := screen(t, p); !strings.Contains(s, " 3456789012") {
		t.Errorf("to the right:\n%s", s)
	}
}

// Scrolling through wrapped rows of all heights shows each display line once, both ways.
func TestScrollWrapped(t *testing.T) {
	p := newPane(Options{})
	var all []sources.Entry
	for i := range 60 {
		all = append(all, line(i, strings.Repeat(fmt.Sprintf("<%d>", i), 1+i*7%80)))
	}
	feed(t, p, all...)
	p.ToggleWrap()
	p.Top()
	var down []string
	for range 500 {
		down = append(down, body(screen(t, p)))
		if p.Following() {
			break
		}
		p.Scroll(1)
	}
	if !p.Following() {
		t.Fatal("the end is not reached")
	}
	for i := len(down) - 2; i >= 0; i-- {
		p.Scroll(-1)
		got := strings.ReplaceAll(body(screen(t, p)), "›", " ")
		if want := strings.ReplaceAll(down[i], "›", " "); got != want {
			t.Fatalf("step %d back:\n%s\nwant\n%s", i, got, want)
		}
	}
}

func checkFrame(tb testing.TB, p *Pane, w, h int) {
	tb.Helper()
	for _, name := range []string{"dark", "none"} {
		frame := p.View(styles(tb, name))
		lines := strings.Split(frame, "\n")
		if len(lines) != h {
			tb.Fatalf("%d lines, want %d", len(lines), h)
		}
		for i, l := range lines {
			if got := plain.Width(l); got != w {
				tb.Fatalf("%dx%d %s: line %d has %d cells: %q", w, h, name, i, got, l)
			}
			if bad := onlySGR(l); bad != "" {
				tb.Fatalf("line %d holds %s: %q", i, bad, l)
			}
		}
	}
}

// onlySGR says what control there is in s other than SGR sequences.
func onlySGR(s string) string {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b:
			end := strings.IndexFunc(s[i:], func(r rune) bool { return r >= 'A' && r <= 'z' && r != '[' })
			if end < 0 || s[i+1] != '[' || s[i+end] != 'm' || strings.Trim(s[i+2:i+end], "0123456789;:") != "" {
				return fmt.Sprintf("an escape at %d", i)
			}
			i += end
		case c < 0x20 || c == 0x7f:
			return fmt.Sprintf("%#x", c)
		}
	}
	for _, r := range s {
		if r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

func TestEverySize(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, mixed()...)
	p.SetTitle("shop_web, shop_api")
	for _, w := range []int{0, 1, 2, 3, 7, 19, 20, 39, 40, 59, 60, 80, 100, 121, 200} {
		for _, h := range []int{0, 1, 2, 3, 5, 24} {
			p.SetSize(w, h)
			for range 3 {
				p.ToggleWrap()
				p.ToggleTimestamps()
				p.ToggleColumns()
				p.Move(-1)
				if h > 0 {
					checkFrame(t, p, w, h)
				} else if p.View(styles(t, "dark")) != "" {
					t.Error("no height, and lines")
				}
			}
			p.SetFollow(true)
		}
	}
}

// mixed are lines of all kinds that a screen has.
func mixed() []sources.Entry {
	e := func(ms int, l sources.Level, s *sources.Stream, text string) sources.Entry {
		return sources.Entry{Time: at(ms), Level: l, Stream: s, Line: text}
	}
	return []sources.Entry{
		e(0, sources.LevelInfo, web, `level=info ts=2026-11-24T08:14:29Z msg="listening" addr=:8080 workers=8`),
		e(40, sources.LevelDebug, api, `{"level":"debug","time":"2026-11-24T08:14:29Z","msg":"cache miss","key":"user:7","took_ms":3,"tags":["a","b"]}`),
		e(130, sources.LevelWarn, web, `level=warn msg="slow upstream" upstream=api took=1.204s path=/checkout`),
		e(131, sources.LevelUnknown, api, `10.0.1.7 - - [24/Nov/2026:08:14:29 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "kube-probe/1.30"`),
		e(500, sources.LevelError, api, "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 41 [running]:\nmain.checkout(0xc000014a80)\n\t/src/checkout.go:88 +0x1d4\nmain.serve()\n\t/src/main.go:42 +0x6c"),
		e(510, sources.LevelFatal, api, `level=fatal msg="exit status 2"`),
		e(2000, sources.LevelInfo, web, "\x1b[32mGET\x1b[0m /日本語/商品 \x1b]0;owned\x07 ok ‮gnorw‬ \xff\xfe end"),
		e(3000, sources.LevelTrace, web, "tab\tseparated\tvalues and a very long tail that goes on and on so that it must be cut at the edge of the screen or wrapped onto the next line, whichever the reader likes"),
		e(3001, sources.LevelInfo, web, ""),
		e(3500, sources.LevelInfo, web, `level=info msg="recovered" after=2.9s`),
	}
}

func FuzzView(f *testing.F) {
	for _, e := range mixed() {
		f.Add(e.Line, uint8(60), uint8(9), uint8(3), "o")
	}
	f.Add("\u200d👨‍👩‍👧é́́́﷽", uint8(10), uint8(5), uint8(7), "👨")
	f.Add(`{"msg":"\u001b[2J\u0000","a\nb":"c\u202ed"}`, uint8(90), uint8(5), uint8(0), "")
	f.Add("a=\"\x1b[31m\" b=c", uint8(33), uint8(5), uint8(1), "~.")
	f.Fuzz(func(t *testing.T, text string, w, h, options uint8, search string) {
		p := newPane(Options{})
		p.SetSize(int(w), int(h))
		p.SetTitle(text)
		p.SetEmpty(text)
		checkSize(t, p)
		s := &sources.Stream{Service: text, Task: text, Node: text}
		feed(t, p, line(0, text), sources.Entry{Time: at(1), Line: text + "\n" + text, Level: sources.Level(options), Stream: s})
		p.Append(sources.LogBatch{Gap: &sources.Gap{Reason: text, Service: text}, Status: &sources.Status{Name: text, State: sources.Stale, Detail: text}})
		if options&1 != 0 {
			p.ToggleWrap()
		}
		if options&2 != 0 {
			p.ToggleFields()
		}
		if options&4 != 0 {
			p.ScrollSide(int(options))
		}
		if options&8 != 0 {
			p.StartInput(InputSearch)
			p.UpdateInput(tea.PasteMsg{Content: search})
		} else if term, _ := ParseTerm(search); p.SetSearch(term) != nil {
			return
		}
		settle(t, p)
		p.Move(-1)
		checkSize(t, p)
		p.Scroll(-1)
		checkSize(t, p)
	})
}

func checkSize(t *testing.T, p *Pane) {
	t.Helper()
	if p.h > 0 {
		checkFrame(t, p, p.w, p.h)
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
