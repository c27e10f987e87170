package diagnosis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// swarmOf is a fleet that has seen its nodes' labels change, one after the other, and a service that asks for one of them.
func swarmOf(t *testing.T, constraint string, labels ...map[string]string) *Scene {
	t.Helper()
	times := []time.Time{noon.Add(-20 * time.Minute), noon.Add(-5 * time.Minute), noon.Add(-3 * time.Minute)}
	now := times[0]
	f := fleet.New(func() time.Time { return now }, fleet.SwarmName)
	svc := sources.Service{ID: "s", Name: "store", Mode: sources.Replicated, Desired: 1, Generation: "g", Constraints: []string{constraint}, Created: noon.Add(-time.Hour), Updated: noon.Add(-time.Hour)}
	for i, l := range labels {
		now = times[i]
		nodes := []sources.Node{{ID: "n1", Name: "node1", Role: "manager", State: "ready", Availability: "active", Created: noon.Add(-time.Hour), Updated: noon.Add(-time.Hour)},
			{ID: "n2", Name: "node2", Role: "worker", State: "ready", Availability: "active", Created: noon.Add(-time.Hour), Updated: now.Add(-2 * time.Second), Labels: l}}
		f.Fold(sources.Change{At: now, World: &sources.World{At: now, Nodes: nodes, Services: []sources.Service{svc}}})
		f.Snapshot()
	}
	now = noon
	snap := f.Snapshot()
	s := &Scene{At: noon, Snap: snap, Service: snap.Service("store"), Tasks: []sources.Task{{ID: "p", ServiceID: "s", Slot: 1, Generation: "g", State: sources.TaskPending, Desired: sources.TaskRunning,
		Err: "no suitable node (scheduling constraints not satisfied on 2 nodes)", Created: noon.Add(-time.Minute), Since: noon.Add(-time.Minute)}}}
	return s
}

// rejected adds the task that was ended because its node had lost the label.
func (s *Scene) rejected() *Scene {
	s.Tasks = append(s.Tasks, sources.Task{ID: "r", ServiceID: "s", NodeID: "n2", Slot: 1, Generation: "g", State: sources.TaskRejected, Desired: sources.TaskShutdown,
		Err: "assigned node no longer meets constraints", Created: noon.Add(-50 * time.Minute), Since: noon.Add(-time.Minute)})
	return s
}

func commands(c *Cause) string {
	var out []string
	for _, n := range c.Next {
		out = append(out, n.Command)
	}
	return strings.Join(out, "\n")
}

// TestALostLabelIsNamed: what the label was, on which node, when it was lost, and the command that puts it back, by both rules and however it was lost.
func TestALostLabelIsNamed(t *testing.T) {
	had := map[string]string{"disk": "ssd", "zone": "a"}
	for _, c := range []struct {
		name, constraint string
		labels           []map[string]string
		title, command   string
	}{
		{"taken off", "node.labels.disk==ssd", []map[string]string{had, {"zone": "a"}}, "the label disk=ssd was taken off node2", "docker node update --label-add disk=ssd node2"},
		{"changed", "node.labels.disk == ssd", []map[string]string{had, {"disk": "hdd"}}, "the label disk of node2 is hdd and was ssd", "docker node update --label-add disk=ssd node2"},
		{"given", "node.labels.quarantine!=yes", []map[string]string{had, {"quarantine": "yes"}}, "the label quarantine=yes was given to node2", "docker node update --label-rm quarantine node2"},
		{"another one went later", "node.labels.disk==ssd", []map[string]string{had, {"zone": "a"}, {}}, "the label disk=ssd was taken off node2", "docker node update --label-add disk=ssd node2"},
	} {
		for id, look := range map[string]func(*Scene, *Wide) *Cause{"constraint-unsatisfied": constraintUnsatisfied, "label-changed": labelChanged} {
			s := swarmOf(t, c.constraint, c.labels...).rejected()
			got := rule{id, look}.causes(s, nil)
			if len(got) != 1 || got[0].Title != c.title || !strings.Contains(commands(&got[0]), c.command) || strings.Contains(commands(&got[0]), "node1") {
				t.Fatalf("%s, %s: %+v", c.name, id, got)
			}
			seen := noon.Add(-5*time.Minute - 2*time.Second) // as the manager dates it
			i := slices.IndexFunc(got[0].Evidence, func(p Proof) bool { return strings.Contains(p.Text, "seen as it happened") })
			if i < 0 || !got[0].Evidence[i].At.Equal(seen) || got[0].Evidence[i].Query != "docker node inspect node2" {
				t.Errorf("%s, %s: %+v", c.name, id, got[0].Evidence)
			}
			if text := textOf(got[0].Evidence); strings.Count(text, "taken away") > len(c.labels)-2 {
				t.Errorf("%s, %s: told twice: %s", c.name, id, text)
			}
		}
	}
}

// TestALostLabelNobodySaw: where the console came later, the label follows from the task that its node was given; when it was lost is not known, and said so.
func TestALostLabelNobodySaw(t *testing.T) {
	s := swarmOf(t, "node.labels.disk==ssd", map[string]string{"zone": "a"})
	c := constraintUnsatisfied(s, nil)
	if c.Title != "no node meets its placement constraints" || strings.Contains(commands(c), "put the label back") {
		t.Errorf("nothing tells that a node ever met it: %+v", c)
	}
	for _, c := range []*Cause{labelChanged(s.rejected(), nil), constraintUnsatisfied(s, nil)} { // one and the same, by two rules
		if strings.Contains(commands(c), "node1") || !strings.Contains(commands(c), "--label-add disk=ssd node2") {
			t.Errorf("%s: %s", c.Title, commands(c))
		}
	}
	c = labelChanged(s, nil)
	if c.Title != "the label disk=ssd was taken off node2" || !strings.Contains(commands(c), "--label-add disk=ssd node2") {
		t.Errorf("%s\n%s", c.Title, commands(c))
	}
	i := slices.IndexFunc(c.Evidence, func(p Proof) bool { return strings.Contains(p.Text, "the console has watched since then") })
	if i < 0 || !c.Evidence[i].At.Equal(s.Snap.Watched()) || s.Snap.Watched().IsZero() {
		t.Errorf("%+v", c.Evidence)
	}
	s.Service.Generation = "later" // the service was changed since: it may ask for more than it did then
	if c = labelChanged(s, nil); c.Title != "a node no longer meets its constraints" {
		t.Errorf("a constraint that came after the task says nothing of the node: %s", c.Title)
	}
}
