package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxMarks is how many combining marks a character keeps. Real writing systems use up to four;
	// text that climbs out of its row uses hundreds.
	MaxMarks = 8
	// MaxLook is how many bytes of a text LineN reads at most: what stands in the first cells of a
	// line stands in its first 64 KiB, or is not worth the wait.
	MaxLook = 64 << 10

	newline = "⏎"
	tabStop = 8
	// circle carries a combining mark that has no letter of its own text to stand on.
	circle = '◌'
)

// Line is s on one line. Line ends become ⏎ (one at the very end is dropped), tabs spaces to the next
// stop of 8, invalid bytes �; control sequences go whole, one that does not end loses only its
// introducer, so that nothing hides behind it. Printable ASCII is returned as it is, without a copy.
// Line(Line(s)) == Line(s). Its time is linear in len(s).
func Line(s string) string {
	if printable(s) {
		return s
	}
	out, _ := clean(trimEnd(s), -1, newline)
	return out
}

// Text is Line for a text of several lines: \n, \r\n, lone \r and the Unicode separators become \n.
func Text(s string) string {
	if printable(s) {
		return s
	}
	out, _ := clean(s, -1, "\n")
	return out
}

// LineN is the beginning of Line(s), at most cells wide: of a line of a megabyte it reads no more than
// what those cells take, and never more than MaxLook bytes.
func LineN(s string, cells int) string {
	if cells <= 0 {
		return ""
	}
	if len(s) <= cells {
		if printable(s) {
			return s
		}
	} else if head := s[:cells]; printable(head) {
		if next := s[cells]; next < utf8.RuneSelf { // no combining mark belongs to the last cell
			return head
		}
	}
	s = cutLook(trimEnd(s))
	for want := cells; ; want *= 2 {
		out, all := clean(s, want, newline)
		if w := Width(out); w >= cells || all {
			return cut(out, w, cells)
		}
	}
}

