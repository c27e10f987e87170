package loki

import (
	"context"
	"fmt"
	"math"
	"time"

	"quarterdeck/sources"
)

func (f *follower) gap(g sources.Gap) {
	if f.gapped[g.From] {
		return
	}
	if len(f.gapped) >= maxLate {
		clear(f.gapped)
	}
	f.gapped[g.From] = true
	g.Service = f.service
	f.emit(sources.LogBatch{Gap: &g})
}

// failed says how a poll failed, and gives a stretch up that Loki answers with an error again and again
// though it lives.
func (f *follower) failed(ctx context.Context, err error) {
	f.c.log.Debug("poll failed", "err", err)
	if f.failing.IsZero() {
		f.failing, f.failures = time.Now(), 0
	}
	f.failures++
	if time.Since(f.failing) > f.c.pace.grace {
		f.hold.walked = f.walk + 1 // what is had is shown, though another walk may be long in coming
	}
	state := sources.StateOf(err)
	if sources.KindOf(err) == sources.BadQuestion {
		state = sources.Faulty
	}
	f.say(state, err.Error())
	switch sources.KindOf(err) {
	case sources.OverLimit, sources.BadAnswer:
	default:
		return // it will pass, or nothing of this query can be read at all
	}
	if f.failures < giveUp {
		return
	}
	to := f.c.now().UnixNano() - int64(time.Second)
	if _, _, e := f.c.fetch(ctx, f.q.String(), to, to+int64(time.Second), 10, true, 1); e != nil || to <= f.done {
		return
	}
	f.gap(gapOf(f.done, to, fmt.Sprintf("loki does not answer for this time: %v", err)))
	f.done, f.hint = to, math.MaxInt64
	f.seen.floor = max(f.seen.floor, to)
}

// worked notes a poll that went through. After an outage lines may come late that Loki has in its
// write-ahead log, or that senders had kept: for a while polls look back behind its beginning.
func (f *follower) worked() {
	if !f.failing.IsZero() {
		f.late = max(f.late, min(int64(time.Since(f.failing)), int64(deepSpan)))
		f.lateUntil = time.Now().Add(lateFor)
		f.failing = time.Time{}
	}
	f.status.Fresh = time.Now()
	f.settle()
}

// settle says LIVE or POLLING, where polls work.
func (f *follower) settle() {
	switch {
	case f.status.Fresh.IsZero():
	case f.news.up:
		f.say(sources.Live, "")
	case time.Since(f.news.changed) >= f.c.pace.grace:
		f.say(sources.Polling, f.news.why)
	case f.status.State != sources.Polling:
		f.say(sources.Live, "")
	}
}

// say emits the state where it is another than before.
func (f *follower) say(state sources.State, detail string) {
	if f.status.State == state && (f.status.Detail == detail || state == sources.Reconnecting) {
		return
	}
	if f.status.State != state {
		f.status.Since = time.Now()
	}
	f.status.Name, f.status.Address, f.status.State, f.status.Detail = name, f.c.access.Shown(), state, detail
	if v := f.c.version.Load(); v != nil {
		f.status.Version = *v
	}
	s := f.status
	f.emit(sources.LogBatch{Status: &s})
}
