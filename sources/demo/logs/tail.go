package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	q, start, limit, delay, err := s.tailArgs(r)
	if err != nil {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = rw.Write([]byte(err.Error()))
		return
	}
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	ctx, cut := context.WithCancel(conn.CloseRead(r.Context()))
	defer cut()
	defer context.AfterFunc(s.ended, cut)()
	me := &tail{cut}
	s.mu.Lock()
	full := len(s.tails) >= maxTails
	if !full && s.ended.Err() == nil {
		s.tails[me] = struct{}{}
		s.wg.Add(1)
		defer s.wg.Done()
	}
	s.mu.Unlock()
	if full {
		_ = conn.Close(websocket.StatusInternalError, "max concurrent tail requests limit exceeded, count > limit (11 > 10)")
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.tails, me)
		s.mu.Unlock()
	}()
	if s.follow(ctx, conn, q, start, limit, delay) {
		_ = conn.Close(websocket.StatusInternalError, "reached tail max duration limit")
	}
}

func (s *Server) tailArgs(r *http.Request) (q *Query, start time.Time, limit int, delay time.Duration, err error) {
	if err = r.ParseForm(); err != nil {
		return
	}
	if q, err = ParseQuery(r.Form.Get("query")); err != nil {
		return
	}
	if limit, err = s.limit(r); err != nil {
		return
	}
	seconds := 0
	if v := r.Form.Get("delay_for"); v != "" {
		if seconds, err = strconv.Atoi(v); err != nil {
			return
		}
		if seconds > maxDelay {
			err = &Error{fmt.Sprintf("delay_for can't be greater than %d", maxDelay)}
			return
		}
	}
	delay = time.Duration(max(seconds, 0)) * time.Second
	start, err = parseTime(r.Form.Get("start"), s.w.Now().Add(-time.Hour))
	return
}

// follow sends what there was, then what comes. It tells whether the tail's hour has passed.
func (s *Server) follow(ctx context.Context, conn *websocket.Conn, q *Query, start time.Time, limit int, delay time.Duration) bool {
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
	var lost []droppedJSON
	last := s.w.Now().Add(-delay).UnixNano() + 1
	seq, heard := s.w.Appended()
	first := s.page(q, start.UnixNano(), last, limit, false)
	slices.Reverse(first)
	lost = offer(out, first, lost)
	every := 200 * time.Millisecond
	if s.w.Big() {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	life := time.NewTimer(tailLife)
	defer life.Stop()
	rd := newReader(q)
	keep := keeper(q.Matchers)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-life.C:
			return true
		case <-heard:
		case <-tick.C:
		}
		var news []entry
		until := s.w.Now().Add(-delay).UnixNano() + 1
		for l := range s.w.Spoken(last, until, keep) {
			if e, ok := rd.read(nil, &l); ok {
				news = append(news, e)
			}
		}
		last = max(last, until)
		var old uint64
		old, seq, heard = s.stored(seq)
		for pushed, l := range s.w.Stored(old, start.UnixNano(), 1<<62, keep) {
			if e, ok := rd.read(pushed, &l); ok {
				news = append(news, e)
			}
		}
		slices.SortStableFunc(news, func(a, b entry) int { return cmp.Compare(a.t, b.t) })
		lost = offer(out, news, lost)
	}
}

func (s *Server) stored(seq uint64) (old, next uint64, heard <-chan struct{}) {
	next, heard = s.w.Appended()
	return seq, next, heard
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

type pushJSON struct {
	Streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	} `json:"streams"`
}

// push takes the JSON form; protobuf is refused with a word on what to do.
func (s *Server) push(rw http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(rw, "the demo's Loki takes pushes as application/json only", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 16<<20))
	var in pushJSON
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	var streams []world.Pushed
	for _, st := range in.Streams {
		if len(st.Stream) == 0 && err == nil {
			err = errors.New("error at least one label pair is required per stream")
		}
		p := world.Pushed{Labels: st.Stream}
		for _, v := range st.Values {
			var at, line string
			if len(v) < 2 || json.Unmarshal(v[0], &at) != nil || json.Unmarshal(v[1], &line) != nil {
				err = errors.New("loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Value is not a pair of strings")
				break
			}
			ns, bad := strconv.ParseInt(at, 10, 64)
			if bad != nil {
				err = bad
				break
			}
			p.Lines = append(p.Lines, world.StoredLine(ns, levelOf(st.Stream, line), line))
		}
		streams = append(streams, p)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s.w.Push(streams)
	rw.WriteHeader(http.StatusNoContent)
}
