package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/incident"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// Incidents: the one that is open (incident_box.go), starting one (incident_start.go), and when its impact began (incident_impact.go). What is
// written goes through the desk, in commands; what others write comes with the team's record, and wakes the console as all that happens does.

// incidentMsg is sent when a phase was written, or could not be.
type incidentMsg struct {
	incident incident.Incident
	err      error
	said     string
	from     overlay // the box in which it was typed: where it could not be written, what was typed is still there; nil: none
}

// evidenceMsg is sent when it was looked for when the impact began.
type evidenceMsg struct {
	box      evidenceBox
	proposed []incident.Proposal
	gaps     []incident.Gap
	err      error

	generation uint64 // of the question, where a box asks more than one
}

// evidenceBox is a box that offers moments at which the impact may have begun.
type evidenceBox interface {
	overlay
	applyEvidence(m *Model, msg evidenceMsg)
}

// handleIncident takes the answers to what was written and looked up.
func (m *Model) handleIncident(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case incidentMsg:
		m.lookAtIncidents()
		if msg.err != nil {
			m.notWritten(msg)
			return nil
		}
		if b, ok := m.overlay.(*incidentBox); !ok || b.id != msg.incident.ID {
			if _, starting := m.overlay.(*incidentStartBox); starting || ok {
				m.overlay = &incidentBox{id: msg.incident.ID}
			}
		}
		return m.say(msg.said)
	case openingMsg:
		return msg.box.applyOpening(m, msg)
	case evidenceMsg:
		msg.box.applyEvidence(m, msg)
	}
	return nil
}

// notWritten says why a phase could not be written, over the box that it was typed in.
func (m *Model) notWritten(msg incidentMsg) {
	under := msg.from
	switch b := under.(type) {
	case *incidentStartBox:
		b.busy = false
	case nil:
		if b, ok := m.overlay.(*incidentBox); ok {
			under = b
		}
	}
	m.overlay = newErrorBox("incident", msg.err, under)
}

// noDesk says why no incident can be kept, where that is so.
func (m *Model) noDesk() (tea.Cmd, bool) {
	if cmd, no := m.noDeck(); no {
		return cmd, true
	}
	if m.o.Incidents == nil {
		return m.say("incidents are not kept here"), true
	}
	return nil, false
}

// lookAtIncidents takes in what is known of incidents by now.
func (m *Model) lookAtIncidents() {
	if m.o.Incidents != nil {
		m.incidents, m.heard = m.o.Incidents.All(), m.o.Incidents.Heard()
	}
}

// ongoing are the incidents that are not resolved, the newest first.
func (m *Model) ongoing() []*incident.Incident {
	var out []*incident.Incident
	for i := range m.incidents {
		if m.incidents[i].Ongoing() {
			out = append(out, &m.incidents[i])
		}
	}
	return out
}

// incidentByID finds one, under whichever of its ids; nil: it is not known here (any more).
func (m *Model) incidentByID(id string) *incident.Incident {
	for i := range m.incidents {
		if x := &m.incidents[i]; x.ID == id || slices.Contains(x.Also, id) {
			return x
		}
	}
	return nil
}

// openIncident shows the incident that is open: that of the selected service first. Where none is it offers to start one.
func (m *Model) openIncident() tea.Cmd {
	if cmd, no := m.noDesk(); no {
		return cmd
	}
	open := m.ongoing()
	for _, x := range open {
		if x.About(m.subject()) {
			m.overlay = &incidentBox{id: x.ID}
			return nil
		}
	}
	switch len(open) {
	case 0:
		return m.startIncident(false)
	case 1:
		m.overlay = &incidentBox{id: open[0].ID}
	default:
		m.overlay = &incidentsBox{}
	}
	return nil
}

// openIncidentOf shows the incident that a row of the timeline tells of.
func (m *Model) openIncidentOf(id string) tea.Cmd {
	if cmd, no := m.noDesk(); no {
		return cmd
	}
	if m.incidentByID(id) == nil {
		return m.say("this incident is not known here")
	}
	m.overlay = &incidentBox{id: id}
	return nil
}

// writePhase writes a phase in a command.
func (m *Model) writePhase(id string, e incident.Entry, said string) tea.Cmd {
	desk := m.o.Incidents
	return func() tea.Msg {
		x, err := desk.Do(id, e)
		return incidentMsg{incident: x, err: err, said: said}
	}
}

