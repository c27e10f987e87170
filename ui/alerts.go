package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// silenceRow begins the id of a row that is a silence.
const silenceRow = "silence\x00"

// arrangeAlerts makes the rows: the alerts, and below them the silences.
func (m *Model) arrangeAlerts() {
	m.makeAlerts()
	p := &m.alerts
	n := len(p.rows)
	p.arrange(m.then(), n+len(p.silences), func(i int) string {
		if i < n {
			return alertID(&p.rows[i])
		}
		return silenceRow + p.silences[i-n].ID
	}, func(i int) string {
		if i >= n {
			x := &p.silences[i-n]
			return strings.Join([]string{"silence", x.State, fleet.MatchersText(x.Matchers), x.Author, x.Comment}, " ")
		}
		a := &p.rows[i]
		return strings.Join([]string{a.Name, a.Service, a.Severity, alertWord(a), a.Summary}, " ")
	}, false)
}

func alertID(a *sources.Alert) string {
	return a.Fingerprint + "\x00" + a.Name + "\x00" + a.Service
}

// alertWord is an alert's state as it is shown: what mutes it is told apart.
func alertWord(a *sources.Alert) string {
	switch {
	case a.State != sources.Suppressed:
		return string(a.State)
	case len(a.SilencedBy) > 0:
		return "silenced"
	case len(a.InhibitedBy) > 0:
		return "inhibited"
	}
	return "muted"
}

func (m *Model) selectedAlert() *sources.Alert {
	id := m.alerts.selected()
	for i := range m.alerts.rows {
		if alertID(&m.alerts.rows[i]) == id {
			return &m.alerts.rows[i]
		}
	}
	return nil
}

