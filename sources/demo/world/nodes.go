package world

import (
	"slices"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// UpdateNode gives a node new labels or another availability. version must be the present one.
func (w *World) UpdateNode(ref string, version uint64, spec swarm.NodeSpec) error {
	defer w.order()()
	n, err := w.node(ref)
	switch {
	case err != nil:
		return err
	case n.Version.Index != version:
		return ErrSequence
	case spec.Role != "" && spec.Role != n.Spec.Role:
		return refused("Unimplemented", ErrUnimplemented, "the demo's nodes keep their roles")
	}
	switch spec.Availability {
	case swarm.NodeAvailabilityActive, swarm.NodeAvailabilityPause, swarm.NodeAvailabilityDrain:
	default:
		return refused("InvalidArgument", ErrInvalid, "invalid Availability: %q", spec.Availability)
	}
	spec.Role = n.Spec.Role
	w.changeNode(n, spec)
	return nil
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
