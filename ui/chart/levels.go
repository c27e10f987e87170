package chart

import (
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// levelOrder is how levels are stacked, the lowest first: what is wrong stands on the ground, where it can be compared.
var levelOrder = []sources.Level{sources.LevelFatal, sources.LevelError, sources.LevelWarn, sources.LevelInfo, sources.LevelDebug, sources.LevelTrace, sources.LevelUnknown}

// Levels draws counts of log lines over time, stacked by level, as exactly height lines of exactly width cells.
// A level of warn or worse that is there at all has the lowest cell of its column. No lines at all is a low faint
// block; no answer for a time is empty.
func Levels(points []sources.VolumePoint, start, end time.Time, width, height int, st theme.Styles) string {
	if width < 1 || height < 1 {
		return ""
	}
	if st.IsZero() {
		st, _ = theme.New(theme.None, true) // a known name has no error
	}
	cols := levelColumns(points, start, end, width)
	most := 0.0
	for _, c := range cols {
		most = max(most, c.total)
	}
	c := newCanvas(width, height, st.ASCII)
	faint := c.addPen(st.Border.Pen())
	var pens [sources.LevelFatal + 1]uint8
	for l := range pens {
		pens[l] = c.addPen(st.Levels[l].Pen())
	}
	for x := range cols {
		cols[x].draw(c, x, most, &pens, faint)
	}
	lines := make([]string, height)
	for row := range lines {
		var b strings.Builder
		c.writeRow(&b, row)
		lines[row] = b.String()
	}
	return strings.Join(lines, "\n")
}

// levelColumn is what a column stacks: of several points in it the largest count of each level.
type levelColumn struct {
	known  bool
	counts [sources.LevelFatal + 1]float64
	total  float64
}

func levelColumns(points []sources.VolumePoint, start, end time.Time, width int) []levelColumn {
	cols := make([]levelColumn, width)
	length := end.Sub(start)
	if length <= 0 {
		return cols
	}
	times := make([]sources.Point, 0, len(points))
	for _, p := range points {
		times = append(times, sources.Point{T: p.Time})
	}
	slices.SortFunc(times, func(a, b sources.Point) int { return a.T.Compare(b.T) })
	// A point stands for a step; where a step is wider than a column it fills all of its columns.
	wide := max(int(math.Ceil(float64(medianStep(times))/float64(length)*float64(width)-0.01)), 1)
	for _, p := range points {
		if p.Time.Before(start) || p.Time.After(end) {
			continue
		}
		at := min(int(float64(p.Time.Sub(start))/float64(length)*float64(width)), width-1)
		for x := at; x < min(at+wide, width); x++ {
			cols[x].add(p.Counts)
		}
	}
	for x := range cols {
		for _, n := range cols[x].counts {
			cols[x].total += n
		}
	}
	return cols
}

func (c *levelColumn) add(counts map[sources.Level]float64) {
	c.known = true
	for l, n := range counts {
		if int(l) < len(c.counts) && finite(n) && n > 0 {
			c.counts[l] = max(c.counts[l], min(n, most/8))
		}
	}
}

func (c *levelColumn) draw(on *canvas, x int, most float64, pens *[sources.LevelFatal + 1]uint8, faint uint8) {
	blocks := sparkBlocks
	if on.ascii {
		blocks = sparkASCII
	}
	if !c.known {
		return
	}
	if c.total <= 0 || most <= 0 {
		on.put(x, on.h-1, blocks[0], faint)
		return
	}
	eighths := max(int(math.Round(c.total/most*float64(8*on.h))), 1)
	for cell := 0; 8*cell < eighths; cell++ {
		fill := min(eighths-8*cell, 8)
		l := c.levelAt((float64(8*cell) + float64(fill)/2) / float64(eighths))
		if cell == 0 {
			l = c.ground(l)
		}
		on.put(x, on.h-1-cell, blocks[fill-1], pens[l])
	}
}

// ground is the worst level of the column where that is one to worry about.
func (c *levelColumn) ground(l sources.Level) sources.Level {
	for _, bad := range levelOrder[:3] {
		if c.counts[bad] > 0 {
			return bad
		}
	}
	return l
}

// levelAt is the level at a share of the column's height from below.
func (c *levelColumn) levelAt(share float64) sources.Level {
	sum := 0.0
	for _, l := range levelOrder {
		sum += c.counts[l]
		if sum >= share*c.total && c.counts[l] > 0 {
			return l
		}
	}
	return sources.LevelUnknown
}
