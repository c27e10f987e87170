package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// fakeLoki is a Loki in memory that can be told to misbehave. It knows selectors and line filters, the
// page limit, the ends of a range and the orders within a moment as the real one has them (lab_test.go
// holds the two together).
type fakeLoki struct {
	*httptest.Server

	mu      sync.Mutex
	entries []fakeEntry
	tails   map[*fakeTail]bool

	max atomic.Int64 // max_entries_limit_per_query
	// before may answer a request itself: true.
	before atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	// tailMode says what the tail does with a line: deliver, deliver some, or keep silent.
	tailMode atomic.Pointer[string]
	queries  atomic.Int64
	tailed   atomic.Int64 // tails opened
}

type fakeEntry struct {
	labels map[string]string
	t      int64
	line   string
}

type fakeTail struct {
	match func(fakeEntry) bool
	out   chan fakeEntry
	conn  *websocket.Conn
}

func newFake(t testing.TB) *fakeLoki {
	f := &fakeLoki{tails: map[*fakeTail]bool{}}
	f.max.Store(defaultPage)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/push", f.push)
	mux.HandleFunc("GET /loki/api/v1/query_range", f.queryRange)
	mux.HandleFunc("GET /loki/api/v1/series", f.series)
	mux.HandleFunc("GET /loki/api/v1/tail", f.tail)
	mux.HandleFunc("GET /loki/api/v1/labels", func(w http.ResponseWriter, _ *http.Request) { f.labels(w, "") })
	mux.HandleFunc("GET /loki/api/v1/label/{name}/values", func(w http.ResponseWriter, r *http.Request) { f.labels(w, r.PathValue("name")) })
	mux.HandleFunc("GET /loki/api/v1/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"fake"}`) })
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, keepsAll) })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b := f.before.Load(); b != nil && (*b)(w, r) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.dropTails()
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// onPath answers requests to paths that end so with h, and all others as usual.
func (f *fakeLoki) onPath(suffix string, h http.HandlerFunc) {
	b := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, suffix) {
			return false
		}
		h(w, r)
		return true
	}
	f.before.Store(&b)
}

func (f *fakeLoki) normal() { f.before.Store(nil) }

func (f *fakeLoki) setTail(mode string) { f.tailMode.Store(&mode) }

// closeTails closes all tails with Loki's code and words.
func (f *fakeLoki) closeTails(reason string) {
	for _, t := range f.openTails() {
		_ = t.conn.Close(websocket.StatusInternalError, reason)
	}
}

// dropTails cuts all tails without a word.
func (f *fakeLoki) dropTails() {
	for _, t := range f.openTails() {
		_ = t.conn.CloseNow()
	}
}

func (f *fakeLoki) openTails() []*fakeTail {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*fakeTail
	for t := range f.tails {
		out = append(out, t)
	}
	return out
}

