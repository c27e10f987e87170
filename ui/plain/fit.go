package plain

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/clipperhouse/displaywidth"
)

// blanks are padding that need not be made each time.
var blanks = strings.Repeat(" ", 512)

// Width is how many cells s takes. Control sequences (a style's) take none.
func Width(s string) int {
	if printable(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// Clip is Line(s) cut to width cells, with … where something was cut. It is for text, not for what is styled already.
func Clip(s string, width int) string {
	s, _ = clip(s, width)
	return s
}

// Fit is Clip(s, width) with spaces behind it: exactly width cells.
func Fit(s string, width int) string {
	s, w := clip(s, width)
	for w < width { // again only where the first space joined the last character (a prepended letter)
		s += spaces(width - w)
		if printable(s) {
			break
		}
		w = Width(s)
	}
	return s
}

// clip is Clip with the width of what it returns.
func clip(s string, width int) (string, int) {
	if width <= 0 {
		return "", 0
	}
	s = LineN(s, width+2) // a wide character may not fit into the last cell
	if printable(s) {
		if len(s) <= width {
			return s, len(s)
		}
		return s[:width-1] + "…", width
	}
	w := Width(s)
	if w <= width {
		return s, w
	}
	s = ansi.Truncate(s, width, "…")
	return s, Width(s)
}

func spaces(n int) string {
	if n <= len(blanks) {
		return blanks[:n]
	}
	return strings.Repeat(" ", n)
}

// cut takes the first cells of s, which is w wide and harmless.
func cut(s string, w, cells int) string {
	if w <= cells {
		return s
	}
	if printable(s) {
		return s[:cells]
	}
	return ansi.Truncate(s, cells, "")
}

// runeWidth is about how wide r is alone.
func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	return displaywidth.Rune(r)
}
