package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"
)

var paths = []string{"/", "/cart", "/checkout", "/products", "/products/42", "/search", "/login"}

// traffic makes background requests at the configured rate until ctx ends.
func (s *server) traffic(ctx context.Context) {
	if s.rate <= 0 {
		return
	}
	for n := 0; ; n++ {
		// Exponential gaps: arrivals as they are, not a metronome.
		gap := time.Duration(rand.ExpFloat64() / s.rate * float64(time.Second))
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(gap, 10*time.Second)):
		}
		go s.work(ctx, http.MethodGet, paths[rand.IntN(len(paths))], newTrace(), s.errorRatio)
		if n%20 == 10 {
			s.log.event("debug", "connection pool", "idle", rand.IntN(8), "open", 8, "waiting", 0)
		}
	}
}

// givenUp is what a request counts as whose caller has not waited for its turn: where some wait for others, requests that are served tell nothing of how many there are. nginx
// and Traefik log it so, as "client closed request".
const givenUp = 499

// work does one request and returns its status. errorRatio is the chance that it
// fails by itself.
func (s *server) work(ctx context.Context, method, path, trace string, errorRatio float64) int {
	start := time.Now()
	if s.slots != nil {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			s.stats.request(givenUp, time.Since(start))
			return givenUp
		}
	}
	// Log-normal: most requests near the median, a tail of slow ones.
	took := time.Duration(float64(s.latency) * math.Exp(rand.NormFloat64()*0.5))
	select {
	case <-time.After(took):
	case <-ctx.Done():
	}
	code, reason := http.StatusOK, error(nil)
	if forced, why := s.failing(); forced != 0 {
		code, reason = forced, why
	} else if err := s.callDependencies(ctx, trace); err != nil {
		code, reason = http.StatusBadGateway, err
	} else if err := s.append(); err != nil {
		code, reason = http.StatusInternalServerError, err
	} else if rand.Float64() < errorRatio {
		code, reason = http.StatusInternalServerError, fmt.Errorf("deadlock detected on table orders, row %d", rand.IntN(9000))
	} else if rand.Float64() < errorRatio {
		code = http.StatusNotFound
	}
	if ctx.Err() != nil { // stopping, or the caller has gone: its failure is not ours
		if s.slots != nil {
			s.stats.request(givenUp, time.Since(start))
		}
		return code
	}
	total := time.Since(start)
	s.stats.request(code, total)
	kv := []any{"method", method, "path", path, "status", code, "duration", total, "trace_id", trace}
	switch {
	case code >= 500:
		s.log.event("error", "request failed", append(kv, "error", reason)...)
		if rand.IntN(10) == 0 {
			s.log.trace("panic: runtime error: index out of range [42] with length 42")
		}
	case code >= 400:
		s.log.event("warn", "request refused", kv...)
	case total > 4*s.latency:
		s.log.event("warn", "slow request", kv...)
	default:
		s.log.event("info", "request served", kv...)
	}
	return code
}

// callDependencies calls each DEPENDS_ON URL once; the first failure is returned.
func (s *server) callDependencies(ctx context.Context, trace string) error {
	for _, url := range s.dependsOn {
		if err := s.call(ctx, url, trace); err != nil {
			s.stats.with(func() { s.stats.deps[url]++ })
			return fmt.Errorf("dependency %s: %w", url, err)
		}
	}
	return nil
}

func (s *server) call(ctx context.Context, url, trace string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Trace-Id", trace)
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= 500 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// jobs is the cron-like service: a job at each interval, which sometimes fails.
func (s *server) jobs(ctx context.Context) {
	if s.every <= 0 {
		return
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for run := 1; ; run++ {
		s.log.event("info", "job started", "job", "nightly-report", "run", run)
		took := time.Duration(200+rand.IntN(800)) * time.Millisecond
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return
		}
		result := "ok"
		if rand.Float64() < s.errorRatio {
			result = "failed"
			s.log.event("error", "job failed", "job", "nightly-report", "run", run, "took", took, "error", "upload: connection reset by peer")
		} else {
			s.log.event("info", "job finished", "job", "nightly-report", "run", run, "took", took, "rows", rand.IntN(50000))
		}
		s.stats.with(func() { s.stats.jobs[result]++ })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
