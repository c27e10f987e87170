package ui

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
)

// nodesLines draws the nodes: what they are, what they reserve and use.
func (m *Model) nodesLines(r rect) []string {
	title := strings.Join(append([]string{m.nodes.title("nodes", len(m.then().Nodes))}, m.thenNotes()...), " · ")
	if len(m.nodes.ids) == 0 {
		why := m.whyNoServices()
		if m.nodes.filter != "" {
			why = "no node matches: esc takes the filter off"
		} else if m.snap.Ready() {
			why = "the nodes cannot be read: " + m.snap.Source(fleet.SwarmName).Detail
		}
		return m.paneLines(title, r, true, emptyLines(m.st, why, r.w, r.h-1))
	}
	cols := []column{{title: "NODE", width: 12, flex: true}, {title: "STATE", width: 8}, {title: "AVAIL", width: 7}, {title: "ROLE", width: 16, drop: 2},
		{title: "TASKS", width: 5, right: true}, {title: "CPU used", width: 12, right: true}, {title: "reserved", width: 8, right: true, drop: 3},
		{title: "MEM used", width: 18, right: true}, {title: "reserved", width: 9, right: true, drop: 4}, {title: "ADDRESS", width: 15, drop: 5}, {title: "ENGINE", width: 10, drop: 6}}
	return m.paneLines(title, r, true, m.nodes.draw(m.st, cols, r.w, r.h-1, true, func(id string, _ []int) []cell {
		return m.nodeCells(m.then().Node(id))
	}))
}

// placed is a task on a node, with its service.
type placed struct {
	service *fleet.Service
	task    *sources.Task
}

// placedOn are the tasks that a node should run, and those that failed there in the last failedOnNode: what is not
// well first, then by service.
func (m *Model) placedOn(node string) []placed {
	var out []placed
	for _, v := range m.then().Services {
		for i := range v.Tasks {
			t := &v.Tasks[i]
			failed := (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && m.then().At.Sub(t.Since) < failedOnNode
			if t.NodeID == node && (failed || !t.State.Ended()) {
				out = append(out, placed{v, t})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b placed) int {
		well := func(p placed) int {
			if p.task.State == sources.TaskRunning {
				return 1
			}
			return 0
		}
		return cmp.Or(well(a)-well(b), strings.Compare(a.service.Name, b.service.Name), a.task.Slot-b.task.Slot)
	})
	return out
}

// failedOnNode is how long a failed task is shown on its node.
const failedOnNode = 10 * time.Minute

// nodeTasks draws what runs on the node under the cursor.
func (m *Model) nodeTasks(r rect) []string {
	n := m.then().Node(m.nodes.selected())
	if n == nil {
		return blankLines(r.w, r.h)
	}
	tasks := m.placedOn(n.ID)
	title := fmt.Sprintf("tasks on %s %d", inLine(n.Name), len(tasks))
	if words := m.lossWords(n); words != "" {
		title += " · " + words
	}
	if words := nodeLabels(n); words != "" {
		title += " · " + words
	}
	if len(tasks) == 0 {
		return m.paneLines(title, r, false, emptyLines(m.st, "no task is placed on this node", r.w, r.h-1))
	}
	byID, ids := make(map[string]placed, len(tasks)), make([]string, len(tasks))
	for i, p := range tasks {
		byID[p.task.ID], ids[i] = p, p.task.ID
	}
	if more := len(ids) - (r.h - 2); more > 0 {
		title += fmt.Sprintf(" · %d not shown", more)
	}
	cols := []column{{title: "SERVICE", width: 28}, {title: "TASK", width: 8}, {title: "STATE", width: 11}, {title: "AGE", width: 4, right: true},
		{title: "RESERVES", width: 18, right: true, drop: 2}, {title: "LIMITS", width: 18, right: true, drop: 3}, {title: "WHAT IT SAYS", width: 24, flex: true, drop: 1}}
	l := list{ids: ids, index: -1} // nothing to move in: the cursor is in the nodes
	return m.paneLines(title, r, false, l.draw(m.st, cols, r.w, r.h-1, false, func(id string, _ []int) []cell {
		p := byID[id]
		c := m.taskCells(p.service, p.task)
		need := p.service.Resources
		slot := fmt.Sprintf(".%d", p.task.Slot)
		if p.task.Slot == 0 {
			slot = "global"
		}
		return []cell{{text: p.service.Name, style: m.st.Text}, {text: slot, style: m.st.Muted}, c[taskState], c[taskAge],
			{text: cores(need.ReserveNanoCPUs) + " CPU " + size(need.ReserveBytes), style: m.st.Muted},
			{text: cores(need.LimitNanoCPUs) + " CPU " + size(need.LimitBytes), style: m.st.Muted}, c[taskSays]}
	}))
}

// lossSeen is what the loss of a node would do, as reckoned from a picture.
type lossSeen struct {
	snap  *fleet.Snapshot
	node  string
	words string
}

// lossWords say what the loss of a node would do; "" where it is no longer there to be lost, or a past moment is shown.
func (m *Model) lossWords(n *fleet.Node) string {
	if !m.when.live() || !n.Up() {
		return ""
	}
	if c := &m.loss; c.snap == m.snap && c.node == n.ID {
		return c.words
	}
	l := capacity.Lose(m.snap, n.ID)
	var stuck []string
	for _, x := range l.Stuck {
		stuck = append(stuck, inLine(x.Service))
	}
	words := ""
	switch {
	case l.Quorum != "":
		words = "without it the managers have no majority"
	case len(stuck) > 2:
		words = fmt.Sprintf("without it %d tasks find no place: %s and %d more", l.Tasks-l.Placed, stuck[0], len(stuck)-1)
	case len(stuck) > 0:
		words = fmt.Sprintf("without it %d of %d tasks find no place: %s", l.Tasks-l.Placed, l.Tasks, strings.Join(stuck, ", "))
	case l.Tasks > 0:
		words = fmt.Sprintf("without it all %d replicas find a place", l.Tasks)
	}
	m.loss = lossSeen{m.snap, n.ID, words}
	return words
}

// nodeLabels are a node's labels in a line, sorted; at a past moment it is said where they are today's.
func nodeLabels(n *fleet.Node) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		word := name
		if v := n.Labels[name]; v != "" {
			word += "=" + v
		}
		words = append(words, inLine(word))
	}
	switch {
	case len(words) == 0 && n.LabelsToday:
		return "labels of then: not known; today it has none"
	case len(words) == 0:
		return ""
	case n.LabelsToday:
		return "labels of today: " + strings.Join(words, " ")
	}
	return "labels: " + strings.Join(words, " ")
}

