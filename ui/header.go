package ui

import (
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// piece is a stretch of a line: harmless text with its style; the highest drop goes first where space is short.
type piece struct {
	text  string
	style theme.Style
	drop  int
	tab   string // the key of the view that a click on it opens
}

// fitPieces joins pieces into exactly w cells, dropping the ones that matter least; those of one rank go together.
func fitPieces(left, right []piece, w int) string {
	left, right = keepPieces(left, right, w)
	if width(left)+width(right)+1 > w {
		return fitStyled(draw(left)+" "+draw(right), w)
	}
	return draw(left) + strings.Repeat(" ", w-width(left)-width(right)) + draw(right)
}

// keepPieces are the pieces that stay where only w cells are there.
func keepPieces(left, right []piece, w int) (l, r []piece) {
	for width(left)+width(right)+1 > w {
		rank := max(worst(left), worst(right))
		if rank == 0 {
			break
		}
		left, right = without(left, rank), without(right, rank)
	}
	return left, right
}

// tabAt is the key of the view whose tab stands at a column of the header's second line; "": none does.
func (m *Model) tabAt(x int) string {
	left, _ := keepPieces(m.tabPieces(), m.sourcePieces(), m.w)
	at := 0
	for _, p := range left {
		if at += plain.Width(p.text); x < at {
			return p.tab
		}
	}
	return ""
}

func without(ps []piece, rank int) []piece {
	return slices.DeleteFunc(ps, func(p piece) bool { return p.drop == rank })
}

func width(ps []piece) int {
	n := 0
	for _, p := range ps {
		n += plain.Width(p.text)
	}
	return n
}

func worst(ps []piece) int {
	rank := 0
	for _, p := range ps {
		rank = max(rank, p.drop)
	}
	return rank
}

func draw(ps []piece) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.style.Render(p.text))
	}
	return b.String()
}

// headerLines are the two lines at the top: how the platform stands, then where one is and how
// fresh what is shown can be.
func (m *Model) headerLines(r rects) []string {
	return []string{fitPieces(m.brandPieces(), m.countPieces(), r.header.w), fitPieces(m.tabPieces(), m.sourcePieces(), r.header.w)}
}

func (m *Model) brandPieces() []piece {
	st := m.st
	ps := []piece{{text: " quarterdeck ", style: st.Brand, drop: 9}, {text: " " + plain.Clip(inLine(m.o.Context), 24), style: st.Title}}
	if m.o.Demo {
		ps = append(ps, piece{text: " ", style: st.Text}, piece{text: " DEMO ", style: st.DemoBadge})
	}
	if m.o.ReadOnly {
		ps = append(ps, piece{text: " ", style: st.Text}, piece{text: " READ-ONLY ", style: st.DemoBadge, drop: 5})
	}
	ps = append(ps, m.whenPieces()...)
	return append(append(append(append(ps, m.scalingPieces()...), m.incidentPieces()...), m.runPieces()...), m.teamPieces()...)
}

