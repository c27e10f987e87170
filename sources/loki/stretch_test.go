package loki

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quarterdeck/sources"
)

// TestStretches: a page is looked for in a stretch of the range at first, and then in one that has held such a page; what comes is what one
// question for all of it would have given.
func TestStretches(t *testing.T) {
	f := newFake(t)
	now := time.Now().Truncate(time.Second)
	add := func(service string, at time.Time, line string) {
		f.entries = append(f.entries, fakeEntry{map[string]string{"swarm_service": service}, at.UnixNano(), line})
	}
	for i := range 600 { // an hour with a line each six seconds, and a day before it with a line an hour
		add("dense", now.Add(-time.Duration(i)*6*time.Second), fmt.Sprint("line ", i))
	}
	for i := range 24 {
		add("sparse", now.Add(-time.Duration(i)*time.Hour), fmt.Sprint("line ", i))
	}
	slices.SortFunc(f.entries, func(a, b fakeEntry) int { return cmp.Compare(a.t, b.t) })
	var asked []time.Duration
	l, other := httpTarget(f.URL).client(t), httpTarget(f.URL).client(t)
	h := func(_ http.ResponseWriter, r *http.Request) bool {
		from, err := strconv.ParseInt(r.FormValue("start"), 10, 64)
		to, err2 := strconv.ParseInt(r.FormValue("end"), 10, 64)
		if err == nil && err2 == nil {
			asked = append(asked, time.Duration(to-from))
		}
		return false
	}
	f.before.Store(&h)
	page := func(service string, limit int) sources.LogPage {
		t.Helper()
		asked = nil
		p, err := l.Query(t.Context(), sources.LogQuery{Services: []string{service}, Since: now.Add(-24 * time.Hour), Until: now.Add(1), Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for i, want := range [][]time.Duration{{firstStretch}, {2 * 49 * 6 * time.Second}} {
		if p := page("dense", 50); len(p.Entries) != 50 || !p.More || !slices.Equal(asked, want) {
			t.Errorf("page %d: %d lines, more %t, asked for %v, want %v", i, len(p.Entries), p.More, asked, want)
		}
	}
	for _, want := range []int{4, 1} { // 15m, 2h, 16h, what is left; then all of it
		if p := page("sparse", 50); len(p.Entries) != 24 || p.More || len(asked) != want {
			t.Errorf("%d lines, more %t, asked for %v", len(p.Entries), p.More, asked)
		}
	}
	asked = nil
	short := sources.LogQuery{Services: []string{"sparse"}, Since: now.Add(-shortRange + time.Minute), Until: now.Add(1), Limit: 40}
	if p, err := l.Query(t.Context(), short); err != nil || len(p.Entries) != 2 || len(asked) != 1 {
		t.Errorf("a short range: %d lines, %v, asked for %v", len(p.Entries), err, asked)
	}
	rapid.Check(t, func(r *rapid.T) {
		q := sources.LogQuery{Services: rapid.SampledFrom([][]string{{"dense"}, {"sparse"}, {"dense", "sparse"}}).Draw(r, "services"), Forward: rapid.Bool().Draw(r, "forward"),
			Limit: rapid.IntRange(1, 700).Draw(r, "limit"), Since: now.Add(-time.Duration(rapid.IntRange(1, 86400).Draw(r, "since")) * time.Second), Until: now.Add(1)}
		got, err := l.Query(t.Context(), q)
		if err != nil {
			r.Fatal(err)
		}
		whole := q
		whole.Limit = 700
		all, err := other.Query(t.Context(), whole)
		if err != nil || all.More {
			r.Fatal(err, all.More)
		}
		want, more := all.Entries, len(all.Entries) > q.Limit
		if more && q.Forward {
			want = want[:q.Limit]
		} else if more {
			want = want[len(want)-q.Limit:]
		}
		if !slices.EqualFunc(got.Entries, want, func(a, b sources.Entry) bool { return a.Time.Equal(b.Time) && a.Line == b.Line }) || got.More != more {
			r.Fatalf("%d lines, more %t; want %d, %t\n%v\n%v", len(got.Entries), got.More, len(want), more, got.Entries, want)
		}
	})
}
