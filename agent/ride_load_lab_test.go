//go:build lab

package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// What a user's patience and a load balancer's are: a request that has no answer by then has failed; a task that did not answer at all is left out for a while.
const (
	userWaits   = 2 * time.Second
	ejectedFor  = 5 * time.Second
	sampleEvery = 5 * time.Second
)

// crowd are users of a service: so many requests a second, whatever comes of them, each to a running task that is healthy, as a load balancer sends them. A task that cannot be
// reached is tried no more for a while, and the request goes to another one, once. Safe for concurrent use.
type crowd struct {
	service string
	api     *client.Client
	http    *http.Client
	rate    atomic.Int64 // requests a second

	mu      sync.Mutex
	tasks   []string // host:port
	ejected map[string]time.Time
	span    span // since the last sample
}

// span is what became of requests. It is a value.
type span struct {
	sent, failed int
	took         []time.Duration
}

func newCrowd(t *testing.T, api *client.Client, service string) *crowd {
	h := &http.Client{Timeout: userWaits, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext}}
	t.Cleanup(h.CloseIdleConnections)
	return &crowd{service: service, api: api, http: h, ejected: map[string]time.Time{}}
}

// run sends until ctx ends, evenly.
func (c *crowd) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.look(ctx) })
	next := time.Now()
	for ctx.Err() == nil {
		n := c.rate.Load()
		if n == 0 {
			next = time.Now().Add(100 * time.Millisecond)
		} else {
			next = next.Add(time.Second / time.Duration(n))
			wg.Go(func() { c.request(ctx) })
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
}

// look keeps the list of tasks.
//
// A task's port stays known: an engine (20.10) that has missed its manager's heartbeats tells of its tasks again without their ports, under which they still serve.
func (c *crowd) look(ctx context.Context) {
	nodes, known := map[string]string{}, map[string][]swarm.PortConfig{}
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		if list, err := c.api.NodeList(asking, client.NodeListOptions{}); err == nil {
			for _, n := range list.Items {
				nodes[n.ID] = n.Status.Addr
			}
		}
		list, err := c.api.TaskList(asking, client.TaskListOptions{Filters: client.Filters{}.Add("service", c.service).Add("desired-state", "running")})
		cancel()
		if err == nil {
			var found []string
			for _, x := range list.Items {
				if x.Status.State != swarm.TaskStateRunning {
					continue
				}
				if ports := x.Status.PortStatus.Ports; len(ports) > 0 {
					known[x.ID] = ports
				}
				for _, p := range known[x.ID] {
					found = append(found, net.JoinHostPort(nodes[x.NodeID], strconv.Itoa(int(p.PublishedPort))))
				}
			}
			c.mu.Lock()
			c.tasks = found
			c.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// pick chooses a task that is not left out, other than one.
func (c *crowd) pick(other string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	can := slices.DeleteFunc(slices.Clone(c.tasks), func(s string) bool { return s == other || c.ejected[s].After(now) })
	if len(can) == 0 {
		return ""
	}
	return can[rand.IntN(len(can))]
}

func (c *crowd) request(ctx context.Context) {
	began, ok, last := time.Now(), false, ""
	for range 2 {
		to := c.pick(last)
		if to == "" {
			break
		}
		last = to
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+to+"/checkout", nil)
		if err != nil {
			break
		}
		resp, err := c.http.Do(req)
		if err == nil {
			ok = resp.StatusCode < 500
			_ = resp.Body.Close()
			break
		}
		if ctx.Err() != nil {
			return
		}
		if e, is := err.(*url.Error); is && e.Timeout() && time.Since(began) >= userWaits {
			break // it was reached, and is too slow
		}
		c.mu.Lock()
		c.ejected[to] = time.Now().Add(ejectedFor)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.span.sent++
	if !ok {
		c.span.failed++
		return
	}
	c.span.took = append(c.span.took, time.Since(began))
}

// since is what became of the requests since the last call.
func (c *crowd) since() span {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.span
	c.span = span{}
	slices.Sort(s.took)
	return s
}

func (s *span) p95() time.Duration {
	if len(s.took) == 0 {
		return 0
	}
	return s.took[len(s.took)*95/100]
}

// threshold is what people write without an autoscaler: every half minute, one replica more where each has more than its share, one less where each has less than half of it.
func threshold(ctx context.Context, t *testing.T, api *client.Client, service string, share float64, least, most uint64) {
	for ctx.Err() == nil {
		if rate, err := served(ctx, service); err == nil {
			got, err := api.ServiceInspect(ctx, service, client.ServiceInspectOptions{})
			if err == nil {
				n := got.Service.Spec.Mode.Replicated.Replicas
				was, each := *n, rate/float64(*n)
				if each > share && *n < most {
					*n++
				} else if each < share/2 && *n > least {
					*n--
				}
				if *n != was {
					if _, err := api.ServiceUpdate(ctx, service, client.ServiceUpdateOptions{Version: got.Service.Version, Spec: got.Service.Spec}); err != nil {
						t.Logf("the script: %v", err)
					}
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Second):
		}
	}
}

// served is how many requests a second a service serves, by Prometheus; an error where it does not say.
func served(ctx context.Context, service string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	q := url.Values{"query": {fmt.Sprintf(rideQuery, service)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("PROMETHEUS_URL")+"/api/v1/query?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := once.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var out struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return 0, err
	}
	if len(out.Data.Result) == 0 {
		return 0, fmt.Errorf("nothing is known of %s", service)
	}
	text, _ := out.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(text, 64)
}
