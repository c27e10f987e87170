package swarm

import (
	"context"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"

	"quarterdeck/sources"
)

// view is what a watch has handed over last, as far as it is needed to tell what has changed and what moves.
type view struct {
	services map[string]*watched
	engine   sources.EngineInfo
	missing  string // what the endpoint does not let us read, in words
	noTasks  bool
	wholes   [6]uint64 // hashes of the last full listing, to tell an unchanged one
}

// watched is one service in the view.
type watched struct {
	updating  bool      // its update or rollback is under way
	unsettled bool      // a task of it is not where it should be
	tasks     uint64    // sum of its tasks' hashes
	active    time.Time // of its last change or event
}

func (v *view) get(id string) *watched {
	if v.services == nil {
		v.services = map[string]*watched{}
	}
	s := v.services[id]
	if s == nil {
		s = &watched{}
		v.services[id] = s
	}
	return s
}

// touch marks that something happens to a service.
func (v *view) touch(id string, now time.Time) { v.get(id).active = now }

// restless are the services whose tasks are not at rest; moving tells whether one of them has changed lately.
func (v *view) restless(now time.Time) (ids []string, moving bool) {
	if v.noTasks {
		return nil, false
	}
	for id, s := range v.services {
		active := s.updating || now.Sub(s.active) < activeFor
		if active || s.unsettled {
			ids = append(ids, id)
		}
		moving = moving || active
	}
	return ids, moving
}

func isUpdating(s *sources.Service) bool {
	return s.UpdateState == "updating" || s.UpdateState == "rollback_started"
}

// isUnsettled tells whether the orchestrator still wants something of a task.
func isUnsettled(t *sources.Task) bool {
	if t.Desired.Ended() && t.Desired != sources.TaskComplete {
		return !t.State.Ended()
	}
	return t.State != t.Desired && !t.State.Ended()
}

// readAll reads everything; first: with the engine's own word on itself.
func (w *watch) readAll(first bool) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		engine := w.view.engine
		if first {
			var err error
			if engine, err = w.c.engine(ctx); err != nil {
				return nil, err
			}
		}
		got, err := w.c.listAll(ctx, &w.mem)
		if err != nil {
			return nil, err
		}
		got.world.Engine = engine
		return func() { w.applyWorld(got, engine, first) }, nil
	}
}

func (w *watch) applyWorld(got listed, engine sources.EngineInfo, first bool) {
	world := got.world
	w.view.missing = strings.Join(world.Missing, ", ")
	w.view.noTasks = world.Tasks == nil
	w.status.Version = engine.Version
	if first && w.plan.restCost == 0 {
		w.plan.restCost = got.took
	}
	now := time.Now()
	here := make(map[string]bool, len(world.Services))
	for i := range world.Services {
		here[world.Services[i].ID] = true
		w.view.get(world.Services[i].ID).updating = isUpdating(&world.Services[i])
	}
	for id := range w.view.services {
		if !here[id] {
			delete(w.view.services, id)
		}
	}
	w.foldTasks(world.Tasks, got.taskHashes, nil, first, now)
	wholes := [6]uint64{w.mem.services.whole, w.mem.tasks.whole, w.mem.nodes.whole, w.mem.networks.whole, w.mem.secrets.whole, w.mem.configs.whole}
	if first && !w.again || engine != w.view.engine || wholes != w.view.wholes || w.mem.services.whole == 0 {
		w.emit(sources.Change{At: world.At, World: world})
	}
	w.view.wholes, w.view.engine = wholes, engine
	w.listed = true
	w.live(world.At)
}

// readTasks reads the tasks of some services, or all.
func (w *watch) readTasks(ids []string) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		at := time.Now()
		tasks, hashes, err := w.c.tasks(ctx, &w.mem.tasks, ids)
		if sources.KindOf(err) == sources.NotFound && len(ids) > 0 { // one of them has just been removed: find out which
			return w.readServices(ctx, ids)
		}
		if err != nil {
			return nil, err
		}
		return func() {
			w.emitTasks(at, tasks, hashes, ids)
			if ids == nil {
				w.view.wholes[1] = w.mem.tasks.whole // told: no news for the next full listing
			}
			w.live(at)
		}, nil
	}
}

// emitTasks hands over the tasks of those services whose tasks differ from what was handed over before.
func (w *watch) emitTasks(at time.Time, tasks []sources.Task, hashes []uint64, of []string) {
	changed := w.foldTasks(tasks, hashes, of, false, time.Now())
	if len(changed) == 0 {
		return
	}
	c := sources.Change{At: at}
	for id := range changed {
		c.TasksOf = append(c.TasksOf, id)
	}
	for i := range tasks {
		if changed[tasks[i].ServiceID] {
			c.Tasks = append(c.Tasks, tasks[i])
		}
	}
	w.emit(c)
}

