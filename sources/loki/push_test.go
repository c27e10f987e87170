package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
)

// conformPush: what was pushed is there once, found by a query and by a Follow that began before.
func conformPush(t *testing.T, g target) {
	c, run := g.client(t), unique(t)
	labels := map[string]string{"app": "quarterdeck", "run": run}
	q := sources.LogQuery{Expr: fmt.Sprintf("{app=%q, run=%q}", "quarterdeck", run)}
	k := follow(t, c, q)
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	begin := time.Now()
	var lines []sources.PushLine
	want := map[string]int{}
	// Together over what goes into one request.
	pad := strings.Repeat("x", 100<<10)
	for i := range 12 {
		l := sources.PushLine{Time: begin.Add(time.Duration(i) * time.Millisecond), Line: fmt.Sprintf(`{"seq":%d,"reason":"über <&> \u0000","pad":"%s"}`, i, pad)}
		lines, want[l.Line] = append(lines, l), 1
	}
	for range 2 { // a second time: the same lines are taken once
		if err := c.Push(t.Context(), labels, lines); err != nil {
			t.Fatal(err)
		}
	}
	k.wait(t, 30*time.Second, "the lines", hasLines(len(lines)))
	k.mu.Lock()
	checkOnce(t, k.entries, want)
	k.mu.Unlock()
	q.Since, q.Until, q.Forward, q.Limit = begin, begin.Add(time.Minute), true, 100
	page, err := c.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	checkOnce(t, page.Entries, want)
	for i, e := range page.Entries {
		if !e.Time.Equal(lines[i].Time) || e.Line != lines[i].Line {
			t.Errorf("line %d: %s %.40s", i, e.Time, e.Line)
		}
	}
}

func TestPushIsRefusedBeforeItIsSent(t *testing.T) {
	f := newFake(t)
	f.onPath(pushPath, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	c := httpTarget(f.URL).client(t)
	now := time.Now()
	ok := map[string]string{"app": "quarterdeck"}
	for what, p := range map[string]struct {
		labels map[string]string
		lines  []sources.PushLine
	}{
		"no labels":    {nil, []sources.PushLine{{Time: now}}},
		"a bad label":  {map[string]string{"a-b": "c"}, []sources.PushLine{{Time: now}}},
		"no time":      {ok, []sources.PushLine{{Line: "x"}}},
		"out of order": {ok, []sources.PushLine{{Time: now}, {Time: now.Add(-1)}}},
	} {
		if err := c.Push(t.Context(), p.labels, p.lines); sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := c.Push(t.Context(), ok, nil); err != nil {
		t.Errorf("nothing to push: %v", err)
	}
}

func TestPushBadDays(t *testing.T) {
	lines := []sources.PushLine{{Time: time.Now(), Line: "x"}}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   sources.Kind
		says   string
		asked  int64
	}{
		{"too old", 400, "entry for stream '{}' has timestamp too old: 2020-01-01T00:00:00Z", sources.BadQuestion, "timestamp too old", 1},
		{"too long", 400, "Max entry size '262144' bytes exceeded for stream '{}' while adding an entry with length '300000' bytes", sources.OverLimit, "300000", 1},
		{"too fast", 429, "ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)", sources.OverLimit, "ingestion_rate_mb", 1},
		{"starting", 503, "empty ring", sources.Unreachable, "empty ring", tries},
		{"ingesters away", 500, "at least 1 live replicas required: too many unhealthy instances in the ring", sources.Unreachable, "by itself", tries},
		{"no login", 401, "", sources.Unauthorised, "password or token", 1},
		{"not allowed", 403, "", sources.Forbidden, "do not allow", 1},
		{"no writing", 405, "Method Not Allowed", sources.Forbidden, "takes pushes", 1},
		{"another server", 404, "404 page not found", sources.NotFound, "address", 1},
		{"a login page", 200, "<html><title>log in</title>", sources.BadAnswer, "web page", 1},
		{"a wonder", 500, "oh", sources.BadAnswer, "own log", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked atomic.Int64
			f := newFake(t)
			f.onPath(pushPath, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			c := httpTarget(f.URL).client(t)
			c.pace.retry = time.Millisecond
			err := c.Push(t.Context(), map[string]string{"app": "q"}, lines)
			if sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" || !strings.Contains(err.Error(), tc.says) || asked.Load() != tc.asked {
				t.Errorf("%v, asked %d times", err, asked.Load())
			}
		})
	}
}

