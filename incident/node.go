package incident

import (
	"slices"
	"time"

	"quarterdeck/sources/fleet"
)

// ofNode makes an incident one of the node where the likeliest cause is that a node is lost: its services are then those that had tasks there.
func (k *Desk) ofNode(o *Opening) {
	if len(o.Nodes) == 0 && len(o.Causes) > 0 && o.Causes[0].Service == "" && lost(k.Deck.Fleet.Snapshot(), o.Causes[0].Node) {
		o.Nodes = []string{o.Causes[0].Node}
		if o.Anything {
			o.Services = nil
		}
	}
	for _, n := range o.Nodes {
		var since time.Time
		for i := range o.Causes {
			if c := &o.Causes[i]; c.Node == n && c.Since != nil {
				since = *c.Since
			}
		}
		for _, s := range hitBy(k.Deck.Fleet.Snapshot(), n, since) {
			if !slices.Contains(o.Services, s) {
				o.Services = append(o.Services, s)
			}
		}
	}
}

// lost tells whether a node can run no tasks: it is down, or was taken out. Of one that runs, a full disk say, the incident is the services'.
func lost(snap *fleet.Snapshot, node string) bool {
	return slices.ContainsFunc(snap.Nodes, func(n fleet.Node) bool { return n.Name == node && (!n.Up() || n.Availability != "active") })
}

// hitBy are the services that had tasks on a node when it went, as far as the swarm remembers; since zero: in the last hour.
func hitBy(snap *fleet.Snapshot, node string, since time.Time) []string {
	i := slices.IndexFunc(snap.Nodes, func(n fleet.Node) bool { return n.Name == node })
	if i < 0 {
		return nil
	}
	if since.IsZero() {
		since = snap.At.Add(-lookBack)
	}
	var out []string
	for _, s := range snap.Services {
		for j := range s.Tasks {
			if t := &s.Tasks[j]; t.NodeID == snap.Nodes[i].ID && (!t.State.Ended() || t.Since.After(since.Add(-lead))) {
				out = append(out, s.Name)
				break
			}
		}
	}
	return out
}

// orElsewhere looks at the whole fleet where nothing is wrong with the services that nobody has named: it is then of what the likeliest cause is of.
func (k *Desk) orElsewhere(o *Opening, wide []Cause) {
	if !o.Anything || len(o.Causes) > 0 || len(o.Services) == 0 || !k.allWell(o.Services) {
		return
	}
	for _, c := range wide {
		if c.Confidence < believed || c.Service == "" && c.Node == "" {
			continue
		}
		if o.Services = nil; c.Service != "" {
			o.Services = []string{c.Service}
		}
		o.Causes = []Cause{c}
		return
	}
}

// allWell tells whether services are well and no alert fires for them.
func (k *Desk) allWell(services []string) bool {
	snap := k.Deck.Fleet.Snapshot()
	return firstAlert(snap, func(a string) bool { return slices.Contains(services, a) }) == nil && !slices.ContainsFunc(services, func(name string) bool {
		s := snap.Service(name)
		return s == nil || s.Health.Rank() <= fleet.Degraded.Rank()
	})
}
