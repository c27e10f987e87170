package ui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// openRuns shows the runs of this session and those that were interrupted: the one there is, or a list.
func (m *Model) openRuns() tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	look := m.lookForForeign(false)
	switch rows := m.runRows(); {
	case len(rows) == 0:
		return tea.Batch(look, m.lookForOpen(true), m.say("no run of this session, and none that was interrupted"))
	case len(rows) == 1:
		m.overlay = rows[0].box()
	default:
		b := &runsBox{}
		if old, ok := m.overlay.(*runsBox); ok {
			b = old
		}
		m.overlay = b
	}
	return tea.Batch(look, m.lookForOpen(false))
}

// runRow is a line of the list of runs.
type runRow struct {
	id, title, state, sign string
	style                  theme.Style
	box                    func() overlay
}

// runRows are the interrupted runs, then those that go on, then those that have ended, the newest first.
func (m *Model) runRows() []runRow {
	var out []runRow
	for _, s := range m.hands.open {
		out = append(out, runRow{id: s.Run.ID, title: s.Run.Action + " " + s.Run.Target, state: "unfinished", sign: m.st.Signs.Warning, style: m.st.Warn,
			box: func() overlay { return newOpenBox(m, s) }})
	}
	for _, f := range m.hands.foreign {
		r := runRow{id: f.Run.ID, title: f.Run.Action + " " + f.Run.Target, state: "on " + f.Run.Host + ": unfinished", sign: m.st.Signs.Warning, style: m.st.Warn, box: func() overlay { return newOpenBox(m, f.Standing) }}
		switch f.life {
		case lifeSeen:
			r.state, r.sign, r.style = "under way on "+f.Run.Host+" by "+shortName(f.Run.Actor), m.st.Signs.Updating, m.st.Updating
		case lifeUnknown:
			r.state, r.sign, r.style = "on "+f.Run.Host+": looking whether it is under way", m.st.Signs.Unknown, m.st.Muted
		}
		out = append(out, r)
	}
	for _, ended := range []bool{false, true} {
		for i := len(m.hands.runs) - 1; i >= 0; i-- {
			e := m.hands.runs[i]
			if e.ended != ended {
				continue
			}
			sign, state, style := m.verdict(e)
			if done, all := e.progress.Done(); !ended && all > 1 {
				state = fmt.Sprintf("%d/%d %s", done, all, state)
			}
			out = append(out, runRow{id: e.progress.Run, title: e.progress.Title, state: state, sign: sign, style: style, box: func() overlay { return newProgressBox(m, e) }})
		}
	}
	return out
}

// runsBox is the list of runs.
type runsBox struct{ list list }

func (b *runsBox) title() string            { return "runs" }
func (b *runsBox) paste(string)             {}
func (b *runsBox) size(m *Model) (w, h int) { return boxWidth(m), min(max(len(m.runRows())+2, 6), 20) }

// rows are the runs as of now; the cursor stays on its own.
func (b *runsBox) rows(m *Model) []runRow {
	rows := m.runRows()
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	b.list.setRows(ids)
	return rows
}

func (b *runsBox) lines(m *Model, w, h int) []string {
	rows := b.rows(m)
	p := &page{w: w}
	foot := &page{w: w}
	foot.gap()
	foot.hints(m, "enter", "shows it", "esc", "back")
	room := max(h-len(foot.lines), 1)
	b.list.setHeight(room)
	for i := b.list.offset; i < len(rows) && i < b.list.offset+room; i++ {
		r := &rows[i]
		text := r.sign + " " + plain.Fit(inLine(r.title), w*2/5) + " " + inLine(r.state)
		style := r.style
		if i == b.list.index {
			style = m.st.Selection
		}
		p.drawn(style.Render(plain.Fit(text, w)))
	}
	return append(p.exactly(room), foot.lines...)[:h]
}

func (b *runsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	rows := b.rows(m)
	switch k.String() {
	case "ctrl+c":
		return m.quit(), false
	case "esc", "q", "R":
		return nil, true
	case "enter":
		if b.list.index < len(rows) {
			m.overlay = rows[b.list.index].box()
		}
	default:
		b.list.handle(lookup(k, areaList))
	}
	return nil, false
}

// requestUndo plans to take a run back; "": the last one that can be.
func (m *Model) requestUndo(run, title string) tea.Cmd {
	what := "take back " + inLine(title)
	if title == "" {
		what = "undo the last run"
	}
	return m.requestPlan(what, undoOf(run))
}

// runPieces tell in the header of the runs that go on, have failed unseen, or were interrupted.
func (m *Model) runPieces() []piece {
	var ps []piece
	st := m.st
	add := func(sign, title, rest string, style theme.Style) {
		ps = append(ps, piece{text: "  " + sign, style: style})
		if title != "" {
			ps = append(ps, piece{text: " " + title, style: style, drop: 5})
		}
		ps = append(ps, piece{text: rest, style: style})
	}
	if active := m.hands.active(); len(active) > 0 {
		e := active[len(active)-1]
		rest := runCount(&e.progress)
		if n := len(active) - 1; n > 0 {
			rest += fmt.Sprintf(" +%d", n)
		}
		add(m.runSign(), plain.Clip(inLine(e.progress.Title), 28), rest, st.Updating)
	}
	if failed := m.hands.failed(); len(failed) > 0 {
		add(st.Signs.Down, "", " "+count(len(failed), "run")+" failed", st.Error)
	}
	if n := len(m.hands.open) + m.deadForeign(); n > 0 {
		add("!", "", fmt.Sprintf(" %d unfinished", n)+runNoun(n), st.Warn)
	}
	return ps
}

func runNoun(n int) string {
	if n == 1 {
		return " run"
	}
	return " runs"
}

func (m *Model) runSign() string {
	if m.st.ASCII {
		return ">"
	}
	return "▶"
}

// runCount is how far a run is: services of all, or of a single one the places that are well.
func runCount(p *actions.Progress) string {
	done, all := p.Done()
	if all == 1 {
		done, all = p.Rollouts[0].Well, p.Rollouts[0].Want
	}
	if all == 0 {
		return ""
	}
	return fmt.Sprintf(" %d/%d", done, all)
}
