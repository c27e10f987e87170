package ui

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// clock is a time that goes on when it is told to.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return noon.Add(time.Duration(c.ahead.Load())) }
func (c *clock) later(d time.Duration) { c.ahead.Add(int64(d)) }

// fakeHands change the fixture's world, and tell the fleet of it as a swarm would.
type fakeHands struct {
	clock *clock
	fleet *fleet.Fleet
	calls atomic.Int64
	wait  chan struct{} // nil, or closed when an image may be resolved

	mu    sync.Mutex
	world *sources.World
	specs map[string]sources.Spec // by service id
	made  int                     // updates
	turns map[string]uint64       // versions of nodes that were changed, by id

	materials map[sources.MaterialKind][]sources.Reference
}

func specFor(s *sources.Service) sources.Spec {
	raw := fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":%q}},"Mode":{"Replicated":{"Replicas":%d}},"UpdateConfig":{"Order":%q,"FailureAction":%q,"Parallelism":1}}`,
		s.Name, s.Image+"@"+s.Digest, s.Desired, s.Update.Order, s.Update.FailureAction)
	spec, err := sources.NewSpec([]byte(raw))
	if err != nil {
		panic(err)
	}
	return spec
}

func newHandsOf(c *clock, f *fleet.Fleet) *fakeHands {
	h := &fakeHands{clock: c, fleet: f, world: world(), specs: map[string]sources.Spec{}, turns: map[string]uint64{}}
	h.world.Engine.ClusterID = "cluster"
	for i := range h.world.Services {
		s := &h.world.Services[i]
		h.specs[s.ID] = specFor(s)
		s.Generation = generationOf(h.specs[s.ID])
	}
	for i := range h.world.Tasks {
		if s := h.service(h.world.Tasks[i].ServiceID); s != nil {
			h.world.Tasks[i].Generation = s.Generation
		}
	}
	h.tell()
	return h
}

func generationOf(s sources.Spec) string { return fmt.Sprint(s.Image(), s.ForceUpdate()) }

// tell gives the fleet the world as it is. The caller holds mu, or is the only one.
func (h *fakeHands) tell() {
	w := *h.world
	w.At = h.clock.now()
	w.Services, w.Tasks, w.Nodes, w.Configs = slices.Clone(h.world.Services), slices.Clone(h.world.Tasks), slices.Clone(h.world.Nodes), slices.Clone(h.world.Configs)
	h.fleet.Fold(sources.Change{At: w.At, World: &w})
}

func (h *fakeHands) service(nameOrID string) *sources.Service {
	for i := range h.world.Services {
		if s := &h.world.Services[i]; s.ID == nameOrID || s.Name == nameOrID {
			return s
		}
	}
	return nil
}

func (h *fakeHands) ServiceState(_ context.Context, nameOrID string) (sources.ServiceState, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.service(nameOrID)
	if s == nil {
		return sources.ServiceState{}, &sources.Error{Source: "swarm", Kind: sources.NotFound, Op: "read service " + nameOrID}
	}
	return sources.ServiceState{Service: *s, Spec: h.specs[s.ID]}, nil
}

func (h *fakeHands) ServiceStates(context.Context) ([]sources.ServiceState, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []sources.ServiceState
	for i := range h.world.Services {
		s := h.world.Services[i]
		out = append(out, sources.ServiceState{Service: s, Spec: h.specs[s.ID]})
	}
	return out, nil
}

func (h *fakeHands) UpdateService(_ context.Context, id string, version uint64, spec sources.Spec) ([]string, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.service(id)
	if s.Version != version {
		return nil, &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "update " + s.Name, Err: errors.New("update out of sequence")}
	}
	h.set(s, spec)
	h.made++
	return nil, nil
}

// set gives a service a spec. The caller holds mu.
func (h *fakeHands) set(s *sources.Service, spec sources.Spec) {
	h.specs[s.ID] = spec
	s.Version++
	n, _ := spec.Replicas()
	s.Desired, s.Generation, s.Updated = int(n), generationOf(spec), h.clock.now()
	h.tell()
}

