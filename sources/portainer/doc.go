// Package portainer fires Portainer's webhooks, which redeploy a service or a stack.
//
// What lives here: [Hook], a [sources.Hook]. What flows in: a webhook's address, which is a secret, and a tag. What flows out: that the
// request was taken, or an error of the domain's kinds that never holds the address. It imports sources and the standard library alone.
//
// A service's webhook (POST /api/webhooks/{token}?tag=…, 204) makes the engine pull the tag anew and replaces the tasks. A stack's
// (POST /api/stacks/webhooks/{uuid}, 202 or 204) acts only if the git commit has changed, asynchronously. Neither says what came of it.
package portainer
