package chart

import (
	"math"
	"strings"
	"time"

	"quarterdeck/sources"
)

var (
	sparkBlocks = []rune("▁▂▃▄▅▆▇█")
	sparkASCII  = []rune("_.:-=+*#")
)

// Spark draws points between start and end as one line of exactly width cells, each as high as the largest sample in
// it, against limit (0 or below: the largest of all). A gap (NaN, or more than 2.5 steps) is a space; zero is the lowest block.
func Spark(points []sources.Point, start, end time.Time, width int, limit float64, ascii bool) string {
	if width < 1 {
		return ""
	}
	cols := sparkColumns(points, start, end, width)
	if !(limit > 0) || math.IsInf(limit, 0) {
		limit = 0
		for _, v := range cols {
			if !math.IsNaN(v) {
				limit = max(limit, v)
			}
		}
	}
	blocks := sparkBlocks
	if ascii {
		blocks = sparkASCII
	}
	var b strings.Builder
	b.Grow(3 * width)
	for _, v := range cols {
		if math.IsNaN(v) {
			b.WriteByte(' ')
			continue
		}
		at := 0
		if limit > 0 && v > 0 {
			at = int(math.Round(min(v/limit, 1) * float64(len(blocks)-1)))
		}
		b.WriteRune(blocks[at])
	}
	return b.String()
}

// sparkColumns is the largest sample of each column; between two samples that are no gap apart, the earlier one's.
func sparkColumns(points []sources.Point, start, end time.Time, width int) []float64 {
	cols := make([]float64, width)
	for i := range cols {
		cols[i] = math.NaN()
	}
	length := end.Sub(start)
	if length <= 0 {
		return cols
	}
	points = window(points, start, end)
	step := medianStep(points)
	last := -1
	var lastT time.Time
	for _, p := range points {
		if !finite(p.V) {
			last = -1
			continue
		}
		at := min(int(float64(p.T.Sub(start))/float64(length)*float64(width)), width-1)
		if last >= 0 && !isGap(lastT, p.T, step) {
			for i := last + 1; i < at; i++ {
				cols[i] = cols[last]
			}
		}
		v := clamp(p.V)
		if math.IsNaN(cols[at]) || v > cols[at] {
			cols[at] = v
		}
		last, lastT = at, p.T
	}
	return cols
}

// Bar fills width cells by a ratio (0..1): usage against a limit. More than 1 fills it and ends in a sign; NaN is
// a row of question marks, since not known is not empty.
func Bar(ratio float64, width int, ascii bool) string {
	if width < 1 {
		return ""
	}
	full, rest, over := "█", "·", "▶"
	if ascii {
		full, rest, over = "#", ".", ">"
	}
	switch {
	case math.IsNaN(ratio):
		return strings.Repeat("?", width)
	case ratio > 1.0001:
		return strings.Repeat(full, width-1) + over
	}
	eighths := int(math.Round(max(ratio, 0) * float64(width) * 8))
	if ratio > 0 && eighths == 0 {
		eighths = 1
	}
	n := min(eighths/8, width)
	part := ""
	if n < width && eighths%8 > 0 {
		switch {
		case !ascii:
			part = string([]rune("▏▎▍▌▋▊▉")[eighths%8-1])
		case eighths%8 >= 4:
			part = "+"
		default:
			part = "-"
		}
	}
	used := n
	if part != "" {
		used++
	}
	return strings.Repeat(full, n) + part + strings.Repeat(rest, width-used)
}
