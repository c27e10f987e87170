package chart

import (
	"strings"

	"quarterdeck/ui/theme"
)

// canvas is a plot: w×h cells of 2×4 dots, as a braille character has them.
type canvas struct {
	w, h  int
	dots  []uint8 // by cell, bits as in the braille block
	pen   []uint8 // by cell: index of the pen that drew last
	over  []rune  // by cell: a character over the dots, 0: none
	pens  []theme.Pen
	ascii bool
}

// braille bits by dot column and row: ISO/TR 11548-1.
var brailleBit = [2][4]uint8{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

func newCanvas(w, h int, ascii bool) *canvas {
	return &canvas{w: w, h: h, dots: make([]uint8, w*h), pen: make([]uint8, w*h), over: make([]rune, w*h), pens: []theme.Pen{{}}, ascii: ascii}
}

// addPen is the index to draw with; past 255 pens the last one is shared.
func (c *canvas) addPen(p theme.Pen) uint8 {
	if len(c.pens) > 255 {
		return 255
	}
	c.pens = append(c.pens, p)
	return uint8(len(c.pens) - 1) //nolint:gosec // bounded above
}

func (c *canvas) set(x, y int, pen uint8) {
	if x < 0 || y < 0 || x >= 2*c.w || y >= 4*c.h {
		return
	}
	i := y/4*c.w + x/2
	c.dots[i] |= brailleBit[x%2][y%4]
	c.pen[i] = pen
}

// line joins two dots (Bresenham).
func (c *canvas) line(x0, y0, x1, y1 int, pen uint8) {
	dx, dy := abs(x1-x0), -abs(y1-y0)
	sx, sy := sign(x1-x0), sign(y1-y0)
	for e := dx + dy; ; {
		c.set(x0, y0, pen)
		if x0 == x1 && y0 == y1 {
			return
		}
		if e2 := 2 * e; e2 >= dy && x0 != x1 {
			e += dy
			x0 += sx
		} else {
			e += dx
			y0 += sy
		}
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// put draws a character where there is nothing yet.
func (c *canvas) put(col, row int, r rune, pen uint8) {
	if col < 0 || row < 0 || col >= c.w || row >= c.h {
		return
	}
	if i := row*c.w + col; c.dots[i] == 0 && c.over[i] == 0 {
		c.over[i], c.pen[i] = r, pen
	}
}

// force draws a character over whatever is there.
func (c *canvas) force(col, row int, r rune, pen uint8) {
	if col < 0 || row < 0 || col >= c.w || row >= c.h {
		return
	}
	i := row*c.w + col
	c.over[i], c.pen[i] = r, pen
}

// writeRow writes a row's w cells, a pen's change at a time.
func (c *canvas) writeRow(b *strings.Builder, row int) {
	last := uint8(0)
	for i := row * c.w; i < (row+1)*c.w; i++ {
		r := c.rune(i)
		pen := c.pen[i]
		if r == ' ' {
			pen = 0
		}
		if pen != last {
			b.WriteString(c.pens[last].Off)
			b.WriteString(c.pens[pen].On)
			last = pen
		}
		b.WriteRune(r)
	}
	b.WriteString(c.pens[last].Off)
}

func (c *canvas) rune(i int) rune {
	switch {
	case c.over[i] != 0:
		return c.over[i]
	case c.dots[i] == 0:
		return ' '
	case c.ascii:
		return asciiDots(c.dots[i])
	}
	return 0x2800 + rune(c.dots[i])
}

// asciiDots is the character that stands at about the dots' height.
func asciiDots(dots uint8) rune {
	const top, upper, lower, bottom = 0x09, 0x12, 0x24, 0xc0
	high, low := dots&(top|upper) != 0, dots&(lower|bottom) != 0
	switch {
	case high && low && dots&top != 0 && dots&bottom != 0:
		return '|'
	case high && low:
		return '-'
	case high && dots&top != 0:
		return '\''
	case low && dots&bottom != 0:
		return '.'
	}
	return '-'
}
