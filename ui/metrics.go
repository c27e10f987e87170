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

// metricsPane holds the standard series of one service, the panels beside them, and a query by hand; which time they are of
// is the console's (when.go).
type metricsPane struct {
	generation uint64
	service    string // whose readings these are
	window     sources.Window
	readings   []sources.Reading
	err        error
	at         time.Time // when they were answered
	answers    uint64    // how many came
	loading    bool
	scroll     int        // rows of charts scrolled away in the full view
	rows       int        // rows of charts there are, as drawn last
	asked      string     // what was asked for last: service, span, end, names
	every      bool       // the full view's series, not only the overview's two
	auto       autoCharts // which two charts the overview shows by itself
	pinned     int        // 1 + the place in overviewPairs of those that somebody chose; 0: auto's
	lead       leadCharts
	compare    compareWith
	then       pastReadings
	panels     panelsPane
	course     courseRead
	query      *queryPane // nil: the charts of the service
}

// leadCharts are the charts that a cause has led to: they stand first on the service's page.
type leadCharts struct {
	service string
	pair    [2]int // places in graphs
}

// leading puts the charts that a cause has led to before the others, with a sign.
func (p *metricsPane) leading(m *Model, service string, shown []graph) []graph {
	if p.lead.service != service || service == "" {
		return shown
	}
	out := make([]graph, 0, len(shown))
	for i, at := range p.lead.pair {
		for _, g := range shown {
			if g.title == graphs[at].title && g.panel == 0 {
				if i == 0 {
					g.title = m.st.Signs.Cursor + " " + g.title
				}
				out = append(out, g)
			}
		}
	}
	for _, g := range shown {
		if g.panel > 0 || g.title != graphs[p.lead.pair[0]].title && g.title != graphs[p.lead.pair[1]].title {
			out = append(out, g)
		}
	}
	return out
}

// want asks for the series of a service if they are not the ones that were asked for last.
func (p *metricsPane) want(m *Model, service string, every bool) tea.Cmd {
	load := p.panels.want(m, every)
	p.auto.choose(m, service)
	asked := fmt.Sprint(service, "\x00", m.when.span, "\x00", m.when.end.UnixNano(), "\x00", every, "\x00", p.shownPair(), "\x00", p.compare, "\x00", p.panels.loads, "\x00", p.queryKey(m), "\x00", m.courseKey(service))
	if asked == p.asked {
		return load
	}
	first := p.service != service
	p.asked, p.every = asked, every
	p.generation++
	if first {
		p.scroll = 0
	}
	generation := p.generation
	if m.o.Metrics == nil || service == "" && p.query == nil {
		p.service, p.readings, p.err, p.loading = service, nil, nil, false
		return load
	}
	p.loading = true
	if !m.when.live() {
		return tea.Batch(load, m.onceStill(settleMsg{generation}))
	}
	return tea.Batch(load, tea.Tick(SettleTime, func(time.Time) tea.Msg { return settleMsg{generation} }))
}

// names are those of the series that are shown; none: all.
func (p *metricsPane) names() []string {
	if p.every {
		return nil
	}
	var names []string
	for _, i := range p.shownPair() {
		names = append(names, graphs[i].names...)
		if graphs[i].limit != "" {
			names = append(names, graphs[i].limit, fullest)
		}
	}
	return names
}

// requestAll reads all that the pane shows, off the drawing goroutine.
func (p *metricsPane) requestAll(m *Model, service string) tea.Cmd {
	if p.query != nil && p.query.query != "" && m.view == viewMetrics {
		return p.query.request(m, service)
	}
	return tea.Batch(p.request(m, service), p.requestThen(m, service), p.requestCourse(m, service), p.panels.request(m, service))
}

// request reads the standard series.
func (p *metricsPane) request(m *Model, service string) tea.Cmd {
	metrics, generation, now := m.o.Metrics, p.generation, m.o.Now
	if metrics == nil || service == "" {
		return nil
	}
	when, names, timeout, points := m.when, p.names(), m.o.Timeout, m.chartPoints()
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		start, end := when.window(now())
		w := sources.Window{Start: start, End: end, Points: points} // the source chooses the step, by its scrape interval too
		r, err := metrics.Standard(ctx, service, w, names...)
		return readingsMsg{generation: generation, service: service, window: w, readings: r, err: err}
	}
}

