package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// savedPane is the snapshots and drills of one row, the newest first.
type savedPane struct {
	listPane
	of    savedOf
	byID  map[string]savedRow
	marks []string // ids of the snapshots that are compared, at most two
}

type savedOf struct {
	contents *recovery.Contents
	service  string
	until    time.Time // zero: now
	filter   string
}

// savedRow is a snapshot or a drill.
type savedRow struct {
	snapshot *recovery.Snapshot
	drill    *recovery.Drill
}

func (r savedRow) at() time.Time {
	if r.drill != nil {
		return r.drill.Began
	}
	return r.snapshot.Taken
}

// arrangeSaved makes the rows of the snapshots and drills of the row under the cursor.
func (m *Model) arrangeSaved() {
	s := &m.backups.saved
	of := savedOf{contents: m.backups.contents, filter: s.filter}
	if c := m.selectedCover(); c != nil {
		of.service = c.Service
		if c.By != "" {
			of.service = c.By
		}
	}
	if t := m.then(); t.Past {
		of.until = t.At
	}
	if of == s.of {
		return
	}
	if of.service != s.of.service {
		s.marks, s.cursor, s.index = nil, "", 0
	}
	s.of, s.byID = of, map[string]savedRow{}
	var ids []string
	add := func(id string, r savedRow) {
		if of.until.IsZero() || !r.at().After(of.until) {
			if needle := strings.ToLower(of.filter); needle == "" || strings.Contains(strings.ToLower(m.savedText(r)), needle) {
				ids, s.byID[id] = append(ids, id), r
			}
		}
	}
	if c := of.contents; c != nil && of.service != "" {
		for i := range c.Snapshots[of.service] {
			x := &c.Snapshots[of.service][i]
			add(rowSnapshot+x.ID, savedRow{snapshot: x})
		}
		for i := range c.Drills[of.service] {
			x := &c.Drills[of.service][i]
			add(rowDrill+x.Run, savedRow{drill: x})
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return s.byID[b].at().Compare(s.byID[a].at()) })
	s.marks = slices.DeleteFunc(s.marks, func(id string) bool { return s.byID[id].snapshot == nil })
	s.setRows(ids)
}

// savedText is what the filter looks at.
func (m *Model) savedText(r savedRow) string {
	if d := r.drill; d != nil {
		return strings.Join([]string{drillKind(d), d.Snapshot, d.Reason, d.Actor, m.clock(d.Began)}, " ")
	}
	x := r.snapshot
	return strings.Join([]string{"snapshot", x.ID, string(x.Origin), x.Server, x.Node, x.DB, x.Volume, m.clock(x.Taken)}, " ")
}

func drillKind(d *recovery.Drill) string {
	if d.Real {
		return "restore"
	}
	return "drill"
}

// markSnapshot marks a snapshot to be compared, or takes its mark off; of three the oldest mark goes.
func (m *Model) markSnapshot() tea.Cmd {
	s := &m.backups.saved
	id := s.selected()
	switch {
	case !m.backups.inside:
		return m.say("enter goes into the snapshots: there space marks two to be compared")
	case s.byID[id].snapshot == nil:
		return m.say("two snapshots can be compared, and this is none")
	}
	if i := slices.Index(s.marks, id); i >= 0 {
		s.marks = slices.Delete(s.marks, i, i+1)
		return nil
	}
	s.marks = append(s.marks, id)
	if len(s.marks) > 2 {
		s.marks = s.marks[1:]
	}
	return nil
}

// compared are the two marked snapshots, the older first; nil: there are not two.
func (s *savedPane) compared() (a, b *recovery.Snapshot) {
	if len(s.marks) < 2 {
		return nil, nil
	}
	a, b = s.byID[s.marks[0]].snapshot, s.byID[s.marks[1]].snapshot
	if b.Taken.Before(a.Taken) {
		a, b = b, a
	}
	return a, b
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
	return noneYet
}

// noneYet is why where nothing speaks against a snapshot: one that was made since the store was read last is not seen yet.
const noneYet = "no snapshot is recorded yet: B makes one now"

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
