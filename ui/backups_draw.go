package ui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// Columns of the backups, by their place.
const (
	bakName = iota
	bakEngine
	bakState
	bakAge
	bakSize
	bakTrend
	bakKept
	bakKeep
	bakNext
	bakDrill
	bakRTO
	bakRPO
	bakProblem
)

// backupColumns are the table's. With room the problem is the column that grows; without, it stands below the table.
func backupColumns(w, longest int) []column {
	cols := []column{
		bakName: {title: "SERVICE", width: 16, flex: true}, bakEngine: {title: "ENGINE", width: 8, drop: 8}, bakState: {title: "STATE", width: 16},
		bakAge: {title: "AGE", width: 4, right: true}, bakSize: {title: "SIZE", width: 7, right: true, drop: 3}, bakTrend: {title: "", width: 8, drop: 9},
		bakKept: {title: "HAS", width: 4, right: true, drop: 10}, bakKeep: {title: "KEEPS", width: 9, drop: 11}, bakNext: {title: "NEXT", width: 9, right: true, drop: 4},
		bakDrill: {title: "LAST DRILL", width: 12, drop: 2}, bakRTO: {title: "RTO", width: 6, right: true, drop: 5}, bakRPO: {title: "RPO", width: 4, right: true, drop: 7},
	}
	if w >= 150 {
		cols[bakName].flex, cols[bakName].width = false, min(max(longest, 16), 30)
		cols = append(cols, column{title: "PROBLEM", width: 20, flex: true, drop: 12})
	}
	return cols
}

// coverName is how a row is called.
func coverName(c *recovery.Coverage) string {
	if c.Service == "" {
		return "volume " + c.Volume
	}
	return c.Service
}

// longest is the width of the longest name; the engine takes ASCII alone.
func (p *backupsPane) longest() int {
	n := 0
	for i := range p.rows {
		n = max(n, len(coverName(&p.rows[i])))
	}
	return n
}

func (m *Model) coverCells(c *recovery.Coverage, widths []int) []cell {
	st, now := m.st, m.then().At
	cells := make([]cell, len(widths))
	sign, style := coverStyle(st, c.State)
	cells[bakName] = cell{text: coverName(c), style: st.Text}
	cells[bakEngine] = cell{text: string(c.Policy.Engine), style: st.Muted}
	cells[bakState] = cell{text: sign + " " + string(c.State), style: style}
	figures := st.Text
	if !m.snap.Source(fleet.BackupsName).OK() {
		figures = st.Stale
	}
	if c.By != "" {
		cells[bakEngine].text = "by " + c.By
	}
	if c.Newest != nil {
		cells[bakAge] = cell{text: calmAge(c.Newest.Taken, now), style: figures}
		cells[bakSize] = cell{text: bytesWord(c.Newest.Size), style: figures}
	}
	if w := widths[bakTrend]; w > 0 {
		cells[bakTrend] = cell{drawn: sizeTrend(st, c.Sizes, w)}
	}
	if c.Kept > 0 {
		cells[bakKept] = cell{text: fmt.Sprint(c.Kept), style: figures}
	}
	if c.Policy.Usable() {
		cells[bakKeep] = cell{text: keepWord(c.Policy.Keep), style: st.Muted}
		cells[bakNext] = cell{text: nextWord(c.Next, now), style: st.Muted}
		if !c.Next.IsZero() && now.After(c.Next) {
			cells[bakNext].style = st.Warn
		}
	}
	m.drillCells(c, cells, figures)
	if len(widths) > bakProblem {
		cells[bakProblem] = cell{text: c.Problem, style: style}
		if c.State == recovery.CoverFresh {
			cells[bakProblem].style = st.Warn
		}
	}
	return cells
}

func (m *Model) drillCells(c *recovery.Coverage, cells []cell, figures theme.Style) {
	sign, word, style := drillStyle(m.st, c.DrillState)
	text := strings.TrimSpace(sign + " " + word)
	if d := c.Drill; d != nil {
		text = strings.TrimSpace(text + " " + calmAge(d.Began, m.then().At))
		if d.OK {
			cells[bakRTO] = cell{text: brief(d.Took()), style: figures}
			cells[bakRPO] = cell{text: chart.Age(d.Lost().Round(time.Second)), style: figures}
			if d.RTO > c.Policy.RTO.Seconds() {
				cells[bakRTO].style = m.st.Warn
			}
		}
	}
	cells[bakDrill] = cell{text: text, style: style}
}

