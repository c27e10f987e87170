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
	hidden   bool    // what is typed is not shown
	file     bool    // of one that is hidden: a file is named that has it
	typed    string  // of one that is hidden: the prompt where it is typed
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
	if text = strings.TrimRight(text, "\r\n"); b.hidden && !b.file && oneLine(text) != text { // nobody would see that something was taken out of it
		b.complain = "what was pasted has line breaks, spaces at its ends or signs that are not printed: put it into a file, and press tab"
		return
	}
	pasteInto(&b.input, text)
	b.complain = ""
}

// hide makes the box one for what nobody is to see, or for the file that it is in: tab goes from one to the other.
func (b *askBox) hide() {
	b.hidden, b.typed = true, b.input.Prompt
	b.input.EchoCharacter = '*'
	b.input.EchoMode = textinput.EchoPassword
}

// turn goes from what is typed to a file's name, or back. Nothing comes along: what was typed unseen would be seen.
func (b *askBox) turn() {
	b.file = !b.file
	b.input.Reset()
	b.input.Prompt, b.input.EchoMode = b.typed, textinput.EchoPassword
	if b.file {
		b.input.Prompt, b.input.EchoMode = "file: ", textinput.EchoNormal
	}
}

// lookedMsg is sent when something was looked up for a question that is still open.
type lookedMsg struct {
	box  *askBox
	then func(m *Model) tea.Cmd
	err  error
}

// look looks something up that an answer needs, such as a file, beside the screen. What then goes on, or why it cannot, comes as a message; the box stays open until then.
func (b *askBox) look(up func() (then func(m *Model) tea.Cmd, err error)) (tea.Cmd, string) {
	return func() tea.Msg {
		then, err := up()
		return lookedMsg{b, then, err}
	}, "looking…"
}

// applyLooked goes on with what was looked up, where the question is still there.
func (m *Model) applyLooked(msg lookedMsg) tea.Cmd {
	switch {
	case m.overlay != msg.box:
		return nil
	case msg.err != nil:
		msg.box.complain = msg.err.Error()
		return nil
	}
	return msg.then(m)
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
	switch {
	case !b.hidden:
		p.hints(m, "enter", "takes it", "esc", "back")
	case b.file:
		p.hints(m, "enter", "takes it", "tab", "type it", "esc", "back")
	default:
		p.hints(m, "enter", "takes it", "tab", "from a file", "esc", "back")
	}
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
	case "tab":
		if b.hidden {
			b.turn()
			b.complain = ""
			return nil, false
		}
	}
	b.input, _ = b.input.Update(k)
	b.complain = ""
	return nil, false
}
