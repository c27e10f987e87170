package sources

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// settleAfter is how long the primary must have been back before it is believed to have caught up: a
// second that is started again sooner goes on from where it stopped, not from the newest line.
const settleAfter = 30 * time.Second

// coverFor is how long after its return the primary's backfill is expected.
const coverFor = 10 * time.Minute

// heard is a batch on its way from a source's goroutine to the follower's.
type heard struct {
	batch LogBatch
	run   uint32 // fromPrimary, or the second's run
	ended error  // the stream ended by itself
}

// follower joins two streams into one. All its fields belong to the goroutine that runs it.
type follower struct {
	f    *fallback
	q    LogQuery
	emit func(LogBatch)
	in   chan heard // unbuffered: a slow reader slows the sources, and memory stays bounded
	wg   sync.WaitGroup

	seen   *memory
	start  time.Time
	last   time.Time // the newest line given
	resume time.Time // where the second stopped, while the primary may not have caught up
	ok     bool      // the primary is
	kind   string    // why it is not
	since  time.Time // since when
	runs   uint32    // of the second, and of fills
	run    uint32    // of the second that is followed; 0: none is
	cancel context.CancelFunc

	// Lines of an outage so long that memory forgot them cannot be compared one by one: until coveredTill
	// the primary's lines from covered to forgotten count as given by the second.
	covered, forgotten, coveredTill time.Time
	noted                           bool
}

// Follow hands over the primary's lines. While the primary is not OK for longer than After the second is followed
// from the last seen moment on; what both give comes once. The primary's gaps are filled from the second where it
// has the lines; each gap is passed on, saying what became of it. States of both are passed on.
func (f *fallback) Follow(ctx context.Context, q LogQuery, emit func(LogBatch)) error {
	if q.Expr != "" {
		return f.Logs.Follow(ctx, q, emit)
	}
	now := time.Now()
	w := &follower{f: f, q: q, emit: emit, in: make(chan heard), seen: newMemory(f.o.Remember), start: q.Since,
		runs: fromPrimary, since: now, kind: "does not answer"}
	if w.start.IsZero() {
		w.start = now
	}
	ctx, cancel := context.WithCancel(ctx)
	defer w.wg.Wait()
	defer cancel()
	return w.loop(ctx)
}

func (w *follower) loop(ctx context.Context) error {
	w.follow(ctx, w.f.Logs, w.q, fromPrimary)
	patience := time.NewTimer(w.f.o.After) // runs while the primary is not OK
	defer patience.Stop()
	settled := time.NewTimer(settleAfter) // runs while it is
	defer settled.Stop()
	settled.Stop()
	retry := time.NewTimer(w.f.o.Retry) // runs while the primary's stream has ended by itself
	defer retry.Stop()
	retry.Stop()
	for {
		select {
		case <-ctx.Done():
			w.stop()
			return ctx.Err()
		case h := <-w.in:
			was := w.ok
			w.handle(ctx, h)
			if h.run == fromPrimary && h.ended != nil {
				retry.Reset(w.f.o.Retry)
			}
			switch {
			case w.ok && !was:
				patience.Stop()
				settled.Reset(settleAfter)
			case !w.ok && was:
				settled.Stop()
				patience.Reset(w.f.o.After)
			case h.run == w.run && h.ended != nil: // the second's: tried again while it is needed
				w.stop()
				patience.Reset(w.f.o.Retry)
			}
		case <-patience.C:
			if !w.ok && w.run == 0 {
				w.startSecond(ctx)
			}
		case <-settled.C:
			w.resume = time.Time{}
		case <-retry.C:
			q := w.q
			q.Since = w.from()
			w.follow(ctx, w.f.Logs, q, fromPrimary)
		}
	}
}

// follow runs a source in a goroutine of its own.
func (w *follower) follow(ctx context.Context, logs Logs, q LogQuery, run uint32) {
	w.wg.Go(func() {
		send := func(h heard) {
			select {
			case w.in <- h:
			case <-ctx.Done():
			}
		}
		err := logs.Follow(ctx, q, func(b LogBatch) { send(heard{batch: b, run: run}) })
		if ctx.Err() == nil {
			if err == nil {
				err = fmt.Errorf("%s: the stream ended by itself", logs.Name())
			}
			send(heard{run: run, ended: err})
		}
	})
}

