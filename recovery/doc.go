// Package recovery is what a backup is: the policy on a service's labels, the job that a runner is given and what it answers, and the
// catalogue of snapshots and drills in the object store.
//
// What lives here: [Policy] and [ParsePolicy]; [Job], [Event] and [Result], which console and runner share; [Catalogue]; [Cover], which holds what
// runs against what was saved; [Feed], which keeps what the catalogue held last; [Runbook] and [Day], the documents
// that are made of both. What carries the jobs out is recovery/runner; what plans and orders them is actions.
// What flows in: labels, the fleet's snapshots, records of the object store. What flows out: values.
// It imports sources, sources/fleet and sources/markdown alone, talks to nothing but [sources.Objects], and holds no secret.
package recovery
