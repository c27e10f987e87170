package demo_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	mobyswarm "github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
)

// ended waits until a scenario's cause is gone.
func (r *rig) ended(scenario string) {
	r.Helper()
	r.until(scenario+" has ended with its cause", time.Minute, func() bool { return !slices.Contains(r.p.Running(), scenario) })
}

// rate5xx is the share of a service's requests that were answered with 5xx in the last minute.
func rate5xx(service string) string {
	return `sum(rate(traefik_service_requests_total{service="` + service + `@swarm",code=~"5.."}[1m])) / sum(rate(traefik_service_requests_total{service="` + service + `@swarm"}[1m]))`
}

func (r *rig) number(query string) float64 {
	r.Helper()
	v, ok := r.value(query)
	if !ok {
		r.Fatalf("%s has no value", query)
	}
	return v
}

func (r *rig) allRun() {
	r.Helper()
	w := r.world()
	n := map[string]int{}
	for i := range w.Tasks {
		if running(w.Tasks[i]) {
			n[w.Tasks[i].ServiceID]++
		}
	}
	for i := range w.Services {
		if s := &w.Services[i]; s.Mode == sources.Replicated && n[s.ID] != s.Desired {
			r.Errorf("%d of %d tasks of %s run", n[s.ID], s.Desired, s.Name)
		}
	}
}

// A frozen engine is down to the swarm and silent, while its machine and its containers are there.
func TestNodePaused(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("node-paused")
	if n := r.node("node3"); n.State != "down" || n.Message != "heartbeat failure" {
		t.Errorf("%+v", n)
	}
	r.run(time.Minute)
	for job, want := range map[string]float64{"node-exporter": 1, "cadvisor": 1, "dockerd": 0} {
		if v := r.values(`up{job="`+job+`"}`, "node", r.now()); v["node3"] != want || v["node2"] != 1 {
			t.Errorf("up of %s: %v", job, v)
		}
	}
	if v, ok := r.value(`count(container_last_seen{instance="10.20.0.13:8080"})`); !ok || v < 1 {
		t.Errorf("%v containers of the frozen engine are seen", v)
	}
	if lines := r.lines(`{host="node3"}`, began.Add(time.Second)); len(lines) > 0 {
		t.Errorf("the frozen engine passes on: %s", lines[0].Line)
	}
	if n := len(r.tasks("shop_web", running)); n != 3 {
		t.Errorf("%d of 3 run elsewhere", n)
	}
	r.end("node-paused")
	r.run(30 * time.Second)
	if n := r.node("node3"); n.State != "ready" {
		t.Errorf("%+v", n)
	}
	if v := r.values(`up{job="dockerd"}`, "node", r.now()); v["node3"] != 1 {
		t.Errorf("up: %v", v)
	}
	r.allRun()
}

func TestCertificateExpiring(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	const days = `min((traefik_tls_certs_not_after{cn="shop.example"} - time()) / 86400)`
	if v := r.number(days); v < 30 {
		t.Errorf("%v days before", v)
	}
	began := r.begin("certificate-expiring")
	r.until("few days are left", 20*time.Second, func() bool { return r.number(days) < 2 })
	r.run(2 * time.Minute)
	if v := r.number(days); v < 1 || v > 2 {
		t.Errorf("%v days", v)
	}
	if n := len(r.lines(`{swarm_service="platform_traefik"} |= "Error renewing certificate" |= "shop.example"`, began)); n < 3 {
		t.Errorf("%d lines of the renewal", n)
	}
	r.allRun()
	redeployed(r, "platform_traefik")
	r.ended("certificate-expiring")
	r.run(30 * time.Second)
	if v := r.number(days); v < 80 {
		t.Errorf("%v days after the renewal", v)
	}
}

