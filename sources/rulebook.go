package sources

import (
	"context"
	"time"
)

// Threshold is a rule's query taken apart at its comparison with a number: "Watched Op Value".
type Threshold struct {
	// Watched is the PromQL of what is compared: what a chart draws. Where there is no threshold it is the whole query.
	Watched string
	// Op is > >= < <= == or !=, with the number on its right; "" where there is no threshold.
	Op    string
	Value float64
	// Also is what must hold besides ("and …", "unless …"); "" where nothing must.
	Also string
	// Reason says why there is no threshold, where there is none.
	Reason string
}

// Known tells whether there is a threshold.
func (t *Threshold) Known() bool { return t.Op != "" }

// Rulebook tells of the rules behind alerts, and of alerts that are over. Safe for concurrent use.
type Rulebook interface {
	// RuleOf finds the rule that has made an alert, by its name and labels, and takes its query apart.
	// NotFound: the server has no such rule, and the alert names no query either.
	RuleOf(ctx context.Context, a *Alert) (Rule, Threshold, error)
	// Fired are the alerts that fired in a window, those that are over too, the oldest first. Since and Ends are as
	// exact as the window's step; Ends is zero where it still fired at the window's end, Since is zero where it
	// fired already before the window began.
	Fired(ctx context.Context, w Window) ([]Alert, error)
}

// Annotations are what others have marked on the dashboards. Safe for concurrent use.
type Annotations interface {
	// Annotations are those that touch a window, the oldest first, at most 1,000.
	Annotations(ctx context.Context, from, to time.Time) ([]Annotation, error)
}
