package diagnosis

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestANodesChangeIsTheChangeBefore: where a task cannot be placed, what was changed about a node just before is part of the evidence, and nothing else of
// the history is.
func TestANodesChangeIsTheChangeBefore(t *testing.T) {
	v := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1, Constraints: []string{"node.labels.disk==ssd"}}, Verdict: fleet.Verdict{Health: fleet.Down, Want: 1}}
	began := noon.Add(-time.Minute)
	s := &Scene{At: noon, Service: v, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{v}, Nodes: []fleet.Node{{Node: sources.Node{ID: "n1", Name: "node1", State: "ready", Availability: "active"}}},
		History: []fleet.Happening{
			{Time: noon.Add(-time.Hour), Kind: fleet.NodeChanged, Node: "node1", Text: "label old taken away"},
			{Time: began.Add(-20 * time.Second), Kind: fleet.NodeChanged, Node: "node1", Text: "label disk=ssd taken away", Source: "swarm"},
			{Time: began.Add(-10 * time.Second), Kind: fleet.Scaled, Service: "api", Text: "1 to 2"},
			{Time: began.Add(30 * time.Second), Kind: fleet.NodeChanged, Node: "node1", Text: "availability drain"}}},
		Tasks: []sources.Task{{ID: "a", State: sources.TaskPending, Desired: sources.TaskRunning, Err: "no suitable node (scheduling constraints not satisfied on 1 node)", Created: began, Since: began}}}
	got := rule{"constraint-unsatisfied", constraintUnsatisfied}.causes(s, nil)
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	text := textOf(got[0].Evidence)
	if !strings.Contains(text, "20 s before: node node1: label disk=ssd taken away") || strings.Contains(text, "drain") || strings.Contains(text, "old") || strings.Contains(text, "1 to 2") {
		t.Error(text)
	}
}

// TestADisksFigures: how much is used, of how much, how fast it grows and how long that goes well.
func TestADisksFigures(t *testing.T) {
	for want, d := range map[string]Disk{
		"/ on node1 has 2.0% free":                            {Free: 0.02},
		"/ on node1 has 2.0% free: 39.2 GiB of 40.0 GiB used": {Free: 0.02, Size: 40 << 30},
		"/ on node1 has 2.0% free: 39.2 GiB of 40.0 GiB used, and 60 MiB more a minute: full in about 13 min": {Free: 0.02, Size: 40 << 30, Growth: 1 << 20},
		"/ on node1 has 0.0% free: 40.0 GiB of 40.0 GiB used, and 60 MiB more a minute":                       {Size: 40 << 30, Growth: 1 << 20},
		"/ on node1 has 2.0% free: 39.2 GiB of 40.0 GiB used, and 4 MiB more an hour":                         {Free: 0.02, Size: 40 << 30, Growth: 1 << 10},
	} {
		d.Node, d.Mount = "node1", "/"
		if got := d.words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