func (f *fakeLoki) push(w http.ResponseWriter, r *http.Request) {
	var body struct{ Streams []pushStream }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mode := "deliver"
	if m := f.tailMode.Load(); m != nil {
		mode = *m
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range body.Streams {
		for _, v := range s.Values {
			t, _ := strconv.ParseInt(v[0].(string), 10, 64)
			f.entries = append(f.entries, fakeEntry{s.Stream, t, v[1].(string)})
		}
	}
	slices.SortStableFunc(f.entries, func(a, b fakeEntry) int { return cmp.Compare(a.t, b.t) })
	if mode != "silent" {
		for _, s := range body.Streams {
			for i, v := range s.Values {
				if mode == "some" && i%100 != 50 {
					continue
				}
				t, _ := strconv.ParseInt(v[0].(string), 10, 64)
				for k := range f.tails {
					if e := (fakeEntry{s.Stream, t, v[1].(string)}); k.match(e) {
						select {
						case k.out <- e:
						default: // as the real one: what does not fit is left out
						}
					}
				}
			}
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

var matcherRe = regexp.MustCompile("([a-zA-Z_]+)(=~|!=|!~|=)(\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)")
var filterRe = regexp.MustCompile("(\\|=|\\|~|!~)\\s*(\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)")

func compile(expr string) (func(fakeEntry) bool, error) {
	sel, rest, err := splitSelector(expr)
	if err != nil {
		return nil, err
	}
	var all []func(fakeEntry) bool
	for _, m := range matcherRe.FindAllStringSubmatch(sel, -1) {
		v, err := strconv.Unquote(m[3])
		if err != nil {
			return nil, err
		}
		re, err := regexp.Compile("^(?:" + v + ")$")
		if err != nil && len(m[2]) == 2 {
			return nil, err
		}
		all = append(all, func(e fakeEntry) bool {
			switch m[2] {
			case "=":
				return e.labels[m[1]] == v
			case "=~":
				return re.MatchString(e.labels[m[1]])
			}
			return false
		})
	}
	for _, m := range filterRe.FindAllStringSubmatch(rest, -1) {
		v, err := strconv.Unquote(m[2])
		if err != nil {
			return nil, err
		}
		re, err := regexp.Compile(v)
		if err != nil && m[1] != "|=" {
			return nil, err
		}
		all = append(all, func(e fakeEntry) bool {
			switch m[1] {
			case "|=":
				return strings.Contains(e.line, v)
			case "|~":
				return re.MatchString(e.line)
			}
			return !re.MatchString(e.line)
		})
	}
	return func(e fakeEntry) bool {
		for _, ok := range all {
			if !ok(e) {
				return false
			}
		}
		return true
	}, nil
}

func (f *fakeLoki) queryRange(w http.ResponseWriter, r *http.Request) {
	f.queries.Add(1)
	q := r.URL.Query()
	match, err := compile(q.Get("query"))
	if err != nil {
		http.Error(w, "parse error at line 1, col 1: "+err.Error(), http.StatusBadRequest)
		return
	}
	from, _ := strconv.ParseInt(q.Get("start"), 10, 64)
	to, _ := strconv.ParseInt(q.Get("end"), 10, 64)
	limit, _ := strconv.Atoi(q.Get("limit"))
	if m := int(f.max.Load()); limit > m {
		http.Error(w, fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, m), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	var hit []fakeEntry
	for _, e := range f.entries {
		if e.t >= from && e.t < to && match(e) {
			hit = append(hit, e)
		}
	}
	f.mu.Unlock()
	if q.Get("direction") != "forward" {
		slices.Reverse(hit)
	}
	hit = hit[:min(limit, len(hit))]
	writeData(w, map[string]any{"resultType": "streams", "result": grouped(hit)})
}

func grouped(es []fakeEntry) []pushStream {
	out, at := []pushStream{}, map[string]int{}
	for _, e := range es {
		k := canonical(e.labels)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, pushStream{Stream: e.labels})
		}
		out[i].Values = append(out[i].Values, []any{strconv.FormatInt(e.t, 10), e.line})
	}
	return out
}

func writeData(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data})
}

func (f *fakeLoki) series(w http.ResponseWriter, r *http.Request) {
	match, err := compile(r.URL.Query().Get("match[]"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sets := map[string]map[string]string{}
	for _, e := range f.entries {
		if match(e) {
			sets[canonical(e.labels)] = e.labels
		}
	}
	out := []map[string]string{}
	for _, s := range sets {
		out = append(out, s)
	}
	writeData(w, out)
}

func (f *fakeLoki) labels(w http.ResponseWriter, label string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := map[string]bool{}
	for _, e := range f.entries {
		for k, v := range e.labels {
			switch label {
			case "":
				set[k] = true
			case k:
				set[v] = true
			}
		}
	}
	out := []string{}
	for k := range set {
		out = append(out, k)
	}
	writeData(w, out)
}

func (f *fakeLoki) tail(w http.ResponseWriter, r *http.Request) {
	match, err := compile(r.URL.Query().Get("query"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	f.tailed.Add(1)
	t := &fakeTail{match: match, out: make(chan fakeEntry, 1000), conn: conn}
	f.mu.Lock()
	f.tails[t] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.tails, t)
		f.mu.Unlock()
	}()
	ctx := conn.CloseRead(context.Background())
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-t.out:
			es := []fakeEntry{e}
			for len(es) < 100 && len(t.out) > 0 {
				es = append(es, <-t.out)
			}
			b, _ := json.Marshal(map[string]any{"streams": grouped(es)})
			if conn.Write(ctx, websocket.MessageText, b) != nil {
				return
			}
		}
	}
}

// waitTail returns when n tails were opened in all.
func (f *fakeLoki) waitTail(t testing.TB, n int64) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for f.tailed.Load() < n {
		if time.Now().After(end) {
			t.Fatalf("%d tails were opened, waited for %d", f.tailed.Load(), n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	return websocket.Accept(w, r, nil)
}
