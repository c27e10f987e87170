package diagnosis_test

import (
	"slices"
	"strings"
	"testing"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/demo"
)

// lostNode is the cause that is about a node, where there is one.
func (r *rig) lostNode(t *testing.T) *diagnosis.Cause {
	t.Helper()
	rep := r.investigate(t)
	if i := slices.IndexFunc(rep.Causes, func(c diagnosis.Cause) bool { return c.ID == "node-down" }); i >= 0 {
		return &rep.Causes[i]
	}
	return nil
}

// TestPausedNode: an engine that hangs is told from a machine that is lost by what still answers on it; without Prometheus it is said that nobody could look.
func TestPausedNode(t *testing.T) {
	onlyWhole(t)
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 5}, without{})
	must(t, r.demo.StartScenario("node-paused"))
	var c *diagnosis.Cause
	until(t, "the engine is said to hang, and what runs twice", func() bool {
		c = r.lostNode(t)
		return c != nil && strings.HasPrefix(c.Title, "the engine on "+c.Node+" hangs: its containers still run") && strings.HasSuffix(c.Title, "services run twice")
	})
	for _, want := range []string{"does not answer in time", "its machine answers since: ", "run there and elsewhere: "} {
		if !slices.ContainsFunc(c.Evidence, func(p diagnosis.Proof) bool { return strings.Contains(p.Text, want) }) {
			t.Errorf("no evidence %q: %+v", want, c.Evidence)
		}
	}
	if len(c.Against) == 0 || !slices.ContainsFunc(c.Next, func(s diagnosis.Step) bool { return strings.Contains(s.Text, "docker node rm") }) {
		t.Errorf("%+v", c)
	}
	r.doctor.Metrics = nil
	if c := r.lostNode(t); c == nil || !strings.HasSuffix(c.Title, "is down") || !strings.Contains(c.Why, "no Prometheus to ask") {
		t.Errorf("without Prometheus: %+v", c)
	}
}

// TestLostMachine: where the machine is gone its exporters are silent as well.
func TestLostMachine(t *testing.T) {
	onlyWhole(t)
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 5}, without{})
	must(t, r.demo.StartScenario("node-down"))
	until(t, "its machine is said to be silent", func() bool {
		c := r.lostNode(t)
		if c != nil && strings.Contains(c.Title, "run") {
			t.Fatalf("a lost machine: %+v", c)
		}
		return c != nil && strings.Contains(c.Why, "its machine does not answer either")
	})
}
