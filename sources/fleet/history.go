package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

// HistoryCap bounds the history: at 200 B an entry under half a megabyte.
const HistoryCap = 2000

// What can happen. The words are shown in the timeline.
const (
	DeployStarted  = "deploy"
	DeployDone     = "deployed"
	DeployPaused   = "paused"
	RolledBack     = "rolled back"
	Scaled         = "scaled"
	Created        = "created"
	Removed        = "removed"
	TaskStarted    = "started"
	TaskDied       = "task failed"
	HealthChanged  = "health"
	NodeChanged    = "node"
	AlertFiring    = "alert"
	AlertResolved  = "resolved"
	SilenceBegun   = "silence"
	SilenceEnded   = "unsilenced"
	SourceChanged  = "source"
	ActionBegun    = "action"   // somebody has begun a run
	ActionEnded    = "verdict"  // and what came of it
	Annotated      = "marked"   // somebody has marked it on a dashboard
	IncidentPhase  = "incident" // somebody has written of an incident
	SnapshotTaken  = "snapshot" // data was saved
	Drilled        = "drill"    // a snapshot was restored into a place that was thrown away
	Restored       = "restore"  // and this time for real
	CheckTurned    = "check"    // a check of the stages has come to another state
	OtherHappening = "event"
)

// Happening is something that happened, with who says so.
type Happening struct {
	Time    time.Time
	Kind    string
	Service string // name, or ""
	Node    string // name, or ""
	Text    string // one line; untrusted
	Source  string // swarm | alertmanager | …
	// Bad: worth the eye.
	Bad bool
	// Run is the id of the run that an action or a verdict is of, or of the incident; else "". Actor is who did it, Action what.
	Run, Actor, Action string
	// Target is what a run or a mark is about where that is more than Service: names with commas between.
	Target string
	// Ref names what it is about beyond the text: a task's id, an alert's fingerprint, a silence's id.
	Ref string
	// Began is when that began which this ends: the rollout, the run, the alert; zero: it ends nothing, or that is not known.
	Began time.Time
	// Record: it was before this process looked, and is known from what the engine still keeps of the object's last change.
	Record bool
	// Within is how inexact Time is; 0: it is the source's own.
	Within time.Duration
	// Labels are those of a node that were changed, by name; none: it is of something else.
	Labels []LabelChange

	key string // two happenings with one key are one
}

// LabelChange is a label of a node before and after a change. Had and Has tell whether there was one.
type LabelChange struct {
	Name, Was, Is string
	Had, Has      bool
}

// key joins the parts that make a happening one and the same.
func key(parts ...string) string { return strings.Join(parts, "\x00") }

// stamp is a moment as part of a key: the same in whatever zone it was read.
func stamp(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 36) }

// history is in time order, bounded, each key once. The list's array is shared with snapshots: it
// grows at its end, beyond what they see, or is made anew.
type history struct {
	list    []Happening
	keys    map[string]bool
	pending []Happening // not yet in list
	starts  int         // TaskStarted among list and pending
	oldest  time.Time   // of those that were kept when they were too many; zero: they never were
}

// startsCap bounds how many starts of tasks are kept: they must not push out what is worth more.
const startsCap = 400

// add takes a happening; it tells whether that is news.
func (h *history) add(x Happening) bool {
	if x.Time.IsZero() {
		return false
	}
	if x.key == "" {
		x.key = key(x.Kind, x.Service, x.Node, x.Text, stamp(x.Time))
	}
	if h.keys[x.key] || len(h.list) >= HistoryCap && x.Time.Before(h.list[0].Time) {
		return false
	}
	if x.Kind == TaskStarted {
		if x.Time.Before(h.oldest) {
			return false
		}
		h.starts++
	}
	if h.keys == nil {
		h.keys = map[string]bool{}
	}
	h.keys[x.key] = true
	h.pending = append(h.pending, x)
	if len(h.pending) >= HistoryCap {
		h.settle()
	}
	return true
}

