package world

import (
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// slotKey is a replica's number, or a node's id on a global service.
type slotKey struct {
	slot int
	node string
}

func (k slotKey) String() string {
	if k.node != "" {
		return k.node
	}
	return itoa(k.slot)
}

func (t *Task) key() slotKey {
	if t.Slot == 0 {
		return slotKey{node: t.NodeID}
	}
	return slotKey{slot: t.Slot}
}

func (t *Task) slotName() string { return t.key().String() }

// slotNames is the slots in an order that is always the same: what is drawn by chance must not hang on a map's.
func (s *Service) slotNames() []string { return slices.Sorted(maps.Keys(s.slots)) }

// wanted is the slots that a service should fill.
func (w *World) wanted(s *Service) []slotKey {
	if r := s.Spec.Mode.Replicated; r != nil && r.Replicas != nil {
		keys := make([]slotKey, 0, *r.Replicas)
		for i := range *r.Replicas {
			keys = append(keys, slotKey{slot: int(i) + 1}) //nolint:gosec // bounded by the API
		}
		return keys
	}
	var keys []slotKey
	if s.Spec.Mode.Global != nil {
		for _, n := range w.nodes {
			if n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive && meets(n, constraintsOf(&s.Spec.TaskTemplate)) {
				keys = append(keys, slotKey{node: n.ID})
			}
		}
	}
	return keys
}

// meant tells whether a task should run, now or after its restart delay.
func (t *Task) meant() bool {
	return t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady
}

// lives is a slot's tasks that are meant to run, oldest first: more than one only while an update starts the new one
// first.
func (s *Service) lives(key slotKey) []*Task {
	return slices.DeleteFunc(slices.Clone(s.slots[key.String()]), func(t *Task) bool { return !t.meant() })
}

// live is the newest of a slot's tasks that are meant to run, or nil.
func (s *Service) live(key slotKey) *Task {
	tasks := s.lives(key)
	if len(tasks) == 0 {
		return nil
	}
	return tasks[len(tasks)-1]
}
