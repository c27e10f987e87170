// Package grafana puts marks on Grafana's dashboards over its HTTP API
// (https://grafana.com/docs/grafana/latest/developers/http_api/annotations/).
//
// What lives here: [Client], a [sources.Annotator]. What flows in: an address with its login, and annotations. What flows out: errors
// of the domain's kinds with what to do next. It imports sources and the standard library alone: it makes three calls.
package grafana
