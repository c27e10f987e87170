package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// lostLabel is a constraint on a label that a node met once and does not meet now.
type lostLabel struct {
	node, constraint string
	fleet.LabelChange
	// seen is the row of the fleet's history that tells of it; nil: nobody watched then, and Was is what the constraint asks for.
	seen *fleet.Happening
}

// labelOf reads a constraint on a node's label: "node.labels.disk==ssd".
func labelOf(constraint string) (label, value string, equal, ok bool) {
	key, value, equal := strings.Cut(constraint, "==")
	if !equal {
		key, value, ok = strings.Cut(constraint, "!=")
		if !ok {
			return "", "", false, false
		}
	}
	const prefix = "node.labels."
	key = strings.TrimSpace(key)
	if len(key) <= len(prefix) || !strings.EqualFold(key[:len(prefix)], prefix) {
		return "", "", false, false
	}
	return key[len(prefix):], strings.TrimSpace(value), equal, true
}

// lostLabels are the labels for whose sake nodes do not meet the service's constraints any more, as the history has seen them change, the newest first.
// Where nobody watched, it follows from a task that was ended for them: its node met the constraints that stand now when it was given the task.
func (s *Scene) lostLabels() []lostLabel {
	var had []string
	for _, t := range s.enforced() {
		if t.Generation == s.Service.Generation {
			had = append(had, t.NodeID)
		}
	}
	var out []lostLabel
	for _, text := range s.Service.Constraints {
		label, value, equal, ok := labelOf(text)
		if !ok {
			continue
		}
		for i := range s.Snap.Nodes {
			n := &s.Snap.Nodes[i].Node
			if fleet.Meets(n, text) {
				continue
			}
			lost := lostLabel{node: n.Name, constraint: text}
			if lost.seen = s.labelLost(n, text); lost.seen != nil {
				at := slices.IndexFunc(lost.seen.Labels, func(c fleet.LabelChange) bool { return c.Name == label })
				lost.LabelChange = lost.seen.Labels[at]
			} else if slices.Contains(had, n.ID) && equal {
				lost.LabelChange = fleet.LabelChange{Name: label, Was: value, Had: true}
				lost.Is, lost.Has = n.Labels[label]
			} else {
				continue
			}
			out = append(out, lost)
		}
	}
	slices.SortStableFunc(out, func(a, b lostLabel) int { return b.at().Compare(a.at()) })
	return out
}

// at is when it was seen; zero: nobody watched.
func (l *lostLabel) at() time.Time {
	if l.seen == nil {
		return time.Time{}
	}
	return l.seen.Time
}

// labelLost is the last change of a node's labels by which it came not to meet a constraint; nil: the history has none.
func (s *Scene) labelLost(n *sources.Node, constraint string) *fleet.Happening {
	for i := len(s.Snap.History) - 1; i >= 0; i-- {
		h := &s.Snap.History[i]
		if h.Node != n.Name || len(h.Labels) == 0 || h.Time.After(s.At.Add(clockSlack)) {
			continue
		}
		before, after := *n, *n
		before.Labels, after.Labels = maps.Clone(n.Labels), maps.Clone(n.Labels)
		for _, c := range h.Labels {
			before.Labels, after.Labels = withLabel(before.Labels, c.Name, c.Was, c.Had), withLabel(after.Labels, c.Name, c.Is, c.Has)
		}
		if fleet.Meets(&before, constraint) && !fleet.Meets(&after, constraint) {
			return h
		}
	}
	return nil
}

// withLabel gives labels one more, or takes it away.
func withLabel(labels map[string]string, name, value string, has bool) map[string]string {
	if labels == nil {
		labels = map[string]string{}
	}
	if delete(labels, name); has {
		labels[name] = value
	}
	return labels
}

// words say what became of the label, as a title has it.
func (l *lostLabel) words(nodes string) string {
	switch {
	case !l.Has:
		return fmt.Sprintf("the label %s=%s was taken off %s", l.Name, l.Was, nodes)
	case !l.Had:
		return fmt.Sprintf("the label %s=%s was given to %s", l.Name, l.Is, nodes)
	}
	return fmt.Sprintf("the label %s of %s is %s and was %s", l.Name, nodes, l.Is, l.Was)
}

// names the labels that were lost in the cause: what, of which nodes, when, and the command that puts each back. It tells whether it knew any.
func (c *Cause) names(s *Scene, lost []lostLabel) bool {
	if len(lost) == 0 {
		return false
	}
	first := &lost[0]
	var nodes []string
	for i := range lost {
		l := &lost[i]
		if l.constraint == first.constraint && l.LabelChange == first.LabelChange {
			nodes = append(nodes, l.node)
		}
		query := "docker node inspect " + shell(l.node)
		if l.seen != nil {
			c.proves(fleet.SwarmName, query, l.seen.Time, "%s, seen as it happened; by whom the swarm does not say. %s asks for it", l.words(l.node), l.constraint)
			continue
		}
		c.proves(fleet.SwarmName, query, s.Snap.Watched(), "node %s met %s when it was given the task and does not now: when that was changed is not known, the console has watched since then", l.node, l.constraint)
	}
	c.Title = oneLine(first.words(strings.Join(nodes, ", ")))
	return true
}

// putBack adds the command that gives each node its label back.
func (c *Cause) putBack(lost []lostLabel) {
	for i := range lost {
		l := &lost[i]
		if l.Had {
			c.outside("put the label back", "docker node update --label-add %s %s", shell(l.Name+"="+l.Was), shell(l.node))
		} else {
			c.outside("take the label away again", "docker node update --label-rm %s %s", shell(l.Name), shell(l.node))
		}
	}
}
