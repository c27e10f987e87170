// Package metrics serves a demo world as Prometheus' HTTP API, with the real PromQL engine.
//
// What flows in: requests, and a [world.World]. What flows out: Prometheus' JSON; and [Rules], the
// alerting rules evaluated against the simulation, for the Alertmanager beside it.
//
// The storage computes the samples of a query when it is asked, from the world's curves, on the grid of
// a scrape every 15 s. A tsdb was not chosen: a thousand services with ten thousand tasks make 200,000
// series, which as a head block with six hours of history would cost gigabytes and a minute to fill;
// computed, history costs nothing and reaches back as far as the containers do.
// It must not import the demo's other servers.
package metrics
