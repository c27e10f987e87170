//go:build lab

package diagnosis_test

import (
	"os"
	"testing"

	"quarterdeck/diagnosis"
)

// BenchmarkInvestigateLab is the same of the real lab, while a service crashes there again and again.
func BenchmarkInvestigateLab(b *testing.B) {
	if os.Getenv("QD_LAB") == "" || os.Getenv("QD_LAB_BIN") == "" {
		b.Skip("no lab: eval \"$(testdata/lab/lab env)\"")
	}
	seeder := &bench{t: b}
	ill := seeder.start("crash-loop")
	if len(ill.Expect) == 0 {
		b.Fatal("no fault was seeded")
	}
	r := rigAt(b, platform{os.Getenv("DOCKER_HOST"), os.Getenv("LOKI_ADDR"), os.Getenv("PROMETHEUS_URL"), os.Getenv("ALERTMANAGER_URL")}, without{})
	r.doctor.Budget = 0 // as users have it
	until(b, "it is found", func() bool {
		rep, err := r.doctor.Investigate(b.Context(), diagnosis.Question{Service: ill.Expect[0].Service}, nil)
		return err == nil && len(rep.Causes) > 0 && is(ill.Expect[0].ID, rep.Causes[0].ID) && rep.Causes[0].Confidence >= diagnosis.Confident
	})
	r.measure(b)
}
