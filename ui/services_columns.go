package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/theme"
)

// Columns of the service table, by their place.
const (
	colMark = iota
	colName
	colRun
	colScale
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
		colScale:       {title: "TO", drop: 4},
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

// nameMost is how wide the column of names may grow at the cost of the sparklines: two services whose names are cut to the same are worse than a trend less.
const nameMost = 20

// widenName gives the names the room that the longest needs, as far as nothing but sparklines makes way for it.
func widenName(cols []column, w, longest int) {
	least := cols[colName].width
	figures := func() int {
		n := 0
		shown, _ := fitColumns(cols, w)
		for _, i := range shown {
			if i != colCPUSpark && i != colMemorySpark {
				n++
			}
		}
		return n
	}
	had := figures()
	for n := min(longest, nameMost); n > least; n-- {
		if cols[colName].width = n; figures() == had {
			return
		}
	}
	cols[colName].width = least
}

// longest is the length of the longest name; the engine takes ASCII alone.
func (p *servicesPane) longest(then *fleet.Snapshot) int {
	n := 0
	for _, id := range p.ids {
		if v := then.Service(id); v != nil {
			n = max(n, len(v.Name))
		}
	}
	return n
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
	cells[colScale] = cell{text: ""}
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
