package ui

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	tea "charm.land/bubbletea/v2"
)

// Bubble Tea's renderer looks for a new frame 60 times a second, whether there is one or not. For a console at
// rest that was two thirds of its work (docs/benchmarks.md), and a key's frame waits up to 17 ms for the next
// look. No option sets the rate of a running program, so its ticker is reached for by reflection: where
// a later version has none of that name and type, all is as without the pacer, and a test tells.

// Times between two looks of the renderer.
const (
	// lookOften is while something is drawn: within it a frame is on its way to the terminal.
	lookOften = 2 * time.Millisecond
	// lookIdle is at rest, after steps of lookRarer, each held until the last frame is lookHold looks old.
	// A frame whose look came before it was handed over, as on a busy machine, is for the looks of the steps.
	lookIdle  = time.Second
	lookRarer = 30
	lookHold  = 10
)

// pacer is a model whose program looks for a frame when there is one. What Bubble Tea's goroutine
// shares with the timer is guarded.
type pacer struct {
	tea.Model
	ticker func() *time.Ticker
	woken  bool   // the last message told of the fleet, or of lines
	last   string // the last frame

	mu    sync.Mutex
	looks *time.Ticker  // nil: not found, or stopped
	apart time.Duration // of the looks
	drawn time.Time     // the last View
	rarer *time.Timer
}

// pace wraps the model of a program that program gives once it is made.
func pace(m tea.Model, program func() *tea.Program) *pacer {
	return &pacer{Model: m, ticker: func() *time.Ticker { return tickerOf(program()) }}
}

// Update hands the message on. The renderer has its ticker before the first message comes.
func (p *pacer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if p.ticker != nil {
		p.mu.Lock()
		p.looks, p.ticker = p.ticker(), nil
		p.mu.Unlock()
	}
	_, p.woken = msg.(wakeMsg)
	var cmd tea.Cmd
	p.Model, cmd = p.Model.Update(msg)
	return p, cmd
}

// View draws, and has the frame looked for, unless the fleet's news have changed nothing on the screen.
func (p *pacer) View() tea.View {
	v := p.Model.View()
	if p.woken && v.Content == p.last {
		v.Content = p.last // the same bytes: the renderer compares no more than their address
		return v
	}
	p.last = v.Content
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn = time.Now()
	if p.apart != lookOften { // else nothing is touched: a Reset takes back a look that is due and not done yet
		p.look(lookOften)
	}
	return v
}

// look sets the time between looks. The caller holds mu.
func (p *pacer) look(apart time.Duration) {
	if p.looks == nil {
		return
	}
	p.apart = apart
	p.looks.Reset(apart)
	if apart < lookIdle {
		p.calmIn(lookHold * apart)
	}
}

func (p *pacer) calmIn(d time.Duration) {
	if p.rarer == nil {
		p.rarer = time.AfterFunc(d, p.calm)
		return
	}
	p.rarer.Reset(d)
}

// calm makes the looks rarer, when nothing was drawn for long enough.
func (p *pacer) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looks == nil {
		return
	}
	if left := lookHold*p.apart - time.Since(p.drawn); left > 0 {
		p.calmIn(left)
		return
	}
	p.look(min(p.apart*lookRarer, lookIdle))
}

// stop ends the pacing; the ticker is the program's.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks = nil
	if p.rarer != nil {
		p.rarer.Stop()
	}
}

// tickerOf is the ticker of a running program's renderer; nil: none that is known.
func tickerOf(p *tea.Program) *time.Ticker {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return *(**time.Ticker)(unsafe.Pointer(f.UnsafeAddr())) // of the field's own type, as just seen
}
