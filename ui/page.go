package ui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// page is text that grows line by line, each of w cells: the inside of a box. What it takes is untrusted and made harmless.
type page struct {
	w     int
	lines []string
}

// boxWidth is the inner width of a box with text.
func boxWidth(m *Model) int { return max(min(m.w-8, 100), min(m.w-4, 40)) }

// add adds text, wrapped.
func (p *page) add(st theme.Style, text string) { p.hang(st, "", text) }

// sign adds text with a sign before it; the further lines stand below the text.
func (p *page) sign(st theme.Style, sign, text string) { p.hang(st, sign+" ", text) }

// hang adds wrapped text whose first line follows head; the others are indented by as much.
func (p *page) hang(st theme.Style, head, text string) {
	indent := plain.Width(head)
	room := max(p.w-indent, 8)
	for i, l := range strings.Split(ansi.Wrap(inLine(text), room, "/,@"), "\n") {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.lines = append(p.lines, st.Render(plain.Fit(head+l, p.w)))
	}
}

// command adds what somebody will copy: from the line's beginning on, broken only where the line is full.
func (p *page) command(st theme.Style, text string) {
	for _, l := range strings.Split(ansi.Hardwrap(inLine(text), max(p.w, 8), true), "\n") {
		p.lines = append(p.lines, st.Render(plain.Fit(l, p.w)))
	}
}

// drawn adds a line that is drawn already.
func (p *page) drawn(line string) { p.lines = append(p.lines, fitStyled(line, p.w)) }

func (p *page) gap() { p.lines = append(p.lines, strings.Repeat(" ", p.w)) }

// hints adds keys with what they do.
func (p *page) hints(m *Model, pairs ...string) {
	var b strings.Builder
	used := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		n := plain.Width(pairs[i]) + plain.Width(pairs[i+1]) + 3
		if used > 0 && used+n > p.w {
			p.drawn(b.String())
			b.Reset()
			used = 0
		}
		b.WriteString(m.st.HintKey.Render(pairs[i]) + m.st.HintDesc.Render(" "+pairs[i+1]+"  "))
		used += n
	}
	p.drawn(b.String())
}

// exactly are the first h lines, with empty ones behind.
func (p *page) exactly(h int) []string { return p.window(0, h) }

// window are h lines from one on.
func (p *page) window(from, h int) []string {
	out := make([]string, 0, max(h, 0))
	for i := from; i < len(p.lines) && len(out) < h; i++ {
		out = append(out, p.lines[i])
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", p.w))
	}
	return out
}

// scroller is how far a page is scrolled, in lines.
type scroller struct{ at int }

// note tells how much is out of sight.
func (s *scroller) note(m *Model, over int) string {
	at := min(s.at, over)
	return fmt.Sprintf("%s %s above, %s %d below", m.st.Signs.Up, count(at, "line"), m.st.Signs.DownArrow, over-at)
}

// handle scrolls where a key says so; over is by how much the page is longer than what is shown.
func (s *scroller) handle(a act, over, h int) bool {
	l := list{ids: make([]string, max(over, 0)+1), index: s.at, height: h}
	if !l.handle(a) {
		return false
	}
	s.at = l.index
	return true
}
