package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/sources/demo"
	"quarterdeck/stages"
)

// countingProxy stands before a source and counts what it is asked.
func countingProxy(tb testing.TB, to string) (address string, asked *atomic.Int64) {
	tb.Helper()
	u, err := url.Parse(strings.Replace(to, "tcp://", "http://", 1))
	if err != nil {
		tb.Fatal(err)
	}
	asked = &atomic.Int64{}
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		p.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL, asked
}

// manyChecked judges all checks of an embedded platform of so many services, as the console does, and tells how often each source is asked for it.
func manyChecked(tb testing.TB, services int) (judge func() stages.Report, asked map[string]*atomic.Int64) {
	tb.Helper()
	d, err := demo.Start(context.Background(), demo.Options{Services: services, Tasks: 3 * services, Seed: 1, Quiet: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	set := &config.Settings{Name: "checks", Timeout: time.Minute, LogMemory: config.DefaultLogMemory, Theme: "dark", StateDir: tb.TempDir()}
	asked = map[string]*atomic.Int64{}
	var engine string
	engine, asked["swarm"] = countingProxy(tb, d.DockerHost())
	set.Context.Host = strings.Replace(engine, "http://", "tcp://", 1)
	set.Loki.Address, asked["loki"] = countingProxy(tb, d.LokiAddr())
	set.Prometheus.Address, asked["prometheus"] = countingProxy(tb, d.PrometheusURL())
	registries := map[string]config.Registry{}
	asked["registry"] = &atomic.Int64{}
	at := map[string]string{} // one server has all the hosts of the demo
	for host, to := range d.RegistryMirrors() {
		if at[to] == "" {
			at[to], asked["registry"] = countingProxy(tb, to)
		}
		registries[host] = config.Registry{Address: at[to]}
	}
	set.Registries = registries
	p, err := openPlatform(set)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	if err := p.fleet.Once(context.Background(), p.feeds()); err != nil {
		tb.Fatal(err)
	}
	images, err := p.registry()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = images.Close() })
	settings, err := p.stageSettings()
	if err != nil {
		tb.Fatal(err)
	}
	from := p.stageSources(images, looksEach)
	from.Fleet = p.fleet.Snapshot()
	if n := len(from.Fleet.Services); n < services {
		tb.Fatalf("%d services", n)
	}
	for _, n := range asked {
		n.Store(0)
	}
	return func() stages.Report {
		return stages.Judge(stages.Gather(context.Background(), from, time.Now()), &settings)
	}, asked
}

// One round of all checks asks no source more than thirty times, however many services there are.
func TestChecksAskLittle(t *testing.T) {
	judge, asked := manyChecked(t, 100)
	r := judge()
	for source, n := range asked {
		if n.Load() > 30 || n.Load() == 0 {
			t.Errorf("%s was asked %d times", source, n.Load())
		}
	}
	for i := range r.Stages {
		for _, x := range r.Stages[i].Results {
			switch { // each of these must have been judged by what was asked for
			case x.Check.ID == "metrics-per-service" && x.State == stages.Unknown, x.Check.ID == "logs-per-service" && x.State == stages.Unknown,
				x.Check.ID == "restart-policy" && x.State != stages.Pass && x.State != stages.Fail, x.Check.ID == "targets-up" && x.State == stages.Unknown:
				t.Errorf("%s: %s %s", x.Check.ID, x.State, x.Reason)
			}
		}
	}
}

// BenchmarkChecks is one round of all checks on 1,000 services, with the sources' own time in it.
func BenchmarkChecks(b *testing.B) {
	judge, asked := manyChecked(b, 1000)
	for b.Loop() {
		judge()
	}
	for source, n := range asked {
		b.ReportMetric(float64(n.Load())/float64(b.N), source+"-requests/op")
	}
}
