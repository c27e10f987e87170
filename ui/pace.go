package ui

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

// Bubble Tea's renderer looks for a new frame 60 times a second, whether there is one or not. For a console at
// rest that is most of its work (measured: two thirds of 0.8% of a core), and for a key it is up to 17 ms
// of waiting after its frame is made. Its ticker cannot be set from outside once the program runs, so it
// is reached for by reflection: where a later version has none of that name and type, all is as without it.

// Times between two looks of the renderer.
const (
	// lookSoon is how long after a View its frame is looked for: the time to hand it over.
	lookSoon = 2 * time.Millisecond
	// lookApart is how far apart frames are at least: 60 a second, as Bubble Tea's own.
	lookApart = time.Second / 60
	// lookRarer is by how much the looks become rarer while nothing is drawn, up to lookIdle apart.
	lookRarer = 8
	lookIdle  = time.Second
)

// pacer is a model whose program's renderer looks for a frame when there is one. It is used by Bubble
// Tea's goroutine; what its timer does is guarded.
type pacer struct {
	tea.Model
	program *tea.Program
	ticker  resetter // nil: not found, nothing is paced
	next    time.Time

	mu    sync.Mutex
	apart time.Duration
	rarer *time.Timer
}

// resetter is a *time.Ticker.
type resetter interface{ Reset(d time.Duration) }

// Update hands the message on. The program is given its ticker before its first message.
func (p *pacer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if p.program != nil {
		if t := tickerOf(p.program); t != nil {
			p.ticker = t
		}
		p.program = nil
	}
	var cmd tea.Cmd
	p.Model, cmd = p.Model.Update(msg)
	return p, cmd
}

// View draws, and has the frame looked for.
func (p *pacer) View() tea.View {
	v := p.Model.View()
	if p.ticker != nil {
		p.drawn(time.Now())
	}
	return v
}

// drawn has the renderer look at once, or when the last frame is old enough.
func (p *pacer) drawn(now time.Time) {
	if p.next.After(now.Add(lookSoon)) {
		return // a look is due, and takes this frame too
	}
	due := now.Add(lookSoon)
	if earliest := p.next.Add(lookApart); earliest.After(due) {
		due = earliest
	}
	p.next = due
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(due.Sub(now))
}

// look sets the time to the next look, and between those after it. The caller holds mu.
func (p *pacer) look(apart time.Duration) {
	p.apart = apart
	p.ticker.Reset(apart)
	if apart >= lookIdle {
		return
	}
	// A look may come before its frame, where the machine is busy: the next ones are for that.
	wait := apart + lookSoon
	if p.rarer == nil {
		p.rarer = time.AfterFunc(wait, p.calm)
		return
	}
	p.rarer.Reset(wait)
}

// calm makes the looks rarer.
func (p *pacer) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(min(p.apart*lookRarer, lookIdle))
}

// stop ends the timer. The ticker is the program's.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rarer != nil {
		p.rarer.Stop()
	}
}

// tickerOf is the ticker of a running program's renderer; nil: it has none that is known.
func tickerOf(p *tea.Program) *time.Ticker {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() || f.IsNil() {
		return nil
	}
	return *(**time.Ticker)(unsafe.Pointer(f.UnsafeAddr())) //nolint:gosec // of the field's own type, checked above
}
