package ui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// refreshLeast is how often shown charts are asked for again at most; scrapes are not faster.
const refreshLeast = 15 * time.Second

// refreshParts is into how many parts the shown time is cut: a chart is asked for again when it has moved by one.
const refreshParts = 200

// metricsPane holds the standard series of one service; which time they are of is the console's (when.go).
type metricsPane struct {
	generation uint64
	service    string // whose readings these are
	window     sources.Window
	readings   []sources.Reading
	err        error
	at         time.Time // when they were answered
	loading    bool
	scroll     int    // rows of charts scrolled away in the full view
	rows       int    // rows of charts there are, as drawn last
	asked      string // what was asked for last: service, span, end, names
	every      bool   // the full view's series, not only the overview's two
}

// overviewSeries are those that the overview draws.
var overviewSeries = []string{"cpu", "memory", "memory-limit"}

// want asks for the series of a service if they are not the ones that were asked for last.
func (p *metricsPane) want(m *Model, service string, every bool) tea.Cmd {
	asked := fmt.Sprint(service, "\x00", m.when.span, "\x00", m.when.end.UnixNano(), "\x00", every)
	if asked == p.asked {
		return nil
	}
	first := p.service != service
	p.asked, p.every = asked, every
	p.generation++
	if first {
		p.scroll = 0
	}
	generation := p.generation
	if m.o.Metrics == nil || service == "" {
		p.service, p.readings, p.err, p.loading = service, nil, nil, false
		return nil
	}
	p.loading = true
	return tea.Tick(SettleTime, func(time.Time) tea.Msg { return settleMsg{generation} })
}

// request reads the series, off the drawing goroutine.
func (p *metricsPane) request(m *Model, service string) tea.Cmd {
	metrics, generation, now := m.o.Metrics, p.generation, m.o.Now
	if metrics == nil || service == "" {
		return nil
	}
	when, every := m.when, p.every
	timeout := m.o.Timeout
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		start, end := when.window(now())
		w := sources.Window{Start: start, End: end} // the source chooses the step by its scrape interval
		var names []string
		if !every {
			names = overviewSeries
		}
		r, err := metrics.Standard(ctx, service, w, names...)
		return readingsMsg{generation: generation, service: service, window: w, readings: r, err: err}
	}
}

// apply takes an answer in, unless it is to an older question, and plans the next.
func (p *metricsPane) apply(m *Model, msg readingsMsg) tea.Cmd {
	if msg.generation != p.generation {
		return nil
	}
	p.loading = false
	p.err = msg.err
	if msg.err == nil || len(msg.readings) > 0 {
		p.service, p.window, p.readings, p.at = msg.service, msg.window, msg.readings, m.now()
	}
	if !m.when.live() && msg.err == nil {
		return nil // the past does not change
	}
	wait := max(refreshLeast, msg.window.End.Sub(msg.window.Start)/refreshParts)
	generation := p.generation
	return tea.Tick(wait, func(time.Time) tea.Msg { return refreshMsg{generation} })
}

// handle does what a key does to the charts, and tells whether it was one.
func (p *metricsPane) handle(m *Model, a act) bool {
	switch a {
	case actLeft:
		m.when.stepBy(-1, m.o.Now())
	case actRight:
		m.when.stepBy(1, m.o.Now())
	case actDown:
		p.scroll = min(p.scroll+1, max(p.rows-1, 0))
	case actUp:
		p.scroll = max(p.scroll-1, 0)
	case actTop:
		p.scroll = 0
	case actBottom:
		p.scroll = max(p.rows-1, 0)
	case actPageDown, actHalfDown:
		p.scroll = min(p.scroll+2, max(p.rows-1, 0))
	case actPageUp, actHalfUp:
		p.scroll = max(p.scroll-2, 0)
	default:
		return false
	}
	return true
}

func (p *metricsPane) title(m *Model, service string) string {
	t := "metrics " + inLine(service) + " · " + spanWord(m.when.length())
	if !m.when.live() {
		t += " until " + m.clock(m.when.end) + " · at " + m.clock(m.when.at)
	}
	if p.loading && p.service != service {
		t += " · asking"
	}
	window := p.window
	if !m.when.live() {
		window.Start, window.End = m.when.window(m.now())
	}
	if words := m.chartLegend(service, window); words != "" {
		t += " · " + words
	}
	if p.err != nil {
		t += " · as of " + p.at.In(m.o.Location).Format("15:04:05")
	}
	return t
}
