package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// ago is a moment before noon.
func ago(d time.Duration) time.Time { return noon.Add(-d) }

// web is a service of three replicas that was last changed long ago.
func web(change ...func(*sources.Service)) *sources.Service {
	s := &sources.Service{ID: "web", Name: "web", Mode: sources.Replicated, Desired: 3, Generation: "g2", Image: "web:2",
		Created: ago(48 * time.Hour), Updated: ago(24 * time.Hour)}
	for _, f := range change {
		f(s)
	}
	return s
}

// task is one that has run at the desired generation for an hour; its id tells slot and node.
func task(slot int, node string, change ...func(*sources.Task)) sources.Task {
	t := sources.Task{ServiceID: "web", Slot: slot, NodeID: node, Generation: "g2", State: sources.TaskRunning,
		Desired: sources.TaskRunning, Created: ago(time.Hour), Since: ago(time.Hour)}
	for _, f := range change {
		f(&t)
	}
	t.ID = fmt.Sprintf("%d@%s/%s/%s/%d", slot, node, t.Generation, t.State, t.Since.UnixNano())
	return t
}

func young(age time.Duration) func(*sources.Task) {
	return func(t *sources.Task) { t.Created, t.Since = ago(age), ago(age) }
}

func old(t *sources.Task) { t.Generation = "g1" }

func failed(age time.Duration, err string) func(*sources.Task) {
	return func(t *sources.Task) {
		t.State, t.Desired, t.Err, t.ExitCode = sources.TaskFailed, sources.TaskShutdown, err, 1
		t.Created, t.Since = ago(age+time.Second), ago(age)
	}
}

func rejected(age time.Duration, err string) func(*sources.Task) {
	return func(t *sources.Task) {
		failed(age, err)(t)
		t.State, t.ExitCode = sources.TaskRejected, 0
	}
}

func waiting(state sources.TaskState, age time.Duration, err string) func(*sources.Task) {
	return func(t *sources.Task) { t.State, t.Err, t.Created, t.Since = state, err, ago(age), ago(age) }
}

func ended(state sources.TaskState) func(*sources.Task) {
	return func(t *sources.Task) { t.State, t.Desired = state, sources.TaskShutdown }
}

func nodes(list ...sources.Node) Nodes { return NewNodes(list) }

func node(id string, change ...func(*sources.Node)) sources.Node {
	n := sources.Node{ID: id, Name: "name-" + id, Role: "worker", State: "ready", Availability: "active", OS: "linux", Arch: "x86_64"}
	for _, f := range change {
		f(&n)
	}
	return n
}

func downNode(n *sources.Node)    { n.State = "down" }
func drainNode(n *sources.Node)   { n.Availability = "drain" }
func pauseNode(n *sources.Node)   { n.Availability = "pause" }
func unknownNode(n *sources.Node) { n.State = "unknown" }

func update(state, message string) func(*sources.Service) {
	return func(s *sources.Service) { s.UpdateState, s.UpdateMessage = state, message }
}

func changed(age time.Duration) func(*sources.Service) {
	return func(s *sources.Service) { s.Updated = ago(age) }
}

func replicas(n int) func(*sources.Service) { return func(s *sources.Service) { s.Desired = n } }

func global(s *sources.Service) { s.Mode, s.Desired = sources.Global, 0 }

func restarts(condition string) func(*sources.Service) {
	return func(s *sources.Service) { s.Restart.Condition = condition }
}

type verdictCase struct {
	name    string
	service *sources.Service
	tasks   []sources.Task
	nodes   Nodes
	want    Health
	reason  string // a part of it; "": Reason must be empty
	running int
	well    int
	due     time.Duration // from noon; 0: none
}

var three = nodes(node("n1"), node("n2"), node("n3"))

func all(change ...func(*sources.Task)) []sources.Task {
	return []sources.Task{task(1, "n1", change...), task(2, "n2", change...), task(3, "n3", change...)}
}

