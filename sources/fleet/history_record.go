package fleet

import (
	"fmt"
	"time"

	"quarterdeck/sources"
)

// What the engine itself still knows of what was before this process looked: when an object was changed last, and of a service in what its spec
// differs from the one before. Older changes nobody knows without a history of his own. Of the last startsBack alone: older is no news.

const (
	// recordWord is how such a row says from where it is known.
	recordWord = " (the engine's own record)"
	// sameChange is how far apart the dates of one change lie: the manager stores a service and its update's state one after the other.
	sameChange = 2 * time.Second
)

// recorded is a service's last change, where no update of its tasks tells of it already: it was scaled, or what is not in its tasks was changed.
func recorded(s *sources.Service, at time.Time) []Happening {
	switch {
	case at.Sub(s.Updated) > startsBack, s.Updated.Sub(s.Created) < sameChange, s.Changed == "":
		return nil
	case near(s.Updated, s.UpdateStarted), near(s.Updated, s.UpdateCompleted), s.UpdateState != "" && s.UpdateState != "completed":
		return nil // the update's own rows
	}
	h := Happening{Time: s.Updated, Kind: DeployStarted, Service: s.Name, Text: s.Changed + recordWord, Source: SwarmName, Record: true,
		key: key(DeployStarted, s.ID, "record", stamp(s.Updated))}
	if scaled := fmt.Sprintf("replicas %d → %d", s.DesiredBefore, s.Desired); s.Changed == scaled {
		h.Kind, h.Text = Scaled, scaled[len("replicas "):]+recordWord
	}
	return []Happening{h}
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() <= sameChange }

// recordedNodes is the last change of each node, of which the engine keeps the time and not what it was: a node that is down went down then at the
// latest, and one that takes no tasks was told so then at the latest. Of one that is well it may have been a label (SetByHand). Where most nodes
// were changed lately it was nobody's hand: a new leader writes all of them.
func recordedNodes(nodes []sources.Node, at time.Time) []Happening {
	recent := func(n *sources.Node) bool {
		return at.Sub(n.Updated) <= startsBack && n.Updated.Sub(n.Created) > time.Minute
	}
	changed := 0
	for i := range nodes {
		if recent(&nodes[i]) {
			changed++
		}
	}
	var out []Happening
	for i := range nodes {
		n := &nodes[i]
		if !recent(n) {
			continue
		}
		h := Happening{Time: n.Updated, Kind: NodeChanged, Node: n.Name, Source: SwarmName, Record: true}
		switch {
		case isDown(n):
			h.Text, h.Bad = n.State, true
			if n.Message != "" {
				h.Text += ": " + oneLine(n.Message)
			}
		case n.Availability != "active":
			h.Text, h.Bad = "availability "+n.Availability, true
		case 2*changed > len(nodes):
			continue
		default:
			h.Text = "labels, availability or state changed (the engine's record does not say which)"
			out = append(out, h)
			continue
		}
		h.Text += recordWord
		out = append(out, h)
	}
	return out
}

// SetByHand tells whether a happening is, or may be, that somebody set something of a node: its labels, its availability or its role. It is a
// change before what follows it, as a deploy is of a service: what must have the label that is gone, or ran on the node that was drained, has no
// place from then on. Node is the node's name; Record tells that what it was is only likely. The rows are in Snapshot.History, and those of one
// node come from the fleet's comparison of two listings (nodeHappenings), or from the engine's own record (recordedNodes).
func (h *Happening) SetByHand() bool {
	if h.Kind != NodeChanged {
		return false
	}
	for _, word := range []string{"label ", "availability ", "role ", "labels, "} {
		if len(h.Text) >= len(word) && h.Text[:len(word)] == word {
			return true
		}
	}
	return false
}
