package ui

import (
	"cmp"
	"fmt"
	"slices"
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
		bakKept: {title: "HAS", width: 4, right: true, drop: 10}, bakKeep: {title: "KEEPS", width: 9, drop: 11}, bakNext: {title: "NEXT", width: 7, right: true, drop: 4},
		bakDrill: {title: "LAST DRILL", width: 12, drop: 2}, bakRTO: {title: "RTO", width: 6, right: true, drop: 5}, bakRPO: {title: "RPO", width: 4, right: true, drop: 7},
	}
	if w >= 150 {
		cols[bakName].flex, cols[bakName].width = false, min(max(longest, 16), 30)
		cols = append(cols, column{title: "PROBLEM", width: 20, flex: true, drop: 12})
	}
	return cols
}

// coverStyle is how a state of coverage is shown.
func coverStyle(st theme.Styles, s recovery.CoverState) (sign string, style theme.Style) {
	switch s {
	case recovery.CoverFresh:
		return st.Signs.OK, st.OK
	case recovery.CoverLate:
		return st.Signs.Degraded, st.Warn
	case recovery.CoverNone, recovery.CoverNotCovered:
		return st.Signs.Down, st.Error
	case recovery.CoverBadPolicy:
		return st.Signs.Faulty, st.Error
	case recovery.CoverExempt:
		return st.Signs.Idle, st.Idle
	}
	return st.Signs.Unknown, st.Unknown
}

// drillStyle is the same of a drill; the word says what the age does not.
func drillStyle(st theme.Styles, s recovery.DrillState) (sign, word string, style theme.Style) {
	switch s {
	case recovery.DrillOK:
		return st.Signs.OK, "", st.OK
	case recovery.DrillFailed:
		return st.Signs.Down, "failed", st.Error
	case recovery.DrillSlow:
		return st.Signs.Degraded, "slow", st.Warn
	case recovery.DrillOverdue:
		return st.Signs.Degraded, "overdue", st.Warn
	case recovery.DrillNever:
		return st.Signs.Degraded, "never", st.Warn
	case recovery.DrillNone:
		return "", "", st.Muted
	}
	return st.Signs.Unknown, "", st.Unknown
}

// bytesWord is a number of bytes, without a space.
func bytesWord(n int64) string { return number(float64(n), "bytes") }

