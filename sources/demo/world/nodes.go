package world

import (
	"slices"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// UpdateNode gives a node new labels, another availability or another role. version must be the present one.
func (w *World) UpdateNode(ref string, version uint64, spec swarm.NodeSpec) error {
	defer w.order()()
	n, err := w.node(ref)
	switch {
	case err != nil:
		return err
	case n.Version.Index != version:
		return ErrSequence
	}
	switch spec.Availability {
	case swarm.NodeAvailabilityActive, swarm.NodeAvailabilityPause, swarm.NodeAvailabilityDrain:
	default:
		return refused("InvalidArgument", ErrInvalid, "invalid Availability: %q", spec.Availability)
	}
	switch spec.Role {
	case swarm.NodeRoleManager:
	case swarm.NodeRoleWorker:
		if n.Spec.Role == swarm.NodeRoleManager {
			if err := w.demotable(n); err != nil {
				return err
			}
		}
	default:
		return refused("InvalidArgument", ErrInvalid, "invalid Role: %q", spec.Role)
	}
	role := n.Spec.Role
	w.changeNode(n, spec)
	if spec.Role != role {
		w.after(w.between(300*time.Millisecond, 600*time.Millisecond), func() { w.settleRole(n) })
	}
	return nil
}

// demotable refuses to take away the manager without which the others would be none or no majority (swarmkit, manager/controlapi/node.go, UpdateNode).
func (w *World) demotable(n *Node) error {
	managers, left, spoken := 0, 0, 0
	for _, x := range w.nodes {
		if x.Spec.Role != swarm.NodeRoleManager {
			continue
		}
		managers++
		if m := x.ManagerStatus; x != n && m != nil && m.Reachability == swarm.ReachabilityReachable {
			left++
			if x.ordinal < w.managers {
				spoken++
			}
		}
	}
	switch {
	case managers == 1:
		return refused("FailedPrecondition", ErrInvalid, "attempting to demote the last manager of the swarm")
	case left <= (managers-1)/2:
		return refused("FailedPrecondition", ErrInvalid, "can't remove member from the raft: this would result in a loss of quorum")
	case spoken == 0:
		return refused("FailedPrecondition", ErrInvalid, "the demo speaks for no other manager's engine: nobody could be asked any more")
	}
	return nil
}

// settleRole makes a node what its role says: it joins the managers, or leaves them, and one that led them hands that on.
func (w *World) settleRole(n *Node) {
	manager, led := n.Spec.Role == swarm.NodeRoleManager, n.ManagerStatus != nil && n.ManagerStatus.Leader
	switch {
	case manager == (n.ManagerStatus != nil) || manager && n.Status.State != swarm.NodeStateReady: // it was told otherwise meanwhile, or does not hear of it
		return
	case manager:
		n.ManagerStatus = &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable, Addr: n.Status.Addr + ":2377"}
	default:
		n.ManagerStatus = nil
	}
	w.bump(&n.Meta)
	w.event(events.NodeEventType, events.ActionUpdate, n.ID, map[string]string{"name": n.Description.Hostname})
	for _, x := range w.nodes {
		if m := x.ManagerStatus; led && m != nil && m.Reachability == swarm.ReachabilityReachable {
			x.ManagerStatus = &swarm.ManagerStatus{Leader: true, Reachability: m.Reachability, Addr: m.Addr}
			w.bump(&x.Meta)
			w.event(events.NodeEventType, events.ActionUpdate, x.ID, map[string]string{"name": x.Description.Hostname})
			return
		}
	}
}

// changeNode stores a node's spec, tells of it, and does what follows: a task whose node no longer meets its
// constraints is rejected (swarmkit manager/orchestrator/constraintenforcer), a drained node is emptied.
func (w *World) changeNode(n *Node, spec swarm.NodeSpec) {
	old := n.Spec
	n.Spec = spec
	w.bump(&n.Meta)
	attrs := map[string]string{"name": n.Description.Hostname}
	if old.Availability != spec.Availability {
		attrs["availability.old"], attrs["availability.new"] = string(old.Availability), string(spec.Availability)
	}
	if old.Role != spec.Role {
		attrs["role.old"], attrs["role.new"] = string(old.Role), string(spec.Role)
	}
	w.event(events.NodeEventType, events.ActionUpdate, n.ID, attrs)
	for _, s := range w.sorted() {
		for _, name := range s.slotNames() {
			for _, t := range slices.Clone(s.slots[name]) {
				if t.NodeID == n.ID && t.node != nil && t.meant() && !ended(t.Status.State) {
					w.enforce(n, t)
				}
			}
		}
	}
	for _, s := range w.sorted() {
		w.reconcile(s)
	}
}

func (w *World) enforce(n *Node, t *Task) {
	switch {
	case n.Spec.Availability == swarm.NodeAvailabilityDrain:
		w.stop(t, swarm.TaskStateShutdown, nil)
	case n.Spec.Availability == swarm.NodeAvailabilityActive && !meets(n, constraintsOf(&t.service.Spec.TaskTemplate)):
		w.end(t, swarm.TaskStateRejected, "task rejected by constraint enforcer", "assigned node no longer meets constraints", nil)
	}
}
