package logview

import (
	"fmt"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// InputKind is what is being typed.
type InputKind uint8

// The kinds of input.
const (
	InputNone InputKind = iota
	InputFilter
	InputExclude
	InputSearch
)

// inputLimit bounds a pasted pattern, in characters.
const inputLimit = 512

// undo is what esc brings back.
type undo struct {
	filter Filter
	before *Filter
	search Term
}

// StartInput opens the line in which a filter, an exclusion or a search is
// typed; it takes effect while it is typed. The root model forwards messages to
// UpdateInput until AcceptInput or CancelInput.
func (p *Pane) StartInput(kind InputKind) tea.Cmd {
	p.undo = undo{p.Filter(), p.before, p.search}
	p.inputKind, p.inputErr, p.inputHint = kind, nil, ""
	p.input = textinput.New()
	p.input.CharLimit = inputLimit
	p.input.SetVirtualCursor(false)
	p.input.Prompt = ""
	p.input.KeyMap.Paste.SetEnabled(false) // it would run a program to read the clipboard; terminals paste by themselves
	if kind == InputSearch {
		p.input.SetValue(p.search.String())
	}
	p.input.CursorEnd()
	p.reveal(false)
	return p.input.Focus()
}

// Input is what is being typed; InputNone: nothing.
func (p *Pane) Input() InputKind { return p.inputKind }

// UpdateInput hands a key or a paste to the open input.
func (p *Pane) UpdateInput(msg tea.Msg) tea.Cmd {
	if p.inputKind == InputNone {
		return nil
	}
	old := p.input.Value()
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(msg)
	if p.input.Value() != old {
		p.inputErr = p.try(p.input.Value())
	}
	return cmd
}

// try applies what is typed so far to what was there before.
func (p *Pane) try(text string) error {
	t, exclude := ParseTerm(text)
	if p.inputKind == InputSearch {
		return p.SetSearch(t)
	}
	f := p.undo.filter.clone()
	if p.inputKind == InputFilter {
		field, taken := p.TakenAs(text)
		p.inputHint = takenHint(field, taken)
		if taken == TakenField {
			f.Fields = append(f.Fields, field)
			return p.SetFilter(f)
		}
	}
	switch {
	case t.Text == "":
	case exclude || p.inputKind == InputExclude:
		f.Exclude = append(f.Exclude, t)
	default:
		f.Include = append(f.Include, t)
	}
	return p.SetFilter(f)
}

// AcceptInput closes the input and keeps what it did. A wrong expression is an
// error, and the input stays open. A search goes to the nearest match before.
func (p *Pane) AcceptInput() error {
	if p.inputErr != nil {
		return fmt.Errorf("%w (correct it, or esc)", p.inputErr)
	}
	search := p.inputKind == InputSearch
	p.inputKind = InputNone
	p.input.Blur()
	p.jump = search && p.search.Text != ""
	p.settleJump()
	return nil
}

// settleJump goes to the match that an accepted search wants, once all matches are
// known: the selected row where it is one, else the nearest before it.
func (p *Pane) settleJump() {
	if !p.jump || p.list.fresh < len(p.list.chunks) {
		return
	}
	p.jump = false
	if p.Status().Match > 0 {
		p.selectRow(p.selIndex(), false)
		return
	}
	p.PrevMatch()
}

// CancelInput closes the input and takes back what it did.
func (p *Pane) CancelInput() {
	if p.inputKind == InputNone {
		return
	}
	p.inputKind, p.inputErr = InputNone, nil
	p.input.Blur()
	_ = p.SetFilter(p.undo.filter) // both were valid before
	p.before = p.undo.before
	_ = p.SetSearch(p.undo.search)
}
