package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
)

// compareWith is the time that the charts are compared with.
type compareWith int

const (
	compareOff compareWith = iota
	compareYesterday
	compareLastWeek
	compareKinds
)

// offset is how long before the shown time it is.
func (c compareWith) offset() time.Duration {
	switch c {
	case compareYesterday:
		return 24 * time.Hour
	case compareLastWeek:
		return 7 * 24 * time.Hour
	}
	return 0
}

func (c compareWith) word() string {
	switch c {
	case compareYesterday:
		return "yesterday"
	case compareLastWeek:
		return "last week"
	}
	return ""
}

func (c compareWith) says() string {
	if c == compareOff {
		return "compared with nothing"
	}
	return "compared with " + c.word() + ": dots, moved to the shown time"
}

// pastReadings are the series of then, moved to the shown time.
type pastReadings struct {
	compare  compareWith
	service  string
	readings []sources.Reading
	err      error
}

// thenMsg is sent when the series of another time were answered.
type thenMsg struct {
	generation uint64
	pastReadings
}

// requestThen reads the series of the time that is compared with.
func (p *metricsPane) requestThen(m *Model, service string) tea.Cmd {
	if p.compare == compareOff || m.o.Metrics == nil || service == "" {
		return nil
	}
	metrics, generation, now, timeout := m.o.Metrics, p.generation, m.o.Now, m.o.Timeout
	when, names, compare, points := m.when, p.names(), p.compare, m.chartPoints()
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		start, end := when.window(now())
		by := compare.offset()
		r, err := metrics.Standard(ctx, service, sources.Window{Start: start.Add(-by), End: end.Add(-by), Points: points}, names...)
		for _, x := range r {
			moved(x.Answer.Series, by)
		}
		return thenMsg{generation, pastReadings{compare: compare, service: service, readings: r, err: err}}
	}
}

// moved puts points later. The answer is the caller's own.
func moved(series []sources.Series, by time.Duration) {
	for _, s := range series {
		for i := range s.Points {
			s.Points[i].T = s.Points[i].T.Add(by)
		}
	}
}

// pastSeries are the series of a query at the time that is compared with, moved to the shown time.
type pastSeries struct {
	compare compareWith
	series  []sources.Series
	why     string // there are none
}

// read asks for those of the given series.
func (p *pastSeries) read(ctx context.Context, metrics sources.Metrics, compare compareWith, query string, w sources.Window, of []sources.Series) {
	if p.compare = compare; compare == compareOff {
		return
	}
	by := compare.offset()
	w.Start, w.End = w.Start.Add(-by), w.End.Add(-by)
	got, err := metrics.Range(ctx, query, w)
	if err != nil {
		p.why = compare.word() + ": " + err.Error()
		return
	}
	moved(got.Series, by)
	for _, s := range of {
		name := labelsWord(s.Labels, nil)
		if i := slices.IndexFunc(got.Series, func(o sources.Series) bool { return labelsWord(o.Labels, nil) == name }); i >= 0 {
			p.series = append(p.series, got.Series[i])
		}
	}
	if len(p.series) == 0 {
		p.why = compare.word() + ": none of these series had a sample then"
	}
}

func (msg thenMsg) apply(m *Model) tea.Cmd {
	if !m.metrics.stale(msg.generation) {
		m.metrics.then = msg.pastReadings
	}
	return nil
}

// fillThen adds a graph's series of then to its chart.
func (p *metricsPane) fillThen(m *Model, spec *chart.Spec, g graph, service string) {
	if p.then.compare != p.compare || p.then.service != service {
		return
	}
	for _, r := range p.then.readings {
		if !has(g.names, r.Name) {
			continue
		}
		for _, s := range r.Answer.Series {
			name := readingName(r, s)
			if len(g.names) == 1 && name == r.Name {
				name = ""
			}
			spec.Series = append(spec.Series, chart.Series{Name: inLine(strings.TrimSpace(name + " " + p.compare.word())), Points: s.Points, Style: m.st.Muted, Then: true, Value: BucketWords(r, g.unit)})
		}
	}
}

// whyNoThen says why a graph has nothing of then to compare with; "" where it has, and while that is not known.
func (p *metricsPane) whyNoThen(m *Model, g graph, service string) string {
	if p.compare == compareOff || p.then.compare != p.compare || p.then.service != service {
		return ""
	}
	head := " · " + p.compare.word() + ": "
	end := p.window.End.Add(-p.compare.offset())
	if v := m.snap.Service(service); v != nil && v.Created.After(end) {
		return head + "the service was made later, " + v.Created.In(m.o.Location).Format("Jan 2 15:04")
	}
	if p.then.err != nil {
		return head + inLine(p.then.err.Error())
	}
	why := ""
	for _, r := range p.then.readings {
		if has(g.names, r.Name) {
			if len(r.Answer.Series) > 0 {
				return ""
			}
			why = r.Reason
		}
	}
	if why == "" {
		return ""
	}
	return head + inLine(why)
}
