package incident

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// What keeps a cause from coming again: for each id of the diagnosis what its service's spec, the platform or the rules lack. A step of looking for
// the cause is none of it: that is done by then.

// lack is one thing that is missing, or is to be settled, and what that is seen from.
type lack struct {
	text, from, query string
}

// subject is what a cause is about, as the swarm has it at the report's end.
type subject struct {
	g     *gatherer
	c     *Cause
	s     *fleet.Service // nil: the swarm has no such service now, or it is a node's
	where string         // the command that shows the spec
}

// spec is a lack that is seen from the service's spec.
func (x *subject) spec(text, found string) lack { return lack{text, "its spec: " + found, x.where} }

// follows is what the cause itself tells to be settled.
func (x *subject) follows(text string) lack {
	_, query := x.c.origin()
	return lack{text, "the cause " + x.c.ID, query}
}

// measuresOf are by the diagnosis' ids. What a measure needs of the service it asks for itself: of one that is gone nothing is said of its spec.
var measuresOf = map[string]func(x *subject) []lack{
	"oom-killed":        ofMemory,
	"memory-near-limit": ofMemory,
	"killed": func(x *subject) []lack {
		return just(x.follows("find out who or what killed a task of " + x.c.Service + ", and let such work be done where it is recorded"))
	},
	"healthcheck-failing": ofHealth,
	"crash-loop":          func(x *subject) []lack { return append(ofRollout(x), ofRestart(x)...) },
	"exits-cleanly": func(x *subject) []lack {
		return just(x.follows("have the command of " + x.c.Service + " stay in the foreground; if it is meant to end, make it a job, or its restart condition on-failure"))
	},
	"image-missing": ofImage,
	"start-failed": func(x *subject) []lack {
		return append(just(x.follows("start the image of "+x.c.Service+" with its entrypoint and mounts before it is deployed")), ofRollout(x)...)
	},
	"constraint-unsatisfied": ofConstraint,
	"insufficient-resources": func(x *subject) []lack {
		return just(x.follows("add room, or reserve for " + x.c.Service + " what it was measured to use: no node has free what it reserves"))
	},
	"port-conflict": ofPorts,
	"node-down":     ofNode,
	"label-changed": func(x *subject) []lack {
		return just(x.follows("keep the nodes' labels in a file that is reviewed: placement stands on them"))
	},
	"bind-missing": ofBinds,
	"addresses-exhausted": func(x *subject) []lack {
		return just(x.follows("give the network a larger subnet, for twice the tasks that it has: an update needs addresses for old and new ones"))
	},
	"bad-deploy": ofDeploy,
	"secret-or-config-missing": func(x *subject) []lack {
		return just(x.follows("create secrets and configs of " + x.c.Service + " before what refers to them is deployed, and remove old ones last"))
	},
	"errors-after-dependency": ofDependency,
	"dependency-failing":      ofDependency,
	"disk-full":               ofDisk,
	"certificate-expiring": func(x *subject) []lack {
		return just(x.follows("have the certificate renewed by itself, and see that what serves it takes the new one"))
	},
	"cpu-throttled": ofCPU,
	"log-burst": func(x *subject) []lack {
		return just(x.follows("bound what " + x.c.Service + " writes: its log level, or once a minute for what repeats"))
	},
	"desired-zero": func(x *subject) []lack {
		return just(x.follows("settle who may scale " + x.c.Service + " to 0, and have it done where the reason is recorded"))
	},
}

func just(l lack) []lack { return []lack{l} }

func ofMemory(x *subject) []lack {
	if x.s == nil {
		return nil
	}
	var out []lack
	if limit := x.s.Resources.LimitBytes; limit == 0 {
		out = append(out, x.spec("set a memory limit for "+x.c.Service+": without one a leak takes its node's", "there is none"))
	} else {
		out = append(out, x.spec("settle whether the memory of "+x.c.Service+" leaks or the limit is too low, and mend the one or set the other by what it was measured to need", "the limit is "+figure(float64(limit), "bytes")))
	}
	if x.s.Resources.ReserveBytes == 0 {
		out = append(out, x.spec("reserve memory for "+x.c.Service+", so that it is put where there is room", "nothing is reserved"))
	}
	return out
}

func ofHealth(x *subject) []lack {
	out := just(x.follows("set the health check of " + x.c.Service + " by what it was measured to need: its timeout, its start period, and that its test asks for this service alone"))
	return append(out, ofRollout(x)...)
}

