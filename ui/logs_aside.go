package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/logview"
)

// aside is the lines of one task, over the logs: around a line, or its last ones.
type aside struct {
	reach
	title string
	at    time.Time
	want  *sources.Entry // the line that the cursor belongs on; nil: the last one
	empty string
	from  pane // where the focus goes back to
}

// asideBytes bounds an aside's buffer.
const asideBytes = 8 << 20

func (m *Model) openAside(title string, q sources.LogQuery, at time.Time, want *sources.Entry) *aside {
	a := &aside{title: title, at: at, want: want, empty: "reading …", from: m.focus}
	a.view = logview.New(logview.Options{MaxBytes: asideBytes, Location: m.o.Location, TaskName: m.logs.taskName})
	a.query = q
	a.view.SetStatic(true)
	a.view.SetFieldColumns(m.logs.view.FieldColumns())
	m.logs.aside = a
	return a
}

func (p *logsPane) closeAside() { p.aside = nil }

// place puts the cursor where it belongs.
func (a *aside) place() {
	if a.want == nil || !a.view.SelectEntry(*a.want) {
		a.view.SelectTime(a.at)
	}
}

// onNode narrows the lines of a whole service to a node's.
func (a *aside) onNode(node string) {
	a.query.Tasks = nil
	a.title = "in the time of" + strings.TrimPrefix(a.title, "last lines of")
	if node != "" {
		_ = a.view.Add(logview.FieldTerm{Key: "node", Op: "=", Value: node}) // no error: nothing is compiled
	}
}

func (a *aside) why() string {
	if a.older || a.newer {
		return "reading …"
	}
	if a.stuck {
		return "could not be read: esc, and again"
	}
	return "no line of it is stored"
}

// openContext shows the lines of the selected line's task around it: at once those that are loaded, then what the source has.
func (m *Model) openContext() tea.Cmd {
	v := m.logs.top()
	if m.logs.aside != nil || m.o.Logs == nil {
		return m.orSay(m.logs.aside == nil && v.Context(), "this is the task's own lines already: esc goes back")
	}
	e := v.Selected()
	if e == nil {
		return m.say("no line is selected")
	}
	if e.Stream.Task == "" && e.Stream.Service == "" {
		return m.orSay(v.Context(), "no line is selected")
	}
	q, what := sources.LogQuery{Services: []string{e.Stream.Service}}, e.Stream.Service
	if e.Stream.Task != "" {
		q, what = sources.LogQuery{Tasks: []string{e.Stream.Task}}, m.logs.taskName(e.Stream)
		if e.Stream.Service != "" {
			q.Services = []string{e.Stream.Service}
		}
	}
	a := m.openAside("context of "+what, q, e.Time, e)
	var seed []sources.Entry
	v.All()(func(x *sources.Entry) bool {
		if x.Stream == e.Stream || x.Stream.Task != "" && x.Stream.Task == e.Stream.Task {
			seed = append(seed, *x)
		}
		return true
	})
	a.view.Prepend(sources.LogPage{Entries: seed})
	a.view.Sync(m.now())
	a.place()
	return m.requestAround(&a.reach, e.Time)
}

// openLastLines shows the last lines of a task, living or dead.
func (m *Model) openLastLines(t *sources.Task, service string) tea.Cmd {
	if m.o.Logs == nil {
		return m.say("no Loki is configured: --loki or LOKI_ADDR")
	}
	until := m.o.Now()
	if t.State.Ended() && !t.Since.IsZero() {
		until = earlier(t.Since.Add(lastLinesSlack), until)
	}
	q := sources.LogQuery{Services: []string{service}, Tasks: []string{t.ID}}
	a := m.openAside("last lines of "+taskTitle(t, service), q, until, nil)
	m.focus = paneLogs
	node := ""
	if n := m.snap.Node(t.NodeID); n != nil {
		node = n.Name
	}
	read := m.requestAround(&a.reach, until)
	created := t.Created
	logs := m.o.Logs
	return func() tea.Msg {
		msg, ok := read().(aroundMsg)
		if !ok || msg.err != nil || len(msg.before.page.Entries)+len(msg.after.Entries) > 0 {
			return msg
		}
		// The lines may have no label of the task: what the service said there in the task's time.
		ctx, cancel := m.queryContext()
		defer cancel()
		q := sources.LogQuery{Services: []string{service}, Since: created, Until: until, Limit: PageLimit}
		page, err := logs.Query(ctx, q)
		msg.before.page, msg.err, msg.instead = page, err, len(page.Entries) > 0
		msg.node = node
		return msg
	}
}

// lastLinesSlack is how long after a task's end its lines may still bear a time: the driver's and the engine's clocks differ.
const lastLinesSlack = 5 * time.Second

// taskTitle names a task by slot and id.
func taskTitle(t *sources.Task, service string) string {
	id := t.ID[:min(len(t.ID), 8)]
	if t.Slot > 0 {
		return fmt.Sprintf("%s.%d %s, %s", service, t.Slot, id, t.State)
	}
	return service + " " + id + ", " + string(t.State)
}

// lastLines opens the last lines of the task that is looked at: the selected one, or that of the selected line.
func (m *Model) lastLines() tea.Cmd {
	if m.view == viewTasks && m.logs.aside == nil {
		t := m.selectedTask()
		if t == nil {
			return m.say("no task is selected")
		}
		return m.openLastLines(t, m.tasks.service)
	}
	e := m.logs.top().Selected()
	if e == nil || e.Stream.Task == "" {
		return m.say("the selected line tells of no task")
	}
	if v := m.snap.Service(e.Stream.Service); v != nil {
		for i := range v.Tasks {
			if v.Tasks[i].ID == e.Stream.Task {
				return m.openLastLines(&v.Tasks[i], v.Name)
			}
		}
	}
	gone := sources.Task{ID: e.Stream.Task, State: "gone"}
	return m.openLastLines(&gone, e.Stream.Service)
}
