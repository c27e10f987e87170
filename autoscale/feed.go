package autoscale

import (
	"context"
	"fmt"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const (
	// readyEvery is how often is looked for the first listing.
	readyEvery = time.Second
	// refreshLeast is how old decisions are at least before they are made anew for being asked for.
	refreshLeast = 2 * time.Second
	// heartbeat is when an autoscaler decided last; of one that has died the last word is asked for.
	heartbeat = "max(last_over_time(quarterdeck_autoscale_heartbeat_timestamp_seconds[1h]))"
)

// LateAfter is how old an autoscaler's last decision is, as Prometheus has it, when something is wrong with it: some rounds, and the time that a scrape takes to be seen.
const LateAfter = gap + time.Minute

// Advice is what is recommended at a moment. It is never changed after it is made.
type Advice struct {
	At time.Time
	// Decisions and Policies are those of the services that have a policy, by name. Both are empty where none has.
	Decisions map[string]*Decision
	Policies  map[string]*Policy
	// Beat is when an autoscaler decided last; zero: none has told of it in the last hour, or NoBeat says why that is not known.
	Beat   time.Time
	NoBeat string
}

// Of is what is said of a service as it is now: d is nil where nothing was decided about it yet, or for another number of replicas than it has; p is nil where it has no policy.
func (a *Advice) Of(s *fleet.Service) (d *Decision, p *Policy) {
	if a == nil || s == nil {
		return nil, nil
	}
	d, p = a.Decisions[s.Name], a.Policies[s.Name]
	if d != nil && (d.ID != s.ID || d.Current != s.Desired) {
		d = nil
	}
	return d, p
}

// Stale tells whether decisions are older than they should be.
func (a *Advice) Stale(now time.Time) bool { return now.Sub(a.At) > gap }

// Feed decides for all services again and again, as an autoscaler does, and changes nothing: it is what a console shows. While no service has a policy nothing is asked. Safe for concurrent use.
type Feed struct {
	// Fleet is the swarm as it is known now.
	Fleet func() *fleet.Snapshot
	// Metrics is asked for what is measured; nil: every decision says that there is none.
	Metrics sources.Metrics
	// Timeout bounds the questions of a round.
	Timeout time.Duration
	Now     func() time.Time

	once   sync.Once
	wake   chan struct{}
	ask    chan struct{}
	loop   Loop // Run's own
	mu     sync.Mutex
	advice *Advice
}

func (f *Feed) init() {
	f.once.Do(func() { f.wake, f.ask = make(chan struct{}, 1), make(chan struct{}, 1) })
}

// Advice is the last one; nil: nothing was decided yet.
func (f *Feed) Advice() *Advice {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.advice
}

// Changed is signalled after each round that has something to say. Many make one signal. A nil feed's is never signalled.
func (f *Feed) Changed() <-chan struct{} {
	if f == nil {
		return nil
	}
	f.init()
	return f.wake
}

// Refresh has it decided now, and does not wait.
func (f *Feed) Refresh() {
	if f == nil {
		return
	}
	f.init()
	select {
	case f.ask <- struct{}{}:
	default:
	}
}

// Run decides until ctx ends, one round at a time.
func (f *Feed) Run(ctx context.Context) {
	f.init()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.ask:
			if a := f.Advice(); a != nil && f.Now().Sub(a.At) < refreshLeast {
				timer.Reset(refreshLeast)
				continue
			}
		}
		if f.Fleet().Ready() {
			f.Once(ctx)
			timer.Reset(Every)
		} else {
			timer.Reset(readyEvery)
		}
	}
}

// Once decides now. Run calls it again and again; who runs a feed must not.
func (f *Feed) Once(ctx context.Context) {
	f.init()
	asking, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	snap, now := f.Fleet(), f.Now()
	a := &Advice{At: now, Decisions: map[string]*Decision{}, Policies: map[string]*Policy{}}
	for _, s := range snap.Services {
		if p := f.loop.policy(s); p.Declared {
			a.Policies[s.Name] = p
		}
	}
	if len(a.Policies) == 0 {
		f.loop = Loop{}
	} else {
		list := f.loop.Round(asking, snap, f.Metrics, now)
		for i := range list {
			if d := &list[i]; d.Skip != NoPolicy {
				a.Decisions[d.Service] = d
			}
		}
		a.beat(asking, f.Metrics, now)
	}
	if ctx.Err() != nil { // what was not asked to the end says nothing
		return
	}
	f.mu.Lock()
	silent := f.advice != nil && len(f.advice.Policies) == 0 && len(a.Policies) == 0
	f.advice = a
	f.mu.Unlock()
	if silent {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// beat asks when an autoscaler decided last.
func (a *Advice) beat(ctx context.Context, m sources.Metrics, now time.Time) {
	if m == nil {
		a.NoBeat = "no Prometheus is configured"
		return
	}
	got, err := m.Instant(ctx, heartbeat, now)
	switch {
	case err != nil:
		a.NoBeat = err.Error()
	case len(got.Series) == 1 && len(got.Series[0].Points) == 1:
		if v := got.Series[0].Points[0].V; v > 0 && v < 1e11 { // a time that is none is not known
			a.Beat = time.UnixMilli(int64(v * 1000))
		} else {
			a.NoBeat = fmt.Sprintf("its heartbeat is %v, which is no time", v)
		}
	}
}
