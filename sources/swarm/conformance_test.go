package swarm_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// platform is a swarm that the suite runs against: the demo, or the real lab. Its service runs two replicas, writes log
// lines all the time, and is the suite's own.
type platform struct {
	host    string
	second  string // another manager's; "": there is none
	service string
	size    int                              // its replicas
	scale   func(t *testing.T, replicas int) // nil: the platform has no such thing
	update  func(t *testing.T)               // a new task template that works, another one each time
	crash   func(t *testing.T)               // tasks end with an error
	mend    func(t *testing.T)               // and no more; may be nil
	talk    func(t *testing.T)               // makes it write some lines now; nil: it writes enough by itself
	remove  func(t *testing.T)               // for good: the suite ends with it; nil: the platform has no such thing
}

// testConformance is what every swarm must do for the console. The cases share one platform and run in order; or, where one
// costs nothing, each has its own, and all run at the same time.
func testConformance(t *testing.T, start func(t *testing.T) platform, shared bool) {
	cases := []struct {
		name string
		run  func(*testing.T, platform)
	}{
		{"list", testList},
		{"probe", testProbe},
		{"watch sees changes and a crash", testChanges},
		{"a cut connection loses nothing", testCut},
		{"forbidden events are polled", testForbiddenEvents},
		{"log lines once and in order", testLogLines},
		{"followed lines once, through cuts", testFollow},
		{"watch sees a removal", testRemoval},
	}
	var one platform
	if shared {
		one = start(t)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := one
			if !shared {
				t.Parallel()
				p = start(t)
			}
			c.run(t, p)
		})
	}
}

