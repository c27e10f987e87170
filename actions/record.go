package actions

import (
	"context"
	"runtime/debug"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Times of the recorder.
const (
	recordSettle = time.Second      // changes that come together are read together
	recordRetry  = 30 * time.Second // after a failure
	recordByName = 16               // up to so many services are read one by one
)

// Record keeps the history of specs complete while ctx lasts: each time a service's version changes, whoever changed it, its spec is read
// and written down. The swarm itself keeps one earlier spec, and forgets that one at an automatic rollback.
func (d *Deck) Record(ctx context.Context) {
	changed, stop := d.Fleet.Subscribe()
	defer stop()
	seen := map[string]uint64{} // version by service id
	for {
		wait := time.Duration(0)
		if snap := d.Fleet.Snapshot(); snap.Ready() && snap.Source(fleet.SwarmName).OK() {
			if err := d.recordChanges(ctx, snap, seen); err != nil && ctx.Err() == nil {
				d.log().Warn("the history of specs could not be kept", "error", err)
				wait = recordRetry
			}
		}
		if !pause(ctx, max(wait, recordSettle)) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (d *Deck) recordChanges(ctx context.Context, snap *fleet.Snapshot, seen map[string]uint64) error {
	var ids []string
	for _, s := range snap.Services {
		if s.Version != seen[s.ID] {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var states []sources.ServiceState
	if len(ids) > recordByName {
		all, err := d.Hands.ServiceStates(ctx)
		if err != nil {
			return err
		}
		states = all
	} else {
		for _, id := range ids {
			st, err := d.Hands.ServiceState(ctx, id)
			if sources.KindOf(err) == sources.NotFound {
				continue
			}
			if err != nil {
				return err
			}
			states = append(states, st)
		}
	}
	if err := d.observe(states); err != nil {
		return err
	}
	if len(ids) > recordByName { // the specs of a whole fleet were here, and will not be again soon
		states = onlyVersions(states)
		debug.FreeOSMemory()
	}
	for i := range states {
		seen[states[i].ID] = states[i].Version
	}
	return nil
}

// onlyVersions keeps of each service what the next look needs.
func onlyVersions(states []sources.ServiceState) []sources.ServiceState {
	out := make([]sources.ServiceState, len(states))
	for i := range states {
		out[i].ID, out[i].Version = states[i].ID, states[i].Version
	}
	return out
}

// pause waits; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
