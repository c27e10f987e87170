package world

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// Options are what New needs.
type Options struct {
	Services, Tasks int // 0: the platform of twelve services
	Seed            int64
	Quiet           bool // nothing happens by itself
	Now             func() time.Time
	Logger          *slog.Logger
}

// World is the whole simulation. Safe for concurrent use. What its methods hand out
// is immutable: a change replaces an object's nested parts and never writes into them.
type World struct {
	mu    sync.RWMutex
	now   func() time.Time
	log   *slog.Logger
	rng   *rand.Rand
	seed  uint64
	quiet bool
	big   bool
	began time.Time
	turn  uint64 // of ids
	index uint64 // raft's

	nodes      []*Node
	services   map[string]*Service // by id
	tasks      map[string]*Task    // by id
	containers []*Container        // all that ran in the last day, by start
	networks   []swarm.Network
	secrets    []swarm.Secret
	configs    []swarm.Config
	cluster    swarm.ClusterInfo

	journal  journal
	batches  batches
	agenda   agenda
	incident map[string]*incident
	revision uint64 // of effects and containers: curves made under another are stale
	curves   sync.Map
}

// Node is a machine.
type Node struct {
	swarm.Node
	Down    []Span // when it was away; the last may be open
	effects []Effect
	ordinal int
	load    load
}

// load is what is placed on a node.
type load struct {
	tasks     int
	cpu, mem  int64
	byService map[string]int
}

// Span is a stretch of time in Unix seconds; To is +Inf while it lasts.
type Span struct{ From, To float64 }

// Service is a service with what makes it tick.
type Service struct {
	swarm.Service
	Profile Profile
	shape   Shape
	effects []Effect
	slots   map[string][]*Task // by slot number or node id; oldest first
	updater *updater
	crash   bool            // told to crash, see CrashLoop
	bad     map[string]bool // images that crash, see Deploy
	hash    uint64
	// gen names the present task template, prevGen the previous one, lastGen the highest given out.
	gen, prevGen, lastGen uint64
	onRun                 func(*Task) // an incident's word on a task that has begun to run
}

// Task is a task with its container, if it has one.
type Task struct {
	swarm.Task
	service *Service
	node    *Node
	box     *Container
	spec    uint64 // generation of the service's template that it was made of
	placed  bool   // counted in its node's load
	step    uint64 // of the latest change: a timer for an older one is void
}

// Container is one container that runs or ran.
type Container struct {
	ID, Name, TaskID, TaskName, Image, NodeID, Host string
	Service, ServiceID, Stack                       string
	Slot                                            int
	Start, End                                      float64 // Unix seconds; End is +Inf while it runs
	Limit                                           int64   // bytes of memory, 0: none
	Cores                                           float64 // limit, 0: none
	Instance                                        string  // of cAdvisor on its node
	owner                                           *Service
	scale                                           float64
	hash                                            uint64
}

// New makes a world with its history; Run must be called to let it live.
func New(o Options) (*World, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Services < 0 || o.Tasks < 0 || o.Services > 5000 || o.Tasks > 100_000 {
		return nil, fmt.Errorf("a fleet of %d services and %d tasks cannot be made: ask for 1 to 5,000 and at most 100,000", o.Services, o.Tasks)
	}
	w := &World{
		now: o.Now, log: o.Logger, quiet: o.Quiet, seed: mix(uint64(o.Seed)), //nolint:gosec // a seed's bits, not its value
		services: map[string]*Service{}, tasks: map[string]*Task{}, incident: map[string]*incident{},
	}
	w.rng = rand.New(rand.NewPCG(w.seed, 1)) //nolint:gosec // a simulation
	w.began = w.now()
	w.index = 12
	w.big = o.Services > 0
	w.populate(o.Services, o.Tasks)
	return w, nil
}

// Run lets the world live until ctx ends.
func (w *World) Run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	if !w.quiet {
		w.mu.Lock()
		w.liveByItself()
		w.mu.Unlock()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.Advance()
		}
	}
}

// Advance does all that is due by now. Run calls it; tests may.
func (w *World) Advance() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for len(w.agenda) > 0 && !w.agenda[0].at.After(now) {
		e := heap.Pop(&w.agenda).(entry) //nolint:errcheck // the heap holds nothing else
		e.do()
	}
}

// after puts do on the agenda. do runs with the lock held.
func (w *World) after(d time.Duration, do func()) {
	w.turn++
	heap.Push(&w.agenda, entry{at: w.now().Add(d), seq: w.turn, do: do})
}

type entry struct {
	at  time.Time
	seq uint64
	do  func()
}

type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].seq < a[j].seq
	}
	return a[i].at.Before(a[j].at)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push is heap.Interface's.
func (a *agenda) Push(x any) { *a = append(*a, x.(entry)) } //nolint:errcheck,forcetypeassert // only after pushes

// Pop is heap.Interface's.
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = entry{}
	*a = old[:len(old)-1]
	return e
}

// Now is the world's clock.
func (w *World) Now() time.Time { return w.now() }

// Began is when the world was made.
func (w *World) Began() time.Time { return w.began }

// Big tells whether this is a generated fleet.
func (w *World) Big() bool { return w.big }

func (w *World) nextID() string {
	w.turn++
	return swarmID(w.seed + w.turn)
}

// between is a duration in [lo, hi), drawn from the seed.
func (w *World) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)))
}

// bump gives an object its next version.
func (w *World) bump(m *swarm.Meta) {
	w.index++
	m.Version.Index = w.index
	m.UpdatedAt = w.now().UTC()
}

// touch marks curves as stale.
func (w *World) touch() { w.revision++ }

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrSequence = errors.New("rpc error: code = Unknown desc = update out of sequence")
	ErrConflict = errors.New("conflict")
	ErrInvalid  = errors.New("invalid")
)

// find is a service by id, name or unambiguous id prefix.
func (w *World) find(ref string) (*Service, error) {
	if s := w.services[ref]; s != nil {
		return s, nil
	}
	var hit *Service
	for _, s := range w.services {
		if s.Spec.Name == ref {
			return s, nil
		}
		if strings.HasPrefix(s.ID, ref) && ref != "" {
			if hit != nil {
				return nil, fmt.Errorf("service %s is ambiguous (2 matches found): %w", ref, ErrInvalid)
			}
			hit = s
		}
	}
	if hit == nil {
		return nil, fmt.Errorf("service %s %w", ref, ErrNotFound)
	}
	return hit, nil
}

func (w *World) node(ref string) (*Node, error) {
	for _, n := range w.nodes {
		if n.ID == ref || n.Description.Hostname == ref {
			return n, nil
		}
	}
	for _, n := range w.nodes {
		if ref != "" && strings.HasPrefix(n.ID, ref) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("node %s %w", ref, ErrNotFound)
}

// effect adds an effect on a service from now on and returns how to end it.
func (w *World) effect(s *Service, sig Signal, value float64, note string) (end func()) {
	e := Effect{Signal: sig, From: seconds(w.now()), To: math.Inf(1), Value: value, Note: note}
	s.effects = append(slices.Clip(slices.Clone(s.effects)), e)
	w.touch()
	return func() {
		now := seconds(w.now())
		effects := slices.Clone(s.effects)
		for i := range effects {
			if o := &effects[i]; o.Signal == sig && o.From == e.From && o.Note == note && math.IsInf(o.To, 1) {
				o.To = now
			}
		}
		s.effects = effects
		w.touch()
	}
}
