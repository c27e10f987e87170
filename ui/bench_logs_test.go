package ui

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
)

// benchLog makes n lines of 180 bytes as services write them.
func benchLog(n int) []sources.Entry {
	levels := [...]sources.Level{sources.LevelInfo, sources.LevelInfo, sources.LevelWarn, sources.LevelError}
	streams := [...]*sources.Stream{{Service: "shop_payments", Task: "t1", Node: "node2", Source: "loki"}, {Service: "shop_payments", Task: "t2", Node: "node1", Source: "loki"}}
	out := make([]sources.Entry, n)
	for i := range out {
		line := fmt.Sprintf(`level=%s msg="request served" method=GET path=/api/orders/%06d status=200 took=%dms trace=%016x`, levels[i%4], i, i%900, i*7919)
		line += strings.Repeat("x", max(175-len(line), 0)) + " done"
		out[i] = sources.Entry{Line: line, Level: levels[i%4], Stream: streams[i%2]}
	}
	return out
}

// torrent is a source of logs that gives so many lines a second, as long as it is followed, or with most that many lines, as fast
// as they are taken. The lines are made beforehand: of each only its time is set.
type torrent struct {
	stub
	rate  int // 0: as fast as they are taken
	most  int64
	given atomic.Int64
	began atomic.Int64 // UnixNano of the first
}

func (t *torrent) Follow(ctx context.Context, _ sources.LogQuery, emit func(sources.LogBatch)) error {
	batch := benchLog(2000)
	emit(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Live}})
	began := time.Now()
	t.began.Store(began.UnixNano())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		want := int64(math.MaxInt64)
		if t.rate > 0 {
			want = int64(time.Since(began).Seconds() * float64(t.rate))
		}
		if t.most > 0 {
			want = min(want, t.most)
		}
		for t.given.Load() < want && ctx.Err() == nil {
			from := t.given.Load()
			for i := range batch {
				batch[i].Time = began.Add(time.Duration(from+int64(i)) * time.Second / time.Duration(max(t.rate, 1e6)))
			}
			emit(sources.LogBatch{Entries: batch})
			t.given.Add(int64(len(batch)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// BenchmarkKeyToPaint is from a key's byte on the input until the frame that answers it is written to the
// terminal, through the whole program (160x48, the log view, 300 services), while 200,000 lines a second come
// in by the feed and the pane is full: each 180 bytes, 24 MiB kept. b.N is the number of keys, 27 a second.
func BenchmarkKeyToPaint(b *testing.B) {
	for _, c := range []struct{ name, before, keys string }{
		{"scroll", "", "kkjkkGkjJKkk"},
		{"filtered", "/status=200\r", "kkjkkGkjJKkk"},
		{"typing", "/", "took=8\x7f\x7f\x7f\x7f\x7f\x7f"},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkKeys(b, 200000, c.before, c.keys) })
	}
}

// BenchmarkIngest is KeyToPaint with 500,000 lines a second offered, and a filter on: warnings and worse (L L) that have a text.
// The source waits where the pane does not take its lines, so that what was not taken is what was offered less lines/s.
func BenchmarkIngest(b *testing.B) {
	benchmarkKeys(b, 500000, "LL/orders/0001\r", "kkjkkGkjJKkk")
}

func benchmarkKeys(b *testing.B, rate int, before, keys string) {
	const logBytes = 24 << 20 // config.DefaultLogMemory
	logs := &torrent{rate: rate}
	m, err := New(Options{Fleet: crowd(300, 4), Logs: logs, Context: "bench", Theme: "dark", Now: time.Now, Location: time.UTC, LogBytes: logBytes})
	if err != nil {
		b.Fatal(err)
	}
	var behind atomic.Int64 // frames that had not looked through all lines
	model := &stamped{Model: m, complete: func(m *Model) bool {
		if m.logs.view.Status().Progress < 0.5 {
			behind.Add(1)
		}
		return false
	}}
	t, rise := sit(b, m, model)
	for _, k := range []byte("3" + before) {
		t.press(string(k))
	}
	for logs.given.Load() < 2*logBytes/180 { // the pane is full, and lets go
		time.Sleep(10 * time.Millisecond)
	}
	took := make([]time.Duration, 0, b.N)
	given, began := logs.given.Load(), time.Now()
	behind.Store(0)
	b.ResetTimer()
	for i := range b.N {
		took = append(took, t.press(keys[i%len(keys):i%len(keys)+1]))
		time.Sleep(30*time.Millisecond + time.Duration(i%15)*time.Millisecond)
	}
	b.StopTimer()
	lasted := time.Since(began).Seconds()
	taken := float64(logs.given.Load()-given) / lasted
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	rise()
	if f := m.logs.view.Filter(); rate > 200000 && (len(f.Levels) != 3 || len(f.Include) != 1) {
		b.Fatalf("the filter is %+v", f)
	}
	report(b, took)
	status := m.logs.view.Status()
	b.ReportMetric(taken, "lines/s")
	b.ReportMetric(max(float64(rate)-taken, 0)*lasted, "late-lines")
	b.ReportMetric(float64(status.Lost), "dropped")
	b.ReportMetric(float64(behind.Load()), "frames-behind")
	b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(status.Bytes)/(1<<20), "kept-MiB")
}

