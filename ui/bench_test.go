package ui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// crowd is a fleet of many services, all sources live.
func crowd(services, replicas int) *fleet.Fleet {
	w := world()
	first := w.Services[0]
	w.Services, w.Tasks = nil, nil
	usage, rates := map[string][]sources.Point{}, map[string]float64{}
	for i := range services {
		s := first
		s.Stack = fmt.Sprintf("stack%02d", i/12)
		s.Name = fmt.Sprintf("%s_service%03d", s.Stack, i)
		s.ID, s.Desired = "id-"+s.Name, replicas
		w.Services = append(w.Services, s)
		for k := range replicas {
			w.Tasks = append(w.Tasks, sources.Task{ID: fmt.Sprint("t-", s.Name, "-", k), ServiceID: s.ID, NodeID: fmt.Sprint("n", k%3+1), Slot: k + 1, Generation: "g",
				State: sources.TaskRunning, Desired: sources.TaskRunning, Created: noon.Add(-3 * time.Hour), Since: noon.Add(-3 * time.Hour)})
		}
		for m := range 30 {
			usage[s.Name] = append(usage[s.Name], sources.Point{T: noon.Add(time.Duration(m-29) * time.Minute), V: float64(i+1) * (2 + math.Sin(float64(m*(i+1))))})
		}
		rates[s.Name] = float64(i%40) / 20
	}
	f := filled()
	f.Fold(sources.Change{At: noon, World: w})
	f.SetUsage("cpu", usage)
	f.SetUsage("memory", usage)
	f.SetRates(rates)
	return f
}

// BenchmarkFrame is what one frame of 160x48 costs, news included, of each view: 300 services, 1,200 tasks.
func BenchmarkFrame(b *testing.B) {
	f := crowd(300, 4)
	for _, v := range []struct{ name, key string }{{"overview", "1"}, {"services", "2"}, {"logs", "3"}, {"metrics", "4"}, {"timeline", "6"}, {"nodes", "9"}} {
		b.Run(v.name, func(b *testing.B) {
			m, _ := console(b, 160, 48, func(o *Options) { o.Fleet = f })
			press(b, m, v.key)
			m.answer()
			rates := map[string]float64{}
			b.ReportAllocs()
			for b.Loop() {
				rates = map[string]float64{"stack00_service000": rates["stack00_service000"] + 1}
				f.SetRates(rates)
				m.Update(wakeMsg{snap: f.Snapshot()})
				_ = m.Frame()
			}
		})
	}
}

// torrent is a source of logs that gives so many lines a second, as long as it is followed.
type torrent struct {
	stub
	rate  int
	given atomic.Int64
	began atomic.Int64 // UnixNano of the first
}

func (t *torrent) Follow(ctx context.Context, _ sources.LogQuery, emit func(sources.LogBatch)) error {
	lines := make([]string, 2000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`level=%s msg="request served" method=GET path=/api/orders/%06d status=200 took=%dms trace=%016x`, [...]string{"info", "info", "warn", "error"}[i%4], i, i%900, i*7919)
		lines[i] += strings.Repeat("x", max(175-len(lines[i]), 0)) + " done"
	}
	levels := [...]sources.Level{sources.LevelInfo, sources.LevelInfo, sources.LevelWarn, sources.LevelError}
	streams := [...]*sources.Stream{{Service: "shop_payments", Task: "t1", Node: "node2", Source: "loki"}, {Service: "shop_payments", Task: "t2", Node: "node1", Source: "loki"}}
	emit(sources.LogBatch{Status: &sources.Status{Name: "loki", State: sources.Live}})
	began := time.Now()
	t.began.Store(began.UnixNano())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for t.given.Load() < int64(time.Since(began).Seconds()*float64(t.rate)) {
			batch := make([]sources.Entry, len(lines))
			for i := range batch {
				batch[i] = sources.Entry{Time: began.Add(time.Duration(t.given.Load()+int64(i)) * time.Second / time.Duration(t.rate)),
					Line: lines[i], Level: levels[i%4], Stream: streams[i%2]}
			}
			emit(sources.LogBatch{Entries: batch})
			t.given.Add(int64(len(batch)))
		}
	}
}

// achieved is the lines a second that were really given.
func (t *torrent) achieved() float64 {
	return float64(t.given.Load()) / time.Since(time.Unix(0, t.began.Load())).Seconds()
}

