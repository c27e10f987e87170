package frame

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// mostPixels bounds a picture: 400 MB while it is drawn.
const mostPixels = 100e6

// PNG writes the frame as a PNG image. An error is the writer's.
func (f Frame) PNG(w io.Writer, o Options) error {
	img, err := f.paint(o)
	if err != nil {
		return err
	}
	if err := png.Encode(w, img); err != nil {
		return fmt.Errorf("png: %w", err)
	}
	return nil
}

// letters is a font ready to draw with.
type letters struct {
	font *sfnt.Font
	face font.Face
	buf  sfnt.Buffer
}

func newLetters(ttf []byte, size float64) (*letters, error) {
	f, err := opentype.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	return &letters{font: f, face: face}, nil
}

func (l *letters) has(r rune) bool {
	i, err := l.font.GlyphIndex(&l.buf, r)
	return err == nil && i != 0
}

// painter draws cells on an image. s is pixels a unit.
type painter struct {
	img    *image.RGBA
	s      int
	fonts  [4]*letters // by bold (1) and italic (2)
	raster vector.Rasterizer
}

func (f Frame) paint(o Options) (*image.RGBA, error) {
	w, h := f.w*int(cellW)+2*margin, f.h*int(cellH)+2*margin
	s, err := fitScale(w, h, o.Scale)
	if err != nil {
		return nil, err
	}
	p := &painter{s: s, img: image.NewRGBA(image.Rect(0, 0, w*s, h*s))}
	for i, ttf := range [][]byte{gomono.TTF, gomonobold.TTF, gomonoitalic.TTF, gomonobolditalic.TTF} {
		l, err := newLetters(ttf, fontSize*float64(s))
		if err != nil {
			return nil, err
		}
		p.fonts[i] = l
	}
	c := newColours(o.Dark)
	draw.Draw(p.img, p.img.Bounds(), image.NewUniform(c.bg), image.Point{}, draw.Src)
	for y, line := range f.lines {
		for x := range line { // backgrounds first: a letter may reach over its cell
			width := max(line[x].Width, 1)
			if l := c.look(&line[x].Style); l.bg != c.bg && line[x].Width > 0 {
				p.fill(p.origin(x, y), 0, 0, float64(width)*cellW, cellH, l.bg)
			}
		}
		for x := range line {
			if line[x].Width > 0 {
				p.cell(p.origin(x, y), line[x].Content, line[x].Width, c.look(&line[x].Style))
			}
		}
	}
	return p.img, nil
}

// fitScale is the largest scale up to the one that is asked for (0: 2) at which w×h units stay below mostPixels.
func fitScale(w, h, s int) (int, error) {
	if s <= 0 {
		s = 2
	}
	for s > 1 && float64(w*s)*float64(h*s) > mostPixels {
		s--
	}
	if float64(w)*float64(h) > mostPixels {
		return 0, fmt.Errorf("a picture of %d×%d pixels is too large: ask for a smaller size", w, h)
	}
	return s, nil
}

func (p *painter) origin(x, y int) image.Point {
	return image.Pt((margin+x*int(cellW))*p.s, (margin+y*int(cellH))*p.s)
}

func (p *painter) cell(at image.Point, content string, width int, l look) {
	if l.underline {
		p.fill(at, 0, baseline+2, float64(width)*cellW, 1, l.fg)
	}
	if l.cross {
		p.fill(at, 0, baseline-5, float64(width)*cellW, 1, l.fg)
	}
	if content == "" || content == " " {
		return
	}
	if r, one := firstRune(content); one {
		if shapes, ok := drawn(r); ok {
			for _, s := range shapes {
				p.shape(at, s, l.fg)
			}
			return
		}
	}
	p.text(at, content, width, l)
}

// text draws a cell's letter with its marks; what the font has not becomes a box as wide as the cell.
func (p *painter) text(at image.Point, content string, width int, l look) {
	i := 0
	if l.bold {
		i = 1
	}
	if l.italic {
		i += 2
	}
	with := p.fonts[i]
	for i, r := range content {
		if with.has(r) {
			d := font.Drawer{Dst: p.img, Src: image.NewUniform(l.fg), Face: with.face, Dot: fixed.P(at.X, at.Y+int(baseline)*p.s)}
			d.DrawString(string(r))
			continue
		}
		if i == 0 {
			w := float64(width)*cellW - 2
			for _, e := range [][4]float64{{1, 4, w, 1}, {1, 14, w, 1}, {1, 4, 1, 11}, {w, 4, 1, 11}} {
				p.fill(at, e[0], e[1], e[2], e[3], l.fg)
			}
		}
	}
}

func (p *painter) shape(at image.Point, s shape, c color.RGBA) {
	switch s.kind {
	case rect:
		if s.alpha > 0 {
			a := s.alpha
			c = color.RGBA{R: uint8(float64(c.R) * a), G: uint8(float64(c.G) * a), B: uint8(float64(c.B) * a), A: uint8(255 * a)}
		}
		p.fill(at, s.pts[0], s.pts[1], s.pts[2], s.pts[3], c)
	case poly:
		p.polygon(at, s.pts, c)
	case disc:
		p.polygon(at, circle(s.pts[0], s.pts[1], s.pts[2]), c)
	}
}

// fill paints a rectangle, its edges on whole pixels.
func (p *painter) fill(at image.Point, x, y, w, h float64, c color.RGBA) {
	px := func(v float64) int { return int(math.Round(v * float64(p.s))) }
	r := image.Rect(at.X+px(x), at.Y+px(y), at.X+px(x+w), at.Y+px(y+h))
	draw.Draw(p.img, r, image.NewUniform(c), image.Point{}, draw.Over)
}

// polygon paints with smooth edges; it may reach one unit beyond its cell.
func (p *painter) polygon(at image.Point, pts []float64, c color.RGBA) {
	s := float64(p.s)
	pad := p.s
	w, h := int(cellW)*p.s+2*pad, int(cellH)*p.s+2*pad
	p.raster.Reset(w, h)
	point := func(i int) (float32, float32) {
		return float32(pts[i]*s) + float32(pad), float32(pts[i+1]*s) + float32(pad)
	}
	p.raster.MoveTo(point(0))
	for i := 2; i < len(pts); i += 2 {
		p.raster.LineTo(point(i))
	}
	p.raster.ClosePath()
	p.raster.Draw(p.img, image.Rect(at.X-pad, at.Y-pad, at.X-pad+w, at.Y-pad+h), image.NewUniform(c), image.Point{})
}

func circle(x, y, r float64) []float64 {
	const n = 24
	pts := make([]float64, 0, 2*n)
	for i := range n {
		a := 2 * math.Pi * float64(i) / n
		pts = append(pts, x+r*math.Cos(a), y+r*math.Sin(a))
	}
	return pts
}
