package ui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
)

// TestTypedTextIsHarmless: a terminal may send as a key what must not be drawn.
func TestTypedTextIsHarmless(t *testing.T) {
	m, _ := console(t, 80, 24, nil)
	for _, open := range []string{"/", ":", "3/"} {
		for _, k := range open {
			m.Update(tea.KeyPressMsg{Code: k, Text: string(k)})
		}
		for _, s := range []string{"a", "\u202e", "\u009b", "\u2066", "\u200d", "b"} {
			m.Update(tea.KeyPressMsg{Code: []rune(s)[0], Text: s})
		}
		frame := ansi.Strip(m.Frame())
		if !strings.Contains(frame, "ab") || strings.ContainsAny(frame, "\u202e\u009b\u2066\u200d") {
			t.Errorf("after %q: %q", open, frame)
		}
		press(t, m, "esc", "esc", "esc")
	}
}

// TestTroubleOfTheStreamKeepsTheFrame: the line that tells of it takes its place from the panes in the same frame.
func TestTroubleOfTheStreamKeepsTheFrame(t *testing.T) {
	for _, view := range []string{"1", "2", "3"} {
		m, _ := console(t, 160, 48, nil)
		press(t, m, view)
		if view == "2" {
			press(t, m, "enter", "tab")
		}
		m.logs.view.Feed()(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Faulty, Detail: "no answer that can be read"}})
		m.Update(wakeMsg{snap: m.snap})
		frame := ansi.Strip(m.Frame())
		if !strings.Contains(frame, "no answer that can be read") {
			t.Errorf("view %s: the trouble is not told:\n%s", view, frame)
		}
		if n := strings.Count(frame, "\n") + 1; n != 48 {
			t.Errorf("view %s: %d lines", view, n)
		}
	}
}
