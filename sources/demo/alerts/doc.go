// Package alerts serves the demo's alerts as Alertmanager's API v2.
//
// What flows in: requests, and the alerts that the metrics server's rules have made of the simulation.
// What flows out: Alertmanager's JSON. Silences made here are kept in memory and work.
// It imports of the demo's other servers only metrics, whose alerts it receives as the real one does.
package alerts
