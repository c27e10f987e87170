package ui

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
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

// Columns of the service table, by their place.
const (
	colMark = iota
	colName
	colRun
	colState
	colCPUSpark
	colCPU
	colMemorySpark
	colMemory
	colErrors
	colLines
	colAge
	colImage
	colReason
)

// serviceColumns are the table's. Beside other panes, and at 80 columns, the sparklines are narrower, so that all figures have their place; the
// page of services at 80 columns has the figures and no sparklines.
func serviceColumns(wide bool) []column {
	cols := []column{
		colMark:        {title: "", width: 1},
		colName:        {title: "SERVICE", width: 14, flex: true},
		colRun:         {title: "RUN", width: 5, right: true},
		colState:       {title: "STATE", width: 12},
		colCPUSpark:    {title: "", width: 5, drop: 7},
		colCPU:         {title: "CPU", width: 5, right: true, drop: 2},
		colMemorySpark: {title: "", width: 5, drop: 8},
		colMemory:      {title: "MEM", width: 7, right: true, drop: 3},
		colErrors:      {title: "ERR/S", width: 5, right: true, drop: 4},
		colLines:       {title: "LOG/S", width: 5, right: true, drop: 6},
		colAge:         {title: "AGE", width: 4, right: true, drop: 5},
	}
	if wide {
		cols[colName].flex, cols[colName].width = false, 26
		cols[colCPUSpark].width, cols[colMemorySpark].width = 8, 8
		cols[colLines].drop = 11 // the version says more than how much it writes
		cols = append(cols, column{title: "IMAGE", width: 28, drop: 9}, column{title: "WHY", width: 16, flex: true, drop: 10})
	}
	return cols
}

// lines draws the table.
func (p *servicesPane) lines(m *Model, w, h int, focused, wide bool) []string {
	st := m.st
	if len(p.ids) == 0 {
		return emptyLines(st, m.whyNoServices(), w, h)
	}
	then := m.then()
	metrics, logs := m.snap.UsageStatus(), m.snap.RateStatus()
	return p.draw(st, serviceColumns(wide), w, h, focused, func(id string, widths []int) []cell {
		v := then.Service(id)
		if v == nil {
			return make([]cell, len(widths))
		}
		cells := serviceCells(st, then, v, widths)
		if len(cells) > colReason {
			cells[colReason].text = m.whyOf(v)
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

// dim draws what a past moment's row says fainter than what is so now, but for how the service stood.
func dim(cells []cell, v *fleet.Service, st theme.Styles) {
	for i := range cells {
		if i != colState && i != colRun && i != colReason {
			cells[i].style, cells[i].drawn = st.Stale, restyle(cells[i].drawn, st)
		}
	}
	if v.NotYet {
		cells[colRun] = cell{text: "–", style: st.Stale}
		cells[colState] = cell{text: st.Signs.Dot + " not yet", style: st.Stale}
		cells[colAge] = cell{text: "–", style: st.Stale}
	}
}

// restyle draws what was drawn again as stale.
func restyle(drawn string, st theme.Styles) string {
	if drawn == "" {
		return ""
	}
	return st.Stale.Render(inLine(drawn))
}

func serviceCells(st theme.Styles, s *fleet.Snapshot, v *fleet.Service, widths []int) []cell {
	_, _, style := st.Health(string(v.Health))
	run := v.Run()
	runStyle := st.Text
	if v.Running < v.Want && !v.Unread || v.Health == fleet.Down {
		runStyle = style
	}
	cells := make([]cell, len(widths))
	cells[colMark] = cell{text: " "}
	cells[colName] = cell{text: v.Name, style: st.Text}
	cells[colRun] = cell{text: run, style: runStyle}
	cells[colState] = stateCell(st, s, v, widths[colState])
	cells[colCPU] = cell{text: number(v.CPUNow, "cores"), style: st.Text}
	cells[colMemory] = cell{text: number(v.MemoryNow, "bytes"), style: st.Text}
	cells[colErrors] = cell{text: rate(v.ErrorRate), style: st.Muted}
	if v.ErrorRate > 0 {
		cells[colErrors].style = st.Warn
	}
	cells[colLines] = cell{text: rate(v.LineRate), style: st.Muted}
	strikingCells(st, v, cells, widths)
	cells[colAge] = cell{text: age(v.Updated, s.At), style: st.Muted}
	tasks := float64(max(v.Running, 1)) // a limit is each task's
	if w := widths[colCPUSpark]; w > 0 {
		cells[colCPUSpark] = cell{drawn: spark(st, v.CPU, w, float64(v.Resources.LimitNanoCPUs)/1e9*tasks)}
	}
	if w := widths[colMemorySpark]; w > 0 {
		cells[colMemorySpark] = cell{drawn: spark(st, v.Memory, w, float64(v.Resources.LimitBytes)*tasks)}
	}
	if len(widths) > colImage {
		cells[colImage] = cell{text: shortImage(v.Image), style: st.Muted}
		cells[colReason] = cell{text: v.Reason, style: style}
	}
	return cells
}

// spark is a sparkline of the last half hour. What is steady lies low and calm, what rises is seen: it goes from
// the least value to half as much again, or to the peak. One that comes near its limit changes its colour.
func spark(st theme.Styles, points []sources.Point, w int, limit float64) string {
	if len(points) == 0 {
		return st.Faint.Render(strings.Repeat(st.Signs.Dot, w))
	}
	least, peak := math.Inf(1), 0.0
	for _, p := range points {
		if !math.IsNaN(p.V) {
			least, peak = min(least, p.V), max(peak, p.V)
		}
	}
	if peak == 0 {
		least = 0
	}
	top := max(peak, 1.5*least) - least
	var room [64]sources.Point // half an hour's, a minute apart, with room
	raised := room[:0]
	for _, p := range points {
		raised = append(raised, sources.Point{T: p.T, V: p.V - least + top/8})
	}
	style := st.Spark
	if limit > 0 && peak > 0.9*limit {
		style = st.Warn
	}
	// Up to the newest point, not to now: between two readings nothing moves.
	end := points[len(points)-1].T
	return style.Render(chart.Spark(raised, end.Add(-fleet.SparkSpan), end, w, top*9/8, st.ASCII))
}

// number is a figure for people, "–" where it is not known.
func number(v float64, unit string) string {
	if math.IsNaN(v) {
		return "–"
	}
	if unit == "cores" {
		return fmt.Sprintf("%.2f", v)
	}
	return strings.ReplaceAll(chart.Humanize(v, unit), " ", "")
}

func rate(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case v < 0.01:
		return "<.01"
	case v < 0.1:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.ReplaceAll(chart.Humanize(v, "1"), " ", "")
}

func age(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return chart.Age(max(now.Sub(t), 0))
}

// calmAge is age where seconds are not worth a frame: what is shown at rest must not tick.
func calmAge(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "–"
	case d < time.Minute:
		return "<1m"
	case d < 2*time.Minute:
		return "1m"
	default:
		return chart.Age(d)
	}
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
