// Command quarterdeck is a terminal operations console for Docker Swarm, and
// the same abilities as commands.
//
// What lives here: one file a command; each reads flags and config, wires
// sources, fleet and ui, and hands over. No logic.
package main
