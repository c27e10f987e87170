package ui

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// listPane is a list with a filter of its own.
type listPane struct {
	list
	filter string
	of     arranged
}

// arranged is what a list's rows were made of: while it is the same, they are too.
type arranged struct {
	snap   *fleet.Snapshot
	filter string
}

// arrangeLists brings the lists beside the service table in line with the snapshot.
func (m *Model) arrangeLists() {
	s := m.snap
	m.tasks.arrange(m.then())
	m.alerts.arrange(s, len(s.Alerts), func(i int) string { return alertID(&s.Alerts[i]) }, func(i int) string {
		a := &s.Alerts[i]
		return strings.Join([]string{a.Name, a.Service, a.Severity, string(a.State), a.Summary}, " ")
	}, false)
	at := func(i int) *fleet.Happening { return &s.History[len(s.History)-1-i] }
	m.timeline.arrange(s, len(s.History), func(i int) string { return happeningID(at(i)) }, func(i int) string {
		x := at(i)
		return strings.Join([]string{x.Kind, x.Service, x.Node, x.Text, x.Source}, " ")
	}, true)
	t := m.then()
	m.nodes.arrange(t, len(t.Nodes), func(i int) string { return t.Nodes[i].ID }, func(i int) string {
		n := &t.Nodes[i]
		return strings.Join([]string{n.Name, n.Role, n.State, n.Availability, n.Addr, n.Engine}, " ")
	}, false)
}

// arrange takes the n rows of a snapshot by their id and the text that the filter looks at. stick keeps the
// cursor on the first row while it is there, so that a list of news shows the newest.
func (p *listPane) arrange(s *fleet.Snapshot, n int, id, text func(i int) string, stick bool) {
	of := arranged{s, p.filter}
	if of == p.of {
		return
	}
	p.of = of
	ids := make([]string, 0, n)
	needle := strings.ToLower(p.filter)
	for i := range n {
		if needle == "" || strings.Contains(strings.ToLower(text(i)), needle) {
			ids = append(ids, id(i))
		}
	}
	if stick && p.index == 0 && len(ids) > 0 {
		p.cursor = ids[0]
	}
	p.setRows(ids)
}

func (p *listPane) title(name string, total int) string {
	t := fmt.Sprintf("%s %d", name, len(p.ids))
	if p.filter != "" {
		t = fmt.Sprintf("%s %d of %d · /%s", name, len(p.ids), total, inLine(p.filter))
	}
	return t
}

func alertID(a *sources.Alert) string {
	return a.Fingerprint + "\x00" + a.Name + "\x00" + a.Service + "\x00" + string(a.State)
}

func happeningID(h *fleet.Happening) string {
	return strconv.FormatInt(h.Time.UnixNano(), 36) + "\x00" + h.Kind + "\x00" + h.Service + "\x00" + h.Node + "\x00" + h.Text
}

func (m *Model) selectedAlert() *sources.Alert {
	id := m.alerts.selected()
	for i := range m.snap.Alerts {
		if alertID(&m.snap.Alerts[i]) == id {
			return &m.snap.Alerts[i]
		}
	}
	return nil
}

// clock is a moment as the console shows it: the time today, with the date before that.
func (m *Model) clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	t, now := t.In(m.o.Location), m.now().In(m.o.Location)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("Jan _2 15:04")
}

// alertsLines draws the alerts, and below them all that the selected one says.
func (m *Model) alertsLines(r rect) []string {
	title := m.alerts.title("alerts", len(m.snap.Alerts))
	state := m.snap.Source(fleet.AlertmanagerName)
	if !state.OK() {
		title += " · " + string(state.State) + " since " + m.clock(state.Since)
	}
	foot := alertsFoot
	if r.h < 16 || len(m.alerts.ids) == 0 {
		foot = 0
	}
	h := r.h - 1 - foot
	var body []string
	if len(m.alerts.ids) == 0 {
		why := "no alert fires or is pending"
		switch {
		case m.alerts.filter != "":
			why = "no alert matches: esc takes the filter off"
		case state.State == sources.Absent:
			why = "no Alertmanager is configured: --alertmanager or ALERTMANAGER_URL"
		case !state.OK():
			why = string(state.State) + ": " + state.Detail
		}
		body = emptyLines(m.st, why, r.w, h)
	} else {
		body = m.alertRows(r.w, h)
	}
	lines := m.paneLines(title, r, true, body)
	if foot > 0 {
		lines = append(lines, m.alertDetail(r.w, foot)...)
	}
	return lines
}

func (m *Model) alertRows(w, h int) []string {
	cols := []column{{title: "STATE", width: 12}, {title: "SEVERITY", width: 10}, {title: "ALERT", width: 20, flex: true},
		{title: "SERVICE", width: 20, drop: 2}, {title: "SINCE", width: 12, right: true, drop: 3}, {title: "AGE", width: 4, right: true}}
	byID := map[string]*sources.Alert{}
	for i := range m.snap.Alerts {
		byID[alertID(&m.snap.Alerts[i])] = &m.snap.Alerts[i]
	}
	return m.alerts.draw(m.st, cols, w, h, true, func(id string, _ []int) []cell {
		a := byID[id]
		sign, word, style := m.st.Alert(string(a.State), a.Severity)
		return []cell{{text: sign + " " + word, style: style}, {text: a.Severity, style: style}, {text: a.Name, style: m.st.Text},
			{text: a.Service, style: m.st.Text}, {text: m.clock(a.Since), style: m.st.Muted}, {text: age(a.Since, m.now()), style: m.st.Muted}}
	})
}

