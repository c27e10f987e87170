package diagnosis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/demo"
)

// BenchmarkInvestigate asks about all of an embedded platform that is ill, over the real wires on loopback: how long until the first answer, and
// until all sources have answered. p50 and p95 in milliseconds.
func BenchmarkInvestigate(b *testing.B) {
	for _, services := range []int{0, 300} {
		b.Run(fmt.Sprintf("services-%d", services), func(b *testing.B) {
			o := demo.Options{Seed: 5}
			if services > 0 {
				o.Services, o.Tasks = services, services*4
			}
			r := newRig(b, o, without{})
			must(b, r.demo.StartScenario("crash-loop"))
			until(b, "it is found", func() bool { rep := r.investigate(b); return len(rep.Causes) > 0 && rep.Causes[0].ID == "crash-loop" })
			r.measure(b)
		})
	}
}

// measure investigates until the benchmark has enough.
func (r *rig) measure(b *testing.B) {
	b.Helper()
	var first, whole []time.Duration
	for b.Loop() {
		began, at := time.Now(), time.Duration(0)
		rep, err := r.doctor.Investigate(b.Context(), diagnosis.Question{}, func(diagnosis.Report) {
			if at == 0 {
				at = time.Since(began)
			}
		})
		must(b, err)
		if len(rep.Causes) == 0 {
			b.Fatal("nothing found")
		}
		first, whole = append(first, at), append(whole, time.Since(began))
	}
	b.ReportMetric(0, "ns/op")
	for name, list := range map[string][]time.Duration{"first": first, "complete": whole} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(list[len(list)*95/100].Microseconds())/1000, name+"-p95-ms")
	}
}
