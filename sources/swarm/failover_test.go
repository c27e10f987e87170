package swarm_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// fakePair is a client of two engines of one swarm.
func fakePair(t *testing.T, o sut.Options) (c *sut.Client, first, second *fakeEngine) {
	t.Helper()
	first, second = newFake(t), newFake(t)
	o.Hosts = []string{second.host()}
	return first.client(t, o), first, second
}

// all counts what an engine was asked.
func (f *fakeEngine) all() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.asked {
		n += k
	}
	return n
}

// hang answers nothing but what keep names.
func hang(keep ...string) func(http.ResponseWriter, *http.Request, string) bool {
	return func(_ http.ResponseWriter, r *http.Request, path string) bool {
		for _, k := range keep {
			if path == k {
				return false
			}
		}
		<-r.Context().Done()
		return true
	}
}

func TestWhichFailuresAskTheNextManager(t *testing.T) {
	noQuorum := `{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."}`
	worker := `{"Swarm":{"LocalNodeState":"active","ControlAvailable":false}}`
	cases := []struct {
		name     string
		override func(http.ResponseWriter, *http.Request, string) bool
		moves    bool
	}{
		{"a worker", at("/info", always(200, "application/json", worker)), true},
		{"locked", at("/info", always(200, "application/json", `{"Swarm":{"LocalNodeState":"locked"}}`)), true},
		{"no leader", at("/services", always(500, "application/json", noQuorum)), true},
		{"starting", always(503, "text/plain", "starting"), true},
		{"a worker, said by the list only", at("/services", always(503, "application/json", `{"message":"This node is not a swarm manager."}`)), true},
		{"silent", hang(), true},
		{"silent on a list", hang("/_ping", "/info"), true},
		{"a proxy's no", always(403, "text/html", "<html>403 Forbidden</html>"), false},
		{"a web server", always(200, "text/html", "<html>hello</html>"), false},
		{"an engine's own error", at("/services", always(500, "application/json", `{"message":"boom"}`)), false},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c, first, second := fakePair(t, sut.Options{Timeout: time.Second})
			first.setOverride(x.override)
			_, err := c.List(t.Context())
			if x.moves && (err != nil || c.Address() != second.host()) {
				t.Errorf("through %s: %v", c.Address(), err)
			}
			if !x.moves && (err == nil || c.Address() != first.host() || second.all() != 0) {
				t.Errorf("through %s, the second was asked %d times: %v", c.Address(), second.all(), err)
			}
		})
	}
}

func TestNoManagerCanBeAsked(t *testing.T) {
	c, first, second := fakePair(t, sut.Options{})
	for _, f := range []*fakeEngine{first, second} {
		f.setOverride(at("/services", always(500, "application/json", `{"message":"The swarm does not have a leader."}`)))
	}
	_, err := c.List(t.Context())
	if sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "none of 2 managers") || !strings.Contains(sources.NextOf(err), "quorum") {
		t.Errorf("got %v", err)
	}
	if a, b := first.count("/services"), second.count("/services"); a+b > 3 {
		t.Errorf("asked %d and %d times", a, b)
	}
}

// TestHungManagerIsLeft: the connections stay, and nothing is answered any more.
func TestHungManagerIsLeft(t *testing.T) {
	t.Parallel()
	c, first, second := fakePair(t, sut.Options{Poll: 200 * time.Millisecond})
	w := watchIt(t, c)
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	first.setOverride(hang())
	i = w.until(t, i, "LIVE through the second", func(ch sources.Change) bool {
		return ch.Status != nil && ch.Status.State == sources.Live && ch.Status.Address == second.host() &&
			strings.Contains(ch.Status.Detail, "through node1's "+second.host()+", because "+first.host()+" is unreachable (no answer for ")
	})
	second.put("late", 1)
	second.say("service", "create", "late")
	w.until(t, i, "an event of the second's stream", func(ch sources.Change) bool { return ch.Event != nil && ch.Event.Name == "late" })
}

// TestWatchLeavesAWorker: an engine that was demoted keeps its event stream, and says nothing on it.
func TestWatchLeavesAWorker(t *testing.T) {
	t.Parallel()
	c, first, second := fakePair(t, sut.Options{Poll: 100 * time.Millisecond})
	w := watchIt(t, c)
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	first.setOverride(at("/services", always(503, "application/json", `{"message":"This node is not a swarm manager."}`)))
	i = w.until(t, i, "LIVE through the second", func(ch sources.Change) bool {
		return ch.Status != nil && ch.Status.State == sources.Live && ch.Status.Address == second.host()
	})
	second.say("service", "update", "web")
	w.until(t, i, "an event of the second's stream", func(ch sources.Change) bool { return ch.Event != nil && ch.Event.Name == "web" })
	if n := len(first.listening()); n != 0 {
		t.Errorf("%d streams of the first are still open", n)
	}
}

