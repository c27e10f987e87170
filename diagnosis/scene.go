package diagnosis

import (
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Rules of time.
const (
	// Recent is how far back what the orchestrator keeps of a service counts as part of what is wrong now.
	Recent = 10 * time.Minute
	// JustBefore is how long before the onset a change still stands out as its cause.
	JustBefore = 5 * time.Minute
	// Span is how far back the beginning of what is wrong now is looked for.
	Span = time.Hour
	// clockSlack is how far the dates of different machines may lie apart.
	clockSlack = 5 * time.Second
)

// Scene is all that is known about one service at one moment. Rules read it and never change it. LogsSeen and MetricsSeen are nil where they
// have not been looked at (yet): a rule must not take that for nothing there.
type Scene struct {
	At   time.Time
	Snap *fleet.Snapshot
	// Service is what it is about; Tasks are its tasks as of At, the newest first.
	Service *fleet.Service
	Tasks   []sources.Task
	// Onset is when it began to go wrong, as far as is known; OnsetBy says who tells so.
	Onset   time.Time
	OnsetBy string
	// Changes are what is known to have been changed, the newest first, none after At.
	Changes []Change
	Logs    *LogsSeen
	Metrics *MetricsSeen
	// DependsOn are the services that this one needs, with how that is known: declared, or Learnt from its lines and networks.
	DependsOn, Learnt []Link
	// Quotes are what others' error lines say of it, the most first.
	Quotes []Quote
}

// Link is a dependency.
type Link struct {
	Service, How string
	// Learnt: error lines name it.
	Learnt bool
}

// tasksAt are a service's tasks as they were at a moment: later ones are left away, and what ended later still ran.
func tasksAt(tasks []sources.Task, at time.Time) []sources.Task {
	out := make([]sources.Task, 0, len(tasks))
	for _, t := range tasks {
		switch {
		case t.Created.After(at.Add(clockSlack)):
			continue
		case t.State.Ended() && t.Since.After(at.Add(clockSlack)):
			t.State, t.Desired, t.Err, t.Message, t.ExitCode = sources.TaskRunning, sources.TaskRunning, "", "", 0
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b sources.Task) int { return b.Created.Compare(a.Created) })
	return out
}

// bad tells a task that came to a bad end.
func bad(t *sources.Task) bool {
	return t.State == sources.TaskFailed || t.State == sources.TaskRejected || t.State == sources.TaskOrphaned
}

// recent tells whether a moment lies in what counts as now.
func (s *Scene) recent(t time.Time) bool {
	return t.After(s.At.Add(-Recent)) && !t.After(s.At.Add(clockSlack))
}

// since picks the tasks that a condition holds for, and whose state began recently.
func (s *Scene) since(ok func(*sources.Task) bool) []sources.Task {
	var out []sources.Task
	for i := range s.Tasks {
		if t := &s.Tasks[i]; s.recent(t.Since) && ok(t) {
			out = append(out, *t)
		}
	}
	return out
}

// waiting are tasks that should run and do not yet.
func (s *Scene) waiting() []sources.Task {
	var out []sources.Task
	for _, t := range s.Tasks {
		if (t.Desired == sources.TaskRunning || t.Desired == "ready") && !t.State.Ended() && t.State != sources.TaskRunning {
			out = append(out, t)
		}
	}
	return out
}

// said are the tasks, recent or still on their way, whose error or message has one of the words; the newest first.
func (s *Scene) said(words ...string) []sources.Task {
	var out []sources.Task
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if !has(t.Err+" "+t.Message, words...) {
			continue
		}
		if s.recent(t.Since) || !t.State.Ended() && t.Desired == sources.TaskRunning {
			out = append(out, *t)
		}
	}
	return out
}

// has tells whether a text has one of the words, whatever their case.
func has(text string, words ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, strings.ToLower(w)) })
}

// slotFailures are a slot's recent bad ends.
type slotFailures struct {
	slot  int
	node  string
	tasks []sources.Task
}

// failing groups the recent bad ends that a condition holds for by slot, the most first.
func (s *Scene) failing(ok func(*sources.Task) bool) []slotFailures {
	var out []slotFailures
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if !s.recent(t.Since) || !ok(t) {
			continue
		}
		node := ""
		if t.Slot == 0 {
			node = t.NodeID
		}
		at := slices.IndexFunc(out, func(f slotFailures) bool { return f.slot == t.Slot && f.node == node })
		if at < 0 {
			out = append(out, slotFailures{slot: t.Slot, node: node})
			at = len(out) - 1
		}
		out[at].tasks = append(out[at].tasks, *t)
	}
	slices.SortStableFunc(out, func(a, b slotFailures) int { return len(b.tasks) - len(a.tasks) })
	return out
}

// well tells whether the fleet calls the service healthy or idle.
func (s *Scene) well() bool {
	return s.Service.Health == fleet.Healthy || s.Service.Health == fleet.Idle
}

// alert is the first alert on the service that is in a state; nil: none is.
func (s *Scene) alert(state sources.AlertState) *sources.Alert {
	for i := range s.Snap.Alerts {
		if a := &s.Snap.Alerts[i]; a.Service == s.Service.Name && a.State == state {
			return a
		}
	}
	return nil
}

// happened are the entries of the fleet's history about this service, of one of the kinds, up to At; the newest first.
func (s *Scene) happened(within time.Duration, kinds ...string) []fleet.Happening {
	var out []fleet.Happening
	for i := len(s.Snap.History) - 1; i >= 0; i-- {
		h := &s.Snap.History[i]
		if h.Time.Before(s.At.Add(-within)) {
			break
		}
		if h.Service == s.Service.Name && slices.Contains(kinds, h.Kind) && !h.Time.After(s.At.Add(clockSlack)) {
			out = append(out, *h)
		}
	}
	return out
}

// changeBefore is the newest change that lies just before a moment; nil: there is none.
func (s *Scene) changeBefore(onset time.Time) *Change {
	if onset.IsZero() {
		onset = s.At
	}
	for i := range s.Changes {
		c := &s.Changes[i]
		if c.At.IsZero() || c.harmless() || c.At.After(onset.Add(clockSlack)) {
			continue
		}
		if onset.Sub(c.At) <= JustBefore {
			return c
		}
		return nil
	}
	return nil
}

// node is a node's name by its id.
func (s *Scene) node(id string) string {
	if n := s.Snap.Node(id); n != nil {
		return n.Name
	}
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// nodes are the names of the nodes that tasks were on, each once.
func (s *Scene) nodes(tasks []sources.Task) string {
	var out []string
	for _, t := range tasks {
		if t.NodeID == "" {
			continue
		}
		if n := s.node(t.NodeID); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}
