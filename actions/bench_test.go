package actions_test

import (
	"testing"
	"time"

	"quarterdeck/actions"
)

// BenchmarkScale300 scales all services of a fleet of 300 in one run: the time to the plan, to the last change and to the verdict, and the
// requests and the journal's entries for each service. Each change is on the disk before the next; the services' monitor time, within which no
// verdict can be, is reported too.
func BenchmarkScale300(b *testing.B) {
	for range b.N {
		p, targets := bigDemo(b, 300)
		c := p.counted(b)
		r := p.deck(b)
		r.through(c)
		began := time.Now()
		plan := r.planned(r.PlanScale(b.Context(), targets))
		planned := time.Now()
		run := r.start(plan)
		report, err := run.Report()
		if err != nil || report.Result != actions.ResultDone {
			b.Fatal(report.Result, report.Reason, err)
		}
		last := report.Steps[len(report.Steps)-1]
		n := float64(len(plan.Changes))
		window := time.Duration(0)
		for i := range plan.Changes {
			window = max(window, plan.Changes[i].Policy.Monitor)
		}
		b.ReportMetric(n, "services")
		b.ReportMetric(planned.Sub(began).Seconds(), "s-plan")
		b.ReportMetric(last.Started.Sub(planned).Seconds(), "s-changes")
		b.ReportMetric(time.Since(planned).Seconds(), "s-verdict")
		b.ReportMetric(window.Seconds(), "s-window")
		b.ReportMetric(float64(c.asked.Load())/n, "requests/service")
		b.ReportMetric(float64(len(r.entries(run.ID())))/n, "entries/service")
	}
	b.ReportMetric(0, "ns/op")
}
