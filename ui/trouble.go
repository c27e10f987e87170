package ui

import (
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// troubleSource is how many lines one source's trouble takes at most; all together take a quarter of the screen.
const troubleSource = 3

// troubles are the sources whose word cannot be taken as of now, with what they say of it: the panes show what
// was known last, and this why it is old.
func (m *Model) troubles() []sources.Status {
	var out []sources.Status
	for _, s := range m.snap.Sources {
		switch {
		case s.OK(), s.Detail == "", s.State == sources.Absent, s.State == sources.Connecting:
			continue
		case s.Name == fleet.SwarmName && !m.snap.Ready():
			continue // the table is empty and says it
		}
		out = append(out, s)
	}
	// The stream of the log pane often knows before the source is asked the next time.
	if s := m.logs.view.Status(); m.logState().OK() && s.Detail != "" && !(sources.Status{State: s.State}).OK() && s.State != sources.Connecting {
		out = append(out, sources.Status{Name: m.logState().Name, State: s.State, Detail: s.Detail})
	}
	return out
}

// trouble is one line of the block above the last line.
type trouble struct {
	text  string // harmless
	style theme.Style
}

// troubleText wraps what is wrong into the screen's width: nothing where all is well.
func (m *Model) troubleText() []trouble {
	most := m.h / 4
	out := m.nodeTrouble()
	for _, s := range m.troubles() {
		sign, word, style := m.st.Source(string(s.State))
		text := sign + " " + s.Name + " " + word
		if !s.Since.IsZero() {
			text += " since " + m.clock(s.Since)
		}
		lines := wrapText(plain.LineN(text+": "+strings.TrimPrefix(s.Detail, s.Name+": "), troubleSource*m.w), max(m.w-4, 1))
		for i, l := range lines[:min(len(lines), troubleSource)] {
			if i > 0 {
				l = "  " + l
			}
			if len(out) < most {
				out = append(out, trouble{text: l, style: style})
			}
		}
	}
	return out
}

// troubleLines draws the block.
func (m *Model) troubleLines() []string {
	var out []string
	for _, t := range m.troubleText() {
		out = append(out, t.style.Render(plain.Fit(" "+t.text, m.w)))
	}
	return out
}

// nodeTrouble is a line of the nodes that are not up, and one of those from which no news comes although the engine calls them ready: it is the
// first sign of a machine that hangs, for Swarm waits for three heartbeats before it says so.
func (m *Model) nodeTrouble() []trouble {
	if m.view != viewOverview && m.view != viewServices || !m.when.live() {
		return nil
	}
	var down, quiet []string
	for i := range m.snap.Nodes {
		switch n := &m.snap.Nodes[i]; {
		case n.State == string(fleet.Unknown):
		case !n.Up():
			words := inLine(n.Name) + " is " + inLine(n.State)
			if at := n.SeenDown(); !at.IsZero() {
				words += " since " + m.clock(at)
			}
			if n.Message != "" {
				words += " (" + inLine(n.Message) + ")"
			}
			down = append(down, words)
		case !n.Heard.IsZero():
			quiet = append(quiet, "no news from "+inLine(n.Name)+" since "+m.clock(n.Heard))
		}
	}
	var out []trouble
	if len(down) > 0 {
		out = append(out, trouble{m.st.Signs.Down + " node " + strings.Join(down, ", ") + " · 9 shows the nodes", m.st.Error})
	}
	if len(quiet) > 0 {
		out = append(out, trouble{m.st.Signs.Look + " " + strings.Join(quiet, ", ") + ": its exporter's figures come no more, the engine still calls it ready · 9 shows the nodes", m.st.Warn})
	}
	return out
}