func (h *fakeHands) node(id string) *sources.Node {
	at := slices.IndexFunc(h.world.Nodes, func(n sources.Node) bool { return n.ID == id })
	return &h.world.Nodes[at]
}

func (h *fakeHands) NodeState(_ context.Context, id string) (sources.NodeState, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	return sources.NodeState{Node: *h.node(id), Version: h.turns[id]}, nil
}

func (h *fakeHands) LabelNode(_ context.Context, id string, version uint64, key string, value *string) error {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turns[id] != version {
		return &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "label " + id, Err: errors.New("update out of sequence")}
	}
	h.turns[id]++
	n := h.node(id)
	n.Labels = maps.Clone(n.Labels)
	if value == nil {
		delete(n.Labels, key)
	} else {
		n.Labels[key] = *value
	}
	h.tell()
	return nil
}

// UpdateNode takes a node's tasks to the first node where it is drained.
func (h *fakeHands) UpdateNode(_ context.Context, id string, version uint64, want sources.NodeWant) error {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turns[id] != version {
		return &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "update " + id, Err: errors.New("update out of sequence")}
	}
	h.turns[id]++
	n := h.node(id)
	n.Role, n.Availability = want.Role, want.Availability
	for i := range h.world.Tasks {
		if t := &h.world.Tasks[i]; want.Availability == "drain" && t.NodeID == id {
			t.NodeID = "n1"
		}
	}
	h.tell()
	return nil
}

func (h *fakeHands) NodeTasks(_ context.Context, id string) ([]sources.Task, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.world.Tasks), func(t sources.Task) bool { return t.NodeID != id }), nil
}

// meddle is somebody else who scales a service.
func (h *fakeHands) meddle(name string, replicas uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.service(name)
	h.set(s, h.specs[s.ID].WithReplicas(replicas))
}

// converge has the tasks of a service run what was asked for, for long enough.
func (h *fakeHands) converge(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.service(name)
	began := h.clock.now()
	h.clock.later(time.Minute)
	h.world.Tasks = slices.DeleteFunc(h.world.Tasks, func(t sources.Task) bool { return t.ServiceID == s.ID })
	for i := 1; i <= s.Desired; i++ {
		h.world.Tasks = append(h.world.Tasks, sources.Task{ID: fmt.Sprint("new-", s.Name, "-", i, "-", s.Version), ServiceID: s.ID, NodeID: fmt.Sprint("n", (i-1)%3+1), Slot: i,
			Generation: s.Generation, State: sources.TaskRunning, Desired: sources.TaskRunning, Created: began, Since: began})
	}
	h.tell()
}

func (h *fakeHands) updates() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.made
}

func (h *fakeHands) ResolveImage(ctx context.Context, ref string) (sources.Image, error) {
	h.calls.Add(1)
	if h.wait != nil {
		select {
		case <-h.wait:
		case <-ctx.Done():
			return sources.Image{}, ctx.Err()
		}
	}
	return sources.Image{Ref: ref, Digest: "sha256:feedc0de89abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}, nil
}

func (h *fakeHands) CreateMaterial(_ context.Context, kind sources.MaterialKind, x sources.Material) (string, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind != sources.Config {
		return "", errors.New("not of these tests")
	}
	h.world.Configs = append(h.world.Configs, sources.Reference{ID: "id-" + x.Name, Name: x.Name, Labels: x.Labels, Created: h.clock.now()})
	h.tell()
	return "id-" + x.Name, nil
}

func (h *fakeHands) RemoveMaterial(_ context.Context, kind sources.MaterialKind, id string) error {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind != sources.Config {
		return errors.New("not of these tests")
	}
	h.world.Configs = slices.DeleteFunc(h.world.Configs, func(x sources.Reference) bool { return x.ID == id })
	h.tell()
	return nil
}

func (h *fakeHands) Materials(_ context.Context, kind sources.MaterialKind) ([]sources.Reference, error) {
	h.calls.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind == sources.Config && h.materials == nil {
		return slices.Clone(h.world.Configs), nil
	}
	return h.materials[kind], nil
}

// Tags make it a registry as well.
func (h *fakeHands) Tags(context.Context, string) ([]string, error) {
	h.calls.Add(1)
	return []string{"1.4.1", "1.4.2", "1.5.0", "evil\x1b[2J"}, nil
}

// rig is a console with hands, and what Bubble Tea does for it: commands run beside it, their messages come back one by one.
type rig struct {
	*Model
	t     testing.TB
	clock *clock
	hands *fakeHands
	deck  *actions.Deck
	msgs  chan tea.Msg
	over  chan struct{}
	quit  bool
}

// newRig is a rig in a state directory of its own.
func newRig(t testing.TB, w, h int, mend func(*Options)) *rig {
	c := &clock{}
	f := filledAt(c.now)
	return rigOn(t, stateDir(t), newHandsOf(c, f), w, h, mend)
}

// stateDir is a directory for a journal. A command that nobody waits for any more may write to it while it is removed.
func stateDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "quarterdeck-ui-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(5 * time.Second); os.RemoveAll(dir) != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s cannot be removed", dir)
				return
			}
		}
	})
	return dir
}

