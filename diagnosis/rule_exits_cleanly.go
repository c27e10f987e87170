package diagnosis

import (
	"fmt"
	"slices"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
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
	told, unheard := s.toldToStop(tasks), false
	if told {
		c.Title, c.Confidence = "is told to stop again and again, and is started again", 0.4
		c.Why += "; its last lines speak of a signal, so somebody or something stops it: a health check, or a hand on the node"
	} else if k := s.checksOf(tasks, wide); s.Service.Healthcheck != "none" && k.none == 0 {
		c.Confidence = 0.7
		words := "a failing health check looks the same where the program ends well on SIGTERM, and it could not be ruled out"
		switch heard := s.Logs.heard(tasks); {
		case !heard && s.Service.Healthcheck != "":
			unheard = true
			c.Confidence, words = 0.45, "it has a health check, which looks the same where the program ends well on SIGTERM, and what it said last is not known"
		case heard && k.failed == 0:
			c.Confidence, words = 0.85, "a failing health check looks the same where the program ends well on SIGTERM and says nothing of it"
		}
		source, query := fleet.SwarmName, s.tasksQuery()
		if s.Logs != nil && s.Logs.DeadQuery != "" {
			source, query = s.Logs.Source, s.Logs.DeadQuery
		}
		c.objects(source, query, "%s", words)
	}
	c.lastWords(s, tasks, 2)
	c.step("see its lines, the last before each end", "logs", s.Service.Name)
	c.step("see what was changed, its command and restart policy too", "change", s.Service.Name)
	if told || unheard {
		return c
	}
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

// heard tells whether the last lines of some tasks are known.
func (l *LogsSeen) heard(tasks []sources.Task) bool {
	return l != nil && slices.ContainsFunc(l.Dead, func(e sources.Entry) bool {
		return e.Stream != nil && slices.ContainsFunc(tasks, func(t sources.Task) bool { return t.ID == e.Stream.Task })
	})
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
