package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sahilm/fuzzy"

	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// What the engine calls the two roles and the three availabilities of a node.
const (
	roleManager = "manager"
	roleWorker  = "worker"
	nodeActive  = "active"
	nodePause   = "pause"
	nodeDrain   = "drain"
)

// NodeChange is what a plan wants of a node. Of the two things that can be wanted one differs.
type NodeChange struct {
	Node    string           `json:"node"`
	ID      string           `json:"id"`
	Version uint64           `json:"version"`
	Before  sources.NodeWant `json:"before"`
	After   sources.NodeWant `json:"after"`
	// Moves are, of a drain, the services whose tasks leave the node; Global counts tasks of global services, which end with it.
	Moves  []NodeMove `json:"moves,omitempty"`
	Global int        `json:"global,omitempty"`
}

// NodeMove is what becomes of a service's tasks on a node that is drained, as the placement is reckoned (capacity.Lose).
type NodeMove struct {
	Service string `json:"service"`
	Tasks   int    `json:"tasks"`
	Placed  int    `json:"placed"`
	// On counts by node where they would go.
	On map[string]int `json:"on,omitempty"`
	// Volumes are those that stay behind.
	Volumes []string `json:"volumes,omitempty"`
	Reason  string   `json:"reason,omitempty"` // why not all find a place; "": they do
	// Well: the service was healthy before, and is to be so again.
	Well bool `json:"well,omitempty"`
}

// nodeTarget is what the journal says that a node's run is about: no service.
func nodeTarget(node string) string { return "node " + node }

// does is the change in a word: that of its action or, of what takes one back, of what it does.
func (c *NodeChange) does() string {
	switch {
	case c.After.Role != c.Before.Role && c.After.Role == roleManager:
		return Promote
	case c.After.Role != c.Before.Role:
		return Demote
	case c.After.Availability == nodeActive:
		return Activate
	case c.After.Availability == nodeDrain:
		return Drain
	}
	return nodePause
}

// Title is the change in a few words.
func (c *NodeChange) Title() string { return c.does() + " " + c.Node }

// Field is what differs, before and after.
func (c *NodeChange) Field() (name, before, after string) {
	if c.After.Role != c.Before.Role {
		return "role", c.Before.Role, c.After.Role
	}
	return "availability", c.Before.Availability, c.After.Availability
}

// verifyName names the step that proves it.
func (c *NodeChange) verifyName() string {
	switch c.does() {
	case Drain:
		return "verify that nothing runs on " + c.Node + " any more, and that what ran there is well elsewhere"
	case Promote:
		return "verify that " + c.Node + " is a manager that answers"
	case Demote:
		return "verify that " + c.Node + " is no manager any more"
	}
	return "verify that " + c.Node + " is so"
}

// PlanNode plans one of the actions on nodes: Drain, Activate, Promote, Demote. node is a name or an id.
func (d *Deck) PlanNode(ctx context.Context, action, node string) (*Plan, error) {
	snap, err := d.Ready(ctx)
	if err != nil {
		return nil, err
	}
	st, err := d.beginNode(ctx, snap, node)
	if err != nil {
		return nil, err
	}
	want := st.Want()
	switch action {
	case Drain:
		want.Availability = nodeDrain
	case Activate:
		want.Availability = nodeActive
	case Promote:
		want.Role = roleManager
	case Demote:
		want.Role = roleWorker
	default:
		return nil, fmt.Errorf("%q is nothing that is done to a node", action)
	}
	return d.planNode(ctx, &Plan{Action: action}, snap, &st, want)
}

// beginNode reads a node that a plan is about.
func (d *Deck) beginNode(ctx context.Context, snap *fleet.Snapshot, node string) (sources.NodeState, error) {
	if node == "" {
		return sources.NodeState{}, &Refusal{"no node is named"}
	}
	st, err := d.Hands.NodeState(ctx, node)
	if sources.KindOf(err) != sources.NotFound {
		return st, err
	}
	var all []string
	for i := range snap.Nodes {
		all = append(all, snap.Nodes[i].Name)
	}
	e := &sources.Error{Source: fleet.SwarmName, Kind: sources.BadQuestion, Op: "find node " + node, Err: errors.New("there is no such node"), Next: "there are " + strings.Join(all, ", ")}
	if near := fuzzy.Find(node, all); len(near) > 0 {
		e.Next = "did you mean " + near[0].Str + "?"
	}
	return st, e
}

// planNode fills a plan in with what is wanted of a node, and what that risks.
func (d *Deck) planNode(ctx context.Context, p *Plan, snap *fleet.Snapshot, st *sources.NodeState, want sources.NodeWant) (*Plan, error) {
	p.Node = &NodeChange{Node: st.Name, ID: st.ID, Version: st.Version, Before: st.Want(), After: want}
	if p.Node.Before == want {
		p.Nothing = fmt.Sprintf("%s is so already: a %s, %s", st.Name, st.Role, st.Availability)
		return d.finish(p), nil
	}
	switch p.Node.does() {
	case Drain:
		if err := d.planDrain(ctx, p, snap, st); err != nil {
			return nil, err
		}
	case Promote:
		planPromote(p, snap, st)
	case Demote:
		planDemote(p, snap, st)
	}
	return d.finish(p), nil
}

