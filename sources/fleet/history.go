package fleet

import (
	"fmt"
	"sort"
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
	TaskDied       = "task failed"
	HealthChanged  = "health"
	NodeChanged    = "node"
	AlertFiring    = "alert"
	AlertResolved  = "resolved"
	SourceChanged  = "source"
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

	key string // two happenings with one key are one
}

// history is in time order, bounded, each key once.
type history struct {
	list []Happening
	keys map[string]bool
}

func (h *history) add(x Happening) bool {
	if x.Time.IsZero() {
		return false
	}
	if x.key == "" {
		x.key = fmt.Sprint(x.Kind, "\x00", x.Service, "\x00", x.Node, "\x00", x.Text, "\x00", x.Time.UnixNano())
	}
	if h.keys == nil {
		h.keys = map[string]bool{}
	}
	if h.keys[x.key] {
		return false
	}
	h.keys[x.key] = true
	at := sort.Search(len(h.list), func(i int) bool { return h.list[i].Time.After(x.Time) })
	list := h.list
	if at == len(list) {
		list = append(list, x) // snapshots share the array and see no further than their own length
	} else {
		list = make([]Happening, 0, len(h.list)+1)
		list = append(append(append(list, h.list[:at]...), x), h.list[at:]...)
	}
	if len(list) > HistoryCap {
		delete(h.keys, list[0].key)
		list = list[1:]
	}
	h.list = list
	return true
}

// serviceHappenings is what a service's new state says has happened since old (nil: first seen).
func serviceHappenings(old, s *sources.Service, at time.Time) []Happening {
	var out []Happening
	add := func(t time.Time, kind, text string, bad bool, key string) {
		out = append(out, Happening{Time: t, Kind: kind, Service: s.Name, Text: text, Source: "swarm", Bad: bad, key: kind + "\x00" + s.ID + "\x00" + key})
	}
	if old == nil {
		add(s.Created, Created, s.Image, false, "")
	}
	if !s.UpdateStarted.IsZero() && (old == nil || !old.UpdateStarted.Equal(s.UpdateStarted)) {
		text := s.Image
		if old != nil {
			text = imageChange(old, s)
		}
		add(s.UpdateStarted, DeployStarted, text, false, s.UpdateStarted.String())
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
	return []Happening{{Time: when, Kind: kind, Service: s.Name, Text: orElse(s.UpdateMessage, s.Image), Source: "swarm", Bad: bad,
		key: kind + "\x00" + s.ID + "\x00" + s.UpdateStarted.String()}}
}

func imageChange(old, s *sources.Service) string {
	switch {
	case old.Image != s.Image:
		return old.Image + " → " + s.Image
	case old.Digest != s.Digest:
		return s.Image + ", new digest"
	case old.Generation != s.Generation:
		return s.Image + ", spec changed"
	}
	return s.Image
}

func taskHappening(s *sources.Service, t *sources.Task, node string) Happening {
	text := taskError(t)
	if t.ExitCode != 0 && !strings.Contains(text, fmt.Sprint(t.ExitCode)) {
		text = fmt.Sprintf("%s (exit %d)", text, t.ExitCode)
	}
	return Happening{Time: t.Since, Kind: TaskDied, Service: s.Name, Node: node,
		Text: slotName(s, t) + ": " + text, Source: "swarm", Bad: true, key: TaskDied + "\x00" + t.ID}
}

func nodeHappenings(old, n *sources.Node, at time.Time) []Happening {
	if old == nil {
		return nil
	}
	var out []Happening
	add := func(text string, bad bool) {
		out = append(out, Happening{Time: at, Kind: NodeChanged, Node: n.Name, Text: text, Source: "swarm", Bad: bad})
	}
	if old.State != n.State {
		text := n.State
		if n.Message != "" {
			text += ": " + n.Message
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
	return out
}
