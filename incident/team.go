package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// Heard is how far it is known what colleagues have written.
type Heard struct {
	// Asking: the team's record was not read yet, so one of them may have an incident open that is not known here.
	Asking bool
	// Err is why it could not be read at the last time; nil: it could, or there is none but this machine's.
	Err error
}

// Heard tells how far it is known what colleagues have written.
func (k *Desk) Heard() Heard {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Team == nil {
		return Heard{}
	}
	return Heard{Asking: !k.asked, Err: k.teamErr}
}

// Changed is signalled when something was heard, or the team's record was read.
func (k *Desk) Changed() <-chan struct{} {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wake()
	return k.changed
}

// wake makes the channel of Changed. mu is held.
func (k *Desk) wake() {
	if k.changed == nil {
		k.changed = make(chan struct{}, 1)
	}
}

// signal never blocks. mu is held.
func (k *Desk) signal() {
	k.wake()
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// LoadTeam reads the team's record once.
func (k *Desk) LoadTeam(ctx context.Context) error {
	if k.Team == nil {
		return nil
	}
	now := k.Deck.Now()
	page, err := k.Team.Query(ctx, sources.LogQuery{Expr: fmt.Sprintf("{app=%q, action=%q}", actions.AppLabel, actions.Incident), Since: now.Add(-teamBack), Until: now.Add(time.Minute), Limit: teamMost})
	cluster := k.Deck.Fleet.Snapshot().Engine.ClusterID
	for i := range page.Entries {
		var e journal.Entry
		if json.Unmarshal([]byte(page.Entries[i].Line), &e) == nil && (e.Cluster == "" || cluster == "" || e.Cluster == cluster) {
			k.hear(&e)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked, k.teamErr = true, err
	k.signal()
	return err
}

// Follow reads the team's record of the weeks before, again until it could be had. What comes after is told by the deck's FollowTeam. It returns
// when that is done or ctx ends.
func (k *Desk) Follow(ctx context.Context) {
	if _, err := k.Deck.Ready(ctx); err != nil {
		return
	}
	for k.Team != nil {
		within, cancel := context.WithTimeout(ctx, teamWait)
		err := k.LoadTeam(within)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(teamAgain):
		}
	}
}