func with(tasks []sources.Task, more ...sources.Task) []sources.Task { return append(tasks, more...) }

func checkVerdicts(t *testing.T, cases []verdictCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(c.service, c.tasks, c.nodes, noon)
			if v.Health != c.want || v.Running != c.running || v.Well != c.well {
				t.Errorf("%s, %d running, %d well (%q); want %s, %d, %d", v.Health, v.Running, v.Well, v.Reason, c.want, c.running, c.well)
			}
			if (c.reason == "") != (v.Reason == "") || !strings.Contains(v.Reason, c.reason) {
				t.Errorf("reason %q, want %q in it", v.Reason, c.reason)
			}
			if wantDue := noon.Add(c.due); c.due == 0 && !v.Due.IsZero() || c.due != 0 && !v.Due.Equal(wantDue) {
				t.Errorf("due %v, want %v after now", v.Due, c.due)
			}
			for range 3 { // in whatever order the tasks come
				mixed := append([]sources.Task(nil), c.tasks...)
				rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
				if again := Judge(c.service, mixed, c.nodes, noon); again != v {
					t.Errorf("another order of tasks: %+v, want %+v", again, v)
				}
			}
		})
	}
}

func TestJudgeReplicated(t *testing.T) {
	const m, s = time.Minute, time.Second
	checkVerdicts(t, []verdictCase{
		{name: "all run", service: web(), tasks: all(), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "nodes not known", service: web(), tasks: all(), want: Healthy, running: 3, well: 3},
		{name: "scaled to none", service: web(replicas(0)), nodes: three, want: Idle, reason: "scaled to 0"},
		{name: "scaled to none after a rollback", service: web(replicas(0), update("rollback_completed", "")), want: Idle, reason: "scaled to 0"},
		{name: "in the window", service: web(), tasks: all(young(2 * s)), nodes: three, want: Updating, reason: "stabilising, 0/3 stable", running: 3, due: 3 * s},
		{name: "at the window's end", service: web(), tasks: all(young(5 * s)), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "a window of its own", service: web(func(s *sources.Service) { s.Update.Monitor = 30 * time.Second }), tasks: all(young(20 * s)), nodes: three, want: Updating, reason: "0/3 stable", running: 3, due: 10 * s},
		{name: "a window of an hour is bounded", service: web(func(s *sources.Service) { s.Update.Monitor = time.Hour }), tasks: all(young(2 * m)), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "just made, no task yet", service: web(changed(10 * s)), nodes: three, want: Updating, reason: "starting, 0/3 run", due: 50 * s},
		{name: "made long ago, no task", service: web(), nodes: three, want: Down, reason: "no task runs"},
		{name: "scaled up just now", service: web(changed(10 * s)), tasks: with(all()[:2], task(3, "n3", waiting(sources.TaskPreparing, 10*s, ""))), nodes: three, want: Updating, reason: "starting, 2/3 run", running: 2, well: 2, due: 50 * s},
		{name: "one lost, its successor on the way", service: web(), tasks: with(all()[:2], task(3, "n3", waiting(sources.TaskStarting, 10*s, ""))), nodes: three, want: Degraded, reason: "2/3 run, 1 on the way", running: 2, well: 2, due: 50 * s},
		{name: "one on its way for long", service: web(), tasks: with(all()[:2], task(3, "n3", waiting(sources.TaskStarting, 2*m, ""))), nodes: three, want: Degraded, reason: "1 waiting for over 1m", running: 2, well: 2},
		{name: "one waits for its turn", service: web(), tasks: with(all()[:2], task(3, "n3", func(t *sources.Task) { t.State, t.Desired, t.Created = "ready", "ready", ago(s) })), nodes: three, want: Degraded, reason: "1 on the way", running: 2, well: 2, due: 59 * s},
		{name: "cannot be placed", service: web(), tasks: with(all()[:2], task(3, "", waiting(sources.TaskPending, 5*s, "no suitable node (insufficient resources on 3 nodes)"))), nodes: three, want: Degraded, reason: "cannot be placed: no suitable node", running: 2, well: 2, due: 55 * s},
		{name: "none can be placed", service: web(changed(s)), tasks: []sources.Task{task(1, "", waiting(sources.TaskPending, s, "no suitable node"))}, nodes: three, want: Down, reason: "cannot be placed", due: 59 * s},
		{name: "one failed, the rest run", service: web(), tasks: with(all()[:2], task(3, "n3", failed(m, "task: non-zero exit (1)"))), nodes: three, want: Degraded, reason: "1 failed in 5m: task: non-zero exit (1)", running: 2, well: 2, due: 4 * m},
		{name: "failed once and runs again", service: web(), tasks: with(all(), task(3, "n3", failed(2*m, "boom"))), nodes: three, want: Healthy, running: 3, well: 3, due: 3 * m},
		{name: "old failures are no news", service: web(), tasks: with(all(), task(3, "n3", failed(5*m, "boom")), task(3, "n3", failed(6*m, "boom"))), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "failures of an older generation are history", service: web(), tasks: with(all(young(10*s)), task(3, "n3", failed(m, "boom"), old), task(3, "n3", failed(2*m, "boom"), old)), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "crash loop, running this moment", service: web(), tasks: with(all()[:2], task(3, "n3", young(20*s)), task(3, "n3", failed(30*s, "exit 2")), task(3, "n3", failed(90*s, "boom"))), nodes: three, want: Degraded, reason: "crash loop: web.3 failed 2 times in 5m: exit 2", running: 3, well: 2, due: 40 * s},
		{name: "crash loop, waiting this moment", service: web(), tasks: with(all()[:2], task(3, "n3", waiting(sources.TaskPreparing, s, "")), task(3, "n3", failed(5*s, "a\nb")), task(3, "n3", failed(90*s, "boom"))), nodes: three, want: Degraded, reason: "crash loop: web.3 failed 2 times in 5m: a b", running: 2, well: 2, due: 59 * s},
		{name: "a loop that calmed down", service: web(), tasks: with(all()[:2], task(3, "n3", young(m)), task(3, "n3", failed(61*s, "x")), task(3, "n3", failed(90*s, "y"))), nodes: three, want: Healthy, running: 3, well: 3, due: 3*m + 30*s},
		{name: "ends well again and again", service: web(), tasks: with(all()[:2], task(3, "n3", young(20*s)), task(3, "n3", ended(sources.TaskComplete), young(30*s)), task(3, "n3", ended(sources.TaskComplete), young(54*s))), nodes: three, want: Degraded, reason: "restarts again and again: web.3 ended 2 times in 5m", running: 3, well: 2, due: 40 * s},
		{name: "ended well once", service: web(), tasks: with(all()[:2], task(3, "n3", young(20*s)), task(3, "n3", ended(sources.TaskComplete), young(30*s))), nodes: three, want: Healthy, running: 3, well: 3, due: 4*m + 30*s},
		{name: "ends well, as it is meant to", service: web(replicas(1), restarts("on-failure")), tasks: []sources.Task{task(1, "n1", ended(sources.TaskComplete), young(30*s)), task(1, "n1", ended(sources.TaskComplete), young(50*s))}, nodes: three, want: Idle, reason: "ran to its end"},
		{name: "two loops: the worse is told", service: web(), tasks: []sources.Task{task(1, "n1"), task(2, "n2", young(s)), task(2, "n2", failed(2*s, "p")), task(2, "n2", failed(9*s, "p")),
			task(3, "n3", young(s)), task(3, "n3", failed(2*s, "q")), task(3, "n3", failed(9*s, "q")), task(3, "n3", failed(12*s, "q"))}, nodes: three, want: Degraded, reason: "web.3 failed 3 times in 5m: q (and 1 more)", running: 3, well: 1, due: 59 * s},
		{name: "failures in different slots are no loop", service: web(), tasks: with(all(young(10*s)), task(1, "n1", failed(20*s, "x")), task(2, "n2", failed(20*s, "x"))), nodes: three, want: Healthy, running: 3, well: 3, due: 4*m + 40*s},
		{name: "rejected again and again", service: web(replicas(1)), tasks: []sources.Task{task(1, "n1", waiting(sources.TaskPreparing, s, "")), task(1, "n1", rejected(2*s, "No such image: web:9")), task(1, "n2", rejected(9*s, "No such image: web:9"))}, nodes: three, want: Down, reason: "cannot start: web.1 rejected 2 times in 5m: No such image", due: 59 * s},
		{name: "never restarted after a failure", service: web(replicas(1), restarts("none")), tasks: []sources.Task{task(1, "n1", failed(m, ""))}, nodes: three, want: Down, reason: "1 failed in 5m: exit 1", due: 4 * m},
		{name: "ran to its end", service: web(replicas(1), restarts("none")), tasks: []sources.Task{task(1, "n1", ended(sources.TaskComplete))}, nodes: three, want: Idle, reason: "ran to its end"},
		{name: "some ran to their end", service: web(replicas(3), restarts("on-failure")), tasks: with(all()[:2], task(3, "n3", ended(sources.TaskComplete))), nodes: three, want: Healthy, running: 2, well: 2},
		{name: "ended, but is to run for ever", service: web(replicas(1), restarts("any")), tasks: []sources.Task{task(1, "n1", ended(sources.TaskComplete))}, nodes: three, want: Down, reason: "no task runs"},
		{name: "an older run ended well", service: web(replicas(1), restarts("none")), tasks: []sources.Task{task(1, "n1", ended(sources.TaskComplete), old)}, nodes: three, want: Down, reason: "no task runs"},
		{name: "two tasks in one slot fill one place", service: web(replicas(2)), tasks: []sources.Task{task(1, "n1"), task(1, "n2", young(10*m))}, nodes: three, want: Degraded, reason: "1/2 run", running: 1, well: 1},
		{name: "the old one beside the new one in a slot", service: web(replicas(1)), tasks: []sources.Task{task(1, "n1", old), task(1, "n2", young(s))}, nodes: three, want: Updating, reason: "0/1 stable", running: 1, due: 4 * s},
		{name: "shutting down does not count", service: web(), tasks: with(all()[:2], task(3, "n3", func(t *sources.Task) { t.Desired = sources.TaskShutdown })), nodes: three, want: Degraded, reason: "2/3 run", running: 2, well: 2},
		{name: "orphaned and removed do not count", service: web(), tasks: []sources.Task{task(1, "n1", ended(sources.TaskOrphaned)), task(2, "n2", ended(sources.TaskRemove)), task(3, "n3")}, nodes: three, want: Degraded, reason: "1/3 run", running: 1, well: 1},
		{name: "a node is down and its task stranded", service: web(), tasks: all(), nodes: nodes(node("n1"), node("n2"), node("n3", downNode)), want: Degraded, reason: "1 on a node that is down", running: 2, well: 2},
		{name: "all nodes are down", service: web(), tasks: all(), nodes: nodes(node("n1", downNode), node("n2", downNode), node("n3", downNode)), want: Down, reason: "3 on a node that is down"},
		{name: "a leader change makes nodes unknown, not down", service: web(), tasks: all(), nodes: nodes(node("n1", unknownNode), node("n2", unknownNode), node("n3", unknownNode)), want: Healthy, running: 3, well: 3},
		{name: "all tasks outdated, long after", service: web(), tasks: all(old), nodes: three, want: Degraded, reason: "3 of 3 run an older version", running: 3},
		{name: "all tasks outdated, the update about to begin", service: web(changed(s)), tasks: all(old), nodes: three, want: Updating, reason: "0/3 stable", running: 3, due: 59 * s},
		{name: "generations not known", service: web(func(s *sources.Service) { s.Generation = "" }), tasks: all(old), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "a task from the future", service: web(), tasks: with(all()[:2], task(3, "n3", young(-time.Hour))), nodes: three, want: Updating, reason: "2/3 stable", running: 3, well: 2, due: 5 * s},
	})
}

