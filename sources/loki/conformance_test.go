package loki

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
)

// target is a Loki that the suite can write to: the fake, or the real one.
type target struct {
	addr string
	page int // the server's max_entries_limit_per_query
	tune func(*pace)
}

func httpTarget(addr string) target {
	return target{addr: addr, page: defaultPage, tune: func(*pace) {}}
}

type pushStream struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

// push writes and waits for the server's word that it has it.
func (g target) push(t testing.TB, streams ...pushStream) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"streams": streams})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, g.addr+"/loki/api/v1/push", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // no idle connection is left behind
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("push: %d %s", resp.StatusCode, text)
	}
}

func (g target) client(t testing.TB) *Client {
	t.Helper()
	c, err := New(Options{Access: sources.Access{Address: g.addr}})
	if err != nil {
		t.Fatal(err)
	}
	g.tune(&c.pace)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// unique is a service name that nobody used before.
func unique(t testing.TB) string {
	return fmt.Sprintf("qdt-%s-%d", strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())), time.Now().UnixNano())
}

func value(t time.Time, line string) []any {
	return []any{strconv.FormatInt(t.UnixNano(), 10), line}
}

func labelsOf(service, task string) map[string]string {
	return map[string]string{"swarm_service": service, "host": "node1", "container_name": service + ".1." + task}
}

const taskA, taskB, taskC = "aaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbb", "ccccccccccccccccccccccccc"

// collector gathers what Follow emits, and says when a condition over it holds.
type collector struct {
	mu      sync.Mutex
	entries []sources.Entry
	gaps    []sources.Gap
	states  []sources.Status
	changed chan struct{}
}

func newCollector() *collector { return &collector{changed: make(chan struct{}, 1)} }

func (k *collector) emit(b sources.LogBatch) {
	k.mu.Lock()
	k.entries = append(k.entries, b.Entries...)
	if b.Gap != nil {
		k.gaps = append(k.gaps, *b.Gap)
	}
	if b.Status != nil {
		k.states = append(k.states, *b.Status)
	}
	k.mu.Unlock()
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// wait returns when ok holds, and fails the test after limit.
func (k *collector) wait(t testing.TB, limit time.Duration, what string, ok func(k *collector) bool) {
	t.Helper()
	end := time.After(limit)
	for {
		k.mu.Lock()
		done := ok(k)
		n, states := len(k.entries), fmt.Sprint(k.states)
		k.mu.Unlock()
		if done {
			return
		}
		select {
		case <-k.changed:
		case <-end:
			t.Fatalf("waited %s for %s; %d entries, states %s", limit, what, n, states)
		}
	}
}

func hasLines(n int) func(*collector) bool {
	return func(k *collector) bool { return len(k.entries) >= n }
}

func inState(s sources.State) func(*collector) bool {
	return func(k *collector) bool { return len(k.states) > 0 && k.states[len(k.states)-1].State == s }
}

// follow starts a Follow that the test's end ends.
func follow(t testing.TB, c *Client, q sources.LogQuery) *collector {
	t.Helper()
	k := newCollector()
	followInto(t, c, q, k.emit)
	return k
}

func followInto(t testing.TB, c *Client, q sources.LogQuery, emit func(sources.LogBatch)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, q, emit) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow returned %v", err)
		}
	})
}

// checkOnce fails unless the lines are exactly want, each as often as there, and in order within each stream.
func checkOnce(t testing.TB, got []sources.Entry, want map[string]int) {
	t.Helper()
	n := map[string]int{}
	last, disorder, where := map[*sources.Stream]time.Time{}, 0, ""
	for _, e := range got {
		n[e.Line]++
		if e.Time.Before(last[e.Stream]) {
			disorder++
			where = fmt.Sprintf("%s after %s", e.Time, last[e.Stream])
		}
		last[e.Stream] = e.Time
	}
	lost, doubled := 0, 0
	for l, w := range want {
		switch {
		case n[l] < w:
			lost += w - n[l]
		case n[l] > w:
			doubled += n[l] - w
		}
	}
	for l := range n {
		if want[l] == 0 {
			t.Fatalf("a line that was not written: %.80q", l)
		}
	}
	if lost > 0 || doubled > 0 || disorder > 0 {
		t.Fatalf("of %d lines %d lost, %d doubled, %d out of order within their stream: %s", len(want), lost, doubled, disorder, where)
	}
}

func inOrder(t testing.TB, es []sources.Entry) {
	t.Helper()
	for i := 1; i < len(es); i++ {
		if es[i].Time.Before(es[i-1].Time) {
			t.Fatalf("entry %d of %s after %s", i, es[i].Time, es[i-1].Time)
		}
	}
}

