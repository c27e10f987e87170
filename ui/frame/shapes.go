package frame

import "math"

// A cell is 9×18 units, in which a font of 15 has an advance of 9 (0.6 em, as monospaced fonts have).
const (
	cellW    = 9.0
	cellH    = 18.0
	fontSize = 15.0
	baseline = 14.0
)

// shape is a part of a drawn character. Rectangles are kept apart from other polygons, for their
// edges fall on whole pixels; a round dot is a disc.
type shape struct {
	kind  kind
	pts   []float64 // rect: x y w h; poly: x y …; disc: x y r
	alpha float64   // 0: full
}

type kind int

const (
	rect kind = iota
	poly
	disc
)

// The centre lines of box drawing, one unit thick; heavy ones are three.
const midX, midY = 4.0, 8.0

// arms of box drawing, in the order left, right, up, down: 1 light, 2 heavy.
var arms = map[rune][4]int{
	'─': {1, 1, 0, 0}, '│': {0, 0, 1, 1}, '┌': {0, 1, 0, 1}, '┐': {1, 0, 0, 1}, '└': {0, 1, 1, 0}, '┘': {1, 0, 1, 0},
	'├': {0, 1, 1, 1}, '┤': {1, 0, 1, 1}, '┬': {1, 1, 0, 1}, '┴': {1, 1, 1, 0}, '┼': {1, 1, 1, 1},
	'╭': {0, 1, 0, 1}, '╮': {1, 0, 0, 1}, '╰': {0, 1, 1, 0}, '╯': {1, 0, 1, 0},
	'━': {2, 2, 0, 0}, '┃': {0, 0, 2, 2}, '┏': {0, 2, 0, 2}, '┓': {2, 0, 0, 2}, '┗': {0, 2, 2, 0}, '┛': {2, 0, 2, 0},
	'┣': {0, 2, 2, 2}, '┫': {2, 0, 2, 2}, '┳': {2, 2, 0, 2}, '┻': {2, 2, 2, 0}, '╋': {2, 2, 2, 2},
	'╴': {1, 0, 0, 0}, '╶': {0, 1, 0, 0}, '╵': {0, 0, 1, 0}, '╷': {0, 0, 0, 1},
}

// dashes are lines with gaps: how many pieces a cell has.
var dashes = map[rune]struct {
	pieces   int
	vertical bool
}{'╌': {2, false}, '┄': {3, false}, '┈': {4, false}, '╎': {2, true}, '┆': {3, true}, '┊': {4, true}}

// drawn gives the shapes of a character that is drawn by geometry.
func drawn(r rune) ([]shape, bool) {
	switch {
	case r >= 0x2800 && r <= 0x28ff:
		return braille(r), true
	case r >= 0x2580 && r <= 0x259f:
		return blocks(r), true
	}
	if a, ok := arms[r]; ok {
		return box(a), true
	}
	if d, ok := dashes[r]; ok {
		return dashed(d.pieces, d.vertical), true
	}
	if s, ok := signs[r]; ok {
		return s, true
	}
	return nil, false
}

func box(a [4]int) []shape {
	var out []shape
	for side, weight := range a {
		if weight == 0 {
			continue
		}
		t := float64(2*weight - 1)
		x, y := midX-(t-1)/2, midY-(t-1)/2
		switch side {
		case 0:
			out = append(out, shape{pts: []float64{0, y, x + t, t}})
		case 1:
			out = append(out, shape{pts: []float64{x, y, cellW - x, t}})
		case 2:
			out = append(out, shape{pts: []float64{x, 0, t, y + t}})
		case 3:
			out = append(out, shape{pts: []float64{x, y, t, cellH - y}})
		}
	}
	return out
}

func dashed(n int, vertical bool) []shape {
	var out []shape
	length := cellW
	if vertical {
		length = cellH
	}
	piece := length / float64(n)
	for i := range n {
		from, to := math.Round(float64(i)*piece+piece*0.25), math.Round(float64(i)*piece+piece*0.8)
		if vertical {
			out = append(out, shape{pts: []float64{midX, from, 1, max(to-from, 1)}})
		} else {
			out = append(out, shape{pts: []float64{from, midY, max(to-from, 1), 1}})
		}
	}
	return out
}

// braille dots stand evenly over cells: 4.5 units apart in both directions, so that a line has no steps at cells' edges.
func braille(r rune) []shape {
	bits := [8][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}}
	var out []shape
	for i, at := range bits {
		if (r-0x2800)&(1<<i) != 0 {
			out = append(out, shape{kind: disc, pts: []float64{2.25 + 4.5*float64(at[0]), 2.25 + 4.5*float64(at[1]), 1.5}})
		}
	}
	return out
}

