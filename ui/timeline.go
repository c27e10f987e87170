package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/recovery"
	"quarterdeck/sources/fleet"
)

// beganRow is the id of the row that tells from when on the console has looked itself.
const beganRow = "\x00began"

// timelinePane is the list of what happened, made of what the fleet remembers and of what was read of earlier.
type timelinePane struct {
	listPane
	hidden   [16]bool        // by sort
	only     bool            // of the selected service alone
	service  string          // which that is, as long as only is set
	open     map[string]bool // folds that are open
	rows     []fleet.Occurrence
	counts   [16]int // by sort, without the filters
	from     madeOf
	shown    shownBy
	byID     map[string]timelineRow
	followed uint64 // the shared time's generation that the cursor has gone to
	past     pastEvents
	diffs    deployDiffs
}

// madeOf is what rows were made of: while it is the same, they are too.
type madeOf struct {
	first *fleet.Happening
	n     int
	past  uint64
	saved *recovery.Contents
	// turned is how many checks have turned.
	turned int
}

// shownBy is what the list was made of.
type shownBy struct {
	madeOf
	filter, service string
	hidden          [16]bool
	only            bool
	folds           int
}

// timelineRow is a row of the list: one thing, or one of those that were folded into one.
type timelineRow struct {
	of   *fleet.Occurrence
	part *fleet.Happening // nil: the whole
}

// arrangeTimeline makes the rows, the newest first. Where the shared moment was moved, the cursor goes to what happened last before it.
func (m *Model) arrangeTimeline() {
	t := &m.timeline
	m.makeOccurrences() // the strip and the charts draw them too
	if m.view != viewTimeline {
		return
	}
	by := shownBy{t.from, t.filter, "", t.hidden, t.only, len(t.open)}
	if t.only {
		by.service = t.service
	}
	if by == t.shown {
		m.followMoment()
		return
	}
	t.shown = by
	t.byID = make(map[string]timelineRow, len(t.rows))
	ids := make([]string, 0, len(t.rows)+1)
	needle := strings.ToLower(t.filter)
	divided := m.opened.IsZero()
	for i := len(t.rows) - 1; i >= 0; i-- {
		o := &t.rows[i]
		if !divided && o.Time.Before(m.opened) {
			ids, divided = append(ids, beganRow), true
		}
		if t.hidden[sortOf(o.Kind)] || by.only && !aboutService(o, by.service) || needle != "" && !strings.Contains(strings.ToLower(occurrenceText(o)), needle) {
			continue
		}
		ids = append(ids, o.ID)
		t.byID[o.ID] = timelineRow{of: o}
		if t.open[o.ID] {
			for k := len(o.Parts) - 1; k >= 0; k-- {
				id := fmt.Sprint(o.ID, "\x00", k)
				ids = append(ids, id)
				t.byID[id] = timelineRow{o, o.Parts[k]}
			}
		}
	}
	if !divided {
		ids = append(ids, beganRow)
	}
	if (t.index == 0 || t.index == 1 && t.ids[0] == beganRow) && len(ids) > 0 && m.when.live() {
		t.cursor = ids[0] // a list of news shows the newest
		if ids[0] == beganRow && len(ids) > 1 {
			t.cursor = ids[1]
		}
	}
	t.setRows(ids)
	m.followMoment()
}

// makeOccurrences joins what the fleet remembers with what was read of earlier.
func (m *Model) makeOccurrences() {
	t := &m.timeline
	h := m.snap.History
	from := madeOf{n: len(h), past: t.past.version, saved: m.backups.contents, turned: len(m.o.Stages.Turned())}
	if len(h) > 0 {
		from.first = &h[0]
	}
	if from == t.from && t.rows != nil {
		return
	}
	t.from = from
	if len(t.past.list) > 0 {
		h = append(slices.Clip(slices.Clone(t.past.list)), h...)
	}
	if saved := m.backupHappenings(); len(saved) > 0 {
		h = append(slices.Clip(slices.Clone(h)), saved...)
	}
	if turned := m.stageHappenings(); len(turned) > 0 {
		h = append(slices.Clip(slices.Clone(h)), turned...)
	}
	t.rows, t.counts = fleet.Timeline(h), [16]int{}
	for i := range t.rows {
		t.counts[sortOf(t.rows[i].Kind)]++
	}
}

// followMoment brings the cursor to the shared moment, once for each time that it is moved.
func (m *Model) followMoment() {
	t := &m.timeline
	if m.when.generation == t.followed {
		return
	}
	t.followed = m.when.generation
	if m.when.live() {
		t.moveTo(0)
		return
	}
	for i, id := range t.ids {
		if r, ok := t.byID[id]; ok && r.part == nil && !r.of.Time.After(m.when.at) {
			t.moveTo(i)
			return
		}
	}
}

func aboutService(o *fleet.Occurrence, service string) bool {
	if o.Service == service {
		return true
	}
	return slices.ContainsFunc(o.Parts, func(h *fleet.Happening) bool {
		return h.Service == service || slices.Contains(strings.Split(h.Target, ","), service)
	})
}

// occurrenceText is what the filter looks at.
func occurrenceText(o *fleet.Occurrence) string {
	return strings.Join(append([]string{o.Kind, o.Service, o.Node, o.Text, o.Outcome, o.Actor}, o.Sources...), " ")
}

// selectedOccurrence is the row under the timeline's cursor, and the part of it where that has one; nil: none, or another view.
func (m *Model) selectedOccurrence() (*fleet.Occurrence, *fleet.Happening) {
	if m.view != viewTimeline {
		return nil, nil
	}
	r := m.timeline.byID[m.timeline.selected()]
	return r.of, r.part
}

// selectedHappening is the same as one happening; nil: none, or another view.
func (m *Model) selectedHappening() *fleet.Happening {
	o, part := m.selectedOccurrence()
	switch {
	case part != nil:
		return part
	case o == nil:
		return nil
	}
	return &fleet.Happening{Time: o.Time, Kind: o.Kind, Service: o.Service, Node: o.Node, Text: o.Text, Bad: o.Bad, Run: o.Run, Ref: o.Ref, Actor: o.Actor}
}

// doInTimeline does what a key means in the timeline alone.
func (m *Model) doInTimeline(a act) tea.Cmd {
	t := &m.timeline
	switch a {
	case actKinds:
		m.overlay = &kindsBox{}
	case actFold:
		o, _ := m.selectedOccurrence()
		if o == nil || len(o.Parts) < 2 {
			return m.say("nothing is folded here")
		}
		m.toggleFold(o.ID)
	case actOnlyService:
		if t.only {
			t.only = false
			return nil
		}
		name := m.happeningService()
		if m.snap.Service(name) == nil {
			name = m.services.selected()
		}
		if name == "" {
			return m.say("no service is selected")
		}
		t.only, t.service = true, name
	}
	return nil
}

func (m *Model) toggleFold(id string) {
	t := &m.timeline
	open := make(map[string]bool, len(t.open)+1)
	for k := range t.open {
		open[k] = true
	}
	if open[id] {
		delete(open, id)
		t.cursor = id
	} else {
		open[id] = true
	}
	t.open = open
	t.shown = shownBy{}
}