func (m *Model) countPieces() []piece {
	st := m.st
	if !m.snap.Ready() {
		return []piece{{text: "no listing yet ", style: st.Muted}}
	}
	then := m.then()
	c := then.Counts
	nodes, nodesSign := st.Muted, ""
	if c.NodesUp < c.Nodes {
		nodes, nodesSign = st.Error, st.Signs.Down+" "
	}
	dark := then.Past && then.At.Before(then.KnownSince) // nobody was looking
	up := fmt.Sprint(c.NodesUp)
	if dark {
		up, nodes, nodesSign, c.Managers = "?", st.Stale, "", 0
	}
	ps := []piece{{text: fmt.Sprintf("%snodes %s/%d", nodesSign, up, c.Nodes), style: nodes, drop: 3}}
	if c.Managers > 0 && c.ManagersUp <= c.Managers/2 {
		ps = append(ps, piece{text: "  NO QUORUM", style: st.Error})
	}
	ps = append(ps, piece{text: fmt.Sprintf("   services %d", c.Services), style: st.Muted, drop: 6})
	look, of := needLook(then)
	for _, x := range []struct {
		h fleet.Health
		n int
	}{{fleet.Down, c.Down}, {fleet.Degraded, c.Degraded}, {fleet.Updating, c.Updating}, {fleet.Unknown, c.Unknown}, {fleet.Healthy, c.Healthy}, {fleet.Idle, c.Idle}} {
		if x.h == fleet.Updating && look > 0 {
			ps = append(ps, piece{text: fmt.Sprintf("  %s %d", st.Signs.Look, look), style: st.Warn}, piece{text: needsLook(look), style: st.Warn, drop: 6})
		}
		if x.n -= of[x.h]; x.n == 0 && x.h != fleet.Healthy {
			continue
		}
		sign, word, style := st.Health(string(x.h))
		drop := 2
		if x.h == fleet.Idle || x.h == fleet.Healthy {
			drop = 4
		}
		ps = append(ps, piece{text: fmt.Sprintf("  %s %d", sign, x.n), style: style}, piece{text: " " + word, style: style, drop: drop + 4})
	}
	alerts := piece{text: "   alerts 0 ", style: st.Muted, drop: 1}
	switch {
	case dark:
		alerts = piece{text: fmt.Sprintf("   alerts %d? ", c.Firing), style: st.Stale, drop: 1}
	case c.Firing > 0:
		alerts = piece{text: fmt.Sprintf("   alerts %d firing ", c.Firing), style: st.Error}
	case !m.snap.AlertStatus().OK():
		alerts = piece{text: "   alerts ? ", style: st.Stale, drop: 1}
	}
	return append(ps, alerts)
}

// tabs are the views that have a number, in its order.
var tabs = []struct {
	view view
	key  string
	name string
}{{viewOverview, "1", "overview"}, {viewServices, "2", "services"}, {viewLogs, "3", "logs"}, {viewMetrics, "4", "metrics"},
	{viewAlerts, "5", "alerts"}, {viewTimeline, "6", "timeline"}, {viewStages, "7", "stages"}, {viewBackups, "8", "backups"}, {viewNodes, "9", "nodes"}}

func (m *Model) tabPieces() []piece {
	st := m.st
	ps := []piece{{text: " ", style: st.Text}}
	for _, t := range tabs {
		here := t.view == m.view || (t.view == viewServices && m.view == viewTasks)
		if here {
			ps = append(ps, piece{text: t.key + " " + t.name, style: st.TabActive, tab: t.key}, piece{text: "  ", style: st.Text})
			continue
		}
		ps = append(ps, piece{text: t.key, style: st.HintKey, drop: 3, tab: t.key}, piece{text: " " + t.name, style: st.Muted, drop: 6, tab: t.key},
			piece{text: " ", style: st.Text, drop: 3}, piece{text: " ", style: st.Text, drop: 8})
	}
	return ps
}

func (m *Model) sourcePieces() []piece {
	var ps []piece
	for _, s := range m.snap.Sources {
		if s.State == sources.Absent && s.Name == fleet.DockerLogsName {
			continue
		}
		sign, word, style := m.st.Source(string(s.State))
		text := " " + sign + " " + s.Name
		drop := 1
		if s.OK() {
			drop = 4
		}
		more := " " + word
		if !s.OK() && s.State != sources.Absent && s.State != sources.Connecting {
			more += " " + m.clock(s.Since)
		}
		if s.Lost > 0 {
			more += fmt.Sprintf(" %d", s.Lost)
		}
		detail := 7
		switch {
		case s.State == sources.Absent, s.OK() && s.Name == fleet.BackupsName: // the views that would show it, or its own, say so
			drop, detail = 9, 9
		case !s.OK():
			detail = 2
		}
		ps = append(ps, piece{text: text, style: style, drop: drop}, piece{text: more, style: style, drop: detail}, piece{text: " ", style: m.st.Text, drop: 8})
	}
	return ps
}

func needsLook(n int) string {
	if n == 1 {
		return " needs a look"
	}
	return " need a look"
}
