package incident

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
)

// Phase is what an entry of an incident says.
type Phase string

// The phases, as the journal has them.
const (
	Start       Phase = "start"
	Note        Phase = "note"
	Impact      Phase = "impact" // sets when the impact began
	Acknowledge Phase = "acknowledge"
	Mitigate    Phase = "mitigate"
	Resolve     Phase = "resolve"
	Reopen      Phase = "reopen"
)

// Section is the part of the report that a note goes to; "" is the timeline alone.
type Section string

// The sections that a note can be for.
const (
	ForSummary    Section = "summary"
	ForImpact     Section = "impact"
	ForCause      Section = "cause"
	ForTrigger    Section = "trigger"
	ForResolution Section = "resolution"
	ForDetection  Section = "detection"
	ForAction     Section = "action"
	ForLesson     Section = "lesson"
)

// Sections are all of them, in the report's order.
func Sections() []Section {
	return []Section{ForSummary, ForImpact, ForCause, ForTrigger, ForResolution, ForDetection, ForAction, ForLesson}
}

// SplitNote takes a section's name off the beginning of a note: "action: add an alert" is for the action items.
func SplitNote(text string) (Section, string) {
	head, rest, ok := strings.Cut(text, ":")
	if s := Section(strings.ToLower(strings.TrimSpace(head))); ok && slices.Contains(Sections(), s) && strings.TrimSpace(rest) != "" {
		return s, strings.TrimSpace(rest)
	}
	return "", strings.TrimSpace(text)
}

// detail is what the entry's detail field holds.
type detail struct {
	// N is the entry's place: one more than the largest that its writer knew of this incident, so that what was written in the knowledge of
	// something else comes after it, whatever the clocks say (L. Lamport, "Time, Clocks, and the Ordering of Events", 1978).
	N        uint64    `json:"n"`
	Title    string    `json:"title,omitempty"`
	Severity string    `json:"severity,omitempty"`
	Section  Section   `json:"section,omitempty"`
	At       time.Time `json:"at,omitzero"` // when it was, where that is not when it was written
	By       string    `json:"by,omitempty"`
	Query    string    `json:"query,omitempty"`
	// Nodes are what it is of, where that is a node: the entry's target are then the services that it hit.
	Nodes []string `json:"nodes,omitempty"`
	// Also: begun although another incident of the service is open.
	Also bool `json:"also,omitempty"`
	// Detected is when and by what it was noticed.
	Detected   time.Time `json:"detected,omitzero"`
	DetectedBy string    `json:"detected_by,omitempty"`
	// Causes are what the diagnosis said when it was declared: afterwards, what was wrong may be gone and with it what tells of it.
	Causes []Cause `json:"causes,omitempty"`
	// Masked counts credentials that were taken out of the text.
	Masked int `json:"masked,omitempty"`
}

// Entry is one phase of an incident, as somebody wrote it.
type Entry struct {
	Phase Phase
	// At is when it was; Written when it was written down.
	At, Written time.Time
	Actor, Host string
	// Text is untrusted.
	Text    string
	Section Section
	// By says what tells so, where it is not the actor; Query proves it.
	By, Query string
	// Idle: it changed nothing, because the incident was in that state already (two consoles at once).
	Idle bool

	hash, id, target, title, severity string
	cluster, context                  string
	n                                 uint64
	also                              bool
	detected                          time.Time
	detectedBy                        string
	masked                            int
	causes                            []Cause
	nodes                             []string
}

// read makes an entry of a journal's; false: it is of no incident.
func read(e *journal.Entry) (Entry, bool) {
	if e.Action != actions.Incident || e.Run == "" || e.Hash == "" {
		return Entry{}, false
	}
	switch Phase(e.Phase) {
	case Start, Note, Impact, Acknowledge, Mitigate, Resolve, Reopen:
	default:
		return Entry{}, false // of a newer version
	}
	var d detail
	_ = json.Unmarshal(e.Detail, &d) // an entry that was cut on its way says less
	x := Entry{Phase: Phase(e.Phase), At: d.At.UTC(), Written: e.Time.UTC(), Actor: e.Actor, Host: e.Host, Text: e.Reason, Section: d.Section, By: d.By, Query: d.Query,
		hash: e.Hash, id: e.Run, cluster: e.Cluster, context: e.Context, target: e.Target, title: d.Title, severity: d.Severity, n: d.N, also: d.Also, detected: d.Detected, detectedBy: d.DetectedBy, masked: d.Masked, causes: d.Causes, nodes: d.Nodes}
	if x.At.IsZero() {
		x.At = x.Written
	}
	return x, true
}

// newID is the time and a little chance: it sorts by time and can be typed.
func newID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("inc-20060102-1504-") + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}
