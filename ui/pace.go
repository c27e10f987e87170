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
	// lookSoon is how long after a View its frame is looked for: the time to hand it over.
	lookSoon = time.Millisecond
	// lookApart is how far apart frames are at least: 120 a second, Bubble Tea's own limit.
	lookApart = time.Second / 120
	// keyApart is the same of frames that answer a key: it does not wait for the frame of a log line to be old.
	keyApart = 4 * time.Millisecond
	// lookRarer is by how much the looks become rarer while nothing is drawn, up to lookIdle apart.
	lookRarer = 8
	lookIdle  = time.Second
)

// pacer is a model whose program looks for a frame when there is one. It is used by Bubble Tea's
// goroutine; what it shares with its timer is guarded.
type pacer struct {
	tea.Model
	ticker func() *time.Ticker
	key    bool      // since the last View a key has come
	next   time.Time // the look that the last View was given
	before time.Time // the look before that

	mu    sync.Mutex
	looks *time.Ticker // nil: not found, or stopped
	apart time.Duration
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
	if _, key := msg.(tea.KeyPressMsg); key {
		p.key = true
	}
	var cmd tea.Cmd
	p.Model, cmd = p.Model.Update(msg)
	return p, cmd
}

// View draws, and has the frame looked for.
func (p *pacer) View() tea.View {
	v := p.Model.View()
	p.drawn(time.Now())
	return v
}

// drawn has the renderer look soon, or when the last frame is old enough.
func (p *pacer) drawn(now time.Time) {
	apart := lookApart
	if p.key {
		apart, p.key = keyApart, false
	}
	pending := !now.After(p.next)
	if !pending {
		p.before = p.next
	}
	due := now.Add(lookSoon)
	if earliest := p.before.Add(apart); earliest.After(due) {
		due = earliest
	}
	if pending && !due.Before(p.next) {
		return // that look, or one of those that follow it, takes this frame too
	}
	p.next = due
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(due.Sub(now))
}

// look sets the time to the next look and between those that follow. The caller holds mu.
func (p *pacer) look(apart time.Duration) {
	if p.looks == nil {
		return
	}
	p.apart = apart
	p.looks.Reset(apart)
	if apart >= lookIdle {
		return
	}
	// Reset takes back a look that is due and not done yet, and one may come before its frame is handed over,
	// where the machine is busy: so there are several at each rate.
	wait := 2*apart + lookSoon
	if p.rarer == nil {
		p.rarer = time.AfterFunc(wait, p.calm)
		return
	}
	p.rarer.Reset(wait)
}

// calm makes the looks rarer, by steps.
func (p *pacer) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.apart < lookApart {
		p.look(lookApart)
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