// foldTasks updates the view with all tasks of the services named (nil: of all), and gives the services whose tasks
// differ. At first sight nothing counts as a change.
func (w *watch) foldTasks(tasks []sources.Task, hashes []uint64, of []string, first bool, now time.Time) map[string]bool {
	sums := map[string]uint64{}
	unsettled := map[string]bool{}
	for i := range tasks {
		id := tasks[i].ServiceID
		sums[id] += hashes[i] | 1
		if isUnsettled(&tasks[i]) {
			unsettled[id] = true
		}
	}
	changed := map[string]bool{}
	fold := func(id string, s *watched) {
		s.unsettled = unsettled[id]
		if s.tasks == sums[id] {
			return
		}
		s.tasks = sums[id]
		changed[id] = true
		if !first {
			s.active = now
		}
	}
	if of != nil {
		for _, id := range of {
			if s := w.view.services[id]; s != nil {
				fold(id, s)
			}
		}
		return changed
	}
	for id, s := range w.view.services {
		fold(id, s)
	}
	return changed
}

// readDirty reads exactly what the events since the last read have named.
func (w *watch) readDirty() func(context.Context) (func(), error) {
	d := w.dirty
	w.dirty = dirty{}
	ids := make([]string, 0, len(d.services))
	for id := range d.services {
		ids = append(ids, id)
	}
	return func(ctx context.Context) (func(), error) {
		var applies []func()
		if len(ids) > 0 {
			apply, err := w.readServices(ctx, ids)
			if err != nil {
				return nil, err
			}
			applies = append(applies, apply)
		}
		lists, err := w.readLists(ctx, d.types)
		if err != nil {
			return nil, err
		}
		return func() {
			for _, apply := range append(applies, lists...) {
				apply()
			}
		}, nil
	}
}

// readServices reads services with all their tasks. What is asked for and not there has been removed.
func (w *watch) readServices(ctx context.Context, ids []string) (func(), error) {
	at := time.Now()
	ask := ids
	if len(ids) > fewServices {
		ask = nil
	}
	for try := 0; ; try++ {
		found, err := w.c.services(ctx, &w.mem.services, ask)
		if err != nil {
			return nil, err
		}
		services, here, gone := pick(found, ids)
		var tasks []sources.Task
		var hashes []uint64
		if len(here) > 0 && !w.view.noTasks {
			askTasks := here
			if ask == nil {
				askTasks = nil
			}
			tasks, hashes, err = w.c.tasks(ctx, &w.mem.tasks, askTasks)
			if sources.KindOf(err) == sources.NotFound && try < 3 { // removed between the two calls
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		return func() { w.applyServices(at, services, gone, tasks, hashes, here) }, nil
	}
}

// pick keeps what was asked for: an id filter matches by prefix, and a whole list has all.
func pick(found []sources.Service, ids []string) (services []sources.Service, here, gone []string) {
	by := make(map[string]*sources.Service, len(found))
	for i := range found {
		by[found[i].ID] = &found[i]
	}
	for _, id := range ids {
		if s := by[id]; s != nil {
			services, here = append(services, *s), append(here, id)
		} else {
			gone = append(gone, id)
		}
	}
	return services, here, gone
}

func (w *watch) applyServices(at time.Time, services []sources.Service, gone []string, tasks []sources.Task, hashes []uint64, here []string) {
	for i := range services {
		w.view.get(services[i].ID).updating = isUpdating(&services[i])
	}
	for _, id := range gone {
		delete(w.view.services, id)
	}
	if len(services)+len(gone) > 0 {
		w.emit(sources.Change{At: at, Services: services, Removed: gone})
	}
	if len(here) > 0 && !w.view.noTasks {
		w.emitTasks(at, tasks, hashes, here)
	}
}

// readLists reads the small lists that events have named.
func (w *watch) readLists(ctx context.Context, types map[events.Type]bool) ([]func(), error) {
	var applies []func()
	at := time.Now()
	emit := func(c sources.Change, err error) error {
		if err == nil {
			c.At = at
			applies = append(applies, func() { w.emit(c) })
		} else if refusedFor(err) { // said in the status already
			return nil
		}
		return err
	}
	reads := map[events.Type]func() error{
		events.NodeEventType: func() error { n, err := w.c.nodes(ctx, &w.mem.nodes); return emit(sources.Change{Nodes: n}, err) },
		events.NetworkEventType: func() error {
			n, err := w.c.networks(ctx, &w.mem.networks)
			return emit(sources.Change{Networks: n}, err)
		},
		events.SecretEventType: func() error { s, err := w.c.secrets(ctx, &w.mem.secrets); return emit(sources.Change{Secrets: s}, err) },
		events.ConfigEventType: func() error { s, err := w.c.configs(ctx, &w.mem.configs); return emit(sources.Change{Configs: s}, err) },
	}
	for t := range types {
		if read := reads[t]; read != nil {
			if err := read(); err != nil {
				return nil, err
			}
		}
	}
	return applies, nil
}
