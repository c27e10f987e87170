// Package diagnosis tells why something is broken. Evidence is gathered from the fleet, the logs, the metrics, the alerts and the record of
// changes into a Scene; small rules, one file each, look at the scene and name causes with their proof; the causes are ranked as
// OPERATIONS.md says (an explicit signature before a change just before the onset, before a match of scope, before an anomaly), and what is
// only an effect of something else is put behind it. Nothing in here changes anything: each cause names the next action.
//
// In: the domain's interfaces (sources) and the fleet's snapshots. Out: reports, as values. It imports neither ui nor actions: what the record
// of changes knows comes through Record.
package diagnosis
