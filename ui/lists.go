package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

// listPane is a list with a filter of its own.
type listPane struct {
	list
	filter string
	of     arranged
}

// arranged is what a list's rows were made of: while it is the same, they are too.
type arranged struct {
	snap   *fleet.Snapshot
	filter string
}

// arrangeLists brings the lists beside the service table in line with the snapshot.
func (m *Model) arrangeLists() {
	m.tasks.arrange(m.then())
	m.arrangeAlerts()
	m.arrangeTimeline()
	m.arrangeStages()
	m.arrangeBackups()
	m.backups.unseen = false
	t := m.then()
	m.nodes.arrange(t, len(t.Nodes), func(i int) string { return t.Nodes[i].ID }, func(i int) string {
		n := &t.Nodes[i]
		return strings.Join([]string{n.Name, n.Role, n.State, n.Availability, n.Addr, n.Engine}, " ")
	}, false)
}

// arrange takes the n rows of a snapshot by their id and the text that the filter looks at. stick keeps the
// cursor on the first row while it is there, so that a list of news shows the newest.
func (p *listPane) arrange(s *fleet.Snapshot, n int, id, text func(i int) string, stick bool) {
	of := arranged{s, p.filter}
	if of == p.of {
		return
	}
	p.of = of
	ids := make([]string, 0, n)
	needle := strings.ToLower(p.filter)
	for i := range n {
		if needle == "" || strings.Contains(strings.ToLower(text(i)), needle) {
			ids = append(ids, id(i))
		}
	}
	if stick && p.index == 0 && len(ids) > 0 {
		p.cursor = ids[0]
	}
	p.setRows(ids)
}

func (p *listPane) title(name string, total int) string {
	t := fmt.Sprintf("%s %d", name, len(p.ids))
	if p.filter != "" {
		t = fmt.Sprintf("%s %d of %d · /%s", name, len(p.ids), total, inLine(p.filter))
	}
	return t
}

// clock is a moment as the console shows it: the time today, with the date before that.
func (m *Model) clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	t, now := t.In(m.o.Location), m.now().In(m.o.Location)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("Jan _2 15:04")
}