// conformance is what a Loki and this client must do together, whoever the Loki is.
func conformance(t *testing.T, g target) {
	t.Run("pages", func(t *testing.T) { conformPages(t, g) })
	t.Run("equal times over pages", func(t *testing.T) { conformEqualTimes(t, g) })
	t.Run("ends", func(t *testing.T) { conformEnds(t, g) })
	t.Run("filters", func(t *testing.T) { conformFilters(t, g) })
	t.Run("labels and volume", func(t *testing.T) { conformVolume(t, g) })
	t.Run("follow", func(t *testing.T) { conformFollow(t, g) })
	t.Run("follow from before", func(t *testing.T) { conformBacklog(t, g) })
	t.Run("burst", func(t *testing.T) { conformBurst(t, g) })
	t.Run("push", func(t *testing.T) { conformPush(t, g) })
	t.Run("errors", func(t *testing.T) { conformErrors(t, g) })
	t.Run("facets", func(t *testing.T) { conformFacets(t, g) })
	t.Run("patterns", func(t *testing.T) { conformPatterns(t, g) })
	t.Run("horizon", func(t *testing.T) { conformHorizon(t, g) })
	t.Run("complete", func(t *testing.T) { conformComplete(t, g) })
}

// conformPages: more lines than a page, both ways, More honest.
func conformPages(t *testing.T, g target) {
	s, n, c := unique(t), 2*g.page+2001, g.client(t)
	base := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	want := map[string]int{}
	for p := 0; p < n; p += 3000 {
		a, b := pushStream{Stream: labelsOf(s, taskA)}, pushStream{Stream: labelsOf(s, taskB)}
		for i := p; i < min(p+3000, n); i++ {
			line := fmt.Sprintf("level=info msg=line i=%d", i)
			want[line]++
			v := value(base.Add(time.Duration(i)*time.Millisecond), line)
			if i%3 == 0 {
				b.Values = append(b.Values, v)
			} else {
				a.Values = append(a.Values, v)
			}
		}
		g.push(t, a, b)
	}
	for _, forward := range []bool{true, false} {
		for _, limit := range []int{n, n + 1, n - 1, g.page, g.page + 1, 10} {
			p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{s}, Since: base, Until: base.Add(time.Minute), Limit: limit, Forward: forward})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Entries) != min(limit, n) || p.More != (limit < n) {
				t.Fatalf("forward %v limit %d: %d entries, more %v", forward, limit, len(p.Entries), p.More)
			}
			inOrder(t, p.Entries)
			first := base
			if !forward {
				first = base.Add(time.Duration(n-len(p.Entries)) * time.Millisecond)
			}
			if !p.Entries[0].Time.Equal(first) {
				t.Fatalf("forward %v limit %d begins at %s, not %s", forward, limit, p.Entries[0].Time, first)
			}
			if limit >= n {
				checkOnce(t, p.Entries, want)
			}
		}
	}
}

// conformEqualTimes: several streams with equal times over page boundaries, and a moment that fills pages.
func conformEqualTimes(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	base := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	want, n := map[string]int{}, 0
	var streams []pushStream
	for k := range 6 {
		p := pushStream{Stream: labelsOf(s, strings.Repeat(string(rune('a'+k)), 25))}
		for i := range g.page / 2 { // lines for three pages at one nanosecond
			line := fmt.Sprintf("moment stream=%d i=%d", k, i)
			p.Values = append(p.Values, value(base, line))
			want[line]++
		}
		for i := range g.page / 5 { // and times with a line of each stream
			line := fmt.Sprintf("after stream=%d i=%d", k, i)
			p.Values = append(p.Values, value(base.Add(time.Duration(i+1)*time.Millisecond), line))
			want[line]++
		}
		n += len(p.Values)
		streams = append(streams, p)
	}
	g.push(t, streams...)
	for _, forward := range []bool{true, false} {
		p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{s}, Since: base, Until: base.Add(time.Minute), Limit: 2 * n, Forward: forward})
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, p.Entries)
		checkOnce(t, p.Entries, want)
		if p.More || len(p.Gaps) > 0 {
			t.Fatalf("more %v, gaps %v", p.More, p.Gaps)
		}
	}
}

