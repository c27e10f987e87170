package fleet

import (
	"maps"
	"slices"
	"time"

	"quarterdeck/sources"
)

// Bounds of what is kept of the past, in bytes as costOf… reckon them (BenchmarkPast measures what it really takes): with all of them
// full it is some 1.3 MiB. What is as it was costs nothing: a state is kept when the next one takes its place.
const (
	pastServiceBytes = 448 << 10
	pastTaskBytes    = 160 << 10
	pastNodeBytes    = 64 << 10
	pastAlertBytes   = 64 << 10
)

// past is what was and is no more: states in the order in which they ended. Its arrays are shared with snapshots: they grow at
// their end, beyond what those see, or are made anew.
type past struct {
	since    time.Time // from here on every state is known; zero: the swarm was not read yet
	services ring[pastService]
	nodes    ring[pastNode]
	tasks    ring[pastTask]
	runs     ring[taskRun]
	alerts   ring[pastAlert]
}

// span is when something was so: from inclusive, until exclusive.
type span struct{ from, until time.Time }

func (s span) holds(at time.Time) bool { return !at.Before(s.from) && at.Before(s.until) }

// pastService is a state in which a service was.
type pastService struct {
	span
	spec    *pinned
	verdict Verdict
	healthy time.Time // HealthSince
}

// pastNode is a state in which a node was, with the role and the labels that it had; node has no plugins.
type pastNode struct {
	span
	node sources.Node
}

// pastTask is a task that the orchestrator has forgotten, in its last state, as long as it knew it.
type pastTask struct {
	span
	task sources.Task
}

// taskRun is when a task ran that runs no more.
type taskRun struct {
	span
	id string
}

// pastAlert is an alert in a state that it has left.
type pastAlert struct {
	span
	alert sources.Alert
}

// pinned is a service's settings as they were, shared by the states that had them.
type pinned struct {
	service sources.Service
	version uint64
	users   int // states in the ring
	bytes   int
}

// ring keeps the last values that ended, bounded by bytes.
type ring[T any] struct {
	list  []T
	bytes int
	lost  time.Time // the end of the newest that was let go; zero: none was
}

// add takes a value in, and lets the oldest go until the bound is kept; drop is told of each.
func (r *ring[T]) add(x T, cost func(*T) int, until func(*T) time.Time, most int, drop func(*T)) {
	r.list = append(r.list, x)
	r.bytes += cost(&x)
	for r.bytes > most && len(r.list) > 1 {
		old := &r.list[0]
		r.bytes -= cost(old)
		if u := until(old); u.After(r.lost) {
			r.lost = u
		}
		if drop != nil {
			drop(old)
		}
		r.list = r.list[1:]
	}
}

// endedAfter are the values that were still so at a moment, or began later: a tail of the list, which is in the order of its ends.
func endedAfter[T any](list []T, until func(*T) time.Time, at time.Time) []T {
	i, _ := slices.BinarySearchFunc(list, at, func(x T, at time.Time) int {
		if until(&x).After(at) {
			return 1
		}
		return -1
	})
	return list[i:]
}

func (x *pastService) end() time.Time { return x.until }
func (x *pastNode) end() time.Time    { return x.until }
func (x *pastTask) end() time.Time    { return x.until }
func (x *taskRun) end() time.Time     { return x.until }
func (x *pastAlert) end() time.Time   { return x.until }

func costOfService(x *pastService) int { return 224 + len(x.verdict.Reason) }
func costOfNode(x *pastNode) int {
	return 480 + len(x.node.Message) + costOfLabels(x.node.Labels) + costOfLabels(x.node.EngineLabels)
}
func costOfRun(*taskRun) int { return 64 + 25 }
func costOfTask(x *pastTask) int {
	t := &x.task
	return 400 + len(t.Err) + len(t.Message) + len(t.Image) + len(t.Container) + 2*len(t.ID)
}
func costOfAlert(x *pastAlert) int {
	return 320 + len(x.alert.Summary) + costOfLabels(x.alert.Labels) + costOfLabels(x.alert.Annotations)
}
func costOfLabels(labels map[string]string) int {
	n := 0
	for k, v := range labels {
		n += 48 + len(k) + len(v)
	}
	return n
}