// chartPoints is how many points a chart can show: two a cell (braille).
func (m *Model) chartPoints() int {
	w := m.layout().metrics.w
	if m.view != viewMetrics && !m.zoom && w >= 50 || w >= 100 {
		w /= 2
	}
	if m.metrics.query != nil {
		w = m.layout().metrics.w
	}
	return max(2*w, 100)
}

// apply takes an answer in, unless it is to an older question, and plans the next.
func (p *metricsPane) apply(m *Model, msg readingsMsg) tea.Cmd {
	if msg.generation != p.generation {
		return nil
	}
	p.loading = false
	p.answers++
	p.err = msg.err
	if msg.err == nil || len(msg.readings) > 0 {
		p.service, p.window, p.readings, p.at = msg.service, msg.window, msg.readings, m.now()
	}
	return p.again(m, msg.window, msg.err)
}

// again plans the next question; the past does not change.
func (p *metricsPane) again(m *Model, w sources.Window, err error) tea.Cmd {
	if !m.when.live() && err == nil {
		return nil
	}
	wait := max(refreshLeast, w.End.Sub(w.Start)/refreshParts)
	generation := p.generation
	return tea.Tick(wait, func(time.Time) tea.Msg { return refreshMsg{generation} })
}

// handle does what a key does to the charts, and tells whether it was one.
func (p *metricsPane) handle(m *Model, a act) bool {
	scroll, rows := &p.scroll, p.rows
	if p.query != nil && m.view == viewMetrics {
		scroll, rows = &p.query.scroll, p.query.rows
	}
	switch a {
	case actLeft:
		m.when.stepBy(-1, m.o.Now())
	case actRight:
		m.when.stepBy(1, m.o.Now())
	case actDown:
		*scroll = min(*scroll+1, max(rows-1, 0))
	case actUp:
		*scroll = max(*scroll-1, 0)
	case actTop:
		*scroll = 0
	case actBottom:
		*scroll = max(rows-1, 0)
	case actPageDown, actHalfDown:
		*scroll = min(*scroll+2, max(rows-1, 0))
	case actPageUp, actHalfUp:
		*scroll = max(*scroll-2, 0)
	default:
		return false
	}
	return true
}

// doInMetrics does what the charts' own keys do; done is false where the key is none of them.
func (m *Model) doInMetrics(a act) (cmd tea.Cmd, done bool) {
	p := &m.metrics
	switch a {
	case actThen:
		p.compare = (p.compare + 1) % compareKinds
		p.then = pastReadings{}
		return m.say(p.compare.says()), true
	case actCharts:
		return m.say(p.nextPair()), true
	case actPromQL:
		return m.openQuery(), true
	case actTable:
		if p.query == nil {
			return m.say("a table shows a query by hand: Q writes one"), true
		}
		p.query.table = !p.query.table
		return nil, true
	case actKeep:
		return m.keepQuery(), true
	case actTakeOff:
		return m.openTakeOff(), true
	}
	return nil, p.handle(m, a)
}

func (p *metricsPane) title(m *Model, service string) string {
	t := "metrics " + inLine(service)
	if p.query != nil && m.view == viewMetrics {
		t = "PromQL"
	}
	if words := p.autoWords(service); words != "" && m.view != viewMetrics && !m.zoom {
		t += " · " + words
	}
	if !m.when.live() {
		t += " · at " + m.clock(m.when.at)
		start, end := m.when.window(m.now())
		if words := m.markText(m.markUnder(start, end, m.chartPoints()/2, &service)); words != "" {
			t += ": " + words
		}
	}
	t += " · " + spanWord(m.when.length())
	if !m.when.live() {
		t += " until " + m.clock(m.when.end)
	}
	if p.compare != compareOff {
		t += " · with " + p.compare.word()
	}
	if p.loading && p.service != service && p.query == nil {
		t += " · asking"
	}
	window := p.window
	if !m.when.live() {
		window.Start, window.End = m.when.window(m.now())
	}
	if words := m.chartLegend(service, window); words != "" {
		t += " · " + words
	}
	if p.err != nil && p.query == nil {
		t += " · as of " + p.at.In(m.o.Location).Format("15:04:05")
	}
	return t
}

// metricsMsg is a message of the pane's further questions.
type metricsMsg interface{ apply(m *Model) tea.Cmd }

// stale tells whether an answer is to an older question.
func (p *metricsPane) stale(generation uint64) bool { return generation != p.generation }

func pairWords(pair [2]int) string {
	return graphs[pair[0]].title + " and " + graphs[pair[1]].title
}