func TestJudgeUpdates(t *testing.T) {
	const m, s = time.Minute, time.Second
	one := replicas(1)
	checkVerdicts(t, []verdictCase{
		{name: "completed", service: web(update("completed", "update completed")), tasks: all(), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "in progress", service: web(update("updating", "update in progress")), tasks: []sources.Task{task(1, "n1", young(10*s)), task(2, "n2", young(s)), task(3, "n3", old)}, nodes: three, want: Updating, reason: "updating, 2/3 done", running: 3, well: 1, due: 4 * s},
		{name: "stop-first of one replica", service: web(one, update("updating", ""), changed(30*s)), tasks: []sources.Task{task(1, "n1", waiting(sources.TaskPreparing, s, ""))}, nodes: three, want: Updating, reason: "updating, 0/1 done", due: 59 * s},
		{name: "start-first: the old one runs on", service: web(one, update("updating", ""), changed(30*s)), tasks: []sources.Task{task(1, "n1", old), task(1, "n2", waiting(sources.TaskStarting, s, ""))}, nodes: three, want: Updating, reason: "updating, 0/1 done", running: 1, due: 59 * s},
		{name: "hangs: pending for ever", service: web(update("updating", "")), tasks: with(all()[:2], task(3, "", waiting(sources.TaskPending, 20*m, "no suitable node"))), nodes: three, want: Degraded, reason: "updating, 2/3 done; cannot be placed: no suitable node", running: 2, well: 2},
		{name: "nothing runs and nothing comes", service: web(one, update("updating", "")), nodes: three, want: Down, reason: "updating, 0/1 done"},
		{name: "the new version crashes, the only replica", service: web(one, update("updating", "")), tasks: []sources.Task{task(1, "n1", waiting(sources.TaskStarting, s, "")), task(1, "n1", failed(5*s, "exit 3")), task(1, "n1", failed(9*s, "exit 3"))}, nodes: three, want: Down, reason: "crash loop: web.1", due: 59 * s},
		{name: "the new version crashes beside the old", service: web(update("updating", "")), tasks: []sources.Task{task(1, "n1", old), task(2, "n2", old), task(3, "n3", young(s)), task(3, "n3", failed(5*s, "x")), task(3, "n3", failed(9*s, "x"))}, nodes: three, want: Degraded, reason: "updating, 1/3 done; crash loop", running: 3, due: 59 * s},
		{name: "paused", service: web(update("paused", "update paused due to failure or early termination of task x")), tasks: all(), nodes: three, want: Degraded, reason: "update paused: update paused due to failure", running: 3, well: 3},
		{name: "paused, and why", service: web(update("paused", "")), tasks: with(all(old)[:2], task(3, "n3", failed(m, "exit 9"))), nodes: three, want: Degraded, reason: "update paused; 1 failed in 5m: exit 9", running: 2, due: 4 * m},
		{name: "paused and nothing runs", service: web(update("paused", "why")), nodes: three, want: Down, reason: "update paused: why"},
		{name: "rolling back", service: web(update("rollback_started", ""), changed(30*s)), tasks: with(all()[:2], task(3, "n3", old)), nodes: three, want: Updating, reason: "rolling back, 2/3 done", running: 3, well: 2, due: 90 * s},
		{name: "stuck: the new ones start and never get anywhere", service: web(update("updating", ""), changed(20*m)), tasks: []sources.Task{task(1, "n1", young(6*m+10*s)), task(2, "n2", old), task(2, "n2", waiting(sources.TaskStarting, 20*s, "")), task(3, "n3", old)}, nodes: three, want: Degraded, reason: "updating, no progress for 6m, 1/3 done", running: 3, well: 1, due: 40 * s},
		{name: "stuck: nothing is tried at all", service: web(update("updating", ""), changed(25*m)), tasks: all(old), nodes: three, want: Degraded, reason: "updating, no progress for 20m, 0/3 done", running: 3, due: 5 * m},
		{name: "a rollback is stuck", service: web(update("rollback_started", ""), changed(3*m)), tasks: all(old), nodes: three, want: Degraded, reason: "rolling back, no progress for 3m", running: 3, due: m},
		{name: "one just began to run: that is progress", service: web(update("updating", ""), changed(20*m)), tasks: []sources.Task{task(1, "n1", young(m)), task(2, "n2", old), task(3, "n3", old)}, nodes: three, want: Updating, reason: "updating, 1/3 done", running: 3, well: 1, due: m},
		{name: "it waits as long as its own delay and monitor time", service: web(update("updating", ""), changed(20*m), func(s *sources.Service) { s.Update.Delay, s.Update.Monitor = 3*time.Minute, time.Minute }), tasks: []sources.Task{task(1, "n1", young(150*s)), task(2, "n2", old), task(3, "n3", old)}, nodes: three, want: Updating, reason: "updating, 1/3 done", running: 3, well: 1, due: 210 * s},
		{name: "rollback paused", service: web(update("rollback_paused", "why")), tasks: all(), nodes: three, want: Degraded, reason: "rollback paused: why", running: 3, well: 3},
		{name: "rolled back is no success", service: web(update("rollback_completed", "rollback completed")), tasks: all(), nodes: three, want: Degraded, reason: "the last update failed and was rolled back: rollback completed", running: 3, well: 3},
		{name: "rolled back, not yet stable", service: web(update("rollback_completed", "")), tasks: all(young(s)), nodes: three, want: Updating, reason: "stabilising", running: 3, due: 4 * s},
		{name: "rolled back and down", service: web(update("rollback_completed", "")), nodes: three, want: Down, reason: "no task runs"},
	})
}

