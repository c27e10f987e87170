package actions

import (
	"time"

	"quarterdeck/recovery"
)

// Results of a run, as commands and journal have them (COMMANDS.md).
const (
	ResultPlanned     = "planned"
	ResultDone        = "done"
	ResultNothing     = "nothing-to-do"
	ResultFailed      = "failed"
	ResultTakenBack   = "taken-back"
	ResultInterrupted = "interrupted"
)

// States of a step.
const (
	stateStarted = "started"
	stateDone    = "done"
	stateFailed  = "failed"
)

// Report is what came of a run, in the contract's shape (COMMANDS.md, "every action").
type Report struct {
	Run     string       `json:"run"`
	Action  string       `json:"action"`
	Service string       `json:"service"` // names with commas between
	Node    string       `json:"node,omitempty"`
	Plan    PlanReport   `json:"plan"`
	Result  string       `json:"result"`
	Reason  string       `json:"reason"`
	Steps   []StepReport `json:"steps"`
	// Verify is null where nothing was verified.
	Verify *VerifyReport `json:"verify"`
	// Undo is the command that takes it back; "": nothing does, or nothing needs to.
	Undo string `json:"undo"`
	// RecoveryReport is null on other actions than backup, drill and restore.
	*RecoveryReport
	// Day is what came of a DR day; null on other actions.
	Day *recovery.Day `json:"day,omitempty"`
}

// RecoveryReport is what drill and restore add, and backup as far as it applies.
type RecoveryReport struct {
	Snapshot string    `json:"snapshot"` // restic's whole id; "": none was made
	Taken    time.Time `json:"taken"`
	// RTO is how long it took until the data was back and verified, of a restore until the service was healthy again; RPO how much of the newest data the snapshot
	// lacks. In seconds; null where it did not come to that.
	RTO      *float64           `json:"rto"`
	RPO      *float64           `json:"rpo"`
	Bytes    int64              `json:"bytes"`
	Verified *recovery.Verified `json:"verified"`
	// Forgot is how many snapshots were forgotten after a scheduled backup, Warnings what did not go well and does not make it a failure.
	Forgot   int      `json:"forgot,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// PlanReport is the plan as text and values.
type PlanReport struct {
	Changes  []FieldReport `json:"changes"`
	Steps    []string      `json:"steps"`
	Warnings []string      `json:"warnings"`
	// Saves is what right-sizing saves an hour; negative: it costs more.
	Saves float64 `json:"saves_hour,omitempty"`
	// Moves are, where a node is drained, the services whose tasks leave it.
	Moves []NodeMove `json:"moves,omitempty"`
}

// FieldReport is one field that changes. Before and After are JSON values; null: not there.
type FieldReport struct {
	Service string `json:"service"`
	Field   string `json:"field"`
	Before  any    `json:"before"`
	After   any    `json:"after"`
}

// StepReport is one step that was begun.
type StepReport struct {
	Name    string    `json:"name"`
	State   string    `json:"state"`
	Started time.Time `json:"started"`
	Took    float64   `json:"took"` // seconds
	Detail  string    `json:"detail"`
	// Bytes are how many a job has read or written, of Total where that is known.
	Bytes int64 `json:"bytes,omitempty"`
	Total int64 `json:"total,omitempty"`
}

// VerifyReport is the proof.
type VerifyReport struct {
	Converged bool          `json:"converged"`
	StableFor float64       `json:"stable_for"` // seconds: the window that was held
	Checks    []CheckReport `json:"checks"`
	// Silence is the id of the silence that the run has made or ended.
	Silence string `json:"silence,omitempty"`
}

// CheckReport is one thing that was looked at.
type CheckReport struct {
	Service string `json:"service"`
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
}

// Report is the plan before anything happens.
func (p *Plan) Report() Report {
	r := Report{Action: p.Action, Service: p.Target(), Result: ResultPlanned, Steps: []StepReport{}, Reason: p.Refused,
		Plan: PlanReport{Changes: []FieldReport{}, Steps: p.lines(), Warnings: append([]string{}, p.Warnings...)}}
	if r.Plan.Steps == nil {
		r.Plan.Steps = []string{}
	}
	p.kind().report(p, &r)
	for i := range p.Changes {
		for _, f := range p.Changes[i].Fields {
			r.Plan.Changes = append(r.Plan.Changes, FieldReport{p.Changes[i].Service, f.Field, f.Before, f.After})
		}
	}
	r.Plan.Saves = p.Saves
	if p.Nothing != "" {
		r.Result, r.Reason = ResultNothing, p.Nothing
	}
	return r
}
