package ui

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
)

// logsPane joins the log view with the feed that fills it.
type logsPane struct {
	view  *logview.Pane
	lines chan struct{} // signalled when lines came: the pump listens
	key   string        // what is followed
	query sources.LogQuery
	tasks atomic.Pointer[fleet.Snapshot] // the newest: names tasks
	// older is under way; end: nothing older is there.
	older, end bool
}

func newLogsPane(o Options) *logsPane {
	p := &logsPane{lines: make(chan struct{}, 1)}
	p.view = logview.New(logview.Options{MaxBytes: o.LogBytes, Location: o.Location, TaskName: p.taskName})
	return p
}

// taskName names a line's task as people do, web.2, where the swarm still knows the task. It may be called
// from any goroutine: a snapshot is immutable.
func (p *logsPane) taskName(st *sources.Stream) string {
	if v := p.tasks.Load().Service(st.Service); v != nil && st.Task != "" {
		short := strings.TrimPrefix(v.Name, v.Stack+"_")
		for i := range v.Tasks {
			if t := &v.Tasks[i]; t.ID == st.Task && t.Slot > 0 {
				return fmt.Sprintf("%s.%d", short, t.Slot)
			}
		}
	}
	return logview.ShortTask(st)
}

// want is what the feed is to follow: its lines go to the view, and the pump is told. Both are refused once the
// view was reset.
func (p *logsPane) want(q sources.LogQuery) wanted {
	put, back := p.view.Feed(), p.view.LookBack()
	tell := func() {
		select {
		case p.lines <- struct{}{}:
		default:
		}
	}
	return wanted{query: q,
		back: func(page sources.LogPage) { back(page); tell() },
		emit: func(b sources.LogBatch) { put(b); tell() }}
}

// wantLogs follows the logs of what is looked at, where any are shown.
func (m *Model) wantLogs() {
	if m.layout().logs.h == 0 || m.feed == nil {
		return
	}
	services := m.logServices()
	q := sources.LogQuery{Services: services}
	if m.view == viewTasks {
		if t := m.selectedTask(); t != nil && m.focus == paneLogs {
			q.Tasks = []string{t.ID}
		}
	}
	key := strings.Join(services, "\x00") + "\x01" + strings.Join(q.Tasks, "\x00")
	if len(services) == 0 && m.scope == nil {
		key = "" // nothing is selected: nothing is followed
	}
	if key == m.logs.key {
		return
	}
	m.logs.key, m.logs.query = key, q
	m.logs.older, m.logs.end = false, false
	m.logs.view.Reset()
	if key == "" {
		m.feed.Stop()
		return
	}
	m.feed.Want(m.logs.want(q))
}

// logServices are the services whose logs are looked at; empty: all, where a scope says so.
func (m *Model) logServices() []string {
	if m.scope != nil && m.view == viewLogs {
		return m.scope
	}
	if s := m.subject(); s != "" {
		return []string{s}
	}
	return nil
}

func (m *Model) logsTitle() string {
	services := m.logServices()
	t := "logs "
	switch {
	case m.view == viewLogs && m.scope != nil && len(services) == 0:
		t += "of all services"
	case len(services) > 3:
		t += fmt.Sprintf("%s and %d more", strings.Join(services[:2], ", "), len(services)-2)
	default:
		t += strings.Join(services, ", ")
	}
	if len(m.logs.query.Tasks) > 0 {
		t += " task " + plain.Clip(m.logs.query.Tasks[0], 8)
	}
	return inLine(t)
}

// logsLines draws the pane; its title and the view's own first line, which tells the stream's state, share one line.
func (m *Model) logsLines(r rect, focused bool) []string {
	lines := strings.Split(m.logs.view.View(m.st), "\n")
	head := m.titleStart(plain.Clip(m.logsTitle(), max(r.w/2, 10)), focused)
	lines[0] = fitStyled(head+lines[0], r.w)
	return lines
}

// whyNoLogs is what the empty pane says.
func (m *Model) whyNoLogs() string {
	state := m.logState()
	switch {
	case m.o.Logs == nil:
		return "no Loki is configured: --loki or LOKI_ADDR"
	case m.logs.key == "":
		return "no service is selected"
	case !state.OK() && state.State != sources.Connecting:
		return string(state.State) + ": " + inLine(state.Detail)
	}
	return "no line in the last hour; new ones appear here"
}

