package fleet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestNodeHappenings: what is done to a node by hand is told of as it is done, once, and what has not changed is not.
func TestNodeHappenings(t *testing.T) {
	f, now := at(noon)
	labels := func(kv ...string) func(*sources.Node) {
		return func(n *sources.Node) {
			n.Labels = map[string]string{}
			for i := 0; i < len(kv); i += 2 {
				n.Labels[kv[i]] = kv[i+1]
			}
		}
	}
	manager := func(n *sources.Node) { n.Role, n.Reachability = "manager", "reachable" }
	f.Fold(sources.Change{At: noon, Nodes: []sources.Node{node("n1", labels("disk", "ssd", "zone", "a")), node("n2")}})
	for _, n := range []sources.Node{
		node("n1", labels("zone", "b", "rack", "7\nx")),
		node("n1", labels("zone", "b", "rack", "7\nx"), manager),
		node("n1", labels("zone", "b", "rack", "7\nx"), manager, drainNode),
		node("n1", labels("zone", "b", "rack", "7\nx"), manager, pauseNode),
		node("n1", labels("zone", "b", "rack", "7\nx"), manager),
	} {
		*now = now.Add(time.Minute)
		for range 2 { // told twice, happened once
			f.Fold(sources.Change{At: *now, Nodes: []sources.Node{n, node("n2")}})
		}
	}
	want := []string{"node name-n1: label disk=ssd taken away; label rack=7 x added; label zone=b, was a",
		"node name-n1: manager reachable", "node name-n1: role manager, was worker", "node name-n1: availability drain", "node name-n1: availability pause", "node name-n1: availability active"}
	if got := texts(f.Snapshot(), NodeChanged); !slices.Equal(got, want) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	rows := Timeline(f.Snapshot().History)
	if len(rows) != len(want) || rows[0].Kind != NodeChanged || !rows[0].Time.Equal(noon.Add(time.Minute)) {
		t.Errorf("rows: %+v", rows)
	}
}