func blocks(r rune) []shape {
	one := func(x, y, w, h float64) []shape { return []shape{{pts: []float64{x, y, w, h}}} }
	switch {
	case r == 0x2580:
		return one(0, 0, cellW, cellH/2)
	case r >= 0x2581 && r <= 0x2588: // lower eighths
		h := cellH * float64(r-0x2580) / 8
		return one(0, cellH-h, cellW, h)
	case r >= 0x2589 && r <= 0x258f: // left eighths
		return one(0, 0, cellW*float64(0x2590-r)/8, cellH)
	case r == 0x2590:
		return one(cellW/2, 0, cellW/2, cellH)
	case r >= 0x2591 && r <= 0x2593:
		return []shape{{pts: []float64{0, 0, cellW, cellH}, alpha: float64(r-0x2590) / 4}}
	case r == 0x2594:
		return one(0, 0, cellW, cellH/8)
	case r == 0x2595:
		return one(cellW*7/8, 0, cellW/8, cellH)
	}
	// Quadrants 2596..259f: upper left 1, upper right 2, lower left 4, lower right 8.
	mask := [...]int{4, 8, 1, 13, 9, 7, 11, 2, 6, 14}[r-0x2596]
	var out []shape
	for i := range 4 {
		if mask&(1<<i) != 0 {
			out = append(out, one(cellW/2*float64(i%2), cellH/2*float64(i/2), cellW/2, cellH/2)...)
		}
	}
	return out
}

// signs are drawn about the point where capital letters have their middle.
const (
	signX = 4.5
	signY = 9.0
	signR = 3.2
)

func polygon(pts ...float64) shape { return shape{kind: poly, pts: pts} }

// stroke is a line of a width, as a polygon.
func stroke(x0, y0, x1, y1, width float64) shape {
	l := math.Hypot(x1-x0, y1-y0)
	dx, dy := (y1-y0)/l*width/2, -(x1-x0)/l*width/2
	return polygon(x0+dx, y0+dy, x1+dx, y1+dy, x1-dx, y1-dy, x0-dx, y0-dy)
}

func outline(width float64, pts ...float64) []shape {
	var out []shape
	for i := 0; i < len(pts); i += 2 {
		j := (i + 2) % len(pts)
		out = append(out, stroke(pts[i], pts[i+1], pts[j], pts[j+1], width), shape{kind: disc, pts: []float64{pts[i], pts[i+1], width / 2}})
	}
	return out
}

// arc is a bow of a ring from one angle to another (turns, 0 is right, clockwise) as one polygon.
func arc(from, to, r, width float64) shape {
	const steps = 24
	var pts []float64
	for side, radius := range []float64{r + width/2, r - width/2} {
		for i := range steps + 1 {
			k := float64(i)
			if side == 1 {
				k = steps - k
			}
			a := 2 * math.Pi * (from + (to-from)*k/steps)
			pts = append(pts, signX+radius*math.Cos(a), signY+radius*math.Sin(a))
		}
	}
	return polygon(pts...)
}

func ring() shape { return arc(0, 1, signR, 1.1) }

var signs = map[rune][]shape{
	'●': {{kind: disc, pts: []float64{signX, signY, signR + 0.3}}},
	'○': {ring()},
	'◐': {ring(), arc(0.25, 0.75, signR/2, signR)},
	'◌': dotted(),
	'■': {{pts: []float64{1, 6, 7, 7}}},
	'□': outline(1.1, 1.5, 6.5, 7.5, 6.5, 7.5, 12.5, 1.5, 12.5),
	'▪': {{pts: []float64{3, 7, 4, 4}}},
	'▲': {polygon(4.5, 5, 8.3, 12.6, 0.7, 12.6)},
	'△': outline(1.1, 4.5, 5.8, 7.8, 12.2, 1.2, 12.2),
	'▼': {polygon(4.5, 13, 8.3, 5.4, 0.7, 5.4)},
	'▶': {polygon(8.4, 9, 1, 13, 1, 5)},
	'◀': {polygon(0.6, 9, 8, 13, 8, 5)},
	'◆': {polygon(4.5, 4.8, 8.4, 9, 4.5, 13.2, 0.6, 9)},
	'◇': outline(1.1, 4.5, 5.2, 8, 9, 4.5, 12.8, 1, 9),
	'✗': {stroke(1.6, 5.6, 7.4, 12.8, 1.7), stroke(7.4, 5.6, 1.6, 12.8, 1.7)},
	'✓': {stroke(1.2, 9.6, 3.6, 12.6, 1.6), stroke(3.3, 12.8, 8, 5.4, 1.6)},
	'↻': {arc(0.02, 0.84, signR, 1.2), polygon(8.6, 3.6, 8.6, 8.2, 4.2, 7.2)},
	'‖': {{pts: []float64{2, 4, 1, 11}}, {pts: []float64{6, 4, 1, 11}}},
	'⏎': {{pts: []float64{7, 5, 1, 6}}, {pts: []float64{3, 10, 5, 1}}, polygon(0.8, 10.5, 4, 7.8, 4, 13.2)},
	'←': {{pts: []float64{2, 9, 6, 1}}, polygon(0.5, 9.5, 4, 6.8, 4, 12.2)},
	'→': {{pts: []float64{1, 9, 6, 1}}, polygon(8.5, 9.5, 5, 6.8, 5, 12.2)},
	'↑': {{pts: []float64{4, 6, 1, 8}}, polygon(4.5, 4, 7.2, 7.6, 1.8, 7.6)},
	'↓': {{pts: []float64{4, 4, 1, 8}}, polygon(4.5, 14, 7.2, 10.4, 1.8, 10.4)},
}

func dotted() []shape {
	var out []shape
	for i := range 8 {
		a := math.Pi / 4 * float64(i)
		out = append(out, shape{kind: disc, pts: []float64{signX + signR*math.Cos(a), signY + signR*math.Sin(a), 0.7}})
	}
	return out
}
