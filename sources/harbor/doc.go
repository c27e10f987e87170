// Package harbor reads what the scanners of a Harbor have found in images, and which tags there are, over its API v2.0 (goharbor/harbor, api/v2.0/swagger.yaml).
//
// What lives here: [Client], a [sources.Scans] and a [sources.Registry]. What flows in: Harbor's address with a login, which a robot account suffices for, and images as services name
// them. What flows out: counts by severity, and errors of the domain's kinds with what to do next. It imports sources and the standard library alone.
package harbor
