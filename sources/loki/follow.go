package loki

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

const (
	// ahead is how far lines may be stamped in the future: Loki's creation_grace_period.
	ahead = 10 * time.Minute
	// deepSpan and deepLines bound what a deep poll reads again while all is well; seenKeep, while lines
	// come late or no tail would tell of them. overlapLines bounds a wider overlap of the usual polls.
	deepSpan, deepLines, overlapLines = 5 * time.Minute, 4000, 10_000
	// lateFor is how long a wider overlap is kept after a line that was late.
	lateFor = time.Minute
	// maxLast bounds the streams whose last line's time is known.
	maxLast = 4 * maxStreams
	// giveUp is after how many answers with an error a stretch is a Gap.
	giveUp = 5
)

// Follow hands lines over as they come. See [sources.Logs], and doc.go for how.
func (c *Client) Follow(ctx context.Context, q sources.LogQuery, emit func(sources.LogBatch)) error {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stop, cancel)()
	f := &follower{c: c, emit: emit, keep: keepLevels(q.Levels), hint: math.MaxInt64,
		last: map[uint64]int64{}, behind: map[uint64]lateStream{}, gapped: map[time.Time]bool{}}
	if len(q.Services) == 1 {
		f.service = q.Services[0]
	}
	f.say(sources.Connecting, "")
	l, err := c.build(q)
	if err != nil {
		f.say(sources.Faulty, err.Error())
		<-ctx.Done()
		return ctx.Err()
	}
	c.hello(ctx) // tells the server's clock, in which "now" is meant
	f.q, f.since = l, q.Since.UnixNano()
	if q.Since.IsZero() {
		f.since = began.UnixNano() + c.skew.Load()
	}
	f.done, f.seen = f.since, newSeen(f.since)
	f.tail = newTail(c, l)
	f.news = f.tail.take()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.tail.run(ctx) })
	f.run(ctx)
	return ctx.Err()
}

// follower is one Follow. All of it belongs to the goroutine that called Follow; the tail alone has its own.
type follower struct {
	c       *Client
	q       logql
	keep    func(row) bool
	emit    func(sources.LogBatch)
	service string
	tail    *tail
	news    news
	status  sources.Status

	// since is where the following began, in nanoseconds like all times here. Nothing before it is shown.
	since int64
	// done: all that Loki had at the last poll of lines before done was taken.
	done int64
	seen *seen
	hold holding
	// walk numbers the walks over pages.
	walk int
	// many tells that the last walk had new lines on more than one page: they come faster than one poll takes.
	many bool
	// polled tells that a poll went through, so that a line before done is late and no backlog.
	polled bool
	// late is by how much lines were late lately, lateUntil when that is forgotten.
	late      int64
	lateUntil time.Time
	// hint is the earliest time that the next poll must reach back to; MaxInt64: none.
	hint int64

	// last is the time of the last line taken of each stream, for those that come later than seen reaches.
	last map[uint64]int64
	// behind are such streams, with a time to read them from.
	behind map[uint64]lateStream
	// edge is where the far end of a poll's range ends, 0 where nothing can lie before it; atEdge, that new
	// lines were found there.
	edge   int64
	atEdge bool
	// gapped are the moments whose gap was told: an overlap meets them again.
	gapped map[time.Time]bool

	failing  time.Time // since when polls fail; zero: they do not
	failures int
	deepAt   time.Time
}

// run polls until ctx ends: when the tail has news, and by the clock.
func (f *follower) run(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = f.c.pace.backoff, f.c.pace.backoffMax
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next, last time.Time // next: when to poll; last: when the last poll ended
	f.deepAt = time.Now().Add(f.c.pace.deep)
	for {
		at := next
		if r := f.hold.ripe(f.c.pace.hold); !r.IsZero() && r.Before(at) {
			at = r
		}
		timer.Reset(time.Until(at))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.tail.wake:
			wasUp := f.news.up
			f.hear(f.tail.take())
			// While polls fail, lines of the tail are no reason to ask sooner; that it is open again is.
			if soon := last.Add(f.c.pace.soonest); f.news.poll && soon.Before(next) && (f.failing.IsZero() || f.news.up && !wasUp) {
				next = soon
			}
		}
		if f.failing.IsZero() {
			f.settle()
		}
		f.release(ctx)
		if time.Now().Before(next) {
			continue
		}
		began := time.Now()
		f.news.poll = false
		err := f.poll(ctx)
		if ctx.Err() != nil {
			continue
		}
		last = time.Now()
		switch {
		case err != nil:
			f.failed(ctx, err)
			next = last.Add(wait.NextBackOff())
		default:
			wait.Reset()
			f.worked()
			f.release(ctx)
			rest := f.interval()
			if !f.many { // a poll that takes long must not be all that the server does, but where lines come by pages
				rest = max(rest, last.Sub(began))
			}
			next = last.Add(rest)
		}
	}
}

// interval is the time to the next poll where nothing comes in between.
func (f *follower) interval() time.Duration {
	switch {
	case f.news.poll, f.hold.waiting():
		return f.c.pace.soonest
	case f.news.up:
		return f.c.pace.verify
	}
	return f.c.pace.noTail
}

// hear folds the tail's news into what is still to be done. The tail may have left lines out, so a line that
// comes late means that all of its stream since the last that was taken is to be read.
func (f *follower) hear(n news) {
	for id, s := range n.late {
		b, ok := f.behind[id]
		switch {
		case s.t < f.since || s.t >= f.done-f.overlap():
		case s.t >= f.seen.floor:
			last, known := f.last[id]
			if !known || s.t <= last {
				last = f.seen.floor - 1
			}
			f.hint = min(f.hint, max(last+1, f.seen.floor))
		case ok && s.t < b.t || !ok && len(f.behind) < maxLate:
			f.behind[id] = s
		}
	}
	n.late, n.poll = nil, n.poll || f.news.poll
	f.news = n
}

