// Package loki reads logs from Grafana Loki, and pushes lines to it, over its documented HTTP API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/). It is a thin typed client of its own:
// Loki's packages are AGPL-3.0 and are not imported.
//
// What flows in: a [sources.LogQuery]. What flows out: entries in time order, gaps, states, errors of
// the sources' kinds. It imports sources and no other source.
//
// # Query
//
// A full page of query_range ends somewhere within its last nanosecond; the lines of that nanosecond are
// put back and read again as the beginning of the next page. A nanosecond that fills a page alone is split
// by the streams' labels. So each line is there once, repeats included. A range over a limit of the server
// is read in parts.
//
// # Follow
//
// The tail is a wake-up and nothing it delivers is shown: under load it leaves lines out (of 50,000 lines
// pushed in half a second it delivered 1,615), it tells of that late, incompletely or not at all, and a line
// that was left out must be shown before the ones after it. So query_range is the truth, asked when the tail
// has something (at most every 0.7 s), every 5 s while it is silent, every second without a tail.
//
// Each poll looks back 2 s behind the one before, and further while lines come late; every 15 s up to 5
// minutes. What was taken is remembered by stream, time, text and how often, so it is taken once and a real
// repeat is kept. A line that the tail delivers from before that memory makes its stream be read on from its
// last line. New lines wait 0.3 s for others that belong before them. Between two pages of one poll lines may
// come that belong before the cursor, so young lines of later pages wait for the next poll as well.
// In all: a line at rest is shown well under 1.5 s after Loki has it.
//
// Not found are lines that come more than 5 minutes late while there is no tail.
package loki
