package ui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// spans are the lengths of time that the charts can show.
var spans = []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour}

const defaultSpan = 2 // an hour

// refreshLeast is how often shown charts are asked for again at most; scrapes are not faster.
const refreshLeast = 15 * time.Second

// refreshParts is into how many parts the shown time is cut: a chart is asked for again when it has moved by one.
const refreshParts = 200

// metricsPane holds the standard series of one service, and the moment that the charts look at.
type metricsPane struct {
	generation uint64
	service    string // whose readings these are
	window     sources.Window
	readings   []sources.Reading
	err        error
	at         time.Time // when they were answered
	loading    bool
	span       int       // index into spans
	end        time.Time // zero: live
	cursor     time.Time // zero: none
	scroll     int       // rows of charts scrolled away in the full view
	rows       int       // rows of charts there are, as drawn last
	asked      string    // what was asked for last: service, span, end, names
	every      bool      // the full view's series, not only the overview's two
}

func newMetricsPane() metricsPane { return metricsPane{span: defaultSpan} }

// overviewSeries are those that the overview draws.
var overviewSeries = []string{"cpu", "memory", "memory-limit"}

// want asks for the series of a service if they are not the ones that were asked for last.
func (p *metricsPane) want(m *Model, service string, every bool) tea.Cmd {
	asked := fmt.Sprint(service, "\x00", p.span, "\x00", p.end.UnixNano(), "\x00", every)
	if asked == p.asked {
		return nil
	}
	first := p.service != service
	p.asked, p.every = asked, every
	p.generation++
	if first {
		p.cursor, p.scroll = time.Time{}, 0
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
	span, end, every := spans[p.span], p.end, p.every
	timeout := m.o.Timeout
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if end.IsZero() {
			end = now()
		}
		w := sources.Window{Start: end.Add(-span), End: end} // the source chooses the step by its scrape interval
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
	if !p.end.IsZero() && msg.err == nil {
		return nil // the past does not change
	}
	wait := max(refreshLeast, msg.window.End.Sub(msg.window.Start)/refreshParts)
	generation := p.generation
	return tea.Tick(wait, func(time.Time) tea.Msg { return refreshMsg{generation} })
}

// handle does what a key does to the time that is looked at, and tells whether it was one.
func (p *metricsPane) handle(a act, now time.Time) bool {
	span := spans[p.span]
	switch a {
	case actZoomIn:
		p.span = max(p.span-1, 0)
	case actZoomOut:
		p.span = min(p.span+1, len(spans)-1)
	case actEarlier:
		if p.end.IsZero() {
			p.end = now
		}
		p.end = p.end.Add(-span / 4)
	case actLater:
		if p.end.IsZero() {
			return true
		}
		p.end = p.end.Add(span / 4)
		if !p.end.Before(now) {
			p.end = time.Time{}
		}
	case actLive:
		p.end, p.cursor = time.Time{}, time.Time{}
	case actLeft, actRight:
		p.moveCursor(a == actRight)
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

// moveCursor goes a hundredth of the window, and starts at its end.
func (p *metricsPane) moveCursor(right bool) {
	if p.window.End.IsZero() {
		return
	}
	step := spans[p.span] / 100
	switch {
	case p.cursor.IsZero() && right:
		return
	case p.cursor.IsZero():
		p.cursor = p.window.End
	case right:
		p.cursor = p.cursor.Add(step)
	default:
		p.cursor = p.cursor.Add(-step)
	}
	if p.cursor.Before(p.window.Start) {
		p.cursor = p.window.Start
	}
	if p.cursor.After(p.window.End) {
		p.cursor = time.Time{}
	}
}

func (p *metricsPane) title(m *Model, service string) string {
	t := "metrics " + inLine(service) + " · " + spanWord(spans[p.span])
	switch {
	case !p.end.IsZero():
		t += " until " + p.end.In(m.o.Location).Format("Jan 2 15:04")
	case !p.cursor.IsZero():
		t += " · at " + p.cursor.In(m.o.Location).Format("15:04:05")
	}
	if p.loading && p.service != service {
		t += " · asking"
	}
	if p.err != nil {
		t += " · as of " + p.at.In(m.o.Location).Format("15:04:05")
	}
	return t
}

func spanWord(d time.Duration) string {
	if d >= 24*time.Hour {
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
	if d >= time.Hour {
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dm", int(d.Minutes()))
}