func (m *Model) nodeCells(n *fleet.Node) []cell {
	st := m.st
	state := st.OK
	sign := st.Signs.OK
	switch {
	case n.State == string(fleet.Unknown):
		state, sign = st.Unknown, st.Signs.Unknown
	case !n.Up():
		state, sign = st.Error, st.Signs.Down
	}
	avail := st.Muted
	if n.Availability != "active" && n.Availability != string(fleet.Unknown) {
		avail = st.Warn
	}
	role := n.Role
	if n.LabelsToday {
		role += " (today)"
	} else if n.Leader {
		role += ", leader"
	} else if n.Role == "manager" && n.Reachability != "reachable" {
		role += ", " + n.Reachability
	}
	used := st.Text
	if !m.snap.Source(fleet.PrometheusName).OK() {
		used = st.Stale
	}
	cores := float64(n.NanoCPUs) / 1e9
	return []cell{{text: sign + " " + n.Name, style: state}, {text: n.State, style: state}, {text: n.Availability, style: avail}, {text: role, style: st.Text},
		{text: fmt.Sprint(n.Running), style: st.Text}, {text: figureOf(n.CPUUsed, "cores") + " / " + fmt.Sprintf("%.0f", cores), style: used},
		{text: fmt.Sprintf("%.2f", float64(n.ReservedNanoCPUs)/1e9), style: st.Muted},
		{text: figureOf(n.MemoryUsed, "bytes") + " / " + chart.Humanize(float64(n.MemoryBytes), "bytes"), style: used},
		{text: chart.Humanize(float64(n.ReservedBytes), "bytes"), style: st.Muted}, {text: n.Addr, style: st.Muted}, {text: n.Engine, style: st.Muted}}
}

func figureOf(v float64, unit string) string {
	if math.IsNaN(v) {
		return "–"
	}
	return number(v, unit)
}
