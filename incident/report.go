package incident

import (
	"time"
)

// Report is all that is known of an incident, or of a stretch of time. Its JSON is stable: fields are added, never renamed. Times are UTC; a
// figure that could not be had is null, with its reason.
type Report struct {
	ID       string    `json:"id"` // "" : no incident was declared
	Title    string    `json:"title"`
	Made     time.Time `json:"made"`
	By       string    `json:"by"`
	Context  string    `json:"context"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Services []string  `json:"services"`
	// Nodes are the nodes that the incident is of; its services are those that had tasks there.
	Nodes []string `json:"nodes"`
	// Window is the time in which users were hit, as far as is known: what lies outside is marked.
	Window Window `json:"impact_window"`
	// Also are services that were in trouble within the window and that the incident is not of.
	Also []Affected `json:"also"`

	Authors  []string `json:"authors"`
	Status   string   `json:"status"`
	Severity string   `json:"severity"`
	Owner    string   `json:"owner"`

	Summary    []string     `json:"summary"`
	Impact     []string     `json:"impact"`
	Users      []UserImpact `json:"users"`
	Start      ImpactStart  `json:"impact_start"`
	Causes     []Cause      `json:"causes"`
	Looked     []Look       `json:"looked"`
	CauseNotes []string     `json:"cause_notes"`
	Trigger    []string     `json:"trigger"`
	Resolution []string     `json:"resolution"`
	Fixes      []Mitigation `json:"mitigations"`
	Detection  []string     `json:"detection"`
	Times      Times        `json:"times"`
	Phases     []PhaseAt    `json:"phases"`
	Actions    []string     `json:"action_items"`
	Proposed   []ActionItem `json:"action_items_proposed"`
	Lessons    []string     `json:"lessons"`

	Timeline []Row    `json:"timeline"`
	Charts   []Chart  `json:"charts"`
	Lines    []Lines  `json:"logs"`
	Deploys  []Deploy `json:"changes"`

	Queries    []Query     `json:"queries"`
	Redactions []Redaction `json:"redactions"`
	Gaps       []Gap       `json:"gaps"`
	Chain      string      `json:"record"` // the verdict on the journal's chain
}

// Window is a stretch of time, with what its beginning stands on.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	By   string    `json:"by"`
}

// Affected is a service that was in trouble beside those that the incident is of.
type Affected struct {
	Service string    `json:"service"`
	Since   time.Time `json:"since"`
	Why     []string  `json:"why"`
}

// ActionItem is something that Quarterdeck proposes to be done, from what was found. Nobody has decided on it.
type ActionItem struct {
	Text string `json:"text"`
	// From is what it stands on, Query what proves that.
	From  string `json:"from"`
	Query string `json:"query"`
}

// PhaseAt is when an incident came to a phase: impact, detected, started, acknowledged, mitigated, resolved. Those it has not come to are not there.
type PhaseAt struct {
	Phase  string    `json:"phase"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Source string    `json:"source"`
}

// ImpactStart is when the impact began: as somebody has set it, and what the evidence proposes.
type ImpactStart struct {
	At     *time.Time `json:"at"`
	By     string     `json:"by"`
	Source string     `json:"source"`
	Reason string     `json:"reason"` // why it is null
	// Proposed are moments that it may be, each with who says so; the earliest first.
	Proposed []Proposal `json:"proposed"`
}

// Proposal is a moment at which the impact may have begun.
type Proposal struct {
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Source string    `json:"source"`
	Query  string    `json:"query"`
	// Before: a change before the impact, not the impact.
	Before bool `json:"before"`
	// Sure: the beginning of a cause that the orchestrator tells of in words.
	Sure bool `json:"sure"`

	end  time.Time // of a figure's rise
	rise *rise     // that it tells of; nil: of none
}

// Confidence is how far a row can be relied on.
type Confidence string

// How a row is known.
const (
	Recorded Confidence = "recorded" // the source itself wrote it down
	Said     Confidence = "said"     // a person's word
	Inferred Confidence = "inferred" // by a rule of ours, from figures
)

// Row is one line of the timeline.
type Row struct {
	Time       time.Time  `json:"time"`
	Source     string     `json:"source"`
	Kind       string     `json:"kind"`
	Service    string     `json:"service"`
	Actor      string     `json:"actor"`
	Text       string     `json:"text"`
	Query      string     `json:"query"`
	Confidence Confidence `json:"confidence"`
	Bad        bool       `json:"bad"`
	// Also: of a service that the incident is not of. Outside: "before" or "after" the window in which users were hit, of what is bad.
	Also    bool   `json:"also"`
	Outside string `json:"outside"`
	run     string // id of the run or incident that it tells of
	count   int    // how many of a kind it stands for
}