// selectedSilence is the silence under the cursor; nil: it is on an alert.
func (m *Model) selectedSilence() *sources.Silence {
	id, ok := strings.CutPrefix(m.alerts.selected(), silenceRow)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(m.alerts.silences, func(s sources.Silence) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &m.alerts.silences[i]
}

// silence finds a silence that is active or to come; nil: there is none of that id, or they could not be read.
func (m *Model) silence(id string) *sources.Silence {
	i := slices.IndexFunc(m.snap.Silences, func(s sources.Silence) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	return &m.snap.Silences[i]
}

// alertsFoot is how many lines are for all that the selected row says.
func (m *Model) alertsFoot(h int) int {
	if h < 16 || len(m.alerts.ids) == 0 {
		return 0
	}
	return min(max(h*2/5, 7), 14)
}

// alertsHead is how many lines stand above the list: what is known of a past moment.
func (m *Model) alertsHead() int {
	if m.then().Past {
		return 1
	}
	return 0
}

func (m *Model) alertsTitle(state sources.Status) string {
	title := m.alerts.title("alerts", len(m.alerts.rows)+len(m.alerts.silences))
	if m.alerts.filter == "" {
		title = "alerts " + m.alertCounts()
	}
	switch {
	case m.then().Past:
		title += " · at " + m.clock(m.then().At)
	case !state.OK():
		title += " · " + state.Name + " " + string(state.State) + " since " + m.clock(state.Since)
	case m.snap.AlertsBy() == fleet.PrometheusName:
		title += " · from Prometheus; silences are not known"
	case m.snap.Silences == nil:
		title += " · silences cannot be read"
	}
	return title
}

// alertsLines draws the alerts, and below them all that the selected one says.
func (m *Model) alertsLines(r rect) []string {
	state := m.snap.AlertStatus()
	title := m.alertsTitle(state)
	foot := m.alertsFoot(r.h)
	h := r.h - 1 - foot - m.alertsHead()
	var body []string
	if len(m.alerts.ids) == 0 {
		body = emptyLines(m.st, m.whyNoAlerts(state), r.w, h)
	} else {
		body = m.alertRows(r.w, h)
	}
	lines := []string{m.titleLine(title, r.w, true)}
	if m.alertsHead() > 0 {
		lines = append(lines, m.st.Muted.Render(plain.Fit(" "+inLine(m.alertsThenWords()), r.w)))
	}
	lines = append(lines, body...)
	if foot > 0 {
		lines = append(lines, m.alertDetail(r.w, foot)...)
	}
	return lines
}

func (m *Model) alertCounts() string {
	firing, pending := 0, 0
	for i := range m.alerts.rows {
		switch m.alerts.rows[i].State {
		case sources.Firing:
			firing++
		case sources.Pending:
			pending++
		}
	}
	parts := []string{fmt.Sprintf("%d firing", firing)}
	if pending > 0 {
		parts = append(parts, fmt.Sprintf("%d pending", pending))
	}
	if n := len(m.alerts.rows) - firing - pending; n > 0 {
		parts = append(parts, fmt.Sprintf("%d muted", n))
	}
	if n := len(m.alerts.silences); n > 0 {
		parts = append(parts, count(n, "silence"))
	}
	return strings.Join(parts, ", ")
}

func (m *Model) whyNoAlerts(state sources.Status) string {
	pending := m.snap.Source(fleet.PrometheusName)
	switch {
	case m.alerts.filter != "":
		return "no alert matches: esc takes the filter off"
	case m.then().Past:
		return m.whyNoneThen()
	case state.State == sources.Absent:
		return "neither Alertmanager (--alertmanager or ALERTMANAGER_URL) nor Prometheus (--prometheus or PROMETHEUS_URL) is configured"
	case !state.OK():
		return state.Name + " " + string(state.State) + ": " + state.Detail
	case m.snap.AlertsBy() == fleet.PrometheusName:
		return "no alert fires or is pending by Prometheus' rules; no Alertmanager is configured"
	case pending.State == sources.Absent:
		return "no alert fires; what is pending is not known without Prometheus (--prometheus)"
	case !pending.OK():
		return "no alert fires; what is pending is not known: Prometheus is " + string(pending.State)
	}
	return "no alert fires or is pending, and none is silenced"
}

func (m *Model) alertRows(w, h int) []string {
	cols := []column{{title: "STATE", width: 12}, {title: "SEVERITY", width: 9}, {title: "ALERT", width: 20, flex: true},
		{title: "SERVICE", width: 20, drop: 2}, {title: "VALUE", width: 9, right: true, drop: 4}, {title: "SINCE", width: 12, right: true, drop: 3}, {title: "AGE", width: 5, right: true}}
	byID := map[string]*sources.Alert{}
	for i := range m.alerts.rows {
		byID[alertID(&m.alerts.rows[i])] = &m.alerts.rows[i]
	}
	return m.alerts.draw(m.st, cols, w, h, true, func(id string, widths []int) []cell {
		if a := byID[id]; a != nil {
			return m.alertCells(a)
		}
		name := strings.TrimPrefix(id, silenceRow)
		if i := slices.IndexFunc(m.alerts.silences, func(s sources.Silence) bool { return s.ID == name }); i >= 0 {
			return m.silenceCells(&m.alerts.silences[i])
		}
		return make([]cell, len(widths))
	})
}

func (m *Model) alertCells(a *sources.Alert) []cell {
	sign, _, style := m.st.Alert(string(a.State), a.Severity)
	value := shortValue(a.Value)
	if !m.when.live() {
		value = "" // it is of another time
	}
	since, lasts := m.alertSince(a)
	if m.strayAlert(a) {
		gone := m.st.Muted
		return []cell{{text: sign + " " + alertWord(a), style: gone}, {text: a.Severity, style: gone}, {text: a.Name, style: gone},
			{text: "no such: " + a.Service, style: gone}, {text: value, style: gone}, {text: since, style: gone}, {text: lasts, style: gone}}
	}
	return []cell{{text: sign + " " + alertWord(a), style: style}, {text: a.Severity, style: style}, {text: a.Name, style: m.st.Text},
		{text: a.Service, style: m.st.Text}, {text: value, style: m.st.Muted}, {text: since, style: m.st.Muted}, {text: lasts, style: m.st.Muted}}
}

// strayAlert tells whether an alert is about a service that the swarm does not have. Of another time that is not known.
func (m *Model) strayAlert(a *sources.Alert) bool { return m.when.live() && m.snap.Stray(a) }

func (m *Model) silenceCells(s *sources.Silence) []cell {
	word, left := "silence", age(m.now(), s.Ends)
	if s.State == "pending" {
		word = "to come"
	}
	return []cell{{text: m.st.Signs.Paused + " " + word, style: m.st.Accent}, {text: shortName(s.Author), style: m.st.Muted}, {text: s.Comment + " · " + fleet.MatchersText(s.Matchers), style: m.st.Text},
		{text: sources.ServiceOf(fleet.EqualLabels(s.Matchers), sources.AlertLabels), style: m.st.Text}, {}, {text: "until " + m.shortClock(s.Ends), style: m.st.Muted}, {text: "-" + left, style: m.st.Accent}}
}

// shortClock is a moment of today by its minute, and else with its date.
func (m *Model) shortClock(t time.Time) string {
	t, now := t.In(m.o.Location), m.now().In(m.o.Location)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("Jan 2")
}

// alertsBelow are the worst alerts, a line each, below the service table.
func (m *Model) alertsBelow(r rect) []string {
	if r.h == 1 {
		return []string{m.firingLine(r.w)}
	}
	then := m.then()
	c := then.Counts
	title := fmt.Sprintf("alerts %d firing", c.Firing)
	if c.Pending > 0 {
		title += fmt.Sprintf(", %d pending", c.Pending)
	}
	if then.Past {
		title += " · at " + m.clock(then.At)
	} else if s := m.snap.AlertStatus(); !s.OK() {
		title += " · as of " + m.clock(s.Fresh)
	}
	lines := []string{m.titleLine(title+" · 5 opens them", r.w, false)}
	for i := range then.Alerts {
		if len(lines) == r.h {
			break
		}
		a := &then.Alerts[i]
		sign, _, style := m.st.Alert(string(a.State), a.Severity)
		text := m.st.Text
		if m.strayAlert(a) {
			style, text = m.st.Muted, m.st.Muted
		}
		head := style.Render(plain.Fit("  "+sign+" "+inLine(a.Name), 26))
		rest := inLine(a.Service)
		if a.Summary != "" {
			rest = inLine(a.Summary)
		}
		if m.strayAlert(a) {
			rest = inLine(a.Service) + ": not in the swarm"
		}
		lines = append(lines, head+text.Render(plain.Fit(" "+rest, r.w-31))+m.st.Muted.Render(align(calmAge(a.Since, then.At), 5, true)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines
}

// firingLine names what fires, the first of the list first, and how many more there are.
func (m *Model) firingLine(w int) string {
	const tail = "5 opens them"
	var ps []piece
	used, left := 0, m.then().Counts.Firing
	for i := range m.then().Alerts {
		a := &m.then().Alerts[i]
		if a.State != sources.Firing {
			continue
		}
		sign, _, style := m.st.Alert(string(a.State), a.Severity)
		text := sign + " " + inLine(a.Name)
		if a.Service != "" {
			text += " " + inLine(a.Service)
		}
		n := plain.Width(text) + 3
		if len(ps) > 0 && used+n > w-len(tail)-12 {
			break
		}
		used += n
		ps = append(ps, piece{text: " " + text + "  ", style: style})
		left--
	}
	more := ""
	if left > 0 {
		more = fmt.Sprintf("+%d, ", left)
	}
	return fitPieces(ps, []piece{{text: more + tail + " ", style: m.st.Muted, drop: 1}}, w)
}

// doInAlerts does what a key means in the alerts alone.
func (m *Model) doInAlerts(a act) tea.Cmd {
	switch a {
	case actSilence:
		return m.askSilence()
	case actEndSilence:
		return m.askEndSilence()
	case actRule:
		return m.openRule()
	}
	return nil
}

// alertMoment goes from an alert to its service, at the moment at which it began.
func (m *Model) alertMoment() tea.Cmd {
	a := m.selectedAlert()
	if a == nil {
		if s := m.selectedSilence(); s != nil {
			return m.say("a silence: x ends it, S makes another of its matchers")
		}
		return nil
	}
	return m.goTo(a.Service, a.Labels["node"], a.Since)
}

// goTo shows a service, or a node where no service of that name runs, at a moment.
func (m *Model) goTo(service, node string, at time.Time) tea.Cmd {
	if m.snap.Service(service) != nil {
		m.when.set(at, m.o.Now())
		m.tasks = tasksPane{service: m.snap.Service(service).Name}
		m.services.selectID(m.tasks.service)
		m.open(viewTasks)
		return nil
	}
	if n := m.nodeNamed(node); n != nil {
		m.when.set(at, m.o.Now())
		m.open(viewNodes)
		m.nodes.selectID(n.ID)
		return nil
	}
	m.when.set(at, m.o.Now())
	return m.say("this is about no service that runs here: the moment is set, 6 shows what else happened then")
}

func (m *Model) nodeNamed(name string) *fleet.Node {
	for i := range m.snap.Nodes {
		if n := &m.snap.Nodes[i]; name != "" && (n.Name == name || n.ID == name) {
			return n
		}
	}
	return nil
}
