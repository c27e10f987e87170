package main

import (
	"fmt"
	"io"
	"runtime"
	"sort"
	"sync"
	"time"
)

var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// stats is the program's own small registry, in Prometheus' text format. Safe for
// concurrent use.
type stats struct {
	mu       sync.Mutex
	started  time.Time
	requests map[int]int // by status code
	observed []int       // by bucket, not cumulative; the last is +Inf
	sum      float64
	deps     map[string]int // failed calls by URL
	jobs     map[string]int // runs by result
	fire     map[string]int // severity -> 0 or 1
	held     int            // bytes that /eat and the leak hold
	cert     *certificate   // that is served; nil where there is none
}

func newStats() *stats {
	return &stats{
		started: time.Now(), requests: map[int]int{}, observed: make([]int, len(buckets)+1),
		deps: map[string]int{}, jobs: map[string]int{},
		fire: map[string]int{"critical": 0, "warning": 0},
	}
}

func (s *stats) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stats) request(code int, took time.Duration) {
	s.with(func() {
		s.requests[code]++
		s.sum += took.Seconds()
		s.observed[sort.SearchFloat64s(buckets, took.Seconds())]++
	})
}

func (s *stats) writeTo(w io.Writer, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }

	head("lab_build_info", "gauge", "Always 1; the version is a label.")
	fmt.Fprintf(w, "lab_build_info{version=%q} 1\n", version)
	head("process_start_time_seconds", "gauge", "Start of the process.")
	fmt.Fprintf(w, "process_start_time_seconds %.3f\n", float64(s.started.UnixMilli())/1000)
	head("go_goroutines", "gauge", "Goroutines.")
	fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())

	head("lab_http_requests_total", "counter", "Requests by status code.")
	for _, code := range sorted(s.requests) {
		fmt.Fprintf(w, "lab_http_requests_total{code=\"%d\"} %d\n", code, s.requests[code])
	}
	head("lab_http_request_duration_seconds", "histogram", "Time to answer a request.")
	total := 0
	for i, n := range s.observed {
		total += n
		le := "+Inf"
		if i < len(buckets) {
			le = fmt.Sprint(buckets[i])
		}
		fmt.Fprintf(w, "lab_http_request_duration_seconds_bucket{le=%q} %d\n", le, total)
	}
	fmt.Fprintf(w, "lab_http_request_duration_seconds_sum %g\nlab_http_request_duration_seconds_count %d\n", s.sum, total)

	head("lab_dependency_failures_total", "counter", "Failed calls to a dependency.")
	for _, url := range sorted(s.deps) {
		fmt.Fprintf(w, "lab_dependency_failures_total{url=%q} %d\n", url, s.deps[url])
	}
	head("lab_jobs_total", "counter", "Runs of the periodic job by result.")
	for _, result := range sorted(s.jobs) {
		fmt.Fprintf(w, "lab_jobs_total{result=%q} %d\n", result, s.jobs[result])
	}
	head("lab_held_bytes", "gauge", "Memory that /eat holds.")
	fmt.Fprintf(w, "lab_held_bytes %d\n", s.held)
	s.cert.writeTo(w, head)
	head("lab_fire", "gauge", "1 while an alert of this severity is asked for through /fire.")
	for _, severity := range sorted(s.fire) {
		fmt.Fprintf(w, "lab_fire{severity=%q} %d\n", severity, s.fire[severity])
	}
}

func sorted[K int | string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}
