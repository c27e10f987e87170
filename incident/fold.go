package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// State is where an incident stands.
type State string

// The states. A colleague's word moves it on; see [allowed].
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Mitigated    State = "mitigated"
	Resolved     State = "resolved"
)

// Moment is when something was, and who or what says so. The zero value: nobody has said it.
type Moment struct {
	At time.Time
	By string
	// Source is where it is known from: a person, or alertmanager, swarm, prometheus, loki, journal.
	Source string
	Query  string
}

// aPerson is the source of what somebody has said without more proof.
const aPerson = "a person"

// Known tells whether somebody has said it.
func (m Moment) Known() bool { return !m.At.IsZero() }

// Incident is an incident as of one moment. It is a value: what it points to is never changed.
type Incident struct {
	ID string
	// Also are ids of incidents that were begun about the same at the same time, and are one with this.
	Also            []string
	Services        []string
	Nodes           []string // what it is of, where that is a node
	Title, Severity string
	State           State
	Started         Moment
	// Owner has acknowledged it last; "": nobody has.
	Owner string
	// Impact is when the impact began, Detected when it was noticed.
	Impact, Detected                  Moment
	Acknowledged, Mitigated, Resolved Moment
	Reopened                          int
	// Entries are all that was written, in order.
	Entries []Entry
}

// Ongoing tells whether somebody still has to look at it.
func (x *Incident) Ongoing() bool { return x.State != Resolved }

// About tells whether the incident is about one of the services.
func (x *Incident) About(services ...string) bool {
	return slices.ContainsFunc(services, func(s string) bool { return slices.Contains(x.Services, s) })
}

// AboutNode tells whether the incident is of a node.
func (x *Incident) AboutNode(node string) bool { return slices.Contains(x.Nodes, node) }

// Of is what the incident is of, in words: its node, else its services.
func (x *Incident) Of() string {
	if len(x.Nodes) > 0 {
		return strings.Join(x.Nodes, ",")
	}
	return strings.Join(x.Services, ",")
}

// Named tells whether an id, or the beginning of one, is this incident's.
func (x *Incident) Named(id string) bool {
	return id != "" && (strings.HasPrefix(x.ID, id) || slices.ContainsFunc(x.Also, func(a string) bool { return strings.HasPrefix(a, id) }))
}

// Notes are the texts that are for a section of the report.
func (x *Incident) Notes(s Section) []Entry {
	var out []Entry
	for i := range x.Entries {
		if x.Entries[i].Section == s && x.Entries[i].Text != "" {
			out = append(out, x.Entries[i])
		}
	}
	return out
}

// top is the largest place of an entry.
func (x *Incident) top() uint64 {
	n := uint64(0)
	for i := range x.Entries {
		n = max(n, x.Entries[i].n)
	}
	return n
}

// allowed tells whether a phase can follow in a state.
//
//	open, acknowledged -> acknowledge (again by somebody else: takes over), mitigate, resolve
//	mitigated          -> acknowledge, resolve, reopen
//	resolved           -> reopen
//
// Notes and the impact's beginning can be written at any time: much is known only afterwards.
func allowed(s State, p Phase) bool {
	switch p {
	case Note, Impact:
		return true
	case Acknowledge:
		return s != Resolved
	case Mitigate:
		return s == Open || s == Acknowledged
	case Resolve:
		return s != Resolved
	case Reopen:
		return s == Mitigated || s == Resolved
	}
	return false
}

// fold makes incidents of entries, the newest first. What comes out depends on the set of the entries alone, not on their order: so two machines
// that have heard the same, in whatever order, show the same.
func fold(entries []Entry) []Incident {
	by := map[string][]Entry{}
	for _, e := range entries {
		by[e.id] = append(by[e.id], e)
	}
	var ids []string
	for id, list := range by {
		slices.SortFunc(list, inOrder)
		if list[0].Phase == Start { // of what began before anything that was heard nothing is known
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(by[a][0].Written.Compare(by[b][0].Written), cmp.Compare(a, b))
	})
	var out []Incident
	for _, id := range ids {
		list := by[id]
		if i := sameAs(out, &list[0]); i >= 0 {
			x := &out[i]
			merged := slices.Concat(x.Entries, list)
			slices.SortFunc(merged, inOrder)
			also := append(x.Also, id)
			*x = one(x.ID, merged)
			x.Also = also
			continue
		}
		out = append(out, one(id, list))
	}
	slices.Reverse(out)
	return out
}

// inOrder is the order of an incident's entries: a start first, then by place; what was written without knowing of each other by time.
func inOrder(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.n, b.n), a.Written.Compare(b.Written), cmp.Compare(a.hash, b.hash))
}

// sameAs finds the incident that a start is one with: of one of its services, begun before, and not resolved then. -1: none.
func sameAs(list []Incident, start *Entry) int {
	if start.also {
		return -1
	}
	services := split(start.target)
	for i := len(list) - 1; i >= 0; i-- {
		x := &list[i]
		if (x.About(services...) || slices.ContainsFunc(start.nodes, x.AboutNode)) && openAt(x, start.Written) {
			return i
		}
	}
	return -1
}

// openAt tells whether an incident was not resolved at a moment.
func openAt(x *Incident, at time.Time) bool {
	open := false
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Written.After(at) || e.Idle {
			continue
		}
		switch e.Phase {
		case Start, Reopen:
			open = true
		case Resolve:
			open = false
		}
	}
	return open
}

func split(target string) []string {
	if target == "" {
		return nil
	}
	return strings.Split(target, ",")
}

// one makes an incident of its entries, which are in order.
func one(id string, list []Entry) Incident {
	x := Incident{ID: id, State: Open, Entries: slices.Clone(list)}
	for i := range x.Entries {
		e := &x.Entries[i]
		e.Idle = false
		if e.Phase != Start && !allowed(x.State, e.Phase) {
			e.Idle = true
			continue
		}
		x.take(e)
	}
	return x
}

func (x *Incident) take(e *Entry) {
	said := Moment{At: e.At, By: e.Actor, Source: orElse(e.By, aPerson), Query: e.Query}
	switch e.Phase {
	case Start:
		x.begin(e)
	case Impact:
		x.Impact = said
	case Acknowledge:
		x.Owner = e.Actor
		if !x.Acknowledged.Known() {
			x.Acknowledged = said
		}
		if x.State == Open {
			x.State = Acknowledged
		}
	case Mitigate:
		x.Mitigated, x.State = said, Mitigated
	case Resolve:
		x.Resolved, x.State = said, Resolved
	case Reopen:
		x.Resolved, x.Mitigated = Moment{}, Moment{}
		x.Reopened++
		x.State = Open
		if x.Owner != "" {
			x.State = Acknowledged
		}
	}
}

// begin takes a start. A second one, of a console that did not know of the first, adds its services.
func (x *Incident) begin(e *Entry) {
	for _, s := range split(e.target) {
		if !slices.Contains(x.Services, s) {
			x.Services = append(x.Services, s)
		}
	}
	for _, n := range e.nodes {
		if !slices.Contains(x.Nodes, n) {
			x.Nodes = append(x.Nodes, n)
		}
	}
	if x.Started.Known() {
		e.Idle = true
		return
	}
	x.Started = Moment{At: e.At, By: e.Actor, Source: aPerson}
	x.Title, x.Severity = e.title, e.severity
	x.Detected = Moment{At: e.At, By: e.Actor, Source: aPerson}
	if !e.detected.IsZero() {
		x.Detected = Moment{At: e.detected.UTC(), By: e.detectedBy, Source: e.detectedBy}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
