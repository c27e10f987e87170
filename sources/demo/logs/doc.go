// Package logs serves a demo world as Loki's HTTP API: queries, metric queries, labels, volume, push and the tail.
//
// What flows in: requests, and a [world.World]. What flows out: Loki's JSON and plain-text errors.
// LogQL's log part (selectors, line filters, parsers, label filters) is parsed and run here, from its
// documentation alone: Loki's code is AGPL and is not linked. The metric part is rewritten: each log range
// becomes a range selector on a virtual series whose samples are the matching lines, and what stands
// around it is given to the real PromQL engine, whose grammar it shares.
// It must not import the demo's other servers.
package logs
