package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/ui"
	"quarterdeck/ui/plain"
)

// badWidth and badHeight are the console's size: wide, so that all panes are seen at once, and the words of all sources beside the names of all views.
const badWidth, badHeight = 224, 48

// badConsole is the whole console without a terminal: the platform wired as consoleOn does, and the root model
// in Bubble Tea's loop, with a way to press keys and to read the frame. Its methods are one goroutine's.
type badConsole struct {
	t       *testing.T
	p       *platform
	log     string
	asks    chan func(*ui.Model) tea.Msg
	cancel  context.CancelFunc
	running sync.WaitGroup
	closed  bool
}

// asked is the model with a channel by which the test gets a word in, in Bubble Tea's own goroutine.
type asked struct {
	*ui.Model
	asks <-chan func(*ui.Model) tea.Msg
	ctx  context.Context
}

type askMsg struct {
	do func(*ui.Model) tea.Msg
}

func (a asked) next() tea.Msg {
	select {
	case f := <-a.asks:
		return askMsg{f}
	case <-a.ctx.Done():
		return nil
	}
}

func (a asked) Init() tea.Cmd { return tea.Batch(a.Model.Init(), a.next) }

func (a asked) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	ask, ok := msg.(askMsg)
	if !ok {
		_, cmd := a.Model.Update(msg)
		return a, cmd
	}
	var cmd tea.Cmd
	if msg := ask.do(a.Model); msg != nil {
		_, cmd = a.Model.Update(msg)
	}
	return a, tea.Batch(cmd, a.next)
}

// openBadConsole opens a console on d, with addresses in place of those given by source.
func openBadConsole(t *testing.T, d *demo.Platform, instead map[string]string, timeout time.Duration, in ...tea.ProgramOption) *badConsole {
	t.Helper()
	return openConsoleWith(t, d, instead, timeout, nil, in...)
}

// openConsoleWith is the same with more wired: wire may change the options, and starts what runs beside the console until ctx ends.
func openConsoleWith(t *testing.T, d *demo.Platform, instead map[string]string, timeout time.Duration, wire func(ctx context.Context, c *badConsole, o *ui.Options), in ...tea.ProgramOption) *badConsole {
	t.Helper()
	if in == nil { // no terminal
		in = []tea.ProgramOption{tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutRenderer()}
	}
	set := &config.Settings{Name: "bad days", Timeout: timeout, LogMemory: config.DefaultLogMemory, Theme: "dark", LogFile: filepath.Join(t.TempDir(), "log")}
	at := func(source, address string) string {
		if a, ok := instead[source]; ok {
			return a
		}
		return address
	}
	set.Context.Host = at("swarm", d.DockerHost())
	set.Loki.Address, set.Prometheus.Address, set.Alertmanager.Address = at("loki", d.LokiAddr()), at("prometheus", d.PrometheusURL()), at("alertmanager", d.AlertmanagerURL())
	p, err := openPlatform(set)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &badConsole{t: t, p: p, log: set.LogFile, asks: make(chan func(*ui.Model) tea.Msg), cancel: cancel}
	t.Cleanup(c.close)
	o := p.console(true)
	if wire != nil {
		wire(ctx, c, &o)
	}
	m, err := ui.New(o)
	if err != nil {
		t.Fatal(err)
	}
	feeds := p.feeds()
	feeds.Period = raceSlows * time.Second
	c.running.Go(func() { p.fleet.Run(ctx, feeds) })
	c.running.Go(func() {
		err := ui.RunModel(ctx, m, asked{m, c.asks, ctx}, append(in, tea.WithoutSignalHandler(), tea.WithoutCatchPanics(), tea.WithWindowSize(badWidth, badHeight))...)
		if err != nil && ctx.Err() == nil {
			t.Errorf("the console ended: %v", err)
		}
	})
	c.ask(func(*ui.Model) tea.Msg { return tea.WindowSizeMsg{Width: badWidth, Height: badHeight} }) // Bubble Tea's own may come later
	return c
}

func (c *badConsole) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.cancel()
	c.running.Wait()
	if err := c.p.Close(); err != nil {
		c.t.Errorf("close: %v", err)
	}
}

// ask runs f in Bubble Tea's goroutine.
func (c *badConsole) ask(f func(*ui.Model) tea.Msg) {
	c.t.Helper()
	done := make(chan struct{})
	select {
	case c.asks <- func(m *ui.Model) tea.Msg { defer close(done); return f(m) }:
	case <-time.After(raceSlows * 20 * time.Second):
		c.t.Fatal("the console does not answer")
	}
	<-done
}

// frame is the screen as a terminal would be given it.
func (c *badConsole) frame() string {
	c.t.Helper()
	var s string
	c.ask(func(m *ui.Model) tea.Msg { s = m.Frame(); return nil })
	return s
}

// screen is the frame's text, checked to be harmless.
func (c *badConsole) screen() string {
	c.t.Helper()
	s := c.frame()
	if err := harmless(s, badWidth, badHeight); err != nil {
		c.t.Fatalf("%v in\n%q", err, s)
	}
	return sgr.ReplaceAllString(s, "")
}

// press presses keys: one character each, or a name.
func (c *badConsole) press(keys ...string) {
	c.t.Helper()
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "space": tea.KeySpace, "left": tea.KeyLeft, "right": tea.KeyRight}
	for _, k := range keys {
		msg := tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
		if code, ok := named[k]; ok {
			msg = tea.KeyPressMsg{Code: code}
		}
		c.ask(func(*ui.Model) tea.Msg { return msg })
	}
}

// wait waits until the screen is as wanted, and gives it.
func (c *badConsole) wait(what string, most time.Duration, wanted func(screen string) bool) string {
	c.t.Helper()
	var s string
	for end := time.Now().Add(raceSlows * most); ; {
		if s = c.screen(); wanted(s) {
			return s
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: not within %v:\n%s", what, most, s)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// waitState waits until a source is in one of the states, and the header says so.
func (c *badConsole) waitState(source string, most time.Duration, want ...sources.State) sources.Status {
	c.t.Helper()
	var got sources.Status
	c.wait(fmt.Sprintf("%s %v", source, want), most, func(s string) bool {
		got = c.p.fleet.Snapshot().Source(source)
		for _, state := range want {
			since := ""
			if !got.OK() {
				since = " " + got.Since.In(time.Local).Format("15:04:05")
			}
			if got.State == state && strings.Contains(header(s), source+" "+string(state)+since) {
				return true
			}
		}
		return false
	})
	return got
}

// header is the screen's first two lines.
func header(screen string) string {
	lines := strings.SplitN(screen, "\n", 3)
	return strings.Join(lines[:2], "\n")
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// harmless tells whether a frame is exactly w by h cells, and has nothing in it but characters, their colours and line ends.
func harmless(frame string, w, h int) error {
	if len(frame) > 1<<20 {
		return fmt.Errorf("a frame of %d bytes", len(frame))
	}
	if !utf8.ValidString(frame) {
		return fmt.Errorf("invalid UTF-8")
	}
	lines := strings.Split(sgr.ReplaceAllString(frame, ""), "\n")
	if len(lines) != h {
		return fmt.Errorf("%d lines, not %d", len(lines), h)
	}
	for i, l := range lines {
		for _, r := range l {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				return fmt.Errorf("line %d has %U", i+1, r)
			}
		}
		if n := plain.Width(l); n != w {
			return fmt.Errorf("line %d has %d cells, not %d: %q", i+1, n, w, l)
		}
	}
	return nil
}

// logged is what the log file says.
func (c *badConsole) logged() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}
