package swarm_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

func TestListConverts(t *testing.T) {
	w, err := newFake(t).client(t, sut.Options{}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := w.Services[0]
	if s.Name != "web" || s.Stack != "shop" || s.Desired != 2 || s.Image != "img:1" || s.Digest != "sha256:abc" || s.Mode != sources.Replicated {
		t.Errorf("service %+v", s)
	}
	if fmt.Sprint(s.EnvNames) != "[PASSWORD PLAIN]" {
		t.Errorf("env names %v", s.EnvNames)
	}
	if strings.Contains(fmt.Sprintf("%+v", w), "hunter2") || strings.Contains(fmt.Sprintf("%+v", w), "aHVudGVyMg") {
		t.Error("a secret value came through")
	}
	if len(w.Tasks) != 2 || w.Tasks[0].Generation != s.Generation || s.Generation == "" {
		t.Errorf("tasks %+v of generation %s", w.Tasks, s.Generation)
	}
	if w.Nodes[0].Addr != "10.0.0.1" || w.Networks[0].Subnets[0] != "10.0.1.0/24" {
		t.Errorf("node %+v, network %+v", w.Nodes[0], w.Networks[0])
	}
	if w.Secrets == nil || len(w.Secrets) != 0 || len(w.Missing) != 0 {
		t.Errorf("secrets %v, missing %v", w.Secrets, w.Missing)
	}
	if w.Engine.API != "1.41" || w.Engine.ClusterID != "c1" || !w.Engine.Manager {
		t.Errorf("engine %+v", w.Engine)
	}
}

func TestListGoesOnWithoutWhatIsForbidden(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
		return (path == "/secrets" || path == "/info" || path == "/tasks") && always(403, "text/html", "<html>Forbidden</html>")(w, r, path)
	})
	c := f.client(t, sut.Options{})
	w, err := c.List(t.Context())
	if err != nil || fmt.Sprint(w.Missing) != "[tasks secrets]" || w.Tasks != nil || len(w.Services) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	p := c.Probe(t.Context())
	if p.State != sources.Live || fmt.Sprint(p.Missing) != "[info tasks secrets]" || !strings.Contains(p.Fix, "secrets") {
		t.Errorf("probe %+v", p)
	}
	watch := watchIt(t, c)
	watch.until(t, 0, "LIVE that names what is missing", func(c sources.Change) bool {
		return inState(sources.Live)(c) && strings.Contains(c.Status.Detail, "tasks, secrets")
	})
}

func TestWatchReadsWhatAnEventNames(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := watchIt(t, f.client(t, sut.Options{}))
	i := w.until(t, 0, "a world", isWorld)
	i = w.until(t, i, "LIVE", inState(sources.Live))
	f.put("api", 3)
	f.say("service", "create", "api")
	w.until(t, i, "the event", func(c sources.Change) bool {
		return c.Event != nil && c.Event.Name == "api" && c.Event.Action == "create"
	})
	w.until(t, i, "the service", func(c sources.Change) bool {
		return len(c.Services) == 1 && c.Services[0].Name == "api" && c.Services[0].Desired == 3
	})
	i = w.until(t, i, "its tasks", func(c sources.Change) bool { return len(c.Tasks) == 3 && c.TasksOf[0] == "id-api" })
	f.mu.Lock()
	f.drop("api")
	f.mu.Unlock()
	f.say("service", "remove", "api")
	w.until(t, i, "its removal", func(c sources.Change) bool { return len(c.Removed) == 1 && c.Removed[0] == "id-api" })
}

func TestWatchSeesTasksThatHaveNoEvents(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := watchIt(t, f.client(t, sut.Options{}))
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	f.mu.Lock()
	f.tasks[0].Status.State, f.tasks[0].Status.Err, f.tasks[0].DesiredState = "failed", "task: non-zero exit (1)", "shutdown"
	f.mu.Unlock()
	w.until(t, i, "the crash, without an event", func(c sources.Change) bool {
		return len(c.TasksOf) == 1 && len(c.Tasks) == 2 && c.Tasks[0].State == sources.TaskFailed && c.Tasks[0].Err != ""
	})
}

func TestReconnectLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := watchIt(t, f.client(t, sut.Options{}))
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	f.say("service", "update", "web")
	i = w.until(t, i, "the first event", func(c sources.Change) bool { return c.Event != nil })
	var down atomic.Bool
	down.Store(true)
	f.setOverride(func(w http.ResponseWriter, r *http.Request, p string) bool {
		return down.Load() && always(503, "text/plain", "restarting")(w, r, p)
	})
	f.CloseClientConnections()
	i = w.until(t, i, "RECONNECTING", inState(sources.Reconnecting))
	f.put("api", 1) // while nobody listens
	f.say("service", "create", "api")
	down.Store(false)
	w.until(t, i, "a world with it", func(c sources.Change) bool { return isWorld(c) && len(c.World.Services) == 2 })
	w.until(t, i, "LIVE again", inState(sources.Live))
	w.until(t, i, "the event of the time between", func(c sources.Change) bool { return c.Event != nil && c.Event.Action == "create" })
	f.say("service", "update", "api")
	w.until(t, i, "events go on", func(c sources.Change) bool {
		return c.Event != nil && c.Event.Action == "update" && c.Event.Name == "api"
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[string]int{}
	for _, c := range w.all {
		if c.Event != nil {
			count[c.Event.Name+" "+c.Event.Action]++
		}
	}
	for what, n := range count {
		if n != 1 {
			t.Errorf("event %q told %d times", what, n)
		}
	}
}

func TestForbiddenEventsArePolled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.setOverride(at("/events", always(403, "text/html", "<html>Forbidden</html>")))
	c := f.client(t, sut.Options{Poll: 20 * time.Millisecond})
	if p := c.Probe(t.Context()); p.State != sources.Polling || fmt.Sprint(p.Missing) != "[events]" {
		t.Errorf("probe %+v", p)
	}
	w := watchIt(t, c)
	i := w.until(t, 0, "POLLING and why", func(c sources.Change) bool { return inState(sources.Polling)(c) && c.Status.Detail != "" })
	f.put("api", 1)
	// The lists of one world are read side by side, so the first world with the service may be without its task: the next brings it.
	i = w.until(t, i, "the new service with its task", func(c sources.Change) bool {
		return isWorld(c) && len(c.World.Services) == 2 && len(c.World.Tasks) == 3
	})
	tries := f.count("/events")
	for f.count("/events") < tries+2 { // that try is refused too
		time.Sleep(5 * time.Millisecond)
	}
	n := f.count("/services")
	for f.count("/services") < n+3 { // several listings that bring nothing new
		time.Sleep(5 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all[i:] {
		if c.World != nil {
			t.Error("an unchanged world was told again")
		}
	}
}

func TestEventsThatAreAllowedLaterAreTaken(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var forbidden atomic.Bool
	forbidden.Store(true)
	f.setOverride(at("/events", func(w http.ResponseWriter, r *http.Request, p string) bool {
		return forbidden.Load() && always(403, "text/html", "<html>Forbidden</html>")(w, r, p)
	}))
	w := watchIt(t, f.client(t, sut.Options{Poll: 20 * time.Millisecond}))
	i := w.until(t, 0, "POLLING", inState(sources.Polling))
	forbidden.Store(false)
	i = w.until(t, i, "LIVE", inState(sources.Live))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all[:i] {
		if inState(sources.Reconnecting)(c) {
			t.Error("the change-over was shown as a failure")
		}
	}
}

func TestStoppedEngineIsStaleThenReconnecting(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var stopped atomic.Bool
	f.setOverride(func(_ http.ResponseWriter, r *http.Request, p string) bool {
		if stopped.Load() && p != "/events" { // the stream stays open and silent, as with SIGSTOP
			<-r.Context().Done()
			return true
		}
		return false
	})
	w := watchIt(t, f.client(t, sut.Options{Timeout: 4 * time.Second}))
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	f.put("web", 3)
	stopped.Store(true)
	i = w.until(t, i, "STALE", inState(sources.Stale))
	i = w.until(t, i, "RECONNECTING", inState(sources.Reconnecting))
	stopped.Store(false)
	w.until(t, i, "the world as it is now", func(c sources.Change) bool { return isWorld(c) && len(c.World.Tasks) == 3 })
	w.until(t, i, "LIVE", inState(sources.Live))
}

func TestGarbageIsSaidAndRetried(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var bad atomic.Bool
	bad.Store(true)
	f.setOverride(at("/tasks", func(w http.ResponseWriter, r *http.Request, p string) bool {
		return bad.Load() && always(200, "application/json", `[{"ID":"x"},{"ID"`)(w, r, p)
	}))
	w := watchIt(t, f.client(t, sut.Options{}))
	i := w.until(t, 0, "BAD ANSWER", inState(sources.Faulty))
	bad.Store(false)
	w.until(t, i, "LIVE", inState(sources.Live))
}

func TestGarbageInTheEventStream(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{"no json": "hello\n", "endless": strings.Repeat("[", 3<<20)} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			var bad atomic.Bool
			bad.Store(true)
			f.setOverride(at("/events", func(w http.ResponseWriter, r *http.Request, p string) bool {
				return bad.Swap(false) && always(200, "application/json", garbage)(w, r, p)
			}))
			w := watchIt(t, f.client(t, sut.Options{}))
			i := w.until(t, 0, "BAD ANSWER", inState(sources.Faulty))
			w.until(t, i, "LIVE", inState(sources.Live))
		})
	}
}

func TestNotAManagerIsFORBIDDENWithAWayOut(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.setOverride(at("/info", always(200, "application/json", `{"Swarm":{"LocalNodeState":"active","RemoteManagers":[{"Addr":"10.0.0.7:2377"}]}}`)))
	w := watchIt(t, f.client(t, sut.Options{}))
	w.until(t, 0, "FORBIDDEN with the managers", func(c sources.Change) bool {
		return inState(sources.Denied)(c) && strings.Contains(c.Status.Detail, "10.0.0.7")
	})
}

func TestAtRestNothingIsDecodedAndNothingToldTwice(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	w := watchIt(t, f.client(t, sut.Options{Poll: 50 * time.Millisecond}))
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	for f.count("/tasks") < 10 {
		time.Sleep(5 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all[i:] {
		if c.Status == nil {
			t.Errorf("news at rest: %s", describe(c))
		}
	}
}
