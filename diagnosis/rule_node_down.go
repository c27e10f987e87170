package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// nodeDown: the managers call a node down (heartbeat failure), or somebody has taken it out. Where its machine goes on all the same, it is the
// engine that hangs or has ended: the containers still run beside those that the swarm has started elsewhere in their place.
func (x *inquiry) nodeDown(n *fleet.Node) *Cause {
	if n.Up() || !x.concerns(n) {
		return nil
	}
	c := &Cause{ID: "node-down", Title: fmt.Sprintf("node %s is %s", n.Name, n.State), Node: n.Name, Grade: Signature, Confidence: 0.95, Since: x.downSince(n),
		Why: "the managers say so: " + orWord(n.Message, "no heartbeat")}
	if c.Since.IsZero() { // nobody was looking: the managers wrote its state down at the latest then
		c.Since = n.Updated
	}
	c.proves(fleet.SwarmName, "docker node ls", n.Updated, "%s is %s: %s", n.Name, n.State, orWord(n.Message, "no word why"))
	var m *Machine
	if x.wide != nil {
		m = x.wide.Machines[n.Name]
	}
	switch {
	case x.wide == nil: // nobody has been asked yet
	case m.alive():
		x.goesOn(c, n, m)
	default:
		x.silent(c, m)
	}
	x.lostThere(c, n)
	c.step("see the nodes", "nodes", n.Name)
	if !m.alive() {
		c.outside("on "+n.Name+" see what its engine says", "systemctl status docker; journalctl -u docker -n 100")
	}
	return c
}

// lostThere adds what the managers tell of the loss: the tasks that were there, and a manager less.
func (x *inquiry) lostThere(c *Cause, n *fleet.Node) {
	hit := 0
	for _, v := range x.snap.Services {
		if slices.ContainsFunc(v.Tasks, func(t sources.Task) bool {
			return t.NodeID == n.ID && (t.State == sources.TaskRunning || t.State == sources.TaskOrphaned)
		}) {
			hit++
		}
	}
	if hit > 0 {
		c.proves(fleet.SwarmName, "docker node ps "+n.Name, x.q.At, "%s had tasks there", services(hit))
	}
	up, managers := 0, 0
	for i := range x.snap.Nodes {
		if m := &x.snap.Nodes[i]; m.Role == "manager" {
			managers++
			if m.Up() {
				up++
			}
		}
	}
	if n.Role == "manager" {
		c.proves(fleet.SwarmName, "docker node ls", x.q.At, "it is a manager: %d of %d are left, %d are needed", up, managers, managers/2+1)
	}
}

// silent says that nothing is heard of the machine either, or why nothing is known of it.
func (x *inquiry) silent(c *Cause, m *Machine) {
	const unknown = "; whether its containers still run is not known: "
	switch {
	case x.d.Metrics == nil:
		c.Why += unknown + "no Prometheus to ask for its exporters"
	case m != nil && m.Unasked != "":
		c.Why += unknown + "Prometheus could not be asked"
	case m == nil || m.Query == "" || len(m.Silent)+len(m.Waiting) == 0:
		c.Why += unknown + "Prometheus tells of no exporter on it"
	case len(m.Silent) == 0:
		c.Why += unknown + "its exporters were not asked since"
	default:
		c.Why += ", and its machine does not answer either"
		c.proves(fleet.PrometheusName, m.Query, x.q.At, "nothing on it answers: %s", strings.Join(m.Silent, ", "))
	}
}

