package diagnosis

import (
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestThrottled: a service that works at its limit is held back by it; one that does next to nothing and is throttled when a process starts in it is not, unless it became slow.
func TestThrottled(t *testing.T) {
	reading := func(v float64) sources.Reading {
		return sources.Reading{Answer: sources.MetricsAnswer{Series: []sources.Series{{Points: course(5*time.Second, flat(13, v)...)}}}}
	}
	for name, c := range map[string]struct {
		throttled, cores float64 // cores: of all tasks; < 0: not known
		limit            int64   // of a task, in millicores
		tasks            int
		slow, want       bool
	}{
		"at its limit":                        {throttled: 0.9, cores: 0.24, limit: 250, tasks: 1, want: true},
		"half of its periods, near its limit": {throttled: 0.5, cores: 0.2, limit: 250, tasks: 1, want: true},
		"a job now and then":                  {throttled: 0.3, cores: 0.03, limit: 250, tasks: 1},
		"a job now and then, and it is slow":  {throttled: 0.3, cores: 0.03, limit: 250, tasks: 1, slow: true, want: true},
		"one busy task of eight":              {throttled: 0.8, cores: 0.3, limit: 250, tasks: 8, want: true},
		"its use is not known":                {throttled: 0.3, cores: -1, limit: 250, tasks: 1, want: true},
		"its limit is not known":              {throttled: 0.3, cores: 0.03, tasks: 1, want: true},
		"hardly throttled":                    {throttled: 0.2, cores: 0.24, limit: 250, tasks: 1},
	} {
		v := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: c.tasks, Resources: sources.Resources{LimitNanoCPUs: c.limit * 1e6}},
			Verdict: fleet.Verdict{Health: fleet.Healthy, Want: c.tasks, Running: c.tasks, Well: c.tasks}}
		s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{v}}, Service: v,
			Metrics: &MetricsSeen{Readings: map[string]sources.Reading{"throttled": reading(c.throttled)}, Jumps: map[string]Jump{}}}
		if c.cores >= 0 {
			s.Metrics.Readings["cpu"] = reading(c.cores)
		}
		if c.slow {
			s.Metrics.Jumps["p95"] = Jump{Name: "p95", Unit: "s", Found: true, Now: 0.4, Before: 0.04, From: noon.Add(-time.Minute)}
		}
		if got := cpuThrottled(s, nil) != nil; got != c.want {
			t.Errorf("%s: found %v, want %v", name, got, c.want)
		}
	}
}
