package fleet

import (
	"time"

	"quarterdeck/sources"
)

// Tasks are dated by their nodes' clocks and services by the manager's, while verdicts are by ours.
// A thing that we saw change has changed between the moment we last looked and now; what we see for
// the first time has changed before now, and a task's state began after the task was made. Dates
// outside those bounds are moved to the nearer one before judging. Readers get the dates as they came:
// those are what the logs of that node carry.

// clamp moves t into [from, to]; a zero from is no bound.
func clamp(t, from, to time.Time) time.Time {
	if !from.IsZero() && t.Before(from) {
		t = from
	}
	if t.After(to) {
		return to
	}
	return t
}

// byOurClock gives tasks with Created and Since moved into their bounds. old and oldFixed are the
// tasks as they were read and moved before, at the moment read (zero: never). Where no date moves,
// the answer is tasks itself.
func byOurClock(tasks, old, oldFixed []sources.Task, read, now time.Time) []sources.Task {
	before := make(map[string]int, len(old))
	for i := range old {
		before[old[i].ID] = i
	}
	fixed := tasks
	for i := range tasks {
		t := &tasks[i]
		made, began := clamp(t.Created, read, now), time.Time{}
		at, known := before[t.ID]
		if known {
			made = oldFixed[at].Created
		}
		if known && old[at].State == t.State && old[at].Since.Equal(t.Since) {
			began = oldFixed[at].Since
		} else {
			from := made
			if read.After(from) {
				from = read
			}
			began = clamp(t.Since, from, now)
		}
		if made.Equal(t.Created) && began.Equal(t.Since) {
			continue
		}
		if len(tasks) > 0 && &fixed[0] == &tasks[0] {
			fixed = append([]sources.Task(nil), tasks...)
		}
		fixed[i].Created, fixed[i].Since = made, began
	}
	return fixed
}
