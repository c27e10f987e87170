package metrics

import (
	"math"
	"strconv"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources/demo/world"
)

func up(b *builder, name string) {
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		for _, t := range []struct {
			job, port string
			up        func(float64) bool
		}{{"node-exporter", "9100", n.Up}, {"cadvisor", "8080", n.Up}, {"dockerd", "9323", n.EngineUp}} {
			b.add(name, []string{"job", t.job, "instance", n.Addr + ":" + t.port, "node", n.Name}, func(i int) float64 {
				if t.up(b.t[i]) {
					return 1
				}
				return 0
			})
		}
	}
	one := func(int) float64 { return 1 }
	b.add(name, []string{"job", "prometheus", "instance", "localhost:9090"}, one)
	b.add(name, []string{"job", "traefik", "instance", traefikInstance}, one)
	if b.w.Alerting().Weekly > 0 {
		b.add(name, []string{"job", "alertmanager", "instance", alertmanagerInstance}, one)
	}
}

// nodes makes one series a node while it is up, as node-exporter's.
func nodes(f func(b *builder, n *world.NodeFigures, i int) float64, more ...string) func(*builder, string) {
	return perNode("node-exporter", "9100", (*world.NodeFigures).Up, f, more)
}

// engines makes one series a node, as dockerd's own.
func engines(f func(b *builder, n *world.NodeFigures, i int) float64, more ...string) func(*builder, string) {
	return perNode("dockerd", "9323", (*world.NodeFigures).EngineUp, f, more)
}

func perNode(job, port string, up func(*world.NodeFigures, float64) bool, f func(b *builder, n *world.NodeFigures, i int) float64, more []string) func(*builder, string) {
	return func(b *builder, name string) {
		for j := range b.fig.Nodes {
			n := &b.fig.Nodes[j]
			kv := append([]string{"job", job, "instance", n.Addr + ":" + port, "node", n.Name}, more...)
			b.add(name, kv, b.whileSo(n, up, func(i int) float64 { return f(b, n, i) }))
		}
	}
}

// whileUp has samples only where the node answers, and a stale mark after each loss.
func (b *builder) whileUp(n *world.NodeFigures, f func(int) float64) func(int) float64 {
	return b.whileSo(n, (*world.NodeFigures).Up, f)
}

func (b *builder) whileSo(n *world.NodeFigures, up func(*world.NodeFigures, float64) bool, f func(int) float64) func(int) float64 {
	if len(n.Down)+len(n.Frozen) == 0 {
		return f
	}
	return func(i int) float64 {
		switch {
		case up(n, b.t[i]):
			return f(i)
		case up(n, b.t[i]-Scrape/1000):
			return stale
		}
		return math.NaN()
	}
}

// nodeSums adds up over a node's containers.
func (b *builder) onNode(id string, f func(s *world.Signals, c *world.Container)) {
	for j := range b.fig.Boxes {
		if c := &b.fig.Boxes[j]; c.NodeID == id {
			f(b.fig.Services[c.Service], c)
		}
	}
}

func nodeCPU(b *builder, name string) {
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		boot := float64(b.w.Began().Unix()) - 41*86400
		used := make([]float64, b.n)
		for i := range used {
			used[i] = (b.t[i] - boot) * 0.06 * n.Cores // the system's own
		}
		b.onNode(n.ID, func(s *world.Signals, c *world.Container) {
			col, from, until := b.column(s.Name, "cpu", s.CPU()), s.CPU().At(c.Start), s.CPU().At(min(c.End, b.fig.Now))
			for i, t := range b.t {
				if t >= c.Start {
					used[i] += c.Scale() * (min(col[i], until) - from)
				}
			}
		})
		for cpu := range int(n.Cores) {
			for _, m := range [...]struct {
				mode  string
				share float64
			}{{"user", 0.72}, {"system", 0.25}, {"iowait", 0.03}, {"idle", -1}} {
				kv := []string{"job", "node-exporter", "instance", n.Addr + ":9100", "node", n.Name, "cpu", strconv.Itoa(cpu), "mode", m.mode}
				b.add(name, kv, b.whileUp(n, func(i int) float64 {
					if m.share < 0 {
						return max(b.t[i]-boot-used[i]/n.Cores, 0)
					}
					return used[i] / n.Cores * m.share
				}))
			}
		}
	}
}

