package frame

import (
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/ui/plain"
)

// Frame is a screen of cells. It does not change: use it from any goroutine.
type Frame struct {
	w, h  int
	lines []uv.Line
}

// Options are how a picture looks.
type Options struct {
	// Dark says that the terminal's own background is dark.
	Dark  bool
	Title string // may be untrusted
	// Scale of a PNG: a cell is 9×18 pixels at 1; 0 is 2. It is lowered where the picture would pass 100 million pixels.
	Scale int
}

// Parse reads a frame of w×h cells. What does not fit is cut, what is missing is blank; sequences
// other than styles and links are dropped.
func Parse(s string, w, h int) Frame {
	w, h = max(w, 1), max(h, 1)
	buf := uv.NewScreenBuffer(w, h)
	buf.Method = ansi.GraphemeWidth
	uv.NewStyledString(s).Draw(buf, buf.Bounds())
	f := Frame{w: w, h: h, lines: make([]uv.Line, h)}
	for y := range f.lines {
		f.lines[y] = buf.Line(y)
		for x := range f.lines[y] {
			harmless(&f.lines[y][x])
		}
	}
	return f
}

// harmless takes out of a cell what a terminal would act on: the parser keeps private sequences in cells.
func harmless(c *uv.Cell) {
	if c.Width == 0 {
		return
	}
	if text := plain.Line(c.Content); text != c.Content {
		if plain.Width(text) != c.Width {
			text = plain.Fit(text, c.Width)
		}
		c.Content = text
	}
	c.Link = uv.Link{}
}

// Size is the frame's size in cells.
func (f Frame) Size() (w, h int) { return f.w, f.h }

// Text is the frame without styles; blanks at the lines' ends are left out.
func (f Frame) Text() string {
	lines := make([]string, f.h)
	for y, l := range f.lines {
		lines[y] = strings.TrimRight(l.String(), " ")
	}
	return strings.Join(lines, "\n")
}

// ANSI is the frame with styles; each line ends with all of them off.
func (f Frame) ANSI() string {
	lines := make([]string, f.h)
	for y, l := range f.lines {
		lines[y] = l.Render()
	}
	return strings.Join(lines, "\n")
}

// look is a cell's style with all colours known.
type look struct {
	fg, bg                 color.RGBA
	bold, underline, cross bool
	italic                 bool
}

// colours are a terminal's: its own text and background, and the sixteen.
type colours struct {
	fg, bg color.RGBA
	basic  [16]color.RGBA
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255} //nolint:gosec // bytes of a number
}

func newColours(dark bool) colours {
	c := colours{fg: rgb(0xd6d9de), bg: rgb(0x14171c)}
	basic := [16]uint32{0x1c2026, 0xd75f5f, 0x87af87, 0xd7d75f, 0x5f87d7, 0xb48ead, 0x56a8b8, 0xc6c6c6, 0x6c7480, 0xff6b6b, 0x9fd79f, 0xf4ec8f, 0x6cb6ff, 0xff87ff, 0x56c8d8, 0xffffff}
	if !dark {
		c.fg, c.bg = rgb(0x24292f), rgb(0xffffff)
		basic = [16]uint32{0x000000, 0xc00000, 0x1a7f37, 0x6b5f00, 0x0057b8, 0xaf00af, 0x00757f, 0x8a8a8a, 0x585858, 0xd70000, 0x2f9f4f, 0x8a7a00, 0x3a82d8, 0xd700d7, 0x0097a7, 0xf5f5f5}
	}
	for i, v := range basic {
		c.basic[i] = rgb(v)
	}
	return c
}

func (p *colours) of(c color.Color, own color.RGBA) color.RGBA {
	switch c := c.(type) {
	case nil:
		return own
	case ansi.BasicColor:
		return p.basic[c&15]
	}
	r, g, b, _ := c.RGBA()
	return color.RGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 255} //nolint:gosec // of 16 bits
}

func (p *colours) look(s *uv.Style) look {
	l := look{fg: p.of(s.Fg, p.fg), bg: p.of(s.Bg, p.bg), bold: s.Attrs&uv.AttrBold != 0, italic: s.Attrs&uv.AttrItalic != 0,
		underline: s.Underline != uv.UnderlineNone, cross: s.Attrs&uv.AttrStrikethrough != 0}
	if s.Attrs&uv.AttrReverse != 0 {
		l.fg, l.bg = l.bg, l.fg
	}
	if s.Attrs&uv.AttrFaint != 0 {
		l.fg = mix(l.fg, l.bg)
	}
	if s.Attrs&uv.AttrConceal != 0 {
		l.fg = l.bg
	}
	return l
}

// mix is three parts of a and two of b: dimmed, and readable.
func mix(a, b color.RGBA) color.RGBA {
	m := func(x, y uint8) uint8 { return uint8((3*int(x) + 2*int(y)) / 5) } //nolint:gosec // a mean of bytes
	return color.RGBA{R: m(a.R, b.R), G: m(a.G, b.G), B: m(a.B, b.B), A: 255}
}

// firstRune is a cell's character when it is one alone.
func firstRune(content string) (rune, bool) {
	var first rune
	n := 0
	for _, r := range content {
		first = r
		n++
	}
	return first, n == 1
}