func (f *follower) overlap() int64 {
	if time.Now().After(f.lateUntil) {
		f.late = 0
	}
	return max(int64(f.c.pace.overlap), f.late+f.late/2)
}

// poll reads what is new from the overlap on. Where new lines lie at the far edge of what it reads, there may
// be more before them, and they go first: it reads again from further back.
func (f *follower) poll(ctx context.Context) error {
	begin := f.c.now().UnixNano()
	from := f.from(begin)
	for reach := f.overlap(); ; reach *= 8 {
		from = max(from, f.seen.floor, f.since)
		f.edge, f.atEdge = 0, false
		if from > max(f.seen.floor, f.since) && f.polled {
			f.edge = min(from+f.overlap()/2, f.done)
		}
		s := span{c: f.c, q: f.q, from: from, to: max(begin, f.done, time.Now().UnixNano()) + int64(ahead), forward: true, attempts: 1}
		f.walk++
		pages, fresh := 0, 0
		err := s.each(ctx, unbounded, func(rows []row, gap *sources.Gap) bool {
			pages++
			if f.accept(ctx, rows, begin, pages > 1) {
				fresh++
			}
			if gap != nil {
				f.gap(*gap)
			}
			// What came while this walk went on is the next one's: where lines come as fast as pages are read, a walk
			// would never end, and all but its first page would wait for the end.
			more := len(rows) == 0 || rows[len(rows)-1].t <= begin
			return ctx.Err() == nil && !f.atEdge && more
		})
		if err != nil {
			f.done = max(f.done, min(s.from, begin)) // what was read is read
			return err
		}
		if !f.atEdge || ctx.Err() != nil {
			f.hold.walked, f.many = f.walk, fresh > 1
			break
		}
		from -= reach * 8
	}
	f.done, f.polled, f.hint = max(f.done, begin), true, math.MaxInt64
	f.seen.forget(begin-int64(deepSpan), f.done-f.overlap())
	return f.catchUp(ctx)
}

// from is where a poll begins.
func (f *follower) from(begin int64) int64 {
	from := f.done - f.overlap()
	from = min(max(from, f.seen.since(overlapLines)), f.done-int64(f.c.pace.overlap), f.hint)
	if time.Now().Before(f.deepAt) {
		return from
	}
	f.deepAt = time.Now().Add(f.c.pace.deep)
	lines := deepLines
	if f.late > 0 || !f.news.up {
		lines = seenKeep
	}
	return min(from, max(f.seen.since(lines), begin-int64(deepSpan)))
}

func unbounded() int { return math.MaxInt }

// catchUp reads the streams whose lines came later than is remembered (a node that was cut off sends what
// it kept): all of them that are younger than the last that was taken of the stream.
func (f *follower) catchUp(ctx context.Context) error {
	for id, b := range f.behind {
		from := b.t
		switch last, known := f.last[id]; {
		case known && b.t <= last:
			// Not told from lines that were shown long ago.
			f.gap(gapOf(b.t, last, "lines of "+b.from.stream.Container+" came more than 5 minutes late and out of order: read this time again"))
			from = last + 1
		case known:
			from = last + 1
		case len(f.last) < maxLast:
			from = f.since // nothing was ever taken of it
		}
		s := span{c: f.c, q: logql{b.from.selector(), f.q.pipeline}, from: from, to: f.seen.floor, forward: true, attempts: 1}
		err := s.each(ctx, unbounded, func(rows []row, gap *sources.Gap) bool {
			now := time.Now()
			for _, r := range rows {
				f.took(r, now, 0)
			}
			if gap != nil {
				f.gap(*gap)
			}
			f.release(ctx)
			return ctx.Err() == nil
		})
		if err != nil {
			return err
		}
		delete(f.behind, id)
	}
	return nil
}

// took passes a new row on, where it is wanted.
func (f *follower) took(r row, now time.Time, walk int) {
	if t, ok := f.last[r.from.id]; !ok && len(f.last) < maxLast || ok && t < r.t {
		f.last[r.from.id] = r.t
	}
	if f.keep == nil || f.keep(r) {
		f.hold.add(r, now, walk)
	}
}

// accept takes what is new of a run of rows. One page is a snapshot; between it and the next page lines may
// come that belong before the cursor, so young (or late) lines of later pages wait for another walk, which
// finds what came meanwhile.
// It tells whether any was new.
func (f *follower) accept(ctx context.Context, rows []row, begin int64, later bool) (fresh bool) {
	f.seen.begin()
	now, young := time.Now(), begin-f.overlap()
	for _, r := range rows {
		if !f.seen.add(r) {
			continue
		}
		fresh = true
		f.atEdge = f.atEdge || r.t < f.edge
		if f.polled && f.done-r.t > f.late {
			f.late, f.lateUntil = min(f.done-r.t, int64(deepSpan)), now.Add(lateFor)
		}
		walk := 0
		if later && (r.t >= young || r.t < f.done) {
			walk = f.walk
		}
		f.took(r, now, walk)
	}
	f.release(ctx)
	return fresh
}

// release hands over what has waited long enough, or is old enough that nothing is to come before it.
func (f *follower) release(ctx context.Context) {
	settled := f.c.now().UnixNano() - f.overlap()
	if f.late > 0 { // old lines are late ones, and no backlog
		settled = 0
	}
	for ctx.Err() == nil { // nobody may read any more after its end
		rows := f.hold.take(settled, time.Now().Add(-f.c.pace.hold))
		if len(rows) == 0 {
			return
		}
		f.emit(sources.LogBatch{Entries: entries(rows)})
	}
}
