package actions

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quarterdeck/sources"
)

// configs is a swarm that has configs alone. away: no manager answers.
type configs struct {
	sources.Workbench
	sources.Hands
	mu      sync.Mutex
	made    bool
	version uint64
	labels  map[string]string
	away    bool
	changes int
}

func (c *configs) answer() error {
	if c.away {
		return &sources.Error{Source: "swarm", Kind: sources.Unreachable, Op: "ask"}
	}
	return nil
}

func (c *configs) ReadConfig(context.Context, string) (sources.ConfigState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.answer(); err != nil {
		return sources.ConfigState{}, err
	}
	if !c.made {
		return sources.ConfigState{}, &sources.Error{Source: "swarm", Kind: sources.NotFound, Op: "read config"}
	}
	x := sources.ConfigState{Version: c.version}
	x.Labels = maps.Clone(c.labels)
	return x, nil
}

func (c *configs) CreateMaterial(_ context.Context, _ sources.MaterialKind, m sources.Material) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.answer(); err != nil {
		return "", err
	}
	if c.made {
		return "", &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "create config"}
	}
	c.made, c.version, c.labels = true, 1, m.Labels
	return "id", nil
}

func (c *configs) RelabelConfig(_ context.Context, _ string, version uint64, labels map[string]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.answer(); err != nil {
		return err
	}
	if version != c.version {
		return &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "label config"}
	}
	c.version, c.labels, c.changes = c.version+1, maps.Clone(labels), c.changes+1
	return nil
}

func (c *configs) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// contender is one of several that want the lease.
type contender struct {
	*Lease
	stop func()
}

func (c *configs) contend(ctx context.Context, host string) *contender {
	d := &Deck{Bench: c, Hands: c, Now: time.Now, Policy: Policy{Actor: "agent", Host: host}}
	x := &contender{Lease: d.Lease(AgentLease)}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { x.Run(ctx) })
	x.stop = func() { cancel(); wg.Wait() }
	return x
}

func (x *contender) held() bool { _, ok := x.Held(); return ok }

// TestLease: one of two has it, and keeps it; what is given up the other has at once; of one that is dead, or cut off, it is taken after its silence and never
// before; who slept through that cannot prove anything any more.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &configs{}
		a := c.contend(t.Context(), "one")
		time.Sleep(time.Second / 2)
		b := c.contend(t.Context(), "two")
		time.Sleep(5 * time.Minute)
		if !a.held() || b.held() || b.Holder() != "agent on one" {
			t.Fatalf("held by one: %v, by two: %v, who knows of %q", a.held(), b.held(), b.Holder())
		}
		if err := a.Prove(t.Context()); err != nil {
			t.Errorf("who has it cannot prove it: %v", err)
		}
		if err := b.Prove(t.Context()); !errors.Is(err, ErrNoLease) {
			t.Errorf("who has it not proves it: %v", err)
		}
		a.stop()
		time.Sleep(2 * time.Second)
		if a.held() || !b.held() {
			t.Fatalf("after it was given up: one %v, two %v", a.held(), b.held())
		}
		// The third comes while the second is cut off: nobody may hold it longer than others wait.
		d := c.contend(t.Context(), "three")
		time.Sleep(20 * time.Second)
		c.set(func() { c.away = true })
		time.Sleep(leaseFor + time.Second)
		if b.held() {
			t.Error("who is cut off still counts it as held")
		}
		if err := b.Prove(t.Context()); err == nil {
			t.Error("who is cut off proves it")
		}
		c.set(func() { c.away = false })
		time.Sleep(12 * time.Second)
		if b.held() == d.held() {
			t.Errorf("two %v, three %v", b.held(), d.held())
		}
		b.stop()
		d.stop()
	})
}

// TestLeaseOfOneThatSleeps: a holder that is stopped for longer than others wait finds when it wakes that it has lost it, before it begins anything.
func TestLeaseOfOneThatSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &configs{}
		d := &Deck{Bench: c, Hands: c, Now: time.Now, Policy: Policy{Actor: "agent", Host: "sleeps"}}
		sleeper := d.Lease(AgentLease) // nobody beats for it
		if err := sleeper.try(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := c.contend(t.Context(), "next")
		time.Sleep(deadAfter - 2*time.Second)
		if next.held() {
			t.Error("it was taken before its holder had been silent for long enough")
		}
		time.Sleep(4 * time.Second)
		if !next.held() {
			t.Error("it was not taken")
		}
		if err := sleeper.Prove(t.Context()); !errors.Is(err, ErrNoLease) {
			t.Errorf("who has slept proves it: %v", err)
		}
		// Should its clock have slept as well, the swarm itself tells it.
		sleeper.have(time.Now())
		if err := sleeper.Prove(t.Context()); !errors.Is(err, ErrNoLease) || sleeper.holder != "agent on next" {
			t.Errorf("whose clock has slept proves it: %v, and thinks that %q has it", err, sleeper.holder)
		}
		next.stop()
	})
}

// TestLeaseOfTwoAtOnce: of many that take a dead one's lease in the same moment one has it.
func TestLeaseOfTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &configs{made: true, version: 7, labels: map[string]string{labelHolder: "dead"}}
		var all []*contender
		for range 5 {
			all = append(all, c.contend(t.Context(), "same"))
		}
		time.Sleep(2 * time.Minute)
		n := 0
		for _, x := range all {
			if x.held() {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d hold it", n)
		}
		for _, x := range all {
			x.stop()
		}
	})
}