func TestJudgeGlobal(t *testing.T) {
	const s = time.Second
	on := func(ids ...string) (out []sources.Task) {
		for _, id := range ids {
			out = append(out, task(0, id))
		}
		return out
	}
	labelled := func(n *sources.Node) { n.Labels = map[string]string{"disk": "ssd"} }
	ssd := func(s *sources.Service) { s.Constraints = []string{"node.labels.disk==ssd"} }
	checkVerdicts(t, []verdictCase{
		{name: "one a node", service: web(global), tasks: on("n1", "n2", "n3"), nodes: three, want: Healthy, running: 3, well: 3},
		{name: "one is missing", service: web(global), tasks: on("n1", "n2"), nodes: three, want: Degraded, reason: "2/3 run", running: 2, well: 2},
		{name: "a drained node wants none", service: web(global), tasks: on("n1", "n2"), nodes: nodes(node("n1"), node("n2"), node("n3", drainNode)), want: Healthy, running: 2, well: 2},
		{name: "a node that is down wants none", service: web(global), tasks: on("n1", "n2"), nodes: nodes(node("n1"), node("n2"), node("n3", downNode)), want: Healthy, running: 2, well: 2},
		{name: "a paused node keeps its task", service: web(global), tasks: on("n1", "n2", "n3"), nodes: nodes(node("n1"), node("n2"), node("n3", pauseNode)), want: Healthy, running: 3, well: 3},
		{name: "a paused node gets no task", service: web(global), tasks: on("n1", "n2"), nodes: nodes(node("n1"), node("n2"), node("n3", pauseNode)), want: Healthy, running: 2, well: 2},
		{name: "constraints", service: web(global, ssd), tasks: on("n1"), nodes: nodes(node("n1", labelled), node("n2")), want: Healthy, running: 1, well: 1},
		{name: "a task on a node that is not eligible fills no place", service: web(global, ssd), tasks: on("n2"), nodes: nodes(node("n1", labelled), node("n2")), want: Down, reason: "no task runs"},
		{name: "platforms", service: web(global, func(s *sources.Service) { s.Platforms = []string{"windows/amd64"} }), nodes: three, want: Idle, reason: "no node meets its constraints"},
		{name: "no node is eligible", service: web(global, ssd), nodes: three, want: Idle, reason: "no node meets its constraints"},
		{name: "its nodes are down", service: web(global), tasks: on("n1"), nodes: nodes(node("n1", downNode)), want: Down, reason: "none of its 1 eligible nodes is up"},
		{name: "its nodes are drained on purpose", service: web(global), nodes: nodes(node("n1", drainNode), node("n2", pauseNode)), want: Idle, reason: "its 2 eligible nodes are drained or paused"},
		{name: "nodes not known", service: web(global), tasks: on("n1"), want: Unknown, reason: "the nodes could not be read"},
		{name: "loops are named by node", service: web(global), tasks: with(on("n1", "n2"), task(0, "n3", young(s)), task(0, "n3", failed(2*s, "x")), task(0, "n3", failed(9*s, "x"))), nodes: three, want: Degraded, reason: "crash loop: web on name-n3 failed 2 times", running: 3, well: 2, due: 59 * s},
	})
}

