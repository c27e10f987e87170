package ui

import (
	"context"
	"sync"
	"time"

	"quarterdeck/sources"
)

// Look-back of the log pane: what is read before the stream begins.
const (
	FeedLimit = 1000
	FeedSince = time.Hour
	// feedOverlap is how late a line may come and still be seen: the stream starts so long before now.
	feedOverlap = 5 * time.Second
)

// feed follows the logs of one query at a time, in its own goroutine. Want and Stop may be called
// from Update: they never block.
type feed struct {
	logs sources.Logs
	now  func() time.Time

	mu   sync.Mutex
	want *wanted // nil: nothing
	kick chan struct{}
}

type wanted struct {
	query sources.LogQuery
	back  func(sources.LogPage) // takes what was there before
	emit  func(sources.LogBatch)
}

func newFeed(logs sources.Logs, now func() time.Time) *feed {
	return &feed{logs: logs, now: now, kick: make(chan struct{}, 1)}
}

// Want makes w's query the one that is followed; its lines go to back and emit, from the feed's goroutine.
func (f *feed) Want(w wanted) { f.set(&w) }

// Stop ends following.
func (f *feed) Stop() { f.set(nil) }

func (f *feed) set(w *wanted) {
	f.mu.Lock()
	f.want = w
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Run follows until ctx ends.
func (f *feed) Run(ctx context.Context) {
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.kick:
		}
		stop()
		f.mu.Lock()
		w := f.want
		f.mu.Unlock()
		if w == nil {
			stop = func() {}
			continue
		}
		sub, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.follow(sub, *w)
		}()
		stop = func() { cancel(); <-done }
	}
}

// follow reads the newest page, then the stream from where the page ends.
func (f *feed) follow(ctx context.Context, w wanted) {
	// A selection that moves on at once is not worth a query.
	select {
	case <-ctx.Done():
		return
	case <-time.After(SettleTime):
	}
	from := f.now().Add(-feedOverlap)
	q := w.query
	q.Until, q.Since, q.Limit = from, from.Add(-FeedSince), FeedLimit
	page, err := f.logs.Query(ctx, q)
	if ctx.Err() != nil {
		return
	}
	w.back(page)
	if err != nil {
		w.emit(sources.LogBatch{Status: &sources.Status{Name: f.logs.Name(), State: sources.StateOf(err), Detail: err.Error(), Since: f.now()}})
	}
	q = w.query
	q.Since = from
	_ = f.logs.Follow(ctx, q, w.emit) // returns only ctx's error
}
