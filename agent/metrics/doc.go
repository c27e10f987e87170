// Package metrics tells Prometheus what an agent knows.
//
// What lives here: [Handler], which serves /metrics and /healthz; the names of the metrics, against which deploy/agent/rules.yml is held by a test. What flows
// in: agent.Status, read at each scrape. What flows out: Prometheus' text. It is the one place but the sources where Prometheus' library is seen, and imports
// nothing else that talks to anything.
package metrics
