package metrics

import (
	"math"

	"quarterdeck/sources/demo/world"
)

// family is a metric: its name, what metadata says of it, and how its series are made.
type family struct {
	name, kind, help string
	make             func(b *builder, name string)
}

// families are the metrics as cAdvisor, node-exporter, dockerd, Traefik and Prometheus itself name them.
var families = []family{
	{"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", boxes(counter("cpu", (*world.Signals).CPU, 1), "cpu", "total")},
	{"container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.", boxes(periods(false))},
	{"container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.", boxes(periods(true))},
	{"container_memory_working_set_bytes", "gauge", "Current working set in bytes.", boxes(memory(1))},
	{"container_memory_usage_bytes", "gauge", "Current memory usage in bytes, including all memory regardless of when it was accessed", boxes(memory(1.12))},
	{"container_memory_rss", "gauge", "Size of RSS in bytes.", boxes(memory(0.86))},
	{"container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", boxes(gauge(func(c *world.Container) float64 { return float64(c.Limit) }))},
	{"container_spec_cpu_period", "gauge", "CPU period of the container.", boxes(gauge(func(*world.Container) float64 { return 100_000 }))},
	{"container_spec_cpu_quota", "gauge", "CPU quota of the container.", boxes(gauge(func(c *world.Container) float64 {
		if c.Cores == 0 {
			return math.NaN()
		}
		return c.Cores * 100_000
	}))},
	{"container_network_receive_bytes_total", "counter", "Cumulative count of bytes received", boxes(traffic(900), "interface", "eth0")},
	{"container_network_transmit_bytes_total", "counter", "Cumulative count of bytes transmitted", boxes(traffic(6200), "interface", "eth0")},
	{"container_fs_reads_bytes_total", "counter", "Cumulative count of bytes read", boxes(disk(4000), "device", "/dev/sda")},
	{"container_fs_writes_bytes_total", "counter", "Cumulative count of bytes written", boxes(disk(21000), "device", "/dev/sda")},
	{"container_last_seen", "gauge", "Last time a container was seen by the exporter", boxes(seen)},
	{"container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds.", boxes(gauge(func(c *world.Container) float64 { return math.Floor(c.Start) }))},
	{"container_oom_events_total", "counter", "Count of out of memory events observed for the container", boxes(gauge(func(*world.Container) float64 { return 0 }))},
	{"up", "", "", up},
	{"node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", nodeCPU},
	{"node_memory_MemTotal_bytes", "gauge", "Memory information field MemTotal_bytes.", nodes(func(_ *builder, n *world.NodeFigures, _ int) float64 { return n.Memory })},
	{"node_memory_MemAvailable_bytes", "gauge", "Memory information field MemAvailable_bytes.", nodeMemory},
	{"node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.", nodes(func(_ *builder, n *world.NodeFigures, _ int) float64 { return n.DiskSize() }, disk0...)},
	{"node_filesystem_avail_bytes", "gauge", "Filesystem space available to non-root users in bytes.", nodes(func(b *builder, n *world.NodeFigures, i int) float64 { return n.DiskFree(b.t[i]) }, disk0...)},
	{"node_filesystem_free_bytes", "gauge", "Filesystem free space in bytes.", nodes(func(b *builder, n *world.NodeFigures, i int) float64 { return n.DiskFree(b.t[i]) }, disk0...)},
	{"node_vmstat_oom_kill", "untyped", "/proc/vmstat information field oom_kill.", oomKills},
	{"node_load1", "gauge", "1m load average.", nodes(func(b *builder, n *world.NodeFigures, i int) float64 {
		return n.Cores * (0.3 + 0.15*math.Sin(b.t[i]/3000+7*n.Hash) + 0.05*math.Sin(b.t[i]/71))
	})},
	{"node_boot_time_seconds", "gauge", "Node boot time, in unixtime.", nodes(func(b *builder, n *world.NodeFigures, _ int) float64 {
		if k := len(n.Down); k > 0 && !math.IsInf(n.Down[k-1].To, 1) {
			return math.Floor(n.Down[k-1].To)
		}
		return math.Floor(float64(b.w.Began().Unix()) - 41*86400)
	})},
	{"node_uname_info", "gauge", "Labeled system information as provided by the uname system call.", nodeInfo},
	{"engine_daemon_engine_info", "gauge", "The information related to the engine and the OS it is running on", engines(func(*builder, *world.NodeFigures, int) float64 { return 1 }, "version", world.EngineVersion, "os", "linux", "architecture", "x86_64")},
	{"engine_daemon_engine_cpus_cpus", "gauge", "The number of cpus that the host system of the engine has", engines(func(_ *builder, n *world.NodeFigures, _ int) float64 { return n.Cores })},
	{"engine_daemon_health_checks_failed_total", "counter", "The total number of failed health checks", failedChecks},
	{"engine_daemon_container_states_containers", "gauge", "The count of containers in various states", engineContainers},
	{"swarm_manager_nodes", "gauge", "The number of nodes", managerNodes},
	{"swarm_manager_services_total", "gauge", "The number of services in the cluster object store", managers(func(b *builder, _ int) float64 { return float64(len(b.fig.Services)) })},
	{"swarm_manager_tasks_total", "gauge", "The number of tasks in the cluster object store", managerTasks},
	{"swarm_manager_leader", "gauge", "Indicates if this manager node is a leader", managers(func(*builder, int) float64 { return 1 })},
	{"traefik_service_requests_total", "counter", "How many requests processed on a service, partitioned by status code, protocol, and method.", traefikRequests},
	{"traefik_service_request_duration_seconds_bucket", "histogram", "How long it took to process the request on a service, partitioned by status code, protocol, and method.", traefikBuckets},
	{"traefik_service_request_duration_seconds_sum", "histogram", "", traefikSum},
	{"traefik_service_request_duration_seconds_count", "histogram", "", traefikCount},
	{"traefik_tls_certs_not_after", "gauge", "Certificate expiration timestamp", certificates},
	{"alertmanager_notifications_total", "counter", "The total number of attempted notifications.", notifications},
	{"quarterdeck_autoscale_heartbeat_timestamp_seconds", "gauge", "When services were decided about last.", autoscaler(func(at float64) float64 { return math.Floor(at/autoscaleEvery) * autoscaleEvery })},
	{"quarterdeck_autoscale_interval_seconds", "gauge", "The time from one round of decisions to the next.", autoscaler(func(float64) float64 { return autoscaleEvery })},
	{"prometheus_build_info", "gauge", "A metric with a constant '1' value labeled by version, revision, branch, goversion from which prometheus was built, and the goos and goarch for the build.", func(b *builder, name string) {
		b.add(name, []string{"job", "prometheus", "instance", "localhost:9090", "version", Version}, func(int) float64 { return 1 })
	}},
}

