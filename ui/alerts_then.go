package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// alertsPane is the list of alerts and silences: of now, or of the moment.
type alertsPane struct {
	listPane
	rows     []sources.Alert
	silences []sources.Silence
	sampled  map[string]bool // by id: those of the rows that Prometheus' samples alone tell of
	made     alertsMade
	fired    firedAlerts
}

// alertsMade is what the list was made of: while it is the same, the list is too.
type alertsMade struct {
	snap    *fleet.Snapshot
	version uint64
}

// firedAlerts are the alerts that fired in the shown time, as Prometheus' samples tell it: all moments in it are answered by one question.
type firedAlerts struct {
	generation uint64
	version    uint64 // rises with each answer
	asked      shownTime
	loading    bool
	of         sources.Window // of the answer; zero: there is none
	list       []sources.Alert
	err        error
}

// shownTime is the time that is shown while a moment is looked at.
type shownTime struct {
	end  time.Time
	span int
}

// firedDueMsg is sent when the shown time has stood still long enough to be asked about.
type firedDueMsg struct{ generation uint64 }

// firedMsg is sent when what fired in the shown time was read.
type firedMsg struct {
	generation uint64
	of         sources.Window
	list       []sources.Alert
	err        error
}

func (msg firedDueMsg) apply(m *Model) tea.Cmd {
	if msg.generation != m.alerts.fired.generation || m.when.live() || m.o.Rules == nil {
		return nil
	}
	rules := m.o.Rules
	start, end := m.when.window(m.o.Now())
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		w := sources.Window{Start: start, End: end}
		list, err := rules.Fired(ctx, w)
		return firedMsg{msg.generation, w, list, err}
	}
}

// apply takes an answer in, unless it is to an older question.
func (msg firedMsg) apply(m *Model) tea.Cmd {
	f := &m.alerts.fired
	if msg.generation != f.generation {
		return nil
	}
	f.loading, f.err = false, msg.err
	f.of, f.list = msg.of, msg.list
	f.version++
	return nil
}

// wantFired asks what fired in the shown time, while the alerts of a moment are on the screen.
func (m *Model) wantFired() tea.Cmd {
	f := &m.alerts.fired
	if m.when.live() || m.o.Rules == nil {
		f.asked = shownTime{}
		return nil
	}
	q := shownTime{m.when.end, m.when.span}
	if m.view != viewAlerts || q == f.asked {
		return nil
	}
	f.asked, f.loading = q, true
	f.generation++
	generation := f.generation
	return m.onceStill(firedDueMsg{generation})
}

// makeAlerts brings the list in line with the moment.
func (m *Model) makeAlerts() {
	p, s := &m.alerts, m.then()
	made := alertsMade{s, p.fired.version}
	if made == p.made {
		return
	}
	p.made = made
	p.of = arranged{} // the rows are to be made anew
	p.sampled = nil
	if !s.Past {
		p.rows, p.silences = s.Alerts, s.Silences
		return
	}
	p.rows = slices.Clone(s.Alerts)
	p.silences = nil
	for i := range m.snap.Silences {
		if x := m.snap.Silences[i]; x.Ends.After(s.At) {
			if x.Starts.After(s.At) {
				x.State = "pending"
			}
			p.silences = append(p.silences, x)
		}
	}
	if w := p.fired.of; p.fired.err == nil && !s.At.Before(w.Start) && !s.At.After(w.End) {
		m.addFired(s.At)
	}
}

// addFired adds what fired at the moment and what the fleet does not know of. Labels that are added on the way to Alertmanager change an
// alert's fingerprint: one of a name and service that is none of Prometheus' is taken to be the same.
func (m *Model) addFired(at time.Time) {
	p := &m.alerts
	known, foreign := map[string]bool{}, map[string]bool{}
	for i := range p.rows {
		known[p.rows[i].Fingerprint] = true
	}
	own := map[string]bool{}
	for i := range p.fired.list {
		own[p.fired.list[i].Fingerprint] = true
	}
	for i := range p.rows {
		if a := &p.rows[i]; !own[a.Fingerprint] && a.State != sources.Pending {
			foreign[a.Name+"\x00"+a.Service] = true
		}
	}
	p.sampled = map[string]bool{}
	for i := range p.fired.list {
		a := p.fired.list[i]
		if a.Since.After(at) || !a.Ends.IsZero() && !a.Ends.After(at) || known[a.Fingerprint] || foreign[a.Name+"\x00"+a.Service] {
			continue
		}
		known[a.Fingerprint] = true
		p.rows = append(p.rows, a)
		p.sampled[alertID(&a)] = true
	}
}

// alertsThenWords say in one line where what is shown of a past moment comes from, and what is not known of it; "": it is of now.
func (m *Model) alertsThenWords() string {
	s := m.then()
	if !s.Past {
		return ""
	}
	f := &m.alerts.fired
	looked := !s.At.Before(s.AlertsSince) && !s.AlertsSince.IsZero()
	var known, unknown []string
	if looked {
		known = append(known, "what the console saw")
	} else {
		known = append(known, "what still fires")
		unknown = append(unknown, "pending and muted (the console looks since "+m.clock(s.AlertsSince)+")")
	}
	switch {
	case m.o.Rules == nil:
		if !looked {
			unknown = append([]string{"what fired and is over: no Prometheus is configured"}, unknown...)
		}
	case f.err != nil:
		unknown = append([]string{"what fired and is over (Prometheus: " + sources.KindOf(f.err).String() + ")"}, unknown...)
	case f.loading || f.of.Start.IsZero():
		known = append(known, "asking Prometheus"+m.st.Signs.Ellipsis)
	default:
		known = append(known, fmt.Sprintf("Prometheus' samples (±%s)", shortly(firedWithin(f.of.End.Sub(f.of.Start)))))
	}
	unknown = append(unknown, "silences that are over")
	return "not known: " + strings.Join(unknown, ", ") + " · by " + strings.Join(known, ", ")
}

// whyNoneThen is what the empty list of a past moment says.
func (m *Model) whyNoneThen() string {
	s, f := m.then(), &m.alerts.fired
	at := m.clock(s.At)
	switch {
	case m.o.Rules != nil && f.err != nil:
		text, _ := errorWords(f.err)
		return "what fired at " + at + " is not known: " + text
	case m.o.Rules != nil && (f.loading || f.of.Start.IsZero()):
		return "asking Prometheus what fired at " + at
	case m.o.Rules == nil && s.At.Before(s.AlertsSince):
		return "what fired at " + at + " is not known: no Prometheus is configured, and the console looks since " + m.clock(s.AlertsSince)
	}
	return "no alert fired at " + at
}

// alertSince is since when an alert was as it is: of one that fired already when the shown time began no more is known.
func (m *Model) alertSince(a *sources.Alert) (since, lasts string) {
	if a.Since.IsZero() && !m.when.live() {
		return "< " + m.clock(m.alerts.fired.of.Start), ""
	}
	return m.clock(a.Since), age(a.Since, m.when.moment(m.now()))
}