// endService keeps the state that a service was in until now.
func (f *Fleet) endService(e *entry, now time.Time) {
	old := e.built
	if old == nil || !now.After(old.seen) {
		return
	}
	if e.pin == nil || e.pin.version != old.Version {
		e.pin = pin(&old.Service)
	}
	if e.pin.users == 0 {
		f.past.services.bytes += e.pin.bytes
	}
	e.pin.users++
	x := pastService{span: span{old.seen, now}, spec: e.pin, verdict: old.Verdict, healthy: old.HealthSince}
	x.verdict.Due = time.Time{}
	f.past.services.add(x, costOfService, (*pastService).end, pastServiceBytes, func(x *pastService) {
		if x.spec.users--; x.spec.users == 0 {
			f.past.services.bytes -= x.spec.bytes
		}
	})
}

// pin keeps of a service's settings what the table, the tasks' page and the nodes' page show.
func pin(s *sources.Service) *pinned {
	p := &pinned{service: *s, version: s.Version, bytes: 720 + len(s.Image) + len(s.Digest) + len(s.UpdateMessage)}
	p.service.Labels, p.service.EnvNames, p.service.Mounts, p.service.Networks, p.service.VIPs = nil, nil, nil, nil, nil
	p.service.Platforms, p.service.Healthcheck, p.service.LogDriver, p.service.Changed = nil, "", "", ""
	for _, list := range [][]string{s.Constraints, s.Secrets, s.Configs} {
		for _, x := range list {
			p.bytes += 16 + len(x)
		}
	}
	return p
}

// sameState tells whether two pictures of a service show the same state, what it uses left aside.
func sameState(a, b *Service) bool {
	return a.Version == b.Version && a.Health == b.Health && a.Reason == b.Reason && a.Want == b.Want && a.Running == b.Running && a.Unread == b.Unread
}

// endNodes keeps the states that nodes were in until now, and dates those that are new.
func (f *Fleet) endNodes(old, nodes []sources.Node, now time.Time) {
	seen := make(map[string]time.Time, len(nodes))
	next := make(map[string]*sources.Node, len(nodes))
	for i := range nodes {
		next[nodes[i].ID], seen[nodes[i].ID] = &nodes[i], now
	}
	for i := range old {
		was, is := &old[i], next[old[i].ID]
		from := f.nodeSeen[was.ID]
		if is != nil && sameNode(was, is) {
			seen[was.ID] = from
			continue
		}
		if !now.After(from) {
			continue
		}
		x := pastNode{span: span{from, now}, node: *was}
		x.node.Plugins = nil
		f.past.nodes.add(x, costOfNode, (*pastNode).end, pastNodeBytes, nil)
	}
	f.nodeSeen = seen
}

func sameNode(a, b *sources.Node) bool {
	return a.Name == b.Name && a.Role == b.Role && a.State == b.State && a.Message == b.Message && a.Availability == b.Availability &&
		a.Leader == b.Leader && a.Reachability == b.Reachability && a.Addr == b.Addr && a.Engine == b.Engine &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.EngineLabels, b.EngineLabels)
}

// endTasks keeps of tasks that changed when they ran, and the tasks that are not told of any more.
func (f *Fleet) endTasks(old, tasks []sources.Task, now time.Time) {
	is := make(map[string]*sources.Task, len(tasks))
	for i := range tasks {
		is[tasks[i].ID] = &tasks[i]
	}
	for i := range old {
		was := &old[i]
		t := is[was.ID]
		if was.State == sources.TaskRunning && (t == nil || t.State != was.State) {
			until := now
			if t != nil && t.Since.After(was.Since) {
				until = t.Since
			}
			f.past.runs.add(taskRun{span{was.Since, until}, was.ID}, costOfRun, (*taskRun).end, pastTaskBytes/4, nil)
		}
		if t == nil {
			f.past.tasks.add(pastTask{span{was.Created, now}, *was}, costOfTask, (*pastTask).end, pastTaskBytes, nil)
		}
	}
}

// endAlerts keeps the alerts that have left the state that they were in.
func (f *Fleet) endAlerts(old, alerts []sources.Alert, now time.Time) {
	is := make(map[string]sources.AlertState, len(alerts))
	for i := range alerts {
		is[alertKey(&alerts[i])+"\x00"+stamp(alerts[i].Since)] = alerts[i].State
	}
	for i := range old {
		a := &old[i]
		if is[alertKey(a)+"\x00"+stamp(a.Since)] == a.State || !now.After(a.Since) {
			continue
		}
		f.past.alerts.add(pastAlert{span{a.Since, now}, *a}, costOfAlert, (*pastAlert).end, pastAlertBytes, nil)
	}
}

// knownSince is from when on the states of all services and nodes are known; zero: none is.
func (p *past) knownSince() time.Time {
	return latest(p.since, latest(p.services.lost, p.nodes.lost))
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
