// Package incident keeps the record of incidents and writes their reports.
//
// What lives here: [Desk], at which incidents are started, noted on, acknowledged, mitigated and resolved; the fold that makes incidents of
// the journal's entries, this machine's and the team's; the times from one phase to the next; and the report, which is filled in from what the
// fleet, the journal, the team's record, the logs, the metrics, the alerts and the diagnosis know. What flows in: entries of the journal whose
// action is "incident", and the domain's sources. What flows out: [Incident] and [Report] as values.
//
// It imports actions (for the record), diagnosis, sources/fleet and sources; only ui and cmd import it (docs/decisions.md, "Incidents").
package incident
