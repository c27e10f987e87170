package actions

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"quarterdeck/sources"
)

// AgentLease is the config by which agents know which of them is the one that works.
const AgentLease = "qd-lease-agent"

const (
	// leaseFor is for how long after the last proof the lease counts as held: less than others wait until they take it.
	leaseFor = deadAfter - 5*time.Second
	// leaseAgain is between two looks of one that waits for it.
	leaseAgain = time.Second
)

// ErrNoLease is the answer to a proof that cannot be given: another has the lease, or nobody can say who.
var ErrNoLease = errors.New("the lease is not held")

// Lease makes of several processes, on whatever machines, one that works: who holds it changes its config again and again, and one that does not for 35 s has
// lost it to the next. Safe for concurrent use.
type Lease struct {
	d    *Deck
	hold *hold

	mu     sync.Mutex
	seen   vigil     // of another's lease
	since  time.Time // zero: it is not held
	proved time.Time
	holder string // who has it, for people
}

// Lease makes one, which is not held yet.
func (d *Deck) Lease(name string) *Lease {
	l := &Lease{d: d, hold: newHold(d.Bench, name, d.owner())}
	l.hold.patient = func(_ context.Context, f func() error) error { return f() } // what cannot be proved now is not held
	return l
}

func (d *Deck) owner() string { return d.Policy.Actor + " on " + d.Policy.Host }

// Run gets the lease as soon as it can be had and keeps it, until ctx ends: then it is given up, and the next one has it at once.
func (l *Lease) Run(ctx context.Context) {
	for wait := time.Duration(0); pause(ctx, wait); {
		if err := l.try(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoLease) {
			l.d.log().Warn("the lease could not be looked at", "error", err)
		}
		wait = leaseAgain
		if _, held := l.Held(); held {
			wait = beatEvery
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGoWithin)
	defer cancel()
	if _, held := l.Held(); held {
		l.lost()
		if err := l.hold.release(end); err != nil {
			l.d.log().Warn("the lease could not be given up: the next one waits 35 s", "error", err)
		}
	}
}

// Held tells whether the lease is held, and since when. It is a look at what was proved last: before work is begun it is to be proved anew.
func (l *Lease) Held() (since time.Time, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, !l.since.IsZero() && l.d.Now().Sub(l.proved) < leaseFor
}

// Holder is who has the lease, as far as is known.
func (l *Lease) Holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder
}

// Prove changes the lease's config against the version that it was seen with: that it could be changed proves that nobody else has it.
func (l *Lease) Prove(ctx context.Context) error {
	if _, held := l.Held(); !held {
		return ErrNoLease
	}
	return l.try(ctx)
}

// try keeps the lease where it is held, and takes it where it can be had.
func (l *Lease) try(ctx context.Context) error {
	began := l.d.Now()
	c, err := l.d.Bench.ReadConfig(ctx, l.hold.name)
	switch {
	case sources.KindOf(err) == sources.NotFound:
		err = l.make(ctx, began)
	case err != nil:
		return err
	case l.hold.mine(&c):
		err = l.hold.relabel(ctx, map[string]string{labelBeat: began.UTC().Format(time.RFC3339Nano)})
	case !l.silent(&c, began):
		return ErrNoLease
	default:
		err = l.hold.take(ctx, &c)
	}
	var refused *Refusal
	switch {
	case err == nil:
		l.have(began)
		return nil
	case sources.KindOf(err) == sources.Conflict, errors.As(err, &refused): // another was quicker
		l.lost()
		return ErrNoLease
	}
	return err
}

// make makes the lease's config. A name that is taken is refused by the swarm: of two at the same moment one has it.
func (l *Lease) make(ctx context.Context, now time.Time) error {
	data, err := json.Marshal(map[string]any{"lease": l.hold.name, "made": now.UTC()})
	if err != nil {
		return err
	}
	_, err = l.d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: l.hold.name, Data: data, Labels: map[string]string{labelHolder: l.hold.token, labelOwner: l.hold.owner}})
	return err
}

// have notes a proof that was begun at a moment.
func (l *Lease) have(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || at.Sub(l.proved) >= leaseFor {
		l.since = at
	}
	l.proved, l.holder = at, l.hold.owner
}

func (l *Lease) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
}

// silent looks at a lease that another has, and tells whether that one is gone.
func (l *Lease) silent(c *sources.ConfigState, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.holder = time.Time{}, c.Labels[labelOwner]
	return l.seen.silent(c, now)
}

// LeaseHolder reads who holds a lease; "": nobody.
func (d *Deck) LeaseHolder(ctx context.Context, name string) (string, error) {
	c, err := d.Bench.ReadConfig(ctx, name)
	switch {
	case sources.KindOf(err) == sources.NotFound:
		return "", nil
	case err != nil || c.Labels[labelHolder] == "":
		return "", err
	}
	return orWords(c.Labels[labelOwner], "somebody"), nil
}
