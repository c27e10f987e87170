package frame

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"

	"quarterdeck/ui/plain"
)

// margin is the space around the cells of a picture, in units.
const margin = 12

// fonts are those that readers have; the letters are laid into their cells whichever it is.
const fonts = `ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace`

// SVG is the frame as an SVG image that needs no font and no style sheet of its own: it can stand in a README.
func (f Frame) SVG(o Options) string {
	p := newColours(o.Dark)
	w, h := float64(f.w)*cellW+2*margin, float64(f.h)*cellH+2*margin
	title := plain.LineN(o.Title, 200)
	if title == "" {
		title = "terminal"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img">`, num(w), num(h), num(w), num(h))
	b.WriteString("<title>" + escape(title) + "</title>\n")
	fmt.Fprintf(&b, `<rect width="%s" height="%s" rx="8" fill="%s"/>`+"\n", num(w), num(h), hex(p.bg))
	fmt.Fprintf(&b, `<g transform="translate(%d %d)" font-family="%s" font-size="%s" xml:space="preserve">`+"\n", margin, margin, fonts, num(fontSize))
	for y := range f.lines {
		f.svgBackgrounds(&b, &p, y)
	}
	for y := range f.lines {
		f.svgLine(&b, &p, y)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// svgBackgrounds paints the cells that have not the terminal's own background, a run at a time.
func (f Frame) svgBackgrounds(b *strings.Builder, p *colours, y int) {
	line := f.lines[y]
	for x := 0; x < f.w; {
		bg := p.look(&line[x].Style).bg
		end := x + 1
		for end < f.w && (line[end].Width == 0 || p.look(&line[end].Style).bg == bg) {
			end++
		}
		if bg != p.bg {
			fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s" shape-rendering="crispEdges"/>`+"\n",
				num(float64(x)*cellW), num(float64(y)*cellH), num(float64(end-x)*cellW), num(cellH), hex(bg))
		}
		x = end
	}
}

// svgLine writes a line's letters as texts and its drawn characters as paths, a run of one look at a time.
func (f Frame) svgLine(b *strings.Builder, p *colours, y int) {
	line := f.lines[y]
	for x := 0; x < f.w; {
		c := &line[x]
		if c.Width == 0 || c.Content == "" {
			x++
			continue
		}
		l := p.look(&c.Style)
		geometry := isDrawn(c.Content)
		end := x
		for end < f.w {
			d := &line[end]
			if d.Width > 0 && (p.look(&d.Style) != l || isDrawn(d.Content) != geometry || (end > x && (d.Width > 1 || c.Width > 1 || notASCII(d.Content) || notASCII(c.Content)) && !geometry)) {
				break
			}
			end++
		}
		if geometry {
			f.svgShapes(b, l, y, x, end)
		} else {
			f.svgText(b, l, y, x, end)
		}
		f.svgRules(b, l, y, x, end)
		x = end
	}
}

func isDrawn(content string) bool {
	r, one := firstRune(content)
	if !one {
		return false
	}
	_, ok := drawn(r)
	return ok
}

func notASCII(s string) bool { return len(s) != 1 || s[0] > '~' }

// svgText writes the cells' letters, a new text after each wider space: a reader that does not know textLength
// then is off by a fraction of a cell at most.
func (f Frame) svgText(b *strings.Builder, l look, y, from, to int) {
	var word strings.Builder
	at, width, blanks := from, 0, 0
	flush := func() {
		if word.Len() > 0 {
			svgWord(b, l, float64(at)*cellW, float64(y)*cellH+baseline, word.String(), width)
		}
		word.Reset()
		width = 0
	}
	for x := from; x < to; x++ {
		c := &f.lines[y][x]
		if c.Content == " " {
			blanks++
			continue
		}
		if c.Width == 0 {
			continue
		}
		switch {
		case blanks > 1 || word.Len() == 0:
			flush()
			at = x
		case blanks == 1:
			word.WriteByte(' ')
			width++
		}
		blanks = 0
		word.WriteString(c.Content)
		width += c.Width
	}
	flush()
}

func svgWord(b *strings.Builder, l look, x, y float64, word string, width int) {
	fmt.Fprintf(b, `<text x="%s" y="%s" textLength="%s" lengthAdjust="spacingAndGlyphs" fill="%s"`, num(x), num(y), num(float64(width)*cellW), hex(l.fg))
	if l.bold {
		b.WriteString(` font-weight="bold"`)
	}
	if l.italic {
		b.WriteString(` font-style="italic"`)
	}
	b.WriteString(">" + escape(word) + "</text>\n")
}

// svgShapes writes rectangles and polygons as one path, round dots as another: points drawn with a round pen.
func (f Frame) svgShapes(b *strings.Builder, l look, y, from, to int) {
	var fills, crisp strings.Builder
	dots := map[string]*strings.Builder{}
	var radii []string
	for x := from; x < to; x++ {
		r, _ := firstRune(f.lines[y][x].Content)
		shapes, _ := drawn(r)
		ox, oy := float64(x)*cellW, float64(y)*cellH
		for _, s := range shapes {
			p := s.pts
			switch {
			case s.kind == rect && s.alpha > 0:
				fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s" fill-opacity="%s"/>`+"\n", num(ox+p[0]), num(oy+p[1]), num(p[2]), num(p[3]), hex(l.fg), num(s.alpha))
			case s.kind == rect:
				fmt.Fprintf(&crisp, "M%s %sh%sv%sh-%sz", num(ox+p[0]), num(oy+p[1]), num(p[2]), num(p[3]), num(p[2]))
			case s.kind == poly:
				for i := 0; i < len(p); i += 2 {
					fills.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + num(ox+p[i]) + " " + num(oy+p[i+1]))
				}
				fills.WriteByte('z')
			default:
				radius := num(2 * p[2])
				if dots[radius] == nil {
					dots[radius] = &strings.Builder{}
					radii = append(radii, radius)
				}
				fmt.Fprintf(dots[radius], "M%s %sh.01", num(ox+p[0]), num(oy+p[1]))
			}
		}
	}
	if crisp.Len() > 0 {
		fmt.Fprintf(b, `<path fill="%s" shape-rendering="crispEdges" d="%s"/>`+"\n", hex(l.fg), crisp.String())
	}
	if fills.Len() > 0 {
		fmt.Fprintf(b, `<path fill="%s" d="%s"/>`+"\n", hex(l.fg), fills.String())
	}
	for _, width := range radii {
		fmt.Fprintf(b, `<path stroke="%s" stroke-width="%s" stroke-linecap="round" d="%s"/>`+"\n", hex(l.fg), width, dots[width].String())
	}
}

// svgRules underlines and strikes through.
func (f Frame) svgRules(b *strings.Builder, l look, y, from, to int) {
	for _, r := range []struct {
		on bool
		at float64
	}{{l.underline, baseline + 2}, {l.cross, baseline - 5}} {
		if r.on {
			fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="1" fill="%s"/>`+"\n", num(float64(from)*cellW), num(float64(y)*cellH+r.at), num(float64(to-from)*cellW), hex(l.fg))
		}
	}
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// num is a number of at most two decimals.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}
