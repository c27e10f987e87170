package loki

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
)

// What comes instead of an answer has a kind, the server's own words, and a way out.
func TestErrorsOfAQuery(t *testing.T) {
	f := newFake(t)
	c, _ := brisk(t, f)
	for _, k := range []struct {
		name, has, next string
		status          int
		body            string
		kind            sources.Kind
	}{
		{"html", "web page", ":3100", 200, "<!doctype html><title>Grafana</title>", sources.BadAnswer},
		{"not json", "not the JSON", "", 200, "hello there", sources.BadAnswer},
		{"empty", "in the middle", "", 200, "", sources.Unreachable},
		{"truncated", "in the middle", "proxy", 200, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"a":"b"},"values":[["17`, sources.Unreachable},
		{"other shape", "", "", 200, `{"status":"success","data":{"resultType":"streams","result":{"a":1}}}`, sources.BadAnswer},
		{"prometheus", "matrix", "metrics view", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, sources.BadQuestion},
		{"time not a number", "", "", 200, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["x1","l"]]}]}}`, sources.BadAnswer},
		{"status error", "oh no", "", 200, `{"status":"error","error":"oh no"}`, sources.BadAnswer},
		{"401", "no org id", "tenant", 401, "no org id", sources.Unauthorised},
		{"401 plain", "401", "password", 401, "unauthorized", sources.Unauthorised},
		{"403", "denied", "", 403, "denied by proxy", sources.Forbidden},
		{"404 page", "nginx", ":3100", 404, "<html><title>404 nginx</title></html>", sources.NotFound},
		{"429", "outstanding", "queue is full", 429, "too many outstanding requests", sources.OverLimit},
		{"parse", "unexpected", "line 1, column 7", 400, "parse error at line 1, col 7: syntax error: unexpected STRING", sources.BadQuestion},
		{"range", "721h", "shorter", 400, "the query time range exceeds the limit (query length: 721h0m0s, limit: 30d1h)", sources.OverLimit},
		{"bytes", "too many bytes", "shorter", 400, "the query would read too many bytes (query: 1.2TB, limit: 100GB); consider adding more specific stream selectors", sources.OverLimit},
		{"series", "maximum of series", "", 400, "maximum of series (500) reached for a single query", sources.OverLimit},
		{"ring", "empty ring", "by itself", 500, "empty ring", sources.Unreachable},
		{"500", "panic", "log", 500, "panic", sources.BadAnswer},
		{"502", "bad gateway", "by itself", 502, "bad gateway", sources.Unreachable},
	} {
		t.Run(k.name, func(t *testing.T) {
			f.onPath("/query_range", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(k.status)
				fmt.Fprint(w, k.body)
			})
			p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{"web"}})
			if sources.KindOf(err) != k.kind || !strings.Contains(err.Error(), k.has) || sources.NextOf(err) == "" || !strings.Contains(sources.NextOf(err), k.next) {
				t.Errorf("kind %v: %v", sources.KindOf(err), err)
			}
			if len(p.Gaps) != 1 {
				t.Errorf("what was not read is no gap: %+v", p)
			}
		})
	}
}

func TestUnreachableAndCancelled(t *testing.T) {
	f := newFake(t)
	c, _ := brisk(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Query(ctx, sources.LogQuery{}); !errors.Is(err, context.Canceled) || sources.KindOf(err) != 0 {
		t.Errorf("cancelled by us: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	f.onPath("/query_range", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := c.Query(ctx, sources.LogQuery{}); sources.KindOf(err) != sources.Unreachable {
		t.Errorf("slow: %v", err)
	}
	f.Close()
	if _, err := c.Query(t.Context(), sources.LogQuery{}); sources.KindOf(err) != sources.Unreachable || sources.NextOf(err) == "" {
		t.Errorf("gone: %v", err)
	}
}

// An answer larger than is read into memory is an error, and no full memory.
func TestHugeAnswer(t *testing.T) {
	f := newFake(t)
	c, _ := brisk(t, f)
	line := `["1","` + strings.Repeat("x", 1<<20) + `"],`
	f.onPath("/query_range", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[`)
		for range sources.MaxAnswer>>20 + 1 {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	})
	_, err := c.Query(t.Context(), sources.LogQuery{})
	if sources.KindOf(err) != sources.BadAnswer || !errors.Is(err, sources.ErrTooLarge) {
		t.Errorf("%.300v", err)
	}
}

