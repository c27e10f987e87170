package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/ui/logview"
)

// handleKey gives a key to what has the focus: a dialog, an input line, or the keymap.
func (m *Model) handleKey(k tea.KeyPressMsg) tea.Cmd {
	if k.Text != "" { // what a terminal sends as typed is drawn in input lines
		if k.Text = inLine(k.Text); k.Text == "" {
			return nil
		}
	}
	if m.logs.top().Input() != logview.InputNone {
		return m.logsInputKey(k)
	}
	if m.editingQuery() && m.overlay == nil {
		return m.queryInputKey(k)
	}
	if m.prompt != nil {
		return m.promptKey(k)
	}
	if m.overlay != nil {
		box := m.overlay
		cmd, done := box.key(m, k)
		if done && m.overlay == box { // what it did may have opened another
			m.overlay = nil
		}
		return cmd
	}
	if a := lookup(k, m.areas()...); a != actNone {
		return m.do(a)
	}
	return m.sayDeaf(k)
}

// sayDeaf tells of a key that means nothing here, and what it means elsewhere: somebody waits for what it does.
func (m *Model) sayDeaf(k tea.KeyPressMsg) tea.Cmd {
	for i := range keymap {
		if b := &keymap[i]; !b.area.boxed() && key.Matches(k, b.key) {
			return m.say(inLine(k.String()) + " (" + areaTitles[b.area] + ": " + b.key.Help().Desc + ") means nothing " + m.hereWord() + "; ? lists what does")
		}
	}
	if k.Text == "" {
		return nil // a modifier alone, or what a terminal sends by itself
	}
	return m.say(inLine(k.String()) + " means nothing " + m.hereWord() + "; ? lists what does")
}

// hereWord is where the focus is.
func (m *Model) hereWord() string {
	switch a := m.focusedArea(); a {
	case areaServices:
		return "in the services"
	case areaLogs:
		return "in the logs"
	case areaMetrics:
		return "in the metrics"
	case areaAlerts:
		return "in the alerts"
	case areaTimeline:
		return "in the timeline"
	case areaBackups:
		return "in the backups"
	case areaStages:
		return "in the stages"
	case areaNodes:
		return "in the nodes"
	case areaRows:
		return "in the tasks"
	}
	return "here"
}

// inLogs tells whether the log pane has the focus.
func (m *Model) inLogs() bool { return m.view == viewLogs || m.focus == paneLogs }

// logsInputKey gives a key to the log pane's open input.
func (m *Model) logsInputKey(k tea.KeyPressMsg) tea.Cmd {
	v := m.logs.top()
	switch k.String() {
	case "esc", "ctrl+c":
		v.CancelInput()
	case "enter":
		if err := v.AcceptInput(); err != nil {
			return m.say(inLine(err.Error()))
		}
	default:
		return v.UpdateInput(k)
	}
	return nil
}

func (m *Model) handlePaste(msg tea.PasteMsg) tea.Cmd {
	switch {
	case m.logs.top().Input() != logview.InputNone:
		return m.logs.top().UpdateInput(tea.PasteMsg{Content: oneLine(msg.Content)})
	case m.editingQuery() && m.overlay == nil:
		return m.pasteQuery(msg.Content)
	case m.prompt != nil:
		pasteInto(&m.prompt.input, msg.Content)
		if m.prompt.done == nil {
			m.setFilter(m.prompt.input.Value())
		}
	case m.overlay != nil:
		m.overlay.paste(msg.Content)
	default:
		return m.say("a paste means nothing here: open / or : first")
	}
	return nil
}

