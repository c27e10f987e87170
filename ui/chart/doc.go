// Package chart draws time series in text: braille line charts with axes,
// marks and a cursor, sparklines, bars, and the log volume stacked by level.
//
// No chart library works with Bubble Tea v2 (ntcharts is for v1), hence by hand.
// What flows in: a value with points, a size in cells, a window of time, styles.
// What flows out: exactly so many lines of exactly so many cells. All functions
// are pure: no clock, no state, safe for concurrent use. Points may be NaN, infinite,
// missing, far too many or none; a gap is drawn as a gap, a spike never vanishes.
// It imports sources, ui/theme and ui/plain, and of the ui nothing else.
package chart
