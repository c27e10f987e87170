package diagnosis

import (
	"time"

	"quarterdeck/sources"
)

// Grade is what kind of proof a cause stands on, the strongest last (OPERATIONS.md, "What the diagnosis must know").
type Grade int

// The grades of proof.
const (
	// Anomaly: a figure or a pattern of lines is not as it was.
	Anomaly Grade = iota + 1
	// Scope: what is hit and what is not fits.
	Scope
	// ChangeBefore: something was changed just before it began.
	ChangeBefore
	// Signature: the orchestrator, or the service itself, says so in words.
	Signature
)

var gradeWords = map[Grade]string{Anomaly: "an anomaly", Scope: "a match of scope", ChangeBefore: "a change just before", Signature: "an explicit signature"}

// String is the grade in words.
func (g Grade) String() string { return gradeWords[g] }

// Confident is from where a cause is called sure: a report must never be wrong above it.
const Confident = 0.8

// Cause is one thing that may be behind what is wrong.
type Cause struct {
	// ID is one of the ids of OPERATIONS.md's table, or killed, log-burst, dependency-failing, memory-near-limit.
	ID, Title string
	// Service and Node are what it is about; either may be "".
	Service, Node string
	Grade         Grade
	// Confidence is 0 to 1.
	Confidence float64
	// Why says in one sentence how sure that is, and why.
	Why string
	// Since is when it began, as far as is known.
	Since time.Time
	// Evidence speaks for it, Against against it.
	Evidence, Against []Proof
	// Next are the next actions, the best first.
	Next []Step
	// EffectOf names the cause that this one follows from ("service: id"); "": it is a cause itself.
	EffectOf string
	// Effects are what follows from it, in words.
	Effects []string

	urgency int    // see [inquiry.urgency]
	of      string // the service that an errors-after-dependency comes from
}

// Proof is one piece of evidence, with what proves it.
type Proof struct {
	Text   string
	Source string // swarm | loki | docker | prometheus | alertmanager | journal
	Query  string // what to ask the source to see the same; "" where it is the swarm's own state
	At     time.Time
	// Change is the change that it tells of; nil: it tells of none. One change is one proof, however it is told.
	Change *Change
}

// Step is something to do next.
type Step struct {
	// Text says what; where it is done elsewhere it ends in the command that does it.
	Text string
	// Action is one of [Actions], which the console binds to a key; "" where it is done elsewhere.
	Action string
	// On is the service or node that it is done to.
	On string
	// Command is what is run elsewhere, whole, as a shell takes it: the end of Text. "": it is no command.
	Command string
}

// Actions are what a step may name: for each one what it does, which is how the text of its steps begins. The console has a key for each.
var Actions = map[string][]string{
	"tasks":       {"see its tasks"},
	"logs":        {"see its own lines", "see its lines", "read"},
	"metrics":     {"see its figures", "see its memory"},
	"change":      {"see what was changed", "see who scaled it"},
	"rollback":    {"go back to"},
	"scale":       {"scale it"},
	"redeploy":    {"redeploy it"},
	"nodes":       {"see the node"},
	"investigate": {"look at"},
	"alerts":      {"see its alerts"},
	"undo":        {"take its last run back"},
}

// WasLooked is the state of a source that could be looked at.
const WasLooked = "looked"

// CouldNotLook is the state of a source that failed, or had no time to answer.
const CouldNotLook = "could not look"

// Looked says of a source whether it could be looked at: what was not looked at is not nothing there.
type Looked struct {
	Source, State string
	// What was asked of it, or why it could not be.
	Detail string
}

// Change is something that somebody has changed about a service.
type Change struct {
	At     time.Time
	Actor  string // "" : not known
	Run    string // of the journal; "": none of ours
	Text   string // in a few words
	Fields []sources.FieldChange
	// First: the state that it made is the first that is known, so what it changed is not.
	First bool
	// Back: what it made is what was before the change before it.
	Back bool
	// Engine: nobody made it: the swarm took back a deploy that failed.
	Engine bool
}

// harmless tells whether a change cannot be known as what brought trouble: nothing is known of before it, or the engine made it because of trouble.
func (d *Change) harmless() bool { return d.First || d.Engine }

// Report is what an investigation has found so far. It is a value: never changed once it is given out.
type Report struct {
	// Service is what was asked about; "": the whole fleet.
	Service string
	At      time.Time
	Took    time.Duration
	// Causes are ranked, the likeliest first; effects stand behind their causes.
	Causes []Cause
	// Troubles are all that the fleet calls not well about what was asked, each with its causes; Elsewhere, where one service was asked
	// about, are the others, which were not explained.
	Troubles, Elsewhere []Trouble
	// Strays, where all was asked about, are alerts on services that the swarm does not have, or not any more: no trouble of what it has.
	Strays []Trouble
	Looked []Looked
	// Subjects are the services that were looked at closely; Left are those that should have been, past the bound.
	Subjects, Left []string
	// Done: all sources have answered, or their time is over.
	Done bool

	removed map[string]time.Time // when the services of Strays were removed, as far as is known
}

// Inconclusive tells that nothing was found.
func (r *Report) Inconclusive() bool { return len(r.Causes) == 0 }