// A passing failure is tried again; a page that fails later gives what came before it, and a gap for the rest.
func TestRetryAndPart(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	base := time.Now().Add(-time.Minute)
	p := pushStream{Stream: labelsOf("web", taskA)}
	for i := range 7000 {
		p.Values = append(p.Values, value(base.Add(time.Duration(i)*time.Millisecond), strconv.Itoa(i)))
	}
	g.push(t, p)
	var n atomic.Int64
	fail := func(is func(n int64) bool) {
		n.Store(0)
		f.onPath("/query_range", func(w http.ResponseWriter, r *http.Request) {
			if is(n.Add(1)) {
				http.Error(w, "starting", http.StatusServiceUnavailable)
				return
			}
			f.queryRange(w, r)
		})
	}
	q := sources.LogQuery{Services: []string{"web"}, Since: base, Limit: 7000, Forward: true}
	fail(func(n int64) bool { return n == 1 })
	if page, err := c.Query(t.Context(), q); err != nil || len(page.Entries) != 7000 || page.More {
		t.Errorf("after a retry: %d entries, %v", len(page.Entries), err)
	}
	fail(func(n int64) bool { return n > 1 })
	page, err := c.Query(t.Context(), q)
	if sources.KindOf(err) != sources.Unreachable || len(page.Entries) != 4999 || len(page.Gaps) != 1 {
		t.Fatalf("a part: %d entries, gaps %v, %v", len(page.Entries), page.Gaps, err)
	}
	if want := base.Add(4999 * time.Millisecond); !page.Gaps[0].From.Equal(want) {
		t.Errorf("the gap begins at %s, not %s", page.Gaps[0].From, want)
	}
}

// A server with a lower limit says so, and is believed.
func TestLowerPageLimit(t *testing.T) {
	f := newFake(t)
	f.max.Store(100)
	c, g := brisk(t, f)
	want := map[string]int{}
	pushN(t, g, "web", "line", 1000, want)
	p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{"web"}, Limit: 5000, Until: time.Now().Add(time.Second)})
	if err != nil || p.More {
		t.Fatal(err, p.More)
	}
	checkOnce(t, p.Entries, want)
}

// One stream with more lines at one nanosecond than a page: what cannot be asked for is a gap.
func TestMomentOfOneStream(t *testing.T) {
	f := newFake(t)
	f.max.Store(100)
	c, g := brisk(t, f)
	now := time.Now().Add(-time.Second)
	p := pushStream{Stream: labelsOf("web", taskA)}
	for i := range 150 {
		p.Values = append(p.Values, value(now, strconv.Itoa(i)))
	}
	p.Values = append(p.Values, value(now.Add(1), "after"))
	g.push(t, p)
	for _, forward := range []bool{true, false} {
		page, err := c.Query(t.Context(), sources.LogQuery{Services: []string{"web"}, Forward: forward})
		if err != nil || len(page.Entries) != 101 || len(page.Gaps) != 1 || !page.Gaps[0].From.Equal(now) {
			t.Errorf("forward %v: %d entries, gaps %v, %v", forward, len(page.Entries), page.Gaps, err)
		}
	}
}

// A range longer than the server allows is read in parts.
func TestRangeOverTheLimit(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	want := map[string]int{}
	pushN(t, g, "web", "line", 10, want)
	f.onPath("/query_range", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		to, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		if time.Duration(to-from) > 721*time.Hour {
			http.Error(w, "the query time range exceeds the limit (query length: 9000h, limit: 721h)", http.StatusBadRequest)
			return
		}
		f.queryRange(w, r)
	})
	for _, forward := range []bool{true, false} {
		p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{"web"}, Since: time.Now().AddDate(-1, 0, 0), Until: time.Now().Add(time.Second), Forward: forward})
		if err != nil {
			t.Fatal(err)
		}
		checkOnce(t, p.Entries, want)
	}
}

// A Loki that does not look for levels lets all lines pass: the client filters, on over pages.
func TestLevelsWithoutLoki(t *testing.T) {
	f := newFake(t)
	f.max.Store(50)
	c, g := brisk(t, f)
	p, want, base := pushStream{Stream: labelsOf("web", taskA)}, map[string]int{}, time.Now().Add(-time.Minute)
	for i := range 500 {
		line := fmt.Sprintf("level=info i=%d", i)
		if i%50 == 0 {
			line = fmt.Sprintf("level=error i=%d", i)
			want[line]++
		}
		p.Values = append(p.Values, value(base.Add(time.Duration(i)*time.Millisecond), line))
	}
	g.push(t, p)
	q := sources.LogQuery{Services: []string{"web"}, Levels: []sources.Level{sources.LevelError}, Limit: 100}
	page, err := c.Query(t.Context(), q)
	if err != nil || page.More {
		t.Fatal(err, page.More)
	}
	checkOnce(t, page.Entries, want)
	q.Limit = 3
	if page, err = c.Query(t.Context(), q); err != nil || len(page.Entries) != 3 || !page.More || page.Entries[2].Line != "level=error i=450" {
		t.Errorf("%v %v", page, err)
	}
}

