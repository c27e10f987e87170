// Package ui is what is seen: the console's root model, its panes, overlays and
// keymap.
//
// What lives here: [Model], one tea.Model that only dispatches; panes, each a
// plain struct that draws from the fleet's snapshot and its own small state;
// the keymap, of which the help and the manual's key page are made; the log
// feed and the pump, the only goroutines.
// What flows in: snapshots of the fleet, lines into the log pane, answers to
// metric queries (each with a generation; stale ones are dropped), keys.
// What flows out: frames, and calls to the sources' interfaces from commands,
// never from Update. View is pure: no I/O, no lock held while drawing, no clock.
// It imports sources, sources/fleet and the packages below it; nothing imports
// it but cmd.
package ui
