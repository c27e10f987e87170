package stages

import (
	"fmt"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var selfHeal = &Check{
	ID: "self-heal", Stage: 3,
	Question: "is a task that dies replaced before users notice?",
	Why:      "The swarm starts another by itself; how long that takes is what users feel. A slow start or a slow health check makes seconds into minutes.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("from a task's failure until its replacement is healthy under %s; under %s is a warning", inMinutes(s.HealPass), inMinutes(s.HealWarn))
	},
	Fix: "shorten restart_policy.delay, the health check's start_period and interval, or what the program does before it serves",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "docker service ps SERVICE: when a task failed, and when the next of its slot ran"
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		f, worstGap, seen := Finding{Evidence: evidence}, time.Duration(0), 0
		for _, v := range e.services() {
			gap, ok := healed(v)
			if !ok {
				continue
			}
			seen++
			worstGap = max(worstGap, gap)
			switch {
			case gap >= s.HealWarn:
				f.Subjects = append(f.Subjects, Subject{Name: v.Name, State: Fail, Says: "its replacement took " + inMinutes(gap)})
			case gap >= s.HealPass:
				f.Subjects = append(f.Subjects, Subject{Name: v.Name, State: Warn, Says: "its replacement took " + inMinutes(gap)})
			}
		}
		if seen == 0 {
			return unknown(evidence, "no task that the swarm still knows has failed and been replaced: kill one on purpose, in the day")
		}
		f.State, f.Value = worst(f.Subjects), fmt.Sprintf("the longest of %s took %s", count(seen, "service"), inMinutes(worstGap))
		return f
	},
}

// healed is the longest gap between a task's failure and its successor's running, in the slots of a service; a task counts as running
// once its health check is good, for the orchestrator calls it so from then on.
func healed(v *fleet.Service) (longest time.Duration, ok bool) {
	for i := range v.Tasks {
		old := &v.Tasks[i]
		if old.State != sources.TaskFailed {
			continue
		}
		var next *sources.Task
		for k := range v.Tasks {
			t := &v.Tasks[k]
			if t.Slot == old.Slot && (old.Slot != 0 || t.NodeID == old.NodeID) && t.Created.After(old.Created) && (next == nil || t.Created.Before(next.Created)) {
				next = t
			}
		}
		if next == nil || next.State != sources.TaskRunning || next.Since.Before(old.Since) {
			continue
		}
		longest, ok = max(longest, next.Since.Sub(old.Since)), true
	}
	return longest, ok
}