// stamped draws near the last corner how many keys it has had, each cell other than before.
type stamped struct {
	*Model
	keys int
}

func stamp(n int) string {
	return string([]byte{'A' + byte(n%26), 'A' + byte((n+7)%26), 'A' + byte((3*n+1)%26), 'A' + byte((5*n+2)%26)})
}

func (s *stamped) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if _, key := msg.(tea.KeyPressMsg); key {
		s.keys++
	}
	_, cmd := s.Model.Update(msg)
	return s, cmd
}

func (s *stamped) View() tea.View {
	v := s.Model.View()
	at := strings.LastIndexByte(v.Content, '\n') + 1
	v.Content = v.Content[:at] + ansi.Truncate(v.Content[at:], s.w-6, "") + stamp(s.keys) + "  " // the corner is written in a way of its own
	return v
}

// paper is the program's terminal: it tells when a stamp was written.
type paper struct {
	mu      sync.Mutex
	wanted  []byte
	painted chan time.Time
}

func (p *paper) Write(b []byte) (int, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted != nil && bytes.Contains(b, p.wanted) {
		p.wanted = nil
		p.painted <- now
	}
	return len(b), nil
}

func (p *paper) want(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = []byte(s)
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
		b.Run(c.name, func(b *testing.B) { benchmarkKeys(b, c.before, c.keys) })
	}
}

func benchmarkKeys(b *testing.B, before, keys string) {
	const logBytes = 24 << 20 // config.DefaultLogMemory
	logs := &torrent{rate: 200000}
	m, err := New(Options{Fleet: crowd(300, 4), Logs: logs, Context: "bench", Theme: "dark", Now: time.Now, Location: time.UTC, LogBytes: logBytes})
	if err != nil {
		b.Fatal(err)
	}
	in, typed := io.Pipe()
	out := &paper{painted: make(chan time.Time, 1)}
	model := &stamped{Model: m}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = RunModel(ctx, m, model, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithWindowSize(160, 48))
	}()
	n := 0
	press := func(key byte) time.Duration {
		n++
		out.want(stamp(n))
		at := time.Now()
		if _, err := typed.Write([]byte{key}); err != nil {
			b.Fatal(err)
		}
		select {
		case painted := <-out.painted:
			return painted.Sub(at)
		case <-time.After(10 * time.Second):
			b.Fatalf("key %q is not painted", key)
		}
		return 0
	}
	for _, k := range []byte("3" + before) {
		press(k)
	}
	for logs.given.Load() < 2*logBytes/180 { // the pane is full, and lets go
		time.Sleep(10 * time.Millisecond)
	}
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		took = append(took, press(keys[i%len(keys)]))
		time.Sleep(30*time.Millisecond + time.Duration(i%15)*time.Millisecond)
	}
	b.StopTimer()
	achieved := logs.achieved()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	cancel()
	<-done
	_ = typed.Close()
	report(b, took)
	b.ReportMetric(achieved, "lines/s")
	b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(m.logs.view.Status().Bytes)/(1<<20), "kept-MiB")
}

// report tells how long it took, in milliseconds.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, q := range []struct {
		unit string
		at   float64
	}{{"p50-ms", 0.5}, {"p95-ms", 0.95}, {"p99-ms", 0.99}, {"max-ms", 1}} {
		b.ReportMetric(float64(took[min(int(q.at*float64(len(took))), len(took)-1)].Microseconds())/1000, q.unit)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMoment is from the key that moves the moment to the drawn frame, from what is known: 300 services, 1,200 tasks, 160x48.
func BenchmarkMoment(b *testing.B) {
	for _, v := range []struct{ name, key string }{{"overview", "1"}, {"services", "2"}, {"metrics", "4"}} {
		b.Run(v.name, func(b *testing.B) {
			m, _ := console(b, 160, 48, func(o *Options) { o.Fleet = crowd(300, 4) })
			press(b, m, v.key)
			m.answer()
			took := make([]time.Duration, 0, b.N)
			for i := range b.N {
				key := "<"
				if i%20 >= 10 {
					key = ">"
				}
				began := time.Now()
				press(b, m, key)
				_ = m.Frame()
				took = append(took, time.Since(began))
			}
			report(b, took)
		})
	}
}
