package ui

import (
	"context"
	"errors"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const (
	// momentSettle is how long the moment stands still before the sources are asked about it, where a key is held down: it repeats faster.
	momentSettle = 60 * time.Millisecond
	// heldWithin is how soon after a move another one is a held key's: terminals repeat 11 to 40 times a second.
	heldWithin = 120 * time.Millisecond
	// readingSettle is the same where the line that is read leads the moment: one goes on to the next line after a glance.
	readingSettle = 300 * time.Millisecond
	// figurePoints bounds what is kept of answers about moments, in points (32 bytes each); the newest answer is always kept.
	figurePoints = 16 << 10
)

// thenPane is the fleet as of the moment: the picture that tables are drawn from, and what Prometheus and Loki said of it.
type thenPane struct {
	of         *fleet.Snapshot // what snap was made of
	at         time.Time
	with       uint64          // the answers that are in snap
	snap       *fleet.Snapshot // nil: live
	generation uint64
	asked      time.Time // the moment that was asked about last
	known      []figuresAt
	answers    uint64
}

// figuresAt is what was used at a moment; errors say what could not be had.
type figuresAt struct {
	at     time.Time
	f      fleet.Figures
	usage  error
	rates  error
	points int
}

// momentSettledMsg is sent when the moment has stood still long enough to be asked about.
type momentSettledMsg struct{ generation uint64 }

// figuresMsg is sent when what was used at a moment was answered.
type figuresMsg struct {
	generation uint64
	figures    figuresAt
}

// then is the picture that tables are drawn from: of the moment, or of now.
func (m *Model) then() *fleet.Snapshot {
	if m.past.snap != nil {
		return m.past.snap
	}
	return m.snap
}

// wantThen brings the picture in line with the moment, from what is known; what the sources know is asked for once the moment stands still.
func (m *Model) wantThen() tea.Cmd {
	p := &m.past
	if m.when.live() {
		p.of, p.snap, p.asked = nil, nil, time.Time{}
		return nil
	}
	at := m.when.at
	if p.of != m.snap || !p.at.Equal(at) || p.with != p.answers {
		p.of, p.at, p.with = m.snap, at, p.answers
		p.snap = m.snap.Then(at)
		if f := p.figures(at); f != nil {
			p.snap.SetFigures(f.f)
		}
	}
	if p.asked.Equal(at) {
		return nil
	}
	p.asked = at
	p.generation++
	if p.figures(at) != nil {
		return nil
	}
	generation := p.generation
	if m.logs.led == m.when.generation {
		return tea.Tick(readingSettle, func(time.Time) tea.Msg { return momentSettledMsg{generation} })
	}
	return m.onceStill(momentSettledMsg{generation})
}

// stillness tells a key that is pressed once from one that is held down.
type stillness struct {
	generation uint64 // of the moment, at its last move
	moved      time.Time
	held       bool
}

// onceStill sends what asks the sources about the moment: at once after a single move, which nobody should wait for, and where a key is held down when
// it has been let go.
func (m *Model) onceStill(msg tea.Msg) tea.Cmd {
	s := &m.still
	if s.generation != m.when.generation {
		now := m.o.Now()
		s.generation, s.moved, s.held = m.when.generation, now, now.Sub(s.moved) < heldWithin
	}
	if s.held {
		return tea.Tick(momentSettle, func(time.Time) tea.Msg { return msg })
	}
	return func() tea.Msg { return msg }
}

// figures is what is known of what was used at a moment; nil: nothing yet.
func (p *thenPane) figures(at time.Time) *figuresAt {
	for i := range p.known {
		if p.known[i].at.Equal(at) {
			return &p.known[i]
		}
	}
	return nil
}

// requestFigures asks for what all services used at the moment: one query a figure.
func (m *Model) requestFigures() tea.Cmd {
	at, generation := m.when.at, m.past.generation
	metrics, logs, timeout := m.o.Metrics, m.o.Logs, m.o.Timeout
	if m.when.live() || metrics == nil && logs == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return figuresMsg{generation, readFigures(ctx, metrics, logs, at)}
	}
}

func readFigures(ctx context.Context, metrics sources.Metrics, logs sources.Logs, at time.Time) figuresAt {
	out := figuresAt{at: at}
	var cpu, memory error
	var wg sync.WaitGroup
	if metrics != nil {
		w := sources.Window{Start: at.Add(-fleet.SparkSpan), End: at, Step: fleet.SparkStep}
		wg.Go(func() { out.f.CPU, cpu = metrics.UsageAll(ctx, "cpu", w) })
		wg.Go(func() { out.f.Memory, memory = metrics.UsageAll(ctx, "memory", w) })
		wg.Go(func() { out.f.NodeCPU, _ = metrics.NodeUsage(ctx, "cpu", at) }) // nodes without an exporter are no failure
		wg.Go(func() { out.f.NodeMemory, _ = metrics.NodeUsage(ctx, "memory", at) })
	}
	if logs != nil {
		wg.Go(func() { out.f.Rates, out.rates = logs.Rates(ctx, at, fleet.RateWindow) })
		wg.Go(func() { // what stands in its way stands in the way of the error rate as well
			lines, err := logs.LineRates(ctx, at, fleet.LineWindow)
			if lines == nil && err == nil {
				lines = map[string]float64{}
			}
			out.f.Lines = lines
		})
	}
	wg.Wait()
	out.usage = errors.Join(cpu, memory)
	for _, by := range []map[string][]sources.Point{out.f.CPU, out.f.Memory} {
		for _, points := range by {
			out.points += len(points)
		}
	}
	if out.rates == nil && out.f.Rates == nil && logs != nil {
		out.f.Rates = map[string]float64{}
	}
	return out
}

// applyFigures takes an answer in, unless it is to an older question.
func (p *thenPane) applyFigures(msg figuresMsg) {
	if msg.generation != p.generation {
		return
	}
	p.known = append([]figuresAt{msg.figures}, p.known...)
	p.answers++
	points := 0
	for i := range p.known {
		if points += p.known[i].points; i > 0 && points > figurePoints {
			p.known = p.known[:i]
			break
		}
	}
}

// thenNotes date what a table shows of a past moment, and tell what is not known of it.
func (m *Model) thenNotes() []string {
	s := m.then()
	if !s.Past {
		return nil
	}
	out := []string{"at " + m.clock(s.At)}
	if s.At.Before(s.KnownSince) {
		out = append(out, "states not known before "+m.clock(s.KnownSince))
	}
	if f := m.past.figures(s.At); f != nil {
		if f.usage != nil {
			out = append(out, "CPU and memory not known: "+inLine(f.usage.Error()))
		}
		if f.rates != nil {
			out = append(out, "error rates not known: "+inLine(f.rates.Error()))
		}
	}
	return out
}

// reasonOf is why a service is as it is, with the dates of what is not known of a past moment.
func (m *Model) reasonOf(v *fleet.Service) string {
	switch {
	case v.NotYet:
		return "not there yet: made at " + m.clock(v.Created)
	case v.Reason == fleet.NotLooked:
		return "not known before " + m.clock(m.then().KnownSince) + ": the console was not looking yet"
	}
	return v.Reason
}

// thenTaskNotes are thenNotes for a list of tasks.
func (m *Model) thenTaskNotes() []string {
	s := m.then()
	if !s.Past {
		return nil
	}
	out := []string{"at " + m.clock(s.At)}
	if s.At.Before(s.TasksSince) {
		out = append(out, "tasks forgotten before "+m.clock(s.TasksSince)+" are not told of")
	}
	return out
}
