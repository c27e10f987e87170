package logview

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// Golden frames: a filter, a search, a gap, a bookmark, a selection and lines of all kinds. They are
// made anew with go test ./ui/logview -run Golden -update.
func TestGolden(t *testing.T) {
	for _, size := range [][2]int{{160, 40}, {100, 20}, {80, 20}, {40, 10}} {
		for _, name := range []string{"dark", "none"} {
			for _, mode := range []string{"cut", "wrap"} {
				t.Run(fmt.Sprintf("%dx%d-%s-%s", size[0], size[1], name, mode), func(t *testing.T) {
					p := sample(t)
					p.SetSize(size[0], size[1])
					if mode == "wrap" {
						p.ToggleWrap()
						p.ToggleFields()
						p.ToggleTimestamps()
						p.ToggleColumns()
					}
					p.Move(-1)
					p.ToggleBookmark()
					p.Move(-2)
					checkFrame(t, p, size[0], size[1])
					golden.RequireEqual(t, p.View(shades(t, name)))
				})
			}
		}
	}
}

// shades is a theme whose colours are fixed here, so that a better shade of yellow changes no frame of this package.
func shades(tb testing.TB, name string) theme.Styles {
	s := *styles(tb, name).Sheet
	if name == "none" {
		return theme.Styles{Sheet: &s}
	}
	ansi := func(n uint8) theme.Style { return theme.StyleOf(lipgloss.NewStyle().Foreground(lipgloss.ANSIColor(n))) }
	s.Text, s.Muted, s.Faint, s.Title = theme.StyleOf(lipgloss.NewStyle()), ansi(7), ansi(8), ansi(15).Bold(true)
	s.OK, s.Info, s.Warn, s.Error = ansi(2), ansi(4), ansi(3), ansi(1)
	s.Selection, s.Match, s.MatchCurrent = ansi(15).Background(lipgloss.ANSIColor(4)), ansi(0).Background(lipgloss.ANSIColor(11)), ansi(0).Background(lipgloss.ANSIColor(9))
	s.Series = []theme.Style{ansi(6), ansi(5), ansi(14)}
	s.Levels = [...]theme.Style{s.Text, s.Faint, s.Faint, s.OK, s.Warn, s.Error, s.Error}
	return theme.Styles{Sheet: &s}
}

// sample is a pane with something of everything.
func sample(tb testing.TB) *Pane {
	p := newPane(Options{})
	p.SetTitle("shop_web, shop_api")
	feed(tb, p, mixed()...)
	p.Append(sources.LogBatch{
		Gap:    &sources.Gap{From: at(2500), To: at(2900), Reason: "loki dropped lines", Lost: 340},
		Status: &sources.Status{Name: "loki", State: sources.HasGap, Lost: 340},
	})
	must(tb, p.Exclude(Term{Text: "healthz"}))
	must(tb, p.SetSearch(Term{Text: "te"}))
	settle(tb, p)
	return p
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
	wide := newPane(Options{})
	feed(t, wide, line(0, "日本語の長い行"))
	wide.ScrollSide(3)
	if s := screen(t, wide); !strings.Contains(s, "web.2  語の長い行") {
		t.Errorf("half a character to the right:\n%s", s)
	}
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
		got := strings.ReplaceAll(body(screen(t, p)), "▌", " ")
		if want := strings.ReplaceAll(down[i], "▌", " "); got != want {
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
		e(2000, sources.LevelInfo, web, "\x1b[32mGET\x1b[0m /日本語/商品 \x1b]0;owned\x07 ok \u202egnorw\u202c \xff\xfe end"),
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
