// Package alertmanager speaks Alertmanager's API v2: alerts, groups, silences.
//
// What lives here: [Client], a [sources.Alerts]. What flows in: an address with
// its login, questions with their context. What flows out: the domain's alerts
// and silences, and errors of the domain's kinds with what to do next.
// It imports sources and the standard library alone: the seven calls are thin
// net/http, because the generated client (api/v2/client on go-openapi) drops the
// body of every error that its spec does not name ("status 502: {}"), calls a
// login page an unsupported TextConsumer, and adds 3.8 MB to the binary.
package alertmanager