// Cause is a cause as the diagnosis has it.
type Cause struct {
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Service    string   `json:"service"`
	Node       string   `json:"node"`
	Confidence float64  `json:"confidence"`
	Grade      string   `json:"grade"`
	Why        string   `json:"why"`
	Evidence   []Proof  `json:"evidence"`
	Against    []Proof  `json:"against"`
	Next       []string `json:"next"`
	EffectOf   string   `json:"effect_of"`
	// Since is when it began, as far as is known. Change is the change that it names; null: it names none.
	Since  *time.Time `json:"since"`
	Change *Deploy    `json:"change"`
	// At is the moment that the diagnosis looked at.
	At time.Time `json:"at"`
	// Steps are Next with what the console and the command line have for it.
	Steps []Step `json:"next_steps,omitempty"`
}

// Step is something to do next. Action is the diagnosis' own word for it; "" where it is done elsewhere.
type Step struct {
	Text   string `json:"text"`
	Action string `json:"action"`
	On     string `json:"on"`
}

// Proof is one piece of evidence.
type Proof struct {
	Text   string `json:"text"`
	Source string `json:"source"`
	Query  string `json:"query"`
	// At is when it was; null: it is no moment. Outside is as that of a row. More like it were left out.
	At      *time.Time `json:"at"`
	Outside string     `json:"outside"`
	More    int        `json:"more"`
}

// Look says of a source whether the diagnosis could look there.
type Look struct {
	Source string `json:"source"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

// Mitigation is a run on one of the services while the incident was open.
type Mitigation struct {
	Run       string     `json:"run"`
	Action    string     `json:"action"`
	Target    string     `json:"target"`
	Actor     string     `json:"actor"`
	Began     time.Time  `json:"began"`
	Ended     *time.Time `json:"ended"`
	Result    string     `json:"result"` // "" : it has no end
	Reason    string     `json:"reason"`
	Why       string     `json:"why"`
	Converged *bool      `json:"converged"` // null: nothing was verified
	Changes   []Field    `json:"changes"`
}

// Field is one field that a change has changed, masked.
type Field struct {
	Service string `json:"service"`
	Field   string `json:"field"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

// Deploy is a change of a service's spec.
type Deploy struct {
	Service string    `json:"service"`
	At      time.Time `json:"at"`
	Run     string    `json:"run"`
	Actor   string    `json:"actor"` // "" : not known
	How     string    `json:"how"`   // how it is known
	Failed  string    `json:"failed"`
	Fields  []Field   `json:"changes"`
}

// Chart is a figure over the time of the report.
type Chart struct {
	Service string    `json:"service"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Query   string    `json:"query"`
	Reason  string    `json:"reason"` // why there are no points
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Step    float64   `json:"step"` // seconds that one point counts; 0: it counts nothing
	Points  []Sample  `json:"points"`
	Source  string    `json:"source"`
	How     string    `json:"how"` // where the figure comes from, where that had to be found out
	// Bounds are the finite upper bounds of the histogram that a quantile is made from, rising; none: it is a figure as others.
	Bounds []float64 `json:"bounds,omitempty"`

	rise *stretch // where it went up; nil: it did not
}

// Sample is one point of a chart; null where there is none.
type Sample struct {
	T time.Time `json:"t"`
	V *float64  `json:"v"`
}

// Lines are the log lines of a service that say most.
type Lines struct {
	Service  string    `json:"service"`
	Query    string    `json:"query"`
	Reason   string    `json:"reason"` // why there are none
	First    []Line    `json:"first"`  // the first lines of level error and above, from the onset on
	Patterns []Pattern `json:"patterns"`
	// Read is how many lines of level error and above were read, More that there are more.
	Read int  `json:"read"`
	More bool `json:"more"`
}

// Line is a log line, with its credentials taken out.
type Line struct {
	Time  time.Time `json:"time"`
	Task  string    `json:"task"`
	Node  string    `json:"node"`
	Level string    `json:"level"`
	Text  string    `json:"line"`
}

// Pattern is what many lines have in common.
type Pattern struct {
	Text  string    `json:"pattern"`
	Count int       `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// New: the lines before the onset have none of it.
	New bool `json:"new"`
}

// Query is what proves something, to be asked again.
type Query struct {
	Source string `json:"source"`
	Query  string `json:"query"`
	For    string `json:"for"`
}

// Redaction tells of credentials that were taken out: what kind, where, and how many. Never what they were.
type Redaction struct {
	Kind  string `json:"kind"`
	Where string `json:"where"`
	Count int    `json:"count"`
}

// Gap is something that could not be looked at.
type Gap struct {
	Source string     `json:"source"`
	What   string     `json:"what"`
	Reason string     `json:"reason"`
	From   *time.Time `json:"from"`
	To     *time.Time `json:"to"`
}
