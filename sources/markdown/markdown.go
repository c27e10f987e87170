// Package markdown writes what others have written (names, log lines, notes, queries) into a document, so that it stays text. It is of the domain: it
// talks to nothing, and all that leaves as Markdown (the incident's report, the diagnosis, the handover) goes through it.
package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// Harmless makes one line of text: no control characters, none that are not to be seen or turn the writing round.
func Harmless(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r >= 0xE0000:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Text makes text stand in Markdown as it is: CommonMark's backslash escapes, and entities for what HTML would take. No address becomes a link.
func Text(s string) string {
	s = strings.TrimSpace(Harmless(s))
	var b strings.Builder
	b.Grow(len(s) + 8)
	digits := true // only digits so far: a number at the beginning, with a dot behind it, would be a list
	for i, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*[]|~$", r), r == '_' && !inWord(s, i), i == 0 && strings.ContainsRune("#+-=:", r),
			i > 0 && digits && (r == '.' || r == ')') && (i+1 == len(s) || s[i+1] == ' '), r == '/' && strings.HasSuffix(s[:i], ":") && strings.HasPrefix(s[i:], "//"), r == '.' && endsIn(s[:i], "www"):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		digits = digits && r >= '0' && r <= '9'
	}
	return b.String()
}

// inWord tells whether a sign stands between two letters or digits: there an underscore is no emphasis (CommonMark 0.31, 6.2).
func inWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	return word(before) && word(after)
}

func word(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func endsIn(s, end string) bool {
	return len(s) >= len(end) && strings.EqualFold(s[len(s)-len(end):], end)
}

// Code makes text stand as it is in a code span, in a table too. What has a bar in it is escaped text: a table's bar and a code span's backslash
// are read differently by different programs.
func Code(s string) string {
	if strings.Contains(s, "|") {
		return Text(s)
	}
	return Span(s)
}

// Span makes text stand as it is in a code span, outside a table. What is empty has none.
func Span(s string) string {
	s = strings.TrimSpace(Harmless(s))
	if s == "" {
		return ""
	}
	ticks := strings.Repeat("`", run(s, '`')+1)
	pad := ""
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		pad = " "
	}
	return ticks + pad + s + pad + ticks
}

// Fence puts lines into a block of code that none of them can end.
func Fence(b *strings.Builder, language string, lines ...string) {
	longest := 2
	for i := range lines {
		lines[i] = strings.TrimRight(Harmless(lines[i]), " ")
		longest = max(longest, run(lines[i], '`'))
	}
	ticks := strings.Repeat("`", longest+1)
	b.WriteString(ticks + language + "\n")
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	b.WriteString(ticks + "\n")
}

// run is the length of the longest run of a sign.
func run(s string, sign rune) int {
	most, now := 0, 0
	for _, r := range s {
		if r != sign {
			now = 0
			continue
		}
		now++
		most = max(most, now)
	}
	return most
}

// Table writes a table whose columns are aligned. Its cells are escaped already; a cell that is empty is a dash.
func Table(b *strings.Builder, head []string, rows [][]string) {
	widths := make([]int, len(head))
	for i := range head {
		widths[i] = max(displaywidth.String(head[i]), 3)
	}
	for _, r := range rows {
		for i := range r {
			if r[i] == "" {
				r[i] = "-"
			}
			widths[i] = max(widths[i], displaywidth.String(r[i]))
		}
	}
	line := func(cells []string) {
		b.WriteString("|")
		for i, c := range cells {
			b.WriteString(" " + c + strings.Repeat(" ", widths[i]-displaywidth.String(c)) + " |")
		}
		b.WriteString("\n")
	}
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = strings.Repeat("-", widths[i])
	}
	line(rule)
	for _, r := range rows {
		line(r)
	}
}
