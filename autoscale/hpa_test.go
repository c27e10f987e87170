package autoscale

import (
	"math"
	"testing"
)

// TestHPA holds the formula against what Kubernetes publishes of its own. "docs" are examples of the page "Horizontal Pod Autoscaling"
// (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale), by section; "walkthrough" is the page "HorizontalPodAutoscaler Walkthrough"; "controller" are the cases of
// pkg/controller/podautoscaler/replica_calculator_test.go, by the name of the test there, with uses in shares of the pods' request of one core.
func TestHPA(t *testing.T) {
	resource := func(target float64, uses ...float64) (m Metric, s Sample) {
		for _, u := range uses {
			s.Value += u
		}
		s.Tasks = len(uses)
		return Metric{Kind: CPU, Target: target}, s
	}
	value := func(target, v float64, each bool) (Metric, Sample) {
		return Metric{Kind: Query, Target: target, Each: each}, Sample{Value: v}
	}
	type example struct {
		where      string
		n, running int
		m          Metric
		s          Sample
		want       int
		value      float64 // 0: the page gives none
	}
	var list []example
	add := func(where string, n, running, want int, seen float64, m Metric, s Sample) {
		list = append(list, example{where, n, running, m, s, want, seen})
	}
	r := func(where string, n, running, want int, seen, target float64, uses ...float64) {
		m, s := resource(target, uses...)
		add(where, n, running, want, seen, m, s)
	}
	q := func(where string, n, want int, seen, target, v float64, each bool) {
		m, s := value(target, v, each)
		add(where, n, n, want, seen, m, s)
	}
	r("docs, Algorithm details: 200m of 100m doubles", 3, 3, 6, 0.2, 0.1, 0.2, 0.2, 0.2)
	r("docs, Algorithm details: 50m of 100m halves", 4, 4, 2, 0.05, 0.1, 0.05, 0.05, 0.05, 0.05)
	r("docs, Algorithm details: within the tolerance of 0.1", 10, 10, 10, 0, 0.5, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55)
	r("walkthrough, Increase the load: 305% of 50% with 1", 1, 1, 7, 3.05, 0.5, 3.05)
	q("blog, Configurable Tolerance (v1.33): 50 at 90 of 75", 50, 60, 90, 75, 90, false)
	r("controller, ScaleUp", 3, 3, 5, 0.5, 0.3, 0.3, 0.5, 0.7)
	r("controller, ScaleDown", 5, 5, 3, 0.28, 0.5, 0.1, 0.3, 0.5, 0.25, 0.25)
	r("controller, ScaleDownIgnoresUnreadyPods", 5, 3, 2, 0.3, 0.5, 0.1, 0.3, 0.5)
	r("controller, Tolerance", 3, 3, 3, 1.02, 1, 1.01, 1.03, 1.02)
	r("controller, MissingMetrics", 4, 4, 3, 0.2475, 1, 0.4, 0.095)
	r("controller, MissingMetricsNoChangeEq", 2, 2, 2, 1, 1, 1)
	r("controller, MissingMetricsNoChangeGt", 2, 2, 2, 1.9, 1, 1.9)
	r("controller, MissingMetricsNoChangeLt", 2, 2, 2, 0.6, 1, 0.6)
	r("controller, MissingMetricsUnreadyChange", 3, 2, 3, 0.45, 0.5, 0.45)
	r("controller, MissingMetricsUnreadyScaleUp", 3, 2, 4, 2, 0.5, 2)
	r("controller, MissingMetricsUnreadyScaleDown", 4, 3, 3, 0.1, 0.5, 0.1, 0.1)
	q("controller, ScaleDownCMExternal", 5, 3, 8600, 14334, 8600, false)
	q("controller, ScaleDownPerPodCMExternal", 5, 3, 1720, 2867, 8600, true)
	q("controller, ToleranceCMObject", 3, 3, 20666, 20000, 20666, false)
	q("controller, TolerancePerPodCMExternal", 3, 3, 0, 2900, 8600, true)
	for _, x := range list {
		p := propose(&x.m, &x.s, x.n, x.running, 1)
		if p.missing != "" || p.want != x.want {
			t.Errorf("%s: %d, want %d (%s)", x.where, p.want, x.want, p.missing)
		}
		if x.value > 0 && math.Abs(p.value-x.value) > 1e-9 {
			t.Errorf("%s: shown as %v, want %v", x.where, p.value, x.value)
		}
	}
}

// TestNoAmount: what is no amount asks for nothing.
func TestNoAmount(t *testing.T) {
	cpu, query := Metric{Kind: CPU, Target: 0.5}, Metric{Kind: Query, Target: 5}
	for name, x := range map[string]struct {
		m       *Metric
		s       Sample
		reserve float64
	}{
		"missing":        {&cpu, Sample{Missing: "no figure of it"}, 1},
		"no task":        {&cpu, Sample{Value: 1}, 1},
		"no reservation": {&cpu, Sample{Value: 1, Tasks: 1}, 0},
		"NaN":            {&query, Sample{Value: math.NaN()}, 1},
		"infinite":       {&query, Sample{Value: math.Inf(1)}, 1},
		"below zero":     {&query, Sample{Value: -1}, 1},
	} {
		if p := propose(x.m, &x.s, 3, 3, x.reserve); p.missing == "" {
			t.Errorf("%s: asks for %d", name, p.want)
		}
	}
	if p := propose(&query, &Sample{Value: 1e300}, 3, 3, 1); p.want < MostReplicas || p.want > 10*MostReplicas {
		t.Errorf("of what is beyond all bounds: %d", p.want)
	}
	if got := ceil(4 * (0.9 / 0.6)); got != 6 {
		t.Errorf("an error of floating point is a replica: %d", got)
	}
}
