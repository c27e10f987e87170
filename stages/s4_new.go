package stages

import (
	"fmt"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// LabelCreated is a deploy label: when a service's stack file was made, in RFC 3339. `quarterdeck new service` writes it.
const LabelCreated = "qd.created"

var newServiceTime = &Check{
	ID: "new-service-time", Stage: 4, Attested: 180,
	Question: "does a new service take less than two hours, from the first commit until it runs?",
	Why:      "Where a new service takes a week, what belongs apart is put together. Two hours are a template, a pipeline and nobody to ask.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("the newest with a label %s ran within %s of it, under %s is a warning; without one, a person's word for 180 days", LabelCreated, inHours(s.NewPass), inHours(s.NewWarn))
	},
	Fix: "`quarterdeck new service NAME` begins the next one; quarterdeck attest new-service-time --note TEXT",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "docker service inspect SERVICE: Spec.Labels " + LabelCreated + ", CreatedAt; docker service ps SERVICE: since when its tasks run"
		var last *fleet.Service
		var took time.Duration
		for _, v := range e.services() {
			if d, ok := firstRun(v); ok && e.Now.Sub(v.Created) < newestFor && (last == nil || v.Created.After(last.Created)) {
				last, took = v, d
			}
		}
		if last == nil {
			return notApplicable(evidence, "no service with such a label has begun to run lately")
		}
		f := Finding{State: Pass, Evidence: evidence, Value: last.Name + " took " + inHours(took) + " from its file until it ran"}
		if !unchanged(last) {
			f.Value = last.Name + " took " + inHours(took) + " from its file until it was first deployed; since when it ran is not known any more"
		}
		switch {
		case took >= s.NewWarn:
			f.State = Fail
		case took >= s.NewPass:
			f.State = Warn
		}
		return f
	},
}

// newestFor is for how long a service is a new one: as long as a word for it would hold.
const newestFor = 180 * days

// firstRun is how long a service has taken from its file's making until all its tasks ran for the first time; where it was changed since, until the swarm had
// it. Not ok: it says nothing, or does not run yet.
func firstRun(v *fleet.Service) (took time.Duration, ok bool) {
	made, err := time.Parse(time.RFC3339, v.Labels[LabelCreated])
	if err != nil || v.Created.Before(made) {
		return 0, false
	}
	if !unchanged(v) {
		return v.Created.Sub(made), true
	}
	first, running := map[string]time.Time{}, 0
	for i := range v.Tasks {
		t := &v.Tasks[i]
		if t.State != sources.TaskRunning {
			continue
		}
		slot := fmt.Sprint(t.Slot, t.NodeID)
		if t.Slot != 0 {
			slot = fmt.Sprint(t.Slot)
		}
		if at, there := first[slot]; !there || t.Since.Before(at) {
			first[slot] = t.Since
		}
		running++
	}
	if running == 0 || len(first) < v.Desired {
		return 0, false
	}
	end := v.Created
	for _, at := range first {
		if at.After(end) {
			end = at
		}
	}
	return end.Sub(made), true
}

// unchanged tells whether a service is as it was made: the engine keeps when a task began to run only for the tasks that it still knows.
func unchanged(v *fleet.Service) bool {
	return v.UpdateState == "" && v.Updated.Sub(v.Created) < time.Minute
}

func inHours(d time.Duration) string {
	if d < 2*time.Hour {
		return inMinutes(d)
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
