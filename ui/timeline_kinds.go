package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources/fleet"
)

// sort of things that happen, by which the timeline can be narrowed.
type happeningSort struct {
	name  string
	kinds []string
}

// happeningSorts are the chips, in their order. What is of none of these kinds is of the last.
var happeningSorts = []happeningSort{
	{"deploys", []string{fleet.DeployStarted, fleet.DeployDone, fleet.DeployPaused, fleet.RolledBack, fleet.Scaled, fleet.Created, fleet.Removed}},
	{"incidents", []string{fleet.IncidentPhase}},
	{"actions", []string{fleet.ActionBegun, fleet.ActionEnded}},
	{"alerts", []string{fleet.AlertFiring, fleet.AlertResolved}},
	{"silences", []string{fleet.SilenceBegun, fleet.SilenceEnded}},
	{"deaths", []string{fleet.TaskDied}},
	{"starts", []string{fleet.TaskStarted}},
	{"health", []string{fleet.HealthChanged}},
	{"nodes", []string{fleet.NodeChanged}},
	{"sources", []string{fleet.SourceChanged}},
	{"marks", []string{fleet.Annotated}},
	{"backups", []string{fleet.SnapshotTaken, fleet.Drilled, fleet.Restored}},
	{"checks", []string{fleet.CheckTurned}},
	{"other", nil},
}

// sortOf is the index of the chip that a kind is of.
func sortOf(kind string) int {
	for i := range happeningSorts {
		if slices.Contains(happeningSorts[i].kinds, kind) {
			return i
		}
	}
	return len(happeningSorts) - 1
}

// chipsLine are the kinds with how many there are; those that are hidden are said to be.
func (m *Model) chipsLine(w int) string {
	t := &m.timeline
	ps := []piece{{text: " ", style: m.st.Text}}
	for i, s := range happeningSorts {
		if t.counts[i] == 0 {
			continue
		}
		text, style := fmt.Sprintf("%s %d  ", s.name, t.counts[i]), m.st.Text
		if t.hidden[i] {
			text, style = fmt.Sprintf("-%s %d  ", s.name, t.counts[i]), m.st.Faint
		}
		ps = append(ps, piece{text: text, style: style, drop: i + 1})
	}
	return fitPieces(ps, nil, w)
}

// kindsBox switches kinds of happenings on and off.
type kindsBox struct{ list list }

func (b *kindsBox) title() string { return "what the timeline shows" }

func (b *kindsBox) paste(string) {}

func (b *kindsBox) size(*Model) (int, int) { return 46, len(happeningSorts) + 2 }

func (b *kindsBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	ids := make([]string, len(happeningSorts))
	for i, s := range happeningSorts {
		ids[i] = s.name
		box := "[x] "
		if m.timeline.hidden[i] {
			box = "[ ] "
		}
		text := fmt.Sprintf(" %s%-10s %5d", box, s.name, m.timeline.counts[i])
		switch {
		case i == b.list.index:
			p.drawn(m.st.Selection.Render(text + strings.Repeat(" ", max(w-len(text), 0))))
		case m.timeline.hidden[i]:
			p.drawn(m.st.Muted.Render(text))
		default:
			p.drawn(m.st.Text.Render(text))
		}
	}
	b.list.setRows(ids)
	p.gap()
	p.hints(m, "space", "on, off", "o", "only this", "a", "all", "esc", "done")
	return p.window(max(min(b.list.index-h/2, len(p.lines)-h), 0), h)
}

func (b *kindsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	hidden, n := &m.timeline.hidden, len(happeningSorts)
	switch k.String() {
	case "esc", "T", "q", "enter":
		return nil, true
	case "ctrl+c":
		return m.quit(), false
	case "space", "x":
		hidden[b.list.index] = !hidden[b.list.index]
	case "o":
		for i := range n {
			hidden[i] = i != b.list.index
		}
	case "a":
		*hidden = [16]bool{}
	default:
		l := list{ids: make([]string, n), index: b.list.index, height: n}
		if l.handle(lookup(k, areaList)) {
			b.list.index = l.index
		}
	}
	return nil, false
}
