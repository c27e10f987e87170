// Package agent does what the policies of the services ask for, when it is due: backups by their schedules, what comes after them, a look through the repository
// once a week, and drills that are overdue where that is wanted; and what their policies of autoscaling ask for.
//
// What lives here: [Agenda], which tells from what runs and what was saved what is due (pure); [Agent], which does it, one thing at a time, and only while it
// holds the lease that makes it the only one; [Scaler], which has how many replicas there should be decided by autoscale and, where that is enforced, changes them, under a
// lease of its own; [Status] and [ScaleStatus], which are what agent/metrics exports. What flows in: the fleet's snapshots, the catalogue's contents, an
// [actions.Deck]. What flows out: runs of the deck, a record of attempts in the object store, a log, Status.
// It imports actions, autoscale, recovery, sources and sources/fleet, and plans nothing itself: what a backup does is the deck's plan.
package agent
