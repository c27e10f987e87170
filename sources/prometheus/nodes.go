package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// nodeLabels name the node on a target, where scrape configurations put it (dockerswarm_sd has
// __meta_dockerswarm_node_hostname to relabel); they beat node_exporter's own word.
var nodeLabels = []string{"node", "node_name", "nodename", "swarm_node", "dockerswarm_node_hostname", "hostname", "host"}

var byNode = "instance, " + strings.Join(nodeLabels, ", ")

// nodeFigures: node_exporter first, else the root cgroup of cAdvisor. RATE is the rate window.
var nodeFigures = map[string]struct{ exporter, cadvisor string }{
	"cpu": {
		exporter: `sum by (BY) (rate(node_cpu_seconds_total{mode!~"idle|iowait|steal|guest|guest_nice"}[RATE]))`,
		cadvisor: `sum by (BY) (rate(container_cpu_usage_seconds_total{id="/"}[RATE]))`,
	},
	"memory": {
		exporter: `max by (BY) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)`,
		cadvisor: `max by (BY) (container_memory_working_set_bytes{id="/"})`,
	},
}

// NodeUsage reads by node name what is used: cpu in cores, memory in bytes. The name is a label of the target that
// names the node, else the nodename of node_uname_info for the same host, else the host of the instance.
// Of two exporters on one node the higher figure counts, not the sum. No figure at all is NotFound.
func (c *Client) NodeUsage(ctx context.Context, figure string, at time.Time) (sources.Usage, error) {
	op := "read " + figure + " of the nodes"
	f, ok := nodeFigures[figure]
	if !ok {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "ask for cpu or memory", Err: fmt.Errorf("%q is no figure of nodes", figure)}
	}
	window := promDuration(RateWindow(0, c.scrapeInterval(ctx)))
	var vectors [3]model.Vector // uname, node_exporter, cAdvisor
	var errs [3]error
	var wg sync.WaitGroup
	for i, q := range []string{`node_uname_info`, f.exporter, f.cadvisor} {
		wg.Go(func() {
			vectors[i], errs[i] = c.ask(ctx, op, strings.NewReplacer("BY", byNode, "RATE", window).Replace(q), at)
		})
	}
	wg.Wait()
	names := hostNames(vectors[0])
	if u := byName(vectors[1], names); len(u) > 0 {
		return u, nil
	}
	if u := byName(vectors[2], names); len(u) > 0 && errs[1] == nil {
		return u, nil
	}
	for _, err := range errs[1:] {
		if err != nil {
			return nil, err
		}
	}
	return nil, &sources.Error{Source: name, Op: op, Kind: sources.NotFound, Next: "run node_exporter or cAdvisor on each node and let Prometheus scrape it",
		Err: errors.New("neither node_exporter's metrics nor cAdvisor's root cgroup are there")}
}

// containerID is what uname says inside a container: node_exporter without the host's UTS namespace.
var containerID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// hostNames maps the hosts of instances to the node's name.
func hostNames(uname model.Vector) map[string]string {
	out := map[string]string{}
	for _, s := range uname {
		if n := string(s.Metric["nodename"]); n != "" && !containerID.MatchString(n) {
			out[host(string(s.Metric["instance"]))] = n
		}
	}
	return out
}

func byName(v model.Vector, names map[string]string) sources.Usage {
	out := sources.Usage{}
	for _, s := range v {
		value := float64(s.Value)
		if math.IsNaN(value) || math.IsInf(value, 0) {
			continue
		}
		n := ""
		for _, l := range nodeLabels {
			if n = string(s.Metric[model.LabelName(l)]); n != "" {
				break
			}
		}
		h := host(string(s.Metric["instance"]))
		if n == "" {
			n = names[h]
		}
		if n == "" {
			n = h
		}
		if have, ok := out[n]; n != "" && (!ok || value > have) {
			out[n] = value
		}
	}
	return out
}

// host is an instance without its port; IPv6 addresses lose their brackets.
func host(instance string) string {
	if h, _, err := net.SplitHostPort(instance); err == nil {
		return h
	}
	return instance
}
