package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// Scenario is an incident that can be started by name.
type Scenario struct {
	Name, Title, Description string
	Sees                     string // what shows of it
	Cause                    string // the diagnosis' id of it, "" where there is nothing to find
	Remedy                   string // what takes it away
}

type incident struct {
	name  string
	on    []*Service  // whom it is about: nothing else is done to them meanwhile
	undo  []func()    // takes the cause away, the latest first
	over  func() bool // its cause was taken away by somebody; nil: nobody can
	ended bool
}

type script struct {
	Scenario
	start func(w *World, in *incident) error
}

// Scenarios lists the incidents.
func Scenarios() []Scenario {
	var out []Scenario
	for _, s := range scripts() {
		out = append(out, s.Scenario)
	}
	return out
}

// Running are the names of the incidents under way, sorted.
func (w *World) Running() []string {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	names := make([]string, 0, len(w.incident))
	for name := range w.incident {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// StartScenario begins an incident, or several whose names are parted by commas. One that runs already is left as it is.
func (w *World) StartScenario(names string) error {
	defer w.order()()
	for name := range strings.SplitSeq(names, ",") {
		if err := w.startScenario(strings.TrimSpace(name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) startScenario(name string) error {
	if w.incident[name] != nil {
		return nil
	}
	all := scripts()
	i := slices.IndexFunc(all, func(s script) bool { return s.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		return fmt.Errorf("no scenario is called %q: choose one of %s %w", name, strings.Join(names, ", "), ErrNotFound)
	}
	in := &incident{name: name}
	if err := all[i].start(w, in); err != nil {
		w.takeBack(in)
		return fmt.Errorf("start scenario %s: %w", name, err)
	}
	w.incident[name] = in
	w.watch(in)
	return nil
}

// StopScenario ends an incident: its cause is taken away, the platform recovers by its own means.
func (w *World) StopScenario(name string) error {
	defer w.order()()
	return w.stopScenario(name)
}

func (w *World) stopScenario(name string) error {
	in := w.incident[name]
	if in == nil {
		return fmt.Errorf("scenario %q is not running: %w", name, ErrNotFound)
	}
	delete(w.incident, name)
	w.takeBack(in)
	return nil
}

func (w *World) takeBack(in *incident) {
	in.ended = true
	for _, undo := range slices.Backward(in.undo) {
		undo()
	}
}

// watch ends an incident once somebody has taken its cause away.
func (w *World) watch(in *incident) {
	if in.over == nil {
		return
	}
	var look func()
	look = func() {
		switch {
		case in.ended:
		case in.over():
			_ = w.stopScenario(in.name) // it runs: it has not ended
		default:
			w.after(time.Second, look)
		}
	}
	w.after(time.Second, look)
}

// every does something again and again until the incident ends; between two times passes pause().
func (w *World) every(in *incident, first time.Duration, pause func() time.Duration, do func()) {
	var again func()
	again = func() {
		if in.ended {
			return
		}
		do()
		w.after(pause(), again)
	}
	w.after(first, again)
}

// touched tells whether an incident is about a service.
func (w *World) touched(s *Service) bool {
	for _, in := range w.incident {
		if slices.Contains(in.on, s) {
			return true
		}
	}
	return false
}

// subject is whom an incident is about: the first of the named services that no other incident is about, in a
// generated fleet a stand-in that is fit for it; where all have their incident, one of these all the same.
func (w *World) subject(in *incident, fit func(*Service) bool, names ...string) (*Service, error) {
	var all []*Service
	for _, name := range names {
		if s, err := w.find(name); err == nil {
			all = append(all, s)
		}
	}
	if w.big {
		all = w.sorted()
	}
	all = slices.DeleteFunc(all, func(s *Service) bool { return !fit(s) })
	i := slices.IndexFunc(all, func(s *Service) bool { return !w.touched(s) })
	if len(all) == 0 {
		return nil, fmt.Errorf("no service is fit for it: %w", ErrNotFound)
	}
	s := all[max(i, 0)]
	in.on = append(in.on, s)
	return s, nil
}

// runs is fit: a service with tasks, of a number of replicas.
func runs(s *Service) bool {
	r := s.Spec.Mode.Replicated
	return r != nil && r.Replicas != nil && *r.Replicas > 0
}

// stopsFirst is fit for an update that is to hurt: it runs, an update stops the old task before the new one starts, and
// nothing rolls it back by itself.
func stopsFirst(s *Service) bool {
	u := s.Spec.UpdateConfig
	return runs(s) && (u == nil || u.Order != swarm.UpdateOrderStartFirst && u.FailureAction != swarm.UpdateFailureActionRollback)
}

// cloned is a copy of a spec of which every part may be written.
func cloned(spec *swarm.ServiceSpec) (out swarm.ServiceSpec) {
	b, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil { // it came as JSON
		panic(err)
	}
	return out
}

// saying are effects that begin now and end with the incident.
func (w *World) saying(in *incident, s *Service, effects ...Effect) {
	for _, e := range effects {
		in.undo = append(in.undo, w.effectOf(s, e))
	}
}

// configured names what a service's containers are made of: an update that changes it may take a cause away.
func configured(s *Service) string {
	b, err := json.Marshal(s.Spec.TaskTemplate.ContainerSpec)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// reconfigured tells whether somebody has changed since now what a service's containers are made of.
func (w *World) reconfigured(s *Service) func() bool {
	before, seen, changed := configured(s), s.Spec.TaskTemplate.ContainerSpec, false
	return func() bool {
		if now := s.Spec.TaskTemplate.ContainerSpec; now != seen { // a spec's parts are replaced, never written
			seen, changed = now, configured(s) != before
		}
		return w.services[s.ID] != s || changed
	}
}

// restarted tells whether all tasks of a service that run now have been replaced by others that run.
func (w *World) restarted(s *Service) func() bool {
	before := map[string]bool{}
	for _, t := range w.atWork(s) {
		before[t.ID] = true
	}
	return func() bool {
		now := w.atWork(s)
		return w.services[s.ID] != s || len(now) > 0 && !slices.ContainsFunc(now, func(t *Task) bool { return before[t.ID] })
	}
}

// atWork is a service's tasks that run and are meant to, by slot.
func (w *World) atWork(s *Service) []*Task {
	var out []*Task
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil && t.Status.State == swarm.TaskStateRunning && t.box != nil {
			out = append(out, t)
		}
	}
	return out
}
