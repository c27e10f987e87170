package ui

import (
	"fmt"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// tasksPane is one service drilled into: its settings, and its tasks by slot with the dead ones below each.
type tasksPane struct {
	list
	service string
	filter  string
}

func (p *tasksPane) arrange(s *fleet.Snapshot) {
	v := s.Service(p.service)
	if v == nil {
		p.setRows(nil)
		return
	}
	needle := strings.ToLower(p.filter)
	ids := make([]string, 0, len(v.Tasks))
	for i := range v.Tasks {
		t := &v.Tasks[i]
		if needle == "" || strings.Contains(strings.ToLower(string(t.State)+" "+t.Err+" "+t.Message+" "+t.ID), needle) {
			ids = append(ids, t.ID)
		}
	}
	p.setRows(ids)
}

// selectedTask is the task under the cursor; nil: none.
func (m *Model) selectedTask() *sources.Task {
	v := m.then().Service(m.tasks.service)
	if v == nil {
		return nil
	}
	id := m.tasks.selected()
	for i := range v.Tasks {
		if v.Tasks[i].ID == id {
			return &v.Tasks[i]
		}
	}
	return nil
}

func (m *Model) tasksLines(r rects) []string {
	v := m.then().Service(m.tasks.service)
	title := "tasks of " + inLine(m.tasks.service)
	if v == nil {
		why := "this service is gone: esc goes back"
		if m.then().Past {
			why = "no service of this name was there at " + m.clock(m.then().At) + ": 0 goes back to now"
		}
		return m.paneLines(title, r.table, true, emptyLines(m.st, why, r.table.w, max(r.table.h-1, 0)))
	}
	title = strings.Join(append([]string{title, v.Run() + " run"}, m.thenTaskNotes()...), " · ")
	focused := m.focus == paneTable
	lines := m.paneLines(title, r.table, focused, m.serviceHead(v, r.table.w))
	if rows := r.table.h - len(lines); rows > 0 {
		lines = append(lines, m.taskRows(v, r.table.w, rows, focused)...)
	}
	lines = lines[:r.table.h]
	if r.logs.h == 0 {
		return lines
	}
	return beside(lines, m.logsLines(r.logs, m.focus == paneLogs), m.st.Border.Render(m.st.Signs.Bar))
}

// settingsHeight is the block that tells a service's settings over its tasks.
const settingsHeight = 5

// tasksHead is how many lines stand over a service's tasks: its settings, and its autoscaling where it has a policy.
func (m *Model) tasksHead(w int) int {
	return settingsHeight + len(m.scaleBlock(m.then().Service(m.tasks.service), w, scalingMost))
}

// scalingMost is how many lines a service's autoscaling takes at most over its tasks.
const scalingMost = 5

// serviceHead is exactly tasksHead lines: the service's settings, and its autoscaling.
func (m *Model) serviceHead(v *fleet.Service, w int) []string {
	sign, word, style := m.st.Health(string(v.Health))
	first := " " + sign + " " + word
	if why := m.reasonOf(v); why != "" {
		first += ": " + why
	}
	lines := []string{style.Render(plain.Fit(inLine(first), w)), m.st.Muted.Render(plain.Fit(" "+serviceFacts(v, v.Image), w))}
	limits := fmt.Sprintf(" limits %s CPU, %s · reserves %s CPU, %s", cores(v.Resources.LimitNanoCPUs), size(v.Resources.LimitBytes), cores(v.Resources.ReserveNanoCPUs), size(v.Resources.ReserveBytes))
	lines = append(lines, m.st.Muted.Render(plain.Fit(limits, w)))
	var place []string
	if len(v.Constraints) > 0 {
		place = append(place, "placed on "+strings.Join(v.Constraints, ", "))
	}
	for _, p := range v.Ports {
		place = append(place, fmt.Sprintf("port %d→%d/%s %s", p.Published, p.Target, p.Protocol, p.Mode))
	}
	if len(v.Secrets) > 0 {
		place = append(place, count(len(v.Secrets), "secret"))
	}
	if len(v.Configs) > 0 {
		place = append(place, count(len(v.Configs), "config"))
	}
	if v.UpdateMessage != "" {
		place = append(place, "update: "+v.UpdateMessage)
	}
	lines = append(lines, m.st.Muted.Render(plain.Fit(" "+inLine(strings.Join(place, " · ")), w)))
	lines = append(lines, m.scaleBlock(v, w, scalingMost)...)
	for len(lines) < m.tasksHead(w) {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines
}

// count is a number of things, the thing in the singular.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func cores(nano int64) string {
	if nano == 0 {
		return "no"
	}
	return fmt.Sprintf("%.2f", float64(nano)/1e9)
}

func size(b int64) string {
	if b == 0 {
		return "no memory"
	}
	return chart.Humanize(float64(b), "bytes")
}

func (m *Model) taskRows(v *fleet.Service, w, h int, focused bool) []string {
	if len(m.tasks.ids) == 0 {
		why := "no task: " + m.reasonOf(v)
		if m.tasks.filter != "" {
			why = "no task matches: esc takes the filter off"
		}
		return emptyLines(m.st, why, w, h)
	}
	cols := []column{{title: "TASK", width: 12}, {title: "STATE", width: 11}, {title: "NODE", width: 8}, {title: "AGE", width: 4, right: true},
		{title: "EXIT", width: 4, right: true, drop: 2}, {title: "VERSION", width: 8, drop: 3}, {title: "WHAT IT SAYS", width: 16, flex: true, drop: 1}}
	byID := make(map[string]*sources.Task, len(v.Tasks))
	for i := range v.Tasks {
		byID[v.Tasks[i].ID] = &v.Tasks[i]
	}
	return m.tasks.draw(m.st, cols, w, h, focused, func(id string, _ []int) []cell { return m.taskCells(v, byID[id]) })
}

// Columns of the task table, by their place.
const (
	taskName = iota
	taskState
	taskNode
	taskAge
	taskExit
	taskVersion
	taskSays
)

func (m *Model) taskCells(v *fleet.Service, t *sources.Task) []cell {
	st := m.st
	node := m.then().Node(t.NodeID)
	where := "–"
	stranded := false
	if node != nil {
		where = node.Name
		stranded = !node.Up() && t.State == sources.TaskRunning
	}
	style, sign := st.Muted, st.Signs.Dot
	switch {
	case stranded:
		style, sign = st.Warn, st.Signs.Unknown
	case t.State == sources.TaskRunning:
		style, sign = st.OK, st.Signs.OK
	case t.State == sources.TaskFailed || t.State == sources.TaskRejected:
		style, sign = st.Error, st.Signs.Death
	case !t.State.Ended():
		style, sign = st.Updating, st.Signs.Updating
	}
	name := fmt.Sprintf(".%d", t.Slot)
	if t.Slot == 0 {
		name = "." + where
	}
	if t.State.Ended() {
		name = "  └ " + plain.Clip(t.ID, 6)
	}
	says := t.Err
	if says == "" && t.State != sources.TaskRunning {
		says = t.Message
	}
	if stranded {
		says = "its node is " + node.State
	}
	exit := ""
	if t.State.Ended() && t.State != sources.TaskShutdown || t.ExitCode != 0 {
		exit = fmt.Sprint(t.ExitCode)
	}
	version := "current"
	if t.Generation != v.Generation {
		version = "older"
	}
	return []cell{taskName: {text: name, style: st.Text}, taskState: {text: sign + " " + string(t.State), style: style}, taskNode: {text: where, style: st.Text},
		taskAge: {text: age(t.Since, m.then().At), style: st.Muted}, taskExit: {text: exit, style: st.Muted}, taskVersion: {text: version, style: st.Muted}, taskSays: {text: says, style: style}}
}