func (f *fakeEngine) listening() []int {
	deadline := time.Now().Add(waitLimit)
	for {
		f.mu.Lock()
		n := len(f.streams)
		f.mu.Unlock()
		if n == 0 || time.Now().After(deadline) {
			return make([]int, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPollingMovesToo(t *testing.T) {
	t.Parallel()
	c, first, second := fakePair(t, sut.Options{Poll: 100 * time.Millisecond})
	noEvents := at("/events", always(403, "text/html", "<html>no</html>"))
	first.setOverride(noEvents)
	second.setOverride(noEvents)
	w := watchIt(t, c)
	i := w.until(t, 0, "POLLING", inState(sources.Polling))
	first.setOverride(always(503, "text/plain", "stopping"))
	w.until(t, i, "POLLING through the second", func(ch sources.Change) bool {
		return ch.Status != nil && ch.Status.State == sources.Polling && ch.Status.Address == second.host() && strings.Contains(ch.Status.Detail, "through node1's "+second.host())
	})
}

// servesChanges lets a fake take service updates, and counts them.
func (f *fakeEngine) servesChanges(posts *atomic.Int64, answer http.HandlerFunc) {
	f.setOverride(func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method != http.MethodPost {
			return false
		}
		posts.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // before that the server does not notice that a client has gone
		answer(w, r)
		return true
	})
}

func TestChangesAreNeverMadeTwice(t *testing.T) {
	fine := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Warnings":["mind the gap"]}`) }
	says := func(status int, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			always(status, "application/json", `{"message":"`+message+`"}`)(w, r, "")
		}
	}
	cases := []struct {
		name   string
		first  http.HandlerFunc
		kind   sources.Kind // 0: it is done
		second int64        // changes that the second is asked for
		open   bool         // the outcome is said to be unknown
	}{
		{"done", fine, 0, 0, false},
		{"cut before the answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, sources.Unreachable, 0, true},
		{"cut in the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"Warn`)
		}, sources.Unreachable, 0, true},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Warn`) }, sources.Unreachable, 0, true},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, sources.Unreachable, 0, true},
		{"bad gateway", says(502, "bad gateway"), sources.Unreachable, 0, true},
		{"the leader did not answer", says(500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"), sources.Unreachable, 0, true},
		{"an engine's own error", says(500, "boom"), sources.BadAnswer, 0, false},
		{"a conflict", says(500, "rpc error: code = Unknown desc = update out of sequence"), sources.Conflict, 0, false},
		{"a bad spec", says(400, "rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided"), sources.BadQuestion, 0, false},
		{"not a manager any more", says(503, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."), 0, 1, false},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c, first, second := fakePair(t, sut.Options{Timeout: time.Second})
			var a, b atomic.Int64
			first.servesChanges(&a, x.first)
			second.servesChanges(&b, fine)
			warnings, err := sut.NewHands(c, c).UpdateService(t.Context(), "id-web", 1, mustSpec(t, `{"Name":"web","TaskTemplate":{"ForceUpdate":1}}`))
			if sources.KindOf(err) != x.kind || (err == nil) != (x.kind == 0) {
				t.Errorf("want %s: %v", x.kind, err)
			}
			if err == nil && fmt.Sprint(warnings) != "[mind the gap]" {
				t.Errorf("warnings %q", warnings)
			}
			if a.Load() != 1 || b.Load() != x.second {
				t.Errorf("changed %d and %d times", a.Load(), b.Load())
			}
			if open := strings.Contains(sources.NextOf(err), "whether it was done is not known"); open != x.open {
				t.Errorf("says %q", sources.NextOf(err))
			}
		})
	}
}

func TestChangeThatWasNotSentGoesToTheNext(t *testing.T) {
	c, first, second := fakePair(t, sut.Options{})
	if _, err := c.List(t.Context()); err != nil { // the version is agreed, and a connection is kept
		t.Fatal(err)
	}
	first.CloseClientConnections()
	first.Close()
	if err := c.Close(); err != nil { // else the dead connection might still be taken for alive
		t.Fatal(err)
	}
	var posts atomic.Int64
	second.servesChanges(&posts, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	if _, err := sut.NewHands(c, c).UpdateService(t.Context(), "id-web", 1, mustSpec(t, `{"Name":"web"}`)); err != nil || posts.Load() != 1 {
		t.Errorf("%d changes, %v", posts.Load(), err)
	}
}

func TestHostsThatCannotBe(t *testing.T) {
	for _, o := range []sut.Options{{Host: "tcp://a:1", Hosts: []string{" "}}, {Host: "tcp://a:1,gopher://x"}, {Context: "nope", Hosts: []string{"tcp://a:1"}}} {
		if _, err := sut.New(o); sources.KindOf(err) != sources.NotConfigured || sources.NextOf(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	t.Setenv("DOCKER_HOST", "tcp://env:1")
	for want, o := range map[string]sut.Options{
		"tcp://env:1": {}, "tcp://a:1": {Hosts: []string{"tcp://a:1", "tcp://b:1"}}, "tcp://c:1": {Host: " tcp://c:1 ,tcp://d:1", Hosts: []string{"tcp://a:1"}},
	} {
		c, err := sut.New(o)
		if err != nil || c.Address() != want {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		_ = c.Close()
	}
}
