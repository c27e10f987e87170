package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind tells failures apart by what a person does about them.
type Kind int

// The kinds of failure. Each adapter maps its client's errors to one of them.
const (
	// Unreachable: no answer (refused, no route, timed out, cut in the middle).
	Unreachable Kind = iota + 1
	// Unauthorised: the source wants credentials, or refuses those given (401).
	Unauthorised
	// Forbidden: the credentials are known and not enough, or a proxy forbids the call (403).
	Forbidden
	// NotFound: the thing asked for is not there (404).
	NotFound
	// TooOld: the server, or what it stores, is too old for the question.
	TooOld
	// OverLimit: the question or its answer passes a limit of the server or of ours (429, too many lines).
	OverLimit
	// BadAnswer: an answer that cannot be understood (not JSON, wrong shape, too large, 5xx).
	BadAnswer
	// BadQuestion: the source understood that the query itself is wrong (400).
	BadQuestion
	// NotConfigured: no address is known for the source.
	NotConfigured
	// NotManager: the Docker engine answers, but is no Swarm manager.
	NotManager
	// Conflict: the thing has changed since it was read, its name is taken, or it is in use (409, 'update out of sequence').
	Conflict
)

var kindNames = map[Kind]string{
	Unreachable: "unreachable", Unauthorised: "unauthorised", Forbidden: "forbidden",
	NotFound: "not found", TooOld: "too old", OverLimit: "over a limit", BadAnswer: "bad answer",
	BadQuestion: "bad query", NotConfigured: "not configured", NotManager: "not a manager", Conflict: "conflict",
}

// String is the kind in words, as the interface shows it.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return "failed"
}

// Error is what every adapter returns when a source fails.
type Error struct {
	// Source is the source's short name: swarm, loki, prometheus, alertmanager.
	Source string
	// Kind is what the reader can tell apart.
	Kind Kind
	// Op is what was being done, in words: "list services".
	Op string
	// Next is what the reader can do about it, one sentence, no full stop.
	Next string
	// Line and Column say where in the query it is wrong, from 1, the column in bytes; 0: not said.
	Line, Column int
	// Err is the cause, for the log file and for errors.Is; may be nil.
	Err error
}

// Error is one line in lower case: what failed, how, and what to do next.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", e.Source, e.Op, e.Kind)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Next != "" {
		fmt.Fprintf(&b, " (%s)", e.Next)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first *Error in err's chain, and 0 where there is none.
// A context's own end (cancelled by us) is not a failure of a source: 0.
func KindOf(err error) Kind {
	if errors.Is(err, context.Canceled) {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Unreachable
	}
	return 0
}

// NextOf is what the first *Error in err's chain says to do next, or "".
func NextOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Next
	}
	return ""
}

// PlaceOf is where in the query the first *Error in err's chain says that it is wrong: line and column from 1, the
// column in bytes; 0, 0 where that is not said.
func PlaceOf(err error) (line, column int) {
	var e *Error
	if errors.As(err, &e) {
		return e.Line, e.Column
	}
	return 0, 0
}
