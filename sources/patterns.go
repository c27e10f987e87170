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
	// Text filters, levels and the limit of q are not looked at. Rare ones may be missing.
	Patterns(ctx context.Context, q LogQuery, step time.Duration) ([]Pattern, error)
}

// FacetKind says where a facet's values come from.
type FacetKind string

// The kinds of facet.
const (
	FacetLabel FacetKind = "label" // of the streams
	FacetField FacetKind = "field" // read out of the lines
	FacetMeta  FacetKind = "meta"  // put beside the line by who stored it, such as detected_level
)

// Facet is a label or a field that lines can be told apart by. Name is as hostile as the lines are.
type Facet struct {
	Name string
	Kind FacetKind
	// Type is what the values look like: string, int, float, boolean, duration, bytes; "" where it is not known.
	Type string
	// Values is how many different ones there are, about: the source looks at a sample of the lines.
	Values int
	// Parsers that find a field: json, logfmt.
	Parsers []string
}

// FacetValue is how many lines have one value.
type FacetValue struct {
	Value string
	Count float64
}

// Faceter is a [Logs] that knows the labels and fields of its lines. An error of kind NotFound says that it does not.
type Faceter interface {
	// Facets are those of the lines that q selects in its window: labels first, by name.
	Facets(ctx context.Context, q LogQuery) ([]Facet, error)
	// FacetValues counts the lines that q selects by the values of one facet, over the whole window: the n most
	// frequent, the most frequent first.
	FacetValues(ctx context.Context, q LogQuery, f Facet, n int) ([]FacetValue, error)
}

// LogCompleter is a [Logs] that helps to write its query language.
type LogCompleter interface {
	// Complete offers what may stand at a byte of a query that is being written: labels, values, fields, keywords; names
	// are those of the window. Where the source could not be asked, its error comes with the offers that need no asking.
	Complete(ctx context.Context, query string, at int, since, until time.Time) (Completion, error)
}