// conformEnds: since is inclusive, until exclusive.
func conformEnds(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	base := time.Now().Add(-time.Minute).Truncate(time.Second)
	g.push(t, pushStream{labelsOf(s, taskA), [][]any{value(base, "first"), value(base.Add(1), "second"), value(base.Add(2), "third")}})
	for _, forward := range []bool{true, false} {
		p, err := c.Query(t.Context(), sources.LogQuery{Services: []string{s}, Since: base, Until: base.Add(2), Forward: forward})
		if err != nil {
			t.Fatal(err)
		}
		checkOnce(t, p.Entries, map[string]int{"first": 1, "second": 1})
		st := p.Entries[0].Stream
		if st.Service != s || st.Task != taskA || st.Node != "node1" || st.Source != "loki" || p.Entries[1].Stream != st {
			t.Fatalf("stream %+v", st)
		}
	}
}

func conformFilters(t *testing.T, g target) {
	s, c := unique(t)+".x|y", g.client(t)
	base := time.Now().Add(-time.Minute).Truncate(time.Second)
	lines := []string{"level=info msg=\"it's `fine` \\ today\"", "level=error msg=boom", "level=warn msg=\"say \\\"hi\\\"\"", "panic: at the disco", "plain"}
	var v [][]any
	for i, l := range lines {
		v = append(v, value(base.Add(time.Duration(i)), l))
	}
	g.push(t, pushStream{labelsOf(s, taskA), v}, pushStream{labelsOf(s+"2", taskB), [][]any{value(base, "other")}})
	for _, k := range []struct {
		q    sources.LogQuery
		want []int
	}{
		{sources.LogQuery{Services: []string{s}}, []int{0, 1, 2, 3, 4}},
		{sources.LogQuery{Services: []string{s, "nobody"}}, []int{0, 1, 2, 3, 4}},
		{sources.LogQuery{Services: []string{s}, Contains: "`fine` \\ to"}, []int{0}},
		{sources.LogQuery{Services: []string{s}, Contains: `"hi`}, []int{2}},
		{sources.LogQuery{Services: []string{s}, Contains: `\"hi`}, []int{2}},
		{sources.LogQuery{Services: []string{s}, Regexp: `boom$|\bdisco`}, []int{1, 3}},
		{sources.LogQuery{Services: []string{s}, Exclude: "boom|`|hi", Regexp: "."}, []int{3, 4}},
		{sources.LogQuery{Services: []string{s}, Levels: []sources.Level{sources.LevelError, sources.LevelWarn}}, []int{1, 2}},
		{sources.LogQuery{Services: []string{s}, Tasks: []string{taskA}}, []int{0, 1, 2, 3, 4}},
		{sources.LogQuery{Services: []string{s}, Tasks: []string{taskB}}, nil},
		{sources.LogQuery{Expr: "{swarm_service=" + quote(s) + "} |= `boom` # why", Contains: "level"}, []int{1}},
	} {
		k.q.Since, k.q.Until = base, base.Add(time.Second)
		p, err := c.Query(t.Context(), k.q)
		if err != nil {
			t.Fatalf("%s: %v", c.Explain(k.q), err)
		}
		want := map[string]int{}
		for _, i := range k.want {
			want[lines[i]]++
		}
		if len(p.Entries) != len(k.want) {
			t.Errorf("%s: %d lines, want %d", c.Explain(k.q), len(p.Entries), len(k.want))
			continue
		}
		checkOnce(t, p.Entries, want)
	}
}

