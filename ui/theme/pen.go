package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// Style is a lipgloss style with its [Pen] made once. A frame has hundreds of short texts, and
// lipgloss takes about a microsecond for each; most of a frame's time was that. It draws harmless text of one
// line, and carries colours and attributes, not padding, borders or widths. The zero value draws text as it is.
type Style struct {
	pen  Pen
	full *lipgloss.Style
}

// StyleOf takes a lipgloss style.
func StyleOf(s lipgloss.Style) Style { return Style{pen: penOf(s), full: &s} }

// Full is the lipgloss style.
func (s Style) Full() lipgloss.Style {
	if s.full == nil {
		return lipgloss.NewStyle()
	}
	return *s.full
}

// Pen is what the style is boiled down to.
func (s Style) Pen() Pen { return s.pen }

// Render is text in the style.
func (s Style) Render(text string) string { return s.pen.Render(text) }

// Bold is s in bold, or not.
func (s Style) Bold(on bool) Style { return StyleOf(s.Full().Bold(on)) }

// Reverse swaps foreground and background.
func (s Style) Reverse(on bool) Style { return StyleOf(s.Full().Reverse(on)) }

// Underline underlines.
func (s Style) Underline(on bool) Style { return StyleOf(s.Full().Underline(on)) }

// Background sets the background.
func (s Style) Background(c color.Color) Style { return StyleOf(s.Full().Background(c)) }

// Pen is a style boiled down to what stands before and behind a text, for whoever draws cells one by one.
type Pen struct{ On, Off string }

func penOf(s lipgloss.Style) Pen {
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
