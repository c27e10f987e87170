package ui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/autoscale"
	"quarterdeck/sources"
	"quarterdeck/ui/chart"
)

// The charts of a service with a policy have its targets as dashed lines, which move with the replicas that there were; beside them stand the replicas, with those that the policy would
// have had, and its queries.

// courseRead is the course of a service that was read last.
type courseRead struct {
	service string
	policy  string // in words: another policy has another course
	course  *autoscale.Course
	err     error
}

// courseMsg is sent when the course of a service was read.
type courseMsg struct {
	generation uint64
	courseRead
}

// coursePolicy is the policy of a service whose course is to be read; nil: it has none, or is not scaled.
func (m *Model) coursePolicy(service string) *autoscale.Policy {
	a := m.scaling.advice
	if a == nil {
		return nil
	}
	if p := a.Policies[service]; p != nil && p.Usable() {
		return p
	}
	return nil
}

// courseKey is what a course depends on, beside service and time.
func (m *Model) courseKey(service string) string {
	if p := m.coursePolicy(service); p != nil {
		return p.Text()
	}
	return ""
}

// requestCourse reads the course of a service over the shown time.
func (p *metricsPane) requestCourse(m *Model, service string) tea.Cmd {
	policy, v := m.coursePolicy(service), m.snap.Service(service)
	if policy == nil || v == nil || m.o.Metrics == nil {
		return nil
	}
	of, metrics, generation, when, now, timeout := v.Service, m.o.Metrics, p.generation, m.when, m.o.Now, m.o.Timeout
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		start, end := when.window(now())
		c, err := autoscale.ReadCourse(ctx, metrics, &of, policy, start.Add(-autoscale.PastStep), end)
		return courseMsg{generation, courseRead{service: service, policy: policy.Text(), course: c, err: err}}
	}
}

func (msg courseMsg) apply(m *Model) tea.Cmd {
	if !m.metrics.stale(msg.generation) {
		m.metrics.course = msg.courseRead
	}
	return nil
}

// courseOf is the course of a service as its policy is now; nil where it was not read.
func (p *metricsPane) courseOf(m *Model, service string) *autoscale.Course {
	if c := &p.course; c.service == service && service != "" && c.policy == m.courseKey(service) {
		return c.course
	}
	return nil
}

// scalingGraphs are the replicas of a service with a policy, and each of its queries.
func (p *metricsPane) scalingGraphs(m *Model, service string) []graph {
	policy := m.coursePolicy(service)
	if policy == nil {
		return nil
	}
	out := []graph{{title: "replicas", unit: "1", scaling: 1}}
	for i := range policy.Metrics {
		if x := &policy.Metrics[i]; x.Kind == autoscale.Query {
			out = append(out, graph{title: "scaling by " + x.Title(), unit: guessedUnit(x.Query), scaling: 2 + i})
		}
	}
	return out
}

// withScaling puts the graphs of a service's policy behind those of what it uses.
func (p *metricsPane) withScaling(m *Model, service string, shown []graph) []graph {
	more := p.scalingGraphs(m, service)
	if len(more) == 0 {
		return shown
	}
	at := 0
	for at < len(shown) && (shown[at].title == graphs[graphCPU].title || shown[at].title == graphs[graphMemory].title) {
		at++
	}
	return append(append(append([]graph{}, shown[:at]...), more...), shown[at:]...)
}

// fillScaling puts the series of a policy's graph into its chart.
func (p *metricsPane) fillScaling(m *Model, spec *chart.Spec, g graph, service string) {
	policy, c := m.coursePolicy(service), p.courseOf(m, service)
	if c == nil {
		spec.Empty = "asking Prometheus"
		if p.course.service == service && p.course.err != nil {
			spec.Empty = inLine(p.course.err.Error())
		}
		return
	}
	if g.scaling == 1 {
		spec.Empty = "it is not known how many there were in this time"
		spec.Series = []chart.Series{{Name: "replicas", Points: c.Replicas, Style: m.st.Series[0]}, {Name: "by the policy", Points: c.Should, Style: m.st.Series[1%len(m.st.Series)]},
			{Name: "min", Points: c.Least, Style: m.st.Limit, Dashed: true}} // with max the band that the policy keeps it in
		most := float64(policy.Max)
		spec.Limit, spec.LimitName = &most, "max"
		return
	}
	if i := g.scaling - 2; i < len(c.Metrics) {
		x := &c.Metrics[i]
		if x.Missing != "" {
			spec.Empty = inLine(x.Missing)
		}
		spec.Series = []chart.Series{{Name: inLine(x.Metric.Title()), Points: x.Value, Style: m.st.Series[0]}, m.targetSeries(x)}
	}
}

// fillTarget adds the target of a policy to the chart of what it is a target for.
func (p *metricsPane) fillTarget(m *Model, spec *chart.Spec, g graph, service string) {
	c := p.courseOf(m, service)
	if c == nil || len(spec.Series) == 0 {
		return
	}
	for i := range c.Metrics {
		x := &c.Metrics[i]
		if x.Metric.Kind == autoscale.CPU && g.title == graphs[graphCPU].title || x.Metric.Kind == autoscale.Memory && g.title == graphs[graphMemory].title {
			spec.Series = append(spec.Series, m.targetSeries(x))
		}
	}
}

// targetSeries is a metric's target as a dashed line, up to now: between two readings it stays.
func (m *Model) targetSeries(x *autoscale.MetricCourse) chart.Series {
	points := x.Target
	if n := len(points); n > 0 && m.when.live() {
		last := points[n-1]
		if now := m.now(); now.Sub(last.T) > 0 && now.Sub(last.T) < 2*autoscale.PastStep {
			points = append(append([]sources.Point{}, points...), sources.Point{T: now, V: last.V})
		}
	}
	name := "target"
	if x.Metric.Kind != autoscale.Query {
		name = "target " + strings.ReplaceAll(chart.Humanize(x.Metric.Target, "ratio"), " ", "") // as the sentences have it
	}
	return chart.Series{Name: name, Points: points, Style: m.st.Limit, Dashed: true}
}
