package ui

import (
	"context"
	"time"

	"quarterdeck/sources/fleet"
)

// pump wakes the root model when the fleet or the log buffer changed, at most FrameRate times a
// second, and never when nothing did.
type pump struct {
	fleet *fleet.Fleet
	lines <-chan struct{} // signalled by the log sink
	send  func(wakeMsg)
}

// Run pumps until ctx ends.
func (p pump) Run(ctx context.Context) {
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.fleet.Changed():
		case <-p.lines:
		}
		if wait := time.Second/FrameRate - time.Since(last); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		last = time.Now()
		p.send(wakeMsg{snap: p.fleet.Snapshot()})
	}
}