// alertsBelow are the worst alerts, a line each, below the service table.
func (m *Model) alertsBelow(r rect) []string {
	then := m.then()
	c := then.Counts
	title := fmt.Sprintf("alerts %d firing", c.Firing)
	if c.Pending > 0 {
		title += fmt.Sprintf(", %d pending", c.Pending)
	}
	if then.Past {
		title += " · at " + m.clock(then.At)
	} else if s := m.snap.Source(fleet.AlertmanagerName); !s.OK() {
		title += " · as of " + m.clock(s.Fresh)
	}
	lines := []string{m.titleLine(title+" · 5 opens them", r.w, false)}
	for i := range then.Alerts {
		if len(lines) == r.h {
			break
		}
		a := &then.Alerts[i]
		sign, _, style := m.st.Alert(string(a.State), a.Severity)
		head := style.Render(plain.Fit("  "+sign+" "+inLine(a.Name), 26))
		rest := inLine(a.Service)
		if a.Summary != "" {
			rest = inLine(a.Summary)
		}
		lines = append(lines, head+m.st.Text.Render(plain.Fit(" "+rest, r.w-31))+m.st.Muted.Render(align(age(a.Since, then.At), 5, true)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines
}

func (m *Model) alertDetail(w, h int) []string {
	lines := []string{m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w))}
	if a := m.selectedAlert(); a != nil {
		text := a.Summary
		if d := a.Annotations["description"]; d != "" && d != text {
			text += "  " + d
		}
		for _, t := range wrapText(" "+inLine(text), w-2) {
			lines = append(lines, m.st.Text.Render(plain.Fit(" "+t, w)))
		}
		lines = append(lines, m.st.Muted.Render(plain.Fit(" "+inLine(labelText(a.Labels)), w)))
		if len(a.SilencedBy) > 0 {
			lines = append(lines, m.st.Muted.Render(plain.Fit(" silenced by "+inLine(strings.Join(a.SilencedBy, ", ")), w)))
		}
	}
	for len(lines) < h {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines[:h]
}

func labelText(labels map[string]string) string {
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		keys[i] = k + "=" + labels[k]
	}
	return strings.Join(keys, "  ")
}

// timelineLines is the list of what happened, the newest first.
func (m *Model) timelineLines(r rect) []string {
	title := m.timeline.title("timeline", len(m.snap.History))
	if who, what := m.othersWords(); who != "" {
		title += " · " + m.st.Signs.Updating + " " + who + ": " + what
	}
	if len(m.timeline.ids) == 0 {
		why := "nothing has happened yet that a source told of"
		if m.timeline.filter != "" {
			why = "nothing matches: esc takes the filter off"
		}
		return m.paneLines(title, r, true, emptyLines(m.st, why, r.w, r.h-1))
	}
	cols := []column{{title: "TIME", width: 12}, {title: "WHAT", width: 14}, {title: "SERVICE", width: 20, drop: 1}, {title: "NODE", width: 10, drop: 4},
		{title: "", width: 20, flex: true}, {title: "SOURCE", width: 12, drop: 3}}
	byID := map[string]*fleet.Happening{}
	for i := range m.snap.History {
		byID[happeningID(&m.snap.History[i])] = &m.snap.History[i]
	}
	return m.paneLines(title, r, true, m.timeline.draw(m.st, cols, r.w, r.h-1, true, func(id string, _ []int) []cell {
		h := byID[id]
		sign, style := m.happeningSign(h)
		return []cell{{text: m.clock(h.Time), style: m.st.Muted}, {text: sign + " " + h.Kind, style: style}, {text: h.Service, style: m.st.Text},
			{text: h.Node, style: m.st.Text}, {text: h.Text, style: m.st.Text}, {text: h.Source, style: m.st.Muted}}
	}))
}

func (m *Model) happeningSign(h *fleet.Happening) (string, theme.Style) {
	s := m.st.Signs
	switch h.Kind {
	case fleet.DeployStarted, fleet.Created:
		return s.Deploy, m.st.MarkDeploy
	case fleet.DeployDone:
		return s.Deploy, m.st.OK
	case fleet.IncidentPhase:
		if h.Bad {
			return s.Critical, m.st.Error
		}
		return s.Mark, m.st.Accent
	case fleet.ActionBegun:
		return s.Start, m.st.Accent
	case fleet.ActionEnded:
		if h.Bad {
			return s.Down, m.st.Error
		}
		return s.OK, m.st.OK
	case fleet.AlertFiring:
		return s.Alert, m.st.MarkAlert
	case fleet.TaskDied:
		return s.Death, m.st.MarkDeath
	case fleet.HealthChanged:
		if h.Bad {
			return s.Down, m.st.Error
		}
		return s.Dot, m.st.OK
	}
	if h.Bad {
		return s.Alert, m.st.Warn
	}
	return s.Dot, m.st.Muted
}
