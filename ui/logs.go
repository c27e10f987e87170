package ui

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
)

// logsPane is the logs: the lines that are followed, or those around a moment; and over them, while it is open, an
// aside with the lines of one task.
type logsPane struct {
	reach               // of the lines that are followed, or around the moment
	lines chan struct{} // signalled when lines came: the pump listens
	key   string        // what they are of
	tasks atomic.Pointer[fleet.Snapshot]

	expr string    // LogQL by hand, in place of services; "" : none
	at   time.Time // the lines are around it and stand still; zero: they are followed
	// whenSeen is the generation of the shared moment that is shown.
	whenSeen uint64
	atSeen   time.Time
	moved    bool // the cursor went to the moment
	// led is the generation of the shared moment that a line of the pane has set last.
	led   uint64
	aside *aside
	// find is the line that the cursor goes to when what was asked for has come.
	find *sources.Entry
	mark *logview.Mark

	marks   map[string][]logview.Mark // by key: a session's bookmarks
	columns map[string][]string       // by key: the fields that are columns
	volume  volumePane
	queries []string // LogQL by hand, the newest last
}

func newLogsPane(o Options) *logsPane {
	p := &logsPane{lines: make(chan struct{}, 1), marks: map[string][]logview.Mark{}, columns: map[string][]string{}}
	p.view = logview.New(logview.Options{MaxBytes: o.LogBytes, Location: o.Location, TaskName: p.taskName})
	return p
}

// shown is what is on the screen: the aside, or the lines themselves.
func (p *logsPane) shown() *reach {
	if p.aside != nil {
		return &p.aside.reach
	}
	return &p.reach
}

func (p *logsPane) top() *logview.Pane { return p.shown().view }

