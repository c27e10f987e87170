// Package actions is what may be done to a swarm: scale, redeploy, rollback, undo, rotate. Every action is a plan that is shown,
// a run that is confirmed and written down, a verdict, and a way back.
//
// What lives here: [Deck], which plans and runs; [Plan], a diff with its steps, warnings and the harm it may do; [Running], a run under
// way; [Report], what came of it; the kinds of what a plan is about (kind.go); the history of specs; unfinished runs and what is to be done
// with them.
// What flows in: the fleet's snapshots and the sources that act ([sources.Hands], [sources.Registry], [sources.Hook]).
// What flows out: changes through Hands, lines of the journal, progress as values.
// It imports sources, sources/fleet and actions/journal; never the ui, never a source's own package.
package actions
