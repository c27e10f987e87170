package loki

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// abandonAfter is how long a question that nobody waits for any more may go on.
const abandonAfter = 3 * time.Second

// patient lets a question that was called off go on for a while instead of hanging up on Loki. A hang-up is dear there: the scheduler can
// stop a querier's work only by closing its stream, and the querier's worker then pauses for 500 ms to 5 s, longer each time, for everybody's
// queries (grafana/loki, pkg/scheduler/scheduler.go, forwardRequestToQuerier; pkg/querier/worker/frontend_processor.go,
// processorBackoffConfig, which nothing resets). A log query is cut into one for each split_queries_by_interval, so that one hang-up can stop all workers.
// The caller has its answer at once all the same. Safe for concurrent use.
type patient struct {
	base  http.RoundTripper
	stop  context.Context // hangs up on all
	after time.Duration

	mu    sync.Mutex
	ended bool
	left  sync.WaitGroup // raised under mu, and not once it has ended
}

// close hangs up on all and waits for that.
func (p *patient) close() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.left.Wait()
}

// begin counts one more question; false: all has ended.
func (p *patient) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.left.Add(1)
	}
	return !p.ended
}

func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	if !p.begin() {
		return p.base.RoundTrip(req)
	}
	asked := req.Context()
	ctx, hangUp := context.WithCancel(context.WithoutCancel(asked))
	came := make(chan round, 1)
	go func() {
		resp, err := p.base.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // by whoever takes it
		came <- round{resp, err}
	}()
	select {
	case a := <-came:
		defer p.left.Done()
		if a.err != nil {
			hangUp()
			return nil, a.err
		}
		// Loki is done: what is left is the way here, which ends with the caller.
		stop := context.AfterFunc(asked, hangUp)
		a.resp.Body = &heldBody{a.resp.Body, func() { stop(); hangUp() }}
		return a.resp, nil
	case <-asked.Done():
		go p.leave(came, hangUp, errors.Is(asked.Err(), context.Canceled))
		return nil, asked.Err()
	}
}

// round is what a round trip gave.
type round struct {
	resp *http.Response
	err  error
}

// leave waits for an answer that nobody wants any more, and hangs up where it does not come; at once where it had its time.
func (p *patient) leave(came <-chan round, hangUp context.CancelFunc, called bool) {
	defer p.left.Done()
	defer hangUp()
	if called {
		late := time.NewTimer(p.after)
		defer late.Stop()
		select {
		case a := <-came:
			if a.err == nil {
				drain(a.resp.Body)
			}
			return
		case <-late.C:
		case <-p.stop.Done():
		}
	}
	hangUp()
	if a := <-came; a.err == nil {
		_ = a.resp.Body.Close()
	}
}

// heldBody ends what belongs to a request when its body is closed.
type heldBody struct {
	io.ReadCloser
	done func()
}

func (b *heldBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// CloseIdleConnections is the base's.
func (p *patient) CloseIdleConnections() {
	if c, ok := p.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
