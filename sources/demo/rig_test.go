package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/loki"
	"quarterdeck/sources/prometheus"
	"quarterdeck/sources/swarm"
)

// rig is a platform whose clock is moved by hand, seen through the adapters that the console uses in production.
type rig struct {
	*testing.T
	p      *demo.Platform
	swarm  *swarm.Client
	docker *swarm.Logs
	loki   *loki.Client
	prom   *prometheus.Client
	alerts *alertmanager.Client

	waited    map[string]bool // rules that have been pending
	evaluated time.Time
	unruled   bool // the alerting rules are not evaluated: what a test without alerts need not wait for

	mu    sync.Mutex
	clock time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOf(t, demo.Options{})
}

func newRigOf(t *testing.T, o demo.Options) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{T: t, waited: map[string]bool{}, clock: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	o.Quiet, o.Seed, o.Now = true, 1, r.now
	if r.p, err = demo.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.p.Close() })
	r.swarm = must(swarm.New(swarm.Options{Host: r.p.DockerHost()}))(t)
	r.docker = swarm.NewLogs(r.swarm)
	r.loki = must(loki.New(loki.Options{Access: sources.Access{Address: r.p.LokiAddr()}}))(t)
	r.prom = must(prometheus.New(prometheus.Options{Access: sources.Access{Address: r.p.PrometheusURL()}}))(t)
	r.alerts = must(alertmanager.New(alertmanager.Options{Access: sources.Access{Address: r.p.AlertmanagerURL()}}))(t)
	return r
}

// must hands over a client and closes it with the test.
func must[C interface{ Close() error }](c C, err error) func(*testing.T) C {
	return func(t *testing.T) C {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

// run lets time pass, five seconds at a time with the rules evaluated after each.
func (r *rig) run(d time.Duration) {
	for end := r.now().Add(d); r.now().Before(end); {
		r.mu.Lock()
		r.clock = r.clock.Add(min(5*time.Second, end.Sub(r.clock)))
		r.mu.Unlock()
		if r.unruled || r.now().Sub(r.evaluated) < 5*time.Second {
			continue
		}
		r.evaluated = r.now()
		r.p.EvaluateRules(r.Context())
		rules, err := r.prom.Rules(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		for _, x := range rules {
			r.waited[x.Name] = r.waited[x.Name] || x.State == "pending"
		}
	}
}

// until lets time pass until something is so, and tells how long that took.
func (r *rig) until(what string, within time.Duration, ok func() bool) time.Duration {
	r.Helper()
	began := r.now()
	for !ok() {
		if r.now().Sub(began) >= within {
			r.Fatalf("not within %s: %s", within, what)
		}
		r.run(5 * time.Second)
	}
	return r.now().Sub(began)
}

func (r *rig) begin(scenario string) time.Time {
	r.Helper()
	if err := r.p.StartScenario(scenario); err != nil {
		r.Fatal(err)
	}
	return r.now()
}

func (r *rig) end(scenario string) {
	r.Helper()
	if err := r.p.StopScenario(scenario); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) world() *sources.World {
	r.Helper()
	w, err := r.swarm.List(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return w
}

func (r *rig) service(name string) sources.Service {
	r.Helper()
	all := r.world().Services
	i := slices.IndexFunc(all, func(s sources.Service) bool { return s.Name == name })
	if i < 0 {
		r.Fatalf("no service %s", name)
	}
	return all[i]
}

// tasks are a service's, those that keep approves of.
func (r *rig) tasks(service string, keep func(sources.Task) bool) []sources.Task {
	r.Helper()
	id := r.service(service).ID
	return slices.DeleteFunc(r.world().Tasks, func(x sources.Task) bool { return x.ServiceID != id || !keep(x) })
}

func running(x sources.Task) bool {
	return x.State == sources.TaskRunning && x.Desired == sources.TaskRunning
}

func failed(x sources.Task) bool { return x.State == sources.TaskFailed }

// lines are what Loki has for a query since a moment, oldest first.
func (r *rig) lines(expr string, since time.Time) []sources.Entry {
	r.Helper()
	page, err := r.loki.QueryRaw(r.Context(), expr, since, r.now(), 20_000, true)
	if err != nil {
		r.Fatalf("%s: %v", expr, err)
	}
	if page.More || len(page.Gaps) > 0 {
		r.Fatalf("%s: more %v, gaps %v", expr, page.More, page.Gaps)
	}
	return page.Entries
}

// values are a query's results at a moment by the named label.
func (r *rig) values(query, label string, at time.Time) map[string]float64 {
	r.Helper()
	a, err := r.prom.Instant(r.Context(), query, at)
	if err != nil {
		r.Fatalf("%s: %v", query, err)
	}
	out := map[string]float64{}
	for _, s := range a.Series {
		out[s.Labels[label]] = s.Points[0].V
	}
	return out
}

// value is a query's only result now, or ok false.
func (r *rig) value(query string) (v float64, ok bool) {
	r.Helper()
	all := r.values(query, "", r.now())
	if len(all) > 1 {
		r.Fatalf("%s has %d results", query, len(all))
	}
	v, ok = all[""]
	return v, ok
}

// firing tells whether Alertmanager has an alert of a rule about something.
func (r *rig) firing(rule, about string) bool {
	r.Helper()
	all, err := r.alerts.Alerts(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return slices.ContainsFunc(all, func(a sources.Alert) bool {
		hit := a.Name == rule && a.State == sources.Firing && (a.Service == about || a.Labels["node"] == about)
		if hit && strings.Contains(a.Summary, "@") {
			r.Errorf("%s names the service as the swarm does not: %s", rule, a.Summary)
		}
		return hit
	})
}

// alerted waits for an alert, which must have been pending before it fires.
func (r *rig) alerted(rule, about string, within time.Duration) {
	r.Helper()
	r.until(rule+" fires for "+about, within, func() bool { return r.firing(rule, about) })
	if !r.waited[rule] {
		r.Errorf("%s fired without its time of waiting", rule)
	}
}

// engine asks the engine for JSON as it is, for what the adapter has no use for.
func engine[T any](r *rig, path string) (out T) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(r.p.DockerHost(), "tcp", "http", 1)+path, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &out)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		r.Fatalf("%s: %d %v %.200s", path, resp.StatusCode, err, body)
	}
	return out
}

// update is one thing that the engine's events say of a service's updates.
type update struct{ Old, New, Image string }

// updates are the update events of a service since a moment.
func (r *rig) updates(service string, since time.Time) []update {
	r.Helper()
	q := url.Values{"since": {since.Format(time.RFC3339Nano)}, "until": {r.now().Format(time.RFC3339Nano)}, "filters": {`{"type":["service"],"service":["` + service + `"]}`}}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, strings.Replace(r.p.DockerHost(), "tcp", "http", 1)+"/events?"+q.Encode(), http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	var out []update
	for dec := json.NewDecoder(resp.Body); ; {
		var m struct {
			Actor struct{ Attributes map[string]string }
		}
		if err := dec.Decode(&m); err != nil {
			return out
		}
		a := m.Actor.Attributes
		image, _, _ := strings.Cut(a["image.new"], "@")
		out = append(out, update{a["updatestate.old"], a["updatestate.new"], image[strings.LastIndexByte(image, ':')+1:]})
	}
}

// post sends JSON to the engine, for what the product's clients do not do.
func (r *rig) post(path string, body any) {
	r.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		r.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, strings.Replace(r.p.DockerHost(), "tcp", "http", 1)+path, bytes.NewReader(raw))
	if err != nil {
		r.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		r.Fatalf("POST %s: %d %s", path, resp.StatusCode, answer)
	}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
