package sources

import (
	"context"
	"time"
)

// Pattern is what lines that say the same thing have in common. Text is as hostile as the lines are.
type Pattern struct {
	// Text is the lines' text with <_> for each part that varies, as LogQL's |> takes it.
	Text  string
	Level Level
	// Count of the lines in the window that was looked at.
	Count int
	// First and Last are the times of its oldest and newest lines there; of a source that counts in steps, the steps'.
	First, Last time.Time
	// Sample is one of the lines, "" where the source keeps none.
	Sample string
	// Points counts the lines by step of time, rising; steps without a line may be left out.
	Points []PatternPoint
}

// PatternPoint is how many lines came in the step of time that begins at Time.
type PatternPoint struct {
	Time  time.Time
	Count int
}

// Patterner is a [Logs] that knows patterns by itself, such as a Loki whose pattern ingester is on. An error of
// kind NotFound says that it does not: mine the lines then (package patterns).
type Patterner interface {
	// Patterns are those of the lines of q's streams in its window, the most frequent first, counted by step.
	// Text filters, levels and the limit of q are not looked at.
	Patterns(ctx context.Context, q LogQuery, step time.Duration) ([]Pattern, error)
}
