package diagnosis

import (
	"fmt"
	"slices"
	"time"

	"quarterdeck/sources"
)

// crashesOfLoop in one slot make a loop (OPERATIONS.md); shortLife is what a task that crashes at its start lives at most.
const (
	crashesOfLoop = 3
	shortLife     = 2 * time.Minute
)

// crashed tells a task whose program ended with an error of its own.
func crashed(t *sources.Task) bool {
	return t.State == sources.TaskFailed && t.ExitCode != 0 && !has(t.Err, unhealthyWords) && !has(t.Err, startWords...) && !sigkilled(t)
}

// crashLoop: three and more short failed tasks in a slot.
func crashLoop(s *Scene, _ *Wide) *Cause {
	soon := func(t *sources.Task) bool { return crashed(t) && t.Since.Sub(t.Created) < shortLife }
	slots := s.failing(soon)
	if len(slots) == 0 {
		return crashedAtOnce(s, s.since(crashed))
	}
	worst := slots[0].tasks
	all := 0
	for _, f := range slots {
		all += len(f.tasks)
	}
	c := &Cause{Title: fmt.Sprintf("crashes again and again, exit %d", worst[0].ExitCode), Grade: Signature, Confidence: 0.9}
	c.shows(s, worst)
	c.Why = fmt.Sprintf("%d tasks of one slot have failed within %s, each after %s at most", len(worst), short(s.At.Sub(c.Since)), short(longest(worst)))
	if len(worst) < crashesOfLoop {
		c.Title = fmt.Sprintf("crashed with exit %d", worst[0].ExitCode)
		c.Confidence = 0.55
		c.Why = fmt.Sprintf("%d failed, and a loop is three in one slot: it may be one yet", all)
		if s.Service.Running >= s.Service.Want && s.well() {
			last := slices.MaxFunc(worst, func(a, b sources.Task) int { return a.Since.Compare(b.Since) })
			if s.At.Sub(last.Since) > shortLife {
				return nil // what replaced it has outlived what crashes at its start: that is over
			}
			c.Confidence = 0.4
			c.objects("swarm", s.tasksQuery(), "it was replaced, and as many run as should")
		}
	}
	codes := map[int]bool{}
	for _, t := range worst {
		codes[t.ExitCode] = true
	}
	if len(codes) > 1 {
		c.objects("swarm", s.tasksQuery(), "the exit codes differ: it may be more than one thing")
	}
	c.lastWords(s, worst, 4)
	c.step("read the failed tasks' last lines", "logs", s.Service.Name)
	c.step("see its tasks", "tasks", s.Service.Name)
	return c
}

// crashedAtOnce: several tasks have ended with an error after a longer life, and none runs: so a loop begins where they ran well until then.
func crashedAtOnce(s *Scene, dead []sources.Task) *Cause {
	if len(dead) < 2 || s.Service.Running > 0 {
		return nil
	}
	c := &Cause{Title: fmt.Sprintf("crashed with exit %d", dead[0].ExitCode), Grade: Signature, Confidence: 0.5,
		Why: fmt.Sprintf("%d tasks that had run well ended with an error, and none runs: it may be the beginning of a loop", len(dead))}
	c.shows(s, dead)
	c.lastWords(s, dead, 4)
	c.step("read the failed tasks' last lines", "logs", s.Service.Name)
	c.step("see its tasks", "tasks", s.Service.Name)
	return c
}

func longest(tasks []sources.Task) time.Duration {
	t := slices.MaxFunc(tasks, func(a, b sources.Task) int { return int(a.Since.Sub(a.Created) - b.Since.Sub(b.Created)) })
	return t.Since.Sub(t.Created)
}
