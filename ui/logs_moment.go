package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// logsSettleMsg is sent when the moment has stood still long enough for its lines to be asked for.
type logsSettleMsg struct {
	reach      *reach
	generation uint64
}

// aroundMsg is sent when the lines around a moment have come.
type aroundMsg struct {
	reach      *reach
	generation uint64
	before     lookedBack
	after      sources.LogPage
	err        error
	// instead: the lines are of the task's service on its node in its time, for want of the task's own.
	instead bool
	node    string
}

// foundMsg is sent when an error was looked for beyond what is loaded.
type foundMsg struct {
	reach      *reach
	generation uint64
	next       bool
	entry      *sources.Entry
	back       time.Time
	end        string // why nothing is further back; "": there may be
	err        error
}

// lineLeads brings the shared moment to the selected line, while a moment is looked at; past the newest line it is live again.
// Nothing is asked for here: each pane asks for itself once the moment stands still.
func (m *Model) lineLeads() {
	if m.when.live() {
		return
	}
	v := m.logs.top()
	if v.Following() {
		m.when.goLive()
		return
	}
	if e := v.Selected(); e != nil {
		m.leadTo(e.Time)
	}
}

// leadTo sets the shared moment to a line of the pane. The pane is there already: what it shows is of this generation of the moment, so
// that it neither moves its cursor nor reads again. Lines below an aside are brought there as by any other key.
func (m *Model) leadTo(at time.Time) {
	p := m.logs
	if t := m.selectedTask(); m.view == viewTasks && t != nil && at.Before(t.Created) {
		at = t.Created // another machine's clock: at a moment before it the task is not there, nor would its lines be
	}
	m.when.set(at, m.o.Now())
	p.led = m.when.generation
	if p.aside != nil {
		return
	}
	p.whenSeen, p.atSeen, p.moved = m.when.generation, m.when.at, true
	if !p.at.IsZero() {
		p.at = m.when.at
	}
}

// momentToLine sets the shared moment to the selected line.
func (m *Model) momentToLine() tea.Cmd {
	v := m.logs.top()
	e := v.Selected()
	if e == nil {
		return m.say("no line is selected")
	}
	v.SetFollow(false)
	m.leadTo(e.Time)
	return nil
}

// handleLogs takes what came for the logs.
func (m *Model) handleLogs(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case pageMsg:
		return m.applyPage(msg)
	case logsSettleMsg:
		if msg.generation == msg.reach.generation && msg.reach == &m.logs.reach {
			return m.requestAround(msg.reach, m.logs.at)
		}
	case aroundMsg:
		return m.applyAround(msg)
	case foundMsg:
		return m.applyFound(msg)
	case volumeMsg:
		return m.applyVolume(msg)
	case volumeDueMsg:
		m.logs.volume.due = m.logs.volume.due || msg.generation == m.logs.volume.generation
	case patternsMsg:
		msg.box.apply(m, msg)
	case facetsMsg:
		return msg.box.apply(m, msg)
	case facetValuesMsg:
		msg.box.applyValues(msg)
	case offersMsg:
		msg.box.apply(msg)
	case tryMsg:
		return msg.box.applyTry(m, msg)
	}
	return nil
}

// settle asks for the lines around the moment when it stands still.
func (p *logsPane) settle(m *Model) tea.Cmd {
	p.older, p.newer = true, true
	return m.onceStill(logsSettleMsg{&p.reach, p.generation})
}

// requestAround reads the lines around a moment into a view.
func (m *Model) requestAround(r *reach, at time.Time) tea.Cmd {
	if m.o.Logs == nil {
		return nil
	}
	r.older, r.newer = true, true
	logs, q, generation, now := m.o.Logs, r.query, r.generation, m.o.Now()
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		msg := aroundMsg{reach: r, generation: generation}
		msg.before, msg.after, msg.err = around(ctx, logs, q, at, now)
		return msg
	}
}

