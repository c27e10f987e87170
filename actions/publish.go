package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

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
	open, closed, hurried bool
	ended                 chan struct{}
	queue                 chan journal.Entry
	hurry                 chan struct{} // closed by the first Flush: what fails from then on is not tried again
	idle                  sync.WaitGroup
	mu                    sync.Mutex
	failed                int
	why                   error
	begun                 map[string]time.Time
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
		p.queue, p.begun, p.ended, p.hurry = make(chan journal.Entry, publishQueue), map[string]time.Time{}, make(chan struct{}), make(chan struct{})
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
		if d.Sink != nil {
			p.note(d, p.push(d, &e))
		}
		if d.Marks != nil {
			ctx, cancel := context.WithTimeout(context.Background(), publishWithin)
			p.mark(ctx, d, &e)
			cancel()
		}
		p.idle.Done()
	}
}

// push copies an entry; while the team's record is away it is tried again, in order, until the program ends.
func (p *publisher) push(d *Deck, e *journal.Entry) error {
	labels, line := map[string]string{"app": AppLabel, "action": e.Action, "host": e.Host}, []sources.PushLine{{Time: e.Time, Line: publicLine(*e)}}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 500*time.Millisecond, 30*time.Second
	for {
		ctx, cancel := context.WithTimeout(context.Background(), publishWithin)
		err := d.Sink.Push(ctx, labels, line)
		cancel()
		switch sources.KindOf(err) {
		case sources.Unreachable, sources.OverLimit, sources.BadAnswer: // away, busy, or failing: it may take it later
		default:
			return err
		}
		d.log().Warn("the journal is not copied to the team's record yet", "error", err)
		select {
		case <-p.hurry:
			return err
		case <-time.After(wait.NextBackOff()):
		}
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

// hasten ends the patience with a record that is away.
func (p *publisher) hasten() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open && !p.hurried {
		p.hurried = true
		close(p.hurry)
	}
}

// Flush waits until what was written is copied, at most until ctx ends, and tells of copies that failed since the start. It is for the end of
// a program: from then on what fails is not tried again.
func (d *Deck) Flush(ctx context.Context) error {
	d.publish.hasten()
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