// settle moves what is pending into the list, and drops the oldest beyond the bound.
func (h *history) settle() {
	if len(h.pending) == 0 {
		return
	}
	slices.SortStableFunc(h.pending, byTime)
	list := h.list
	if len(list) == 0 || !h.pending[0].Time.Before(list[len(list)-1].Time) {
		list = append(list, h.pending...)
	} else {
		list = append(slices.Clone(list), h.pending...)
		slices.SortStableFunc(list, byTime)
	}
	if h.starts > startsCap+startsCap/4 {
		list = h.withoutOldStarts(list)
	}
	for len(list) > HistoryCap {
		if list[0].Kind == TaskStarted {
			h.starts--
		}
		delete(h.keys, list[0].key)
		list = list[1:]
	}
	h.list, h.pending = list, h.pending[:0]
}

// withoutOldStarts is a new list that has the newest startsCap starts of tasks.
func (h *history) withoutOldStarts(list []Happening) []Happening {
	out := make([]Happening, 0, len(list))
	for i := range list {
		if list[i].Kind == TaskStarted && h.starts > startsCap {
			h.starts--
			h.oldest = list[i].Time.Add(1)
			delete(h.keys, list[i].key)
			continue
		}
		out = append(out, list[i])
	}
	return out
}

func byTime(a, b Happening) int { return a.Time.Compare(b.Time) }

// serviceHappenings is what a service's new state says has happened since old (nil: first seen).
func serviceHappenings(old, s *sources.Service, at time.Time) []Happening {
	var out []Happening
	add := func(t time.Time, kind, text string, bad bool, part string) {
		out = append(out, Happening{Time: t, Kind: kind, Service: s.Name, Text: text, Source: SwarmName, Bad: bad, key: key(kind, s.ID, part)})
	}
	if old == nil {
		image := s.Image
		if s.Updated.Sub(s.Created) > time.Minute || !s.UpdateStarted.IsZero() { // what it was made with is not known any more
			image = ""
		}
		add(s.Created, Created, image, false, "")
		out = append(out, recorded(s, at)...)
	}
	if !s.UpdateStarted.IsZero() && (old == nil || !old.UpdateStarted.Equal(s.UpdateStarted)) {
		text := orElse(s.Changed, s.Image)
		if old != nil {
			text = imageChange(old, s)
		}
		add(s.UpdateStarted, DeployStarted, text, false, stamp(s.UpdateStarted))
	}
	if old == nil || old.UpdateState != s.UpdateState {
		out = append(out, updateHappenings(s, at)...)
	}
	if old != nil && old.Desired != s.Desired && !s.Mode.Job() {
		add(at, Scaled, fmt.Sprintf("%d → %d", old.Desired, s.Desired), false, fmt.Sprint(s.Version))
	}
	return out
}

func updateHappenings(s *sources.Service, at time.Time) []Happening {
	when := s.UpdateCompleted
	if when.IsZero() {
		when = at
	}
	kind, bad := "", false
	switch s.UpdateState {
	case "completed":
		kind = DeployDone
	case "paused", "rollback_paused":
		kind, bad = DeployPaused, true
	case "rollback_completed":
		kind, bad = RolledBack, true
	default:
		return nil
	}
	return []Happening{{Time: when, Kind: kind, Service: s.Name, Text: oneLine(orElse(s.UpdateMessage, s.Image)), Source: SwarmName, Bad: bad, Began: s.UpdateStarted,
		key: key(kind, s.ID, stamp(s.UpdateStarted))}}
}

func imageChange(old, s *sources.Service) string {
	switch {
	case old.Image != s.Image:
		return old.Image + " → " + s.Image
	case old.Digest != s.Digest:
		return s.Image + ", new digest"
	case old.Generation != s.Generation:
		return s.Image + ", " + orElse(s.Changed, "spec changed")
	}
	return orElse(s.Changed, s.Image)
}

func taskHappening(s *sources.Service, t *sources.Task, node string) Happening {
	text := taskError(t)
	if t.ExitCode != 0 && !strings.Contains(text, fmt.Sprint(t.ExitCode)) {
		text = fmt.Sprintf("%s (exit %d)", text, t.ExitCode)
	}
	return Happening{Time: t.Since, Kind: TaskDied, Service: s.Name, Node: node,
		Text: slotName(s.Name, t.Slot, node) + ": " + text, Source: SwarmName, Bad: true, Ref: t.ID, key: key(TaskDied, t.ID)}
}

// Of the tasks that run already when a service is seen first, those started within startsBack are told of, at most startsFirst.
const (
	startsBack  = time.Hour
	startsFirst = 20
)