func TestPushTriesAgain(t *testing.T) {
	var asked atomic.Int64
	f := newFake(t)
	b := func(w http.ResponseWriter, _ *http.Request) bool {
		if asked.Add(1) < tries {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	f.before.Store(&b)
	c := httpTarget(f.URL).client(t)
	c.pace.retry = time.Millisecond
	if err := c.Push(t.Context(), map[string]string{"app": "q"}, []sources.PushLine{{Time: time.Now(), Line: "x"}}); err != nil || asked.Load() != tries || len(f.entries) != 1 {
		t.Errorf("%v, asked %d times, %d entries", err, asked.Load(), len(f.entries))
	}
}

// A redirect that turns the push into a question must not look like a success.
func TestPushDoesNotGetLostInARedirect(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/login":
		case strings.HasPrefix(r.URL.Path, "/kept"):
			b, _ := io.ReadAll(r.Body)
			got = r.Method + string(b)
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "/kept"+pushPath, http.StatusPermanentRedirect)
		default:
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	defer s.Close()
	push := func(address string) error {
		return httpTarget(address).client(t).Push(t.Context(), map[string]string{"app": "q"}, []sources.PushLine{{Time: time.Unix(1, 5), Line: "x"}})
	}
	if err := push(s.URL); sources.KindOf(err) != sources.BadAnswer || !strings.Contains(err.Error(), "/login") {
		t.Error(err)
	}
	if err := push(s.URL + "/moved"); err != nil || got != `POST{"streams":[{"stream":{"app":"q"},"values":[["1000000005","x"]]}]}` {
		t.Errorf("%v, %s", err, got)
	}
}

func TestPushAwayAndGivenUp(t *testing.T) {
	lines, labels := []sources.PushLine{{Time: time.Now(), Line: "geheime zeile"}}, map[string]string{"app": "q"}
	c, err := New(Options{Access: sources.Access{Address: "http://u:geheim@127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.pace.retry = time.Millisecond
	if err := c.Push(t.Context(), labels, lines); sources.KindOf(err) != sources.Unreachable || strings.Contains(err.Error(), "geheim") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Push(ctx, labels, lines); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPushSplits(t *testing.T) {
	var sizes []int
	total := 0
	f := newFake(t)
	f.onPath(pushPath, func(w http.ResponseWriter, r *http.Request) {
		var b pushBody
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			t.Error(err)
		}
		size := 0
		for _, v := range b.Streams[0].Values {
			size += len(v[1])
		}
		sizes = append(sizes, size)
		total += len(b.Streams[0].Values)
		w.WriteHeader(http.StatusNoContent)
	})
	var lines []sources.PushLine
	for i := range 9 {
		lines = append(lines, sources.PushLine{Time: time.Unix(100, int64(i)), Line: strings.Repeat("x", 300<<10)})
	}
	lines[4].Line = strings.Repeat("y", 2*pushBytes) // larger than a request alone: Loki shall judge
	if err := httpTarget(f.URL).client(t).Push(t.Context(), map[string]string{"app": "q"}, lines); err != nil || total != 9 {
		t.Error(err, total)
	}
	if len(sizes) != 5 || sizes[2] != 2*pushBytes {
		t.Errorf("%v", sizes)
	}
	for i, s := range sizes {
		if s > pushBytes && i != 2 {
			t.Errorf("%v", sizes)
		}
	}
}
