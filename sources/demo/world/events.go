package world

import (
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
)

// keptEvents is how many events can be replayed: the engine keeps 256 in memory
// (daemon/events: eventsLimit), which is what a reconnecting client can count on.
const keptEvents = 256

type journal struct {
	mu    sync.Mutex
	kept  []events.Message
	seq   uint64 // of the next event
	heard chan struct{}
}

func (j *journal) add(m events.Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.kept) >= 2*keptEvents {
		j.kept = append([]events.Message(nil), j.kept[len(j.kept)-keptEvents:]...)
	}
	j.kept = append(j.kept, m)
	j.seq++
	if j.heard != nil {
		close(j.heard)
		j.heard = nil
	}
}

// Events returns the events from number seq on (0: the oldest kept), the number of the
// next one, and a channel that is closed when one more comes.
func (w *World) Events(seq uint64) ([]events.Message, uint64, <-chan struct{}) {
	w.settle()
	j := &w.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.heard == nil {
		j.heard = make(chan struct{})
	}
	first := j.seq - uint64(len(j.kept))
	kept := uint64(keptEvents)
	if j.seq > kept && first < j.seq-kept && seq < j.seq-kept {
		seq = j.seq - kept
	}
	seq = min(max(seq, first), j.seq)
	return append([]events.Message(nil), j.kept[seq-first:]...), j.seq, j.heard
}

// EventSeq is the number of the next event.
func (w *World) EventSeq() uint64 {
	w.settle()
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return w.journal.seq
}

func (w *World) event(typ events.Type, action events.Action, id string, attrs map[string]string) {
	w.eventAt(w.now(), typ, action, "swarm", id, attrs)
}

func (w *World) eventAt(at time.Time, typ events.Type, action events.Action, scope, id string, attrs map[string]string) {
	w.journal.add(events.Message{
		Type: typ, Action: action, Scope: scope, Time: at.Unix(), TimeNano: at.UnixNano(),
		Actor: events.Actor{ID: id, Attributes: attrs},
	})
}

// boxEvent is a container's event. Only an engine tells of its own containers, so none tells of those of the other nodes.
func (w *World) boxEvent(action events.Action, t *Task, more map[string]string) {
	if t.box == nil || t.node == nil || t.node.ordinal >= w.managers {
		return
	}
	attrs := map[string]string{
		"name": t.box.Name, "image": t.box.Image,
		"com.docker.swarm.node.id": t.NodeID, "com.docker.swarm.service.id": t.ServiceID,
		"com.docker.swarm.service.name": t.box.Service, "com.docker.swarm.task": "",
		"com.docker.swarm.task.id": t.ID, "com.docker.swarm.task.name": t.box.TaskName,
	}
	if t.box.Stack != "" {
		attrs["com.docker.stack.namespace"] = t.box.Stack
	}
	for k, v := range more {
		attrs[k] = v
	}
	w.eventAt(w.now(), events.ContainerEventType, action, "local", t.box.ID, attrs)
}