// do does what a key means: everywhere, then in the focused pane.
func (m *Model) do(a act) tea.Cmd {
	switch a {
	case actNone:
		return nil
	case actQuit:
		if m.view == viewOverview && !m.zoom {
			return m.quit()
		}
		m.back()
	case actLeave:
		return m.quit()
	case actInvestigate:
		return m.openCauses()
	case actIncident:
		return m.openIncident()
	case actRuns:
		return m.openRuns()
	case actScaling:
		return m.switchScaling()
	case actBack:
		m.back()
	case actHelp:
		m.overlay = newHelp(m)
	case actPalette:
		m.overlay = newPalette(m)
	case actNextPane, actPrevPane:
		m.nextPane(a == actPrevPane)
	case actZoom:
		m.zoom = !m.zoom && m.view == viewOverview
	case actOverview, actServices, actLogs, actMetrics, actAlerts, actTimeline, actStages, actBackups, actNodes:
		m.openByKey(a)
		if a == actBackups {
			return m.lookForForeign(false)
		}
	case actFilter:
		if m.inLogs() {
			return m.logs.top().StartInput(logview.InputFilter)
		}
		m.askFilter()
	case actRedraw:
		return tea.ClearScreen
	case actSuspend:
		if !m.o.Shell {
			return m.say("no shell is there that could bring the console back")
		}
		return tea.Suspend
	case actZoomIn, actZoomOut, actEarlier, actLater, actStepBack, actStepOn, actLive, actBrush:
		return m.doWhen(a)
	default:
		return m.doInPane(a)
	}
	return nil
}

var viewOf = map[act]view{actOverview: viewOverview, actServices: viewServices, actLogs: viewLogs, actMetrics: viewMetrics,
	actAlerts: viewAlerts, actTimeline: viewTimeline, actStages: viewStages, actBackups: viewBackups, actNodes: viewNodes}

func (m *Model) openByKey(a act) {
	if a == actLogs {
		m.scopeFromMarks()
	} else {
		m.scope = nil
	}
	m.open(viewOf[a])
}

// scopeFromMarks makes the logs be about the marked services, or else the selection.
func (m *Model) scopeFromMarks() {
	m.scope = nil
	if len(m.services.marks) > 0 {
		m.scope = m.services.chosen()
	}
}

func (m *Model) nextPane(backwards bool) {
	order := []pane{paneTable, paneMetrics, paneLogs}
	if m.view == viewTasks {
		order = []pane{paneTable, paneLogs}
	}
	if m.view != viewOverview && m.view != viewTasks {
		return
	}
	at := 0
	for i, p := range order {
		if p == m.focus {
			at = i
		}
	}
	step := 1
	if backwards {
		step = len(order) - 1
	}
	m.focus = order[(at+step)%len(order)]
}

func (m *Model) doInPane(a act) tea.Cmd {
	switch {
	case m.inLogs():
		return m.doInLogs(a)
	case m.view == viewMetrics || m.focus == paneMetrics:
		if cmd, done := m.doInMetrics(a); done || m.services.handle(a) {
			return cmd
		}
		return m.doWithService(a)
	}
	if m.view == viewBackups {
		if cmd, done := m.doInBackups(a); done {
			return cmd
		}
	}
	if m.view == viewStages {
		if cmd, done := m.doInStages(a); done {
			return cmd
		}
	}
	if l := m.listInFocus(); l != nil && l.handle(a) {
		return nil
	}
	return m.doWithService(a)
}

// listInFocus is the list that arrow keys move in.
func (m *Model) listInFocus() *list {
	switch m.view {
	case viewTasks:
		return &m.tasks.list
	case viewAlerts:
		return &m.alerts.list
	case viewTimeline:
		return &m.timeline.list
	case viewBackups:
		if m.backups.inside {
			return &m.backups.saved.list
		}
		return &m.backups.list
	case viewStages:
		return &m.stages.list
	case viewNodes:
		return &m.nodes.list
	}
	return &m.services.list
}