func TestJudgeJobs(t *testing.T) {
	const s = time.Second
	job := func(s *sources.Service) { s.Mode, s.JobIteration = sources.ReplicatedJob, 7 }
	onNodes := func(s *sources.Service) { s.Mode, s.Desired, s.JobIteration = sources.GlobalJob, 0, 7 }
	run := func(slot int, node string, change ...func(*sources.Task)) sources.Task {
		x := task(slot, node, change...)
		x.JobIteration = 7
		return x
	}
	earlier := func(x sources.Task) sources.Task { x.JobIteration = 6; return x }
	done := func(x *sources.Task) { x.State, x.Desired = sources.TaskComplete, sources.TaskComplete }
	checkVerdicts(t, []verdictCase{
		{name: "all done", service: web(job), tasks: []sources.Task{run(1, "n1", done), run(2, "n1", done), run(3, "n1", done)}, nodes: three, want: Healthy, well: 3},
		{name: "running", service: web(job), tasks: []sources.Task{run(1, "n1", done), run(2, "n1")}, nodes: three, want: Updating, reason: "job running, 1/3 done", running: 1, well: 1},
		{name: "running with failures", service: web(job), tasks: []sources.Task{run(1, "n1", failed(time.Hour, "x")), run(1, "n1")}, nodes: three, want: Degraded, reason: "0/3 done, 1 failed: x", running: 1},
		{name: "tried again", service: web(job), tasks: []sources.Task{run(1, "n1", failed(s, "x")), run(1, "n1", waiting(sources.TaskPreparing, s, ""))}, nodes: three, want: Degraded, reason: "job is tried again, 0/3 done, 1 failed: x", due: 59 * s},
		{name: "failed", service: web(job), tasks: []sources.Task{run(1, "n1", failed(time.Hour, "x"))}, nodes: three, want: Down, reason: "job failed, 0/3 done, 1 failed: x"},
		{name: "failed, then done", service: web(job, replicas(1)), tasks: []sources.Task{run(1, "n1", failed(time.Hour, "x")), run(1, "n2", done)}, nodes: three, want: Healthy, well: 1},
		{name: "older runs do not count", service: web(job, replicas(1), changed(s)), tasks: []sources.Task{earlier(run(1, "n1", done)), earlier(run(1, "n1", failed(s, "x")))}, nodes: three, want: Updating, reason: "job starting, 0/1 done", due: 59 * s},
		{name: "does not start", service: web(job), nodes: three, want: Degraded, reason: "job does not start"},
		{name: "cannot be placed", service: web(job, changed(s)), tasks: []sources.Task{run(1, "", waiting(sources.TaskPending, s, "no suitable node"))}, nodes: three, want: Degraded, reason: "does not start, 0/3 done: no suitable node", due: 59 * s},
		{name: "its node is down", service: web(job), tasks: []sources.Task{run(1, "n1")}, nodes: nodes(node("n1", downNode)), want: Down, reason: "job on a node that is down"},
		{name: "asks for none", service: web(job, replicas(0)), nodes: three, want: Idle, reason: "asks for no run"},
		{name: "on each node, done", service: web(onNodes), tasks: []sources.Task{run(0, "n1", done), run(0, "n2", done), run(0, "n3", done)}, nodes: three, want: Healthy, well: 3},
		{name: "on each node, one to go", service: web(onNodes), tasks: []sources.Task{run(0, "n1", done), run(0, "n2", done), run(0, "n3")}, nodes: three, want: Updating, reason: "2/3 done", running: 1, well: 2},
		{name: "done on a node that has left since", service: web(onNodes), tasks: []sources.Task{run(0, "n1", done), run(0, "n2", done)}, nodes: nodes(node("n1", drainNode), node("n2")), want: Healthy, well: 2},
		{name: "on no node", service: web(onNodes), nodes: nodes(node("n1", drainNode)), want: Idle, reason: "drained or paused"},
	})
}

