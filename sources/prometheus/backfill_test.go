//go:build lab

package prometheus_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/prometheus"
)

// samples writes OpenMetrics: one sample each 15 s from begin to end of each series, as value says (nil: no sample then).
type samples struct {
	families map[string]*bytes.Buffer
	begin    time.Time
	end      time.Time
}

func (s *samples) add(family, labels string, value func(t time.Time) (float64, bool)) {
	b := s.families[family]
	if b == nil {
		b = &bytes.Buffer{}
		s.families[family] = b
	}
	for t := s.begin; !t.After(s.end); t = t.Add(15 * time.Second) {
		if v, ok := value(t); ok {
			fmt.Fprintf(b, "%s{%s} %v %d\n", family, labels, v, t.Unix())
		}
	}
}

func (s *samples) text() string {
	var out strings.Builder
	for family, b := range s.families {
		fmt.Fprintf(&out, "# TYPE %s unknown\n%s", family, b)
	}
	return out.String() + "# EOF\n"
}

// backfilled starts Debian's Prometheus on blocks made of the samples, and stops it at the test's end.
func backfilled(t *testing.T, s *samples) string {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "in.om")
	for name, content := range map[string]string{in: s.text(), filepath.Join(dir, "c.yml"): "global: {scrape_interval: 15s}\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", in, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "prometheus", "--config.file="+filepath.Join(dir, "c.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--web.route-prefix=/prom", "--log.level=error")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	for range 300 {
		resp, err := http.Get("http://" + addr + "/prom/-/ready")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + addr + "/prom"
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("prometheus is not ready after 30 s: %s", log.String())
	return ""
}

// TestBackfilled holds the PromQL to numbers that are known beforehand, on the real server: a service that was
// started three times in half an hour, and Traefik's requests to it.
func TestBackfilled(t *testing.T) {
	end := time.Now().Truncate(15 * time.Second)
	begin := end.Add(-30 * time.Minute)
	s := &samples{families: map[string]*bytes.Buffer{}, begin: begin, end: end}
	const service = `container_label_com_docker_swarm_service_name="shop_web",job="cadvisor"`
	starts := []time.Time{begin.Add(7*time.Minute + 3*time.Second), begin.Add(13*time.Minute + 44*time.Second), begin.Add(14*time.Minute + 1*time.Second)}
	ends := []time.Time{starts[1], starts[1].Add(16 * time.Second), end.Add(time.Hour)}
	for i, start := range starts {
		lives := func(v float64) func(time.Time) (float64, bool) {
			return func(at time.Time) (float64, bool) { return v, !at.Before(start) && at.Before(ends[i]) }
		}
		id := fmt.Sprintf(`%s,id="/docker/%d"`, service, i)
		s.add("container_start_time_seconds", id, lives(float64(start.Unix())))
		s.add("container_memory_working_set_bytes", id, lives(1e6))
		s.add("container_spec_memory_limit_bytes", id, lives(0))
		s.add("container_cpu_usage_seconds_total", id, func(at time.Time) (float64, bool) {
			return at.Sub(start).Seconds() / 4, !at.Before(start) && at.Before(ends[i])
		})
	}
	s.add("container_memory_working_set_bytes", `id="/",job="cadvisor",instance="10.0.0.1:8080"`, func(time.Time) (float64, bool) { return 5e9, true })
	s.add("node_uname_info", `instance="10.0.0.1:9100",nodename="alpha"`, func(time.Time) (float64, bool) { return 1, true })
	count := func(perSecond float64) func(time.Time) (float64, bool) {
		return func(at time.Time) (float64, bool) { return at.Sub(begin).Seconds() * perSecond, true }
	}
	s.add("traefik_service_requests_total", `service="shop-web@swarm",code="200"`, count(9))
	s.add("traefik_service_requests_total", `service="shop-web@swarm",code="503"`, count(1))
	for le, rate := range map[string]float64{"0.1": 5, "0.3": 9, "1.2": 10, "5.0": 10, "+Inf": 10} {
		s.add("traefik_service_request_duration_seconds_bucket", `service="shop-web@swarm",le="`+le+`"`, count(rate))
	}
	c, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: backfilled(t, s)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	checkBackfilled(t, c, prometheus.WindowFor(begin.Add(time.Minute), end, 200, 15*time.Second), starts)
}

func checkBackfilled(t *testing.T, c *prometheus.Client, w sources.Window, starts []time.Time) {
	rs, err := c.Standard(t.Context(), "shop_web", w)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]float64{}
	for _, r := range rs {
		t.Logf("%s: %d series; %s %q", r.Name, len(r.Answer.Series), r.Reason, r.Answer.Warnings)
		for _, s := range r.Answer.Series {
			last[r.Name+s.Labels["code"]] = s.Points[len(s.Points)-1].V
		}
		switch {
		case r.Name == "restarts":
			var at []time.Time
			for _, p := range r.Answer.Series[0].Points {
				for range int(p.V) {
					at = append(at, p.T)
				}
			}
			if len(at) != len(starts) {
				t.Fatalf("started at %v, seen %v", starts, at)
			}
			for i := range at {
				if d := at[i].Sub(starts[i]); d < 0 || d >= w.Step {
					t.Errorf("start %v is shown at %v", starts[i], at[i])
				}
			}
		case r.Name == "memory-limit" && r.Reason != "service shop_web: no memory limit is set on it":
			t.Errorf("memory-limit: %q", r.Reason)
		}
	}
	// 5 of 10 requests are under 0.1 s, 9 under 0.3 s, all under 1.2 s.
	for name, want := range map[string]float64{"cpu": 0.25, "memory": 1e6, "requests200": 9, "requests503": 1, "errors": 0.1, "p50": 0.1, "p95": 0.75, "p99": 1.11} {
		if got := last[name]; got < want*0.98 || got > want*1.02 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	nodes, err := c.NodeUsage(t.Context(), "memory", w.End)
	if err != nil || nodes["alpha"] != 5e9 {
		t.Errorf("cAdvisor's root cgroup by node_exporter's name: %v %v", nodes, err)
	}
}
