package diagnosis

import (
	"fmt"
	"slices"

	"quarterdeck/sources"
)

// exitsCleanly: complete with exit 0, and started again. Jobs are meant to end. A task that was told to stop (a deploy, a scale down, a drained
// node) ends as shutdown, not complete, unless its program had ended first.
func exitsCleanly(s *Scene, wide *Wide) *Cause {
	if s.Service.Mode.Job() || s.Service.Restart.Condition == "none" || s.Service.Restart.Condition == "on-failure" {
		return nil
	}
	slots := s.failing(func(t *sources.Task) bool {
		return t.State == sources.TaskComplete && t.ExitCode == 0 && t.Since.Sub(t.Created) < shortLife*2
	})
	if len(slots) == 0 || len(slots[0].tasks) < 2 {
		return nil
	}
	tasks := slots[0].tasks
	c := &Cause{Title: "ends by itself without an error, and is started again", Grade: Signature, Confidence: 0.9}
	c.shows(s, tasks)
	c.Why = fmt.Sprintf("%d tasks of one slot have ended with 0 within %s, and its restart condition is %q", len(tasks), short(Recent), orWord(s.Service.Restart.Condition, "any"))
	if s.toldToStop(tasks) {
		c.Confidence = 0.4
		c.objects(s.Logs.Source, s.Logs.DeadQuery, "its last lines speak of a signal: it was told to stop, and did not end by itself")
	} else if !s.noFailedChecks(tasks, wide) {
		c.Confidence = 0.7
		c.objects("prometheus", healthFailsQuery, "a failing health check looks the same where the program ends well on SIGTERM, and it could not be ruled out")
	}
	c.lastWords(s, tasks, 2)
	c.step("see its lines, the last before each end", "logs", s.Service.Name)
	c.step("see what was changed, its command and restart policy too", "change", s.Service.Name)
	c.outside("where it is meant to end, let it", "docker service update --restart-condition on-failure %s", s.Service.Name)
	return c
}

// signalWords are what programs say when they are told to stop.
var signalWords = []string{"sigterm", "signal: terminated", "signal=terminated", `signal":"terminated`, "received signal", "got signal", "caught signal", "shutting down on signal", "terminated by"}

// toldToStop tells whether the last lines of some tasks speak of a signal.
func (s *Scene) toldToStop(tasks []sources.Task) bool {
	if s.Logs == nil {
		return false
	}
	for _, e := range s.Logs.Dead {
		if e.Stream != nil && slices.ContainsFunc(tasks, func(t sources.Task) bool { return t.ID == e.Stream.Task }) && has(e.Line, signalWords...) {
			return true
		}
	}
	return false
}

// noFailedChecks tells whether it is known that no health check has ended the tasks: there is none, it was passed, or none failed on their nodes.
func (s *Scene) noFailedChecks(tasks []sources.Task, wide *Wide) bool {
	if s.Service.Healthcheck == "none" {
		return true
	}
	failed, unknown := 0, wide == nil || wide.HealthFails == nil
	for i := range tasks {
		t := &tasks[i]
		if s.Metrics != nil {
			if v, known := s.Metrics.Health[t.ID]; known && v < 0 {
				return true
			}
		}
		if !unknown && wide.HealthFails[s.node(t.NodeID)] > 0 {
			failed++
		}
	}
	return !unknown && failed == 0
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
