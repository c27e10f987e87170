package world

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

func constraintsOf(t *swarm.TaskSpec) []string {
	if t.Placement == nil {
		return nil
	}
	return t.Placement.Constraints
}

// meets tells whether a node satisfies all constraints.
func meets(n *Node, constraints []string) bool {
	for _, c := range constraints {
		key, want, equal := strings.Cut(c, "==")
		if !equal {
			key, want, _ = strings.Cut(c, "!=")
		}
		key, want = strings.TrimSpace(key), strings.TrimSpace(want)
		var got string
		switch {
		case key == "node.id":
			got = n.ID
		case key == "node.hostname":
			got = n.Description.Hostname
		case key == "node.role":
			got = string(n.Spec.Role)
		case strings.HasPrefix(key, "node.labels."):
			got = n.Spec.Labels[strings.TrimPrefix(key, "node.labels.")]
		case key == "node.platform.os":
			got = n.Description.Platform.OS
		}
		if strings.EqualFold(got, want) != equal {
			return false
		}
	}
	return true
}

func reserved(t *swarm.TaskSpec) (cpu, mem int64) {
	if t.Resources == nil || t.Resources.Reservations == nil {
		return 0, 0
	}
	return t.Resources.Reservations.NanoCPUs, t.Resources.Reservations.MemoryBytes
}

// place puts a task on the best node, or leaves its node nil. A task of a global service has its node.
func (w *World) place(t *Task) {
	cpu, mem := reserved(&t.Spec)
	var best *Node
	for _, n := range w.nodes {
		if t.Slot == 0 && n.ID != t.NodeID {
			continue
		}
		if w.refuses(n, t, cpu, mem) != "" {
			continue
		}
		if best == nil || n.load.byService[t.ServiceID] < best.load.byService[t.ServiceID] ||
			n.load.byService[t.ServiceID] == best.load.byService[t.ServiceID] && n.load.tasks < best.load.tasks {
			best = n
		}
	}
	t.node = best
	if best == nil {
		return
	}
	t.NodeID, t.placed = best.ID, true
	if best.load.byService == nil {
		best.load.byService = map[string]int{}
	}
	best.load.tasks++
	best.load.cpu += cpu
	best.load.mem += mem
	best.load.byService[t.ServiceID]++
}

func (w *World) release(t *Task) {
	if !t.placed {
		return
	}
	t.placed = false
	cpu, mem := reserved(&t.Spec)
	l := &t.node.load
	l.tasks--
	l.cpu -= cpu
	l.mem -= mem
	l.byService[t.ServiceID]--
}

// refuses is why a node cannot take a task, in the scheduler's order and words, or "".
func (w *World) refuses(n *Node, t *Task, cpu, mem int64) string {
	switch {
	case n.Status.State != swarm.NodeStateReady || n.Spec.Availability != swarm.NodeAvailabilityActive:
		return notAvailable
	case n.load.cpu+cpu > n.Description.Resources.NanoCPUs || n.load.mem+mem > n.Description.Resources.MemoryBytes:
		return "insufficient resources"
	case !meets(n, constraintsOf(&t.Spec)):
		return "scheduling constraints not satisfied"
	case w.portTaken(n, t):
		return "host-mode port already in use"
	}
	if p := t.Spec.Placement; p != nil && p.MaxReplicas > 0 && n.load.byService[t.ServiceID] >= int(p.MaxReplicas) { //nolint:gosec // small
		return maxReplicas
	}
	return ""
}

func (w *World) portTaken(n *Node, t *Task) bool {
	for _, p := range t.service.Endpoint.Ports {
		if p.PublishMode != swarm.PortConfigPublishModeHost || p.PublishedPort == 0 || n.load.tasks == 0 {
			continue
		}
		for id, count := range n.load.byService {
			s := w.services[id]
			if count == 0 || s == nil {
				continue
			}
			for _, o := range s.Endpoint.Ports {
				if o.PublishMode == p.PublishMode && o.PublishedPort == p.PublishedPort && o.Protocol == p.Protocol {
					return true
				}
			}
		}
	}
	return false
}

// reasons are the scheduler's filters in its order.
var reasons = []string{notAvailable, "insufficient resources", "scheduling constraints not satisfied", "host-mode port already in use", maxReplicas}

const (
	notAvailable = "not available"
	maxReplicas  = "max replicas per node limit exceed"
)

// unplaceable is the scheduler's explanation (swarmkit manager/scheduler: Pipeline.Explain and the filters'), the
// commonest reason first.
func (w *World) unplaceable(t *Task) string {
	counts := map[string]int{}
	cpu, mem := reserved(&t.Spec)
	for _, n := range w.nodes {
		if why := w.refuses(n, t, cpu, mem); why != "" {
			counts[why]++
		}
	}
	order := slices.DeleteFunc(slices.Clone(reasons), func(why string) bool { return counts[why] == 0 })
	slices.SortStableFunc(order, func(a, b string) int { return counts[b] - counts[a] })
	parts := make([]string, len(order))
	for i, why := range order {
		parts[i] = explain(why, counts[why])
	}
	if len(parts) == 0 {
		return "no suitable node"
	}
	return "no suitable node (" + strings.Join(parts, "; ") + ")"
}

func explain(why string, n int) string {
	switch {
	case why == maxReplicas:
		return why
	case why == notAvailable && n == 1:
		return "1 node not available for new tasks"
	case why == notAvailable:
		return fmt.Sprintf("%d nodes not available for new tasks", n)
	case n == 1:
		return why + " on 1 node"
	}
	return fmt.Sprintf("%s on %d nodes", why, n)
}

