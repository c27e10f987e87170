package ui

import tea "charm.land/bubbletea/v2"

// handleMouse gives clicks and the wheel to the pane below them.
func (m *Model) handleMouse(msg tea.MouseMsg) tea.Cmd {
	at := msg.Mouse()
	if m.overlay != nil {
		if _, ok := msg.(tea.MouseClickMsg); ok {
			m.overlay = nil
		}
		return nil
	}
	r := m.layout()
	over := paneTable
	switch {
	case r.logs.holds(at.X, at.Y):
		over = paneLogs
	case r.metrics.holds(at.X, at.Y):
		over = paneMetrics
	case m.view == viewBackups && r.about.holds(at.X, at.Y):
	case !r.table.holds(at.X, at.Y):
		if at.Y == 1 {
			m.clickTab(msg, at.X)
		}
		return nil
	}
	if wheel, ok := msg.(tea.MouseWheelMsg); ok {
		return m.wheel(over, wheel.Button == tea.MouseWheelUp)
	}
	m.focus = over
	if over == paneTable {
		m.clickRow(r, at.Y)
	}
	if over == paneLogs {
		m.clickLog(at.Y - r.logs.y)
	}
	return nil
}

func (m *Model) clickRow(r rects, y int) {
	l := m.listInFocus()
	first := r.table.y + 2
	switch m.view {
	case viewTasks:
		first += m.tasksHead(r.table.w)
	case viewTimeline:
		first++ // the kinds
	case viewAlerts:
		first += m.alertsHead()
	case viewBackups:
		m.clickBackups(r, y)
		return
	}
	if i := l.rowAt(y - first); i >= 0 {
		l.moveTo(i)
	}
}

func (m *Model) clickTab(msg tea.MouseMsg, x int) {
	if _, ok := msg.(tea.MouseClickMsg); !ok {
		return
	}
	key := m.tabAt(x)
	for _, t := range tabs {
		if t.key == key {
			m.scope = nil
			m.open(t.view)
		}
	}
}

func (m *Model) wheel(over pane, up bool) tea.Cmd {
	a := actDown
	if up {
		a = actUp
	}
	for range 3 {
		switch {
		case over == paneLogs:
			m.doInLogs(a)
		case over == paneMetrics && (m.view == viewMetrics || m.zoom):
			m.metrics.handle(m, a)
			return nil
		case over == paneTable:
			m.listInFocus().handle(a)
		}
	}
	return nil
}