func (p *logsPane) resize(w, h int) {
	if w > 0 && h > 0 {
		p.view.SetSize(w, h)
	}
}

// back closes what is open in the pane, and tells whether there was anything.
func (p *logsPane) back() bool {
	switch {
	case p.view.InContext():
		return p.view.Context()
	case p.view.Search().Text != "":
		return p.view.SetSearch(logview.Term{}) == nil
	case !p.view.Filter().Zero():
		p.view.ClearFilters()
	case p.view.Paused():
		p.view.TogglePause()
	default:
		return false
	}
	return true
}

// doInLogs does what a key means in the log pane.
func (m *Model) doInLogs(a act) tea.Cmd {
	v := m.logs.view
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
		v.SetFollow(!v.Following())
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
	default:
		return m.doInLogsMore(a)
	}
	if a == actUp || a == actPageUp || a == actHalfUp || a == actTop {
		return m.wantOlder()
	}
	return nil
}

func (m *Model) doInLogsMore(a act) tea.Cmd {
	v := m.logs.view
	switch a {
	case actFind:
		return v.StartInput(logview.InputSearch)
	case actExclude:
		return v.StartInput(logview.InputExclude)
	case actFindNext:
		return m.orSay(v.NextMatch(), "no match further down")
	case actFindPrev:
		return m.orSay(v.PrevMatch(), "no match further up")
	case actNextError:
		return m.orSay(v.NextError(), "no error further down")
	case actPrevError:
		if !v.PrevError() {
			return tea.Batch(m.say("no error further up in what is loaded"), m.wantOlder())
		}
	case actContext:
		return m.orSay(v.Context(), "no line is selected")
	case actBookmark:
		v.ToggleBookmark()
	case actNextBookmark:
		_, ok := v.NextBookmark()
		return m.orSay(ok, "no bookmark: b sets one")
	case actCopy:
		text := v.SelectedText()
		if text == "" {
			return m.say("no line is selected: go up with k first")
		}
		return tea.Batch(tea.SetClipboard(text), m.say("copied the line"))
	case actSave:
		return m.saveLogs()
	}
	return nil
}

func (m *Model) orSay(ok bool, text string) tea.Cmd {
	if ok {
		return nil
	}
	return m.say(text)
}

// wantOlder reads the page before the oldest line, when that is on the screen.
func (m *Model) wantOlder() tea.Cmd {
	p := m.logs
	if m.feed == nil || p.older || p.end || !p.view.AtTop() {
		return nil
	}
	before := p.view.Oldest()
	if before.IsZero() {
		return nil
	}
	p.older = true
	q, key, logs := p.query, p.key, m.o.Logs
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		page, err := older(ctx, logs, q, before)
		return olderMsg{page: page, key: key, err: err}
	}
}

func (m *Model) applyOlder(msg olderMsg) tea.Cmd {
	p := m.logs
	if msg.key != p.key {
		return nil
	}
	p.older = false
	if msg.err != nil {
		return m.say("older lines: " + inLine(msg.err.Error()))
	}
	if len(msg.page.Entries) == 0 {
		p.end = true
		return m.say("no older line in the day before")
	}
	if p.view.Prepend(msg.page) == 0 {
		p.end = true
		return m.say("the pane is full: its memory is bounded by log-memory")
	}
	return nil
}

// saveLogs writes what is shown to a file, away from the drawing goroutine.
func (m *Model) saveLogs() tea.Cmd {
	write := m.logs.view.Export(logview.FormatText)
	name := fileName(m.logsTitle(), m.o.Now())
	dir := m.o.SaveDir
	return func() tea.Msg { return saveNew(filepath.Join(dir, name), write) }
}

func (m *Model) applySaved(msg savedMsg) tea.Cmd {
	if msg.err != nil {
		return m.say("not saved: " + inLine(msg.err.Error()))
	}
	return m.say(fmt.Sprintf("saved %d lines to %s", msg.lines, inLine(msg.path)))
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
