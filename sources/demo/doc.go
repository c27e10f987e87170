// Package demo is the embedded platform: one process that serves, on loopback and over the real wire
// protocols, a small living four-stage platform, so that the console needs no server to be tried.
//
// What lives here: [Start] and [Platform], which bring up the servers below and hand out their addresses
// and controls; the simulation is in world, one package a protocol stands beside it.
// What flows in: [Options]. What flows out: HTTP.
// The demo follows the real servers, never the other way. It must not import sources or any real adapter.
package demo
