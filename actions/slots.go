package actions

import (
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// SlotProgress is one slot, or one node of a global service.
type SlotProgress struct {
	Slot int
	Node string // of the new task; else of the old one
	// Old and New are the newest task of the earlier generation and of the one asked for; nil: there is none.
	Old, New *sources.Task
	// Failed is the newest task of the one asked for that failed since the change, and Failures how many did.
	Failed   *sources.Task
	Failures int
}

func newestFailed(r *Rollout) *sources.Task {
	var newest *sources.Task
	for i := range r.Slots {
		if t := r.Slots[i].Failed; t != nil && (newest == nil || t.Since.After(newest.Since)) {
			newest = t
		}
	}
	return newest
}

// blockedTask is a task that has no node.
func blockedTask(s *fleet.Service) *sources.Task {
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if t.State == sources.TaskPending && t.Err != "" && !t.Desired.Ended() {
			return t
		}
	}
	return nil
}

// slotsOf puts old beside new, and counts the places that run what is wanted.
func slotsOf(s *fleet.Service, snap *fleet.Snapshot, asked string, from time.Time) ([]SlotProgress, int) {
	var out []SlotProgress
	fresh := 0
	for _, slot := range s.Slots() {
		p := SlotProgress{Slot: slot.Number}
		runs := false
		for i := range slot.Tasks {
			t := &slot.Tasks[i]
			if t.Generation != asked {
				if p.Old == nil || p.Old.State.Ended() && !t.State.Ended() { // start-first keeps the one that runs beside newer ones that died
					p.Old = t
				}
				continue
			}
			if t.State.Ended() && !t.Created.After(from.Add(-clockSkew)) { // of an attempt before
				continue
			}
			if p.New == nil {
				p.New = t
			}
			runs = runs || t.State == sources.TaskRunning && !t.Desired.Ended()
			if (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && t.Created.After(from.Add(-clockSkew)) {
				if p.Failures++; p.Failed == nil {
					p.Failed = t
				}
			}
		}
		if runs {
			fresh++
		}
		shown := p.New
		if shown == nil {
			shown = p.Old
		}
		if shown == nil || p.New == nil && p.Old.State.Ended() && p.Old.Desired.Ended() { // a slot that is gone
			continue
		}
		p.Node = shown.NodeID
		if n := snap.Node(shown.NodeID); n != nil {
			p.Node = n.Name
		}
		out = append(out, p)
	}
	return out, fresh
}

// clockSkew is how far the manager's clock may be from ours.
const clockSkew = 2 * time.Second
