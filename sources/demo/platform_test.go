package demo

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moby/moby/api/types/swarm"
)

// onLab tells that the cases run on real engines as well.
var onLab = os.Getenv("QD_LAB") == "1"

// TestMain lets the tests wait beside each other, whatever the number of cores: they wait, they do not work. Real engines do work: sixteen
// rollouts at once on two cores leave each of them too little to keep its times.
func TestMain(m *testing.M) {
	beside := "16"
	if onLab {
		beside = "4"
	}
	if err := flag.Set("test.parallel", beside); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// waitLimit is how long a test waits for what it waits for before it fails.
func waitLimit() time.Duration {
	if onLab {
		return 3 * time.Minute
	}
	return 30 * time.Second
}

func start(t testing.TB, o Options) *Platform {
	t.Helper()
	if p, ok := t.(*testing.T); ok {
		p.Parallel() // most of a test is waiting for its own platform
	}
	o.Quiet = true
	p, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t testing.TB, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func engine(p *Platform) string { return strings.Replace(p.DockerHost(), "tcp", "http", 1) }

func ask[T any](t testing.TB, address string) T {
	t.Helper()
	status, body := get(t, address)
	var out T
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		t.Fatalf("%s: %d %v: %.300s", address, status, err, body)
	}
	return out
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(waitLimit())
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("did not happen: %s", what)
		case <-tick.C:
		}
	}
}

func prom(t testing.TB, p *Platform, q string) []struct {
	Metric map[string]string
	Value  [2]any
} {
	t.Helper()
	return ask[struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}](t, p.PrometheusURL()+"/api/v1/query?query="+url.QueryEscape(q)).Data.Result
}

func TestUpdateIsVersioned(t *testing.T) {
	p := start(t, Options{})
	svc := ask[swarm.Service](t, engine(p)+"/v1.41/services/shop_cart")
	body, _ := json.Marshal(svc.Spec)
	post := func(version uint64) (int, string) {
		resp, err := http.Post(fmt.Sprintf("%s/services/%s/update?version=%d", engine(p), svc.ID, version), "application/json", strings.NewReader(string(body))) //nolint:noctx // a test's own server
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, strings.TrimSpace(string(b))
	}
	if code, text := post(svc.Version.Index - 1); code != 500 || text != `{"message":"rpc error: code = Unknown desc = update out of sequence"}` {
		t.Errorf("old version: %d %s", code, text)
	}
	if code, text := post(svc.Version.Index); code != 200 {
		t.Errorf("present version: %d %s", code, text)
	}
}

func updateState(t *testing.T, p *Platform, name string) string {
	if u := ask[swarm.Service](t, engine(p)+"/services/"+name).UpdateStatus; u != nil {
		return string(u.State)
	}
	return ""
}

func TestDeployCompletes(t *testing.T) {
	p := start(t, Options{})
	if err := p.Deploy("batch_worker", "registry.quarterdeck.demo/batch/worker:1.4.1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "updating", func() bool { return updateState(t, p, "batch_worker") == "updating" })
	eventually(t, "completed", func() bool { return updateState(t, p, "batch_worker") == "completed" })
}

func TestHistoryIsThere(t *testing.T) {
	p := start(t, Options{})
	now := time.Now()
	type matrix struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	m := ask[matrix](t, fmt.Sprintf("%s/api/v1/query_range?query=%s&start=%d&end=%d&step=60", p.PrometheusURL(), url.QueryEscape("count(up)"), now.Add(-6*time.Hour).Unix(), now.Unix()))
	if len(m.Data.Result) != 1 || len(m.Data.Result[0].Values) != 361 {
		t.Errorf("six hours of metrics: %d series", len(m.Data.Result))
	}
	if r := prom(t, p, `sum by (container_label_com_docker_swarm_service_name) (rate(container_cpu_usage_seconds_total[2m]))`); len(r) != 11 {
		t.Errorf("cpu of %d services, wanted 11", len(r))
	}
	type vector struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	v := ask[vector](t, p.LokiAddr()+"/loki/api/v1/query?query="+url.QueryEscape(`sum(count_over_time({swarm_stack="shop"}[1h]))`))
	if len(v.Data.Result) != 1 || v.Data.Result[0].Value[1] == "0" {
		t.Errorf("an hour of logs: %v", v)
	}
}

func TestBurstIsWholeInLokiAndDocker(t *testing.T) {
	p := start(t, Options{})
	if err := p.Burst("shop_web", 3000); err != nil {
		t.Fatal(err)
	}
	type streams struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	n := 0
	for _, s := range ask[streams](t, p.LokiAddr()+"/loki/api/v1/query_range?limit=5000&query="+url.QueryEscape(`{swarm_service="shop_web"} |= "burst"`)).Data.Result {
		n += len(s.Values)
	}
	_, raw := get(t, engine(p)+"/services/shop_web/logs?stdout=1&since="+fmt.Sprint(time.Now().Add(-time.Minute).Unix()))
	if d := strings.Count(raw, `"msg":"burst"`); n != 3000 || d != 3000 {
		t.Errorf("Loki has %d, docker %d of 3000 lines", n, d)
	}
}

func TestEveryScenarioStartsAndStops(t *testing.T) {
	p := start(t, Options{})
	for _, s := range Scenarios() {
		if err := p.StartScenario(s.Name); err != nil {
			t.Error(err)
		}
	}
	for _, s := range Scenarios() {
		if err := p.StopScenario(s.Name); err != nil {
			t.Error(err)
		}
	}
	if err := p.StartScenario("nope"); err == nil {
		t.Error("an unknown scenario was started")
	}
}

func BenchmarkBigFleet(b *testing.B) {
	for b.Loop() {
		p, err := Start(context.Background(), Options{Services: 1000, Tasks: 10_000, Quiet: true})
		if err != nil {
			b.Fatal(err)
		}
		for _, path := range []string{"/services?status=true", "/tasks", "/nodes"} {
			if code, _ := get(b, engine(p)+path); code != 200 {
				b.Fatal(path, code)
			}
		}
		http.DefaultClient.CloseIdleConnections()
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
