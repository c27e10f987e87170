package ui

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/ui/logview"
)

// doInLogs does what a key means in the log pane. At a past moment the line that the cursor goes to leads the moment.
func (m *Model) doInLogs(a act) tea.Cmd {
	cmd := m.doInLines(a)
	switch a {
	case actUp, actPageUp, actHalfUp, actTop, actDown, actPageDown, actHalfDown, actBottom:
		m.lineLeads()
		if r := m.logs.shown(); (a == actUp || a == actPageUp || a == actHalfUp || a == actTop) && r.begin && r.why != "" && r.view.AtTop() {
			return tea.Batch(m.say(r.why), m.wantPages())
		}
		return m.wantPages()
	case actFindNext, actFindPrev, actNextError, actPrevError:
		m.lineLeads()
	}
	return cmd
}

func (m *Model) doInLines(a act) tea.Cmd {
	v := m.logs.top()
	switch a {
	case actUp:
		v.Move(-1)
	case actDown:
		v.Move(1)
	case actPageUp:
		v.Page(-1)
	case actPageDown:
		v.Page(1)
	case actHalfUp:
		v.HalfPage(-1)
	case actHalfDown:
		v.HalfPage(1)
	case actTop:
		v.Top()
	case actBottom:
		v.Bottom()
	case actLeft:
		v.ScrollSide(-8)
	case actRight:
		v.ScrollSide(8)
	case actPause:
		v.TogglePause()
	case actFollow:
		return m.followLogs()
	case actWrap:
		v.ToggleWrap()
	case actTimestamps:
		v.ToggleTimestamps()
	case actColumns:
		v.ToggleColumns()
	case actFields:
		v.ToggleFields()
	case actLevel:
		v.CycleLevel()
	case actClear:
		v.ClearFilters()
		m.logs.expr = ""
	case actMoment:
		return m.momentToLine()
	default:
		return m.doInLogsMore(a)
	}
	return nil
}

// followLogs follows the newest line or stops doing so; from lines that stand still it goes back to live.
func (m *Model) followLogs() tea.Cmd {
	v := m.logs.top()
	switch {
	case m.logs.aside != nil:
		v.Bottom()
		return m.wantPages()
	case v.Static() || !m.when.live():
		m.when.goLive()
		return m.showMoment(false)
	}
	v.SetFollow(!v.Following())
	return nil
}

func (m *Model) doInLogsMore(a act) tea.Cmd {
	v := m.logs.top()
	switch a {
	case actFind:
		return v.StartInput(logview.InputSearch)
	case actExclude:
		return v.StartInput(logview.InputExclude)
	case actFindNext:
		return m.orSay(v.NextMatch(), "no match further down")
	case actFindPrev:
		return m.orSay(v.PrevMatch(), "no match further up")
	case actNextError, actPrevError:
		return m.nextError(a == actNextError)
	case actContext:
		return m.openContext()
	case actLastLines:
		return m.lastLines()
	case actBookmark:
		v.ToggleBookmark()
	case actNextBookmark:
		return m.nextBookmark()
	case actChipOff:
		return m.takeChipOff()
	case actCopy:
		text := v.SelectedText()
		if text == "" {
			return m.say("no line is selected: go up with k first")
		}
		return tea.Batch(tea.SetClipboard(text), m.say("copied the line"))
	case actSave:
		return m.saveLogs()
	default:
		return m.doInLogsBoxes(a)
	}
	return nil
}

// doInLogsBoxes opens what stands over the lines.
func (m *Model) doInLogsBoxes(a act) tea.Cmd {
	switch a {
	case actChips:
		return m.openChips()
	case actVolume:
		m.logs.volume.on = !m.logs.volume.on
		m.logs.volume.key = ""
		if m.logs.volume.on && m.volumeHeight(m.layout().logs) == 0 {
			return m.say("too low for the histogram here: 3 opens the logs alone")
		}
	case actPatterns:
		return m.openPatterns()
	case actFacets:
		return m.openFacets()
	case actQuery:
		return m.openLogQuery()
	}
	return nil
}

