package ui

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

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

// report tells how long it took, in milliseconds.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, q := range []struct {
		unit string
		at   float64
	}{{"p50-ms", 0.5}, {"p95-ms", 0.95}, {"p99-ms", 0.99}, {"max-ms", 1}} {
		b.ReportMetric(ms(took[min(int(q.at*float64(len(took))), len(took)-1)]), q.unit)
	}
	b.ReportMetric(0, "ns/op")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
