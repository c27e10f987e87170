package logview

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// benchLines makes batches of 180-byte logfmt lines, a nanosecond apart in time.
func benchLines(n int) []sources.Entry {
	levels := []sources.Level{sources.LevelInfo, sources.LevelInfo, sources.LevelInfo, sources.LevelDebug, sources.LevelWarn, sources.LevelError}
	out := make([]sources.Entry, n)
	for i := range out {
		l := levels[i%len(levels)]
		text := fmt.Sprintf(`level=%s msg="request served" method=GET path=/api/orders/%06d status=200 took=%dms trace=%016x`, l, i, i%900, i*7919)
		text += strings.Repeat("x", max(180-len(text)-5, 0)) + " done"
		out[i] = sources.Entry{Time: start, Line: text, Level: l, Stream: web}
		if i%2 == 0 {
			out[i].Stream = api
		}
	}
	return out
}

func stamp(batch []sources.Entry, from int) {
	for i := range batch {
		batch[i].Time = start.Add(time.Duration(from+i) * 5 * time.Microsecond)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkAppend prints lines a second, and the heap that a kept 180-byte line takes.
func BenchmarkAppend(b *testing.B) {
	for _, order := range []string{"in order", "four streams 50 ms apart"} {
		b.Run(strings.ReplaceAll(order, " ", "-"), func(b *testing.B) {
			batch := benchLines(1000)
			before := heap()
			buf := NewBuffer(64 << 20)
			b.ResetTimer()
			for i := range b.N {
				from := i * len(batch)
				if order != "in order" {
					from -= i % 4 * 10000 // at 200,000 lines/s: 50 ms
				}
				stamp(batch, from)
				buf.Append(batch)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/line")
			s := buf.Stats()
			b.ReportMetric((float64(heap())-float64(before))/float64(s.Lines), "B/line")
			runtime.KeepAlive(buf)
			b.ReportMetric(float64(s.Bytes)/float64(s.Lines), "counted-B/line")
		})
	}
}

// BenchmarkViewWhileAppending prints what a key takes until its frame is drawn (method, Sync and
// View), while another goroutine appends 200,000 lines a second to a full buffer.
func BenchmarkViewWhileAppending(b *testing.B) {
	for _, mode := range []string{"follow", "scroll", "filter", "regexp", "wrap", "type"} {
		b.Run(mode, func(b *testing.B) {
			p := newPane(Options{})
			p.SetSize(160, 48)
			batch := benchLines(2000)
			n := 0
			for ; n < 320000; n += len(batch) {
				stamp(batch, n)
				p.Append(sources.LogBatch{Entries: batch})
			}
			settle(b, p)
			switch mode {
			case "filter":
				must(b, p.SetFilter(Filter{Include: []Term{{Text: "status=200"}}, Exclude: []Term{{Text: "/orders/0009"}}}))
				must(b, p.SetSearch(Term{Text: "trace=0"}))
			case "regexp":
				must(b, p.SetFilter(Filter{Include: []Term{{Text: "orders/0+1.*took=.5", Regexp: true}}}))
			case "wrap":
				p.ToggleWrap()
			}
			settle(b, p)
			st := styles(b, "dark")
			stop := make(chan struct{})
			stopped := make(chan struct{})
			var sent atomic.Int64
			go func() {
				defer close(stopped)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				began := time.Now()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					for want := int64(time.Since(began).Seconds() * 200000); sent.Load() < want; sent.Add(int64(len(batch))) {
						stamp(batch, n)
						n += len(batch)
						p.Append(sources.LogBatch{Entries: batch})
					}
				}
			}()
			results := make(chan tea.Msg, 2*b.N+16) // nobody waits when the run is over
			var working sync.WaitGroup
			run := func(cmd tea.Cmd) {
				if cmd != nil {
					working.Go(func() { results <- cmd() })
				}
			}
			var took []time.Duration
			began := time.Now()
			b.ResetTimer()
			for i := range b.N {
				time.Sleep(time.Until(began.Add(time.Duration(i) * 10 * time.Millisecond))) // a key each 10 ms
				select {
				case m := <-results:
					run(p.ApplyScan(m.(ScanMsg)))
				default:
				}
				at := time.Now()
				switch mode {
				case "scroll", "wrap":
					p.Scroll(-3)
				case "type":
					must(b, p.SetFilter(Filter{Include: []Term{{Text: "took=1"[:1+i%6]}}}))
				default:
					p.SetFollow(true)
				}
				run(p.Sync(at))
				p.View(st)
				took = append(took, time.Since(at))
			}
			b.StopTimer()
			close(stop)
			<-stopped
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
			b.ReportMetric(float64(sent.Load())/time.Since(began).Seconds(), "lines/s")
			b.ReportMetric(0, "ns/op")
			working.Wait()
		})
	}
}

// BenchmarkRefilter looks through a million lines for a changed filter, as the commands do.
func BenchmarkRefilter(b *testing.B) {
	p := newPane(Options{MaxBytes: 512 << 20})
	batch := benchLines(1000)
	for i := range 1000 {
		stamp(batch, i*1000)
		p.Append(sources.LogBatch{Entries: batch})
	}
	settle(b, p)
	for name, terms := range map[string][2]Term{
		"substring":       {{Text: "took=77"}, {Text: "took=78"}},
		"substring-case":  {{Text: "Took=77"}, {Text: "tRace=78"}},
		"regexp":          {{Text: "took=77.ms", Regexp: true}, {Text: "took=78.ms", Regexp: true}},
		"regexp-of-three": {{Text: "fatal|panic|oom", Regexp: true}, {Text: "fatal|panic|oom!", Regexp: true}},
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				must(b, p.SetFilter(Filter{Include: []Term{terms[i%2]}}))
				settle(b, p)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/1M-lines")
		})
	}
}
