package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"quarterdeck/agent"
	"quarterdeck/autoscale"
	"quarterdeck/capacity"
)

// scaleCollector makes metrics of a scaler's status. What is told of services is told by the holder of the lease alone.
type scaleCollector struct {
	status func() agent.ScaleStatus
}

var (
	scaleHeld     = desc("autoscale_lease_held", "Whether this autoscaler holds the lease by which it is the only one that works.")
	scaleBeat     = desc("autoscale_heartbeat_timestamp_seconds", "When services were decided about last.")
	scaleEvery    = desc("autoscale_interval_seconds", "The time from one round of decisions to the next.")
	scaleTook     = desc("autoscale_round_duration_seconds", "How long the last round took, its questions and changes included.")
	scaleAsked    = desc("autoscale_round_queries", "How many questions Prometheus was asked in the last round.")
	scaleStopped  = desc("autoscale_stopped", "Whether somebody has stopped all autoscalers.")
	scaleCurrent  = desc("autoscale_current_replicas", "Replicas that are asked for.", "service")
	scaleShould   = desc("autoscale_recommended_replicas", "Replicas that there should be now.", "service")
	scaleWanted   = desc("autoscale_wanted_replicas", "Replicas that the metrics ask for, before any bound.", "service")
	scaleMin      = desc("autoscale_min_replicas", "The smallest number that holds now.", "service")
	scaleMax      = desc("autoscale_max_replicas", "The greatest number that holds now.", "service")
	scaleRatio    = desc("autoscale_target_ratio", "What the deciding metric is of its target.", "service", "metric")
	scaleEnforced = desc("autoscale_enforced", "Whether decisions are carried out, and not only recommended.", "service")
	scaleLimited  = desc("autoscale_limited", "What keeps the decision from what the metrics ask for.", "service", "by")
	scaleSkipped  = desc("autoscale_skipped", "Why a service with a policy is not scaled at all.", "service", "because")
	scaleChanges  = desc("autoscale_changes_total", "Changes that were made.", "service", "direction")
	scaleFailures = desc("autoscale_change_failures_total", "Changes that came to nothing.", "service")

	costService = desc("cost_service_hour", "What the service costs an hour, in the currency of the nodes' prices.", "service")
	costNode    = desc("cost_node_hour", "What the node costs an hour: its price.", "node")
	costIdle    = desc("cost_node_idle_hour", "What no task has taken of what the node costs an hour.", "node")
)

var allScaling = []*prometheus.Desc{scaleHeld, scaleBeat, scaleEvery, scaleTook, scaleAsked, scaleStopped, scaleCurrent, scaleShould, scaleWanted, scaleMin, scaleMax,
	scaleRatio, scaleEnforced, scaleLimited, scaleSkipped, scaleChanges, scaleFailures, costService, costNode, costIdle}

// Describe names all metrics there may be.
func (c *scaleCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range allScaling {
		out <- d
	}
}

// Collect gives them as of now.
func (c *scaleCollector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(scaleHeld, truth(s.Held))
	if !s.Held || s.Beat.IsZero() {
		return
	}
	gauge(scaleBeat, float64(s.Beat.UnixMilli())/1000)
	gauge(scaleEvery, s.Every.Seconds())
	gauge(scaleTook, s.Took.Seconds())
	gauge(scaleAsked, float64(s.Asked))
	gauge(scaleStopped, truth(s.Stopped != ""))
	if s.Bill != nil {
		bill(s.Bill, gauge)
	}
	for i := range s.Decisions {
		d := &s.Decisions[i]
		name := valid(d.Service)
		decision(d, name, gauge)
		count := func(desc *prometheus.Desc, n int, labels ...string) { // from 0 on, see collector.Collect
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
		}
		count(scaleChanges, s.Ups[d.Service], name, "up")
		count(scaleChanges, s.Downs[d.Service], name, "down")
		count(scaleFailures, s.Failures[d.Service], name)
	}
}

// bill gives what is known of what services and nodes cost. Of two nodes of one name the sum is given: a series is there once.
func bill(b *capacity.Bill, gauge func(*prometheus.Desc, float64, ...string)) {
	for i := range b.Services {
		if c := &b.Services[i]; !math.IsNaN(c.Hour) {
			gauge(costService, c.Hour, valid(c.Service))
		}
	}
	hour, idle := map[string]float64{}, map[string]float64{}
	for _, n := range b.Nodes {
		name := valid(n.Node)
		hour[name], idle[name] = hour[name]+n.Hour, idle[name]+n.Idle
	}
	for name := range hour {
		if !math.IsNaN(hour[name]) {
			gauge(costNode, hour[name], name)
		}
		if !math.IsNaN(idle[name]) {
			gauge(costIdle, idle[name], name)
		}
	}
}

// decision gives the metrics of one.
func decision(d *autoscale.Decision, name string, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(scaleCurrent, float64(d.Current), name)
	if d.Skip != autoscale.Counts {
		gauge(scaleSkipped, 1, name, string(d.Skip))
		return
	}
	gauge(scaleShould, float64(d.Recommended), name)
	gauge(scaleWanted, float64(d.Wanted), name)
	gauge(scaleMin, float64(d.Min), name)
	gauge(scaleMax, float64(d.Max), name)
	gauge(scaleEnforced, truth(d.Mode == autoscale.Enforce), name)
	if d.Limit != autoscale.Free {
		gauge(scaleLimited, 1, name, string(d.Limit))
	}
	if d.Metric != nil && !math.IsNaN(d.Value) {
		gauge(scaleRatio, d.Value/d.Target, name, d.Metric.ID())
	}
}
