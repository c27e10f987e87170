package fleet

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestTheEnginesOwnRecord: what was changed just before this process looked is in its history, once, with the words that it is the engine's record.
func TestTheEnginesOwnRecord(t *testing.T) {
	old := noon.Add(-24 * time.Hour)
	service := func(name string, change func(*sources.Service)) *sources.Service {
		s := web()
		s.ID, s.Name, s.Created, s.Updated, s.UpdateState, s.UpdateStarted, s.UpdateCompleted = name, name, old, old.Add(time.Hour), "", time.Time{}, time.Time{}
		change(s)
		return s
	}
	f, now := at(noon)
	began := noon.Add(-10 * time.Minute)
	scaled := service("cart", func(s *sources.Service) {
		s.Updated, s.Desired, s.DesiredBefore, s.Changed = noon.Add(-time.Minute), 0, 2, "replicas 2 → 0"
	})
	rolled := service("api", func(s *sources.Service) {
		s.Updated, s.UpdateState, s.UpdateStarted, s.UpdateCompleted, s.Changed = began.Add(time.Minute), "completed", began, began.Add(time.Minute), "image a:1 → a:2"
	})
	labelled := service("web", func(s *sources.Service) { s.Updated, s.Changed = noon.Add(-2*time.Minute), "service labels changed" })
	long := service("db", func(s *sources.Service) { s.Changed = "replicas 1 → 3" })
	f.Fold(world([]*sources.Service{scaled, rolled, labelled, long}, nil,
		sources.Node{ID: "n1", Name: "one", State: "ready", Availability: "active", Created: old, Updated: noon.Add(-3 * time.Minute)},
		sources.Node{ID: "n2", Name: "two", State: "ready", Availability: "active", Created: old, Updated: old},
		sources.Node{ID: "n3", Name: "three", State: "down", Message: "heartbeat failure", Availability: "active", Created: old, Updated: old},
		sources.Node{ID: "n4", Name: "four", State: "ready", Availability: "drain", Created: old, Updated: noon.Add(-4 * time.Minute)}))
	f.Snapshot()
	// The update of a change whose record was read before it began is one row with it.
	*now = noon.Add(time.Second)
	later := *labelled
	later.Version, later.UpdateState, later.UpdateStarted = later.Version+1, "updating", labelled.Updated.Add(3*time.Second)
	f.Fold(sources.Change{At: *now, Services: []sources.Service{later}})
	var got []string
	for _, o := range Timeline(f.Snapshot().History) {
		if o.Kind == DeployStarted || o.Kind == Scaled || o.Kind == NodeChanged {
			got = append(got, strings.TrimSpace(o.Kind+" "+o.Service+o.Node+": "+o.Text+" "+o.Outcome))
		}
	}
	want := []string{"deploy api: image a:1 → a:2 deployed", "node four: availability drain (the engine's own record)",
		"node one: labels, availability or state changed (the engine's record does not say which)",
		"deploy web: service labels changed", "scaled cart: 2 → 0 (the engine's own record)"}
	if !slices.Equal(got, want) {
		t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, h := range f.Snapshot().History {
		if h.Kind == NodeChanged && !f.Snapshot().History[i].SetByHand() {
			t.Errorf("%s: %s is set by hand", h.Node, h.Text)
		}
	}
}

// A new leader writes the records of all nodes: nobody has set anything then.
func TestANewLeaderIsNobodysHand(t *testing.T) {
	old := noon.Add(-24 * time.Hour)
	var nodes []sources.Node
	for _, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, sources.Node{ID: name, Name: name, State: "ready", Availability: "active", Created: old, Updated: noon.Add(-time.Minute)})
	}
	if got := recordedNodes(nodes, noon); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
