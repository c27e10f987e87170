package ui

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/sahilm/fuzzy"

	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// overlay is a box over the panes that takes all keys while it is there.
type overlay interface {
	title() string
	// size is the box's inner size that it would like.
	size(m *Model) (w, h int)
	// lines are exactly h lines of w cells.
	lines(m *Model, w, h int) []string
	// key takes a key, and tells whether the box is done.
	key(m *Model, k tea.KeyPressMsg) (cmd tea.Cmd, done bool)
	// paste takes pasted text.
	paste(text string)
}

// bareOverlay is a box as wide as the screen, with no frame at its sides.
type bareOverlay interface{ bare() }

// overBare draws such a box: a line above with its title, and one below.
func (m *Model) overBare(lines []string, h int) []string {
	if m.w < 10 || h < 1 {
		return lines
	}
	st, rule := m.st, m.st.Signs.Rule
	head := plain.Clip(" "+m.overlay.title()+" ", m.w-2)
	box := []string{st.BorderFocused.Render(rule) + st.PaneTitleFocused.Render(head) + st.BorderFocused.Render(strings.Repeat(rule, max(m.w-1-plain.Width(head), 0)))}
	box = append(box, m.overlay.lines(m, m.w, h)...)
	box = append(box, st.BorderFocused.Render(strings.Repeat(rule, m.w)))
	y := max((m.h-h-2)/2, 0)
	for i, b := range box {
		if at := y + i; at < len(lines) {
			lines[at] = b
		}
	}
	return lines
}

// overOverlay draws the box over the frame's lines.
func (m *Model) overOverlay(lines []string) []string {
	w, h := m.overlay.size(m)
	if _, ok := m.overlay.(bareOverlay); ok {
		return m.overBare(lines, min(h, m.h-4))
	}
	w, h = min(w, m.w-4), min(h, m.h-4)
	if w < 10 || h < 1 {
		return lines
	}
	st := m.st
	x, y := (m.w-w-4)/2, max((m.h-h-2)/2, 0)
	s := st.Signs
	rule := strings.Repeat(s.Rule, w+2)
	head := plain.Clip(" "+m.overlay.title()+" ", w)
	top := st.BorderFocused.Render(s.TopLeft+s.Rule) + st.PaneTitleFocused.Render(head) + st.BorderFocused.Render(strings.Repeat(s.Rule, max(w+1-plain.Width(head), 0))+s.TopRight)
	box := []string{top}
	for _, l := range m.overlay.lines(m, w, h) {
		box = append(box, st.BorderFocused.Render(s.Bar)+" "+l+" "+st.BorderFocused.Render(s.Bar))
	}
	box = append(box, st.BorderFocused.Render(s.BottomLeft+rule+s.BottomRight))
	for i, b := range box {
		if at := y + i; at < len(lines) {
			lines[at] = cutBefore(lines[at], x) + b + cutAfter(lines[at], x+w+4, m.w)
		}
	}
	return lines
}

// cutBefore is a line's first x cells; a wide character that the cut parts becomes a space.
func cutBefore(line string, x int) string {
	for at := x; at >= 0; at-- {
		if left := ansi.Cut(line, 0, at); plain.Width(left) <= x {
			return left + strings.Repeat(" ", x-plain.Width(left))
		}
	}
	return strings.Repeat(" ", x)
}

// cutAfter is a line's cells from x on, of w; a wide character that the cut parts becomes a space.
func cutAfter(line string, x, w int) string {
	for at := x; at < w; at++ {
		if right := ansi.Cut(line, at, w); plain.Width(right) <= w-x {
			return strings.Repeat(" ", w-x-plain.Width(right)) + right
		}
	}
	return strings.Repeat(" ", w-x)
}

// helpBox shows the keymap, that of the pane in focus first; in two columns where there is room.
type helpBox struct {
	scroll int
	areas  []area
	under  overlay // that is gone back to; nil: none
}

const helpColumn = 52

func newHelp(m *Model) *helpBox { return newHelpOver(nil, m.areas()...) }

// newHelpOver is the help of a box: its own keys stand first.
func newHelpOver(under overlay, areas ...area) *helpBox {
	b := &helpBox{areas: areas, under: under}
	for a := areaAll; a < areaOverlay; a++ {
		if !slices.Contains(b.areas, a) {
			b.areas = append(b.areas, a)
		}
	}
	return b
}

func (b *helpBox) title() string { return "keys" }
func (b *helpBox) paste(string)  {}

func (b *helpBox) columns(w int) int { return max(min(w/helpColumn, 2), 1) }

func (b *helpBox) size(m *Model) (int, int) {
	n := b.columns(m.w - 6)
	return n * helpColumn, (len(b.all(m, helpColumn))+n-1)/n + 1 // and the line that tells what is below
}

