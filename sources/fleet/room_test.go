package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestRoom(t *testing.T) {
	node := func(name, role string, cores, gib int64) sources.Node {
		return sources.Node{ID: name, Name: name, Role: role, State: "ready", Availability: "active", NanoCPUs: cores * 1e9, MemoryBytes: gib << 30, OS: "linux", Arch: "x86_64"}
	}
	drained := node("n3", "worker", 8, 8)
	drained.Availability = "drain"
	holder := sources.Service{ID: "h", Name: "holder", Mode: sources.Replicated, Desired: 1, Ports: []sources.Port{{Protocol: "tcp", Published: 80, Mode: "host"}}, Resources: sources.Resources{ReserveBytes: 3 << 30}}
	f := New(time.Now, SwarmName)
	w := &sources.World{At: time.Now(), Nodes: []sources.Node{node("n1", "manager", 2, 4), node("n2", "worker", 4, 4), drained}, Services: []sources.Service{holder},
		Tasks: []sources.Task{{ID: "t", ServiceID: "h", NodeID: "n2", Slot: 1, State: sources.TaskRunning, Desired: sources.TaskRunning}}}
	f.Fold(sources.Change{At: w.At, World: w})
	for name, c := range map[string]struct {
		service sources.Service
		n, want int
		why     []string
	}{
		"room for all":   {sources.Service{}, 50, 50, nil},
		"cores":          {sources.Service{Resources: sources.Resources{ReserveNanoCPUs: 1e9}}, 8, 6, []string{"n1, n2 has 0 of a core free, 1 are reserved a task"}},
		"memory":         {sources.Service{Resources: sources.Resources{ReserveBytes: 2 << 30}}, 4, 2, []string{"n1 has 0 MiB of memory free, 2048 MiB are reserved a task", "n2 has 1024 MiB"}},
		"most a node":    {sources.Service{MaxPerNode: 2}, 5, 4, []string{"has its 2 replicas, the most for a node"}},
		"a host port":    {sources.Service{ID: "x", Name: "x", Ports: []sources.Port{{Protocol: "tcp", Published: 80, Mode: "host"}}}, 2, 1, []string{"n2 has its port tcp/80 taken by holder", "n1 has its port tcp/80 taken by x"}},
		"an ingress one": {sources.Service{Ports: []sources.Port{{Protocol: "tcp", Published: 80, Mode: "ingress"}}}, 2, 2, nil},
		"a constraint":   {sources.Service{Constraints: []string{"node.role==manager"}, MaxPerNode: 1}, 3, 1, []string{"n2 ", "n3 "}},
	} {
		got, why := RoomOf(f.Snapshot()).Place(&c.service, c.n)
		if got != c.want || (why == "") != (c.want == c.n) {
			t.Errorf("%s: %d of %d have a place, want %d: %s", name, got, c.n, c.want, why)
		}
		for _, w := range c.why {
			if !strings.Contains(why, w) {
				t.Errorf("%s: %q lacks %q", name, why, w)
			}
		}
	}
	both := RoomOf(f.Snapshot())
	big := sources.Service{ID: "a", Resources: sources.Resources{ReserveNanoCPUs: 2e9}}
	if n, _ := both.Place(&big, 3); n != 3 {
		t.Fatal(n)
	}
	if n, why := both.Place(&sources.Service{ID: "b", Resources: big.Resources}, 1); n != 0 || why == "" {
		t.Errorf("two services are not reckoned together: %d %s", n, why)
	}
}

func TestReasonNamesFewNodes(t *testing.T) {
	reasons := map[string]string{}
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		reasons[n] = "is full"
	}
	if got := reasonText(reasons); got != "a, b, c, d, and 2 more is full" {
		t.Error(got)
	}
	if got := reasonText(nil); got != "there is no node" {
		t.Error(got)
	}
}

// TestPreferences: tasks are spread over the values of a label first, and over the nodes of each then; where one value has no room the others take them.
func TestPreferences(t *testing.T) {
	node := func(name, zone string, cores int64) sources.Node {
		return sources.Node{ID: name, Name: name, Role: "worker", State: "ready", Availability: "active", NanoCPUs: cores * 1e9, MemoryBytes: 8 << 30, OS: "linux", Arch: "x86_64", Labels: map[string]string{"zone": zone}}
	}
	f := New(time.Now, SwarmName)
	w := &sources.World{At: time.Now(), Nodes: []sources.Node{node("a1", "a", 8), node("a2", "a", 8), node("a3", "a", 8), node("b1", "b", 2)}}
	f.Fold(sources.Change{At: w.At, World: w})
	s := sources.Service{ID: "s", Preferences: []string{"node.labels.zone"}, Resources: sources.Resources{ReserveNanoCPUs: 1e9}}
	for n, want := range map[int]string{
		2: "map[a1:1 b1:1]",
		4: "map[a1:1 a2:1 b1:2]",
		6: "map[a1:2 a2:1 a3:1 b1:2]", // b is full
	} {
		if on, placed, why := RoomOf(f.Snapshot()).PlaceOn(&s, n); placed != n || fmt.Sprint(on) != want {
			t.Errorf("%d: %v, %s; want %s", n, on, why, want)
		}
	}
	s.Preferences = nil
	if on, _, _ := RoomOf(f.Snapshot()).PlaceOn(&s, 4); fmt.Sprint(on) != "map[a1:1 a2:1 a3:1 b1:1]" {
		t.Errorf("without one: %v", on)
	}
	r := RoomOf(f.Snapshot())
	r.Without("b1")
	if on, placed, why := r.PlaceOn(&sources.Service{ID: "x", Resources: s.Resources, Constraints: []string{"node.labels.zone==b"}}, 1); placed != 0 || strings.Contains(why, "b1") {
		t.Errorf("on a node that is taken away: %v %s", on, why)
	}
}
