package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// server holds what can be changed over HTTP. Safe for concurrent use.
type server struct {
	config
	log    *logger
	stats  *stats
	client *http.Client
	writer *writer
	slots  chan struct{} // one for each request that is served; nil: any number

	mu        sync.Mutex
	unhealthy bool
	failCode  int       // answer requests with this code while now is within [failFrom, failTo)
	failFrom  time.Time // zero failTo: until told otherwise
	failTo    time.Time
	failWhy   string // what the log gives as the reason
	held      [][]byte
	started   time.Time
}

func newServer(c config, log *logger) *server {
	s := &server{config: c, log: log, stats: newStats(), client: &http.Client{Timeout: 3 * time.Second}, writer: newWriter(c, log), started: time.Now()}
	if c.workers > 0 {
		s.slots = make(chan struct{}, c.workers)
	}
	return s
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.handleWork)
	mux.HandleFunc("/dep", s.handleDep)
	mux.HandleFunc("/healthz", s.handleHealth)
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { s.stats.writeTo(w, s.version) })
	mux.HandleFunc("/unhealthy", s.handleUnhealthy)
	mux.HandleFunc("/fail", s.handleFail)
	mux.HandleFunc("/eat", s.handleEat)
	mux.HandleFunc("/burn", s.handleBurn)
	mux.HandleFunc("/log", s.handleLog)
	mux.HandleFunc("/fire", s.handleFire)
	mux.HandleFunc("/say", s.handleSay)
	if s.config.writer != "" {
		mux.HandleFunc("/last", s.writer.handleLast)
		mux.HandleFunc("/check", s.writer.handleCheck)
	}
	return mux
}

// handleWork is a request as users make it: it takes time, calls the
// dependencies, and is logged and counted.
func (s *server) handleWork(w http.ResponseWriter, r *http.Request) {
	trace := r.Header.Get("X-Trace-Id")
	if trace == "" {
		trace = newTrace()
	}
	code := s.work(r.Context(), r.Method, r.URL.Path, trace, 0)
	w.Header().Set("X-Trace-Id", trace)
	w.WriteHeader(code)
	fmt.Fprintf(w, "%s %s: %d %s\n", s.name, s.version, code, http.StatusText(code))
}

// handleDep calls the dependencies and says which of them failed.
func (s *server) handleDep(w http.ResponseWriter, r *http.Request) {
	if err := s.callDependencies(r.Context(), newTrace()); err != nil {
		s.log.event("error", "dependency failed", "error", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, map[string]any{"depends_on": s.dependsOn, "ok": true})
}

func (s *server) handleHealth(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	bad := s.unhealthy || s.unhealthyAfter > 0 && time.Since(s.started) > s.unhealthyAfter
	s.mu.Unlock()
	if bad {
		http.Error(w, "told to be unhealthy", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// /unhealthy?on=1|0 makes /healthz fail or pass.
func (s *server) handleUnhealthy(w http.ResponseWriter, r *http.Request) {
	on := r.FormValue("on") != "0"
	s.mu.Lock()
	s.unhealthy = on
	s.mu.Unlock()
	s.log.event("warn", "health check answer changed", "unhealthy", on)
	answer(w, map[string]any{"unhealthy": on})
}

// /fail?code=N&after=D&for=D&why=TEXT: N of 400..599 is answered to every request, from
// after on and for that long (0: until /fail?code=0). N of 1..255 exits the
// process with that code.
func (s *server) handleFail(w http.ResponseWriter, r *http.Request) {
	code, after, span := whole(r, "code", 500), delay(r, "after", 0), delay(r, "for", 0)
	switch {
	case code >= 1 && code <= 255:
		s.log.event("error", "told to exit", "code", code, "after", after)
		time.AfterFunc(after+50*time.Millisecond, func() {
			s.log.trace(fmt.Sprintf("panic: told to exit with code %d", code))
			os.Exit(code)
		})
	case code == 0 || code >= 400 && code <= 599:
		s.mu.Lock()
		s.failCode, s.failFrom, s.failTo, s.failWhy = code, time.Now().Add(after), time.Time{}, r.FormValue("why")
		if span > 0 {
			s.failTo = s.failFrom.Add(span)
		}
		s.mu.Unlock()
	default:
		http.Error(w, "code: 0, 1..255 (exit) or 400..599 (answer)", http.StatusBadRequest)
		return
	}
	answer(w, map[string]any{"code": code, "after": after.String(), "for": span.String()})
}

// failing is the code that requests shall be answered with now, and why; 0 is none.
func (s *server) failing() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.failFrom) || !s.failTo.IsZero() && !now.Before(s.failTo) {
		return 0, nil
	}
	if s.failWhy != "" {
		return s.failCode, errors.New(s.failWhy)
	}
	return s.failCode, fmt.Errorf("told to answer %d", s.failCode)
}

// /eat?mb=N holds N MiB more; mb=0 lets all go.
func (s *server) handleEat(w http.ResponseWriter, r *http.Request) {
	mb := whole(r, "mb", 0)
	s.log.event("warn", "memory held changes", "mb", mb)
	s.mu.Lock()
	defer s.mu.Unlock()
	if mb == 0 {
		s.held = nil
	}
	s.hold(mb)
	answer(w, map[string]any{"held_mb": len(s.held)})
}

// hold takes mb MiB more. The caller has s.mu.
func (s *server) hold(mb int) {
	for range mb {
		page := make([]byte, 1<<20)
		for i := 0; i < len(page); i += 4096 {
			page[i] = 1 // touch it, or the kernel never gives it
		}
		s.held = append(s.held, page)
	}
	s.stats.with(func() { s.stats.held = len(s.held) << 20 })
}

// /burn?cpu=N&for=D keeps N cores busy.
func (s *server) handleBurn(w http.ResponseWriter, r *http.Request) {
	cores, span := whole(r, "cpu", 1), delay(r, "for", 10*time.Second)
	s.log.event("warn", "burning CPU", "cores", cores, "for", span)
	until := time.Now().Add(span)
	for range cores {
		go func() {
			x := 1.0
			for time.Now().Before(until) {
				for range 1 << 16 {
					x = math.Sqrt(x + 1)
				}
			}
		}()
	}
	answer(w, map[string]any{"cpu": cores, "for": span.String()})
}

// /log?lines=N&size=B&level=L writes a burst and answers when all is written.
func (s *server) handleLog(w http.ResponseWriter, r *http.Request) {
	lines, size := whole(r, "lines", 1000), whole(r, "size", 200)
	level, id := r.FormValue("level"), r.FormValue("id")
	if level == "" {
		level = "info"
	}
	if id == "" {
		id = newTrace()[:8]
	}
	start := time.Now()
	if err := s.log.burst(id, lines, size, level); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"burst": id, "lines": lines, "seconds": time.Since(start).Seconds()})
}

// /fire?on=1|0&severity=critical|warning sets the gauge lab_fire, on which an
// alert rule of the lab's Prometheus fires.
func (s *server) handleFire(w http.ResponseWriter, r *http.Request) {
	severity, on := r.FormValue("severity"), 1
	if severity == "" {
		severity = "critical"
	}
	if r.FormValue("on") == "0" {
		on = 0
	}
	s.stats.with(func() { s.stats.fire[severity] = on })
	answer(w, map[string]any{"severity": severity, "lab_fire": on})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func whole(r *http.Request, key string, otherwise int) int {
	n, err := strconv.Atoi(r.FormValue(key))
	if err != nil {
		return otherwise
	}
	return n
}

func delay(r *http.Request, key string, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(r.FormValue(key))
	if err != nil {
		return otherwise
	}
	return d
}

func newTrace() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }
