//go:build lab

package agent_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/rs/zerolog"

	"quarterdeck/agent"
	"quarterdeck/autoscale"
	"quarterdeck/sources"
	"quarterdeck/sources/prometheus"
)

// cutRound is the time between two rounds of the test's autoscaler.
const cutRound = 10 * time.Second

// cut is an autoscaler of the lab whose way to Prometheus can be spoilt.
type cut struct {
	t      *testing.T
	api    *client.Client
	proxy  *toxiproxy.Proxy
	scaler *agent.Scaler
	name   string
}

// TestCutLab spoils an autoscaler's connection to the real Prometheus in each way that a network knows, with toxiproxy in between, while the figures there ask for another
// number of replicas: nothing is changed, what is missing is said, and the rounds go on; once the way is free again it decides by what is measured.
func TestCutLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" {
		t.Fatal("QD_LAB is not set: eval \"$(testdata/lab/lab env)\"")
	}
	api, err := client.New(client.WithHost(os.Getenv("DOCKER_HOST")))
	must(t, err)
	t.Cleanup(func() { _ = api.Close() })
	c := &cut{t: t, api: api, name: "cut-" + strconv.Itoa(os.Getpid())}
	c.between(strings.TrimPrefix(os.Getenv("PROMETHEUS_URL"), "http://"))
	c.service()
	c.scales()
	c.until("it grows by what is measured", 2*time.Minute, func() bool { return c.replicas() == 4 })

	for _, way := range []struct{ what, toxic string }{
		{"nothing comes back", `{"name":"x","type":"timeout","attributes":{"timeout":0}}`},
		{"connections are reset", `{"name":"x","type":"reset_peer","attributes":{"timeout":0}}`},
		{"answers are cut off", `{"name":"x","type":"limit_data","attributes":{"bytes":40}}`},
		{"answers take longer than a round", `{"name":"x","type":"latency","attributes":{"latency":40000}}`},
	} {
		_, err := c.proxy.Toxics.AddToxicJson(strings.NewReader(way.toxic))
		must(t, err)
		c.asks(48) // six, should it be read
		c.waits(way.what)
		c.asks(32) // four, as there are: between two ways it is not to grow
		must(t, c.proxy.Toxics.RemoveToxic(t.Context(), "x"))
		c.until("it reads again", 2*time.Minute, func() bool { d := c.decision(); return d != nil && d.Limit != autoscale.ByMissing })
	}
	c.asks(48)
	c.until("it grows again", 3*time.Minute, func() bool { return c.replicas() == 6 })
	c.proxy.Stop()
	c.waits("nobody listens")
	if n := c.replicas(); n != 6 {
		t.Errorf("there are %d replicas", n)
	}
}

func (c *cut) until(what string, limit time.Duration, ok func() bool) {
	c.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			c.t.Fatalf("never: %s: %+v", what, c.scaler.Status())
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Logf("%s: after %.0f s", what, time.Since(began).Seconds())
}

// between puts the proxy before an address.
func (c *cut) between(address string) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	c.proxy = toxiproxy.NewProxy(server, "prometheus", "127.0.0.1:0", address)
	must(c.t, c.proxy.Start())
	c.t.Cleanup(c.proxy.Stop)
}

// service makes one with a policy, two replicas, and figures that ask for four.
func (c *cut) service() {
	two, delay := uint64(2), 2*time.Second
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: c.name, Labels: map[string]string{"qd.autoscale.enable": "true", "qd.autoscale.mode": "enforce", "qd.autoscale.min": "1", "qd.autoscale.max": "8",
		"qd.autoscale.warm-up": "0s", "qd.autoscale.target.wanted": "8/replica", "qd.autoscale.query.wanted": c.query(32)}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}}, EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: os.Getenv("QD_LAB_REGISTRY") + "/workload:1.0", Env: []string{"RATE=0"}}
	s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	made, err := c.api.ServiceCreate(c.t.Context(), client.ServiceCreateOptions{Spec: s})
	must(c.t, err)
	c.t.Cleanup(func() { _, _ = c.api.ServiceRemove(context.Background(), made.ID, client.ServiceRemoveOptions{}) })
}

func (c *cut) query(value int) string {
	return `label_replace(vector(` + strconv.Itoa(value) + `), "service", "` + c.name + `", "", "")`
}

func (c *cut) look() swarm.Service {
	c.t.Helper()
	x, err := c.api.ServiceInspect(c.t.Context(), c.name, client.ServiceInspectOptions{})
	must(c.t, err)
	return x.Service
}

func (c *cut) replicas() int { return int(*c.look().Spec.Mode.Replicated.Replicas) }

// asks has Prometheus tell of another load.
func (c *cut) asks(value int) {
	c.t.Helper()
	s := c.look()
	s.Spec.Labels["qd.autoscale.query.wanted"] = c.query(value)
	_, err := c.api.ServiceUpdate(c.t.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
	must(c.t, err)
}

// scales starts the autoscaler, which reads Prometheus through the proxy.
func (c *cut) scales() {
	m, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: "http://" + c.proxy.Listen}})
	must(c.t, err)
	env := map[string]string{}
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		env[k] = os.Getenv(k)
	}
	p := &place{Docker: os.Getenv("DOCKER_HOST"), Store: os.Getenv("QUARTERDECK_S3"), Env: env, Dir: c.t.TempDir(), Host: c.name}
	d, end, err := p.deck(time.Now)
	must(c.t, err)
	c.scaler = &agent.Scaler{Deck: d, Metrics: m, Every: cutRound, Only: c.name, Now: time.Now, Log: slog.New(slog.NewTextHandler(c.t.Output(), nil))}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.scaler.Run(ctx) })
	c.t.Cleanup(func() { cancel(); wg.Wait(); end() })
}

// decision is the scaler's last; nil: it has made none.
func (c *cut) decision() *autoscale.Decision {
	st := c.scaler.Status()
	for i := range st.Decisions {
		if st.Decisions[i].Service == c.name {
			return &st.Decisions[i]
		}
	}
	return nil
}

// waits sees three rounds that cannot read what is measured: each comes in time, says so, and changes nothing.
func (c *cut) waits(what string) {
	c.t.Helper()
	n := c.replicas()
	c.until(what+": it is missed", 2*time.Minute, func() bool { d := c.decision(); return d != nil && d.Limit == autoscale.ByMissing })
	for range 2 {
		was := c.scaler.Status().Beat
		c.until(what+": another round", 3*cutRound+time.Minute, func() bool { return c.scaler.Status().Beat.After(was) })
		d, st := c.decision(), c.scaler.Status()
		if d == nil || d.Limit != autoscale.ByMissing || d.Changes() || !strings.Contains(d.Reason, "wanted") {
			c.t.Fatalf("%s: %+v", what, d)
		}
		if !st.Alive(time.Now()) {
			c.t.Errorf("%s: it is taken for dead", what)
		}
	}
	if is := c.replicas(); is != n {
		c.t.Errorf("%s: %d replicas became %d", what, n, is)
	}
	c.t.Logf("%s: %s", what, c.decision().Reason)
}
