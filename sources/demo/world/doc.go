// Package world is the simulation that the demo's servers show: nodes, services,
// tasks and their containers, what they do to metrics and what they log.
//
// What flows in: a seed, a clock, orders (deploy, kill a node, start an incident).
// What flows out: swarm objects in the engine's own types, events, log lines,
// containers with the curves from which the metric series are computed.
// Figures and log lines are deterministic functions of time and of the few effects
// on record, so that history costs no memory and two readers see the same.
// It speaks no protocol and must not import a server package of the demo.
package world
