package actions

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sort"
	"sync"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// Phases of the journal's entries.
const (
	phaseBegin   = "begin"
	phaseStep    = "step"
	phaseEnd     = "end"
	phaseObserve = "observe" // a spec was seen that no run of ours had made
	phaseResume  = "resume"  // an interrupted run goes on
	phaseLeft    = "left"    // whoever watched a run has gone; the run goes on
)

// Incident is the action of entries that tell of an incident (package incident); their Run is its id.
const Incident = "incident"

// actionObserve is the action of entries that record a spec that was seen.
const actionObserve = "observe"

// SpecRef names a spec of a service in the journal; the spec itself, masked, is kept under its hash.
type SpecRef struct {
	Service  string    `json:"service"`
	ID       string    `json:"id"`
	Version  uint64    `json:"version,omitempty"`
	Spec     string    `json:"spec"` // hash of the masked spec
	Image    string    `json:"image,omitempty"`
	Replicas *uint64   `json:"replicas,omitempty"` // nil: not replicated
	Updated  time.Time `json:"updated,omitzero"`
	// Generation names the task template as the fleet does; "" where it was not noted.
	Generation string `json:"generation,omitempty"`
}

func refOf(service, id string, version uint64, spec sources.Spec, masked sources.Spec) SpecRef {
	r := SpecRef{Service: service, ID: id, Version: version, Spec: masked.Hash(), Image: spec.Image()}
	if n, ok := spec.Replicas(); ok {
		r.Replicas = &n
	}
	return r
}

// State is a service as it was wanted to be at some time.
type State struct {
	SpecRef
	// Since is when it began, as far as is known; zero: before anything that was seen.
	Since time.Time
	// Run, Action and Actor are of the run that made it; "" where it was only seen.
	Run, Action, Actor string
	// Was tells how it is known: "run", "seen", or "engine" (the engine's own previous spec).
	Was string
	// Bad says that the rollout to it failed, in the run's words.
	Bad string
	// Now: it is what is wanted now.
	Now bool
}

// history is the index of states by service, fed from the journal.
type history struct {
	mu     sync.Mutex
	reader *journal.Reader
	states map[string][]State         // by service id, the oldest first
	took   map[string][]time.Duration // by service name: how long rollouts took
	scaled map[string][]time.Duration // the same, where no task was replaced
	began  map[string]journal.Entry   // runs that have no end
	steps  map[string][]journal.Entry // of those
}

// refresh takes in what the journal has more.
func (h *history) refresh(j *journal.Journal, cluster string) error {
	if h.reader == nil {
		h.reader = j.NewReader()
		h.states, h.took, h.scaled = map[string][]State{}, map[string][]time.Duration{}, map[string][]time.Duration{}
		h.began, h.steps = map[string]journal.Entry{}, map[string][]journal.Entry{}
	}
	return h.reader.Read(func(e journal.Entry) bool {
		if cluster == "" || e.Cluster == "" || e.Cluster == cluster {
			h.take(&e)
		}
		return true
	})
}

func (h *history) take(e *journal.Entry) {
	switch e.Phase {
	case phaseBegin:
		for _, r := range refsOf(e.Before) {
			h.add(State{SpecRef: r, Since: orTime(r.Updated, e.Time), Was: "seen"})
		}
		h.began[e.Run] = *e
	case phaseObserve:
		for _, r := range refsOf(e.Before) {
			h.add(State{SpecRef: r, Was: "engine"})
		}
		for _, r := range refsOf(e.After) {
			h.add(State{SpecRef: r, Since: orTime(r.Updated, e.Time), Was: "seen"})
		}
	case phaseStep:
		h.steps[e.Run] = append(h.steps[e.Run], *e)
		if e.State == stateDone {
			for _, r := range refsOf(e.After) {
				h.add(State{SpecRef: r, Since: e.Time, Run: e.Run, Action: e.Action, Actor: e.Actor, Was: "run"})
			}
		}
	case phaseEnd:
		h.end(e)
	}
}

