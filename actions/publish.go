package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// Bounds of the publishing.
const (
	publishQueue  = 1024
	publishWithin = 5 * time.Second
)

// AppLabel is the label that the team's record has in Loki: {app="quarterdeck"}.
const AppLabel = "quarterdeck"

// publisher copies the journal to where the team can see it: Loki, and Grafana's dashboards. The journal on the disk is the record; a
// copy that fails is logged and counted, and stops nothing.
type publisher struct {
	open   bool
	closed bool
	ended  chan struct{}
	queue  chan journal.Entry
	idle   sync.WaitGroup
	mu     sync.Mutex
	failed int
	why    error
	begun  map[string]time.Time
}

func (p *publisher) take(d *Deck, e *journal.Entry) {
	if d.Sink == nil && d.Marks == nil || e.Phase == phaseObserve {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if !p.open {
		p.open = true
		p.queue, p.begun, p.ended = make(chan journal.Entry, publishQueue), map[string]time.Time{}, make(chan struct{})
		go p.run(d)
	}
	p.idle.Add(1)
	select {
	case p.queue <- *e:
	default:
		p.idle.Done()
		p.failed++
		p.why = fmt.Errorf("more than %d entries wait", publishQueue)
	}
}

func (p *publisher) run(d *Deck) {
	defer close(p.ended)
	for e := range p.queue {
		ctx, cancel := context.WithTimeout(context.Background(), publishWithin)
		if d.Sink != nil {
			p.note(d, d.Sink.Push(ctx, map[string]string{"app": AppLabel, "action": e.Action, "host": e.Host}, []sources.PushLine{{Time: e.Time, Line: publicLine(e)}}))
		}
		if d.Marks != nil {
			p.mark(ctx, d, &e)
		}
		cancel()
		p.idle.Done()
	}
}

// publicLine is an entry as others may see it: whole, but for the plan's inner workings.
func publicLine(e journal.Entry) string {
	b, err := json.Marshal(e)
	if err != nil || len(b) > 200<<10 { // Loki's default limit of a line is 256 KiB (limits_config.max_line_size)
		e.Detail, e.Before, e.After = nil, nil, nil
		b, _ = json.Marshal(e)
	}
	return string(b)
}

func (p *publisher) mark(ctx context.Context, d *Deck, e *journal.Entry) {
	switch e.Phase {
	case phaseBegin:
		p.begun[e.Run] = e.Time
	case phaseEnd:
		from, known := p.begun[e.Run]
		delete(p.begun, e.Run)
		if !known {
			from = e.Time
		}
		text := fmt.Sprintf("%s %s: %s", e.Action, e.Target, e.Result)
		if e.Reason != "" {
			text += " (" + e.Reason + ")"
		}
		p.note(d, d.Marks.Annotate(ctx, sources.Annotation{From: from, To: e.Time, Tags: []string{AppLabel, e.Action, e.Result}, Text: text + " by " + e.Actor}))
	}
}

func (p *publisher) note(d *Deck, err error) {
	if err == nil {
		return
	}
	d.log().Warn("the journal could not be copied to the team's record", "error", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed++
	p.why = err
}

// Flush waits until what was written is copied, at most until ctx ends, and tells of copies that failed since the start.
func (d *Deck) Flush(ctx context.Context) error {
	done := make(chan struct{})
	go func() { d.publish.idle.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("the team's record: %w", ctx.Err())
	}
	d.publish.mu.Lock()
	defer d.publish.mu.Unlock()
	if d.publish.failed > 0 {
		return fmt.Errorf("%d entries of the journal are not in the team's record: %w", d.publish.failed, d.publish.why)
	}
	return nil
}

// Close flushes and ends the copying. What is written afterwards is in the journal alone.
func (d *Deck) Close(ctx context.Context) error {
	err := d.Flush(ctx)
	p := &d.publish
	p.mu.Lock()
	open := p.open && !p.closed
	p.closed = true
	if open {
		close(p.queue)
	}
	p.mu.Unlock()
	if open {
		<-p.ended
	}
	return err
}