var disk0 = []string{"device", "/dev/sda1", "fstype", "ext4", "mountpoint", "/"}

// figure gives a container's value at grid point i.
type figure func(b *builder, s *world.Signals, c *world.Container) func(i int) float64

// boxes makes one series a container, from its start to one stale mark after its end.
func boxes(f figure, more ...string) func(b *builder, name string) {
	return func(b *builder, name string) {
		for j := range b.fig.Boxes {
			c := &b.fig.Boxes[j]
			if !b.serviceWanted(c.Service) {
				continue
			}
			at := f(b, b.fig.Services[c.Service], c)
			kv := []string{
				serviceLabel, c.Service, prefixLabel + "task_name", c.TaskName, prefixLabel + "task_id", c.TaskID, prefixLabel + "node_id", c.NodeID, prefixLabel + "service_id", c.ServiceID,
				"container_label_com_docker_stack_namespace", c.Stack, "id", "/docker/" + c.ID, "name", c.Name, "image", trimDigest(c.Image), "instance", c.Instance, "job", "cadvisor",
			}
			kv = append(kv, more...)
			b.add(name, kv, func(i int) float64 {
				t := b.t[i]
				switch {
				case t < c.Start:
					return math.NaN()
				case t >= c.End && t-Scrape/1000 < c.End:
					return stale
				case t >= c.End:
					return math.NaN()
				}
				return at(i)
			})
		}
	}
}

func counter(signal string, curve func(*world.Signals) *world.Curve, factor float64) figure {
	return func(b *builder, s *world.Signals, c *world.Container) func(int) float64 {
		cv := curve(s)
		col, from := b.column(s.Name, signal, cv), cv.At(c.Start)
		k := factor * c.Scale()
		return func(i int) float64 { return max(k*(col[i]-from), 0) }
	}
}

// traffic is bytes that follow the requests, with a floor for services that have none.
func traffic(bytes float64) figure {
	return func(b *builder, s *world.Signals, c *world.Container) func(int) float64 {
		if s.Profile.Requests > 0 {
			return counter("requests", (*world.Signals).Requests, bytes)(b, s, c)
		}
		return counter("cpu", (*world.Signals).CPU, bytes*20)(b, s, c)
	}
}

func disk(bytes float64) figure {
	return func(b *builder, s *world.Signals, c *world.Container) func(int) float64 {
		k := bytes
		if s.Profile.Kind == "postgres" {
			k *= 60
		}
		return counter("cpu", (*world.Signals).CPU, k)(b, s, c)
	}
}

func memory(k float64) figure {
	return func(b *builder, s *world.Signals, c *world.Container) func(int) float64 {
		return func(i int) float64 { return math.Floor(k * s.Memory(c, b.t[i])) }
	}
}

func gauge(f func(*world.Container) float64) figure {
	return func(_ *builder, _ *world.Signals, c *world.Container) func(int) float64 {
		v := f(c)
		return func(int) float64 { return v }
	}
}

func seen(b *builder, _ *world.Signals, _ *world.Container) func(int) float64 {
	return func(i int) float64 { return math.Floor(b.t[i]) }
}

// periods counts CFS periods, ten a second, and those that were throttled; only limited containers have them.
func periods(throttled bool) figure {
	return func(b *builder, s *world.Signals, c *world.Container) func(int) float64 {
		if c.Cores == 0 {
			return func(int) float64 { return math.NaN() }
		}
		if !throttled {
			return func(i int) float64 { return math.Floor(10 * (b.t[i] - c.Start)) }
		}
		// The share follows the use, so its integral is built step by step from the container's hour.
		var sum float64
		last := max(c.Start, b.t[0]-3600)
		sum = 10 * (last - c.Start) * s.Throttled(c, last)
		return func(i int) float64 {
			for last < b.t[i] {
				step := min(15, b.t[i]-last)
				sum += 10 * step * s.Throttled(c, last)
				last += step
			}
			return sum
		}
	}
}
