// Package prometheus reads metrics over Prometheus' HTTP API v1, on the client of
// github.com/prometheus/client_golang.
//
// What lives here: [Client], a [sources.Metrics]; the rules of step and rate window;
// the PromQL of the standard series; the discovery of which labels name a service.
// What flows in: an address with its login, questions with their context. What flows
// out: the domain's series, targets and rules, each empty answer with its reason, and
// errors of the domain's kinds with what to do next.
// It imports sources and its client library; no type of that library leaves it.
package prometheus
