package stages

import (
	"fmt"
	"slices"
)

// Find is the check with an id; nil: there is none.
func Find(id string) *Check {
	for _, c := range All {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// Attestable are the ids of the checks that a person answers, in order.
func Attestable() []string {
	var out []string
	for _, c := range All {
		if c.Attested > 0 {
			out = append(out, c.ID)
		}
	}
	return out
}

// State is how a check came out.
type State string

// The states. Unknown is "could not look", and never a failure; Expired is a person's word that is too old.
const (
	Pass    State = "pass"
	Warn    State = "warn"
	Fail    State = "fail"
	Unknown State = "unknown"
	Expired State = "expired"
	NA      State = "na" // there is nothing that it could be about
)

// rank orders states by how much they need a look, the worst first from 0.
func (s State) rank() int {
	return slices.Index([]State{Fail, Expired, Warn, Unknown, Pass, NA}, s)
}

// Check is a question with a live answer. All are in All.
type Check struct {
	// ID is stable: settings, attestations and reports name it.
	ID    string
	Stage int
	// Question is what it asks, Why in two sentences why that matters.
	Question, Why string
	// Threshold says what passes, what is a warning, and what fails; with the settings in force.
	Threshold func(*Settings) string
	// Fix is the key or the command that leads to a better state.
	Fix string
	// Attested: a person answers it, for this many days; where it can be measured all the same, the measure does.
	Attested int
	// Stack is the stack of the blueprint whose files answer it; "": none does.
	Stack string
	// Saved: what it finds fault with is mended among the backups.
	Saved bool
	judge func(*Evidence, *Settings) Finding
}

// Finding is what a check found. It is a value.
type Finding struct {
	State State
	// Value is what was measured, in words; "": nothing could be.
	Value string
	// Evidence is what a person repeats to see the same: the query or the API's call.
	Evidence string
	// Subjects are what keeps it from passing, the worst first.
	Subjects []Subject
	// Reason is why it is unknown, or not applicable.
	Reason string
}

// Subject is one thing that a check finds fault with.
type Subject struct {
	Name  string // of a service, a node, a volume, a rule
	State State
	// Says is what is wrong with it, Set the label or setting that would mend it; "": none would.
	Says, Set string
}

// Result is a check with what it found.
type Result struct {
	Check *Check
	Finding
	// Threshold is in words. Customised: a setting is not the stages' own.
	Threshold  string
	Customised bool
	Required   bool
}

// run judges, and never lets a check take the others with it.
func (c *Check) run(e *Evidence, s *Settings) (r Result) {
	r = Result{Check: c, Threshold: c.Threshold(s), Required: s.required(c.ID), Customised: s.customised(c.ID)}
	defer func() {
		if p := recover(); p != nil {
			r.Finding = Finding{State: Unknown, Reason: fmt.Sprintf("the check itself failed: %v", p)}
		}
	}()
	if c.Attested > 0 {
		r.Finding = e.attested(c)
		if c.judge == nil {
			return r
		}
		// What is measured counts for more than what is said.
		if f := c.judge(e, s); f.State != NA && f.State != Unknown {
			r.Finding = f
		}
		return r
	}
	r.Finding = c.judge(e, s)
	slices.SortStableFunc(r.Subjects, func(a, b Subject) int { return a.State.rank() - b.State.rank() })
	return r
}

// unknown is a finding of what could not be looked at.
func unknown(evidence, reason string) Finding {
	return Finding{State: Unknown, Evidence: evidence, Reason: reason}
}

// notApplicable is a finding of what is not there.
func notApplicable(evidence, reason string) Finding {
	return Finding{State: NA, Evidence: evidence, Reason: reason}
}

// worst is the worst state among subjects; Pass where there are none.
func worst(subjects []Subject) State {
	w := Pass
	for i := range subjects {
		if subjects[i].State.rank() < w.rank() {
			w = subjects[i].State
		}
	}
	return w
}
