package ui

import (
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"quarterdeck/ui/plain"
)

// readingBox shows a text in Markdown, to be read, copied or saved.
type readingBox struct {
	head, name string // name: of the file that it is saved to
	text       string // untrusted
	err        error
	loaded     bool
	scroll     scroller
	tall, over int
	drawn      renderedText
}

// renderedText is a text drawn for a width and a theme.
type renderedText struct {
	w     int
	theme string
	lines []string
}

func (b *readingBox) apply(msg handoverMsg) { b.text, b.err, b.loaded = msg.text, msg.err, true }

func (b *readingBox) title() string            { return b.head }
func (b *readingBox) paste(string)             {}
func (b *readingBox) size(m *Model) (int, int) { return min(m.w-4, 120), m.h - 4 }

func (b *readingBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaReading)
	b.tall = max(h-len(foot.lines)-1, 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out := p.window(b.scroll.at, b.tall)
	return append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)[:h]
}

func (b *readingBox) page(m *Model, w int) *page {
	p := &page{w: w}
	switch {
	case !b.loaded:
		p.add(m.st.Muted, "writing"+m.st.Signs.Ellipsis)
	case b.err != nil:
		text, next := errorWords(b.err)
		p.sign(m.st.Error, m.st.Signs.Down, text)
		if next != "" {
			p.add(m.st.Text, next)
		}
	default:
		if b.drawn.w != w || b.drawn.theme != m.st.Name || b.drawn.lines == nil {
			q := &page{w: w}
			q.markdown(m, b.text)
			b.drawn = renderedText{w, m.st.Name, q.lines}
		}
		p.lines = b.drawn.lines
	}
	return p
}

// markdown draws the Markdown that our own reports are made of: headings, lists, paragraphs and tables.
func (p *page) markdown(m *Model, text string) {
	var rows [][]string
	flush := func() {
		if len(rows) > 0 {
			p.table(m, rows)
			rows = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		line = inLine(line)
		if strings.HasPrefix(line, "|") {
			rows = append(rows, tableRow(line))
			continue
		}
		flush()
		bare := strings.NewReplacer("**", "", "`", "", "&lt;", "<").Replace(line)
		switch {
		case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "## "), strings.HasPrefix(line, "### "):
			p.add(m.st.Title, strings.TrimLeft(bare, "# "))
		case strings.HasPrefix(line, "- "):
			p.hang(m.st.Text, " "+m.st.Signs.Dot+" ", bare[2:])
		case line == "":
			p.gap()
		default:
			p.add(m.st.Text, bare)
		}
	}
	flush()
}

// tableRow parts a row of a Markdown table into its cells.
func tableRow(line string) []string {
	const bar = "\x00"
	line = strings.ReplaceAll(line, `\|`, bar)
	cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i, c := range cells {
		cells[i] = strings.NewReplacer(bar, "|", "&lt;", "<").Replace(strings.TrimSpace(c))
	}
	return cells
}

// table draws the rows of a Markdown table: a head, the line below it, and the body.
func (p *page) table(m *Model, rows [][]string) {
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

func (b *readingBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaReading, areaList); a {
	case actBack, actQuit:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actSave, actCopy:
		if !b.loaded || b.err != nil {
			return m.say("there is nothing yet to be kept"), false
		}
		if a == actSave {
			return b.save(m), false
		}
		return tea.Batch(tea.SetClipboard(plain.Text(b.text)), m.say("copied as Markdown")), false
	default:
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}

// writeText writes a text and tells how many lines it has.
func writeText(text string) func(io.Writer) (int, error) {
	return func(w io.Writer) (int, error) {
		_, err := io.WriteString(w, text)
		return strings.Count(text, "\n"), err
	}
}

// saveNew writes a file that must not be there yet. It does I/O: for commands.
func saveNew(path string, write func(io.Writer) (int, error)) savedMsg {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // what is saved may hold secrets
	if err != nil {
		return savedMsg{path: path, err: err}
	}
	n, err := write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return savedMsg{path: path, lines: n, err: err}
}