// KillNode takes a node away: its heartbeats stop, which a manager sees at once here.
func (w *World) KillNode(name string) error {
	defer w.order()()
	return w.killNode(name)
}

func (w *World) killNode(name string) error {
	n, err := w.node(name)
	if err != nil {
		return err
	}
	if n.ordinal < w.managers {
		return fmt.Errorf("%s is an engine that the demo speaks for, it cannot be killed: choose another node: %w", name, ErrInvalid)
	}
	if n.Status.State == swarm.NodeStateDown {
		return nil
	}
	w.nodeState(n, swarm.NodeStateDown, "heartbeat failure")
	now := seconds(w.now())
	n.Down = append(slices.DeleteFunc(slices.Clone(n.Down), func(d Span) bool { return d.To < now-kept.Seconds() }), Span{now, math.Inf(1)})
	w.loseTasks(n, func(t *Task) {
		if t.box != nil && t.box.End > now {
			t.box.End = now
		}
	})
	return nil
}

// freezeNode stops a node's engine and nothing else: its containers live on unheard, its exporters answer.
func (w *World) freezeNode(name string) error {
	n, err := w.node(name)
	if err != nil {
		return err
	}
	w.nodeState(n, swarm.NodeStateDown, "heartbeat failure")
	now := seconds(w.now())
	n.Frozen = append(slices.DeleteFunc(slices.Clone(n.Frozen), func(d Span) bool { return d.To < now-kept.Seconds() }), Span{now, math.Inf(1)})
	w.loseTasks(n, func(t *Task) {
		if t.box != nil {
			t.box.Mute = now
		}
	})
	return nil
}

// loseTasks gives up what runs on a node that is away, and has it replaced elsewhere.
func (w *World) loseTasks(n *Node, each func(*Task)) {
	n.away = seconds(w.now())
	w.orphan(n, n.away)
	for _, s := range w.sorted() {
		for _, name := range s.slotNames() {
			for _, t := range slices.Clone(s.slots[name]) {
				if t.NodeID == n.ID && !ended(t.Status.State) && t.node != nil {
					each(t)
					w.lose(t)
				}
			}
		}
	}
	for _, s := range w.sorted() {
		w.reconcile(s)
	}
}

// orphanAfter is swarmkit's defaultNodeDownPeriod.
const orphanAfter = 24 * time.Hour

// orphan marks the tasks of a node that has been away for a day: nobody will ever tell what became of them.
func (w *World) orphan(n *Node, since float64) {
	w.after(orphanAfter, func() {
		if n.away != since {
			return
		}
		for _, s := range w.sorted() {
			for _, name := range s.slotNames() {
				for _, t := range s.slots[name] {
					if t.NodeID == n.ID && !ended(t.Status.State) {
						w.set(t, swarm.TaskStateOrphaned, t.Status.Message, t.Status.Err)
					}
				}
			}
		}
	})
}

// lose gives up a task whose node is gone: it is desired to shut down and keeps the state it was last seen in.
func (w *World) lose(t *Task) {
	t.DesiredState = swarm.TaskStateShutdown
	t.step++
	w.bump(&t.Meta)
	w.release(t)
	w.lookAfter(t.service)
	if u := t.service.updater; u != nil {
		u.release(t)
	}
}

// ReviveNode brings a node back: what it had lost is reported as shut down.
func (w *World) ReviveNode(name string) error {
	defer w.order()()
	return w.reviveNode(name)
}

func (w *World) reviveNode(name string) error {
	n, err := w.node(name)
	if err != nil {
		return err
	}
	if n.Status.State == swarm.NodeStateReady {
		return nil
	}
	w.nodeState(n, swarm.NodeStateReady, "")
	n.away = 0
	n.Down, n.Frozen = closed(n.Down, seconds(w.now())), closed(n.Frozen, seconds(w.now()))
	for _, s := range w.sorted() {
		for _, name := range s.slotNames() {
			for _, t := range s.slots[name] {
				if t.NodeID == n.ID && !ended(t.Status.State) && t.DesiredState == swarm.TaskStateShutdown {
					w.set(t, swarm.TaskStateShutdown, "shutdown", "")
					w.closeBox(t, exit(0))
				}
			}
		}
	}
	w.after(time.Second, func() {
		for _, s := range w.sorted() {
			w.reconcile(s)
		}
	})
	return nil
}

// closed is spans of which the last has ended by now.
func closed(spans []Span, now float64) []Span {
	spans = slices.Clone(spans)
	if k := len(spans); k > 0 {
		spans[k-1].To = min(spans[k-1].To, now)
	}
	return spans
}

func (w *World) nodeState(n *Node, state swarm.NodeState, message string) {
	old := n.Status.State
	n.Status.State, n.Status.Message = state, message
	if m := n.ManagerStatus; m != nil {
		c := *m
		c.Reachability = swarm.ReachabilityReachable
		if state != swarm.NodeStateReady {
			c.Reachability = swarm.ReachabilityUnreachable
		}
		n.ManagerStatus = &c
	}
	w.bump(&n.Meta)
	w.event(events.NodeEventType, events.ActionUpdate, n.ID, map[string]string{"name": n.Description.Hostname, "state.old": string(old), "state.new": string(state)})
}

// sorted is the services by name.
func (w *World) sorted() []*Service {
	out := make([]*Service, 0, len(w.services))
	for _, s := range w.services {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Service) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return out
}