// scanned hands a scan's result to the pane that asked for it.
func (p *logsPane) scanned(msg logview.ScanMsg) tea.Cmd {
	cmd := p.view.ApplyScan(msg)
	if p.aside != nil {
		cmd = tea.Batch(cmd, p.aside.view.ApplyScan(msg))
	}
	return cmd
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

// arrangeLogs brings the log pane in line with what is looked at.
func (m *Model) arrangeLogs() tea.Cmd {
	p := m.logs
	cmds := []tea.Cmd{m.wantLogs()}
	p.view.SetEmpty(m.whyNoLogs())
	p.view.SetFocused(m.inLogs())
	cmds = append(cmds, p.view.Sync(m.now()))
	if a := p.aside; a != nil {
		a.view.SetFocused(m.inLogs())
		a.view.SetEmpty(a.why())
		cmds = append(cmds, a.view.Sync(m.now()))
	}
	cmds = append(cmds, m.minded(p.shown()), m.wantVolume())
	return tea.Batch(cmds...)
}

// wantLogs follows the logs of what is looked at, where any are shown, or reads them around the moment.
func (m *Model) wantLogs() tea.Cmd {
	p := m.logs
	if m.layout().logs.h == 0 || m.feed == nil {
		return nil
	}
	q, key := m.logsWanted()
	if key != p.key {
		p.marks[p.key], p.columns[p.key] = p.view.Marks(), p.view.FieldColumns()
		p.key, p.at, p.find, p.mark = key, time.Time{}, nil, nil
		p.reset(q)
		p.view.SetMarks(p.marks[key])
		p.view.SetFieldColumns(p.columns[key])
		if m.focus != paneLogs {
			p.closeAside()
		}
		return m.showMoment(true)
	}
	if m.when.generation != p.whenSeen {
		return m.showMoment(false)
	}
	return nil
}

// logsWanted is what the lines are to be of; "" : of nothing.
func (m *Model) logsWanted() (q sources.LogQuery, key string) {
	if m.logs.expr != "" && m.view == viewLogs {
		return sources.LogQuery{Expr: m.logs.expr}, "\x02" + m.logs.expr
	}
	services := m.logServices()
	q = sources.LogQuery{Services: services}
	if m.view == viewTasks && m.logs.aside == nil {
		if t := m.selectedTask(); t != nil && m.focus == paneLogs {
			q.Tasks = []string{t.ID}
		}
	}
	if len(services) == 0 && m.scope == nil {
		return q, "" // nothing is selected: nothing is followed
	}
	return q, strings.Join(services, "\x00") + "\x01" + strings.Join(q.Tasks, "\x00")
}

// showMoment brings the lines to the shared moment: to a line that is loaded, or else by reading around it; live, it
// follows. fresh: the view is empty.
func (m *Model) showMoment(fresh bool) tea.Cmd {
	p := m.logs
	same := m.when.at.Equal(p.atSeen)
	p.whenSeen, p.atSeen = m.when.generation, m.when.at
	switch {
	case p.key == "":
		m.feed.Stop()
		return nil
	case m.when.live():
		if fresh || !p.at.IsZero() {
			if !fresh {
				p.reset(p.query)
			}
			p.at = time.Time{}
			p.view.SetStatic(false)
			m.feed.Want(p.want(p.query))
			p.view.SetFollow(true)
		} else if p.moved {
			p.view.SetFollow(true)
		}
		p.moved = false
		return nil
	case !fresh && same:
		return nil
	case !fresh && p.view.Covers(m.when.at):
		p.moved = p.view.SelectTime(m.when.at)
		return nil
	}
	p.at, p.moved = m.when.at, true
	p.reset(p.query)
	p.view.SetStatic(true)
	m.feed.Stop()
	return p.settle(m)
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
	if a := m.logs.aside; a != nil {
		return inLine(a.title)
	}
	services := m.logServices()
	t := "logs "
	switch {
	case m.view == viewLogs && m.logs.expr != "":
		t += m.logs.expr
	case m.view == viewLogs && m.scope != nil && len(services) == 0:
		t += "of all services"
	case m.view == viewLogs && m.stackOf(services) != "":
		t += fmt.Sprintf("stack %s (%d)", m.stackOf(services), len(services))
	case len(services) > 3:
		t += fmt.Sprintf("%s and %d more", strings.Join(services[:2], ", "), len(services)-2)
	default:
		t += strings.Join(services, ", ")
	}
	if len(m.logs.query.Tasks) > 0 {
		t += " task " + plain.Clip(m.logs.query.Tasks[0], 8)
	}
	if !m.logs.at.IsZero() {
		t += " around " + m.clock(m.logs.at)
	}
	return inLine(t)
}

// stackOf is the stack that the services are all of, and all that it has; "" : they are not.
func (m *Model) stackOf(services []string) string {
	if len(services) < 2 {
		return ""
	}
	v := m.snap.Service(services[0])
	if v == nil || v.Stack == "" {
		return ""
	}
	all := m.servicesOf(v.Stack)
	if len(all) != len(services) || !slices.Equal(sorted(all), sorted(services)) {
		return ""
	}
	return v.Stack
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// logsLines draws the pane; its title and the view's own first line, which tells the stream's state, share one line.
func (m *Model) logsLines(r rect, focused bool) []string {
	v := m.logs.top()
	lines := strings.Split(v.View(m.st), "\n")
	head := m.titleStart(plain.Clip(m.logsTitle(), max(r.w/2, 10)), focused)
	lines[0] = fitStyled(head+lines[0], r.w)
	if h := m.volumeHeight(r); h > 0 {
		lines = slices.Insert(lines, 1, m.volumeLines(r.w, h)...)
	}
	return lines
}

// whyNoLogs is what the empty pane says.
func (m *Model) whyNoLogs() string {
	state := m.logState()
	p := m.logs
	switch {
	case m.o.Logs == nil:
		return "no Loki is configured: --loki or LOKI_ADDR"
	case p.key == "":
		return "no service is selected"
	case !state.OK() && state.State != sources.Connecting:
		return string(state.State) + ": " + inLine(state.Detail)
	case !p.at.IsZero() && (p.older || p.newer):
		return "reading the lines around " + m.clock(p.at)
	case !p.at.IsZero() && p.stuck:
		return "the lines around " + m.clock(p.at) + " could not be read: < > or 0 asks again"
	case !p.at.IsZero():
		return "no line around " + m.clock(p.at)
	}
	return "no line in the last hour; new ones appear here"
}

// byDocker tells whether the lines are the engine's own, which has no index and keeps what the log driver and the swarm keep.
func (m *Model) byDocker() bool { return m.o.Logs != nil && m.o.Logs.Name() == "docker" }

// resizeLogs gives the views their room.
func (m *Model) resizeLogs(r rect) {
	if r.w <= 0 || r.h <= 0 {
		return
	}
	h := r.h - m.volumeHeight(r)
	m.logs.view.SetSize(r.w, h)
	if a := m.logs.aside; a != nil {
		a.view.SetSize(r.w, h)
	}
}

// back closes what is open in the pane, and tells whether there was anything.
func (p *logsPane) back() bool {
	v := p.top()
	switch {
	case v.InContext():
		return v.Context()
	case v.Search().Text != "":
		return v.SetSearch(logview.Term{}) == nil
	case p.aside != nil:
		p.closeAside()
	case !v.Filter().Zero():
		v.ClearFilters()
	case p.expr != "":
		p.expr = ""
	case v.Paused():
		v.TogglePause()
	default:
		return false
	}
	return true
}

// backInLogs is back, with the focus where it was before the aside.
func (m *Model) backInLogs() bool {
	a := m.logs.aside
	done := m.logs.back()
	if a != nil && m.logs.aside == nil && m.view == viewTasks {
		m.focus = a.from
	}
	return done
}
