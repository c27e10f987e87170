// Package capacity tells what the nodes of a swarm hold, what would become of it without one of them, and what it costs.
//
// All of it is reckoned from the fleet's snapshot by the scheduler's rules (fleet.Room) and from series of Prometheus; nothing is changed.
// Functions are pure but for [Read], which asks Prometheus twice or three times, whatever the number of services.
package capacity
