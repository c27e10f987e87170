package sources

import "time"

// State is what the interface says of a source's connection. These words are
// shown as they stand.
type State string

// The states of a source (DESIGN.md, "Honesty on the screen").
const (
	// Connecting: asked for the first time, no answer yet.
	Connecting State = "CONNECTING"
	// Live: answers, and what is shown is as fresh as it can be.
	Live State = "LIVE"
	// Polling: answers, but not by a stream: figures are up to one period old.
	Polling State = "POLLING"
	// Reconnecting: was lost, is being tried again; since when is in Status.Since.
	Reconnecting State = "RECONNECTING"
	// HasGap: answers, and something between two moments is known to be missing.
	HasGap State = "GAP"
	// Dropped: answers, and a number of lines is known to be lost.
	Dropped State = "DROPPED"
	// Stale: no fresh answer for longer than the source's period allows.
	Stale State = "STALE"
	// NoAuth: credentials missing or refused.
	NoAuth State = "UNAUTHORISED"
	// Denied: the credentials, or a proxy before the source, do not allow the call.
	Denied State = "FORBIDDEN"
	// Faulty: it answers with what cannot be understood.
	Faulty State = "BAD ANSWER"
	// Absent: not configured.
	Absent State = "ABSENT"
)

// Status is one source's connection as of now. It is a value: copy it freely.
type Status struct {
	// Name is the source's short name: swarm, loki, docker-logs, prometheus, alertmanager, backups.
	Name string
	// Address is where it is, without credentials.
	Address string
	State   State
	// Since is when State began.
	Since time.Time
	// Fresh is when the last good answer came; zero: never.
	Fresh time.Time
	// Detail is one sentence: what is wrong and what to do, or "".
	Detail string
	// Lost counts what is known to be missing (lines); 0: nothing known.
	Lost int
	// Version is what the server calls itself, or "".
	Version string
}

// OK tells whether what the source says can be taken as of now.
func (s Status) OK() bool {
	return s.State == Live || s.State == Polling || s.State == HasGap || s.State == Dropped
}

// StateOf is the state that an error puts a source into.
func StateOf(err error) State {
	switch KindOf(err) {
	case Unauthorised:
		return NoAuth
	case Forbidden, NotManager:
		return Denied
	case NotConfigured:
		return Absent
	case BadAnswer, TooOld, NotFound, BadQuestion:
		return Faulty
	}
	return Reconnecting
}
