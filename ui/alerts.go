package ui

import (
	"fmt"
	"slices"
	"sort"
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
	s := m.snap
	n := len(s.Alerts)
	m.alerts.arrange(s, n+len(s.Silences), func(i int) string {
		if i < n {
			return alertID(&s.Alerts[i])
		}
		return silenceRow + s.Silences[i-n].ID
	}, func(i int) string {
		if i >= n {
			x := &s.Silences[i-n]
			return strings.Join([]string{"silence", x.State, fleet.MatchersText(x.Matchers), x.Author, x.Comment}, " ")
		}
		a := &s.Alerts[i]
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
	for i := range m.snap.Alerts {
		if alertID(&m.snap.Alerts[i]) == id {
			return &m.snap.Alerts[i]
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
	return m.silence(id)
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

// alertsLines draws the alerts, and below them all that the selected one says.
func (m *Model) alertsLines(r rect) []string {
	title := m.alerts.title("alerts", len(m.snap.Alerts)+len(m.snap.Silences))
	if m.alerts.filter == "" {
		title = "alerts " + m.alertCounts()
	}
	state := m.snap.Source(fleet.AlertmanagerName)
	switch {
	case !state.OK():
		title += " · " + string(state.State) + " since " + m.clock(state.Since)
	case m.snap.Silences == nil:
		title += " · silences cannot be read"
	}
	foot := m.alertsFoot(r.h)
	h := r.h - 1 - foot
	var body []string
	if len(m.alerts.ids) == 0 {
		body = emptyLines(m.st, m.whyNoAlerts(state), r.w, h)
	} else {
		body = m.alertRows(r.w, h)
	}
	lines := m.paneLines(title, r, true, body)
	if foot > 0 {
		lines = append(lines, m.alertDetail(r.w, foot)...)
	}
	return lines
}

func (m *Model) alertCounts() string {
	c := m.snap.Counts
	parts := []string{fmt.Sprintf("%d firing", c.Firing)}
	if c.Pending > 0 {
		parts = append(parts, fmt.Sprintf("%d pending", c.Pending))
	}
	if n := len(m.snap.Alerts) - c.Firing - c.Pending; n > 0 {
		parts = append(parts, fmt.Sprintf("%d muted", n))
	}
	if n := len(m.snap.Silences); n > 0 {
		parts = append(parts, count(n, "silence"))
	}
	return strings.Join(parts, ", ")
}

func (m *Model) whyNoAlerts(state sources.Status) string {
	pending := m.snap.Source(fleet.PrometheusName)
	switch {
	case m.alerts.filter != "":
		return "no alert matches: esc takes the filter off"
	case state.State == sources.Absent:
		return "no Alertmanager is configured: --alertmanager or ALERTMANAGER_URL"
	case !state.OK():
		return string(state.State) + ": " + state.Detail
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
	for i := range m.snap.Alerts {
		byID[alertID(&m.snap.Alerts[i])] = &m.snap.Alerts[i]
	}
	return m.alerts.draw(m.st, cols, w, h, true, func(id string, widths []int) []cell {
		if a := byID[id]; a != nil {
			return m.alertCells(a)
		}
		if s := m.silence(strings.TrimPrefix(id, silenceRow)); s != nil {
			return m.silenceCells(s)
		}
		return make([]cell, len(widths))
	})
}

func (m *Model) alertCells(a *sources.Alert) []cell {
	sign, _, style := m.st.Alert(string(a.State), a.Severity)
	return []cell{{text: sign + " " + alertWord(a), style: style}, {text: a.Severity, style: style}, {text: a.Name, style: m.st.Text},
		{text: a.Service, style: m.st.Text}, {text: shortValue(a.Value), style: m.st.Muted}, {text: m.clock(a.Since), style: m.st.Muted}, {text: age(a.Since, m.now()), style: m.st.Muted}}
}

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
		lines = append(lines, head+m.st.Text.Render(plain.Fit(" "+rest, r.w-31))+m.st.Muted.Render(align(calmAge(a.Since, then.At), 5, true)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines
}

// alertDetail is all that the selected row says, in exactly h lines.
func (m *Model) alertDetail(w, h int) []string {
	p := &page{w: w - 2}
	if a := m.selectedAlert(); a != nil {
		m.tellAlert(p, a)
	} else if s := m.selectedSilence(); s != nil {
		m.tellSilence(p, s)
	}
	lines := []string{m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w))}
	for _, l := range p.exactly(h - 1) {
		lines = append(lines, " "+l+" ")
	}
	return lines
}

// tellAlert tells of an alert, what is asked for first above what is long.
func (m *Model) tellAlert(p *page, a *sources.Alert) {
	sign, _, style := m.st.Alert(string(a.State), a.Severity)
	head := alertWord(a) + " " + a.Name
	if a.Service != "" {
		head += " on " + a.Service
	}
	head += ", since " + m.clock(a.Since) + " (" + age(a.Since, m.now()) + ")"
	if v := shortValue(a.Value); v != "" {
		head += ", value " + v
	}
	p.sign(style, sign, head)
	if a.Summary != "" {
		p.add(m.st.Text, a.Summary)
	}
	for _, id := range a.SilencedBy {
		p.sign(m.st.Accent, m.st.Signs.Paused, m.silencedWords(id))
	}
	for _, f := range a.InhibitedBy {
		p.sign(m.st.Muted, m.st.Signs.Paused, "inhibited by "+m.inhibitorWords(f))
	}
	if d := a.Annotations["description"]; d != "" && d != a.Summary {
		p.add(m.st.Text, d)
	}
	for _, k := range otherNotes(a) {
		p.add(m.st.Muted, k+": "+a.Annotations[k])
	}
	if len(a.Receivers) > 0 {
		p.add(m.st.Muted, "goes to "+strings.Join(a.Receivers, ", "))
	}
	p.add(m.st.Muted, labelText(a.Labels))
}

// otherNotes are the names of an alert's further annotations, the links first.
func otherNotes(a *sources.Alert) []string {
	var out []string
	for k := range a.Annotations {
		if k != "summary" && k != "description" && (k != "message" || a.Annotations[k] != a.Summary) {
			out = append(out, k)
		}
	}
	link := func(k string) int {
		if strings.Contains(k, "runbook") {
			return 0
		}
		if strings.HasPrefix(a.Annotations[k], "http") {
			return 1
		}
		return 2
	}
	sort.Slice(out, func(i, j int) bool {
		if x, y := link(out[i]), link(out[j]); x != y {
			return x < y
		}
		return out[i] < out[j]
	})
	return out
}

// silencedWords tell of a silence by its id.
func (m *Model) silencedWords(id string) string {
	s := m.silence(id)
	if s == nil {
		return "silenced by " + id + ", of which no more is known"
	}
	return fmt.Sprintf("silenced by %s until %s (%s left): %s · x ends it", shortName(s.Author), m.clock(s.Ends), age(m.now(), s.Ends), s.Comment)
}

// inhibitorWords name the alert that inhibits another, by its fingerprint.
func (m *Model) inhibitorWords(fingerprint string) string {
	for i := range m.snap.Alerts {
		if a := &m.snap.Alerts[i]; a.Fingerprint == fingerprint {
			return strings.TrimSpace(a.Name + " " + a.Service + ": " + a.Summary)
		}
	}
	return "alert " + fingerprint
}

func (m *Model) tellSilence(p *page, s *sources.Silence) {
	head := "silence by " + s.Author + ": " + s.Comment
	p.sign(m.st.Accent, m.st.Signs.Paused, head)
	words := fmt.Sprintf("from %s until %s, %s left", m.clock(s.Starts), m.clock(s.Ends), age(m.now(), s.Ends))
	if s.State == "pending" {
		words = "from " + m.clock(s.Starts) + " until " + m.clock(s.Ends) + ": it has not begun"
	}
	p.add(m.st.Text, words)
	p.add(m.st.Text, "mutes "+fleet.MatchersText(s.Matchers))
	var names []string
	for i := range m.snap.Alerts {
		if a := &m.snap.Alerts[i]; slices.Contains(a.SilencedBy, s.ID) {
			names = append(names, strings.TrimSpace(a.Name+" "+a.Service))
		}
	}
	switch {
	case len(names) > 0:
		p.add(m.st.Text, "now "+count(len(names), "alert")+": "+strings.Join(names, ", "))
	case s.State == "active":
		p.add(m.st.Muted, "now none: what it mutes does not fire")
	}
	p.add(m.st.Muted, s.ID)
}

// shortValue is a rule's value as people read it: Prometheus writes 9.5e-01.
func shortValue(v string) string {
	if v == "" {
		return ""
	}
	var f float64
	if _, err := fmt.Sscan(v, &f); err != nil {
		return v
	}
	return fmt.Sprintf("%.4g", f)
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