// goesOn says what still runs of a node that is down, how that is known and what speaks against it.
func (x *inquiry) goesOn(c *Cause, n *fleet.Node, m *Machine) {
	why := m.engine(c, n)
	double := x.twice(n, m)
	switch {
	case len(m.Boxes) > 0 || m.Line.Stream != nil:
		c.Title += ": its containers still run"
	default:
		c.Title += ": its machine goes on"
		c.objects(fleet.PrometheusName, m.BoxesQuery, "no container of it is seen since: whether they still run is not known")
	}
	if len(double) > 0 {
		c.Title += fmt.Sprintf("; %s run twice", services(len(double)))
		if len(double) == 1 {
			c.Title = strings.TrimSuffix(c.Title, "run twice") + "runs twice"
		}
	}
	c.Why += ", " + why
	if len(m.Answering) > 0 {
		c.proves(fleet.PrometheusName, m.Query, x.q.At, "its machine answers since: %s", strings.Join(m.Answering, ", "))
	}
	if len(m.Silent) > 0 {
		c.objects(fleet.PrometheusName, m.Query, "not all of it answers: %s", strings.Join(m.Silent, ", "))
	}
	if len(m.Boxes) > 0 {
		boxes := 0
		for _, list := range m.Boxes {
			boxes += len(list)
		}
		c.proves(fleet.PrometheusName, m.BoxesQuery, x.q.At, "cAdvisor has seen %s of %s there since", plural(boxes, "container"), services(len(m.Boxes)))
		c.objects(fleet.PrometheusName, m.BoxesQuery, "a container that is seen need not serve: who is sent there by the other nodes is not known")
	}
	if e := m.Line; e.Stream != nil {
		c.proves(x.d.Logs.Name(), x.explain(sources.LogQuery{Tasks: []string{e.Stream.Task}}), e.Time, "a task of it has written since: %s", clip(e.Line, 160))
	}
	if len(double) > 0 {
		c.proves(fleet.SwarmName, "docker service ps "+double[0], x.q.At, "run there and elsewhere: %s", clip(strings.Join(double, ", "), 200))
	}
	x.nextOnMachine(c, n, m, double)
}

// engine says in the cause's title, and returns in words, what is known of the engine itself.
func (m *Machine) engine(c *Cause, n *fleet.Node) string {
	switch {
	case m.Engine == engineAnswers:
		c.Title = n.Name + " is cut off from the managers"
		return "yet its engine answers Prometheus: something stands between it and the managers"
	case m.Engine == engineSilent && has(m.EngineSays, "deadline exceeded", "timeout", "timed out"):
		c.Title = "the engine on " + n.Name + " hangs"
		c.proves(fleet.PrometheusName, m.Query, m.Since, "its engine does not answer in time: %s", clip(m.EngineSays, 160))
		c.objects(fleet.PrometheusName, "", "a firewall that drops what goes to the engine looks the same")
		return "and while its machine goes on, its engine does not answer in time"
	case m.Engine == engineSilent && has(m.EngineSays, "refused"):
		c.Title = "the engine on " + n.Name + " has ended"
		c.proves(fleet.PrometheusName, m.Query, m.Since, "nobody listens for its engine: %s", clip(m.EngineSays, 160))
		return "and while its machine goes on, nothing listens where its engine did"
	}
	c.Title = "the engine on " + n.Name + " hangs or has ended"
	c.objects(fleet.PrometheusName, "", "a network that is cut between it and the managers looks the same: why its engine is not heard is not known")
	return "and yet its machine goes on"
}

// nextOnMachine says what to do on the machine: nothing of it can be done through the swarm.
func (x *inquiry) nextOnMachine(c *Cause, n *fleet.Node, m *Machine, double []string) {
	if m.Engine == engineAnswers {
		c.outside("on "+n.Name+" see why it does not reach the managers' port 2377", "journalctl -u docker -n 100")
	} else {
		c.outside("on "+n.Name+", where dockerd's state is T it was stopped: let it go on", "sudo ps -o stat= -C dockerd; sudo kill -CONT $(pidof dockerd)")
		c.outside("else start it anew, which ends the containers there", "sudo systemctl restart docker")
	}
	if len(double) > 0 {
		what := "until then each runs twice"
		if w := x.writers(double); len(w) > 0 {
			what = clip(strings.Join(w, ", "), 120) + " may have two writers"
		}
		c.outside(what+"; end the old ones there without the engine", "sudo ctr -n moby tasks ls; sudo ctr -n moby tasks kill ID")
	}
	c.Next = append(c.Next, Step{Text: "do not `docker node rm` it: what runs there would go on, and nobody know of it"})
}
