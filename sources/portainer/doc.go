// Package portainer fires Portainer's webhooks, which redeploy a service or a stack, and lists its stacks.
//
// What lives here: [Hook], a [sources.Hook], and [Client], a [sources.StackManager], by Portainer's published description (portainer/portainer,
// api/docs/openapi.yaml, version 2.43.0). What flows in: a webhook's address, which is a secret, and a tag; Portainer's address with an access token. What
// flows out: that the request was taken, or an error of the domain's kinds that never holds the address; stacks without their variables, the tokens of their
// webhooks and what logs in to their repositories. It imports sources and the standard library alone.
//
// A service's webhook (POST /api/webhooks/{token}?tag=…, 204) makes the engine pull the tag anew and replaces the tasks. A stack's
// (POST /api/stacks/webhooks/{uuid}, 202 or 204) acts only if the git commit has changed, asynchronously. Neither says what came of it.
package portainer