// BenchmarkRegexp is a million lines of 180 bytes in the pane, and a regular expression that is typed as the filter: until a frame
// with all that it finds is written. Meanwhile keys are pressed in the input, one each 5 ms: p99-ms is from such a key to its frame.
// b.N is how often.
func BenchmarkRegexp(b *testing.B) {
	const lines = 1_000_000
	logs := &torrent{most: lines}
	m, err := New(Options{Fleet: crowd(300, 4), Logs: logs, Context: "bench", Theme: "dark", Now: time.Now, Location: time.UTC, LogBytes: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	var shown atomic.Int64
	model := &stamped{Model: m, complete: func(m *Model) bool {
		s := m.logs.view.Status()
		shown.Store(int64(s.Shown))
		return s.Progress == 1 && !m.logs.view.Filter().Zero()
	}}
	t, rise := sit(b, m, model)
	defer rise()
	t.press("3")
	for shown.Load() < lines {
		if logs.given.Load() >= lines && time.Since(time.Unix(0, logs.began.Load())) > 30*time.Second {
			b.Fatalf("%d of %d lines are shown", shown.Load(), lines)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, c := range []struct{ name, expr string }{
		{"literal", `took=77.ms`},             // a hundredth of the lines
		{"words", `fatal|panic|oom`},          // none
		{"several", `status=200.*took=8\d\d`}, // a ninth
		{"digits", `\b8\d\d`},                 // nothing in it that a line must have
		{"capitals", `[A-Z]{3} path=.*/0+12`}, // with case
	} {
		b.Run(c.name, func(b *testing.B) {
			t.b = b
			var took, keys []time.Duration
			for range b.N {
				t.press("/")
				whole := t.await()
				at := t.write("\x1b[200~~" + c.expr + "\x1b[201~")
				for done := false; !done; {
					keys = append(keys, t.press("\x1b[D"))
					select {
					case painted := <-whole:
						took, done = append(took, painted.Sub(at)), true
					case <-time.After(5 * time.Millisecond):
					}
					if time.Since(at) > 20*time.Second {
						b.Fatal("not all lines are looked through")
					}
				}
				b.ReportMetric(float64(shown.Load()), "found")
				t.press("\x1b[27u")
			}
			report(b, keys)
			slices.Sort(took)
			b.ReportMetric(ms(took[len(took)/2]), "result-p50-ms")
			b.ReportMetric(ms(took[min(len(took)*95/100, len(took)-1)]), "result-p95-ms")
		})
	}
}
