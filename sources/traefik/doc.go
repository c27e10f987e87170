// Package traefik reads what a Traefik serves, over its API (https://doc.traefik.io/traefik/operations/api/, v2.2 and later).
//
// What lives here: [Client], a [sources.Proxy]. What flows in: the address of the API with its login. What flows out: routers with what renews their
// certificates, and errors of the domain's kinds with what to do next. It imports sources and the standard library alone.
package traefik