// backupsTitle counts what needs a look, and says what the figures are as of.
func (m *Model) backupsTitle() string {
	p := &m.backups
	title := p.title("backups", len(p.rows))
	state := m.snap.Source(fleet.BackupsName)
	if p.contents == nil && state.State == sources.Absent {
		return title + " · no object store is configured: set --s3, QUARTERDECK_S3 or s3.address"
	}
	var parts []string
	for _, s := range []recovery.CoverState{recovery.CoverNone, recovery.CoverLate, recovery.CoverBadPolicy, recovery.CoverNotCovered, recovery.CoverUnknown, recovery.CoverFresh} {
		n := 0
		for i := range p.rows {
			if p.rows[i].State == s {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	for _, f := range m.hands.foreign {
		if f.life == lifeSeen {
			title += " · " + inLine(f.Run.Action+" "+f.Run.Target+" under way on "+f.Run.Host)
		}
	}
	if len(parts) > 0 {
		title += " · " + strings.Join(parts, ", ")
	}
	if words := m.dayWords(); words != "" {
		title += " · " + inLine(words)
	}
	switch {
	case m.then().Past:
		title += " · at " + m.clock(m.then().At) + ", without what was pruned since"
	case p.contents != nil && !state.OK():
		title += " · as of " + m.clock(p.contents.Read)
	}
	if n := m.goneWithSnapshots(); n > 0 {
		title += " · of " + count(n, "service") + " that the swarm does not have, too: quarterdeck snapshots"
	}
	return title
}

// goneWithSnapshots counts the services that have snapshots and are not in the swarm.
func (m *Model) goneWithSnapshots() int {
	n := 0
	if c := m.backups.contents; c != nil && m.snap.Ready() && m.when.live() {
		for name, list := range c.Snapshots {
			if len(list) > 0 && m.snap.Service(name) == nil {
				n++
			}
		}
	}
	return n
}

func (m *Model) whyNoBackups() string {
	switch {
	case m.backups.filter != "":
		return "nothing matches: esc takes the filter off"
	case !m.snap.Ready():
		return m.whyNoServices()
	}
	return "no service of this swarm has a named volume, a database's image or a backup policy (" + recovery.LabelEngine + ")"
}

// backupsLines draws the services, and below them what is to be told of the one under the cursor, or its snapshots.
func (m *Model) backupsLines(r rects) []string {
	p := &m.backups
	if r.about.h == 0 && p.inside {
		return m.savedLines(r.table, true)
	}
	lines := []string{m.titleLine(m.backupsTitle(), r.table.w, !p.inside)}
	foot := 0
	if r.about.h == 0 {
		foot = m.backupsFoot(r.table.h)
	}
	h := r.table.h - 1 - foot
	if len(p.ids) == 0 {
		lines = append(lines, emptyLines(m.st, m.whyNoBackups(), r.table.w, h)...)
	} else {
		lines = append(lines, p.draw(m.st, backupColumns(r.table.w, p.longest()), r.table.w, h, !p.inside, func(id string, widths []int) []cell {
			return m.coverCells(p.byID[id], widths)
		})...)
	}
	if foot > 0 {
		lines = append(lines, m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, r.table.w)))
		lines = append(lines, m.coverPage(r.table.w, foot-1).exactly(foot-1)...)
	}
	if r.about.h > 0 {
		lines = append(lines, m.savedLines(r.about, p.inside)...)
	}
	return lines
}

// backupsFoot is how many lines tell of the row under the cursor where its snapshots are not shown.
func (m *Model) backupsFoot(h int) int {
	if h < 12 || len(m.backups.ids) == 0 {
		return 0
	}
	return 5
}

// coverPage is what is to be told of the row under the cursor: what is wrong with it, the label to set, and its policy.
func (m *Model) coverPage(w, most int) *page {
	p := &page{w: w}
	c := m.selectedCover()
	if c == nil {
		return p
	}
	sign, style := coverStyle(m.st, c.State)
	head := coverName(c) + ": " + string(c.State)
	switch {
	case c.Problem != "":
		head += ", " + c.Problem
	case c.By != "":
		head += ", saved by the policy of " + c.By
	case c.State == recovery.CoverExempt:
		head += ", its labels say that it has nothing to be saved"
	default:
		head += ", nothing is wrong"
	}
	if c.State == recovery.CoverFresh && c.Problem != "" {
		style = m.st.Warn
	}
	for _, l := range wrapMost(inLine(sign+" "+head), w-2, max(most-2, 1)) {
		p.lines = append(p.lines, style.Render(plain.Fit(" "+l, w)))
	}
	if pol := &c.Policy; pol.Usable() {
		words := []string{string(pol.Engine)}
		for _, x := range []string{pol.DB, pol.Volume} {
			if x != "" {
				words = append(words, x)
			}
		}
		words = append(words, "schedule "+pol.Schedule, "at most "+brief(pol.MaxAge)+" old", "keeps "+cmp.Or(pol.Keep.String(), "all"), "rto "+brief(pol.RTO))
		p.lines = append(p.lines, m.st.Muted.Render(plain.Fit(" "+inLine(strings.Join(words, " · ")), w)))
		if pol.Verify != "" {
			p.lines = append(p.lines, m.st.Muted.Render(plain.Fit(" verify "+inLine(pol.Verify), w)))
		}
	}
	for _, x := range c.Policy.Problems {
		if text := x.String(); len(p.lines) < most && !strings.HasPrefix(c.Problem, text) {
			p.lines = append(p.lines, m.st.Warn.Render(plain.Fit(" "+m.st.Signs.Warning+" "+inLine(text), w)))
		}
	}
	if len(c.Mounts) > 0 {
		p.lines = append(p.lines, m.st.Muted.Render(plain.Fit(" mounted by "+inLine(strings.Join(c.Mounts, ", ")), w)))
	}
	return p
}
