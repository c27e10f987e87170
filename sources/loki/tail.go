package loki

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/coder/websocket"

	"quarterdeck/sources"
)

// tail keeps Loki's tail open and turns it into news: there is something to read, and from when. What it
// delivers is not shown (see doc.go).
type tail struct {
	c     *Client
	query string
	wake  chan struct{} // capacity 1

	mu   sync.Mutex
	news news
}

// news is what the tail has to say since it was asked last.
type news struct {
	up      bool
	changed time.Time // of up
	why     string    // why it is not up, for people
	poll    bool      // something to read
	// late are the streams of the lines that were delivered, by identity, with their earliest time.
	late map[uint64]lateStream
}

// lateStream is a stream with the time of a line that the tail delivered of it.
type lateStream struct {
	from *origin
	t    int64
}

const maxLate = 256

func newTail(c *Client, q logql) *tail {
	return &tail{c: c, query: q.String(), wake: make(chan struct{}, 1), news: news{changed: time.Now()}}
}

// take gives the news and starts over.
func (t *tail) take() news {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.news
	t.news.poll, t.news.late = false, nil
	return n
}

func (t *tail) tell(f func(*news)) {
	t.mu.Lock()
	f(&t.news)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run keeps the tail open until ctx ends.
func (t *tail) run(ctx context.Context) {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = t.c.pace.backoff, t.c.pace.backoffMax
	for ctx.Err() == nil {
		began := time.Now()
		err := t.open(ctx)
		if ctx.Err() != nil {
			return
		}
		t.c.log.Debug("tail ended", "after", time.Since(began), "err", err)
		t.tell(func(n *news) {
			if n.up {
				n.changed = time.Now()
			}
			n.up, n.why, n.poll = false, tailReason(err), true
		})
		if time.Since(began) > t.c.pace.ping { // it lived: its end (tail_max_duration, a restart) is no series of failures
			b.Reset()
		}
		wait := b.NextBackOff()
		if refused(err) {
			wait = jitter(t.c.pace.refused)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// jitter spreads d by a fifth, so that many consoles do not come at once.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*float64(time.Now().UnixNano()%1000)/1000))
}

// refused tells a tail that will not be given for a while from one that failed.
func refused(err error) bool {
	switch sources.KindOf(err) {
	case sources.OverLimit, sources.Unauthorised, sources.Forbidden, sources.NotFound, sources.BadQuestion:
		return true
	}
	return false
}

func tailReason(err error) string {
	var e *sources.Error
	if errors.As(err, &e) && e.Err != nil {
		return fmt.Sprintf("no tail (%v)", e.Err)
	}
	return fmt.Sprintf("no tail (%v)", err)
}

// open dials, and reads until the tail ends; the error says why.
func (t *tail) open(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := new(atomic.Int64)
	alive := func() { heard.Store(time.Now().UnixNano()) }
	conn, err := t.dial(ctx, alive)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(sources.MaxAnswer)
	alive()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { t.watch(ctx, conn, heard) })
	t.tell(func(n *news) { n.up, n.why, n.poll, n.changed = true, "", true, time.Now() })
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return closeErr(err)
		}
		alive()
		f, err := decodeFrame(b, t.c.streams)
		if err != nil {
			return t.c.badJSON("follow", b[:min(len(b), 256)], err)
		}
		t.tell(func(n *news) { n.fold(f) })
	}
}

func (n *news) fold(f frame) {
	n.poll = n.poll || f.dropped || len(f.rows) > 0
	for _, r := range f.rows {
		if n.late == nil {
			n.late = map[uint64]lateStream{}
		}
		if s, ok := n.late[r.from.id]; ok && s.t <= r.t || !ok && len(n.late) >= maxLate {
			continue
		}
		n.late[r.from.id] = lateStream{r.from, r.t}
	}
}

func (t *tail) dial(ctx context.Context, alive func()) (*websocket.Conn, error) {
	const op = "follow"
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	u := *t.c.base
	u.Path += "/loki/api/v1/tail"
	// No look-back: what came before is read by query. 0 is no allowed limit.
	u.RawQuery = url.Values{"query": {t.query}, "limit": {"1"}, "start": {nano(t.c.now().UnixNano())},
		"delay_for": {strconv.Itoa(int(t.c.delay / time.Second))}}.Encode()
	conn, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{ //nolint:bodyclose // the library closes it, or has it read already
		HTTPClient:     t.c.socket, // its transport logs in, knows the proxies and the TLS files
		HTTPHeader:     http.Header{encodingHeader: {"categorize-labels"}},
		OnPingReceived: func(context.Context, []byte) bool { alive(); return true },
	})
	if err == nil {
		return conn, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != nil {
		b, _ := io.ReadAll(resp.Body)
		return nil, t.c.statusErr(op, resp.StatusCode, resp.Header, b)
	}
	return nil, t.c.transportErr(op, err)
}

// closeErr reads Loki's reason out of a close: 1011 with its text, for the 11th tail of a tenant and
// after tail_max_duration alike.
func closeErr(err error) error {
	var c websocket.CloseError
	if !errors.As(err, &c) {
		return err
	}
	e := &sources.Error{Source: name, Op: "follow", Kind: sources.Unreachable, Err: fmt.Errorf("closed by loki: %d %.200s", c.Code, c.Reason)}
	if strings.Contains(c.Reason, "limit exceeded") || strings.Contains(c.Reason, "max concurrent tail") {
		e.Kind, e.Next = sources.OverLimit, "loki has as many tails as it allows (max_concurrent_tail_requests); polling instead"
	}
	return e
}

// watch ends a connection whose other end is gone without a word: nothing was heard for a while, not
// even Loki's ping each second, and our own ping is not answered.
func (t *tail) watch(ctx context.Context, conn *websocket.Conn, heard *atomic.Int64) {
	tick := time.NewTicker(t.c.pace.ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(time.Unix(0, heard.Load())) < t.c.pace.ping {
			continue
		}
		pctx, cancel := context.WithTimeout(ctx, t.c.pace.pong)
		err := conn.Ping(pctx)
		cancel()
		if err != nil {
			_ = conn.CloseNow()
			return
		}
	}
}