// brief is a span in one word of at most six cells: "40s", "4m10s", "26h", "3d".
func brief(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= 48*time.Hour {
		return chart.Age(d)
	}
	if d >= time.Hour {
		d = d.Truncate(time.Minute)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// keepWord is a rule of keep in few cells: "7d 4w 6m".
func keepWord(k recovery.Keep) string {
	var out []string
	for _, f := range []struct {
		n    int
		unit string
	}{{k.Last, ""}, {k.Hourly, "h"}, {k.Daily, "d"}, {k.Weekly, "w"}, {k.Monthly, "m"}, {k.Yearly, "y"}} {
		if f.n > 0 {
			out = append(out, fmt.Sprint(f.n)+f.unit)
		}
	}
	return strings.Join(out, " ")
}

// nextWord is when a backup is due.
func nextWord(next, now time.Time) string {
	switch {
	case next.IsZero():
		return "–"
	case next.After(now):
		return "in " + chart.Age(next.Sub(now))
	}
	return "due " + calmAge(next, now)
}

// sizeTrend is a sparkline of sizes, a column a snapshot, from nothing to the largest.
func sizeTrend(st theme.Styles, sizes []sources.Point, w int) string {
	n := min(len(sizes), w)
	if n < 2 {
		return strings.Repeat(" ", w)
	}
	start := time.Unix(0, 0)
	even := make([]sources.Point, n) // the times do not matter here
	for i, p := range sizes[len(sizes)-n:] {
		even[i] = sources.Point{T: start.Add(time.Duration(i)*time.Second + 500*time.Millisecond), V: p.V}
	}
	return st.Spark.Render(plain.Fit(chart.Spark(even, start, start.Add(time.Duration(n)*time.Second), n, 0, st.ASCII), w))
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
	if len(parts) > 0 {
		title += " · " + strings.Join(parts, ", ")
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

// savedHead and savedFoot are how many lines stand above and below the list of snapshots.
func (m *Model) savedHead(h int) int {
	if h < 9 {
		return 0
	}
	return min(len(m.coverPage(m.w, 4).lines), 4)
}

func (m *Model) savedFoot(h int) int {
	if h < 7 || len(m.backups.saved.ids) == 0 {
		return 0
	}
	return 3
}

// savedLines draws the snapshots and drills of the row under the cursor.
func (m *Model) savedLines(r rect, focused bool) []string {
	s := &m.backups.saved
	c := m.selectedCover()
	if c == nil {
		return blankLines(r.w, r.h)
	}
	title := s.title("snapshots and drills of "+inLine(cmp.Or(s.of.service, c.Name())), s.total())
	lines := []string{m.titleLine(title, r.w, focused)}
	head, foot := m.savedHead(r.h), m.savedFoot(r.h)
	lines = append(lines, m.coverPage(r.w, 4).exactly(head)...)
	h := r.h - 1 - head - foot
	if len(s.ids) == 0 {
		return append(lines, emptyLines(m.st, m.whyNoSnapshots(c), r.w, h)...)
	}
	cols := []column{{title: "", width: 1}, {title: "TIME", width: 12}, {title: "AGE", width: 4, right: true}, {title: "WHAT", width: 10}, {title: "ID", width: 8},
		{title: "ORIGIN", width: 9, drop: 4}, {title: "SIZE", width: 7, right: true, drop: 2}, {title: "ADDED", width: 7, right: true, drop: 6}, {title: "SERVER", width: 12, drop: 5},
		{title: "NODE", width: 10, drop: 7}, {title: "", width: 16, flex: true, drop: 3}}
	lines = append(lines, s.draw(m.st, cols, r.w, h, focused, func(id string, widths []int) []cell {
		return m.savedCells(id, s.byID[id], len(widths))
	})...)
	if foot > 0 {
		lines = append(lines, m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, r.w)))
		lines = append(lines, m.comparePage(r.w).exactly(foot-1)...)
	}
	return lines
}

// total is how many there are without the filter.
func (s *savedPane) total() int {
	if s.of.contents == nil {
		return 0
	}
	return len(s.of.contents.Snapshots[s.of.service]) + len(s.of.contents.Drills[s.of.service])
}

func (m *Model) whyNoSnapshots(c *recovery.Coverage) string {
	state := m.snap.Source(fleet.BackupsName)
	switch {
	case m.backups.saved.filter != "":
		return "nothing matches: esc takes the filter off"
	case m.backups.contents == nil && state.State == sources.Absent:
		return "no object store is configured: set --s3, QUARTERDECK_S3 or s3.address; without it nobody can tell what was saved"
	case m.backups.contents == nil && state.State == sources.Connecting:
		return "the object store is being asked"
	case m.backups.contents == nil:
		return "could not look: " + string(state.State) + ": " + strings.TrimPrefix(state.Detail, state.Name+": ")
	case c.State == recovery.CoverExempt:
		return "its labels say that it has nothing to be saved (" + recovery.LabelEngine + "=none)"
	case c.State == recovery.CoverBadPolicy:
		return "its policy can save nothing, so there is no snapshot: " + c.Problem
	case m.then().Past:
		return "no snapshot is known that was there then"
	case c.Service == "" || c.State == recovery.CoverNotCovered:
		return "no policy saves it, so there is no snapshot"
	}
	return "no snapshot is recorded yet: B makes one now"
}

func (m *Model) savedCells(id string, r savedRow, n int) []cell {
	st, now := m.st, m.then().At
	cells := make([]cell, n)
	cells[0] = cell{text: m.markOf(id), style: st.Accent}
	cells[1] = cell{text: m.clock(r.at()), style: st.Text}
	cells[2] = cell{text: calmAge(r.at(), now), style: st.Muted}
	if d := r.drill; d != nil {
		sign, style := st.Signs.OK, st.OK
		if !d.OK {
			sign, style = st.Signs.Down, st.Error
		}
		cells[3] = cell{text: sign + " " + drillKind(d), style: style}
		cells[4] = cell{text: inLine(d.Short()), style: st.Muted}
		cells[5] = cell{text: shortName(d.Actor), style: st.Muted}
		cells[6] = cell{text: bytesWord(d.Bytes), style: st.Text}
		cells[10] = cell{text: m.drillWords(d), style: style}
		return cells
	}
	x := r.snapshot
	cells[3] = cell{text: st.Signs.Backup + " snapshot", style: st.Text}
	cells[4] = cell{text: x.Short(), style: st.Accent}
	cells[5] = cell{text: string(x.Origin), style: st.Muted}
	cells[6] = cell{text: bytesWord(x.Size), style: st.Text}
	cells[7] = cell{text: "+" + bytesWord(x.Added), style: st.Muted}
	cells[8] = cell{text: x.Server, style: st.Muted}
	cells[9] = cell{text: x.Node, style: st.Muted}
	cells[10] = cell{text: "read back", style: st.Muted}
	if !x.Verified {
		cells[10] = cell{text: "could not be read back", style: st.Warn}
	}
	return cells
}

// markOf is the letter of a marked snapshot: A is the older.
func (m *Model) markOf(id string) string {
	s := &m.backups.saved
	if !slices.Contains(s.marks, id) {
		return ""
	}
	if _, b := s.compared(); b != nil && id == rowSnapshot+b.ID {
		return "B"
	}
	return "A"
}

// drillWords are what came of a drill or a restore.
func (m *Model) drillWords(d *recovery.Drill) string {
	if !d.OK {
		return "failed: " + cmp.Or(d.Reason, "no reason is recorded")
	}
	words := "RTO " + brief(d.Took()) + ", RPO " + brief(d.Lost())
	if d.Verified != nil {
		words += ", verified"
	} else {
		words += ", read back, not verified"
	}
	return words
}

// comparePage tells of the row under the cursor, or of the two that are marked.
func (m *Model) comparePage(w int) *page {
	p := &page{w: w}
	s := &m.backups.saved
	if a, b := s.compared(); a != nil {
		p.add(m.st.Accent, fmt.Sprintf(" A %s %s · B %s %s · %s apart", a.Short(), m.clock(a.Taken), b.Short(), m.clock(b.Taken), brief(b.Taken.Sub(a.Taken))))
		p.add(m.st.Text, " "+strings.Join(m.differences(a, b), " · "))
		return p
	}
	switch r := s.byID[s.selected()]; {
	case len(s.marks) == 1:
		p.add(m.st.Accent, " A is "+s.byID[s.marks[0]].snapshot.Short()+": space on another compares the two")
	case r.drill != nil:
		d := r.drill
		text := " " + drillKind(d) + " of " + inLine(d.Short()) + " (" + m.clock(d.Taken) + "), " + m.clock(d.Began) + " to " + m.clock(d.Ended) + ": " + m.drillWords(d)
		if v := d.Verified; v != nil {
			text += fmt.Sprintf(" · `%s` ended with %d", v.Command, v.Exit)
		}
		p.add(m.st.Muted, text)
	case r.snapshot != nil:
		x := r.snapshot
		p.command(m.st.Muted, " "+x.ID)
		p.add(m.st.Muted, fmt.Sprintf(" took %s, by run %s · a the moment, space marks to compare, B backup, D drill, r restore", brief(x.Ended.Sub(x.Taken)), x.Run))
	}
	return p
}

// differences are what two snapshots differ in.
func (m *Model) differences(a, b *recovery.Snapshot) []string {
	by := "same size"
	if d := b.Size - a.Size; d != 0 {
		sign := "+"
		if d < 0 {
			sign, d = "-", -d
		}
		by = sign + bytesWord(d)
		if a.Size > 0 {
			by += fmt.Sprintf(" (%s%.0f %%)", sign, 100*float64(d)/float64(a.Size))
		}
	}
	out := []string{bytesWord(a.Size) + " " + m.st.Signs.Right + " " + bytesWord(b.Size) + ", " + by}
	for _, x := range []struct{ name, a, b string }{{"server", a.Server, b.Server}, {"engine", string(a.Engine), string(b.Engine)}, {"database", a.DB, b.DB}, {"volume", a.Volume, b.Volume}, {"node", a.Node, b.Node}} {
		switch {
		case x.a == "" && x.b == "":
		case x.a != x.b:
			out = append(out, x.name+" "+cmp.Or(x.a, "not told")+" "+m.st.Signs.Right+" "+cmp.Or(x.b, "not told"))
		case x.name == "server":
			out = append(out, "server "+x.a)
		}
	}
	return out
}
