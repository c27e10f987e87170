package ui

import (
	"strings"
	"testing"

	"quarterdeck/actions"
)

// TestDrainFromTheNodes: a key plans it for the node under the cursor, the plan says where its tasks would go, and after the yes it is done and can be taken back.
func TestDrainFromTheNodes(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("9", "j", "j", "D")
	b := r.planned()
	if b.plan.Action != actions.Drain || b.plan.Node.Node != "node3" || b.plan.Refused != "" {
		t.Fatalf("%+v", b.plan)
	}
	for _, want := range []string{"drain node3", "availability  active → drain", "shop_web  1 task → node", "it stays a manager", "verify that nothing runs on node3"} {
		if !strings.Contains(r.screen(), want) {
			t.Errorf("no %q in\n%s", want, r.screen())
		}
	}
	r.slowly("y", "enter")
	box := r.running()
	r.until("its end", func() bool { return box.entry.ended })
	if box.entry.report.Result != actions.ResultDone || r.hands.node("n3").Availability != "drain" {
		t.Errorf("%+v", box.entry.report)
	}
	for _, want := range []string{"nothing is left on it", "shop_web health: healthy", "take back"} {
		if !strings.Contains(r.screen(), want) {
			t.Errorf("no %q in\n%s", want, r.screen())
		}
	}
	r.slowly("u")
	if b := r.planned(); b.plan.Title() != "activate node3" || b.plan.Of != box.entry.progress.Run {
		t.Errorf("%+v", b.plan)
	}
	r.slowly("esc", "P")
	if b := r.planned(); !strings.Contains(b.plan.Nothing, "is so already: a manager, drain") {
		t.Errorf("%+v", b.plan)
	}
}
