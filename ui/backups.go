package ui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/recovery"
	"quarterdeck/sources/fleet"
)

// The first letters of ids: what a row is of.
const (
	coverService = "s\x00"
	coverVolume  = "v\x00"
	rowSnapshot  = "s\x00"
	rowDrill     = "d\x00"
)

// backupsPane is how services stand with their backups, and the snapshots and drills of the one under the cursor.
type backupsPane struct {
	listPane
	contents *recovery.Contents // as of the last wake-up; nil: nothing could be read yet
	rows     []recovery.Coverage
	byID     map[string]*recovery.Coverage
	made     coverOf

	inside bool // the cursor moves in the snapshots
	saved  savedPane
	want   string // the service that the cursor is to go to, where it has a row
	moved  bool   // the cursor was moved here: what it is on is selected everywhere
	unseen bool   // it was just opened, and nobody has seen where the cursor is
}

// coverOf is what the rows were made of: while it is the same, they are too.
type coverOf struct {
	snap     *fleet.Snapshot
	contents *recovery.Contents
}

func coverID(c *recovery.Coverage) string {
	if c.Service == "" {
		return coverVolume + c.Volume
	}
	return coverService + c.Service
}

// contentsThen is the catalogue as it was at a moment, as far as it still tells: what was pruned since is not in it.
func contentsThen(c *recovery.Contents, then *fleet.Snapshot) *recovery.Contents {
	if c == nil || !then.Past {
		return c
	}
	out := &recovery.Contents{Read: then.At, Unreadable: c.Unreadable, Snapshots: make(map[string][]recovery.Snapshot, len(c.Snapshots)), Drills: make(map[string][]recovery.Drill, len(c.Drills)), Days: make(map[string][]recovery.Day, len(c.Days))}
	for name, list := range c.Snapshots {
		i := 0
		for i < len(list) && list[i].Taken.After(then.At) {
			i++
		}
		out.Snapshots[name] = list[i:]
	}
	for name, list := range c.Drills {
		i := 0
		for i < len(list) && list[i].Began.After(then.At) {
			i++
		}
		out.Drills[name] = list[i:]
	}
	for stack, list := range c.Days {
		i := 0
		for i < len(list) && list[i].Began.After(then.At) {
			i++
		}
		out.Days[stack] = list[i:]
	}
	return out
}

// arrangeBackups makes the rows, while they are on the screen.
func (m *Model) arrangeBackups() {
	p := &m.backups
	if m.view != viewBackups {
		return
	}
	then := m.then()
	if made := (coverOf{then, p.contents}); made != p.made {
		p.made = made
		p.rows = recovery.Cover(then, contentsThen(p.contents, then), then.At.In(m.o.Location))
		p.byID = make(map[string]*recovery.Coverage, len(p.rows))
		for i := range p.rows {
			p.byID[coverID(&p.rows[i])] = &p.rows[i]
		}
		p.of = arranged{}
	}
	p.arrange(then, len(p.rows), func(i int) string { return coverID(&p.rows[i]) }, func(i int) string {
		c := &p.rows[i]
		return strings.Join([]string{c.Service, c.Volume, string(c.Policy.Engine), string(c.State), string(c.DrillState), c.Problem}, " ")
	}, false)
	if p.want != "" && len(p.rows) > 0 {
		p.selectID(coverService + p.want)
		p.want = ""
	}
	m.arrangeSaved()
}

func (m *Model) selectedCover() *recovery.Coverage { return m.backups.byID[m.backups.selected()] }

// selectedSaved is the snapshot or drill under the cursor; while that is in the services, the newest snapshot.
func (m *Model) selectedSaved() savedRow {
	if m.backups.inside {
		return m.backups.saved.byID[m.backups.saved.selected()]
	}
	if c := m.selectedCover(); c != nil && c.Newest != nil {
		return savedRow{snapshot: c.Newest}
	}
	return savedRow{}
}

// backupsService is the service that the backups are about; of a volume the first that mounts it.
func (m *Model) backupsService() string {
	c := m.selectedCover()
	switch {
	case c == nil:
		return ""
	case c.Service == "" && len(c.Mounts) > 0:
		return c.Mounts[0]
	}
	return c.Service
}

// doInBackups does what a key means in the backups, and tells whether it was one.
func (m *Model) doInBackups(a act) (tea.Cmd, bool) {
	p := &m.backups
	m.arrangeBackups() // the palette opens the view and goes on at once
	if m.listInFocus().handle(a) {
		if !p.inside {
			p.moved = true
			m.arrangeSaved()
			m.services.selectID(m.backupsService())
		}
		return nil, true
	}
	switch a {
	case actEnter:
		return m.enterBackups(), true
	case actMark:
		return m.markSnapshot(), true
	case actMoment:
		r := m.selectedSaved()
		if r == (savedRow{}) {
			return m.say("no snapshot is there that has a moment"), true
		}
		m.when.set(r.at(), m.o.Now())
		return nil, true
	case actBackup, actDrill, actRestore:
		return m.askRecovery(a), true
	case actRunbook:
		return m.openRunbook(), true
	case actDay:
		return m.askDay(), true
	case actMarkAll, actSort, actSortReverse, actWorst, actOnlyBad:
		return nil, true // of the service table, which is not shown
	}
	return nil, false
}