// cutLook takes the first MaxLook bytes, whole characters only.
func cutLook(s string) string {
	if len(s) <= MaxLook {
		return s
	}
	n := MaxLook
	for n > MaxLook-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func trimEnd(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return strings.TrimSuffix(s, "\r")
}

// cleaner walks a text once. As long as nothing had to be changed, what it has is a prefix of the
// text, and nothing is copied.
type cleaner struct {
	s       string
	i       int // what has been read
	out     strings.Builder
	copied  bool
	column  int // cells since the line's start, about: tab stops need no more
	cells   int // cells written in all, about
	marks   int // combining marks on the last character
	last    rune
	newline string
}

// clean makes s harmless until about limit cells are written (negative: all), and tells whether it
// came to the text's end.
func clean(s string, limit int, newline string) (out string, all bool) {
	c := &cleaner{s: s, newline: newline, last: -1}
	for c.i < len(s) {
		r, n := rune(s[c.i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[c.i:])
		}
		if limit >= 0 && c.cells >= limit && !isMark(r) {
			break
		}
		c.rune(r, n)
	}
	if !c.copied {
		return s[:c.i], c.i == len(s)
	}
	return c.out.String(), c.i == len(s)
}

// rune takes the next character, of n bytes, and whatever belongs to it.
func (c *cleaner) rune(r rune, n int) {
	switch {
	case r >= ' ' && r <= '~':
		c.keep(r, n, 1)
	case r == utf8.RuneError && n == 1:
		c.replace(n, "\uFFFD", 1)
	case r == '\n' && c.newline == "\n":
		c.keep(r, n, 0)
		c.startLine()
	case r == '\r' && strings.HasPrefix(c.s[c.i+n:], "\n"):
		c.drop(n)
	case isLineEnd(r):
		c.replace(n, c.newline, 1)
		if c.newline == "\n" {
			c.startLine()
		}
	case r == '\t':
		spaces := tabStop - c.column%tabStop
		c.replace(n, "        "[:spaces], spaces)
	case r == 0x1b || isC1(r):
		c.drop(n + sequence(c.s[c.i+n:], r))
	case r < ' ' || r == 0x7f || invisible(r):
		c.drop(n)
	case isMark(r):
		c.mark(r, n)
	case joins(r):
		c.replace(n, "\uFFFD", 1)
	case isSkin(r) && c.last >= 0:
		c.drop(n) // terminals disagree on its width; the character below it stays
	default:
		c.keep(r, n, runeWidth(r))
	}
}

func (c *cleaner) startLine() { c.column, c.last, c.marks = 0, -1, 0 }

func (c *cleaner) mark(r rune, n int) {
	switch {
	case c.last < 0:
		c.replace(n, string([]rune{circle, r}), 1)
		c.marks = 1
	case c.marks >= MaxMarks:
		c.drop(n)
	default:
		marks := c.marks + 1
		c.keep(r, n, runeWidth(r))
		c.marks = marks
	}
}

func (c *cleaner) keep(r rune, n, width int) {
	if c.copied {
		c.out.WriteString(c.s[c.i : c.i+n])
	}
	c.advance(n, width)
	c.last = r
}

func (c *cleaner) replace(n int, with string, width int) {
	c.copy()
	c.out.WriteString(with)
	c.advance(n, width)
	c.last = ' '
}

func (c *cleaner) advance(n, width int) {
	c.i += n
	c.column += width
	c.cells += width
	c.marks = 0
}

func (c *cleaner) drop(n int) {
	c.copy()
	c.i += n
}

// copy begins the copy, with what was good until here.
func (c *cleaner) copy() {
	if c.copied {
		return
	}
	c.copied = true
	c.out.Grow(min(len(c.s), c.i+1024))
	c.out.WriteString(c.s[:c.i])
}

func isC1(r rune) bool { return r >= 0x80 && r <= 0x9f }

// isLineEnd tells of carriage return, vertical tab, form feed, NEL and the Unicode separators too.
func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

func isSkin(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

// joins tells of letters that make one character with whatever follows, be it a space or a border
// (Grapheme_Cluster_Break=Prepend of UAX #29; its format characters are dropped as such). All but the
// first are of scripts that are history.
func joins(r rune) bool {
	switch r {
	case 0xd4e, 0x111c2, 0x111c3, 0x113d1, 0x1193f, 0x11941, 0x11a3a, 0x11d46, 0x11f02:
		return true
	}
	return r >= 0x11a84 && r <= 0x11a89
}

func isMark(r rune) bool { return r >= 0x300 && !drawn(r) && unicode.Is(unicode.M, r) }

// drawn tells cheaply of the characters that a console is full of: arrows, boxes, blocks, braille, CJK, Hangul.
func drawn(r rune) bool {
	return r >= 0x2100 && r <= 0x2bff || r >= 0x30a0 && r <= 0xa000 || r >= 0xac00 && r <= 0xd7a3
}

// invisible tells of what takes no cell and changes how others are shown or read: format characters
// (bidirectional marks and overrides, joiners, the byte order mark, tags), variation selectors, on whose
// width terminals disagree, and fillers.
func invisible(r rune) bool {
	if r < 0x300 {
		return r == 0xad
	}
	return !drawn(r) && unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// sequence is the length of what follows the introducer r (ESC or a C1 control) and belongs to it, by
// ECMA-48: parameters and final byte, or a string up to its terminator. A string that is not
// terminated before the line's end or the next introducer is text: 0, or the two-byte introducer's rest.
func sequence(s string, r rune) int {
	n := 0
	if r == 0x1b {
		if s == "" || s[0] < 0x20 || s[0] > 0x7e {
			return 0
		}
		if s[0] < 0x40 || s[0] > 0x5f { // ESC ( B, ESC 7, ESC c
			return span(s, 0x20, 0x2f, 0x30, 0x7e)
		}
		r, n = rune(s[0])+0x40, 1
	}
	switch r {
	case 0x9b: // CSI
		params := prefix(s[n:], 0x30, 0x3f)
		return n + params + span(s[n+params:], 0x20, 0x2f, 0x40, 0x7e)
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f: // DCS, SOS, OSC, PM, APC
		return n + terminated(s[n:])
	}
	return n
}

// span is the length of bytes from lo to hi and one final byte; without the final byte, of the first ones alone.
func span(s string, lo, hi, finalLo, finalHi byte) int {
	n := prefix(s, lo, hi)
	if n < len(s) && s[n] >= finalLo && s[n] <= finalHi {
		n++
	}
	return n
}

func prefix(s string, lo, hi byte) int {
	n := 0
	for n < len(s) && s[n] >= lo && s[n] <= hi {
		n++
	}
	return n
}

// terminated is the length of a control string with its terminator (BEL, ESC \ or U+009C), 0 if there is
// none before something that a control string cannot hold. Stopping there keeps all of a text's
// sequences together linear.
func terminated(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x07:
			return i + 1
		case c == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case c == 0xc2 && i+1 < len(s) && s[i+1] == 0x9c:
			return i + 2
		case c == '\n' || c == 0x18 || c == 0x1a || c == 0x1b:
			return 0
		case c == 0xc2 && i+1 < len(s) && s[i+1] < 0xa0:
			return 0
		}
	}
	return 0
}