// takeChipOff takes the part of the filter off that came last; after them the query by hand.
func (m *Model) takeChipOff() tea.Cmd {
	v := m.logs.top()
	if text := v.TakeOffLast(); text != "" {
		return m.say("took off " + inLine(text))
	}
	if m.logs.expr != "" {
		m.logs.expr = ""
		return m.say("took the query off")
	}
	return m.say("no filter is on")
}

func (m *Model) orSay(ok bool, text string) tea.Cmd {
	if ok {
		return nil
	}
	return m.say(text)
}

// saveLogs writes what is shown to a file, away from the drawing goroutine.
func (m *Model) saveLogs() tea.Cmd {
	write := m.logs.top().Export(logview.FormatText)
	name := fileName(m.logsTitle(), m.o.Now())
	dir := m.o.SaveDir
	return func() tea.Msg { return saveNew(filepath.Join(dir, name), write) }
}

func (m *Model) applySaved(msg savedMsg) tea.Cmd {
	if msg.err != nil {
		return m.say("not saved: " + inLine(msg.err.Error()))
	}
	return m.say("saved " + count(msg.lines, "line") + " to " + inLine(msg.path))
}

// fileName is the name of a file with the lines of a pane.
func fileName(title string, at time.Time) string {
	return fmt.Sprintf("quarterdeck-%s-%s.log", safeName(title, ""), at.UTC().Format("20060102-150405"))
}

// safeName makes a name of at most 60 letters, digits, dots and dashes; other where nothing is left.
func safeName(title, other string) string {
	var b strings.Builder
	for _, r := range title {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := strings.Trim(b.String(), "-.")
	if s == "" {
		return other
	}
	return s[:min(len(s), 60)]
}

// clickLog selects the line that is drawn at y of the pane.
func (m *Model) clickLog(y int) {
	if y > 0 {
		if h := m.volumeHeight(m.layout().logs); h > 0 {
			y -= h
		}
		if m.logs.top().SelectLine(y) {
			m.lineLeads()
		}
	}
}

// chipsBox shows the filter's parts; each can be taken off.
type chipsBox struct{ list list }

func (m *Model) openChips() tea.Cmd {
	b := &chipsBox{}
	if b.arrange(m); len(b.list.ids) == 0 {
		return m.say("no filter is on: / and ! set one")
	}
	m.overlay = b
	return nil
}

func (b *chipsBox) arrange(m *Model) {
	var ids []string
	for _, c := range m.logs.top().Chips() {
		ids = append(ids, c.Text)
	}
	b.list.setRows(ids)
}

func (b *chipsBox) title() string            { return "filters" }
func (b *chipsBox) paste(string)             {}
func (b *chipsBox) size(m *Model) (w, h int) { return boxWidth(m), len(b.list.ids) + 3 }
func (b *chipsBox) lines(m *Model, w, h int) []string {
	b.list.setHeight(h - 2)
	cols := []column{{title: "SHOWN ARE LINES WITH", width: 20, flex: true}}
	out := b.list.draw(m.st, cols, w, h-1, true, func(id string, _ []int) []cell { return []cell{{text: inLine(id), style: m.st.Text}} })
	p := &page{w: w}
	p.hints(m, "enter", "takes it off", "t", "text or field", "X", "all", "esc", "back")
	return append(out, p.lines[0])
}

func (b *chipsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c", "q":
		return nil, true
	case "X":
		m.logs.top().ClearFilters()
		return nil, true
	case "t":
		if !m.logs.top().Switch(b.list.selected()) {
			return m.say("it can be taken as nothing else"), false
		}
		b.arrange(m)
		return nil, false
	case "enter", "space", "backspace", "delete", "x":
		m.logs.top().TakeOff(b.list.selected())
		b.arrange(m)
		return nil, len(b.list.ids) == 0
	}
	b.list.handle(lookup(k, areaList))
	return nil, false
}
