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
	var sent *fleet.Snapshot
	for {
		lines := false
		select {
		case <-ctx.Done():
			return
		case <-p.fleet.Changed():
		case <-p.lines:
			lines = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(gatherTime, time.Second/FrameRate-time.Since(last))):
		}
		select {
		case <-p.lines:
			lines = true
		default:
		}
		snap := p.fleet.Snapshot()
		if snap == sent && !lines { // what was gathered signals once more
			continue
		}
		last, sent = time.Now(), snap
		p.send(wakeMsg{snap: snap})
	}
}