// doWithService does what is done with the row under the cursor.
func (m *Model) doWithService(a act) tea.Cmd {
	switch a {
	case actMark:
		m.services.toggleMark()
	case actMarkAll:
		m.services.markAll()
	case actSort:
		m.services.sort = (m.services.sort + 1) % sortKeys
		return m.say("sorted by " + sortNames[m.services.sort])
	case actSortReverse:
		m.services.reverse = !m.services.reverse
	case actWorst:
		return m.toWorst()
	case actOnlyBad:
		m.services.onlyBad = !m.services.onlyBad
	case actEnter:
		return m.enter()
	case actOpenLogs:
		m.openLogsOf()
	case actOpenMetrics:
		m.selectSubject()
		m.open(viewMetrics)
	case actCharts:
		cmd, _ := m.doInMetrics(a)
		return cmd
	case actCopy:
		return m.copySelection()
	case actScale, actMore, actLess, actRedeploy, actUndo:
		return m.doAct(a)
	case actApply:
		return m.applyAdvice()
	case actDrain, actActivate, actPromote, actDemote:
		return m.askNode(a)
	case actHistory, actChange, actHandover:
		return m.doLook(a)
	case actDelivery:
		return m.openDelivery()
	case actSilence, actEndSilence, actRule:
		return m.doInAlerts(a)
	case actKinds, actFold, actOnlyService:
		return m.doInTimeline(a)
	case actLastLines:
		if m.view != viewTasks {
			return m.say("enter opens its tasks: there D shows a task's last lines")
		}
		return m.lastLines()
	}
	return nil
}

// enter drills into the row under the cursor.
func (m *Model) enter() tea.Cmd {
	switch m.view {
	case viewOverview, viewServices:
		if name := m.services.selected(); name != "" {
			m.tasks = tasksPane{service: name}
			m.open(viewTasks)
		}
	case viewTasks:
		m.focus = paneLogs
	case viewAlerts:
		return m.alertMoment()
	case viewTimeline:
		return m.evidence()
	case viewNodes:
		if n := m.snap.Node(m.nodes.selected()); n != nil {
			return m.say(inLine(n.Name) + ": " + inLine(n.Addr) + ", " + inLine(n.Message))
		}
	}
	return nil
}

func (m *Model) happeningService() string {
	if h := m.selectedHappening(); h != nil {
		return h.Service
	}
	return ""
}

// selectSubject puts the service table's cursor on what the view is about.
func (m *Model) selectSubject() {
	if name := m.subject(); name != "" && m.snap.Service(name) != nil {
		if !m.services.selectID(name) {
			m.services.filter, m.services.onlyBad = "", false
			m.services.arrange(m.snap, m.o.Now())
			m.services.selectID(name)
		}
	}
}

func (m *Model) openLogsOf() {
	m.selectSubject()
	m.scopeFromMarks()
	if m.view == viewTasks || m.view == viewAlerts {
		m.scope = nil
	}
	m.open(viewLogs)
}

// copySelection puts the row under the cursor on the clipboard (OSC 52).
func (m *Model) copySelection() tea.Cmd {
	text := m.subject()
	switch m.view {
	case viewTasks:
		text = m.tasks.selected()
	case viewBackups:
		if r := m.selectedSaved(); m.backups.inside && r.snapshot != nil {
			text = r.snapshot.ID
		}
	case viewStages:
		text = ""
		if x := m.selectedStage().check; x != nil {
			text = x.Check.Fix
			if len(x.Subjects) > 0 && x.Subjects[0].Set != "" {
				text = x.Subjects[0].Set
			}
		}
	case viewNodes:
		if n := m.snap.Node(m.nodes.selected()); n != nil {
			text = n.Name
		}
	}
	if text == "" {
		return m.say("nothing is selected")
	}
	return tea.Batch(tea.SetClipboard(text), m.say("copied "+inLine(text)))
}

// filterOf is the filter of the list or pane in focus.
func (m *Model) filterOf() string {
	switch m.view {
	case viewTasks:
		return m.tasks.filter
	case viewAlerts:
		return m.alerts.filter
	case viewTimeline:
		return m.timeline.filter
	case viewBackups:
		if m.backups.inside {
			return m.backups.saved.filter
		}
		return m.backups.filter
	case viewStages:
		return m.stages.filter
	case viewNodes:
		return m.nodes.filter
	}
	return m.services.filter
}

func (m *Model) setFilter(s string) {
	switch m.view {
	case viewTasks:
		m.tasks.filter = s
	case viewAlerts:
		m.alerts.filter = s
	case viewTimeline:
		m.timeline.filter = s
	case viewBackups:
		if m.backups.inside {
			m.backups.saved.filter = s
			return
		}
		m.backups.filter = s
	case viewStages:
		m.stages.filter = s
	case viewNodes:
		m.nodes.filter = s
	default:
		m.services.filter = s
	}
}
