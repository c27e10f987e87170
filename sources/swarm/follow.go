package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cespare/xxhash/v2"

	"quarterdeck/sources"
)

// Times and bounds of a follow.
const (
	batchSpan    = 50 * time.Millisecond // lines within it go out together, in order of time
	batchLines   = 2000
	lookAgain    = 15 * time.Second // for services that came or went
	cannotReadIn = 30 * time.Second // tries of what answers, but cannot read
)

// follow is one Follow under way.
type follow struct {
	l      *Logs
	q      sources.LogQuery
	filter *filter
	out    chan sources.LogBatch // blocks when the reader is slow, and with it the reading
}

// Follow hands lines over from q.Since on. A line that a reconnect brings again is told apart by task, time, text and how
// often it came, so real repeats stay.
func (l *Logs) Follow(ctx context.Context, q sources.LogQuery, emit func(sources.LogBatch)) error {
	f := &follow{l: l, q: q, out: make(chan sources.LogBatch, 64)}
	var err error
	if f.filter, err = newFilter(q); err != nil {
		emit(sources.LogBatch{Status: f.status(sources.StateOf(err), err.Error())})
		<-ctx.Done()
		return ctx.Err()
	}
	emit(sources.LogBatch{Status: f.status(sources.Connecting, "")})
	var wg sync.WaitGroup
	wg.Go(func() { f.keepTargets(ctx) })
	f.hand(ctx, emit)
	wg.Wait()
	return ctx.Err()
}

func (f *follow) status(state sources.State, detail string) *sources.Status {
	s := &sources.Status{Name: logsName, Address: f.l.c.Address(), State: state, Since: time.Now(), Detail: detail}
	if s.OK() {
		s.Fresh = s.Since
	}
	return s
}

func (f *follow) send(ctx context.Context, b sources.LogBatch) error {
	select {
	case f.out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hand gathers what the followers send and gives it on in order of time.
func (f *follow) hand(ctx context.Context, emit func(sources.LogBatch)) {
	var batch []sources.Entry
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	flush := func() {
		if len(batch) == 0 {
			return
		}
		sort.SliceStable(batch, func(i, j int) bool { return batch[i].Time.Before(batch[j].Time) })
		emit(sources.LogBatch{Entries: batch})
		batch = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-f.out:
			if b.Entries == nil {
				flush()
				emit(b)
				continue
			}
			if len(batch) == 0 {
				timer.Reset(batchSpan)
			}
			if batch = append(batch, b.Entries...); len(batch) >= batchLines {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

// keepTargets runs a follower for each service that the question is about, as they come and go.
func (f *follow) keepTargets(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[string]bool{}
	ended := make(chan string)
	b := newBackoff()
	first := true
	var said string
	for {
		t, err := f.l.targets(ctx, f.q)
		wait := lookAgain
		if err != nil {
			wait = min(b.NextBackOff(), lookAgain)
			_ = f.send(ctx, sources.LogBatch{Status: f.status(sources.StateOf(err), err.Error())})
		} else {
			b.Reset()
			for _, g := range t.gaps {
				if first || g.Reason != said {
					said = g.Reason
					_ = f.send(ctx, sources.LogBatch{Gap: &g})
				}
			}
			for _, target := range t.list {
				if running[target.id] {
					continue
				}
				running[target.id] = true
				late := !first && f.q.Since.IsZero() // came after the start: all of its lines are new
				wg.Go(func() {
					f.one(ctx, target, t, late)
					select {
					case ended <- target.id:
					case <-ctx.Done():
					}
				})
			}
			first = false
		}
		if !f.waitFor(ctx, wait, running, ended) {
			return
		}
	}
}

func (f *follow) waitFor(ctx context.Context, d time.Duration, running map[string]bool, ended <-chan string) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case id := <-ended:
			delete(running, id)
		case <-timer.C:
			return true
		}
	}
}

func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = firstRetry, slowestTry
	return b
}

// one follows one service until it is gone or ctx ends.
func (f *follow) one(ctx context.Context, target target, t *targets, late bool) {
	var seen overlap
	opened := time.Now()
	b := newBackoff()
	lost := false
	for try := 0; ; try++ {
		o := logOptions{follow: true}
		from := seen.reconnect()
		switch {
		case !from.IsZero():
			o.since = stamp(from)
		case !f.q.Since.IsZero():
			o.since = stamp(f.q.Since)
		case late && try == 0: // nothing of it was read before: all of it
		case try > 0:
			o.since = stamp(opened.Add(-time.Second)) // an engine's clock may be a little ahead
		default:
			o.tail = "0"
		}
		unread := false
		o.opened = func() {
			if try == 0 || lost {
				_ = f.send(ctx, sources.LogBatch{Status: f.status(sources.Live, "")})
			}
			lost = false
		}
		came := false
		err := f.l.read(ctx, target, o, func(r rawLine) error {
			came = true
			return f.line(ctx, target, t, &seen, r)
		}, func(message string) {
			unread = true
			_ = f.send(ctx, sources.LogBatch{Gap: &sources.Gap{From: latest(seen.newest, opened), To: time.Now(), Service: target.service, Reason: plainReason(message)}})
		})
		if ctx.Err() != nil || sources.KindOf(err) == sources.NotFound {
			return
		}
		if came {
			b.Reset()
		}
		wait := b.NextBackOff()
		if errors.Is(err, errMoved) {
			wait = 0
		}
		if unread {
			wait = cannotReadIn
		} else {
			lost = true
			if err == nil {
				err = &sources.Error{Source: logsName, Kind: sources.Unreachable, Op: "follow the logs of " + target.service, Err: errors.New("the engine ended the stream"), Next: "it is opened again by itself"}
			}
			_ = f.send(ctx, sources.LogBatch{Status: f.status(sources.StateOf(err), err.Error())})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// line hands one line over, unless it was before.
func (f *follow) line(ctx context.Context, target target, t *targets, seen *overlap, r rawLine) error {
	var h xxhash.Digest
	h.Reset()
	_, _ = fmt.Fprintf(&h, "%s\x00%d\x00%d\x00", r.task, r.stream, r.time.UnixNano()) // a hash takes everything
	_, _ = io.WriteString(&h, r.text)
	if !seen.fresh(h.Sum64(), r.time) {
		return nil
	}
	if e := f.filter.entry(t.entry(target, r)); e != nil {
		return f.send(ctx, sources.LogBatch{Entries: []sources.Entry{*e}})
	}
	return nil
}