// openReport writes the report of an incident in a command, and shows it.
func (m *Model) openReport(x *incident.Incident, under overlay) tea.Cmd {
	b := &readingBox{head: "report of " + x.Title, name: x.ID + ".md", under: under}
	m.overlay = b
	desk, id := m.o.Incidents, x.ID
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		text, err := reportText(ctx, desk, id)
		return handoverMsg{box: b, text: text, err: err}
	}
}

func reportText(ctx context.Context, desk *incident.Desk, id string) (string, error) {
	r, err := desk.Report(ctx, incident.Asked{ID: id})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = r.Markdown(&b)
	return b.String(), err
}

// incidentSign is how an incident's state is shown.
func (m *Model) incidentSign(s incident.State) (sign string, style theme.Style) {
	switch s {
	case incident.Open:
		return m.st.Signs.Critical, m.st.Error
	case incident.Acknowledged:
		return m.st.Signs.Warning, m.st.Warn
	case incident.Mitigated:
		return m.st.Signs.Pending, m.st.Updating
	}
	return m.st.Signs.OK, m.st.OK
}

// incidentPieces tell in the header of the incidents that are open: of the newest its age and who looks after it.
func (m *Model) incidentPieces() []piece {
	open := m.ongoing()
	var asking []piece
	if m.heard.Asking {
		asking = []piece{{text: "  " + m.st.Signs.Updating + " team's incidents", style: m.st.Muted, drop: 5}}
	}
	if len(open) == 0 {
		return asking
	}
	x := open[0]
	sign, style := m.incidentSign(m.stateOf(x))
	owner := "nobody's"
	if x.Owner != "" {
		owner = plain.Clip(shortName(x.Owner), 12)
	}
	ps := []piece{{text: "  " + sign + " INCIDENT", style: style, drop: 1}, {text: " " + plain.Clip(inLine(x.Of()), 20), style: style, drop: 3},
		{text: " " + age(x.Started.At, m.now()), style: style, drop: 1}, {text: " " + owner, style: style, drop: 2}}
	if n := len(open) - 1; n > 0 {
		ps = append(ps, piece{text: fmt.Sprintf(" +%d", n), style: style, drop: 1})
	}
	return append(ps, asking...)
}

// openFor is the ongoing incident of one of the services or nodes that another would be started for; nil: none is known.
func (m *Model) openFor(o *incident.Opening) *incident.Incident {
	for _, x := range m.ongoing() {
		if x.About(o.Services...) || slices.ContainsFunc(o.Nodes, x.AboutNode) {
			return x
		}
	}
	return nil
}

// stateOf is an incident's state; a run that went well has mitigated it, where nobody has said so.
func (m *Model) stateOf(x *incident.Incident) incident.State {
	if (x.State == incident.Open || x.State == incident.Acknowledged) && incident.MitigatedBy(x, incident.Fixes(x, m.team)).Known() {
		return incident.Mitigated
	}
	return x.State
}

// stateSince is since when an incident is in the state that stateOf tells.
func (m *Model) stateSince(x *incident.Incident) time.Time {
	for _, at := range []incident.Moment{incident.MitigatedBy(x, incident.Fixes(x, m.team)), x.Acknowledged} {
		if at.Known() {
			return at.At
		}
	}
	return x.Started.At
}

// worstTargets are the services that an incident is started for: those that are marked, the one under the cursor where it is not well, else the worst.
func (m *Model) worstTargets() []string {
	services := m.targets()
	if len(services) > 1 {
		return services
	}
	var worst *fleet.Service
	for _, s := range m.snap.Services {
		if worst == nil || s.Health.Rank() < worst.Health.Rank() || s.Health == worst.Health && s.Firing > worst.Firing {
			worst = s
		}
	}
	if len(services) == 1 {
		if s := m.snap.Service(services[0]); s == nil || s.Health == fleet.Down || s.Health == fleet.Degraded || s.Firing > 0 {
			return services
		}
	}
	if worst != nil && (worst.Health == fleet.Down || worst.Health == fleet.Degraded || worst.Firing > 0) {
		return []string{worst.Name}
	}
	return services
}