func orTime(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

func (h *history) end(e *journal.Entry) {
	begin, known := h.began[e.Run]
	delete(h.began, e.Run)
	delete(h.steps, e.Run)
	if known && e.Result == ResultDone {
		var r recordedPlan
		if json.Unmarshal(begin.Detail, &r) == nil {
			for _, s := range r.Services {
				if s.Make || s.Remove { // how long that takes says nothing of a rollout
					continue
				}
				m := h.scaled
				if s.Rolls {
					m = h.took
				}
				m[s.Name] = append(m[s.Name], e.Time.Sub(begin.Time))
			}
		}
	}
	if e.Result == ResultFailed || e.Result == ResultTakenBack {
		for id := range h.states {
			for i := range h.states[id] {
				if s := &h.states[id][i]; s.Run == e.Run {
					s.Bad = orWords(e.Reason, e.Result)
				}
			}
		}
	}
}

// add puts a state at the end, unless it is what is there already. What the engine remembers from before goes to the front.
func (h *history) add(s State) {
	list := h.states[s.ID]
	if n := len(list); n > 0 {
		if list[n-1].Spec == s.Spec {
			if s.Was == "run" && list[n-1].Was != "run" {
				s.Since = list[n-1].Since
				list[n-1] = s
			}
			return
		}
		if s.Was == "engine" && slices.ContainsFunc(list, func(x State) bool { return x.Spec == s.Spec }) {
			return
		}
		if s.Was == "seen" && s.Version > 0 && s.Version < list[n-1].Version { // a late look at something old
			return
		}
	}
	h.states[s.ID] = append(list, s)
}

func refsOf(raw json.RawMessage) []SpecRef {
	var out []SpecRef
	if len(raw) == 0 || json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// usually is the median time of a service's rollouts that went well; 0: there was none.
func (d *Deck) usually(service string, rolls bool) time.Duration {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	_ = d.history.refresh(d.Journal, d.cluster()) // without a history there is no estimate
	list := d.history.scaled[service]
	if rolls {
		list = d.history.took[service]
	}
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, cmp.Compare[time.Duration])
	return sorted[len(sorted)/2]
}

func (d *Deck) cluster() string { return d.Fleet.Snapshot().Engine.ClusterID }

// States are all states of a service that are known, the newest first; the first is what is wanted now.
func (d *Deck) States(ctx context.Context, service string) (sources.ServiceState, []State, error) {
	st, err := d.begin(ctx, service)
	if err != nil {
		return st, nil, err
	}
	list, err := d.statesOf(&st)
	return st, list, err
}

func (d *Deck) statesOf(st *sources.ServiceState) ([]State, error) {
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	if err := d.history.refresh(d.Journal, d.cluster()); err != nil {
		return nil, err
	}
	list := slices.Clone(d.history.states[st.ID])
	masked := st.Spec.Masked(key)
	if n := len(list); n == 0 || list[n-1].Spec != masked.Hash() {
		if !st.Previous.Empty() {
			p := st.Previous.Masked(key)
			if n == 0 || list[n-1].Spec != p.Hash() {
				if err := d.Journal.SaveSpec(p.Hash(), p.JSON()); err != nil {
					return nil, err
				}
				list = append(list, State{SpecRef: refOf(st.Name, st.ID, 0, st.Previous, p), Was: "engine"})
			}
		}
		if err := d.Journal.SaveSpec(masked.Hash(), masked.JSON()); err != nil {
			return nil, err
		}
		list = append(list, State{SpecRef: refOf(st.Name, st.ID, st.Version, st.Spec, masked), Since: d.madeAt(st, masked, list), Was: "seen"})
	}
	list[len(list)-1].Now = true
	slices.Reverse(list)
	return list, nil
}

// Spec is a state's spec, masked.
func (d *Deck) Spec(hash string) (sources.Spec, error) {
	raw, err := d.Journal.Spec(hash)
	if err != nil {
		return sources.Spec{}, err
	}
	return sources.NewSpec(raw)
}

// Between is what differs between two states, masked.
func (d *Deck) Between(before, after string) ([]sources.FieldChange, error) {
	a, err := d.Spec(before)
	if err != nil {
		return nil, err
	}
	b, err := d.Spec(after)
	if err != nil {
		return nil, err
	}
	return sources.Diff(a, b), nil
}

// observe records specs that were seen. Those that the history has already are left out.
func (d *Deck) observe(states []sources.ServiceState) error {
	key, err := d.key()
	if err != nil {
		return err
	}
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	if err := d.history.refresh(d.Journal, d.cluster()); err != nil {
		return err
	}
	sort.Slice(states, func(i, j int) bool { return states[i].Name < states[j].Name })
	for i := range states {
		if err := d.observeOne(&states[i], key); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deck) observeOne(st *sources.ServiceState, key []byte) error {
	masked := st.Spec.Masked(key)
	list := d.history.states[st.ID]
	if n := len(list); n > 0 && list[n-1].Spec == masked.Hash() {
		return nil
	}
	now := refOf(st.Name, st.ID, st.Version, st.Spec, masked)
	now.Updated = d.madeAt(st, masked, list)
	e := journal.Entry{Action: actionObserve, Target: st.Name, Phase: phaseObserve, After: raw([]SpecRef{now})}
	if !st.Previous.Empty() && len(list) == 0 {
		p := st.Previous.Masked(key)
		if err := d.Journal.SaveSpec(p.Hash(), p.JSON()); err != nil {
			return err
		}
		e.Before = raw([]SpecRef{refOf(st.Name, st.ID, 0, st.Previous, p)})
	}
	if err := d.Journal.SaveSpec(masked.Hash(), masked.JSON()); err != nil {
		return err
	}
	written, err := d.write(e)
	if err == nil {
		d.history.take(&written)
	}
	return err
}

// madeAt is when a service was given the spec that it has. The swarm moves a service's date on with each step of a rollout; so where what was
// changed starts an update, it is the update's begin. known are the states before.
func (d *Deck) madeAt(st *sources.ServiceState, masked sources.Spec, known []State) time.Time {
	if st.UpdateStarted.IsZero() || !st.UpdateStarted.Before(st.Updated) {
		return st.Updated
	}
	before := st.Previous
	if n := len(known); n > 0 {
		var err error
		if before, err = d.Spec(known[n-1].Spec); err != nil || st.UpdateStarted.Before(known[n-1].Since) {
			return st.Updated
		}
	} else if key, err := d.key(); err == nil {
		before = before.Masked(key)
	}
	if before.Empty() {
		return st.Updated
	}
	for _, c := range sources.Diff(before, masked) {
		if c.Path[0] == "TaskTemplate" {
			return st.UpdateStarted
		}
	}
	return st.Updated
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil { // plain data: cannot be
		panic(err)
	}
	return b
}

// Write records something that is not a run (an incident's phase): it is in the journal before this returns, and goes to the team's record. Who
// and where are filled in. Read-only refuses it.
func (d *Deck) Write(e journal.Entry) (journal.Entry, error) {
	if d.Policy.ReadOnly {
		return journal.Entry{}, ErrReadOnly
	}
	return d.write(e)
}

// write appends an entry with who and where filled in.
func (d *Deck) write(e journal.Entry) (journal.Entry, error) {
	e.Actor, e.Host, e.Context, e.Cluster = d.Policy.Actor, d.Policy.Host, d.Policy.Context, d.cluster()
	if e.Time.IsZero() {
		e.Time = d.Now()
	}
	written, err := d.Journal.Append(e)
	if err == nil {
		d.publish.take(d, &written)
		if d.afterWrite != nil {
			d.afterWrite(&written)
		}
	}
	return written, err
}
