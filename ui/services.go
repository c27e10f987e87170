package ui

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// sortKey is what the service table is ordered by.
type sortKey int

const (
	byHealth sortKey = iota
	byName
	byCPU
	byMemory
	byErrors
	byLines
	byAge
	sortKeys
)

var sortNames = [...]string{"worst first", "name", "CPU", "memory", "errors", "lines", "last update"}

// servicesPane is the service table: what is shown of the snapshot, in which order, and the marks.
type servicesPane struct {
	list
	filter  string
	onlyBad bool
	sort    sortKey
	reverse bool
	marks   map[string]bool
	total   int
	of      servicesArranged
	// pinned: somebody has touched the console. Until then the cursor goes to the worst service that is in trouble, so that what is beside the
	// table is about it; from then on it stays on its service, so that no key meets another one than was read.
	pinned bool
	moved  time.Time // when it was touched last
	kept   bool      // the rows keep an older order
}

// servicesArranged is what the table's rows were made of: while it is the same, they are too.
type servicesArranged struct {
	arranged
	onlyBad, reverse bool
	sort             sortKey
}

// arrange takes a new snapshot in: filters, orders, keeps the cursor on its service.
// While somebody moves it the rows keep their places, unless another order or another choice of rows was asked for.
func (p *servicesPane) arrange(s *fleet.Snapshot, now time.Time) {
	of := servicesArranged{arranged{s, p.filter}, p.onlyBad, p.reverse, p.sort}
	if s == nil || of == p.of && (!p.kept || now.Sub(p.moved) < restTime) {
		return
	}
	asked := of
	asked.snap = p.of.snap
	moved := p.moved
	if asked != p.of {
		moved = time.Time{}
	}
	p.of = of
	p.total = len(s.Services)
	shown := make([]*fleet.Service, 0, len(s.Services))
	needle := strings.ToLower(p.filter)
	for _, v := range s.Services {
		// At a past moment the row under the cursor stays: what is looked at must not become another for being well then.
		if p.onlyBad && (v.Health == fleet.Healthy || v.Health == fleet.Idle) && !inTrouble(s, v) && (!s.Past || v.Name != p.cursor) {
			continue
		}
		if needle != "" && !serviceMatches(v, needle) {
			continue
		}
		shown = append(shown, v)
	}
	less := p.less(s)
	sort.SliceStable(shown, func(i, j int) bool {
		if p.reverse {
			i, j = j, i
		}
		return less(shown[i], shown[j])
	})
	ids := make([]string, len(shown))
	for i, v := range shown {
		ids[i] = v.Name
	}
	ids, p.kept = p.keepOrder(ids, moved, now)
	p.setRows(ids)
	if !p.pinned && len(shown) > 0 && inTrouble(s, shown[0]) {
		p.moveTo(0)
	}
}

// selectID puts the cursor on a service, where it stays.
func (p *servicesPane) selectID(id string) bool {
	p.pinned = true
	return p.list.selectID(id)
}

func serviceMatches(v *fleet.Service, needle string) bool {
	for _, word := range strings.Fields(needle) {
		negative := strings.HasPrefix(word, "!") && len(word) > 1
		word = strings.TrimPrefix(word, "!")
		hit := strings.Contains(strings.ToLower(v.Name), word) || strings.Contains(strings.ToLower(v.Stack), word) ||
			strings.Contains(string(v.Health), word) || strings.Contains(strings.ToLower(v.Image), word)
		if hit == negative {
			return false
		}
	}
	return true
}

func (p *servicesPane) less(s *fleet.Snapshot) func(a, b *fleet.Service) bool {
	number := func(f func(*fleet.Service) float64) func(a, b *fleet.Service) bool {
		return func(a, b *fleet.Service) bool {
			x, y := f(a), f(b)
			if math.IsNaN(x) || math.IsNaN(y) {
				return !math.IsNaN(x) && math.IsNaN(y)
			}
			return x > y
		}
	}
	switch p.sort {
	case byName:
		return func(a, b *fleet.Service) bool { return a.Name < b.Name }
	case byCPU:
		return number(func(v *fleet.Service) float64 { return v.CPUNow })
	case byMemory:
		return number(func(v *fleet.Service) float64 { return v.MemoryNow })
	case byErrors:
		return number(func(v *fleet.Service) float64 { return v.ErrorRate })
	case byLines:
		return number(func(v *fleet.Service) float64 { return v.LineRate })
	case byAge:
		return func(a, b *fleet.Service) bool { return a.Updated.After(b.Updated) }
	}
	return func(a, b *fleet.Service) bool {
		if x, y := urgency(s, a), urgency(s, b); x != y {
			return x < y
		}
		return a.Firing > 0 && b.Firing == 0
	}
}

