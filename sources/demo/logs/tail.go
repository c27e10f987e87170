package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"quarterdeck/sources/demo/world"
)

// What Loki's tail does by default: a batch of at most 100 entries, 10 batches wait for a slow client,
// at most 10 tails at once, an hour each, a ping a second, at most 5 s of delay.
const (
	tailBatch   = 100
	tailWaiting = 10
	maxTails    = 10
	tailLife    = time.Hour
	maxDelay    = 5
	maxDropped  = 1000
)

type tail struct{ cut context.CancelFunc }

type droppedJSON struct {
	Timestamp string            `json:"timestamp"`
	Labels    map[string]string `json:"labels"`
}

type tailJSON struct {
	Streams []streamJSON  `json:"streams"`
	Dropped []droppedJSON `json:"dropped_entries"`
}

// DropConnections cuts every tail without a closing handshake.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.tails {
		t.cut()
	}
}

func (s *Server) tail(rw http.ResponseWriter, r *http.Request) {
	a, err := s.tailArgs(r)
	if err != nil {
		plainError(rw, http.StatusBadRequest, err)
		return
	}
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	defer context.AfterFunc(s.ended, cut)()
	leave, full := s.enter(&tail{cut})
	defer leave()
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	stop := context.AfterFunc(conn.CloseRead(r.Context()), cut)
	defer stop()
	if full {
		_ = conn.Close(websocket.StatusInternalError, "max concurrent tail requests limit exceeded, count > limit (11 > 10)")
		return
	}
	if s.follow(ctx, conn, a) {
		_ = conn.Close(websocket.StatusInternalError, "reached tail max duration limit")
	}
}

// enter counts a tail, unless the limit is reached; leave takes it away.
func (s *Server) enter(t *tail) (leave func(), full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tails) >= maxTails {
		return func() {}, true
	}
	s.tails[t] = struct{}{}
	s.wg.Add(1)
	return func() {
		s.mu.Lock()
		delete(s.tails, t)
		s.mu.Unlock()
		s.wg.Done()
	}, false
}

// tailArgs is what a client asks of a tail, and the mark from which everything is news: it is set before the client is
// told that the tail stands, so that what comes after that is never cut by the limit of the look-back.
type tailArgs struct {
	q     *Query
	start time.Time
	limit int
	delay time.Duration
	seq   uint64 // the latest stored batch
	last  int64  // Unix nanoseconds: generated lines from here on are news
}

func (s *Server) tailArgs(r *http.Request) (a tailArgs, err error) {
	if err = r.ParseForm(); err != nil {
		return
	}
	if a.q, err = ParseQuery(r.Form.Get("query")); err != nil {
		return
	}
	if a.limit, err = s.limit(r); err != nil {
		return
	}
	seconds := 0
	if v := r.Form.Get("delay_for"); v != "" {
		if seconds, err = strconv.Atoi(v); err != nil {
			return
		}
		if seconds < 0 || int64(seconds) > math.MaxUint32 {
			err = &Error{fmt.Sprintf("delay_for value %d is out of range [0, %d]", seconds, uint32(math.MaxUint32))}
			return
		}
		if seconds > maxDelay {
			err = &Error{fmt.Sprintf("delay_for can't be greater than %d", maxDelay)}
			return
		}
	}
	a.delay = time.Duration(seconds) * time.Second
	if a.start, err = parseTime(r.Form.Get("start"), s.w.Now().Add(-time.Hour)); err != nil {
		return
	}
	a.seq, _ = s.w.Appended()
	a.last = s.w.Now().Add(-a.delay).UnixNano() + 1
	return
}

// follow sends what there was, then what comes. It tells whether the tail's hour has passed.
func (s *Server) follow(ctx context.Context, conn *websocket.Conn, a tailArgs) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make(chan tailJSON, tailWaiting)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		defer cancel()
		s.send(ctx, conn, out)
	}()
	defer func() { cancel(); <-sent }()
	first := s.page(a.q, a.start.UnixNano(), a.last, a.seq, a.limit, false)
	slices.Reverse(first)
	f := follower{s: s, tailArgs: a, rd: newReader(a.q), keep: keeper(a.q.Matchers)}
	lost := offer(out, first, nil)
	f.stored(0, a.seq, a.last) // the delay has held these back
	every := 200 * time.Millisecond
	if s.w.Big() {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	life := time.NewTimer(tailLife)
	defer life.Stop()
	for {
		entries, heard := f.more()
		lost = offer(out, entries, lost)
		select {
		case <-ctx.Done():
			return false
		case <-life.C:
			return true
		case <-heard:
		case <-tick.C:
		}
	}
}

// follower is where a tail stands.
type follower struct {
	tailArgs
	s    *Server
	rd   *reader
	keep func(*world.Container) bool
	news []entry
}

// more is what has come since it was last asked, in order of time, and a channel that is closed when there is more to
// be had at once.
func (f *follower) more() ([]entry, <-chan struct{}) {
	until := f.s.w.Now().Add(-f.delay).UnixNano() + 1
	for l := range f.s.w.Spoken(f.last, until, f.keep) {
		if e, ok := f.rd.read(nil, &l); ok {
			f.news = append(f.news, e)
		}
	}
	f.last = max(f.last, until)
	old := f.seq
	var heard <-chan struct{}
	f.seq, heard = f.s.w.Appended()
	f.stored(old, f.seq, f.start.UnixNano())
	out := f.news
	f.news = nil
	slices.SortStableFunc(out, func(a, b entry) int { return cmp.Compare(a.t, b.t) })
	return out, heard
}

// stored reads the lines of batches in (after, upTo] that are not older than from.
func (f *follower) stored(after, upTo uint64, from int64) {
	for pushed, l := range f.s.w.Stored(after, upTo, from, math.MaxInt64, f.keep) {
		if e, ok := f.rd.read(pushed, &l); ok {
			f.news = append(f.news, e)
		}
	}
}

// offer puts entries into the queue, a hundred at a time; what finds it full is dropped and told of with the next batch.
func offer(out chan<- tailJSON, entries []entry, lost []droppedJSON) []droppedJSON {
	for batch := range slices.Chunk(entries, tailBatch) {
		select {
		case out <- tailJSON{Streams: group(batch), Dropped: lost}:
			lost = nil
		default:
			for i := range batch {
				if len(lost) < maxDropped {
					lost = append(lost, droppedJSON{strconv.FormatInt(batch[i].t, 10), batch[i].labels})
				}
			}
		}
	}
	return lost
}

func (s *Server) send(ctx context.Context, conn *websocket.Conn, out <-chan tailJSON) {
	ping := time.NewTicker(time.Second)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-out:
			raw, err := json.Marshal(b)
			if err == nil {
				err = conn.Write(ctx, websocket.MessageText, raw)
			}
			if err != nil {
				return
			}
		case <-ping.C:
			pctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			err := conn.Ping(pctx)
			cancel()
			if err != nil && ctx.Err() == nil {
				return
			}
		}
	}
}
