package ui

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// askBox asks for one line of text.
type askBox struct {
	head     string
	words    []string // what is asked, above the line
	input    textinput.Model
	complain string
	hidden   bool    // what is typed is not shown, but for a file's name after @
	under    overlay // that esc goes back to; nil: none
	// take takes the answer: a complaint leaves the box open.
	take func(m *Model, text string) (cmd tea.Cmd, complain string)
}

func newAsk(m *Model, head, prompt, value string, words []string, take func(m *Model, text string) (tea.Cmd, string)) *askBox {
	b := &askBox{head: head, words: words, input: newInput(m.st, prompt), take: take}
	b.input.SetValue(value)
	b.input.CursorEnd()
	return b
}

func (b *askBox) title() string { return inLine(b.head) }

func (b *askBox) paste(text string) {
	if text = strings.TrimRight(text, "\r\n"); b.hidden && oneLine(text) != text { // nobody would see that something was taken out of it
		b.complain = "what was pasted has line breaks, spaces at its ends or signs that are not printed: put it into a file, and give @FILE"
		return
	}
	pasteInto(&b.input, text)
	b.complain = ""
	b.cover()
}

// hide makes the box one for what nobody is to see.
func (b *askBox) hide() {
	b.hidden = true
	b.input.EchoCharacter = '*'
	b.cover()
}

func (b *askBox) cover() {
	if !b.hidden {
		return
	}
	b.input.EchoMode = textinput.EchoPassword
	if strings.HasPrefix(b.input.Value(), "@") {
		b.input.EchoMode = textinput.EchoNormal
	}
}

func (b *askBox) page(m *Model, w int) *page {
	p := &page{w: w}
	for _, t := range b.words {
		p.add(m.st.Text, t)
	}
	p.gap()
	b.input.SetWidth(max(w-len(b.input.Prompt)-2, 8))
	p.drawn(b.input.View())
	if b.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	} else {
		p.gap()
	}
	p.hints(m, "enter", "takes it", "esc", "back")
	return p
}

func (b *askBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *askBox) lines(m *Model, w, h int) []string { return b.page(m, w).exactly(h) }

func (b *askBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		if b.under != nil {
			m.overlay = b.under
			return nil, false
		}
		return nil, true
	case "enter":
		cmd, complain := b.take(m, b.input.Value())
		b.complain = complain
		return cmd, complain == ""
	}
	b.input, _ = b.input.Update(k)
	b.complain = ""
	b.cover()
	return nil, false
}