// patient is the least time for which a rolling update should be watched, and restarts be apart: the engine's own 5 s are over before most services serve.
const patient = 15 * time.Second

// ofRollout is what a deploy lacks to be taken back by itself.
func ofRollout(x *subject) []lack {
	if x.s == nil {
		return nil
	}
	var out []lack
	u := x.s.Update
	if u.FailureAction != "rollback" {
		out = append(out, x.spec("have a deploy of "+x.c.Service+" that fails be taken back: docker service update --update-failure-action rollback "+x.c.Service, "the update's failure action is "+orElse(u.FailureAction, "pause")))
	}
	if u.Monitor < patient {
		out = append(out, x.spec("watch a new task of "+x.c.Service+" for longer: docker service update --update-monitor 30s "+x.c.Service, "the update's monitor is "+long(u.Monitor)))
	}
	return out
}

func ofRestart(x *subject) []lack {
	if x.s == nil || x.s.Restart.Delay >= patient {
		return nil
	}
	return just(x.spec("let restarts of "+x.c.Service+" be further apart, so that a crash loop does not load its node and its dependencies", "the restart delay is "+long(x.s.Restart.Delay)))
}

func ofImage(x *subject) []lack {
	out := just(x.follows("before a deploy of " + x.c.Service + " see that its image is in the registry, and that each node may pull it"))
	if x.s != nil && x.s.Digest == "" {
		out = append(out, x.spec("name the image of "+x.c.Service+" by its digest, and keep what is deployed from being deleted in the registry", "the image has no digest"))
	}
	return out
}

func ofConstraint(x *subject) []lack {
	if x.s == nil || len(x.s.Constraints) == 0 {
		return nil
	}
	return just(x.spec("have more than one node meet what "+x.c.Service+" asks for", "the constraints are "+strings.Join(x.s.Constraints, ", ")))
}

func ofPorts(x *subject) []lack {
	if x.s == nil {
		return nil
	}
	for _, p := range x.s.Ports {
		if p.Mode == "host" {
			return just(x.spec(fmt.Sprintf("publish port %d of %s through the ingress network, or keep a list of the ports that the hosts' own are", p.Published, x.c.Service), "its mode is host"))
		}
	}
	return nil
}

// ofNode: what ran on the lost node alone, and what the managers need.
func ofNode(x *subject) []lack {
	out := just(x.follows("find out why " + x.c.Node + " was lost, and what keeps its engine and its machine from it"))
	snap := x.g.Deck.Fleet.Snapshot()
	var single []string
	for _, name := range x.g.r.Services {
		if s := snap.Service(name); s != nil && s.Mode == sources.Replicated && s.Desired == 1 {
			single = append(single, name)
		}
	}
	if len(single) > 0 {
		out = append(out, lack{"run at least two replicas of " + strings.Join(single, ", ") + ", or say that a gap is accepted: each had its only task there", "their specs: 1 replica", "docker service inspect --pretty " + strings.Join(single, " ")})
	}
	if n := snap.Counts.Managers; n == 1 || n%2 == 0 && n > 0 {
		out = append(out, lack{fmt.Sprintf("run %d managers: with %d the loss of %s stops every change", max(n+1, 3), n, map[bool]string{true: "one", false: count(n/2, "of them")}[n < 3]), count(n, "manager") + " in the swarm", "docker node ls"})
	}
	return out
}

func ofBinds(x *subject) []lack {
	if x.s == nil {
		return nil
	}
	for _, m := range x.s.Mounts {
		if m.Type == "bind" {
			return just(x.spec("make "+m.Source+" on every node that may run "+x.c.Service+" when a node is set up, or pin the service, or use a volume", "a bind mount of "+m.Source+" is"))
		}
	}
	return nil
}

func ofDeploy(x *subject) []lack {
	var out []lack
	if d := x.c.Change; d != nil && len(d.Fields) > 0 {
		out = append(out, lack{"have a test before the deploy of " + x.c.Service + " that fails on this change: " + d.told(), "the change at " + clockOf(d.At), "quarterdeck journal --specs " + x.c.Service})
	}
	if x.s != nil && (x.s.Healthcheck == "" || x.s.Healthcheck == "none") {
		out = append(out, x.spec("give "+x.c.Service+" a health check that fails on what failed here: without one the swarm calls any task that runs well", "there is no health check"))
	}
	return append(out, ofRollout(x)...)
}

