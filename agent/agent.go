package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Times of an agent.
const (
	// readEvery is how old the catalogue may be for a look; before something is begun it is read anew.
	readEvery = 30 * time.Second
	// lookEvery is the longest time between two looks at what is due, waitEvery the shortest, and how often one without the lease looks whether it has it.
	lookEvery = 10 * time.Second
	waitEvery = time.Second
	// laterBy is when something is looked at again that another has in hand.
	laterBy = 15 * time.Second
	// planWithin bounds the making of a plan.
	planWithin = time.Minute
)

// Agent does what is due, while it holds the lease. Its fields are set before Run and not changed afterwards. Deck needs all that recoveries need, and a fleet
// that somebody keeps fresh.
type Agent struct {
	Deck *actions.Deck
	Now  func() time.Time
	Log  *slog.Logger
	// Drills: drills that are overdue are done as well.
	Drills bool
	// Only is a pattern (path.Match) of the services that it works for; "": all. The repository it looks through in any case.
	Only string

	lease *actions.Lease
	feed  *recovery.Feed
	term  time.Time            // since when the lease was held when the attempts were read
	later map[string]time.Time // by task or run: when to look at it again
	told  map[string]bool      // what the log has said of runs that are left alone

	mu     sync.Mutex
	facts  Facts
	status Status // what does not follow from facts
}

// Run does what is due until ctx ends, and then gives the lease up. What is under way by then goes on in the swarm, and is found by the next agent.
func (a *Agent) Run(ctx context.Context) error {
	if a.Deck.Objects == nil {
		return noStore()
	}
	a.lease, a.feed = a.Deck.Lease(actions.AgentLease), recovery.NewFeed(a.Deck.Objects, a.Now)
	a.later, a.told = map[string]time.Time{}, map[string]bool{}
	a.set(func(s *Status) { s.Failures, s.CleanUps, s.Turned = map[string]int{}, map[string]int{}, a.Now() })
	leasing, stop := context.WithCancel(ctx)
	var held sync.WaitGroup
	held.Go(func() { a.lease.Run(leasing) })
	defer held.Wait()
	defer stop()
	changed, end := a.Deck.Fleet.Subscribe()
	defer end()
	for {
		wait := a.turn(ctx)
		a.set(func(s *Status) { s.Turned = a.Now() })
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-changed:
			timer.Stop()
		}
	}
}

// turn does at most one thing, and tells when to look again.
func (a *Agent) turn(ctx context.Context) time.Duration {
	since, held := a.lease.Held()
	a.set(func(s *Status) { s.Held, s.Holder = held, a.lease.Holder() })
	if !a.Deck.Fleet.Snapshot().Ready() {
		return waitEvery
	}
	if !held {
		a.watch(ctx)
		return waitEvery
	}
	if !since.Equal(a.term) {
		if err := a.remember(ctx); err != nil {
			a.Log.Warn("what was tried before could not be read", "error", err)
			return lookEvery
		}
		a.term = since
		a.Log.Info("the lease is held", "lease", actions.AgentLease)
	}
	if err := a.look(ctx, readEvery); err != nil {
		if ctx.Err() == nil {
			a.Log.Warn("the catalogue could not be read: nothing is begun", "error", err)
		}
		return lookEvery
	}
	if a.goOn(ctx) {
		return 0
	}
	for _, t := range Agenda(a.known(), a.Now()) {
		if t.Ready(a.Now()) && !a.later[t.key()].After(a.Now()) && a.do(ctx, t) {
			return 0
		}
	}
	return a.untilNext()
}

// watch looks at the runs of others while the lease is another's: should that one die, it is known by then which of its runs are dead as well.
func (a *Agent) watch(ctx context.Context) {
	const key = "watch"
	if a.later[key].After(a.Now()) {
		return
	}
	a.later[key] = a.Now().Add(lookEvery / 2)
	if _, err := a.Deck.Foreign(ctx); err != nil && ctx.Err() == nil {
		a.Log.Warn("the locks of runs could not be looked at", "error", err)
	}
}

// look reads the swarm's state and, where it is older than that, the catalogue.
func (a *Agent) look(ctx context.Context, age time.Duration) error {
	a.mu.Lock()
	a.facts.Snap, a.facts.Drills, a.facts.Only = a.Deck.Fleet.Snapshot(), a.Drills, a.Only
	old := a.facts.Contents == nil || a.Now().Sub(a.facts.Contents.Read) >= age
	a.mu.Unlock()
	if !old {
		return nil
	}
	if err := a.feed.Read(ctx); err != nil {
		return err
	}
	audit, err := recovery.LastAudit(ctx, a.Deck.Objects, a.Now())
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts.Contents, a.facts.Audit = a.feed.Contents(), audit
	return nil
}

// known are the facts as of the last look.
func (a *Agent) known() *Facts {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.facts
	return &f
}

// untilNext is how long nothing comes due, as far as that is known now.
func (a *Agent) untilNext() time.Duration {
	f, now := a.known(), a.Now()
	next := now.Add(lookEvery)
	sooner := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	rows := recovery.Cover(f.Snap, f.Contents, now)
	for i := range rows {
		sooner(rows[i].Policy.Next(now))
	}
	for _, t := range Agenda(f, now) {
		sooner(t.From)
		sooner(a.later[t.key()])
	}
	return max(next.Sub(now), waitEvery/10)
}

// triesKey is where attempts are remembered, so that an agent that takes over does not begin to count anew.
const triesKey = "agent/tries.json"

// maxTries bounds that record, in bytes.
const maxTries = 1 << 20

// remember reads what was tried before. What is no such record says nothing.
func (a *Agent) remember(ctx context.Context) error {
	tries := map[string]Try{}
	data, err := a.Deck.Objects.Get(ctx, triesKey, maxTries)
	switch kind := sources.KindOf(err); {
	case kind == sources.NotFound, kind == sources.OverLimit:
	case err != nil:
		return err
	case json.Unmarshal(data, &tries) != nil:
		tries = map[string]Try{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts.Tries = tries
	return nil
}

// try remembers an attempt that failed; nil: forgets those of a task that is done.
func (a *Agent) try(ctx context.Context, key string, t *Try) {
	a.mu.Lock()
	tries := map[string]Try{}
	for k, v := range a.facts.Tries {
		if k != key && a.Now().Sub(v.Last) < recovery.DrillMaxAge { // of services that are gone as well
			tries[k] = v
		}
	}
	if _, had := a.facts.Tries[key]; t == nil && !had {
		a.mu.Unlock()
		return
	}
	if t != nil {
		tries[key] = *t
	}
	a.facts.Tries = tries
	a.mu.Unlock()
	data, err := json.Marshal(tries)
	if err == nil {
		err = a.Deck.Objects.Put(ctx, triesKey, data)
	}
	if err != nil && ctx.Err() == nil {
		a.Log.Warn("an attempt could not be written down: after a restart it counts no more", "task", key, "error", err)
	}
}

func (a *Agent) set(f func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.status)
}

var errTaken = errors.New("another has it in hand")