// all are the lines of the whole keymap, drawn.
func (b *helpBox) all(m *Model, w int) []string {
	var out []string
	for i, a := range b.areas {
		if i > 0 {
			out = append(out, strings.Repeat(" ", w))
		}
		out = append(out, m.st.Title.Render(plain.Fit(areaTitles[a], w)))
		for _, x := range keymap {
			if x.area == a {
				h := x.key.Help()
				out = append(out, m.st.HintKey.Render(plain.Fit("  "+h.Key, 14))+m.st.Text.Render(plain.Fit(h.Desc, w-14)))
			}
		}
	}
	return out
}

func (b *helpBox) lines(m *Model, w, h int) []string {
	n := b.columns(w)
	column := w / n
	all := b.all(m, column)
	h-- // of the line that tells what is below
	per := max(h, (len(all)+n-1)/n)
	scroll := min(b.scroll, max(per-h, 0))
	out := make([]string, h)
	for y := range out {
		for x := range n {
			at := x*per + y + scroll
			if y+scroll < per && at < len(all) {
				out[y] += all[at]
			} else {
				out[y] += strings.Repeat(" ", column)
			}
		}
		out[y] = fitStyled(out[y], w)
	}
	return append(out, moreLine(m, per-h-scroll, w))
}

func (b *helpBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	_, want := b.size(m)
	h := min(want, m.h-4)
	l := list{ids: make([]string, max(want-h, 0)+1), index: b.scroll, height: h}
	if l.handle(lookup(k, areaList)) {
		b.scroll = l.index
		return nil, false
	}
	if b.under != nil {
		m.overlay = b.under
		return nil, false
	}
	return nil, true
}

// command is what the palette offers: a thing to do, or a service to go to.
type command struct {
	name, hint string
	run        func(*Model) tea.Cmd
}

// paletteBox finds a command or a service by a few letters.
type paletteBox struct {
	input    textinput.Model
	commands []command
	found    []int
	list     list
}

func newPalette(m *Model) *paletteBox {
	b := &paletteBox{input: newInput(m.st, ": ")}
	b.commands = m.commands()
	b.find()
	return b
}

func newInput(st theme.Styles, prompt string) textinput.Model {
	in := textinput.New()
	in.Prompt = prompt
	in.CharLimit = 4096
	in.SetVirtualCursor(true)
	styles := in.Styles()
	styles.Focused.Prompt, styles.Focused.Text = st.HintKey.Full(), st.Text.Full()
	styles.Cursor.Blink = false // a blinking cursor writes to an idle terminal
	in.SetStyles(styles)
	in.Focus()
	return in
}

func (b *paletteBox) title() string          { return "command" }
func (b *paletteBox) size(*Model) (int, int) { return 64, 16 }
func (b *paletteBox) paste(text string)      { pasteInto(&b.input, text); b.find() }

// String and Len make the commands a fuzzy.Source.
func (b *paletteBox) String(i int) string { return b.commands[i].name }

// Len is the number of commands.
func (b *paletteBox) Len() int { return len(b.commands) }

func (b *paletteBox) find() {
	b.found = b.found[:0]
	if b.input.Value() == "" {
		for i := range b.commands {
			b.found = append(b.found, i)
		}
	} else {
		for _, hit := range fuzzy.FindFrom(b.input.Value(), b) {
			b.found = append(b.found, hit.Index)
		}
	}
	ids := make([]string, len(b.found))
	for i, at := range b.found {
		ids[i] = fmt.Sprint(at)
	}
	b.list.setRows(ids)
	b.list.moveTo(0)
}

func (b *paletteBox) lines(m *Model, w, h int) []string {
	b.input.SetWidth(w - 4)
	out := []string{fitStyled(b.input.View(), w)}
	b.list.setHeight(h - 1)
	for i := b.list.offset; i < len(b.found) && len(out) < h; i++ {
		c := b.commands[b.found[i]]
		left := plain.Fit(" "+inLine(c.name), w-20)
		right := align(inLine(c.hint), 19, true) + " "
		if i == b.list.index {
			out = append(out, m.st.Selection.Render(left+right))
			continue
		}
		out = append(out, m.st.Text.Render(left)+m.st.Muted.Render(right))
	}
	if len(b.found) == 0 {
		out = append(out, m.st.Muted.Render(plain.Fit(" nothing is called so", w)))
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", w))
	}
	return out
}

func (b *paletteBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		return nil, true
	case "enter":
		if b.list.index < len(b.found) {
			return b.commands[b.found[b.list.index]].run(m), true
		}
		return nil, false
	case "up", "ctrl+k", "ctrl+p":
		b.list.handle(actUp)
	case "down", "ctrl+j", "ctrl+n":
		b.list.handle(actDown)
	default:
		before := b.input.Value()
		b.input, _ = b.input.Update(k)
		if b.input.Value() != before {
			b.find()
		}
	}
	return nil, false
}

