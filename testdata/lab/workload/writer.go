package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limits of one write, of a look at all rows, and the wait after a failure.
const (
	writeWithin = 2 * time.Second
	checkWithin = time.Minute
	writeAgain  = 500 * time.Millisecond
)

// writer commits a row at an interval, for ever, and keeps its own record of what was committed. Safe for
// concurrent use.
type writer struct {
	config
	log *logger

	mu        sync.Mutex
	connected bool
	failures  int
	failure   string
	newest    mark
	sums      map[int64][]string // of what this process committed; a number twice where the ledger went back
	moves     []move
}

// mark is a row by its number.
type mark struct {
	N       int64  `json:"n"`
	Written string `json:"written,omitempty"`
}

// move tells that the ledger was found in another state than it was left in: at the start (had 0), or
// behind or before what was committed, as after a restore.
type move struct {
	At    string `json:"at"`
	Had   mark   `json:"had"`
	Found mark   `json:"found"`
}

func newWriter(c config, log *logger) *writer {
	return &writer{config: c, log: log, sums: map[int64][]string{}}
}

// run writes until ctx ends. A session that fails is logged, and another begins.
func (w *writer) run(ctx context.Context) {
	if w.writer == "" {
		return
	}
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		w.log.event("error", "write failed", "engine", w.writer, "to", w.writeTo, "error", err)
		w.mu.Lock()
		w.connected, w.failure = false, err.Error()
		w.failures++
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(writeAgain):
		}
	}
}

// session connects, looks what is there, and writes the rows after that until one fails. Whether that one
// was committed is seen by the next session.
func (w *writer) session(ctx context.Context) error {
	l, err := newLedger(w.config)
	if err != nil {
		return err
	}
	defer l.close()
	if err := within(ctx, 5*writeWithin, l.open); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	var found entry
	err = within(ctx, 5*writeWithin, func(ctx context.Context) (err error) {
		found, err = l.last(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for the last row: %w", err)
	}
	if err := within(ctx, checkWithin, func(ctx context.Context) error { return w.learn(ctx, l) }); err != nil {
		return fmt.Errorf("looking at what is there: %w", err)
	}
	w.resume(found)
	tick := time.NewTicker(w.writeEvery)
	defer tick.Stop()
	for n := found.n + 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		e := newEntry(n, time.Now())
		if err := within(ctx, writeWithin, func(ctx context.Context) error { return l.put(ctx, e) }); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		w.committed(&e)
	}
}

func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// learn takes the rows that are there at the start for an earlier process's: what comes back after a loss may be
// theirs.
func (w *writer) learn(ctx context.Context, l ledger) error {
	w.mu.Lock()
	first := len(w.moves) == 0
	w.mu.Unlock()
	if !first {
		return nil
	}
	sums := map[int64][]string{}
	if err := l.each(ctx, func(e entry) { sums[e.n] = []string{e.sum} }); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sums = sums
	return nil
}

// resume takes what the ledger has for the truth, and records where that is not what was left there.
func (w *writer) resume(found entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connected, w.failure = true, ""
	at := mark{found.n, found.written}
	if first := len(w.moves) == 0; first || w.newest != at {
		w.moves = append(w.moves, move{At: time.Now().UTC().Format(time.RFC3339Nano), Had: w.newest, Found: at})
		level, msg := "warn", "the ledger is not as it was left"
		if first {
			level, msg = "info", "writing"
		}
		w.log.event(level, msg, "had", w.newest.N, "found", found.n)
	}
	w.newest = at
}

func (w *writer) committed(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = mark{e.n, e.written}
	w.sums[e.n] = append(w.sums[e.n], e.sum)
}

// /last is the row that was committed last, and what was found at each start.
func (w *writer) handleLast(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	answer(rw, map[string]any{
		"engine": w.writer, "n": w.newest.N, "written": w.newest.Written, "connected": w.connected,
		"failures": w.failures, "error": w.failure, "moves": w.moves,
	})
}

// /check?upto=N reads all rows and tells whether 1..N (or as many as were committed) are there, each once, with
// their right sums, as they were committed. before=TIME is the same up to the last row that was written before then:
// of data that was brought back, all that is not newer than its loss. The digest is of these rows' sums.
func (w *writer) handleCheck(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	upto := w.newest.N
	w.mu.Unlock()
	if given, err := strconv.ParseInt(r.FormValue("upto"), 10, 64); err == nil {
		upto = given
	}
	rows := map[int64]string{}
	found := &checked{Engine: w.writer, Upto: upto}
	before, beforeErr := time.Parse(time.RFC3339, r.FormValue("before"))
	if beforeErr == nil {
		found.Upto = 0
	}
	err := within(r.Context(), checkWithin, func(ctx context.Context) error {
		l, err := newLedger(w.config)
		if err != nil {
			return err
		}
		defer l.close()
		if err := l.open(ctx); err != nil {
			return err
		}
		return l.each(ctx, func(e entry) {
			if _, twice := rows[e.n]; twice || !e.good() {
				found.Wrong = append(found.Wrong, e.n)
			}
			rows[e.n] = e.sum
			written, err := time.Parse(time.RFC3339, e.written)
			if beforeErr == nil && err == nil && written.Before(before) && e.n > found.Upto {
				found.Upto, found.Written = e.n, e.written
			}
		})
	})
	if err != nil {
		w.log.event("error", "check failed", "engine", w.writer, "error", err)
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found.compare(rows, w.sums)
	answer(rw, found)
}

// checked is what a look at all rows found. Lists are cut to the first ten.
type checked struct {
	Engine  string  `json:"engine"`
	OK      bool    `json:"ok"`
	Upto    int64   `json:"upto"`
	Written string  `json:"written,omitempty"` // row Upto, where it was looked for by time
	N       int64   `json:"n"`                 // rows 1..N are there
	Rows    int     `json:"rows"`
	Wrong   []int64 `json:"wrong"`   // their sums are not theirs
	Missing []int64 `json:"missing"` // of 1..Upto
	Unlike  []int64 `json:"unlike"`  // this writer committed that number with other content
	Digest  string  `json:"digest"`
}

func (c *checked) compare(rows map[int64]string, committed map[int64][]string) {
	c.Rows = len(rows)
	for ; rows[c.N+1] != ""; c.N++ {
	}
	digest := sha256.New()
	for n := int64(1); n <= c.Upto; n++ {
		sum, there := rows[n]
		switch {
		case !there:
			c.Missing = append(c.Missing, n)
		case committed[n] != nil && !slices.Contains(committed[n], sum):
			c.Unlike = append(c.Unlike, n)
		}
		fmt.Fprintln(digest, n, sum)
	}
	c.OK = len(c.Wrong)+len(c.Missing)+len(c.Unlike) == 0
	c.Digest = hex.EncodeToString(digest.Sum(nil))
	for _, list := range []*[]int64{&c.Wrong, &c.Missing, &c.Unlike} {
		*list = (*list)[:min(len(*list), 10)]
	}
}