func TestCPUThrottled(t *testing.T) {
	r := newRig(t)
	r.run(5 * time.Minute)
	const throttled = `avg(rate(container_cpu_cfs_throttled_periods_total{` + serviceName + `="shop_api"}[1m]) / rate(container_cpu_cfs_periods_total{` + serviceName + `="shop_api"}[1m]))`
	const used = `avg(rate(container_cpu_usage_seconds_total{` + serviceName + `="shop_api"}[1m]) / on(id) (container_spec_cpu_quota / container_spec_cpu_period))`
	const p95 = `histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket{service="shop_api@swarm"}[1m])))`
	before, fast := r.number(throttled), r.number(p95)
	r.begin("cpu-throttled")
	r.alerted("CPUThrottling", "shop_api", 80*time.Second)
	r.run(30 * time.Second)
	if v := r.number(throttled); v < 0.6 || before > 0.05 {
		t.Errorf("throttled: %.2f, before %.2f", v, before)
	}
	if v := r.number(used); v < 0.7 || v > 1 {
		t.Errorf("%.2f of the limit is used", v)
	}
	if v := r.number(p95); v < 3*fast {
		t.Errorf("p95 is %.2f s, before %.2f", v, fast)
	}
	if v := r.number(rate5xx("shop_api")); v > 0.02 {
		t.Errorf("%.2f of the requests fail", v)
	}
	r.allRun()
	edited(func(spec *mobyswarm.ServiceSpec) { spec.TaskTemplate.Resources.Limits.NanoCPUs *= 2 })(r, "shop_api")
	r.ended("cpu-throttled")
	r.run(3 * time.Minute)
	if v := r.number(throttled); v > 0.05 {
		t.Errorf("throttled afterwards: %.2f", v)
	}
}

func TestLogPatternNew(t *testing.T) {
	r := newRig(t)
	r.run(10 * time.Minute)
	const line = `{swarm_service="shop_payments"} |= "fallback key"`
	began := r.begin("log-pattern-new")
	r.run(20 * time.Second)
	if n := len(r.lines(line, began)); n == 0 {
		t.Error("it does not show within 20 s")
	}
	r.run(100 * time.Second)
	fresh := r.lines(line, began.Add(-10*time.Minute))
	if len(fresh) < 5 || fresh[0].Time.Before(began) {
		t.Errorf("%d new lines: %+v", len(fresh), fresh)
	}
	if n := len(r.lines(line+` | detected_level="error"`, began)); n > 0 {
		t.Errorf("%d of them are errors", n)
	}
	if v := r.number(rate5xx("shop_payments")); v > 0.02 {
		t.Errorf("%.2f of the requests fail", v)
	}
	r.allRun()
	redeployed(r, "shop_payments")
	r.ended("log-pattern-new")
	after := r.now()
	r.run(time.Minute)
	if n := len(r.lines(line, after)); n > 0 {
		t.Errorf("%d new lines afterwards", n)
	}
}

func TestDesiredZero(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("desired-zero")
	r.until("nothing of it is left", 20*time.Second, func() bool { return len(r.tasks("shop_cart", func(sources.Task) bool { return true })) == 0 })
	r.run(90 * time.Second)
	if s := r.service("shop_cart"); s.Desired != 0 {
		t.Errorf("%+v", s)
	}
	if u := r.updates("shop_cart", began); len(u) != 1 {
		t.Errorf("events: %+v", u)
	}
	if v := r.number(rate5xx("shop_cart")); v < 0.9 {
		t.Errorf("its proxy answers %.2f with 5xx", v)
	}
	if n := len(r.lines(`{swarm_service="shop_web"} |= "lookup cart"`, began)); n == 0 {
		t.Error("its caller says nothing")
	}
	scaledTo(2)(r, "shop_cart")
	r.ended("desired-zero")
	r.run(90 * time.Second)
	if v := r.number(rate5xx("shop_cart")); v > 0.05 {
		t.Errorf("%.2f fail afterwards", v)
	}
	r.allRun()
}

func TestDependencyErrors(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("dependency-errors")
	r.run(20 * time.Second)
	for service, words := range map[string]string{"shop_store": "FATAL:  sorry, too many clients already", "shop_api": "SQLSTATE 53300", "shop_web": "api: 502 Bad Gateway"} {
		if n := len(r.lines(`{swarm_service="`+service+`"} |= "`+words+`"`, began)); n == 0 {
			t.Errorf("%s does not say %q within 20 s", service, words)
		}
	}
	r.alerted("HighErrorRate", "shop_api", 3*time.Minute)
	r.run(time.Minute)
	if v := r.number(rate5xx("shop_web")); v < 0.1 {
		t.Errorf("%.2f of shop_web's requests fail", v)
	}
	r.allRun()
	redeployed(r, "shop_store")
	r.ended("dependency-errors")
	r.run(2 * time.Minute)
	if v := r.number(rate5xx("shop_api")); v > 0.05 {
		t.Errorf("%.2f fail afterwards", v)
	}
}

