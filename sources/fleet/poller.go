package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

const (
	// stalePeriods without an answer make a source STALE, though it has said no error.
	stalePeriods = 3
	// patiencePeriods without an answer end the call: the source is unreachable.
	patiencePeriods = 4
)

// poller asks a source at a period, backs off while it fails, and says its state.
type poller struct {
	f      *Fleet
	name   string
	period time.Duration
	log    *slog.Logger
}

func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff() // with jitter of half the interval
	b.InitialInterval, b.MaxInterval = time.Second, 30*time.Second
	return b
}

func (p poller) run(ctx context.Context, read func(context.Context) error) {
	b := newBackoff()
	failing := false
	for {
		err := p.ask(ctx, read)
		if ctx.Err() != nil {
			return
		}
		wait := p.period
		if err != nil {
			wait = b.NextBackOff()
			if !failing {
				p.log.Warn("source failed", "source", p.name, "error", err)
			}
			p.f.SetStatus(sources.Status{Name: p.name, State: sources.StateOf(err), Detail: err.Error()})
		} else {
			b.Reset()
			p.f.answered(p.name)
		}
		failing = err != nil
		if !sleep(ctx, wait) {
			return
		}
	}
}

// ask calls read under a deadline, and says STALE while no answer comes.
func (p poller) ask(ctx context.Context, read func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patiencePeriods*p.period, &sources.Error{Source: p.name, Kind: sources.Unreachable,
		Op: "read", Next: "it is overloaded, or something before it swallows the answer", Err: fmt.Errorf("no answer within %s", patiencePeriods*p.period)})
	defer cancel()
	late := time.AfterFunc(stalePeriods*p.period, func() { p.f.late(p.name, stalePeriods*p.period) })
	defer late.Stop()
	err := read(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// answered says that a source has answered: LIVE, where it was not OK already (GAP and DROPPED are for
// those to take back who said them).
func (f *Fleet) answered(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[name]
	s.Name, s.Fresh = name, f.now()
	if !s.OK() {
		s.State, s.Detail, s.Since = sources.Live, "", time.Time{}
	}
	f.setStatus(s)
}

// late says that a source owes an answer, where it is not known to be worse already.
func (f *Fleet) late(name string, after time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[name]
	if !s.OK() && s.State != sources.Connecting {
		return
	}
	s.Name, s.State, s.Since = name, sources.Stale, time.Time{}
	s.Detail = fmt.Sprintf("no answer for %s; it is asked again by itself", after)
	f.setStatus(s)
}
