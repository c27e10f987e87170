//go:build unix

package autoscale

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/prometheus"
)

// promised answers as Prometheus does, over HTTP: each service has the same figure at each moment that is asked for.
type promised struct {
	*httptest.Server
	asked atomic.Int64
}

// promise makes a server for the services of many. Its answers are made beforehand but for the times in them, so that what is measured is mostly who asks.
func promise(tb testing.TB, services int) *promised {
	tb.Helper()
	series := func(value func(i int) string) []string {
		out := make([]string, services)
		for i := range out {
			out[i] = fmt.Sprintf(`{"metric":{%q:"service-%d"},"values":[`, label, i) + "\x00" + value(i) + "\x01]}"
		}
		return out
	}
	used := series(func(i int) string { return []string{"1.8000000001", "0.3000000001", "2.9999999999"}[i%3] })
	counted := series(func(int) string { return "3" })
	own := `{"metric":{},"values":[` + "\x00" + "2.5" + "\x01]}"
	p := &promised{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		kind, query := "matrix", r.FormValue("query")
		list := []string{own}
		switch {
		case strings.HasSuffix(r.URL.Path, "/query"):
			kind, list = "vector", []string{`{"metric":{},"value":[` + r.FormValue("time") + `,"` + r.FormValue("time") + `"]}`}
		case strings.HasPrefix(query, "count by"):
			list = counted
		case strings.Contains(query, "container_"):
			list = used
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"` + kind + `","result":[` + at(strings.Join(list, ","), r.FormValue("start"), r.FormValue("end")) + `]}}`))
	}))
	tb.Cleanup(p.Close)
	return p
}

// at puts the moments of a window into an answer.
func at(text, start, end string) string {
	from, err := strconv.ParseFloat(start, 64)
	to, err2 := strconv.ParseFloat(end, 64)
	if err != nil || err2 != nil {
		return text
	}
	var out strings.Builder
	for before, rest, ok := strings.Cut(text, "\x00"); ; before, rest, ok = strings.Cut(rest, "\x00") {
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		value, after, _ := strings.Cut(rest, "\x01")
		for t := from; t <= to; t += Every.Seconds() {
			if t > from {
				out.WriteByte(',')
			}
			out.WriteString("[" + strconv.FormatFloat(t, 'f', -1, 64) + `,"` + value + `"]`)
		}
		rest = after
	}
}

// promisedFeed is a console's feed for so many services with policies, by the client that asks a real Prometheus; of the services a tenth part each follows a query of its own where
// queries is set. Its clock is the caller's.
func promisedFeed(tb testing.TB, services int, queries bool) (f *Feed, now *time.Time, asked *atomic.Int64) {
	tb.Helper()
	snap, _ := many(tb, services)
	if queries {
		for i, s := range snap.Services {
			if i%10 == 0 {
				s.Labels[LabelQuery], s.Labels[LabelTarget] = fmt.Sprintf("lag{queue=%q}", s.Name), "10/replica"
			}
		}
	}
	server := promise(tb, services)
	c, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: server.URL}, ServiceLabel: label, ScrapeInterval: 5 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	moment := noon
	return &Feed{Fleet: func() *fleet.Snapshot { return snap }, Metrics: c, Timeout: time.Minute, Now: func() time.Time { return moment }}, &moment, &server.asked
}

// round decides once, half a minute after the last time, and holds that something was decided about all.
func round(tb testing.TB, f *Feed, now *time.Time, services int) {
	*now = now.Add(Every)
	f.Once(tb.Context())
	a := f.Advice()
	if len(a.Decisions) != services || a.NoBeat != "" || a.Decisions["service-2"].Limit == ByMissing {
		tb.Fatalf("%d decisions; %s; %+v", len(a.Decisions), a.NoBeat, a.Decisions["service-2"])
	}
}

// TestFeedAsksLittle: a thousand services cost a round of three questions over HTTP (CPU, tasks, the heartbeat), and one more for each query of their own.
func TestFeedAsksLittle(t *testing.T) {
	for _, queries := range []bool{false, true} {
		f, now, asked := promisedFeed(t, 1000, queries)
		for range 2 {
			before := asked.Load()
			round(t, f, now, 1000)
			if n, want := asked.Load()-before, map[bool]int64{false: 3, true: 103}[queries]; n != want {
				t.Errorf("queries of their own %v: %d questions, want %d", queries, n, want)
			}
		}
	}
}

// BenchmarkFeed is one round of the console for a thousand services with policies, over HTTP: the first, which decides for the last minutes as well, and those that follow each half minute.
// cpu-ms is of the whole process, the answering server in it.
func BenchmarkFeed(b *testing.B) {
	const services = 1000
	for _, x := range []struct {
		name           string
		queries, first bool
	}{{"next", false, false}, {"next-100-queries", true, false}, {"first", false, true}} {
		b.Run(x.name, func(b *testing.B) {
			f, now, asked := promisedFeed(b, services, x.queries)
			round(b, f, now, services)
			b.ReportAllocs()
			before, spent := asked.Load(), cpu()
			for b.Loop() {
				if x.first {
					*now = now.Add(time.Hour)
				}
				round(b, f, now, services)
			}
			b.ReportMetric(float64(asked.Load()-before)/float64(b.N), "questions/op")
			b.ReportMetric((cpu()-spent).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpu is what the process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
