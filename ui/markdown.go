package ui

import (
	"regexp"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"quarterdeck/ui/plain"
)

// itemHead begins an item of a numbered list.
var itemHead = regexp.MustCompile(`^\d+\. `)

// markdown draws the Markdown that our own reports are made of: headings, lists, paragraphs, tables and blocks of code.
func (p *page) markdown(m *Model, text string) {
	var rows [][]string
	flush := func() {
		if len(rows) > 0 {
			p.table(m, rows)
			rows = nil
		}
	}
	fence := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = inLine(line)
		switch ticks := leading(line, '`'); {
		case fence != "" && line == fence:
			fence = ""
			continue
		case fence != "":
			p.drawn(m.st.Text.Render(plain.Fit(line, p.w)))
			continue
		case len(ticks) >= 3:
			flush()
			fence = ticks
			continue
		}
		if strings.HasPrefix(line, "|") {
			rows = append(rows, tableRow(line))
			continue
		}
		flush()
		p.markdownLine(m, line)
	}
	flush()
}

func leading(s string, sign byte) string {
	n := 0
	for n < len(s) && s[n] == sign {
		n++
	}
	return s[:n]
}

// markdownLine draws a line that is none of a table and none of a block of code.
func (p *page) markdownLine(m *Model, line string) {
	switch bare := inlineText(line); {
	case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "## "), strings.HasPrefix(line, "### "):
		p.add(m.st.Title, strings.TrimLeft(bare, "# "))
	case strings.HasPrefix(line, "- [ ] "):
		p.hang(m.st.Text, " "+m.st.Signs.Idle+" ", bare[len("- [ ] "):])
	case strings.HasPrefix(line, "- "):
		p.hang(m.st.Text, " "+m.st.Signs.Dot+" ", bare[2:])
	case strings.HasPrefix(line, "   - "):
		p.hang(m.st.Muted, "    "+m.st.Signs.Dash+" ", bare[5:])
	case itemHead.MatchString(line):
		head := itemHead.FindString(line)
		p.hang(m.st.Text, " "+head, strings.TrimPrefix(bare, head))
	case line == "":
		p.gap()
	default:
		p.add(m.st.Text, bare)
	}
}

// inlineText is a line as it is read: without the signs of emphasis and code, and what was escaped as it was.
func inlineText(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && punctuation(line[i+1]):
			i++
			b.WriteByte(line[i])
		case c == '`':
			ticks := leading(line[i:], '`')
			body, _, closed := strings.Cut(line[i+len(ticks):], ticks)
			if !closed {
				b.WriteString(ticks)
				i += len(ticks) - 1
				continue
			}
			b.WriteString(strings.TrimSpace(body))
			i += 2*len(ticks) + len(body) - 1
		case c == '*' && i+1 < len(line) && line[i+1] == '*':
			i++
		case c == '&':
			entity := false
			for _, e := range []struct{ name, text string }{{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}} {
				if strings.HasPrefix(line[i:], e.name) {
					b.WriteString(e.text)
					i += len(e.name) - 1
					entity = true
					break
				}
			}
			if !entity {
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// punctuation are the signs that a backslash escapes (CommonMark 0.31, 2.4).
func punctuation(c byte) bool {
	return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

// tableRow parts a row of a Markdown table into its cells.
func tableRow(line string) []string {
	line = strings.TrimSpace(line)
	var cells []string
	var cell strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			cell.WriteString(line[i : i+2])
			i++
		case c == '|':
			cells = append(cells, inlineText(strings.TrimSpace(cell.String())))
			cell.Reset()
		default:
			cell.WriteByte(c)
		}
	}
	return cells
}

// columnLeast is how many cells a column of a table needs to be read; with less for each, a row is drawn as lines.
const columnLeast = 14

// table draws the rows of a Markdown table: a head, the line below it, and the body.
func (p *page) table(m *Model, rows [][]string) {
	if len(rows[0]) > 2 && p.w/len(rows[0]) < columnLeast {
		p.records(m, rows)
		return
	}
	t := table.New().Width(p.w).Headers(rows[0]...).Wrap(true).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderColumn(false).BorderRow(false).BorderHeader(false).
		StyleFunc(func(row, _ int) lipgloss.Style {
			if row == table.HeaderRow {
				return m.st.TableHeader.Full().PaddingRight(2)
			}
			return m.st.Text.Full().PaddingRight(2)
		})
	for _, r := range rows[min(2, len(rows)):] {
		t.Row(r...)
	}
	for l := range strings.SplitSeq(t.Render(), "\n") {
		p.drawn(l)
	}
}

// records draws the rows of a table that is too wide for columns: the short cells in a line, each but the first with its heading, the longest one below them.
func (p *page) records(m *Model, rows [][]string) {
	for _, r := range rows[min(2, len(rows)):] {
		long := 0
		for i := range r {
			if plain.Width(r[i]) > plain.Width(r[long]) {
				long = i
			}
		}
		named := func(i int) string {
			if i == 0 || i >= len(rows[0]) || rows[0][i] == "" {
				return r[i]
			}
			return rows[0][i] + ": " + r[i]
		}
		var short []string
		for i := range r {
			if i != long && r[i] != "-" && r[i] != "" {
				short = append(short, named(i))
			}
		}
		p.add(m.st.Muted, strings.Join(short, "  "))
		p.hang(m.st.Text, "  ", named(long))
	}
}