// rigOn is a rig on a swarm and a journal that were there before.
func rigOn(t testing.TB, dir string, hands *fakeHands, w, h int, mend func(*Options)) *rig {
	t.Helper()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &actions.Deck{Hands: hands, Registry: hands, Fleet: hands.fleet, Journal: j, Now: hands.clock.now, Policy: actions.Policy{Actor: "tester", Host: "here", Context: "production"}}
	m, _ := console(t, w, h, func(o *Options) {
		o.Fleet, o.Deck, o.Now = hands.fleet, d, hands.clock.now
		if mend != nil {
			mend(o)
		}
	})
	m.gotoService("shop_web")
	m.arrange()
	m.hands.looked, m.hands.watching = false, false // console drops what its first commands would have asked
	r := &rig{Model: m, t: t, clock: hands.clock, hands: hands, deck: d, msgs: make(chan tea.Msg, 64), over: make(chan struct{})}
	t.Cleanup(func() { m.leave(); close(r.over) })
	return r
}

// do runs a command beside the model.
func (r *rig) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				r.do(c)
			}
			return
		}
		select {
		case r.msgs <- msg:
		case <-r.over:
		}
	}()
}

func (r *rig) send(msg tea.Msg) {
	if _, ok := msg.(tea.QuitMsg); ok {
		r.quit = true
		return
	}
	if msg != nil {
		_, cmd := r.Update(msg)
		r.do(cmd)
	}
}

// press gives keys, each without a pause.
func (r *rig) press(keys ...string) {
	r.t.Helper()
	ks, err := parseKeys(keys)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range ks {
		r.send(k)
	}
}

// slowly gives keys as somebody does who reads first.
func (r *rig) slowly(keys ...string) {
	r.t.Helper()
	for _, k := range keys {
		r.clock.later(time.Second)
		r.press(k)
	}
}

// until takes messages until something is so.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for !is() {
		select {
		case msg := <-r.msgs:
			r.send(msg)
		case <-r.Model.hands.news:
			r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
		case <-r.o.Fleet.Changed():
			r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
		case <-time.After(50 * time.Millisecond): // what comes by time alone
		case <-deadline:
			r.t.Fatalf("never: %s\n%s", what, ansi.Strip(r.Frame()))
		}
	}
}

// screen is the frame's text.
func (r *rig) screen() string { return ansi.Strip(r.Frame()) }

// planned waits for a plan on the screen.
func (r *rig) planned() *planBox {
	r.t.Helper()
	r.until("a plan on the screen", func() bool { _, ok := r.overlay.(*planBox); return ok })
	return r.overlay.(*planBox)
}

// running waits for a run on the screen.
func (r *rig) running() *progressBox {
	r.t.Helper()
	r.until("a run on the screen", func() bool { _, ok := r.overlay.(*progressBox); return ok })
	return r.overlay.(*progressBox)
}
