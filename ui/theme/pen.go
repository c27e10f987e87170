package theme

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Pen is a style boiled down to what stands before and behind a text, for whoever draws thousands of cells a
// frame: a lipgloss.Style takes about a microsecond for each text, a Pen the time of a copy.
// It carries colours and attributes, not padding, borders or widths.
type Pen struct{ On, Off string }

// PenOf makes a style's pen.
func PenOf(s lipgloss.Style) Pen {
	on, off, _ := strings.Cut(s.Render("x"), "x")
	return Pen{On: on, Off: off}
}

// Write writes harmless text of one line in the pen's style.
func (p Pen) Write(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	b.WriteString(p.On)
	b.WriteString(text)
	b.WriteString(p.Off)
}

// Render is text in the pen's style.
func (p Pen) Render(text string) string {
	if p.On == "" || text == "" {
		return text
	}
	return p.On + text + p.Off
}
