// Package loki reads logs from Grafana Loki over its documented HTTP API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/). It is a thin typed client of its own:
// Loki's packages are AGPL-3.0 and are not imported.
//
// What flows in: a [sources.LogQuery]. What flows out: entries in time order, gaps, states, errors of
// the sources' kinds. It imports sources and no other source.
//
// Paging: a full page of query_range ends somewhere within its last nanosecond; the lines of that
// nanosecond are put back and read again as the beginning of the next page. A nanosecond that fills a
// page alone is split by the streams' labels. So each line is there once, repeats included.
package loki
