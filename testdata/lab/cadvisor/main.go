// Command cadvisor is cAdvisor cut down to what one engine of the lab needs: the
// Docker container factory, the Prometheus exporter and nothing else. The
// upstream command was not used because it also starts a web interface, probes
// five other container runtimes and runs `du` over every file system.
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/google/cadvisor/cache/memory"
	"github.com/google/cadvisor/container"
	_ "github.com/google/cadvisor/container/docker/install"
	_ "github.com/google/cadvisor/fs/overlay/install"
	_ "github.com/google/cadvisor/fs/vfs/install"
	v2 "github.com/google/cadvisor/info/v2"
	"github.com/google/cadvisor/manager"
	"github.com/google/cadvisor/metrics"
	"github.com/google/cadvisor/utils/sysfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve /metrics on")
	interval := flag.Duration("interval", 2*time.Second, "time between two samples of a container")
	// All engines share one kernel, so each cAdvisor sees every engine's cgroups;
	// with docker_only it keeps those that its own -docker engine knows.
	if err := flag.Set("docker_only", "true"); err != nil {
		log.Fatal(err)
	}
	flag.Parse()

	dynamic := false
	included := container.MetricSet{
		container.CpuUsageMetrics:     struct{}{},
		container.MemoryUsageMetrics:  struct{}{},
		container.DiskIOMetrics:       struct{}{},
		container.DiskUsageMetrics:    struct{}{}, // not every kernel accounts a container's reads and writes
		container.NetworkUsageMetrics: struct{}{},
		container.OOMMetrics:          struct{}{},
	}
	none := []string{""} // cAdvisor indexes [0] of both lists: this is its "nothing named"
	m, err := manager.New(memory.New(time.Minute, nil), sysfs.NewRealSysFs(),
		manager.HousekeepingConfig{Interval: interval, AllowDynamic: &dynamic},
		included, http.DefaultClient, none, none, "", 0)
	if err != nil {
		log.Fatalf("make the manager: %v", err)
	}
	if err := m.Start(); err != nil {
		log.Fatalf("start the manager: %v", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		metrics.NewPrometheusCollector(m, metrics.DefaultContainerLabels, included, clock.RealClock{},
			v2.RequestOptions{IdType: v2.TypeName, Count: 1, Recursive: true}),
		metrics.NewPrometheusMachineCollector(m, included),
	)
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }) // as upstream's
	log.Printf("serving on %s", *listen)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