func connect(t *testing.T, host string) *sut.Client {
	t.Helper()
	c, err := sut.New(sut.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// model folds changes as a reader does, without taking anything from the fleet.
type model struct {
	services map[string]sources.Service
	tasks    map[string][]sources.Task
}

func (w *watcher) model() model {
	m := model{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.all {
		if c.World != nil {
			m = model{map[string]sources.Service{}, map[string][]sources.Task{}}
			for _, s := range c.World.Services {
				m.services[s.ID] = s
			}
			for _, x := range c.World.Tasks {
				m.tasks[x.ServiceID] = append(m.tasks[x.ServiceID], x)
			}
		}
		for _, s := range c.Services {
			m.services[s.ID] = s
		}
		for _, id := range c.Removed {
			delete(m.services, id)
		}
		for _, id := range c.TasksOf {
			m.tasks[id] = nil
		}
		for _, x := range c.Tasks {
			m.tasks[x.ServiceID] = append(m.tasks[x.ServiceID], x)
		}
	}
	return m
}

func (m model) named(name string) (sources.Service, bool) {
	for _, s := range m.services {
		if s.Name == name {
			return s, true
		}
	}
	return sources.Service{}, false
}

// current counts the running tasks of the service's own generation.
func (m model) current(name string) (running, desired int) {
	s, _ := m.named(name)
	for _, x := range m.tasks[s.ID] {
		if x.State == sources.TaskRunning && x.Desired == sources.TaskRunning && x.Generation == s.Generation {
			running++
		}
	}
	return running, s.Desired
}

// settle waits until what was folded is true.
func (w *watcher) settle(t *testing.T, what string, ok func(model) bool) {
	t.Helper()
	deadline := time.After(2 * waitLimit)
	for !ok(w.model()) {
		select {
		case <-w.news:
		case <-deadline:
			w.mu.Lock()
			for _, c := range w.all {
				t.Logf("  %s", describe(c))
			}
			w.mu.Unlock()
			t.Fatalf("never came to: %s", what)
		}
	}
}

func running(name string, n int) func(model) bool {
	return func(m model) bool {
		got, desired := m.current(name)
		return got == n && desired == n
	}
}

func testList(t *testing.T, p platform) {
	w, err := connect(t, p.host).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Missing) != 0 || len(w.Nodes) == 0 || w.Engine.Version == "" || !w.Engine.Manager || w.Networks == nil || w.Secrets == nil || w.Configs == nil {
		t.Errorf("world lacks something: %d nodes, engine %+v, missing %v", len(w.Nodes), w.Engine, w.Missing)
	}
	leaders := 0
	for _, n := range w.Nodes {
		if n.Leader {
			leaders++
		}
		if n.Name == "" || n.State == "" || n.NanoCPUs == 0 || n.Addr == "" {
			t.Errorf("node %+v", n)
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders", leaders)
	}
	for _, s := range w.Services {
		if s.Name == p.service && (s.Image == "" || s.Generation == "" || s.Desired != p.size || s.Created.IsZero() || s.Version == 0) {
			t.Errorf("service %+v", s)
		}
	}
}

func testProbe(t *testing.T, p platform) {
	c := connect(t, p.host)
	if got := c.Probe(t.Context()); got.State != sources.Live || len(got.Missing) != 0 || got.Version == "" {
		t.Errorf("%+v", got)
	}
	if got := sut.NewLogs(c).Probe(t.Context()); got.State != sources.Live || fmt.Sprint(got.Allows) != "[services logs]" {
		t.Errorf("%+v", got)
	}
}

// updated waits for the whole service at a generation that is none of before's.
func (w *watcher) updated(t *testing.T, p platform, before string) {
	t.Helper()
	w.settle(t, "all running of a new generation", func(m model) bool {
		s, _ := m.named(p.service)
		return s.Generation != before && running(p.service, p.size)(m)
	})
}

func (w *watcher) generation(p platform) string {
	s, _ := w.model().named(p.service)
	return s.Generation
}

func testChanges(t *testing.T, p platform) {
	w := watchIt(t, connect(t, p.host))
	w.settle(t, "all running", running(p.service, p.size))
	if p.scale != nil {
		p.scale(t, p.size+1)
		w.settle(t, "one more running", running(p.service, p.size+1))
		p.scale(t, p.size)
		w.settle(t, "one less running", running(p.service, p.size))
	}
	before := w.generation(p)
	p.update(t)
	w.updated(t, p, before)
	p.crash(t)
	w.settle(t, "a failed task with its error", func(m model) bool {
		s, _ := m.named(p.service)
		for _, x := range m.tasks[s.ID] {
			if x.State == sources.TaskFailed && x.Err != "" {
				return true
			}
		}
		return false
	})
	if p.mend != nil {
		p.mend(t)
	}
	w.settle(t, "all running again", running(p.service, p.size))
}

func testCut(t *testing.T, p platform) {
	line := newCutter(t, p.host)
	w := watchIt(t, connect(t, line.host()))
	i := w.until(t, 0, "LIVE", inState(sources.Live))
	before := w.generation(p)
	line.cut(true)
	i = w.until(t, i, "RECONNECTING", inState(sources.Reconnecting))
	p.update(t) // while nobody listens
	line.cut(false)
	w.until(t, i, "a world", isWorld)
	w.updated(t, p, before)
	w.until(t, i, "the update's event, told late", func(c sources.Change) bool {
		return c.Event != nil && c.Event.Type == "service" && c.Event.Name == p.service
	})
	before = w.generation(p)
	line.kick() // and once more, without a pause
	p.update(t)
	w.updated(t, p, before)
}

func testForbiddenEvents(t *testing.T, p platform) {
	w := watchIt(t, connect(t, withoutEvents(t, p.host)))
	w.until(t, 0, "POLLING", inState(sources.Polling))
	w.settle(t, "all running", running(p.service, p.size))
	before := w.generation(p)
	p.update(t)
	w.updated(t, p, before)
}

func testLogLines(t *testing.T, p platform) {
	l := sut.NewLogs(connect(t, p.host))
	if p.talk != nil {
		p.talk(t)
	}
	page, err := l.Query(t.Context(), sources.LogQuery{Services: []string{p.service}, Limit: 20})
	if err != nil || len(page.Entries) != 20 || !page.More {
		t.Fatalf("%d lines, more %v, gaps %v, %v", len(page.Entries), page.More, page.Gaps, err)
	}
	inOrder(t, page.Entries)
	e := page.Entries[0]
	if e.Stream.Service != p.service || e.Stream.Task == "" || e.Stream.Node == "" || e.Stream.Source != "docker" || e.Line == "" || strings.Contains(e.Line, "com.docker.swarm") {
		t.Errorf("entry %+v of %+v", e, e.Stream)
	}
	again, err := l.Query(t.Context(), sources.LogQuery{Services: []string{p.service}, Since: e.Time, Until: page.Entries[19].Time, Forward: true})
	if err != nil || len(again.Entries) < 15 || len(again.Entries) > 20 || again.Entries[0].Time.Before(e.Time) || !again.Entries[len(again.Entries)-1].Time.Before(page.Entries[19].Time) {
		t.Errorf("since and until: %d lines, %v", len(again.Entries), err)
	}
	if _, err := l.Query(t.Context(), sources.LogQuery{Services: []string{"no-such-service"}}); sources.KindOf(err) != sources.NotFound {
		t.Errorf("no such service: %v", err)
	}
}

func inOrder(t *testing.T, entries []sources.Entry) {
	t.Helper()
	for i := 1; i < len(entries); i++ {
		if entries[i].Time.Before(entries[i-1].Time) {
			t.Fatalf("line %d is older than the one before", i)
		}
	}
}

func testFollow(t *testing.T, p platform) {
	line := newCutter(t, p.host)
	l := sut.NewLogs(connect(t, line.host()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan []sources.Entry, 1024)
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(ctx, sources.LogQuery{Services: []string{p.service}}, func(b sources.LogBatch) { got <- b.Entries })
	}()
	var all []sources.Entry
	take := func(n int) {
		if p.talk != nil {
			p.talk(t)
		}
		for have := len(all); len(all) < have+n; {
			select {
			case b := <-got:
				all = append(all, b...)
			case <-time.After(waitLimit):
				t.Fatalf("only %d lines came", len(all))
			}
		}
	}
	for began := false; !began; { // a follow from now on begins when it begins
		if p.talk != nil {
			p.talk(t)
		}
		select {
		case b := <-got:
			all, began = append(all, b...), len(b) > 0
		case <-time.After(200 * time.Millisecond):
		}
	}
	for range 3 {
		line.kick()
		take(20)
	}
	cancel()
	if err := <-done; err == nil || sources.KindOf(err) != 0 {
		t.Errorf("Follow returned %v", err)
	}
	from, to := all[0].Time.Add(100*time.Millisecond), all[len(all)-1].Time.Add(-2*time.Second)
	truth, err := sut.NewLogs(connect(t, p.host)).Query(t.Context(), sources.LogQuery{Services: []string{p.service}, Since: from, Until: to, Forward: true, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range truth.Entries {
		count[key(e)]++
	}
	for _, e := range all {
		if !e.Time.Before(from) && e.Time.Before(to) {
			count[key(e)]--
		}
	}
	for k, n := range count {
		if n != 0 {
			t.Errorf("%q: followed %+d times what was written", k, -n)
		}
	}
	t.Logf("%d lines followed, %d compared", len(all), len(truth.Entries))
}

func key(e sources.Entry) string {
	return e.Time.Format(time.RFC3339Nano) + " " + e.Stream.Task + " " + e.Line
}

func testRemoval(t *testing.T, p platform) {
	if p.remove == nil {
		t.Skip("the platform's services are for good")
	}
	w := watchIt(t, connect(t, p.host))
	w.settle(t, "the service", func(m model) bool { _, ok := m.named(p.service); return ok })
	p.remove(t)
	w.settle(t, "no service", func(m model) bool { _, ok := m.named(p.service); return !ok })
}

// cutter is a wire that can be cut: toxiproxy has no unix sockets.
type cutter struct {
	l      net.Listener
	target string
	mu     sync.Mutex
	down   bool
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, target: target, conns: map[net.Conn]bool{}}
	c.wg.Go(c.serve)
	t.Cleanup(func() {
		_ = l.Close()
		c.kick()
		c.wg.Wait()
	})
	return c
}

func (c *cutter) host() string { return "tcp://" + c.l.Addr().String() }

func dialHost(host string) (net.Conn, error) {
	scheme, addr, _ := strings.Cut(host, "://")
	return net.Dial(scheme, strings.TrimSuffix(addr, "/"))
}

func (c *cutter) serve() {
	for {
		in, err := c.l.Accept()
		if err != nil {
			return
		}
		out, err := dialHost(c.target)
		if err != nil || !c.keep(in, out) {
			_ = in.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			c.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
				_ = pair[1].Close()
			})
		}
	}
}

func (c *cutter) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range conns {
		if c.down {
			_ = x.Close()
		} else {
			c.conns[x] = true
		}
	}
	return !c.down
}

// cut ends all connections, and lets none through until it is mended.
func (c *cutter) cut(down bool) {
	c.mu.Lock()
	c.down = down
	c.mu.Unlock()
	if down {
		c.kick()
	}
}

// kick ends all connections that there are.
func (c *cutter) kick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := range c.conns {
		_ = x.Close()
	}
	clear(c.conns)
}

// withoutEvents is a proxy as people put before an engine: /events is not among what it lets through.
func withoutEvents(t *testing.T, target string) string {
	t.Helper()
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dialHost(target) }}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = tr
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") || r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<html><body><h1>403 Forbidden</h1></body></html>")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		tr.CloseIdleConnections()
	})
	return "tcp://" + s.Listener.Addr().String()
}
