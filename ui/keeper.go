package ui

import "quarterdeck/sources"

// Keeper keeps what a person has made, beyond the console's end. Its methods do I/O: only commands call them.
type Keeper interface {
	// Panels are all that are kept.
	Panels() ([]sources.Panel, error)
	// Keep writes a panel down and TakeOff removes it; where is the file that was changed.
	Keep(p sources.Panel) (where string, err error)
	TakeOff(p sources.Panel) (where string, err error)
	// Past are past queries of a language (promql, logql), the newest last, each once.
	Past(language string) ([]string, error)
	// Remember adds one to them.
	Remember(language, query string) error
}