// Structured metadata and levels: what Loki says comes before what the line says.
func TestMetadata(t *testing.T) {
	f := newFake(t)
	c, _ := brisk(t, f)
	f.onPath("/query_range", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(encodingHeader) != "categorize-labels" {
			t.Error("did not ask for metadata apart")
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[
		{"values":[["3","early values"]],"stream":{"swarm_service":"web","host":"n1"}},
		{"stream":{"swarm_service":"web","host":"n1"},"values":[
		["1","error: says the line",{"structuredMetadata":{"detected_level":"info"}}],
		["2","traced",{"structuredMetadata":{"detected_level":"unknown","trace_id":"t1"},"parsed":{"code":"500"}}],
		["4","level=warn",{}]]}],"stats":{"x":[1,{"y":null}]}}}`)
	})
	p, err := c.Query(t.Context(), sources.LogQuery{Since: time.Unix(0, 1), Until: time.Unix(0, 10)})
	if err != nil || len(p.Entries) != 4 {
		t.Fatal(err, len(p.Entries))
	}
	e := p.Entries
	if e[0].Level != sources.LevelInfo || e[1].Level != sources.LevelUnknown || e[3].Level != sources.LevelWarn {
		t.Errorf("levels %v %v %v", e[0].Level, e[1].Level, e[3].Level)
	}
	if e[0].Stream != e[2].Stream || e[2].Stream != e[3].Stream || e[0].Stream.Node != "n1" {
		t.Error("one label set has several streams")
	}
	if l := e[1].Stream.Labels; l["trace_id"] != "t1" || l["code"] != "500" || l["swarm_service"] != "web" || l[detectedLevel] != "" {
		t.Errorf("labels %v", l)
	}
}

// The interner's memory is bounded, and streams in use stay the same.
func TestInternerBounds(t *testing.T) {
	n := newInterner(Labels{Service: "s"})
	n.max = 100
	key := []byte(`{"s":"used"}`)
	first, err := n.origin(key, len(key))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 * n.max {
		k := []byte(`{"s":"` + strconv.Itoa(i) + `"}`)
		if _, err := n.origin(k, len(k)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			if o, _ := n.origin(key, len(key)); o.stream != first.stream {
				t.Fatal("a stream in use was forgotten")
			}
		}
	}
	if len(n.raw)+len(n.raw2) > 2*n.max || len(n.set)+len(n.set2) > 2*n.max {
		t.Errorf("%d and %d are remembered", len(n.raw)+len(n.raw2), len(n.set)+len(n.set2))
	}
}

// Login, tenant, own headers and the CA go with requests and with the tail alike.
func TestLoginOnQueryAndTail(t *testing.T) {
	f := newFake(t)
	var asked, tailed atomic.Int64
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if user != "deck" || pass != "s3cret" || r.Header.Get("X-Scope-OrgID") != "team" || r.Header.Get("X-Extra") != "1" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		asked.Add(1)
		if strings.HasSuffix(r.URL.Path, "/tail") {
			tailed.Add(1)
		}
		f.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Access: sources.Access{Address: srv.URL + "/loki/api/v1/push", Username: "deck", Password: "s3cret", Tenant: "team",
		Headers: map[string]string{"X-Extra": "1"}, TLS: sources.TLS{CAFile: ca}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); f.dropTails() })
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	f.waitTail(t, 1)
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	if tailed.Load() != 1 || asked.Load() < 2 {
		t.Errorf("asked %d, tailed %d", asked.Load(), tailed.Load())
	}
	stranger, err := New(Options{Access: sources.Access{Address: srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Close() })
	if err := stranger.Ready(t.Context()); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(sources.NextOf(err), "ca file") {
		t.Errorf("unknown CA: %v", err)
	}
}

func TestProbeSaysWhatToDo(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	g.push(t, pushStream{map[string]string{"app": "web", "host": "n1"}, [][]any{value(time.Now(), "x")}})
	p := c.Probe(t.Context())
	if !strings.Contains(p.Fix, "sources.loki.labels.service") || !strings.Contains(p.Fix, "app, host") || p.State == sources.Live {
		t.Errorf("%+v", p)
	}
	f.onPath("", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Ingester not ready: waiting for 15s after being ready", http.StatusServiceUnavailable)
	})
	if p = c.Probe(t.Context()); p.State != sources.Reconnecting || !strings.Contains(strings.Join(p.Missing, " "), "waiting for 15s") {
		t.Errorf("%+v", p)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no address": {}, "no URL": {Access: sources.Access{Address: "loki:3100"}},
		"label": {Access: sources.Access{Address: "http://l"}, Labels: Labels{Service: `x="y"} or {`}},
		"delay": {Access: sources.Access{Address: "http://l"}, DelayFor: time.Minute},
		"no CA": {Access: sources.Access{Address: "http://l", TLS: sources.TLS{CAFile: "/does/not/exist"}}},
	} {
		if _, err := New(o); err == nil || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
