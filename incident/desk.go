package incident

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Bounds of what is kept and taken.
const (
	maxEntries = 2000 // kept of all incidents together: at some hundred bytes each
	maxTitle   = 200
	maxText    = 4000
	maxWord    = 32
	maxCauses  = 3              // kept of what the diagnosis says at the start
	news       = 24 * time.Hour // older phases are not put on the timeline
	// teamBack is how far back the team's record is read at first. Loki's default bound of one query is 30 days and an hour
	// (limits_config.max_query_length).
	teamBack  = 30 * 24 * time.Hour
	teamMost  = 5000
	teamAgain = 30 * time.Second
	teamWait  = 30 * time.Second // for one answer
)

// Desk is where incidents are kept. It writes through a Deck, so that each phase is chained, on the disk, and in the team's record. Safe for
// concurrent use.
type Desk struct {
	Deck    *actions.Deck
	Logs    sources.Logs    // nil: not configured
	Metrics sources.Metrics // nil: not configured
	Alerts  sources.Alerts  // nil: not configured
	// Team reads the team's record; nil: there is none but this machine's.
	Team sources.Logs
	// Doctor names causes; nil: there is none.
	Doctor *diagnosis.Doctor

	mu      sync.Mutex
	known   map[string]bool // by the entries' hash: whether it was put on the timeline
	entries []Entry
	folded  []Incident
	stale   bool
	cluster string // that folded is of; "": the swarm was not known yet
	asked   bool   // the team's record has answered once, or could not be had
	teamErr error  // of the last time that it was asked
	changed chan struct{}
}

// Listen has the deck tell the desk of what it hears. It must be called before the deck's FollowTeam.
func (k *Desk) Listen() { k.Deck.Heard = func(e *journal.Entry) { k.hear(e) } }

// hear takes an entry in, once, whichever way it comes, and puts it on the timeline.
func (k *Desk) hear(e *journal.Entry) {
	x, ok := read(e)
	if !ok {
		return
	}
	k.add(x)
	k.mu.Lock()
	told := k.known[x.hash]
	k.known[x.hash] = true
	k.mu.Unlock()
	if !told && k.Deck.Now().Sub(x.Written) < news {
		k.Deck.Fleet.Note(k.happening(&x))
	}
}

// add takes an entry in, once.
func (k *Desk) add(x Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.known[x.hash]; known {
		return
	}
	if k.known == nil {
		k.known = map[string]bool{}
	}
	k.known[x.hash] = false
	k.entries = append(k.entries, x)
	k.stale = true
	for len(k.entries) > maxEntries {
		k.forget()
	}
	k.signal()
}

// forget drops what was written of the incident that began first. The hashes stay known, or the team's record would bring it back.
func (k *Desk) forget() {
	oldest := slices.MinFunc(k.entries, func(a, b Entry) int { return cmp.Or(a.Written.Compare(b.Written), cmp.Compare(a.id, b.id)) })
	k.entries = slices.DeleteFunc(k.entries, func(e Entry) bool { return e.id == oldest.id })
}

// happening is a phase as the timeline has it.
func (k *Desk) happening(x *Entry) fleet.Happening {
	text := shortName(x.Actor) + ": " + phaseWord(x.Phase)
	if t := cmp.Or(x.title, x.Text); t != "" {
		text += ": " + t
	}
	node := ""
	if len(x.nodes) > 0 {
		node = x.nodes[0]
	}
	return fleet.Happening{Time: x.At, Kind: fleet.IncidentPhase, Service: first(x.target), Node: node, Text: text, Source: "journal", Run: x.id, Bad: x.Phase == Start || x.Phase == Reopen}
}

func first(target string) string {
	name, _, _ := strings.Cut(target, ",")
	return name
}

var phaseWords = map[Phase]string{Start: "incident started", Note: "note", Impact: "impact began", Acknowledge: "acknowledged", Mitigate: "mitigated", Resolve: "resolved", Reopen: "reopened"}

func phaseWord(p Phase) string { return phaseWords[p] }

