package diagnosis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// scraper is a Prometheus that has scraped two exporters and an engine of a node.
type scraper struct {
	sources.Metrics
	up      map[string]float64 // by job; the jobs that there are
	scraped time.Time
	boxes   []string // names of the containers that are seen
	engine  string   // its words for why the engine does not answer
	err     error
}

func (x scraper) Instant(_ context.Context, query string, at time.Time) (sources.MetricsAnswer, error) {
	var a sources.MetricsAnswer
	add := func(v float64, labels map[string]string) {
		a.Series = append(a.Series, sources.Series{Labels: labels, Points: []sources.Point{{T: at, V: v}}})
	}
	if !strings.Contains(query, `node="node3"`) || !strings.Contains(query, `(node3|10\\.0\\.0\\.3)(:[0-9]+)?`) {
		return a, errors.New("not about the node: " + query)
	}
	for job, v := range x.up {
		labels := map[string]string{"job": job, "instance": "10.0.0.3:" + job}
		switch {
		case strings.HasPrefix(query, "up"):
			add(v, labels)
		case strings.HasPrefix(query, "timestamp"):
			add(float64(x.scraped.Unix()), labels)
		case strings.HasPrefix(query, "last_over_time(engine_daemon_engine_info") && job == "dockerd":
			add(1, labels)
		}
	}
	for _, name := range x.boxes {
		if strings.HasPrefix(query, "container_last_seen") {
			add(float64(x.scraped.Unix()), map[string]string{"name": name})
		}
	}
	return a, x.err
}

func (x scraper) Targets(context.Context) ([]sources.Target, error) {
	return []sources.Target{{Job: "dockerd", Instance: "10.0.0.2:dockerd", LastError: "of another one"}, {Job: "dockerd", Instance: "10.0.0.3:dockerd", LastError: x.engine}}, x.err
}

// writing is a Loki to which a task of the lost node still writes.
type writing struct{ sources.Logs }

func (writing) Name() string { return "loki" }

func (writing) Query(_ context.Context, q sources.LogQuery) (sources.LogPage, error) {
	if len(q.Tasks) != 1 || q.Tasks[0] != "db1" || !q.Since.After(noon.Add(-time.Minute)) {
		return sources.LogPage{}, nil
	}
	return sources.LogPage{Entries: []sources.Entry{{Time: noon, Line: "checkpoint complete", Stream: &sources.Stream{Service: "db", Task: "db1"}}}}, nil
}

// lost is a fleet whose third node went down a minute ago: db.1 was there and runs on the second one since, by swarm's word.
func lost(metrics sources.Metrics, logs sources.Logs) *inquiry {
	now := noon.Add(-time.Minute)
	f := fleet.New(func() time.Time { return now }, fleet.SwarmName)
	task := func(service, id, node string, slot int, created time.Time) sources.Task {
		return sources.Task{ID: id, ServiceID: service, Slot: slot, NodeID: node, State: sources.TaskRunning, Desired: sources.TaskRunning, Created: created, Since: created}
	}
	w := sources.World{At: now, Nodes: []sources.Node{{ID: "n2", Name: "node2", State: "ready", Role: "manager"}, {ID: "n3", Name: "node3", Addr: "10.0.0.3", State: "ready"}},
		Services: []sources.Service{{ID: "db", Name: "db", Mode: sources.Replicated, Desired: 1, Mounts: []sources.Mount{{Type: "volume", Source: "data", Target: "/data"}}}, {ID: "agent", Name: "agent", Mode: sources.Global}},
		Tasks:    []sources.Task{task("db", "db1", "n3", 1, noon.Add(-time.Hour))}}
	f.Fold(sources.Change{World: &w})
	f.Snapshot()
	w.Nodes = []sources.Node{w.Nodes[0], w.Nodes[1]}
	w.Nodes[1].State, w.Nodes[1].Message = "down", "heartbeat failure"
	w.Tasks = append(w.Tasks, task("db", "db2", "n2", 1, noon.Add(-50*time.Second)))
	f.Fold(sources.Change{World: &w})
	f.Snapshot()
	now = noon
	return &inquiry{d: &Doctor{Metrics: metrics, Logs: logs}, q: Question{At: noon}, began: noon, snap: f.Snapshot()}
}

func (x *inquiry) lostNode(ctx context.Context) *Cause {
	x.wide = &Wide{Machines: x.machines(ctx)}
	return x.nodeDown(x.snap.Node("n3"))
}

