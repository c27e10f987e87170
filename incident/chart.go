package incident

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

// The size of a chart in plain text, in cells.
const (
	chartWidth  = 72
	chartHeight = 4
)

var blocks = []rune(" ▁▂▃▄▅▆▇█")

// mark is a moment below a chart.
type mark struct {
	at   time.Time
	sign byte
}

// draw is a chart in plain text: each column as high as the greatest sample in it. What is not known is a dot on the ground.
func (c *Chart) draw(marks []mark) []string {
	cols := c.columns()
	coarse := false
	for i, v := range cols { // of a coarse histogram only the bounds are known: the upper one is drawn
		if _, hi, wide := (sources.Reading{Bounds: c.Bounds}).Bucket(v); wide {
			coarse = true
			if !math.IsInf(hi, 1) {
				cols[i] = hi
			}
		}
	}
	most := 0.0
	for _, v := range cols {
		if !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	top := figure(most, c.Unit)
	if coarse {
		if top = "≤ " + top; len(c.Bounds) > 0 && most >= c.Bounds[len(c.Bounds)-1] {
			top = "> " + figure(c.Bounds[len(c.Bounds)-1], c.Unit)
		}
	}
	left := max(len([]rune(top)), 3)
	var out []string
	for y := chartHeight - 1; y >= 0; y-- {
		label := ""
		switch y {
		case chartHeight - 1:
			label = top
		case 0:
			label = "0"
		}
		var b strings.Builder
		for _, v := range cols {
			b.WriteRune(block(v, most, y))
		}
		out = append(out, fmt.Sprintf("%*s │%s", left, label, b.String()))
	}
	axis := []byte(strings.Repeat(" ", chartWidth))
	copy(axis, clockOf(c.Start))
	copy(axis[chartWidth-8:], clockOf(c.End))
	ground := []rune(strings.Repeat("─", chartWidth))
	for _, m := range marks {
		if x := c.column(m.at); x >= 0 {
			ground[x] = rune(m.sign)
		}
	}
	return append(out, fmt.Sprintf("%*s └%s", left, "", string(ground)), fmt.Sprintf("%*s  %s", left, "", string(axis)))
}

// fewServices is of how many services all figures are drawn; of more only those that moved.
const fewServices = 2

// drawn tells whether a chart says something that words do not: it is not the same all the time, and of many services not as usual all the time.
func (c *Chart) drawn(r *Report) bool {
	least, most, last := c.bounds()
	if last == nil || c.figure(*least.V) == c.figure(*most.V) || c.Name == "throttled" && *most.V < floorOf(c.Name) {
		return false
	}
	if few := len(r.Services) <= fewServices; few && c.Name != "cpu" && c.Name != "requests" {
		return true
	} else if few {
		return c.moved(r.Window)
	}
	return c.moved(r.Window) && !c.once()
}

// once tells whether a chart of restarts has no more than one at a time: a task that was started elsewhere, and not a loop.
func (c *Chart) once() bool {
	_, most, _ := c.bounds()
	return c.Name == "restarts" && most != nil && *most.V == 1
}

// moved tells whether a figure was not as usual within the window: twice as much, or half of it. Of a coarse histogram its steps are compared.
func (c *Chart) moved(w Window) bool {
	usual, ok := c.usual(w)
	if !ok || w.To.IsZero() {
		return true
	}
	for i := range c.Points {
		p := &c.Points[i]
		if p.V == nil || !between(p.T, w.From.Add(-lead), w.To) {
			continue
		}
		up := *p.V > max(2*usual, floorOf(c.Name))
		down := *p.V < usual/2 && (c.Name == "requests" || c.Name == "cpu" || c.Name == "memory")
		if (up || down) && c.figure(*p.V) != c.figure(usual) {
			return true
		}
	}
	return false
}

// block is what a column shows in a row.
func block(v, most float64, row int) rune {
	if math.IsNaN(v) {
		if row == 0 {
			return '·'
		}
		return ' '
	}
	eighths := 0
	if most > 0 {
		eighths = int(math.Round(max(v, 0) / most * chartHeight * 8))
	}
	if row == 0 {
		eighths = max(eighths, 1)
	}
	return blocks[min(max(eighths-8*row, 0), 8)]
}

// column is where a moment stands; -1: outside.
func (c *Chart) column(at time.Time) int {
	if at.IsZero() || at.Before(c.Start) || at.After(c.End) || !c.End.After(c.Start) {
		return -1
	}
	return min(int(float64(at.Sub(c.Start))/float64(c.End.Sub(c.Start))*chartWidth), chartWidth-1)
}

// columns are the greatest samples by column. A column between two samples that are no further apart than two and a half usual steps has the one before.
func (c *Chart) columns() []float64 {
	cols := make([]float64, chartWidth)
	for i := range cols {
		cols[i] = math.NaN()
	}
	step := c.step()
	last, lastAt := -1, time.Time{}
	for i := range c.Points {
		p := &c.Points[i]
		x := c.column(p.T)
		if x < 0 {
			continue
		}
		if p.V == nil {
			last = -1
			continue
		}
		if last >= 0 && p.T.Sub(lastAt) <= step*5/2 {
			for j := last + 1; j < x; j++ {
				cols[j] = cols[last]
			}
		}
		if math.IsNaN(cols[x]) || *p.V > cols[x] {
			cols[x] = *p.V
		}
		last, lastAt = x, p.T
	}
	return cols
}

// step is the usual distance of two points: the least.
func (c *Chart) step() time.Duration {
	least := time.Duration(0)
	for i := 1; i < len(c.Points); i++ {
		if d := c.Points[i].T.Sub(c.Points[i-1].T); d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// figure is a value of the chart for people. A quantile stands as the two bounds of its histogram that it lies between, where they are far apart.
func (c *Chart) figure(v float64) string {
	lo, hi, coarse := sources.Reading{Bounds: c.Bounds}.Bucket(v)
	switch {
	case !coarse:
		return figure(v, c.Unit)
	case math.IsInf(hi, 1):
		return "more than " + figure(lo, c.Unit)
	case lo <= 0:
		return "at most " + figure(hi, c.Unit)
	}
	return figure(lo, c.Unit) + " to " + figure(hi, c.Unit)
}

// figure is a value for people, with its unit.
func figure(v float64, unit string) string {
	number := func(v float64) string {
		switch a := math.Abs(v); {
		case a == 0:
			return "0"
		case a >= 100:
			return strconv.FormatFloat(v, 'f', 0, 64)
		case a >= 10:
			return trim(strconv.FormatFloat(v, 'f', 1, 64))
		case a >= 0.01:
			return trim(strconv.FormatFloat(v, 'f', 2, 64))
		}
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	scaled := func(base float64, signs ...string) string {
		i := 0
		for ; i+1 < len(signs) && math.Abs(v) >= base; i++ {
			v /= base
		}
		return number(v) + signs[i]
	}
	switch unit {
	case "bytes":
		return scaled(1024, " B", " KiB", " MiB", " GiB", " TiB")
	case "bytes/s":
		return scaled(1024, " B/s", " KiB/s", " MiB/s", " GiB/s")
	case "ratio":
		return number(100*v) + " %"
	case "s":
		if v != 0 && math.Abs(v) < 1 {
			return number(1000*v) + " ms"
		}
		return number(v) + " s"
	case "1/s":
		return number(v) + "/s"
	case "1", "":
		return number(v)
	}
	return number(v) + " " + unit
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }
