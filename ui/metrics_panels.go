package ui

import (
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
)

// panelSeries is how many series of a panel are drawn: those with the highest last values.
const panelSeries = 8

// panelsPane holds the panels that are kept, and what those of the shown service answered.
type panelsPane struct {
	wanted  bool // they were asked for from the keeper
	loads   int  // how often they came
	kept    []sources.Panel
	err     error
	service string
	answers []panelAnswer // of the service's panels, in their order
}

// panelAnswer is what one panel's query gave.
type panelAnswer struct {
	panel  sources.Panel
	window sources.Window
	series []sources.Series
	all    int // series there were
	err    error
	done   bool
	past   pastSeries
}

// panelsMsg is sent when the keeper has told its panels.
type panelsMsg struct {
	panels []sources.Panel
	err    error
}

// panelMsg is sent when a panel's query was answered.
type panelMsg struct {
	generation uint64
	service    string
	answer     panelAnswer
}

// keptMsg is sent when a panel was written down or taken off, or could not be.
type keptMsg struct {
	panel sources.Panel
	where string
	off   bool
	err   error
}

// want asks the keeper once, when the full view is shown first.
func (p *panelsPane) want(m *Model, every bool) tea.Cmd {
	if p.wanted || !every || m.o.Keeper == nil {
		return nil
	}
	p.wanted = true
	keeper := m.o.Keeper
	return func() tea.Msg {
		panels, err := keeper.Panels()
		return panelsMsg{panels, err}
	}
}

func (msg panelsMsg) apply(m *Model) tea.Cmd {
	p := &m.metrics.panels
	p.kept, p.err = msg.panels, msg.err
	p.loads++ // so that their queries are asked
	if msg.err != nil {
		return m.say("kept panels: " + inLine(msg.err.Error()))
	}
	return nil
}

// request asks the queries of the panels of a service.
func (p *panelsPane) request(m *Model, service string) tea.Cmd {
	if !m.metrics.every || m.o.Metrics == nil || service == "" {
		return nil
	}
	if p.service != service {
		p.service, p.answers = service, nil
	}
	stack := ""
	if v := m.snap.Service(service); v != nil {
		stack = v.Stack
	}
	p.answers = slices.DeleteFunc(p.answers, func(a panelAnswer) bool { return !slices.Contains(p.kept, a.panel) })
	metrics, generation, now, timeout, when, points := m.o.Metrics, m.metrics.generation, m.o.Now, m.o.Timeout, m.when, m.chartPoints()
	compare := m.metrics.compare
	var cmds []tea.Cmd
	for _, panel := range p.kept {
		if panel.Service != "" && panel.Service != service {
			continue
		}
		if p.find(panel) < 0 {
			p.answers = append(p.answers, panelAnswer{panel: panel})
		}
		cmds = append(cmds, func() tea.Msg {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			a := panelAnswer{panel: panel, done: true}
			a.window.Start, a.window.End = when.window(now())
			a.window.Points = points
			got, err := metrics.Range(ctx, panel.Filled(service, stack), a.window)
			a.err, a.all = err, len(got.Series)
			a.series = topSeries(got.Series, panelSeries)
			if err == nil {
				a.past.read(ctx, metrics, compare, got.Query, a.window, a.series)
			}
			return panelMsg{generation, service, a}
		})
	}
	return tea.Batch(cmds...)
}

func (p *panelsPane) find(panel sources.Panel) int {
	return slices.IndexFunc(p.answers, func(a panelAnswer) bool { return a.panel == panel })
}

func (msg panelMsg) apply(m *Model) tea.Cmd {
	p := &m.metrics.panels
	if m.metrics.stale(msg.generation) || p.service != msg.service {
		return nil
	}
	if i := p.find(msg.answer.panel); i >= 0 {
		p.answers[i] = msg.answer
	}
	return nil
}

// graphs are the panels of a service as graphs.
func (p *panelsPane) graphs(service string) []graph {
	if p.service != service {
		return nil
	}
	out := make([]graph, len(p.answers))
	for i, a := range p.answers {
		out[i] = graph{title: inLine(a.panel.Name), unit: a.panel.Unit, panel: i + 1}
	}
	return out
}

// fill puts a panel's series into its chart; the note says how many are not drawn.
func (p *panelsPane) fill(m *Model, spec *chart.Spec, g graph, service string) (note string) {
	if g.panel > len(p.answers) || p.service != service {
		return ""
	}
	a := p.answers[g.panel-1]
	switch {
	case !a.done:
		spec.Empty = "asking Prometheus"
	case a.err != nil:
		spec.Empty = inLine(a.err.Error())
	default:
		spec.Empty = "no sample in this time: " + inLine(a.panel.Query)
	}
	common := commonLabels(a.series)
	for i, s := range a.series {
		spec.Series = append(spec.Series, chart.Series{Name: inLine(labelsWord(s.Labels, common)), Points: s.Points, Style: m.st.Series[i%len(m.st.Series)]})
	}
	word := m.metrics.compare.word()
	if a.past.compare == m.metrics.compare {
		for _, s := range a.past.series {
			spec.Series = append(spec.Series, chart.Series{Name: inLine(labelsWord(s.Labels, common) + " " + word), Points: s.Points, Style: m.st.Muted, Then: true})
		}
		if a.past.why != "" {
			note += " · " + inLine(a.past.why)
		}
	}
	if a.all > len(a.series) {
		note += fmt.Sprintf(" · the %d highest of %d series", len(a.series), a.all)
	}
	return note + " · kept"
}

// keepPanel writes a panel down.
func (m *Model) keepPanel(p sources.Panel) tea.Cmd {
	keeper := m.o.Keeper
	return func() tea.Msg {
		where, err := keeper.Keep(p)
		return keptMsg{panel: p, where: where, err: err}
	}
}

func (m *Model) takeOffPanel(p sources.Panel) tea.Cmd {
	keeper := m.o.Keeper
	return func() tea.Msg {
		where, err := keeper.TakeOff(p)
		return keptMsg{panel: p, where: where, off: true, err: err}
	}
}

func (msg keptMsg) apply(m *Model) tea.Cmd {
	if msg.err != nil {
		return m.say(inLine(msg.err.Error()))
	}
	m.metrics.panels.wanted = false // read again what is there now
	if msg.off {
		return m.say("panel " + inLine(msg.panel.Name) + " taken off " + inLine(msg.where))
	}
	return m.say("panel " + inLine(msg.panel.Name) + " kept in " + inLine(msg.where) + ": esc leads to it")
}
