package diagnosis

import (
	"slices"
	"strings"
	"testing"
)

// TestTheSurestIsFirst: causes stand in the order of what is shown of them; only what follows from another stands behind, whatever it is.
func TestTheSurestIsFirst(t *testing.T) {
	causes := []Cause{
		{ID: "anomaly", Confidence: 0.801, Grade: Anomaly},
		{ID: "effect", Confidence: 0.95, Grade: Signature, EffectOf: "x"},
		{ID: "urgent", Confidence: 0.7, Grade: Signature, urgency: 2},
		{ID: "signature", Confidence: 0.799, Grade: Signature},
		{ID: "sure", Confidence: 0.9, Grade: Anomaly},
		{ID: "hurts", Confidence: 0.8, Grade: Anomaly, urgency: 1},
	}
	slices.SortStableFunc(causes, rank)
	var got []string
	for i := range causes {
		got = append(got, causes[i].ID)
	}
	if text := strings.Join(got, " "); text != "sure hurts signature anomaly urgent effect" {
		t.Error(text)
	}
}

// TestAKeyStandsOnce: a cause names no key twice, whatever was folded into it.
func TestAKeyStandsOnce(t *testing.T) {
	a, b := Cause{ID: "label-changed", Service: "web", Confidence: 0.95, Grade: Signature}, Cause{ID: "constraint-unsatisfied", Service: "web", Confidence: 0.9, Grade: Signature}
	a.step("see the node and its labels", "nodes", "node1")
	a.step("see the nodes", "nodes", "")
	b.step("see the nodes and their labels", "nodes", "")
	b.step("see what was changed", "change", "web")
	got := fold([]Cause{a, b})
	if len(got) != 1 || len(got[0].Next) != 2 || got[0].Next[0].On != "node1" || got[0].Next[1].Action != "change" {
		t.Errorf("%+v", got)
	}
}

// TestABurstIsNotHiddenByLess: a burst is folded into what is surer about the same service, and not into what is less sure.
func TestABurstIsNotHiddenByLess(t *testing.T) {
	burst := Cause{ID: "log-burst", Service: "web", Confidence: 0.65, Grade: Anomaly}
	for confidence, want := range map[float64]int{0.5: 2, 0.8: 1} {
		if got := fold([]Cause{burst, {ID: "errors-after-dependency", Service: "web", Confidence: confidence, Grade: Scope}}); len(got) != want {
			t.Errorf("%.2f: %+v", confidence, got)
		}
	}
}