// TestNoFiguresOfWhatIsGone: the last CPU and memory of a service of which nothing runs any more are none of now; the curve up to then stays.
func TestNoFiguresOfWhatIsGone(t *testing.T) {
	f, _ := at(noon, SwarmName, PrometheusName)
	f.Fold(world([]*sources.Service{web()}, all(), node("n1"), node("n2"), node("n3")))
	for _, figure := range []string{"cpu", "memory"} {
		f.SetUsage(figure, map[string][]sources.Point{"web": {{T: ago(time.Minute), V: 3}, {T: noon, V: 3}}})
	}
	if v := f.Snapshot().Service("web"); v.CPUNow != 3 || v.MemoryNow != 3 {
		t.Fatalf("it runs: %v cores, %v bytes", v.CPUNow, v.MemoryNow)
	}
	f.Fold(sources.Change{TasksOf: []string{"web"}})
	v := f.Snapshot().Service("web")
	if v.Running != 0 || !math.IsNaN(v.CPUNow) || !math.IsNaN(v.MemoryNow) || len(v.CPU) == 0 {
		t.Errorf("%d run, with %v cores and %v bytes, and %d points", v.Running, v.CPUNow, v.MemoryNow, len(v.CPU))
	}
}

// What a run has made for itself is under way or over, and never what makes the platform ill.
func TestJudgeOfWhatARunHasMade(t *testing.T) {
	of := func(s *sources.Service) {
		s.Desired, s.Labels, s.Restart.Condition = 1, map[string]string{sources.LabelRun: "r1"}, "none"
		s.Created, s.Updated = ago(time.Hour), ago(time.Hour)
	}
	for _, c := range []struct {
		name  string
		tasks []sources.Task
		want  Health
	}{
		{"nothing yet", nil, Updating},
		{"no place", []sources.Task{task(1, "", waiting(sources.TaskPending, 10*time.Minute, "no suitable node"))}, Updating},
		{"at work", []sources.Task{task(1, "n1", young(time.Second))}, Healthy},
		{"done", []sources.Task{task(1, "n1", ended(sources.TaskComplete))}, Idle},
		{"failed", []sources.Task{task(1, "n1", failed(time.Minute, "exit 1")), task(1, "n1", failed(10*time.Second, "exit 1"))}, Idle},
	} {
		v := Judge(web(of), c.tasks, nodes(node("n1")), noon)
		if v.Health != c.want || !strings.HasPrefix(v.Reason, "of run r1") {
			t.Errorf("%s: %s, %q", c.name, v.Health, v.Reason)
		}
	}
}