// from is the moment from which lines may be missing.
func (w *follower) from() time.Time {
	at := w.resume
	if at.IsZero() {
		at = w.last
	}
	at = at.Add(-w.f.o.Overlap)
	if w.resume.IsZero() && at.Before(w.seen.forgotten) { // given, and no more to be told from doubles
		at = w.seen.forgotten
	}
	if at.Before(w.start) {
		return w.start
	}
	return at
}

func (w *follower) startSecond(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	w.runs++
	w.run = w.runs
	q := w.q
	q.Since = w.from()
	if w.resume.IsZero() {
		w.covered = q.Since
	}
	w.emit(LogBatch{Gap: &Gap{From: w.since, To: time.Now(), Reason: fmt.Sprintf("from %s: %s %s since %s", w.f.second.Name(),
		w.f.Logs.Name(), w.kind, w.since.UTC().Format("15:04:05"))}})
	w.follow(ctx, w.f.second, q, w.run)
}

// stop ends the second's run. Lines that it has on its way are dropped: the primary is about to give them.
func (w *follower) stop() {
	if w.run == 0 {
		return
	}
	w.cancel()
	w.run, w.resume = 0, w.last
	w.forgotten, w.coveredTill, w.noted = w.seen.forgotten, time.Now().Add(coverFor), false
}

// doubled tells whether a line of the primary that is not remembered was given by the second all the same.
func (w *follower) doubled(e *Entry, run uint32, now time.Time) bool {
	if run != fromPrimary || e.Time.Before(w.covered) || e.Time.After(w.forgotten) || now.After(w.coveredTill) {
		return false
	}
	if !w.noted {
		w.noted = true
		w.emit(LogBatch{Gap: &Gap{From: w.covered, To: w.forgotten, Reason: fmt.Sprintf("from %s: more lines than can be compared with %s's",
			w.f.second.Name(), w.f.Logs.Name())}})
	}
	return true
}

func (w *follower) handle(ctx context.Context, h heard) {
	if h.run != fromPrimary && h.run != w.run {
		return // a run that was stopped
	}
	b := h.batch
	if len(b.Entries) > 0 {
		w.give(b.Entries, h.run)
	}
	if b.Gap != nil {
		w.gap(ctx, *b.Gap, h.run)
	}
	if b.Status != nil {
		w.emit(LogBatch{Status: b.Status})
	}
	if h.run != fromPrimary {
		return
	}
	switch {
	case h.ended != nil:
		w.primary(false, KindOf(h.ended).String())
	case b.Status != nil:
		w.primary(b.Status.OK(), string(b.Status.State))
	case len(b.Entries) > 0:
		w.primary(true, "")
	}
}

func (w *follower) primary(ok bool, why string) {
	switch {
	case ok && !w.ok:
		w.stop()
	case !ok && w.ok:
		w.since = time.Now()
	}
	if !ok {
		w.kind = why
	}
	w.ok = ok
}

// give hands on what was not given before.
func (w *follower) give(entries []Entry, run uint32) {
	if fresh := w.keep(entries, run); len(fresh) > 0 {
		w.emit(LogBatch{Entries: fresh})
	}
}

// keep drops the doubles. The argument stays as it is; where there is no double it is the answer.
func (w *follower) keep(entries []Entry, run uint32) []Entry {
	var fresh []Entry
	dropped := false
	now := time.Now()
	for i := range entries {
		e := &entries[i]
		if e.Time.After(w.last) && !e.Time.After(now) { // a node's clock that is ahead must not move us past others' lines
			w.last = e.Time
		}
		if w.doubled(e, run, now) || w.seen.given(e, run) {
			if !dropped {
				fresh, dropped = append(fresh, entries[:i]...), true
			}
			continue
		}
		if dropped {
			fresh = append(fresh, *e)
		}
	}
	if !dropped {
		return entries
	}
	return fresh
}

// gap fills the primary's gap, and passes it on with what became of it. The second's own gaps are passed on.
func (w *follower) gap(ctx context.Context, g Gap, run uint32) {
	if run == fromPrimary {
		w.runs++
		fill := w.runs
		g, _ = w.f.fill(ctx, w.q, g, func(got []Entry) []Entry {
			fresh := w.keep(got, fill)
			if len(fresh) > 0 {
				w.emit(LogBatch{Entries: fresh})
			}
			return fresh
		})
	}
	w.emit(LogBatch{Gap: &g})
}