// TestNodeDown: the title says what is known of the machine and the engine, and no more.
func TestNodeDown(t *testing.T) {
	all, since, before := map[string]float64{"node": 1, "cadvisor": 1, "dockerd": 0}, noon.Add(-10*time.Second), noon.Add(-70*time.Second)
	seen := []string{"db.1.db1", "agent.n3.agent1", "not-of-the-swarm.1.x"}
	for name, c := range map[string]struct {
		metrics                   sources.Metrics
		logs                      sources.Logs
		title, why, says, against string
	}{
		"it hangs": {scraper{up: all, scraped: since, boxes: seen, engine: "context deadline exceeded"}, nil, "the engine on node3 hangs: its containers still run; one service runs twice", "does not answer in time",
			"its machine answers since: cadvisor at 10.0.0.3:cadvisor, node at 10.0.0.3:node", "a firewall"},
		"it has ended": {scraper{up: all, scraped: since, boxes: seen, engine: "connect: connection refused"}, nil, "the engine on node3 has ended: its containers still run; one service runs twice", "nothing listens",
			"run there and elsewhere: db", "need not serve"},
		"cut off": {scraper{up: map[string]float64{"node": 1, "dockerd": 1}, scraped: since, boxes: seen}, nil, "node3 is cut off from the managers: its containers still run; one service runs twice", "something stands between", "2 containers of 2 services", ""},
		"its engine is not scraped": {scraper{up: map[string]float64{"node": 1}, scraped: since}, nil, "the engine on node3 hangs or has ended: its machine goes on", "goes on",
			"its machine answers since", "no container of it is seen since"},
		"not all answer":      {scraper{up: map[string]float64{"node": 1, "cadvisor": 0}, scraped: since}, nil, "the engine on node3 hangs or has ended: its machine goes on", "goes on", "node at", "not all of it answers: cadvisor"},
		"all is silent":       {scraper{up: map[string]float64{"node": 0, "cadvisor": 0, "dockerd": 0}, scraped: since}, nil, "node node3 is down", "its machine does not answer either", "nothing on it answers: cadvisor", ""},
		"scraped before":      {scraper{up: all, scraped: before, boxes: seen}, nil, "node node3 is down", "its exporters were not asked since", "", ""},
		"no exporters":        {scraper{}, nil, "node node3 is down", "Prometheus tells of no exporter", "", ""},
		"could not be asked":  {scraper{err: errors.New("away")}, nil, "node node3 is down", "Prometheus could not be asked", "", ""},
		"no Prometheus":       {nil, nil, "node node3 is down", "no Prometheus to ask", "", ""},
		"its lines go on":     {nil, writing{}, "the engine on node3 hangs or has ended: its containers still run", "goes on", "a task of it has written since: checkpoint complete", "cut between"},
		"its lines and times": {scraper{up: all, scraped: since, engine: "context deadline exceeded"}, writing{}, "the engine on node3 hangs: its containers still run", "in time", "checkpoint complete", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := lost(c.metrics, c.logs).lostNode(t.Context())
			if got == nil || got.ID != "node-down" || got.Title != c.title || !strings.Contains(got.Why, c.why) || !strings.Contains(textOf(got.Evidence), c.says) || !strings.Contains(textOf(got.Against), c.against) {
				t.Fatalf("%+v", got)
			}
			twice := strings.Contains(c.title, "twice")
			var next strings.Builder
			for _, n := range got.Next {
				next.WriteString(n.Text + "\n")
			}
			if goes := !strings.HasPrefix(c.title, "node node3 is down"); goes != strings.Contains(next.String(), "do not `docker node rm` it") || twice != strings.Contains(next.String(), "db (volume data) may have two writers") {
				t.Errorf("next: %s", next.String())
			}
		})
	}
}

// TestNodeDownAtFirst says nothing of what nobody has been asked yet.
func TestNodeDownAtFirst(t *testing.T) {
	x := lost(scraper{}, nil)
	if got := x.nodeDown(x.snap.Node("n3")); got == nil || got.Why != "the managers say so: heartbeat failure" {
		t.Errorf("%+v", got)
	}
}

// TestNodeDownSince: where nobody was looking when it went, the managers' own word is when it was down at the latest.
func TestNodeDownSince(t *testing.T) {
	x := lost(scraper{}, nil)
	x.snap.History = nil
	n := *x.snap.Node("n3")
	n.Updated = noon.Add(-5 * time.Minute)
	if got := x.nodeDown(&n); got == nil || !got.Since.Equal(n.Updated) {
		t.Errorf("%+v", got)
	}
}
