package diagnosis

import (
	"math"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// cpuThrottled: the scheduler holds it back at its CPU limit in a large part of its periods.
func cpuThrottled(s *Scene, wide *Wide) *Cause {
	part := math.NaN()
	if wide != nil && wide.Throttled != nil {
		if v, ok := wide.Throttled[s.Service.Name]; ok {
			part = v
		}
	}
	points, query := s.Metrics.points("throttled")
	if v := mean(points, s.At.Add(-errorsWindow)); !math.IsNaN(v) {
		part = v
	}
	if !(part > throttledMuch) || part < throttledHard && idles(s) {
		return nil
	}
	c := &Cause{Title: "it is held back at its CPU limit", Grade: Anomaly, Confidence: 0.5 + 0.35*min(part, 1)}
	c.Why = "a large part of its scheduler periods is throttled"
	c.proves(fleet.PrometheusName, query, s.At, "%.0f%% of its scheduler periods were throttled within the last minute", 100*part)
	if limit := s.Service.Resources.LimitNanoCPUs; limit > 0 {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "each task may use %.2f cores", float64(limit)/1e9)
	}
	if s.Metrics != nil {
		if j := s.Metrics.Jumps["throttled"]; j.Found {
			c.Since = j.From
		}
		if j := s.Metrics.Jumps["p95"]; j.Found {
			c.Confidence = min(c.Confidence+0.1, 0.95)
			c.proves(fleet.PrometheusName, j.Query, j.From, "%s", j.words())
			c.Why += ", and it became slow"
		}
	}
	c.step("see its figures: throttling, CPU, requests", "metrics", s.Service.Name)
	if s.Service.Mode == sources.Replicated {
		c.step("scale it up: more tasks share the work", "scale", s.Service.Name)
	}
	c.step("see what was changed, its limit too", "change", s.Service.Name)
	if limit := s.Service.Resources.LimitNanoCPUs; limit > 0 {
		c.outside("raise the limit by half", "docker service update --limit-cpu %.2f %s", 1.5*float64(limit)/1e9, s.Service.Name)
	}
	return c
}

const (
	// idlesBelow is the part of its CPU limit below which a service is not held back by it, where not most of its periods are throttled: what starts a process now and then,
	// a health check or a job of each minute, is throttled for that moment, and only periods in which it does anything at all are counted.
	idlesBelow = 0.3
	// throttledHard is a part of the periods that such moments do not come to. One busy task of many does.
	throttledHard = 0.6
)

// idles tells whether a service uses little of what its tasks may use together. What is not known is not little.
func idles(s *Scene) bool {
	points, _ := s.Metrics.points("cpu")
	used, may := mean(points, s.At.Add(-errorsWindow)), float64(s.Service.Resources.LimitNanoCPUs)/1e9*float64(s.Service.Running)
	if s.Metrics != nil && s.Metrics.Jumps["p95"].Found {
		return false
	}
	return may > 0 && used < idlesBelow*may
}