func (m *Model) applyAround(msg aroundMsg) tea.Cmd {
	r, p := msg.reach, m.logs
	if msg.generation != r.generation {
		return nil
	}
	r.older, r.newer = false, false
	r.stuck = msg.err != nil
	if r != &p.reach && p.aside != nil {
		r.view.Reset() // what was shown meanwhile is among what came
	}
	r.view.Prepend(msg.before.page)
	r.view.Extend(msg.after)
	r.end = !msg.after.More && msg.err == nil && len(msg.after.Entries) == 0
	if len(msg.before.page.Entries) == 0 && msg.err == nil {
		r.begin, r.bare = msg.before.end != "", msg.before.back
		r.why = "no older line: " + inLine(msg.before.end)
	}
	r.view.SetStatic(true)
	r.view.Sync(m.now())
	var words tea.Cmd
	if msg.instead && p.aside != nil {
		p.aside.onNode(msg.node)
		words = m.say("no line bears the task's label: these are the service's on its node, in its time")
	}
	switch a := p.aside; {
	case a != nil && r == &a.reach:
		a.place()
	case p.find != nil && r.view.SelectEntry(*p.find):
	case p.mark != nil && r.view.SelectMark(*p.mark):
	default:
		r.view.SelectTime(p.at)
	}
	if r == &p.reach {
		p.find, p.mark = nil, nil
	}
	if msg.err != nil {
		return m.say("logs: " + inLine(msg.err.Error()))
	}
	return words
}

// nextError goes to the next error or the one before; beyond what is loaded the source is asked.
func (m *Model) nextError(next bool) tea.Cmd {
	r := m.logs.shown()
	v := r.view
	if next && v.NextError() || !next && v.PrevError() {
		return nil
	}
	if next && !v.Static() {
		if !v.Following() || m.o.Logs == nil {
			return m.say("no error further down")
		}
		next = false // nothing comes behind the newest line
	}
	from := v.Oldest()
	if next {
		from = v.Newest()
	}
	if m.o.Logs == nil || from.IsZero() {
		return m.say("no error in what is loaded")
	}
	q, _ := narrowed(r.query, v.Filter())
	q.Levels, q.Limit = []sources.Level{sources.LevelError, sources.LevelFatal}, 1
	logs, generation, now := m.o.Logs, r.generation, m.o.Now()
	find := func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		msg := foundMsg{reach: r, generation: generation, next: next}
		var page sources.LogPage
		if next {
			page, msg.err = newer(ctx, logs, q, from.Add(1), now)
		} else {
			var l lookedBack
			l, msg.err = older(ctx, logs, q, from)
			page, msg.back, msg.end = l.page, l.back, l.end
		}
		if n := len(page.Entries); n > 0 {
			msg.entry = &page.Entries[n-1]
		}
		return msg
	}
	return tea.Batch(m.say("no more errors in what is loaded: asking "+m.o.Logs.Name()+" …"), find)
}

func (m *Model) applyFound(msg foundMsg) tea.Cmd {
	r := msg.reach
	if msg.generation != r.generation || r != m.logs.shown() {
		return nil
	}
	switch {
	case msg.entry == nil && msg.err != nil:
		return m.say("looking for an error: " + inLine(msg.err.Error()))
	case msg.entry == nil && msg.next:
		return m.say("no later error")
	case msg.entry == nil:
		words := "no earlier error: asked back to " + m.day(msg.back)
		if msg.end != "" {
			words += ", " + inLine(msg.end)
		}
		return m.say(words)
	}
	return m.goToEntry(r, *msg.entry)
}

// goToEntry brings a view to a line that is not loaded.
func (m *Model) goToEntry(r *reach, e sources.Entry) tea.Cmd {
	if a := m.logs.aside; a != nil && r == &a.reach {
		a.at, a.want = e.Time, &e
		r.reset(r.query)
		return m.requestAround(r, e.Time)
	}
	m.when.set(e.Time, m.o.Now())
	m.logs.find = nil
	cmd := m.showMoment(false)
	if r.view.SelectEntry(e) {
		return cmd
	}
	m.logs.find = &e
	return cmd
}

// nextBookmark goes to the next bookmark, loading its page where it is not there.
func (m *Model) nextBookmark() tea.Cmd {
	r := m.logs.shown()
	away, ok := r.view.NextBookmark()
	switch {
	case !ok:
		return m.say("no bookmark: b sets one")
	case away == nil:
		return nil
	case m.o.Logs == nil || r != &m.logs.reach:
		return m.say("the bookmark's line is not loaded")
	}
	m.logs.mark = away
	m.when.set(away.At, m.o.Now())
	return m.showMoment(false)
}