// commands are all that the palette knows now: the views, what keys do, and every service.
func (m *Model) commands() []command {
	var out []command
	seen := map[act]bool{}
	for _, b := range keymap {
		if seen[b.act] || b.area.boxed() || b.area == areaList || b.act == actPalette || b.act == actBack {
			continue
		}
		seen[b.act] = true
		do, a, h := b.act, b.area, b.key.Help()
		name := h.Desc
		if a != areaAll {
			name = strings.ToLower(areaTitles[a]) + ": " + h.Desc
		}
		out = append(out, command{name: name, hint: h.Key, run: func(m *Model) tea.Cmd {
			if !m.means(do) {
				m.focusArea(a)
			}
			return m.do(do)
		}})
	}
	out = append(out, command{name: "logs: all services", run: func(m *Model) tea.Cmd { m.scope = []string{}; m.open(viewLogs); return nil }})
	for _, name := range theme.Names() {
		out = append(out, command{name: "theme " + name, run: func(m *Model) tea.Cmd { m.o.Theme = name; m.o.NoColor = false; _ = m.restyle(); return nil }})
	}
	out = append(out, m.lookCommands()...)
	out = append(out, m.rightsizeCommands()...)
	stacks := map[string]bool{}
	for _, v := range m.snap.Services {
		if v.Stack != "" && !stacks[v.Stack] {
			stacks[v.Stack] = true
		}
		out = append(out, command{name: inLine(v.Name), hint: "service", run: func(m *Model) tea.Cmd { m.gotoService(v.Name); return nil }})
	}
	names := make([]string, 0, len(stacks))
	for s := range stacks {
		names = append(names, s)
	}
	sort.Strings(names)
	for _, s := range names {
		out = append(out, command{name: "logs: stack " + inLine(s), hint: "stack", run: func(m *Model) tea.Cmd {
			m.scope = m.servicesOf(s)
			m.open(viewLogs)
			return nil
		}})
	}
	return out
}

func (m *Model) servicesOf(stack string) []string {
	out := []string{}
	for _, v := range m.snap.Services {
		if v.Stack == stack {
			out = append(out, v.Name)
		}
	}
	return out
}

// gotoService puts the cursor on a service, taking a filter off that hides it.
func (m *Model) gotoService(name string) {
	m.open(viewOverview)
	m.trail = nil
	if !m.services.selectID(name) {
		m.services.filter, m.services.onlyBad = "", false
		m.services.arrange(m.snap, m.o.Now())
		m.services.selectID(name)
	}
}

// prompt is the filter's line of input in place of the hints. What is typed takes effect at once; esc takes it back.
type prompt struct {
	input textinput.Model
	was   string
	// done is told what was typed; nil: it is the filter, which is in force while it is typed.
	done func(string) tea.Cmd
}

// ask asks for a line of text.
func (m *Model) ask(label string, done func(string) tea.Cmd) {
	m.prompt = &prompt{input: newInput(m.st, label), done: done}
}

func (m *Model) askFilter() {
	p := &prompt{input: newInput(m.st, "/"), was: m.filterOf()}
	p.input.SetValue(p.was)
	p.input.CursorEnd()
	m.prompt = p
}

func (m *Model) promptKey(k tea.KeyPressMsg) tea.Cmd {
	p := m.prompt
	switch k.String() {
	case "esc", "ctrl+c":
		m.prompt = nil
		if p.done == nil {
			m.setFilter(p.was)
		}
		return nil
	case "enter":
		m.prompt = nil
		if p.done != nil {
			return p.done(oneLine(p.input.Value()))
		}
		return nil
	}
	p.input, _ = p.input.Update(k)
	if p.done == nil {
		m.setFilter(p.input.Value())
	}
	return nil
}

// pasteMost bounds pasted text, in bytes: an input line is no place for a megabyte.
const pasteMost = 4096

// pasteInto puts pasted text into an input, harmless and in one line.
func pasteInto(in *textinput.Model, text string) {
	text = oneLine(text)
	at := in.Position()
	value := []rune(in.Value())
	at = min(at, len(value))
	in.SetValue(string(value[:at]) + text + string(value[at:]))
	in.CursorEnd()
}

// oneLine makes pasted text harmless, short and one line.
func oneLine(text string) string {
	if len(text) > pasteMost {
		text = text[:pasteMost]
	}
	return inLine(strings.TrimSpace(text))
}

// fitStyled makes styled text exactly w cells.
func fitStyled(s string, w int) string {
	s = ansi.Truncate(s, w, "")
	if pad := w - ansi.StringWidth(s); pad > 0 {
		s += strings.Repeat(" ", pad)
	}
	return s
}
