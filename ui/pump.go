package ui

import (
	"context"
	"time"

	"quarterdeck/sources/fleet"
)

// pump wakes the root model when the fleet, the log buffer or a run changed, at most FrameRate times a
// second, and never when nothing did.
type pump struct {
	fleet *fleet.Fleet
	lines <-chan struct{} // signalled by the log sink
	runs  <-chan struct{} // signalled by runs
	saved <-chan struct{} // signalled by the catalogue of backups
	gates <-chan struct{} // signalled by the checks of the stages
	// scales is signalled by the decisions about replicas.
	scales <-chan struct{}
	desk   <-chan struct{} // signalled by what is heard of incidents
	send   func(wakeMsg)
}

// Run pumps until ctx ends.
func (p pump) Run(ctx context.Context) {
	var last time.Time
	var sent *fleet.Snapshot
	for {
		other := false
		select {
		case <-ctx.Done():
			return
		case <-p.fleet.Changed():
		case <-p.lines:
			other = true
		case <-p.runs:
			other = true
		case <-p.saved:
			other = true
		case <-p.gates:
			other = true
		case <-p.scales:
			other = true
		case <-p.desk:
			other = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(gatherTime, time.Second/FrameRate-time.Since(last))):
		}
		select {
		case <-p.lines:
			other = true
		case <-p.runs:
			other = true
		case <-p.saved:
			other = true
		case <-p.gates:
			other = true
		case <-p.scales:
			other = true
		case <-p.desk:
			other = true
		default:
		}
		snap := p.fleet.Snapshot()
		if snap == sent && !other { // what was gathered signals once more
			continue
		}
		last, sent = time.Now(), snap
		p.send(wakeMsg{snap: snap})
	}
}
