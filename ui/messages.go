package ui

import (
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// wakeMsg is sent when the fleet or the log buffer changed, at most FrameRate times a second.
type wakeMsg struct{ snap *fleet.Snapshot }

// readingsMsg is sent when a query for a service's standard series was answered.
type readingsMsg struct {
	generation uint64
	service    string
	window     sources.Window
	readings   []sources.Reading
	err        error
}

// settleMsg is sent when the selection has stood still long enough to be asked about.
type settleMsg struct{ generation uint64 }

// refreshMsg is sent when shown charts are old enough to be asked for again.
type refreshMsg struct{ generation uint64 }

// toastExpiredMsg is sent when the note in the last line has been there long enough.
type toastExpiredMsg struct{ generation uint64 }

// savedMsg is sent when lines were written to a file.
type savedMsg struct {
	path  string
	lines int
	err   error
}

// planMsg is sent when a plan was made, or could not be.
type planMsg struct {
	box  *planningBox
	plan *actions.Plan
	err  error
}

// planSlowMsg is sent when a plan has been waited for long enough to say so.
type planSlowMsg struct{ box *planningBox }

// runStartedMsg is sent when a run has begun, or was refused.
type runStartedMsg struct {
	box overlay // that has asked for it
	asking
	run *actions.Running
	err error
}

// runEndedMsg is sent when a run has come to its end, or is not watched any more.
type runEndedMsg struct {
	entry  *runEntry
	report actions.Report
	err    error
}

// openRunsMsg is sent when the journal was looked at for runs that were interrupted.
type openRunsMsg struct {
	runs  []actions.Standing
	err   error
	offer bool // at the start: offered at once
}

// scaleSettleMsg is sent when the number in the scale prompt has stood still.
type scaleSettleMsg struct {
	box        *scaleBox
	generation uint64
}

// scalePlanMsg is sent when the plan of the number in the scale prompt was made, or could not be.
type scalePlanMsg struct {
	box        *scaleBox
	generation uint64
	plan       *actions.Plan
	err        error
}

// tagsMsg is sent when the registry's tags have come, or could not be had.
type tagsMsg struct {
	box   *tagsBox
	image string
	tags  []string
	err   error
}

// Times that the interface works by.
const (
	// FrameRate bounds wake-ups a second; Bubble Tea draws at 60.
	FrameRate = 30
	// gatherTime is how long a change waits for those that come with it: a source's answers come in a few
	// pieces, and each frame for itself would cost what one costs for all.
	gatherTime = 20 * time.Millisecond
	// SettleTime is how long the selection stands still before its series are asked for.
	SettleTime = 150 * time.Millisecond
	// ToastTime is how long a note stays.
	ToastTime = 4 * time.Second
)