// A service that is gone is missed: its callers fail with what they say of it, and no longer when it is back.
func TestOutageReachesTheCallers(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("label-changed")
	r.run(90 * time.Second)
	if n := len(r.lines(`{swarm_service="shop_api"} |= "lookup store"`, began)); n < 5 {
		t.Errorf("%d lines of the caller", n)
	}
	if v := r.number(rate5xx("shop_api")); v < 0.3 {
		t.Errorf("%.2f of its requests fail", v)
	}
	labelled("node2", "storage", "ssd")(r, "")
	r.ended("label-changed")
	r.run(30 * time.Second)
	back := r.now()
	r.run(90 * time.Second)
	if n := len(r.lines(`{swarm_service="shop_api"} |= "lookup store"`, back)); n > 0 {
		t.Errorf("%d lines of the caller afterwards", n)
	}
	if v := r.number(rate5xx("shop_api")); v > 0.05 {
		t.Errorf("%.2f fail afterwards", v)
	}
}

// What tells a kill for memory from any other kill: the memory, and the kernel's counter.
func TestKillsAreToldApart(t *testing.T) {
	const ratio = `max(container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0))`
	const kills = `sum(node_vmstat_oom_kill)`
	t.Run("oom", func(t *testing.T) {
		r := newRig(t)
		r.run(time.Minute)
		r.begin("oom")
		r.until("a kill", 70*time.Second, func() bool { return len(r.tasks("shop_cart", failed)) > 0 })
		r.run(20 * time.Second)
		if v := r.number(kills); v < 1 {
			t.Errorf("the kernel counts %v kills", v)
		}
		edited(func(spec *mobyswarm.ServiceSpec) { spec.TaskTemplate.Resources.Limits.MemoryBytes *= 2 })(r, "shop_cart")
		r.ended("oom")
		r.run(2 * time.Minute)
		was := len(r.tasks("shop_cart", failed))
		r.run(2 * time.Minute)
		if n := len(r.tasks("shop_cart", failed)); n > was || len(r.tasks("shop_cart", running)) != 2 {
			t.Errorf("%d killed, later %d", was, n)
		}
	})
	t.Run("task-killed", func(t *testing.T) {
		r := newRig(t)
		r.run(time.Minute)
		r.begin("task-killed")
		r.until("a kill", 20*time.Second, func() bool { return len(r.tasks("shop_web", failed)) > 0 })
		r.run(time.Minute)
		if v := r.number(kills); v != 0 {
			t.Errorf("the kernel counts %v kills", v)
		}
		if v := r.number(ratio); v > 0.85 {
			t.Errorf("memory is at %.2f of its limit", v)
		}
	})
}

// Engines count checks that could not be run, and not those that ran and said no.
func TestHealthChecksThatSayNoAreNotCounted(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	r.begin("healthcheck-failing")
	r.run(time.Minute)
	if v := r.number(`count(engine_daemon_health_checks_failed_total == 0)`); v != 3 {
		t.Errorf("%v engines count no failed check", v)
	}
}

// The noise has all that a healthy platform has, and nothing to find.
func TestNoise(t *testing.T) {
	r := newRig(t)
	r.run(5 * time.Minute)
	warnings := func() int {
		return len(r.lines(`{swarm_stack=~".+"} | detected_level="warn"`, r.now().Add(-4*time.Minute)))
	}
	errs := func() int {
		return len(r.lines(`{swarm_stack=~".+"} | detected_level="error"`, r.now().Add(-4*time.Minute)))
	}
	warned, erred := warnings(), errs()
	began := r.begin("noise")
	old := []sources.Task{}
	for _, x := range r.world().Tasks {
		if failed(x) {
			old = append(old, x)
		}
	}
	if len(old) != 3 {
		t.Fatalf("%d failed tasks: %+v", len(old), old)
	}
	for _, x := range old {
		if began.Sub(x.Since) < 45*time.Minute || x.Container == "" || x.Desired != sources.TaskShutdown {
			t.Errorf("%+v", x)
		}
	}
	r.run(4 * time.Minute)
	if w, e := warnings(), errs(); w < warned+30 || e > 2*erred+5 {
		t.Errorf("in four minutes %d warnings and %d errors; before %d and %d", w, e, warned, erred)
	}
	deploys := 0
	for _, s := range r.world().Services {
		deploys += len(r.updates(s.Name, began))
	}
	if deploys == 0 {
		t.Error("nobody deploys")
	}
	r.run(6 * time.Minute)
	for _, x := range r.world().Tasks {
		if failed(x) && x.Since.After(began) {
			t.Errorf("failed now: %+v", x)
		}
	}
	for _, rule := range []string{"ServiceDown", "ServiceCrashLooping", "HighErrorRate", "HighLatency", "MemoryNearLimit", "NodeDown"} {
		for _, s := range r.world().Services {
			if r.firing(rule, s.Name) {
				t.Errorf("%s fires for %s", rule, s.Name)
			}
		}
	}
	r.end("noise")
	r.run(30 * time.Second)
	r.allRun()
}