// All are the incidents that are known, the newest first. What it gives must not be changed.
func (k *Desk) All() []Incident {
	cluster := k.Deck.Fleet.Snapshot().Engine.ClusterID
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stale || cluster != k.cluster {
		k.folded, k.stale, k.cluster = fold(k.ofSwarm(cluster)), false, cluster
	}
	return k.folded
}

// ofSwarm are the entries that are of a swarm. Before it is known which one it is, those are that were written under the same context's name.
func (k *Desk) ofSwarm(cluster string) []Entry {
	return slices.DeleteFunc(slices.Clone(k.entries), func(e Entry) bool {
		if cluster == "" {
			return e.cluster != "" && e.context != k.Deck.Policy.Context
		}
		return e.cluster != "" && e.cluster != cluster
	})
}

// Ongoing are those that are not resolved, the newest first.
func (k *Desk) Ongoing() []Incident {
	var out []Incident
	for _, x := range k.All() {
		if x.Ongoing() {
			out = append(out, x)
		}
	}
	return out
}

// Load reads this machine's journal, for commands that do not follow it and for a console's first frame.
func (k *Desk) Load() error {
	cluster := k.Deck.Fleet.Snapshot().Engine.ClusterID
	return k.Deck.Journal.ReadOf(actions.Incident, func(e journal.Entry) bool {
		if x, ok := read(&e); ok && (e.Cluster == "" || cluster == "" || e.Cluster == cluster) {
			k.add(x)
		}
		return true
	})
}

// Taken is an incident that is open for a service already, where a second one was asked for.
type Taken struct {
	Incident Incident
	Service  string
}

// Error says which, and what to do.
func (t *Taken) Error() string {
	return fmt.Sprintf("refused: incident %s (%s) is open for %s: write a note to it, or say that this is another (--also)", t.Incident.ID, t.Incident.Title, t.Service)
}

// NotAllowed is a phase that cannot follow in an incident's state.
type NotAllowed struct {
	Incident Incident
	Phase    Phase
}

// Error says why.
func (n *NotAllowed) Error() string {
	last := n.Incident.Resolved
	if n.Incident.State == Mitigated {
		last = n.Incident.Mitigated
	}
	text := fmt.Sprintf("refused: incident %s is %s", n.Incident.ID, n.Incident.State)
	if last.Known() {
		text += fmt.Sprintf(" since %s, by %s", last.At.Format(time.RFC3339), last.By)
	}
	switch n.Phase {
	case Reopen:
		return text + ": there is nothing to be reopened"
	case Acknowledge:
		if n.Incident.State == Resolved {
			return text + ": reopen it first"
		}
		return text + " and yours already"
	}
	if n.Incident.State == Resolved {
		return text + ": reopen it first"
	}
	return text
}

// Opening is what an incident begins with.
type Opening struct {
	Title, Severity string
	Services        []string
	// Nodes are what it is of, where that is a node; the services are then those that it hit.
	Nodes []string
	// Anything: nobody has named the services. Where they are well, and something else is not, it is of that.
	Anything bool
	// Also: although another incident of one of the services is open.
	Also bool
	// Detected is when and by what it was noticed; zero: now, by whoever starts it.
	Detected Moment
	// Impact is when the impact began, where somebody has said so.
	Impact Moment
	At     time.Time // zero: now
	// Causes are what the diagnosis says of it now; they are kept with it.
	Causes []Cause
}

