// Package swarm reads and changes a Docker Swarm through its managers' Engine API: one of them at a time, and the next where that one fails.
//
// What lives here: [Client], a sources.Orchestrator on github.com/moby/moby/client,
// [Logs], docker's own service logs as a sources.Logs, and [Hands], what changes a swarm.
// What flows in: an endpoint as the Docker command line knows it (DOCKER_HOST,
// contexts, ssh, TLS), the engine's lists, its event stream and its logs, all
// bounded. What flows out: the domain's types; env values and secrets never do.
// It must not import another source, fleet or ui, and no type of moby or of the
// Docker CLI leaves it. What to change, and whether, is the actions' own
// business: nothing here is retried that may have been done.
package swarm