// taskStarts are the tasks of a service that run now and did not before; first: it is seen for the first time.
func taskStarts(s *sources.Service, tasks []sources.Task, known map[string]sources.TaskState, first bool, now time.Time, nodeName func(string) string) []Happening {
	var out []Happening
	for i := range tasks {
		t := &tasks[i]
		if t.State != sources.TaskRunning || known[t.ID] == sources.TaskRunning || first && (len(out) == startsFirst || now.Sub(t.Since) > startsBack) {
			continue
		}
		node := nodeName(t.NodeID)
		out = append(out, Happening{Time: t.Since, Kind: TaskStarted, Service: s.Name, Node: node, Text: slotName(s.Name, t.Slot, node), Source: SwarmName, Ref: t.ID, key: key(TaskStarted, t.ID)})
	}
	return out
}

// nodesHappenings is what has happened to the nodes since they were old (empty: first seen).
func nodesHappenings(old, nodes []sources.Node, at time.Time) []Happening {
	if len(old) == 0 {
		return recordedNodes(nodes, at)
	}
	var out []Happening
	before := make(map[string]*sources.Node, len(old))
	for i := range old {
		before[old[i].ID] = &old[i]
	}
	for i := range nodes {
		n := &nodes[i]
		if was := before[n.ID]; was != nil {
			out = append(out, nodeHappenings(was, n, at)...)
		} else {
			out = append(out, Happening{Time: at, Kind: NodeChanged, Node: n.Name, Text: "joined as " + n.Role, Source: SwarmName})
		}
		delete(before, n.ID)
	}
	for _, n := range before {
		out = append(out, Happening{Time: at, Kind: NodeChanged, Node: n.Name, Text: "left", Source: SwarmName, Bad: true})
	}
	return out
}

func nodeHappenings(old, n *sources.Node, at time.Time) []Happening {
	var out []Happening
	add := func(text string, bad bool) {
		out = append(out, Happening{Time: at, Kind: NodeChanged, Node: n.Name, Text: text, Source: SwarmName, Bad: bad})
	}
	if old.State != n.State {
		text := n.State
		if n.Message != "" {
			text += ": " + oneLine(n.Message)
		}
		add(text, n.State != "ready")
	}
	if old.Availability != n.Availability {
		add("availability "+n.Availability, n.Availability != "active")
	}
	if old.Reachability != n.Reachability && n.Reachability != "" {
		add("manager "+n.Reachability, n.Reachability != "reachable")
	}
	if !old.Leader && n.Leader {
		add("became leader", false)
	}
	if old.Role != n.Role {
		add("role "+n.Role+", was "+old.Role, false)
	}
	if changes := labelChanges(old.Labels, n.Labels); len(changes) > 0 {
		out = append(out, Happening{Time: changedAt(old, n, at), Kind: NodeChanged, Node: n.Name, Text: labelWords(changes), Source: SwarmName, Labels: changes})
	}
	return out
}

// changedAt is when a node was changed: as the manager dates it, where it can be the change that was seen just now.
func changedAt(old, n *sources.Node, at time.Time) time.Time {
	if n.Updated.After(old.Updated) && n.Updated.Before(at) {
		return n.Updated
	}
	return at
}

// labelChanges are the differences between a node's labels, by name.
func labelChanges(old, labels map[string]string) []LabelChange {
	names := slices.Collect(maps.Keys(labels))
	for name := range old {
		if _, still := labels[name]; !still {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []LabelChange
	for _, name := range names {
		c := LabelChange{Name: name}
		c.Was, c.Had = old[name]
		c.Is, c.Has = labels[name]
		if c.Had != c.Has || c.Was != c.Is {
			out = append(out, c)
		}
	}
	return out
}

// labelWords are such differences in a line: "label zone=b, was a; label disk=ssd taken away".
func labelWords(changes []LabelChange) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		switch {
		case !c.Has:
			parts[i] = "label " + c.Name + "=" + c.Was + " taken away"
		case !c.Had:
			parts[i] = "label " + c.Name + "=" + c.Is + " added"
		default:
			parts[i] = "label " + c.Name + "=" + c.Is + ", was " + c.Was
		}
	}
	return oneLine(strings.Join(parts, "; "))
}
