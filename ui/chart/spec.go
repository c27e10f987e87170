package chart

import (
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// Spec is one line chart. Names and labels may be untrusted.
type Spec struct {
	Width, Height int // cells; see Line
	Start, End    time.Time
	// Step is how far apart samples should be; 0: the median distance of each series' samples.
	Step   time.Duration
	Series []Series
	// Unit is cores | bytes | bytes/s | ratio (1 is 100 %) | 1/s | s | ms | 1.
	Unit string
	// Min0 starts the y axis at zero, unless a value is below it.
	Min0 bool
	// Limit is a threshold, drawn as a dashed line; one far above all values stands in the legend alone.
	Limit     *float64
	LimitName string // "": limit
	Marks     []Mark
	// Cursor is the moment that is looked at: a vertical line, and the legend tells the values there.
	Cursor *time.Time
	Styles theme.Styles
	// LegendLines is how many lines the legend may take at most where one has no room for all; 0: one.
	LegendLines int
	// NoLegend leaves the legend out: somebody else tells the series.
	NoLegend bool
	// Empty is why there is nothing, shown where there is no sample.
	Empty string
	// Now, if set and near End, lets the legend date a last value that is old.
	Now      time.Time
	Location *time.Location // nil: UTC
	ASCII    bool           // no braille and no lines but of ASCII
}

// Series is a named line. Points are in rising time order.
type Series struct {
	Name   string
	Points []sources.Point
	Style  theme.Style
	// Then is for a series of another time, moved to this one: it is drawn as dots, below the others, with a sign of its own.
	Then bool
	// Dashed is for a threshold that moves: it is drawn as the limit is, at the height that it has at each time, and does not stretch the axis by much.
	Dashed bool
	// Value is a value in words where the unit does not tell all; nil: Humanize.
	Value func(v float64) string
}

// Mark is a moment on a chart.
type Mark struct {
	Time  time.Time
	Kind  MarkKind
	Label string
}

// MarkKind is what happened at a mark.
type MarkKind int

// The kinds of mark, the one that matters most last: it wins where two are in one cell. What may be a cause goes before what shows of it: a deploy
// and the alert that it brings are often in one cell, and the alerts have a list of their own.
const (
	MarkStart  MarkKind = iota // a task started
	MarkDeath                  // a task died
	MarkAlert                  // an alert fired
	MarkNode                   // a node changed
	MarkAction                 // somebody acted
	MarkDeploy                 // a new version was put out
	MarkMoment                 // a moment that somebody has set
)
