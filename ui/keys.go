package ui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
)

// areas are where keys are looked up, by what has the focus.
func (m *Model) areas() []area {
	focused := m.focusedArea()
	if m.view == viewTasks && focused == areaRows {
		return []area{areaTasks, focused, areaPanes, areaList}
	}
	if m.view == viewOverview || m.view == viewTasks {
		return []area{focused, areaPanes, areaList}
	}
	if focused == areaAlerts || focused == areaTimeline {
		return []area{focused, areaRows, areaList}
	}
	return []area{focused, areaList}
}

func (m *Model) focusedArea() area {
	switch {
	case m.inLogs():
		return areaLogs
	case m.view == viewMetrics || m.focus == paneMetrics:
		return areaMetrics
	case m.view == viewAlerts:
		return areaAlerts
	case m.view == viewTimeline:
		return areaTimeline
	case m.view == viewTasks:
		return areaRows
	case m.view == viewOverview || m.view == viewServices:
		return areaServices
	}
	return areaList
}

// means tells whether some key does it here and now.
func (m *Model) means(do act) bool {
	areas := append(m.areas(), areaAll)
	return slices.ContainsFunc(keymap, func(b binding) bool { return b.act == do && slices.Contains(areas, b.area) })
}

// focusArea brings the focus to where an area's keys mean something.
func (m *Model) focusArea(a area) {
	switch a {
	case areaLogs:
		if m.view != viewLogs {
			m.open(viewLogs)
		}
	case areaMetrics:
		if m.view != viewMetrics {
			m.open(viewMetrics)
		}
	case areaAlerts:
		m.open(viewAlerts)
	case areaTimeline:
		m.open(viewTimeline)
	case areaServices:
		if m.view != viewServices {
			m.open(viewOverview)
			m.focus = paneTable
		}
	}
}

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
		m.promptKey(k)
		return nil
	}
	if m.overlay != nil {
		box := m.overlay
		cmd, done := box.key(m, k)
		if done && m.overlay == box { // what it did may have opened another
			m.overlay = nil
		}
		return cmd
	}
	return m.do(lookup(k, m.areas()...))
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
		m.setFilter(m.prompt.input.Value())
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
	case actOverview, actServices, actLogs, actMetrics, actAlerts, actTimeline, actNodes:
		m.openByKey(a)
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
	actAlerts: viewAlerts, actTimeline: viewTimeline, actNodes: viewNodes}

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
	case actHistory, actChange, actHandover:
		return m.doLook(a)
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
			m.services.arrange(m.snap)
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
	case viewNodes:
		m.nodes.filter = s
	default:
		m.services.filter = s
	}
}

// toast is a note in the last line that goes away by itself.
type toast struct {
	text       string
	generation uint64
}

func (m *Model) say(text string) tea.Cmd {
	m.toast.text = text
	m.toast.generation++
	generation := m.toast.generation
	return tea.Tick(ToastTime, func(time.Time) tea.Msg { return toastExpiredMsg{generation} })
}

func (t *toast) expire(generation uint64) {
	if generation == t.generation {
		t.text = ""
	}
}

// lastLine is the input line, a note, or the keys that mean something now.
func (m *Model) lastLine() string {
	switch {
	case m.prompt != nil:
		p := *m.prompt
		const hint = "  enter keeps, esc takes back"
		p.input.SetWidth(max(m.w-len(hint)-2, 10)) // and the prompt, and the cursor
		return fitStyled(p.input.View()+m.st.Muted.Render(hint), m.w)
	case m.toast.text == "" && m.editingQuery() && m.overlay == nil:
		return m.queryHints()
	case m.toast.text != "":
		return m.st.Accent.Render(plain.Fit(" "+m.toast.text, m.w))
	}
	var ps []piece
	ps = append(ps, piece{text: " ", style: m.st.Text})
	hints := append(m.whenHints(), hintsFor(m.areas()...)...)
	for i, h := range hints {
		rank := i + 1
		if i >= len(hints)-2 {
			rank = 0 // they lead to all the others
		}
		ps = append(ps, piece{text: h.Key, style: m.st.HintKey, drop: rank}, piece{text: " " + h.Desc + "  ", style: m.st.HintDesc, drop: rank})
	}
	return fitPieces(ps, nil, m.w)
}

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
		first += tasksHead
	case viewTimeline:
		first++ // the kinds
	case viewAlerts:
		first += m.alertsHead()
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