// enterBackups goes into the snapshots, and from one to its service at its moment.
func (m *Model) enterBackups() tea.Cmd {
	p := &m.backups
	if !p.inside {
		c := m.selectedCover()
		switch {
		case c == nil:
			return nil
		case len(p.saved.ids) == 0 && p.saved.filter == "":
			return m.say(inLine(m.whyNoSnapshots(c)))
		}
		p.inside = true
		return nil
	}
	r := p.saved.byID[p.saved.selected()]
	if r == (savedRow{}) {
		return nil
	}
	return m.goTo(m.backupsService(), "", r.at())
}

// askRecovery asks for the plan of a backup, a drill or a restore. From within the snapshots these are of the one under the cursor, else of the newest, or of the
// newest at or before the moment that is looked at.
func (m *Model) askRecovery(a act) tea.Cmd {
	c := m.selectedCover()
	if c == nil {
		return m.say("nothing is selected")
	}
	service := m.backupsService()
	if at := m.services.selected(); m.backups.unseen && service != at {
		return m.say(inLine(at) + " has nothing here that could be saved: choose a row")
	}
	if c.By != "" {
		service = c.By
	}
	snapshot := ""
	if r := m.selectedSaved(); a != actBackup && r.snapshot != nil {
		snapshot = r.snapshot.ID
	} else if a != actBackup && r.drill != nil {
		snapshot = r.drill.Snapshot
	}
	why := m.whyNoSnapshots(c)
	if snapshot == "" && why == noneYet {
		snapshot = "latest" // the planner asks the store, and says it where there is none
	}
	switch {
	case a == actBackup:
		return m.askBackup(service)
	case snapshot == "":
		return m.say(inLine(why))
	case !m.when.live() && !m.backups.inside && a == actDrill:
		return m.askDrillAt(service, m.when.at)
	case !m.when.live() && !m.backups.inside:
		return m.askRestoreAt(service, m.when.at)
	case a == actDrill:
		return m.askDrill(service, snapshot)
	}
	return m.askRestore(service, snapshot)
}

// backupHappenings are the snapshots and drills as the timeline has them, the newest of them.
func (m *Model) backupHappenings() []fleet.Happening {
	c := m.backups.contents
	if c == nil {
		return nil
	}
	var out []fleet.Happening
	for _, list := range c.Snapshots {
		for i := range list[:min(len(list), savedMost)] {
			x := &list[i]
			text := bytesWord(x.Size) + " " + x.Short() + ", " + string(x.Origin)
			out = append(out, fleet.Happening{Time: x.Taken, Kind: fleet.SnapshotTaken, Service: x.Service, Text: oneLine(text), Source: fleet.BackupsName, Run: x.Run, Ref: x.ID, Bad: !x.Verified})
		}
	}
	for _, list := range c.Drills {
		for i := range list[:min(len(list), savedMost)] {
			x := &list[i]
			kind := fleet.Drilled
			if x.Real {
				kind = fleet.Restored
			}
			out = append(out, fleet.Happening{Time: x.Began, Kind: kind, Service: x.Service, Text: oneLine(m.drillWords(x)), Source: fleet.BackupsName, Run: x.Run, Ref: x.Run, Actor: x.Actor, Bad: !x.OK})
		}
	}
	if len(out) > pastMost {
		slices.SortStableFunc(out, func(a, b fleet.Happening) int { return b.Time.Compare(a.Time) })
		out = out[:pastMost]
	}
	return out
}

// savedMost bounds how many snapshots of one service the timeline shows.
const savedMost = 100

// backupEvidence shows a snapshot, a drill or a restore of the timeline among the others of its service.
func (m *Model) backupEvidence(h *fleet.Happening) tea.Cmd {
	m.open(viewBackups)
	p := &m.backups
	p.filter, p.saved.filter, p.want = "", "", h.Service
	m.arrangeBackups()
	if m.backupsService() != h.Service {
		return m.say(inLine(h.Service) + " has no backups of its own now")
	}
	if p.saved.selectID(rowSnapshot+h.Ref) || p.saved.selectID(rowDrill+h.Ref) {
		p.inside = true
	}
	return nil
}

// leaveBackups selects everywhere what was selected here.
func (m *Model) leaveBackups() {
	if m.view == viewBackups && m.backups.moved {
		m.selectSubject()
	}
}

func (m *Model) sizeBackups(r rects) {
	p := &m.backups
	if r.about.h > 0 {
		p.setHeight(r.table.h - 2)
		p.saved.setHeight(r.about.h - 2 - m.savedHead(r.about.h) - m.savedFoot(r.about.h))
		return
	}
	p.setHeight(r.table.h - 2 - m.backupsFoot(r.table.h))
	p.saved.setHeight(r.table.h - 2 - m.savedHead(r.table.h) - m.savedFoot(r.table.h))
}

// clickBackups puts the cursor on the row that was clicked, in whichever of the two lists.
func (m *Model) clickBackups(r rects, y int) {
	p := &m.backups
	inside, of := p.inside, r.table
	if r.about.h > 0 {
		if inside = y >= r.about.y; inside {
			of = r.about
		}
	}
	l, first := &p.list, of.y+2
	if inside {
		l, first = &p.saved.list, first+m.savedHead(of.h)
	}
	if i := l.rowAt(y - first); i >= 0 {
		p.inside = inside
		l.moveTo(i)
		if !inside {
			p.moved = true
			m.services.selectID(m.backupsService())
		}
	}
}
