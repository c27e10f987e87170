// Package swarm reads a Docker Swarm through one of its managers' Engine API.
//
// What lives here: [Client], a sources.Orchestrator on github.com/moby/moby/client,
// and [Logs], docker's own service logs as a sources.Logs.
// What flows in: an endpoint as the Docker command line knows it (DOCKER_HOST,
// contexts, ssh, TLS), the engine's lists, its event stream and its logs, all
// bounded. What flows out: the domain's types; env values and secrets never do.
// It must not import another source, fleet or ui, and no type of moby or of the
// Docker CLI leaves it. It only reads: changes are the actions' own business.
package swarm
