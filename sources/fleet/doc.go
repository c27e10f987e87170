// Package fleet is the one model that all sources feed.
//
// What lives here: [Fleet], which folds what the sources say; [Snapshot], the
// immutable picture that all readers draw from; [Judge], the only place where
// a service's health is decided; the bounded history of what happened; and the
// loops that keep the picture fresh ([Fleet.Run]).
// What flows in: [sources.Change], alerts, usage, error rates, states of
// sources. What flows out: snapshots, and a wake-up when one is worth drawing.
// It imports sources, a backoff library and the standard library, never a source nor the ui.
package fleet
