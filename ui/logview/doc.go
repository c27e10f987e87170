// Package logview is the pane that shows logs: a buffer of lines capped by bytes,
// filters and search that never stop the screen, and a view of exactly so many
// cells.
//
// What lives here: [Buffer] (lines in time order, many writers, immutable
// snapshots), [Filter], and [Pane], a plain struct whose methods the root model calls.
// What flows in: [sources.LogBatch] from a source's goroutine, method calls and the
// present moment from the root model. What flows out: text, a [Status], and
// commands that scan lines off the interface's goroutine.
// It must not import a source, fleet or actions, nor read keys, files or the clock.
package logview
