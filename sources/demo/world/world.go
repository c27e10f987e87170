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
	Managers        int   // how many nodes are managers whose engine is spoken for, 0: one
	Quiet           bool  // nothing happens by itself
	Team            *Team // whose platform of twelve it is, nil: nobody's in particular
	Store           Store // of records of backups; nil: there are no backups
	Now             func() time.Time
	Logger          *slog.Logger
}

// World is the whole simulation. Safe for concurrent use. What its methods hand out
// is immutable: a change replaces an object's nested parts and never writes into them.
type World struct {
	mu    sync.RWMutex
	clock func() time.Time
	at    time.Time // the moment of the entry that is being done, see now; zero between entries
	log   *slog.Logger
	rng   *rand.Rand
	seed  uint64
	big   bool
	team  *Team // nil: nobody's in particular
	began time.Time
	turn  uint64 // of ids
	index uint64 // raft's

	managers     int // the first nodes, whose engines are spoken for
	nodes        []*Node
	services     map[string]*Service // by id
	tasks        map[string]*Task    // by id
	containers   []*Container        // all that ran in the last day, by start
	networks     []swarm.Network
	materials    map[Kind][]material // by age
	store        Store
	snapshots    map[string]savedSnapshot // what the repository has, by id
	cluster      swarm.ClusterInfo
	certificates []Certificate

	journal  journal
	batches  batches
	agenda   agenda
	incident map[string]*incident
	pruned   int // containers that were left by the latest prune
}

// Node is a machine.
type Node struct {
	swarm.Node
	Down    []Span // when it was away; the last may be open
	Frozen  []Span // when its engine alone was
	effects []Effect
	away    float64 // since when, in Unix seconds; 0: it is there
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
	crash   bool   // told to crash, see CrashLoop
	founded string // the image that it began with, as its registry still has it
	asked   uint64 // counts what was asked for: an update's beginning for an older one is void
	hash    uint64
	// gen names the present task template, prevGen the previous one, lastGen the highest given out.
	gen, prevGen, lastGen uint64
	known                 map[string]uint64 // generations by their templates' hashes
	onRun                 func(*Task)       // an incident's word on a task that has begun to run
	dark                  *outage           // while nothing of it runs
}

// Task is a task with its container, if it has one.
type Task struct {
	swarm.Task
	service   *Service
	node      *Node
	box       *Container
	spec      uint64   // generation of the service's template that it was made of
	placed    bool     // counted in its node's load
	addressed bool     // it has its addresses, see address
	step      uint64   // of the latest change: a timer for an older one is void
	payload   *payload // the job that it does, of a runner's
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
	OOM                                             bool    // killed for its memory
	Mute                                            float64 // Unix seconds from which nobody hears it, 0: it is heard
	Unshipped                                       bool    // its lines do not arrive in Loki
	ExitCode                                        int     // once it has ended
	Checked                                         bool    // it has a health check
	Sick                                            bool    // and never passes it
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
		clock: o.Now, log: o.Logger, seed: mix(uint64(o.Seed)), //nolint:gosec // a seed's bits, not its value
		services: map[string]*Service{}, tasks: map[string]*Task{}, incident: map[string]*incident{}, materials: map[Kind][]material{}, managers: max(o.Managers, 1),
		store: o.Store, snapshots: map[string]savedSnapshot{},
	}
	if o.Managers < 0 || o.Managers > 9 {
		return nil, fmt.Errorf("a swarm of %d managers cannot be made: ask for 1 to 9", o.Managers)
	}
	w.rng = rand.New(rand.NewPCG(w.seed, 1)) //nolint:gosec // a simulation
	w.began = o.Now()
	w.at = w.began // the past is made as of this moment
	w.index = 12
	w.big, w.team = o.Services > 0, o.Team
	w.populate(o.Services, o.Tasks)
	if !o.Quiet {
		w.liveByItself()
	}
	w.at = time.Time{}
	return w, nil
}

// Run lets the world live until ctx ends.
func (w *World) Run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.settle()
		}
	}
}

// settle does all that is due by now, each thing as of its own moment, and returns now: however far the clock has
// leapt, what follows is what would have happened in between. Every reader settles first, so that it never sees a
// moment that is rewritten afterwards. The lock must not be held.
func (w *World) settle() time.Time {
	now := w.clock()
	w.mu.RLock()
	due := w.due(now)
	w.mu.RUnlock()
	if due {
		w.mu.Lock()
		w.catchUp(now)
		w.mu.Unlock()
	}
	return now
}

// order locks the world for an order from outside, after all that was due before it; the caller unlocks.
func (w *World) order() (unlock func()) {
	w.mu.Lock()
	w.catchUp(w.clock())
	return w.mu.Unlock
}

func (w *World) due(now time.Time) bool { return len(w.agenda) > 0 && !w.agenda[0].at.After(now) }

func (w *World) catchUp(now time.Time) {
	for w.due(now) {
		e := heap.Pop(&w.agenda).(entry) // the heap holds nothing else
		w.at = e.at
		e.do()
	}
	w.at = time.Time{}
}

// now is the moment of what is being done. The lock must be held.
func (w *World) now() time.Time {
	if w.at.IsZero() {
		return w.clock()
	}
	return w.at
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
func (a *agenda) Push(x any) { *a = append(*a, x.(entry)) } //nolint:forcetypeassert // only after pushes

// Pop is heap.Interface's.
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = entry{}
	*a = old[:len(old)-1]
	return e
}

// Now is the world's clock.
func (w *World) Now() time.Time { return w.clock() }

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

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrSequence = errors.New("rpc error: code = Unknown desc = update out of sequence")
	ErrConflict = errors.New("conflict")
	ErrInvalid  = errors.New("invalid")
	// ErrUnimplemented is gRPC's code of that name.
	ErrUnimplemented = errors.New("unimplemented")
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

// effectOf adds an effect on a service from now on and returns how to end it.
func (w *World) effectOf(s *Service, e Effect) (end func()) {
	e.From, e.To = seconds(w.now()), math.Inf(1)
	s.effects = append(recent(s.effects, e.From-kept.Seconds()), e)
	return func() {
		now := seconds(w.now())
		effects := slices.Clone(s.effects)
		for i := range effects {
			if effects[i] == e {
				effects[i].To = now
				break
			}
		}
		s.effects = effects
	}
}

// kept is how long ended containers, their lines and ended effects stay on record.
const kept = 24 * time.Hour

// recent is a copy of the effects that had not ended before a moment.
func recent(effects []Effect, from float64) []Effect {
	out := make([]Effect, 0, len(effects)+1)
	for _, e := range effects {
		if e.To >= from {
			out = append(out, e)
		}
	}
	return out
}

// prune drops the containers that ended long ago and have no task any more. Its cost is spread: it waits until
// half as many again have been opened.
func (w *World) prune() {
	if len(w.containers) < w.pruned+w.pruned/2+256 {
		return
	}
	from := seconds(w.now()) - kept.Seconds()
	w.containers = slices.DeleteFunc(slices.Clone(w.containers), func(c *Container) bool { return c.End < from && w.tasks[c.TaskID] == nil })
	w.pruned = len(w.containers)
}