// Two at once: each shows beside the other, whoever is taken first.
func TestPairs(t *testing.T) {
	for _, pair := range [][2]string{{"healthcheck-failing", "disk-full"}, {"constraint-unsatisfied", "label-changed"}, {"start-failed", "port-conflict"}, {"exits-cleanly", "secret-missing"}, {"node-down", "node-paused"}} {
		t.Run(pair[0]+","+pair[1], func(t *testing.T) {
			r := newRig(t)
			r.unruled = true
			r.run(time.Minute)
			r.begin(pair[0] + "," + pair[1])
			r.run(40 * time.Second)
			if got := r.p.Running(); len(got) != 2 {
				t.Fatalf("running: %v", got)
			}
			for _, name := range pair {
				if i := slices.IndexFunc(faults, func(f fault) bool { return f.scenario == name }); i >= 0 && !r.toldAnywhere(faults[i]) && name != "node-down" {
					t.Errorf("%s does not show", name)
				}
			}
			for _, name := range pair {
				r.end(name)
			}
			r.run(time.Minute)
			r.allRun()
		})
	}
}

// toldAnywhere tells whether any service's tasks tell of a fault: a stand-in's name may be in the words.
func (r *rig) toldAnywhere(f fault) bool {
	r.Helper()
	head, _, _ := strings.Cut(strings.ReplaceAll(f.err, `\`, ""), "on 3 nodes")
	for _, name := range []string{"/app/", "/srv/", "registry.", "secret w{25}"} {
		head, _, _ = strings.Cut(head, name)
	}
	return slices.ContainsFunc(r.world().Tasks, func(x sources.Task) bool {
		return x.State == f.state && x.Message == f.message && strings.HasPrefix(x.Err, head) && (x.ExitCode == f.exit || f.exit == 1)
	})
}

// Every scenario has its stand-in in a generated fleet, where it shows as well, and leaves nothing behind.
func TestFaultsInAFleet(t *testing.T) {
	for _, f := range faults {
		if f.remedy == nil {
			continue
		}
		t.Run(f.scenario+"/"+string(f.state), func(t *testing.T) {
			r := newRigOf(t, demo.Options{Services: 40, Tasks: 200})
			r.unruled = true
			r.begin(f.scenario)
			r.until("it shows", time.Minute, func() bool { return r.toldAnywhere(f) })
			r.end(f.scenario)
			r.run(2 * time.Minute)
			r.allRun()
		})
	}
}

// A rehearsal's leader starts and ends scenarios beside the engine's API.
func TestScenariosOverTheWire(t *testing.T) {
	r := newRig(t)
	type scenario struct {
		Name    string
		Running bool
	}
	running := func() (names []string) {
		for _, s := range engine[[]scenario](r, "/demo/scenarios") {
			if s.Running {
				names = append(names, s.Name)
			}
		}
		return names
	}
	call := func(method, path string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, strings.Replace(r.p.DockerHost(), "tcp", "http", 1)+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := call(http.MethodPost, "/demo/scenarios/oom,noise"); code != http.StatusNoContent || len(running()) != 2 {
		t.Errorf("%d, running %v", code, running())
	}
	if code := call(http.MethodDelete, "/demo/scenarios/oom"); code != http.StatusNoContent || len(running()) != 1 {
		t.Errorf("%d, running %v", code, running())
	}
	if a, b := call(http.MethodPost, "/demo/scenarios/earthquake"), call(http.MethodDelete, "/demo/scenarios/oom"); a != http.StatusNotFound || b != http.StatusNotFound {
		t.Errorf("%d and %d for what is not there", a, b)
	}
}

// TestNoAlertByItself: on a platform on which nothing happens no certificate ends soon; that an old name's does some day is a part of the noise.
func TestNoAlertByItself(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	const soon = `count(traefik_tls_certs_not_after - time() < 21 * 86400)`
	if n, ok := r.value(soon); ok {
		t.Errorf("%v certificates end within three weeks", n)
	}
	r.begin("noise")
	r.until("the certificate of an old name is told of", 20*time.Second, func() bool { n, ok := r.value(soon); return ok && n == 1 })
}