func nodeMemory(b *builder, name string) {
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		used := make([]float64, b.n)
		b.onNode(n.ID, func(s *world.Signals, c *world.Container) {
			for i, t := range b.t {
				if t >= c.Start && t < c.End {
					used[i] += s.Memory(c, t)
				}
			}
		})
		b.add(name, []string{"job", "node-exporter", "instance", n.Addr + ":9100", "node", n.Name}, b.whileUp(n, func(i int) float64 {
			return math.Floor(max(n.Memory*0.93-used[i], n.Memory*0.01))
		}))
	}
}

func nodeInfo(b *builder, name string) {
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		kv := []string{"job", "node-exporter", "instance", n.Addr + ":9100", "node", n.Name, "nodename", n.Name, "machine", "x86_64", "sysname", "Linux", "release", "6.1.0-demo"}
		b.add(name, kv, b.whileUp(n, func(int) float64 { return 1 }))
	}
}

// oomKills counts a node's kernel's kills, which is where one of a container shows: cAdvisor's own counter stays 0.
func oomKills(b *builder, name string) {
	b.countOnNode(name, "node-exporter", "9100", (*world.NodeFigures).Up, func(c *world.Container, t float64) float64 {
		if c.OOM && c.End <= t {
			return 1
		}
		return 0
	})
}

// failedChecks counts, as engines do (moby daemon/health.go), the health checks that could not be run. Those here all run: what they say is not counted.
func failedChecks(b *builder, name string) {
	b.countOnNode(name, "dockerd", "9323", (*world.NodeFigures).EngineUp, func(*world.Container, float64) float64 { return 0 })
}

// countOnNode is a counter of a node that its containers add to. It is counted from a day ago, so that it never falls
// while a query's window moves.
func (b *builder) countOnNode(name, job, port string, up func(*world.NodeFigures, float64) bool, of func(c *world.Container, t float64) float64) {
	sums := map[string][]float64{}
	for _, c := range b.w.Boxes(b.fig.Now-86400, b.fig.Now, func(c *world.Container) bool { return c.OOM }) {
		if sums[c.NodeID] == nil {
			sums[c.NodeID] = make([]float64, b.n)
		}
		for i, t := range b.t {
			sums[c.NodeID][i] += of(&c, t)
		}
	}
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		b.add(name, []string{"job", job, "instance", n.Addr + ":" + port, "node", n.Name}, b.whileSo(n, up, func(i int) float64 {
			if sum := sums[n.ID]; sum != nil {
				return sum[i]
			}
			return 0
		}))
	}
}

func engineContainers(b *builder, name string) {
	for j := range b.fig.Nodes {
		n := &b.fig.Nodes[j]
		running := make([]float64, b.n)
		b.onNode(n.ID, func(_ *world.Signals, c *world.Container) {
			for i, t := range b.t {
				if t >= c.Start && t < c.End {
					running[i]++
				}
			}
		})
		b.add(name, []string{"job", "dockerd", "instance", n.Addr + ":9323", "node", n.Name, "state", "running"}, b.whileSo(n, (*world.NodeFigures).EngineUp, func(i int) float64 { return running[i] }))
	}
}

// managers makes one series on the leader's engine.
func managers(f func(b *builder, i int) float64) func(*builder, string) {
	return func(b *builder, name string) {
		b.add(name, b.leader(), func(i int) float64 { return f(b, i) })
	}
}

func (b *builder) leader() []string {
	for j := range b.fig.Nodes {
		if n := &b.fig.Nodes[j]; n.Leader {
			return []string{"job", "dockerd", "instance", n.Addr + ":9323", "node", n.Name}
		}
	}
	return []string{"job", "dockerd"}
}

func managerNodes(b *builder, name string) {
	for _, state := range []string{"ready", "down", "disconnected", "unknown"} {
		b.add(name, append(b.leader(), "state", state), func(i int) float64 {
			v := 0.0
			for j := range b.fig.Nodes {
				if up := b.fig.Nodes[j].EngineUp(b.t[i]); up && state == "ready" || !up && state == "down" {
					v++
				}
			}
			return v
		})
	}
}

// managerTasks has the present count only at the newest points: how many there were before is not kept, so older
// points count the containers that ran.
func managerTasks(b *builder, name string) {
	running := make([]float64, b.n)
	for j := range b.fig.Boxes {
		c := &b.fig.Boxes[j]
		for i, t := range b.t {
			if t >= c.Start && t < c.End {
				running[i]++
			}
		}
	}
	for _, state := range []swarm.TaskState{"new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running", "complete", "shutdown", "failed", "rejected", "remove", "orphaned"} {
		now := float64(b.fig.Counts[state])
		b.add(name, append(b.leader(), "state", string(state)), func(i int) float64 {
			if state == swarm.TaskStateRunning {
				return running[i]
			}
			return now
		})
	}
}