// planDrain reckons what would become of what runs on the node.
func (d *Deck) planDrain(ctx context.Context, p *Plan, snap *fleet.Snapshot, st *sources.NodeState) error {
	if _, err := d.Hands.NodeTasks(ctx, st.ID); err != nil { // what cannot be looked at would seem to be nothing
		return err
	}
	p.raise(Serious, "")
	c := p.Node
	loss := capacity.Lose(snap, st.ID)
	c.Global = loss.Global
	var away []string
	for i := range loss.Moves {
		m := &loss.Moves[i]
		v := snap.Service(m.Service)
		if run := v.Labels[sources.LabelRun]; run != "" {
			p.Refused = fmt.Sprintf("run %s has a container of %s on it, which would be killed: wait for its end, or take the run back", run, orWords(v.Labels[sources.LabelService], v.Name))
			return nil
		}
		c.Moves = append(c.Moves, NodeMove{Service: m.Service, Tasks: m.Tasks, Placed: m.Placed, On: m.On, Volumes: m.Volumes, Reason: m.Why, Well: v.Health == fleet.Healthy})
		if m.Tasks >= v.Running && v.Running > 0 {
			away = append(away, m.Service)
		}
		if m.Placed < m.Tasks {
			p.warn("%s: %s: %s", m.Service, noPlace(m.Tasks-m.Placed, m.Tasks), m.Why)
		}
		if len(m.Volumes) > 0 && m.Placed > 0 {
			p.warn("%s: its data stay on %s: elsewhere it begins with an empty volume %s, unless the volume's driver keeps it on the network", m.Service, st.Name, strings.Join(m.Volumes, ", "))
		}
	}
	if len(away) > 0 {
		p.warn("all tasks of %s are on it: away until they run elsewhere", strings.Join(away, ", "))
	}
	if c.Global > 0 {
		p.warn("%s of global services end with it, until it is active again", tasksOf(c.Global))
	}
	if loss.Quorum != "" {
		p.warn("it stays a manager, and must: were the machine taken away, the managers would have no majority; promote another node first")
	} else if st.Role == roleManager {
		p.warn("it stays a manager: demote it before the machine is taken away")
	}
	if loss.Placed < loss.Tasks {
		p.raise(Guarded, "on it "+noPlace(loss.Tasks-loss.Placed, loss.Tasks))
	}
	if slices.ContainsFunc(c.Moves, func(m NodeMove) bool { return len(m.Volumes) > 0 && m.Placed > 0 }) {
		p.raise(Guarded, "volumes stay behind")
	}
	return nil
}

func tasksOf(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

// noPlace says how many of so many tasks find no place.
func noPlace(stuck, all int) string {
	switch {
	case stuck == 1 && all == 1:
		return "the only task finds no place"
	case stuck == 1:
		return fmt.Sprintf("1 of %d tasks finds no place", all)
	}
	return fmt.Sprintf("%d of %d tasks find no place", stuck, all)
}

// planPromote says what one manager more means: a majority of an even number stands no more losses than one of the odd number below it
// (https://docs.docker.com/engine/swarm/admin_guide/).
func planPromote(p *Plan, snap *fleet.Snapshot, st *sources.NodeState) {
	p.raise(Serious, "")
	if st.State != "ready" {
		p.Refused = st.Name + " is " + st.State + ": it cannot join the managers until it is back"
		return
	}
	left, _ := capacity.Demote(snap, st.ID)
	switch n := left + 1; {
	case n%2 == 0:
		p.warn("%d managers stand no more losses than %d: an odd number is better", n, n-1)
	case n > 7:
		p.warn("%d managers: more than seven make changes slower, and nothing safer", n)
	}
	p.warn("a manager has the swarm's keys and secrets: whoever is root there can have them all")
}

func planDemote(p *Plan, snap *fleet.Snapshot, st *sources.NodeState) {
	p.raise(Serious, "")
	left, why := capacity.Demote(snap, st.ID)
	switch {
	case why != "":
		p.Refused = why + ": the swarm could not be changed any more; promote another node first"
		return
	case snap.Engine.NodeID == st.ID:
		p.Refused = st.Name + " is the manager that this program talks to: point --host at another one first"
		return
	case left == 1:
		p.warn("one manager is left: with it the swarm could not be steered any more")
	case left%2 == 0:
		p.warn("%d managers stand no more losses than %d: an odd number is better", left, left-1)
	}
	if st.Leader {
		p.warn("it leads the managers: another one is elected, and for some seconds nothing can be changed")
	}
}
