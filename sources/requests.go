package sources

import (
	"context"
	"time"
)

// Counted is a number that is known between two bounds: Least and Most are the same where it is exact.
type Counted struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// RequestCount is how many requests a service was sent in a stretch of time, and how many of them it failed (HTTP 5xx). A counter is read now
// and then: what was counted between two readings on either side of an edge may have come before or after it, so each number has bounds.
type RequestCount struct {
	All, Failed Counted
	// From and To are the first and the last reading within the time; the bounds reach to the readings beyond them.
	From, To time.Time
	// Query is the PromQL that was asked, at the moment At.
	Query string
	At    time.Time
	// How says in words where the figures come from: "as Traefik counts them".
	How string
	// Reason says why there is no count, where there is none.
	Reason string
}

// RequestCounter counts requests exactly, from the counters' own readings: a rate is an estimate. Safe for concurrent use.
type RequestCounter interface {
	// RequestsIn counts those of one service from start to end. That the service has no counter is an answer, with its Reason.
	RequestsIn(ctx context.Context, service string, start, end time.Time) (RequestCount, error)
}
