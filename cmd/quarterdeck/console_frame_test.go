//go:build unix

package main

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui"
)

// TestTheScreenIsTheFrame: what stands on a real terminal is what the model has drawn, cell by cell, in every view, while hostile
// answers come: nothing is written outside of frames, and nothing in a frame makes the terminal do anything else.
func TestTheScreenIsTheFrame(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	screen, tty := newTerminal(t, badWidth, badHeight)
	t.Cleanup(screen.shut)
	t.Cleanup(func() { _ = tty.Close() })
	texts := rewritten(spoiledJSON(false))
	c := hostileConsole(t, d, map[string]fault{"swarm": hostileLists, "loki": texts, "prometheus": texts, "alertmanager": texts},
		tea.WithInput(ui.Typed(tty)), tea.WithOutput(tty), tea.WithEnvironment([]string{"TERM=xterm-256color", "COLORTERM=truecolor"}))
	t.Cleanup(c.close)
	for _, s := range everySource {
		c.waitState(s, 60*time.Second, sources.Live)
	}
	c.wait("services", 60*time.Second, func(s string) bool { return strings.Contains(s, "services 12") })
	for i, k := range append([]string{""}, tour...) {
		if k != "" {
			c.press(k)
		}
		if i%3 != 0 && !strings.ContainsAny(k, "123456789?:/") { // the others are seen in the frames that follow them
			continue
		}
		c.equal(screen, strings.Join(tour[max(0, i-10):i], " "))
	}
	if raw := screen.written(); strings.Contains(raw, "owned") || strings.Contains(raw, "ZXZpbA==") {
		t.Error("a hostile sequence has come through")
	}
}

// equal waits until the terminal shows what the model draws.
func (c *badConsole) equal(screen *terminal, after string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		want, got := cells(c.screen()), cells(screen.text())
		at := -1
		for i := range want {
			if i >= len(got) || want[i] != got[i] {
				at = i
				break
			}
		}
		if at < 0 {
			return
		}
		if time.Now().After(end) {
			line := ""
			if at < len(got) {
				line = got[at]
			}
			c.t.Fatalf("after %s: line %d of the screen is\n%q\nand of the frame\n%q", after, at+1, line, want[at])
		}
	}
}

// cells are a screen's lines without the space at their ends, of which a terminal keeps no account.
func cells(s string) []string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return lines
}