// toggleMark marks or unmarks the row under the cursor, and goes one down as file managers do.
func (p *servicesPane) toggleMark() {
	id := p.selected()
	if id == "" {
		return
	}
	if p.marks == nil {
		p.marks = map[string]bool{}
	}
	if p.marks[id] {
		delete(p.marks, id)
	} else {
		p.marks[id] = true
	}
	p.handle(actDown)
}

func (p *servicesPane) markAll() {
	if len(p.marks) > 0 {
		p.marks = nil
		return
	}
	p.marks = map[string]bool{}
	for _, id := range p.ids {
		p.marks[id] = true
	}
}

// chosen are the marked services, or the one under the cursor.
func (p *servicesPane) chosen() []string {
	if len(p.marks) == 0 {
		if id := p.selected(); id != "" {
			return []string{id}
		}
		return nil
	}
	var out []string
	for id := range p.marks {
		out = append(out, id)
	}
	sort.Strings(out)
	return out
}

func (p *servicesPane) title(m *Model) string {
	t := fmt.Sprintf("services %d", len(p.ids))
	if len(p.ids) != p.total {
		t = fmt.Sprintf("services %d of %d", len(p.ids), p.total)
	}
	var notes []string
	if p.filter != "" {
		notes = append(notes, "/"+inLine(p.filter))
	}
	if p.onlyBad {
		notes = append(notes, "not well")
	}
	if len(p.marks) > 0 {
		notes = append(notes, fmt.Sprintf("%d marked", len(p.marks)))
	}
	if p.sort != byHealth || p.reverse {
		by := "by " + sortNames[p.sort]
		if p.reverse {
			by += ", reversed"
		}
		notes = append(notes, by)
	}
	notes = append(notes, m.asOf()...)
	if len(notes) > 0 {
		t += " · " + strings.Join(notes, " · ")
	}
	return t
}

// asOf dates what is shown but is not fresh: the whole table, or its figures.
func (m *Model) asOf() []string {
	if m.then().Past {
		return m.thenNotes()
	}
	var out []string
	if s := m.snap.Source(fleet.SwarmName); !s.OK() && m.snap.Ready() {
		out = append(out, "as of "+m.clock(latest(s.Fresh, m.snap.Listed)))
	}
	if s := m.snap.UsageStatus(); !s.OK() && !s.Fresh.IsZero() {
		out = append(out, "CPU and memory as of "+m.clock(s.Fresh))
	}
	return out
}

// lines draws the table.
func (p *servicesPane) lines(m *Model, w, h int, focused, wide bool) []string {
	st := m.st
	if len(p.ids) == 0 {
		return emptyLines(st, m.whyNoServices(), w, h)
	}
	then := m.then()
	metrics, logs := m.snap.UsageStatus(), m.snap.RateStatus()
	cols := serviceColumns(wide)
	p.scaleColumn(m, cols, w)
	if !wide {
		widenName(cols, w, p.longest(then))
	}
	return p.draw(st, cols, w, h, focused, func(id string, widths []int) []cell {
		v := then.Service(id)
		if v == nil {
			return make([]cell, len(widths))
		}
		cells := serviceCells(st, then, v, widths)
		if len(cells) > colReason {
			cells[colReason].text = m.whyOf(v)
			if why := m.scaleReason(v); cells[colReason].text == "" && why.text != "" {
				cells[colReason] = why
			}
		}
		if d, _ := m.advised(v); widths[colScale] > 0 && d != nil {
			mark, style := m.scaleMark(v, w >= wordsFrom)
			cells[colScale] = cell{text: mark, style: style}
		}
		if then.Past {
			dim(cells, v, st)
		}
		if p.marks[id] {
			cells[colMark] = cell{text: st.Signs.Mark, style: st.Accent}
		}
		if !metrics.OK() {
			for _, i := range []int{colCPUSpark, colCPU, colMemorySpark, colMemory} {
				cells[i].style, cells[i].drawn = st.Stale, restyle(cells[i].drawn, st)
			}
		}
		if !logs.OK() {
			cells[colErrors].style, cells[colLines].style = st.Stale, st.Stale
		}
		return cells
	})
}

// emptyLines says why there is nothing, in the middle of the space.
func emptyLines(st theme.Styles, why string, w, h int) []string {
	lines := make([]string, h)
	blank := strings.Repeat(" ", w)
	for i := range lines {
		lines[i] = blank
	}
	words := wrapText(inLine(why), max(w-4, 10))
	at := max((h-len(words))/2, 0)
	for i, t := range words {
		if at+i < h {
			pad := max((w-ansi.StringWidth(t))/2, 0)
			lines[at+i] = st.Muted.Render(plain.Fit(strings.Repeat(" ", pad)+t, w))
		}
	}
	return lines
}

// wrapText breaks harmless text at spaces.
func wrapText(s string, w int) []string { return strings.Split(ansi.Wordwrap(s, w, ""), "\n") }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