// told are the changes of a deploy with what they made, a few of them.
func (d *Deploy) told() string {
	var out []string
	for _, f := range d.Fields {
		out = append(out, f.Field+" "+clipMiddle(strings.Trim(f.After, `"`), cellText))
		if len(out) == 3 && len(d.Fields) > 3 {
			return strings.Join(out, ", ") + fmt.Sprintf(", and %d more", len(d.Fields)-3)
		}
	}
	return strings.Join(out, ", ")
}

func ofDependency(x *subject) []lack {
	return just(x.follows("bound how long " + x.c.Service + " waits for what it calls, and how often it tries again, so that one service's trouble does not become another's"))
}

func ofDisk(x *subject) []lack {
	out := just(x.follows("bound what fills the disk: how long data and logs are kept, and a volume of its own for what grows"))
	if x.s != nil && (x.s.LogDriver == "" || x.s.LogDriver == "json-file") {
		out = append(out, x.spec("bound the container logs of "+x.c.Service+" with --log-opt max-size and max-file, or in the engine's daemon.json", "the log driver is "+orElse(x.s.LogDriver, "the engine's default")))
	}
	return out
}

func ofCPU(x *subject) []lack {
	if x.s == nil || x.s.Resources.LimitNanoCPUs == 0 {
		return nil
	}
	return just(x.spec("set the CPU limit of "+x.c.Service+" by what it was measured to need, or run more replicas, or make its work cheaper", "the limit is "+strconv.FormatFloat(float64(x.s.Resources.LimitNanoCPUs)/1e9, 'g', 3, 64)+" cores"))
}

// watch is what an alert on a cause would look at: a name for it, and words of which one stands in the query of a rule that does.
type watch struct {
	what  string
	words []string
}

var watchesOf = map[string]watch{
	"oom-killed":             {"memory near its limit", []string{"memory"}},
	"memory-near-limit":      {"memory near its limit", []string{"memory"}},
	"crash-loop":             {"tasks that restart", []string{"start_time", "restart"}},
	"healthcheck-failing":    {"tasks that restart", []string{"start_time", "restart"}},
	"exits-cleanly":          {"tasks that restart", []string{"start_time", "restart"}},
	"node-down":              {"a node that is away", []string{"up ==", "up{", "node_", "swarm_manager_nodes"}},
	"bad-deploy":             {"the share of requests that fail", []string{`5..`, "5xx", "error"}},
	"dependency-failing":     {"the share of requests that fail", []string{`5..`, "5xx", "error"}},
	"disk-full":              {"filesystems that fill up", []string{"filesystem"}},
	"certificate-expiring":   {"certificates, three weeks before their end", []string{"not_after", "cert"}},
	"cpu-throttled":          {"throttled CPU periods", []string{"throttled"}},
	"insufficient-resources": {"tasks that wait for a node", []string{"pending", "replicas"}},
	"constraint-unsatisfied": {"tasks that wait for a node", []string{"pending", "replicas"}},
	"desired-zero":           {"services whose replicas are 0", []string{"replicas"}},
}

// itemsOfCauses proposes what keeps the likely causes from coming again.
func (g *gatherer) itemsOfCauses() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		if c.EffectOf != "" || c.Confidence < 0.5 {
			continue
		}
		x := &subject{g: g, c: c, where: "docker service inspect --pretty " + c.Service}
		if c.Service != "" && g.Deck != nil {
			x.s = g.Deck.Fleet.Snapshot().Service(c.Service)
		}
		if of := measuresOf[c.ID]; of != nil {
			for _, l := range of(x) {
				g.item(l.text, l.from, l.query)
			}
		}
		if w, ok := watchesOf[c.ID]; ok && g.rulesRead && !slices.ContainsFunc(g.rules, w.in) {
			g.item("add an alert on "+w.what, "none of "+count(len(g.rules), "alerting rule")+" in Prometheus asks for it", "")
		}
	}
}

// in tells whether a rule looks at it.
func (w watch) in(r sources.Rule) bool {
	return slices.ContainsFunc(w.words, func(s string) bool { return strings.Contains(r.Query, s) })
}

// routed tells whether a service's labels have a proxy send requests to it: of those alone it can be asked that they be counted.
func routed(s *fleet.Service) bool {
	for k, v := range s.Labels {
		k = strings.ToLower(k)
		if strings.HasPrefix(k, "traefik.http.") || strings.HasPrefix(k, "caddy") || k == "traefik.enable" && v == "true" {
			return true
		}
	}
	return false
}