// Start begins an incident.
func (k *Desk) Start(o Opening) (Incident, error) {
	title, masked := clean(o.Title, maxTitle)
	switch {
	case title == "":
		return Incident{}, bad("an incident needs a title", "say in a few words what is wrong")
	case len(o.Services) == 0 && len(o.Nodes) == 0:
		return Incident{}, bad("an incident is about a service or a node", "name one")
	}
	if err := k.Load(); err != nil { // another console on this machine
		return Incident{}, err
	}
	services := slices.Compact(slices.Sorted(slices.Values(o.Services)))
	k.noticedBy(&o)
	if !o.Also {
		for _, x := range k.Ongoing() {
			for _, s := range services {
				if x.About(s) {
					return Incident{}, &Taken{x, s}
				}
			}
			for _, n := range o.Nodes {
				if x.AboutNode(n) {
					return Incident{}, &Taken{x, n}
				}
			}
		}
	}
	now := k.Deck.Now()
	if err := notAhead(o.At, now); err != nil {
		return Incident{}, err
	}
	severity, _ := clean(o.Severity, maxWord)
	d := detail{N: 1, Title: title, Severity: severity, At: o.At, Also: o.Also, Masked: masked, Detected: o.Detected.At, DetectedBy: o.Detected.By, Causes: o.Causes[:min(len(o.Causes), maxCauses)], Nodes: o.Nodes}
	id := newID(now)
	if err := k.write(id, services, Start, "", d); err != nil {
		return Incident{}, err
	}
	if o.Impact.Known() {
		return k.Do(id, Entry{Phase: Impact, At: o.Impact.At, By: o.Impact.By, Query: o.Impact.Query})
	}
	return k.Find(id)
}

// Do writes a phase of an incident. Of the entry At (zero: now), Text, Section, By and Query are taken.
func (k *Desk) Do(id string, e Entry) (Incident, error) {
	if err := k.Load(); err != nil {
		return Incident{}, err
	}
	x, err := k.Find(id)
	if err != nil {
		return Incident{}, err
	}
	if !allowed(x.State, e.Phase) || e.Phase == Acknowledge && x.Owner == k.Deck.Policy.Actor {
		return x, &NotAllowed{x, e.Phase}
	}
	now := k.Deck.Now()
	if err := notAhead(e.At, now); err != nil {
		return x, err
	}
	text, masked := clean(e.Text, maxText)
	switch {
	case e.Phase == Note && text == "":
		return x, bad("a note without words", "say something")
	case e.Phase == Impact && e.At.IsZero():
		return x, bad("the beginning of the impact is a time", "say when")
	}
	err = k.write(x.ID, x.Services, e.Phase, text, detail{N: x.top() + 1, Section: e.Section, At: e.At, By: e.By, Query: e.Query, Masked: masked})
	if err != nil {
		return x, err
	}
	return k.Find(x.ID)
}

func (k *Desk) write(id string, services []string, p Phase, text string, d detail) error {
	d.At, d.Detected = d.At.UTC(), d.Detected.UTC()
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	written, err := k.Deck.Write(journal.Entry{Run: id, Action: actions.Incident, Target: strings.Join(services, ","), Phase: string(p), Reason: text, Detail: raw})
	if err == nil {
		k.hear(&written)
	}
	return err
}

// Find is an incident by its id or the beginning of it; "" is the one that is ongoing, where there is just one.
func (k *Desk) Find(id string) (Incident, error) {
	if id == "" {
		switch list := k.Ongoing(); len(list) {
		case 0:
			return Incident{}, bad("no incident is open", "start one, or name one of `quarterdeck incident list`")
		case 1:
			return list[0], nil
		default:
			return Incident{}, bad(fmt.Sprintf("%d incidents are open", len(list)), "name one: "+list[0].ID+", "+list[1].ID)
		}
	}
	var found []Incident
	for _, x := range k.All() {
		if x.ID == id || slices.Contains(x.Also, id) {
			return x, nil
		}
		if x.Named(id) {
			found = append(found, x)
		}
	}
	switch len(found) {
	case 0:
		return Incident{}, bad("there is no incident "+id, "see `quarterdeck incident list`")
	case 1:
		return found[0], nil
	}
	return Incident{}, bad(fmt.Sprintf("%d incidents begin with %s", len(found), id), "write more of its id")
}

func bad(what, next string) error {
	return &sources.Error{Source: "incident", Op: "record", Kind: sources.BadQuestion, Err: errors.New(what), Next: next}
}

// ahead is how far clocks may differ.
const ahead = time.Minute

func notAhead(at, now time.Time) error {
	if at.After(now.Add(ahead)) {
		return bad(at.UTC().Format(time.RFC3339)+" is not over yet", "give a time that is")
	}
	return nil
}

// clean makes one line of text, bounded and with the credentials in it masked; it counts those.
func clean(text string, most int) (string, int) {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	text, found := sources.Redact(text)
	if r := []rune(text); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return text, len(found)
}
