// Package docker serves a demo world as the Docker Engine's HTTP API: the calls that a client of a swarm makes.
//
// What flows in: requests of any Engine API version from 1.24 on, and a [world.World].
// What flows out: the engine's JSON, event streams and multiplexed logs, errors as {"message": …}.
// Where the real engine and this package differ, the real engine is right.
// It must not import the demo's other servers.
package docker