func conformVolume(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	base := time.Now().Add(-3 * time.Minute).Truncate(time.Second)
	var v [][]any
	for i := range 90 { // one line a second, every third an error; the first on the range's own beginning
		l := fmt.Sprintf("level=info i=%d", i)
		if i%3 == 0 {
			l = fmt.Sprintf("level=error i=%d", i)
		}
		v = append(v, value(base.Add(time.Duration(i)*time.Second), l))
	}
	g.push(t, pushStream{labelsOf(s, taskA), v})
	const step = 20 * time.Second
	points, err := c.Volume(t.Context(), sources.LogQuery{Services: []string{s}, Since: base, Until: base.Add(85 * time.Second)}, step)
	if err != nil {
		t.Fatal(err)
	}
	sum, want := map[sources.Level]float64{}, map[int64]float64{}
	for i := range 85 {
		want[base.Add(time.Duration(i)*time.Second).Truncate(step).Unix()]++
	}
	for _, p := range points {
		all := 0.0
		for l, n := range p.Counts {
			sum[l] += n
			all += n
		}
		if all != want[p.Time.Unix()] {
			t.Errorf("step at %s has %v lines, want %v", p.Time.Sub(base), all, want[p.Time.Unix()])
		}
	}
	if len(points) != len(want) || sum[sources.LevelError] != 29 || sum[sources.LevelInfo] != 56 {
		t.Errorf("%d points, sums %v", len(points), sum)
	}
	rates, err := c.Rates(t.Context(), base.Add(90*time.Second), 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if r := rates[s] * 90; r < 28.5 || r > 30.5 {
		t.Errorf("rate says %v errors, want 29 or 30", r)
	}
	lines, err := c.LineRates(t.Context(), base.Add(90*time.Second), 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if r := lines[s] * 90; r < 84.5 || r > 90.5 {
		t.Errorf("rate says %v lines, want about %v", r, sum[sources.LevelError]+sum[sources.LevelInfo])
	}
	names, err := c.Labels(t.Context(), "", base, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	values, err := c.Labels(t.Context(), "swarm_service", base, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !contains(names, "swarm_service") || !contains(values, s) {
		t.Errorf("labels %v, values %v", names, values)
	}
	if p := c.Probe(t.Context()); p.State != sources.Live || !strings.Contains(strings.Join(p.Allows, ","), "tail") {
		t.Errorf("probe %+v", p)
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func conformFollow(t *testing.T, g target) {
	s, c := unique(t), g.client(t)
	k := follow(t, c, sources.LogQuery{Services: []string{s}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	want := map[string]int{}
	for i := range 5 {
		line := fmt.Sprintf("live %d", i)
		want[line]++
		g.push(t, pushStream{labelsOf(s, taskA), [][]any{value(time.Now(), line)}})
		began := time.Now()
		k.wait(t, 20*time.Second, line, hasLines(i+1))
		t.Logf("line %d shown after %s", i, time.Since(began).Round(time.Millisecond))
	}
	// A stream that was cut off sends what it kept, older than what was shown.
	late := pushStream{Stream: labelsOf(s, taskB)}
	for i := range 10 {
		line := fmt.Sprintf("late %d", i)
		want[line]++
		late.Values = append(late.Values, value(k.first().Add(time.Duration(i+1)), line))
	}
	g.push(t, late)
	k.wait(t, 30*time.Second, "late lines", hasLines(len(want)))
	k.mu.Lock()
	defer k.mu.Unlock()
	checkOnce(t, k.entries, want)
}

func (k *collector) first() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.entries[0].Time
}

// conformBacklog: from a moment in the past on, over pages, then live.
func conformBacklog(t *testing.T, g target) {
	s, n, c := unique(t), g.page+2000, g.client(t)
	base := time.Now().Add(-5 * time.Minute)
	want := map[string]int{}
	p := pushStream{Stream: labelsOf(s, taskA)}
	for i := range n {
		line := fmt.Sprintf("back %d", i)
		want[line]++
		p.Values = append(p.Values, value(base.Add(time.Duration(i)*time.Millisecond), line))
	}
	g.push(t, p)
	k := follow(t, c, sources.LogQuery{Services: []string{s}, Since: base})
	k.wait(t, 20*time.Second, "backlog", hasLines(n))
	want["now"]++
	g.push(t, pushStream{labelsOf(s, taskA), [][]any{value(time.Now(), "now")}})
	k.wait(t, 20*time.Second, "a new line", hasLines(n+1))
	k.mu.Lock()
	defer k.mu.Unlock()
	inOrder(t, k.entries)
	checkOnce(t, k.entries, want)
}

// conformBurst: ten pages of lines (50,000) of three streams in half a second arrive whole, once and in order.
func conformBurst(t *testing.T, g target) {
	s, n, c := unique(t), 10*g.page, g.client(t)
	k := follow(t, c, sources.LogQuery{Services: []string{s}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	want := map[string]int{}
	began := time.Now()
	for _, task := range []string{taskA, taskB, taskC} {
		for p := 0; p < n/3+1; p += 2000 {
			b := pushStream{Stream: labelsOf(s, task)}
			for i := p; i < min(p+2000, n/3+1); i++ {
				line := fmt.Sprintf("burst of %s i=%06d level=info msg=\"a line of a usual length, with some words to carry\"", task[:1], i)
				want[line]++
				// Every 10 lines of all streams share a time.
				b.Values = append(b.Values, value(began.Add(time.Duration(i/10)*100*time.Microsecond), line))
			}
			g.push(t, b)
		}
	}
	pushed := time.Since(began)
	k.wait(t, 4*time.Minute, "the burst", hasLines(len(want)))
	t.Logf("%d lines pushed in %s, all there after %s", len(want), pushed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	k.mu.Lock()
	defer k.mu.Unlock()
	checkOnce(t, k.entries, want)
}

func conformErrors(t *testing.T, g target) {
	c := g.client(t)
	for _, expr := range []string{`{swarm_service="x"`, `{swarm_service=~".+"} | `, `sum(rate({a="b"}[1m]))`, `{swarm_service=~".*"}`, "nonsense"} {
		_, err := c.QueryRaw(t.Context(), expr, time.Time{}, time.Time{}, 10, false)
		if sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
