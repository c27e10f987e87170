package swarm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// fakeEngine answers as an engine of API 1.41 does, and fails on command. For what a whole swarm does, see the demo and the lab.
type fakeEngine struct {
	*httptest.Server
	mu       sync.Mutex
	services []swarm.Service
	tasks    []swarm.Task
	streams  []chan events.Message
	ring     []events.Message
	asked    map[string]int
	// override takes a path over; it tells whether it has answered.
	override func(w http.ResponseWriter, r *http.Request, path string) bool
}

func newFake(t testing.TB) *fakeEngine {
	f := &fakeEngine{asked: map[string]int{}}
	f.put("web", 2)
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *fakeEngine) host() string { return "tcp://" + f.Listener.Addr().String() }

func (f *fakeEngine) client(t testing.TB, o sut.Options) *sut.Client {
	t.Helper()
	o.Host = f.host()
	c, err := sut.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// put makes or changes a service with running tasks.
func (f *fakeEngine) put(name string, replicas uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := swarm.Service{ID: "id-" + name}
	s.Spec.Name = name
	s.Spec.Labels = map[string]string{"com.docker.stack.namespace": "shop"}
	s.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	s.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "img:1@sha256:abc", Env: []string{"PASSWORD=hunter2", "PLAIN"}}
	s.Spec.TaskTemplate.Runtime = swarm.RuntimeContainer
	s.Version.Index = uint64(len(f.ring) + 1)
	f.drop(name)
	f.services = append(f.services, s)
	for i := range replicas {
		task := swarm.Task{ID: fmt.Sprintf("task-%s-%d", name, i+1), ServiceID: s.ID, Slot: int(i + 1), NodeID: "n1", Spec: s.Spec.TaskTemplate, DesiredState: "running"}
		task.Spec.Runtime = ""
		task.Status.State = "running"
		f.tasks = append(f.tasks, task)
	}
}

func (f *fakeEngine) drop(name string) {
	keep := f.services[:0:0]
	for _, s := range f.services {
		if s.Spec.Name != name {
			keep = append(keep, s)
		}
	}
	tasks := f.tasks[:0:0]
	for _, t := range f.tasks {
		if t.ServiceID != "id-"+name {
			tasks = append(tasks, t)
		}
	}
	f.services, f.tasks = keep, tasks
}

// say sends an event to all who listen, and keeps it for those who ask since.
func (f *fakeEngine) say(kind, action, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := events.Message{Type: events.Type(kind), Action: events.Action(action), Scope: "swarm", TimeNano: time.Now().UnixNano(),
		Actor: events.Actor{ID: "id-" + name, Attributes: map[string]string{"name": name}}}
	f.ring = append(f.ring, m)
	for _, s := range f.streams {
		s <- m
	}
}

func (f *fakeEngine) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

func (f *fakeEngine) setOverride(o func(http.ResponseWriter, *http.Request, string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.override = o
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	f.mu.Lock()
	f.asked[path]++
	o := f.override
	f.mu.Unlock()
	if o != nil && o(w, r, path) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	f.mu.Lock()
	services, tasks := f.services, f.tasks
	f.mu.Unlock()
	switch path {
	case "/_ping":
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "OK")
	case "/info":
		fmt.Fprint(w, `{"ServerVersion":"20.10.24","Name":"node1","Swarm":{"NodeID":"n1","ControlAvailable":true,"LocalNodeState":"active","Cluster":{"ID":"c1"}}}`)
	case "/services":
		_ = json.NewEncoder(w).Encode(services)
	case "/tasks":
		_ = json.NewEncoder(w).Encode(tasks)
	case "/nodes":
		fmt.Fprint(w, `[{"ID":"n1","Spec":{"Role":"manager","Availability":"active"},"Description":{"Hostname":"node1"},"Status":{"State":"ready","Addr":"0.0.0.0"},"ManagerStatus":{"Leader":true,"Addr":"10.0.0.1:2377"}}]`)
	case "/networks":
		fmt.Fprint(w, `[{"Id":"net1","Name":"shop_default","Scope":"swarm","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.0.1.0/24"}]}}]`)
	case "/secrets":
		fmt.Fprint(w, `null`)
	case "/configs":
		fmt.Fprint(w, `[{"ID":"c1","Spec":{"Name":"conf","Data":"aHVudGVyMg=="}}]`)
	case "/events":
		f.serveEvents(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"page not found"}`)
	}
}

func (f *fakeEngine) serveEvents(w http.ResponseWriter, r *http.Request) {
	ch := make(chan events.Message, 256)
	f.mu.Lock()
	if r.URL.Query().Get("since") != "" {
		for _, m := range f.ring {
			ch <- m
		}
	}
	f.streams = append(f.streams, ch)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.streams {
			if f.streams[i] == ch {
				f.streams = append(f.streams[:i:i], f.streams[i+1:]...)
				break
			}
		}
	}()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	if r.URL.Query().Get("until") != "" {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-ch:
			if json.NewEncoder(w).Encode(m) != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}

// watcher runs a Watch and keeps what it says; its wait functions wait for the thing itself.
type watcher struct {
	mu   sync.Mutex
	all  []sources.Change
	news chan struct{}
}

func watchIt(t testing.TB, c *sut.Client) *watcher {
	t.Helper()
	w := &watcher{news: make(chan struct{}, 1)}
	ctx, cancel := newContext(t)
	done := make(chan error, 1)
	go func() {
		done <- c.Watch(ctx, func(ch sources.Change) {
			w.mu.Lock()
			w.all = append(w.all, ch)
			w.mu.Unlock()
			select {
			case w.news <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err == nil || sources.KindOf(err) != 0 {
			t.Errorf("Watch returned %v, want the context's error", err)
		}
	})
	return w
}

// until waits for a change that ok takes, from the index given on, and returns the index after it.
func (w *watcher) until(t testing.TB, from int, what string, ok func(sources.Change) bool) int {
	t.Helper()
	deadline := time.After(waitLimit)
	for i := from; ; {
		w.mu.Lock()
		for ; i < len(w.all); i++ {
			if ok(w.all[i]) {
				w.mu.Unlock()
				return i + 1
			}
		}
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-deadline:
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, c := range w.all {
				t.Logf("  %s", describe(c))
			}
			t.Fatalf("waited %s for: %s", waitLimit, what)
		}
	}
}

func describe(c sources.Change) string {
	switch {
	case c.World != nil:
		return fmt.Sprintf("world: %d services, %d tasks", len(c.World.Services), len(c.World.Tasks))
	case c.Event != nil:
		return fmt.Sprintf("event: %s %s %s", c.Event.Type, c.Event.Action, c.Event.Name)
	case c.Status != nil:
		return fmt.Sprintf("status: %s %s", c.Status.State, c.Status.Detail)
	}
	return fmt.Sprintf("change: %d services, removed %v, %d tasks of %v", len(c.Services), c.Removed, len(c.Tasks), c.TasksOf)
}

func isWorld(c sources.Change) bool { return c.World != nil }

func inState(s sources.State) func(sources.Change) bool {
	return func(c sources.Change) bool { return c.Status != nil && c.Status.State == s }
}
