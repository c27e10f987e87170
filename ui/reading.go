package ui

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/ui/plain"
)

// readingBox shows a text in Markdown, to be read, copied or saved.
type readingBox struct {
	head, name string // name: of the file that it is saved to
	text       string // untrusted
	err        error
	under      overlay // that esc goes back to; nil: none
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

func (b *readingBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaReading, areaList); a {
	case actBack, actQuit:
		if b.under != nil {
			m.overlay = b.under
			return nil, false
		}
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

// saveTries is how many names are tried where files of the name are there already.
const saveTries = 100

// saveNew writes a file over none that is there: then it has a number behind its name. It does I/O: for commands.
func saveNew(path string, write func(io.Writer) (int, error)) savedMsg {
	ext := filepath.Ext(path)
	base := strings.TrimSuffix(path, ext)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // what is saved may hold secrets
	for n := 2; errors.Is(err, fs.ErrExist) && n <= saveTries; n++ {
		path = fmt.Sprintf("%s-%d%s", base, n, ext)
		f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return savedMsg{path: path, err: err}
	}
	n, err := write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return savedMsg{path: path, lines: n, err: err}
}
