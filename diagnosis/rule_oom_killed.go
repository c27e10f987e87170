package diagnosis

import (
	"fmt"
	"math"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// nearLimit is from which part of its limit a task's memory counts as near it: samples come each 5 to 60 s and
// miss the last rise: of a leak of 1.5 MiB a second under 48 MiB the highest was 73% to 90% at one each 5 s (docs/faults.md).
const nearLimit = 0.7

// unhealthyWords are the engine's for a container that failed its health check.
const unhealthyWords = "unhealthy container"

// sigkilled tells an end by SIGKILL that no health check has brought about.
func sigkilled(t *sources.Task) bool {
	return bad(t) && (t.ExitCode == 137 || strings.Contains(t.Err, "(137)")) && !has(t.Err+t.Message, unhealthyWords)
}

// oomWords are what programs and kernels say when memory ends.
var oomWords = []string{"out of memory", "oom-kill", "oomkilled", "cannot allocate memory", "java.lang.OutOfMemoryError", "heap out of memory"}

// oomKilled: exit 137 that is no health check's, and memory near the limit or the node's oom_kill rising. The orchestrator does not say OOM: it
// is inferred, and said as likely.
func oomKilled(s *Scene, wide *Wide) *Cause {
	dead := s.since(sigkilled)
	if len(dead) == 0 {
		return nil
	}
	c := &Cause{Title: "killed for its memory", Grade: Signature, Confidence: 0.45}
	c.shows(s, dead)
	limit := s.Service.Resources.LimitBytes
	var reasons []string
	ratio, query := s.memoryShare()
	switch {
	case ratio >= nearLimit:
		c.Confidence += 0.35
		reasons = append(reasons, fmt.Sprintf("its memory was at %.0f%% of the limit", 100*ratio))
		c.proves(fleet.PrometheusName, query, dead[0].Since, "memory reached %.0f%% of the limit of %s", 100*ratio, bytesWords(limit))
	case !math.IsNaN(ratio):
		c.Confidence -= 0.25
		c.objects(fleet.PrometheusName, query, "memory was seen at %.0f%% of the limit at most; a fast leak can pass between two samples", 100*ratio)
	case limit == 0:
		c.objects(fleet.SwarmName, "", "it has no memory limit: only a node without memory could kill it")
		c.Confidence -= 0.15
	}
	if wide != nil {
		for _, t := range dead {
			if n := s.node(t.NodeID); wide.OOMKills[n] > 0 && !elsewhere(wide.OOMKills[n], ratio, len(dead)) {
				c.Confidence += 0.3
				reasons = append(reasons, "the kernel of "+n+" counted kills for memory")
				c.proves(fleet.PrometheusName, oomQuery, t.Since, "the kernel of %s killed %.0f for memory within %s", n, math.Ceil(wide.OOMKills[n]), short(Recent))
				break
			}
		}
	}
	if s.Logs != nil {
		for _, e := range append(s.Logs.Dead, s.Logs.Errors...) {
			if has(e.Line, oomWords...) {
				c.Confidence += 0.15
				reasons = append(reasons, "it said so itself")
				c.proves(s.Logs.Source, s.Logs.DeadQuery, e.Time, "%s", clip(e.Line, 240))
				break
			}
		}
	}
	if c.Confidence < 0.3 {
		return nil
	}
	c.Confidence = min(c.Confidence, 0.95)
	c.Why = "exit 137 without a failed health check" + joinReasons(reasons) + "; the swarm itself never names the kernel's kills for memory"
	if len(reasons) == 0 {
		c.Why = "exit 137 without a failed health check; memory could not be seen near the limit"
		if s.Metrics == nil {
			c.Why = "exit 137 without a failed health check; its memory could not be looked at"
		}
	}
	c.step("see its memory against the limit: a steady rise is a leak, a step is a load", "metrics", s.Service.Name)
	c.step("see its lines, the last before each end", "logs", s.Service.Name)
	if limit > 0 {
		c.outside("raise the limit until the leak is found", "docker service update --limit-memory %dM %s", (2*limit)>>20, s.Service.Name)
	}
	return c
}

// elsewhere tells that the kernel's kills for memory were of something else: this was seen far from its limit, and has died more often than the
// kernel has killed.
func elsewhere(kills, ratio float64, deaths int) bool {
	return ratio < nearLimit/2 && math.Ceil(kills) < float64(deaths)
}

func joinReasons(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return ", and " + strings.Join(reasons, ", and ")
}

func bytesWords(n int64) string {
	switch {
	case n <= 0:
		return "none"
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", math.Ceil(float64(n)/(1<<10)))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

// memoryShare is the largest part of its limit that a task's memory has had within Recent; NaN: not known.
func (s *Scene) memoryShare() (float64, string) {
	if s.Metrics == nil || math.IsNaN(s.Metrics.MemoryShare) {
		return math.NaN(), ""
	}
	return s.Metrics.MemoryShare, s.Metrics.MemoryQuery
}
