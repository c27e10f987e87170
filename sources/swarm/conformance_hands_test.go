package swarm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// registry names images that the platform's registry has, or has not.
type registry struct {
	good    string // with a tag
	missing string // a tag that it has not
	nowhere string // of a registry that cannot be reached
}

// testHands is what every swarm must do for the console's changes. The cases share one service, and leave it running.
func testHands(t *testing.T, p platform, r registry) {
	cases := []struct {
		name string
		run  func(*testing.T, platform)
	}{
		{"a whole spec is written back", testWriteBack},
		{"an old version is a conflict", testOldVersion},
		{"scale", testScale},
		{"resolve an image", func(t *testing.T, p platform) { testResolve(t, p, r) }},
		{"secrets", func(t *testing.T, p platform) { testMaterials(t, p, sources.Secret) }},
		{"a node", testNode},
		{"configs", func(t *testing.T, p platform) { testMaterials(t, p, sources.Config) }},
		{"reading and changing through two endpoints", testTwoEndpoints},
		{"a change whose answer is cut off", testCutAnswer},
		{"the endpoint in use dies between two calls", testFailoverCalls},
		{"the endpoint in use dies under a watch", testFailoverWatch},
		{"the endpoint in use dies under a follow", testFailoverFollow},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, p) })
	}
}

func handsOf(t *testing.T, host string) *sut.Hands {
	t.Helper()
	c := connect(t, host)
	return sut.NewHands(c, c)
}

func stateOf(t *testing.T, h *sut.Hands, name string) sources.ServiceState {
	t.Helper()
	s, err := h.ServiceState(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change writes what alter makes of the service's spec. The orchestrator itself moves the version on while it updates: so a conflict
// is tried again, with what is there now.
func change(t *testing.T, h *sut.Hands, name string, alter func(sources.Spec) sources.Spec) sources.ServiceState {
	t.Helper()
	deadline := time.Now().Add(waitLimit)
	for {
		s := stateOf(t, h, name)
		_, err := h.UpdateService(t.Context(), s.ID, s.Version, alter(s.Spec))
		if err == nil {
			return stateOf(t, h, name)
		}
		if sources.KindOf(err) != sources.Conflict || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// atRest waits until the service's update is over, and gives its state.
func atRest(t *testing.T, h *sut.Hands, name string) sources.ServiceState {
	t.Helper()
	deadline := time.Now().Add(2 * waitLimit)
	for {
		s := stateOf(t, h, name)
		if s.UpdateState != "updating" && s.UpdateState != "rollback_started" {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the update never ended: %s %s", s.UpdateState, s.UpdateMessage)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func testWriteBack(t *testing.T, p platform) {
	h := handsOf(t, p.host)
	before := atRest(t, h, p.service)
	if before.Spec.Name() != p.service || before.Spec.Image() == "" || before.Name != p.service || before.Version == 0 || before.Generation == "" {
		t.Fatalf("%+v", before)
	}
	if n, ok := before.Spec.Replicas(); !ok || int(n) != p.size {
		t.Errorf("%d replicas (%v), want %d", n, ok, p.size)
	}
	all, err := h.ServiceStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range all {
		if s.Spec.Name() != s.Name {
			t.Errorf("the spec of %s is of %q", s.Name, s.Spec.Name())
		}
		if s.ID == before.ID {
			found = true
			if s.Spec.Hash() != before.Spec.Hash() || s.Previous.Hash() != before.Previous.Hash() {
				t.Errorf("the list has another spec than the service itself:\n%s\n%s", s.Spec.JSON(), before.Spec.JSON())
			}
		}
	}
	if !found {
		t.Error("the service is not in the list")
	}
	after := change(t, h, p.service, sources.Spec.Forced)
	if got, want := string(after.Spec.JSON()), string(before.Spec.Forced().JSON()); got != want {
		t.Errorf("what was written back came back as\n%s\nand not as\n%s", got, want)
	}
	if got, want := string(after.Previous.JSON()), string(before.Spec.JSON()); got != want {
		t.Errorf("the spec before is\n%s\nand not\n%s", got, want)
	}
	if after.Version <= before.Version || after.Generation == before.Generation {
		t.Errorf("version %d after %d, generation %s after %s", after.Version, before.Version, after.Generation, before.Generation)
	}
	if byID := stateOf(t, h, before.ID); byID.Name != p.service {
		t.Errorf("by id: %s", byID.Name)
	}
	for _, name := range []string{"no-such-service", before.ID[:3]} {
		if _, err := h.ServiceState(t.Context(), name); sources.KindOf(err) != sources.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testOldVersion(t *testing.T, p platform) {
	h := handsOf(t, p.host)
	before := atRest(t, h, p.service)
	_, err := h.UpdateService(t.Context(), before.ID, before.Version-1, before.Spec.WithReplicas(9))
	if sources.KindOf(err) != sources.Conflict || sources.NextOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if after := stateOf(t, h, p.service); after.Spec.Hash() != before.Spec.Hash() { // the version may move: the orchestrator's own word on an update
		t.Errorf("a refused change has made of\n%s\nthis\n%s", before.Spec.JSON(), after.Spec.JSON())
	}
	if _, err := h.UpdateService(t.Context(), "no-such-service", 1, before.Spec); sources.KindOf(err) != sources.NotFound {
		t.Errorf("no such service: %v", err)
	}
	if _, err := h.UpdateService(t.Context(), before.ID, before.Version, sources.Spec{}); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("no spec: %v", err)
	}
}

func testScale(t *testing.T, p platform) {
	h := handsOf(t, p.host)
	w := watchIt(t, connect(t, p.host))
	w.settle(t, "all running", running(p.service, p.size))
	for _, n := range []int{p.size + 1, p.size} {
		change(t, h, p.service, func(s sources.Spec) sources.Spec { return s.WithReplicas(uint64(n)) })
		w.settle(t, fmt.Sprintf("%d running", n), running(p.service, n))
	}
}

// testNode pauses a node, which moves nothing, and lets it go on.
func testNode(t *testing.T, p platform) {
	h := handsOf(t, p.host)
	w, err := connect(t, p.host).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(w.Nodes, func(n sources.Node) bool { return !n.Leader && n.Availability == "active" })
	if at < 0 {
		t.Fatalf("no node to pause: %+v", w.Nodes)
	}
	one := w.Nodes[at]
	read := func() sources.NodeState {
		t.Helper()
		n, err := h.NodeState(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set := func(availability string) {
		t.Helper()
		for deadline := time.Now().Add(waitLimit); ; { // a manager moves the version on by itself
			n := read()
			err := h.UpdateNode(context.WithoutCancel(t.Context()), n.ID, n.Version, sources.NodeWant{Role: n.Role, Availability: availability})
			if err == nil {
				return
			}
			if sources.KindOf(err) != sources.Conflict || time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	before := read()
	if before.Name != one.Name || before.Version == 0 || before.Want() != (sources.NodeWant{Role: one.Role, Availability: "active"}) {
		t.Fatalf("%+v", before)
	}
	for ref, want := range map[string]sources.Kind{one.Name: 0, one.ID[:12]: 0, one.ID[:3]: sources.NotFound, "no-such-node": sources.NotFound} {
		if n, err := h.NodeState(t.Context(), ref); sources.KindOf(err) != want || want == 0 && n.ID != one.ID {
			t.Errorf("%s: %s %v", ref, n.ID, err)
		}
	}
	on, err := h.NodeTasks(t.Context(), one.ID)
	if err != nil || slices.ContainsFunc(on, func(x sources.Task) bool { return x.NodeID != one.ID }) {
		t.Errorf("its tasks: %+v %v", on, err)
	}
	for i := range w.Tasks {
		if x := &w.Tasks[i]; x.NodeID == one.ID && x.State == sources.TaskRunning && x.Since.Before(time.Now().Add(-time.Minute)) && !slices.ContainsFunc(on, func(y sources.Task) bool { return y.ID == x.ID }) {
			t.Errorf("task %s runs on it and is not among its tasks", x.ID)
		}
	}
	defer set("active")
	set("pause")
	after := read()
	if after.Availability != "pause" || after.Role != before.Role || after.Version <= before.Version || !maps.Equal(after.Labels, before.Labels) {
		t.Errorf("it was %+v, it is %+v", before, after)
	}
	err = h.UpdateNode(t.Context(), one.ID, before.Version, sources.NodeWant{Role: before.Role, Availability: "drain"})
	if sources.KindOf(err) != sources.Conflict || sources.NextOf(err) == "" || read().Availability != "pause" {
		t.Errorf("an old version: %v", err)
	}
	if err := h.UpdateNode(t.Context(), one.ID, read().Version, sources.NodeWant{Role: before.Role, Availability: "away"}); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("no availability at all: %v", err)
	}
	label := func(value *string) {
		t.Helper()
		for deadline := time.Now().Add(waitLimit); ; {
			err := h.LabelNode(context.WithoutCancel(t.Context()), one.ID, read().Version, "qd.conformance", value)
			if err == nil {
				return
			}
			if sources.KindOf(err) != sources.Conflict || time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	defer label(nil)
	value := "=1, and \"more\""
	label(&value)
	labelled := read()
	wanted := maps.Clone(before.Labels)
	if wanted == nil {
		wanted = map[string]string{}
	}
	if wanted["qd.conformance"] = value; !maps.Equal(labelled.Labels, wanted) || labelled.Availability != "pause" {
		t.Errorf("labelled: %+v", labelled)
	}
	if err := h.LabelNode(t.Context(), one.ID, after.Version, "qd.conformance", nil); sources.KindOf(err) != sources.Conflict {
		t.Errorf("a label in an old version: %v", err)
	}
	label(nil)
	if now := read(); len(now.Labels) != len(before.Labels) {
		t.Errorf("the label is still there: %v", now.Labels)
	}
	if err := h.UpdateNode(t.Context(), "no-such-node", 1, before.Want()); sources.KindOf(err) != sources.NotFound {
		t.Errorf("no such node: %v", err)
	}
}

func testResolve(t *testing.T, p platform, r registry) {
	h := handsOf(t, p.host)
	img, err := h.ResolveImage(t.Context(), r.good)
	if err != nil {
		t.Fatal(err)
	}
	if img.Ref != r.good || !strings.HasPrefix(img.Digest, "sha256:") || len(img.Platforms) == 0 || !strings.Contains(img.Platforms[0], "/") {
		t.Errorf("%+v", img)
	}
	repository := r.good[:strings.LastIndexByte(r.good, ':')]
	pinned, err := h.ResolveImage(t.Context(), repository+"@"+img.Digest)
	if err != nil || pinned.Ref != repository || pinned.Digest != img.Digest || pinned.Pinned() != repository+"@"+img.Digest {
		t.Errorf("by digest: %+v, %v", pinned, err)
	}
	other := "sha256:" + strings.Repeat("0", 64)
	if both, err := h.ResolveImage(t.Context(), r.good+"@"+other); err != nil || both.Digest != img.Digest || both.Ref != r.good {
		t.Errorf("tag and an old digest: %+v, %v", both, err)
	}
	for _, c := range []struct {
		ref  string
		kind sources.Kind
		says string
	}{
		{r.missing, sources.NotFound, r.missing},
		{r.nowhere, sources.Unreachable, "cannot reach the registry " + strings.SplitN(r.nowhere, "/", 2)[0]},
		{repository + "@" + other, sources.NotFound, repository},
		{"registry.example/UPPER:1", sources.BadQuestion, "registry/name:tag"},
	} {
		if _, err := h.ResolveImage(t.Context(), c.ref); sources.KindOf(err) != c.kind || !strings.Contains(sources.NextOf(err), c.says) {
			t.Errorf("%s: want %s saying %q, got %v", c.ref, c.kind, c.says, err)
		}
	}
}

// withReference gives the spec a secret or a config more.
func withReference(t *testing.T, s sources.Spec, kind sources.MaterialKind, id, name string) sources.Spec {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(s.JSON(), &root); err != nil {
		t.Fatal(err)
	}
	list, prefix := "Secrets", "Secret"
	if kind == sources.Config {
		list, prefix = "Configs", "Config"
	}
	container := root["TaskTemplate"].(map[string]any)["ContainerSpec"].(map[string]any)
	refs, _ := container[list].([]any)
	container[list] = append(refs, map[string]any{prefix + "ID": id, prefix + "Name": name, "File": map[string]any{"Name": "/run/" + name, "UID": "0", "GID": "0", "Mode": 292}})
	raw, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sources.NewSpec(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testMaterials(t *testing.T, p platform, kind sources.MaterialKind) {
	const data = "hunter2-never-shown"
	h := handsOf(t, p.host)
	name := fmt.Sprintf("handstest-%s-%d", kind, time.Now().UnixNano()%1e9)
	m := sources.Material{Name: name, Labels: map[string]string{"qd.test": "yes"}, Data: []byte(data)}
	id, err := h.CreateMaterial(t.Context(), kind, m)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	t.Cleanup(func() { _ = h.RemoveMaterial(context.Background(), kind, id) })
	has := func() bool {
		list, err := h.Materials(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if r.ID == id && r.Name == name && r.Labels["qd.test"] == "yes" && !r.Created.IsZero() {
				return true
			}
		}
		return false
	}
	if !has() {
		t.Error("it is not in the list, or not with its labels")
	}
	refused := func(what string, err error, want sources.Kind) {
		t.Helper()
		if sources.KindOf(err) != want || sources.NextOf(err) == "" {
			t.Errorf("%s: want %s, got %v", what, want, err)
		} else if strings.Contains(err.Error(), data) || strings.Contains(err.Error(), "aHVudGVyMi") {
			t.Errorf("%s: the data is in the error: %v", what, err)
		}
	}
	_, err = h.CreateMaterial(t.Context(), kind, m)
	refused("the same name", err, sources.Conflict)
	_, err = h.CreateMaterial(t.Context(), kind, sources.Material{Name: "no name/at all", Data: []byte(data)})
	refused("a bad name", err, sources.BadQuestion)
	before := stateOf(t, h, p.service)
	change(t, h, p.service, func(s sources.Spec) sources.Spec { return withReference(t, s, kind, id, name) })
	if err := h.RemoveMaterial(t.Context(), kind, id); sources.KindOf(err) != sources.Conflict || !strings.Contains(err.Error(), p.service) {
		t.Errorf("in use: %v", err)
	}
	change(t, h, p.service, func(sources.Spec) sources.Spec { return before.Spec })
	if err := h.RemoveMaterial(t.Context(), kind, id); err != nil {
		t.Error(err)
	}
	if has() {
		t.Error("it is still in the list")
	}
	refused("gone", h.RemoveMaterial(t.Context(), kind, id), sources.NotFound)
}

// proxyTo is an HTTP proxy before the platform's engine; deal may answer in its place.
func proxyTo(t *testing.T, target string, deal func(http.ResponseWriter, *http.Request, http.Handler) bool) string {
	t.Helper()
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dialHost(target) }}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = tr
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !deal(w, r, proxy) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		tr.CloseIdleConnections()
	})
	return "tcp://" + s.Listener.Addr().String()
}

func testTwoEndpoints(t *testing.T, p platform) {
	readOnly := connect(t, proxyTo(t, p.host, func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		http.Error(w, "<html><body><h1>403 Forbidden</h1></body></html>", http.StatusForbidden)
		return true
	}))
	alone := sut.NewHands(readOnly, nil)
	s := atRest(t, alone, p.service)
	_, err := alone.UpdateService(t.Context(), s.ID, s.Version, s.Spec.Forced())
	if next := sources.NextOf(err); sources.KindOf(err) != sources.Forbidden || !strings.Contains(next, "allow POST on /services/"+s.ID+"/update") ||
		!strings.Contains(next, "--write-host") || strings.Contains(next, "GET") {
		t.Errorf("got %v", err)
	}
	if _, err := alone.CreateMaterial(t.Context(), sources.Secret, sources.Material{Name: "x", Data: []byte("y")}); !strings.Contains(sources.NextOf(err), "allow POST on /secrets/create") {
		t.Errorf("got %v", err)
	}
	var asked atomic.Int64
	write := connect(t, proxyTo(t, p.host, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method == http.MethodGet {
			asked.Add(1)
		}
		return false
	}))
	both := sut.NewHands(readOnly, write)
	after := change(t, both, p.service, sources.Spec.Forced)
	if after.Spec.ForceUpdate() != s.Spec.ForceUpdate()+1 {
		t.Errorf("force update %d after %d", after.Spec.ForceUpdate(), s.Spec.ForceUpdate())
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d reads went to the endpoint for changes", n)
	}
}

func testCutAnswer(t *testing.T, p platform) {
	var sent, refused atomic.Int64
	h := handsOf(t, proxyTo(t, p.host, func(_ http.ResponseWriter, r *http.Request, engine http.Handler) bool {
		if r.Method != http.MethodPost {
			return false
		}
		sent.Add(1)
		answer := httptest.NewRecorder()
		engine.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			refused.Add(1)
		}
		panic(http.ErrAbortHandler)
	}))
	for try := int64(1); ; try++ {
		before := atRest(t, h, p.service)
		_, err := h.UpdateService(t.Context(), before.ID, before.Version, before.Spec.Forced())
		if sources.KindOf(err) != sources.Unreachable || !strings.Contains(sources.NextOf(err), "whether it was done is not known") {
			t.Errorf("got %v", err)
		}
		if n := sent.Load(); n != try {
			t.Fatalf("%d changes were sent for %d", n, try)
		}
		after := stateOf(t, h, p.service)
		if refused.Load() == try && try < 5 { // an update that just began had moved the version
			continue
		}
		if after.Spec.ForceUpdate() != before.Spec.ForceUpdate()+1 {
			t.Errorf("force update %d after %d", after.Spec.ForceUpdate(), before.Spec.ForceUpdate())
		}
		return
	}
}

// twoWays gives a client of the same swarm through two wires.
func twoWays(t *testing.T, p platform) (c *sut.Client, first, second *cutter) {
	t.Helper()
	first, second = newCutter(t, p.host), newCutter(t, orElse(p.second, p.host))
	return connect(t, first.host()+", "+second.host()), first, second
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func testFailoverCalls(t *testing.T, p platform) {
	c, first, second := twoWays(t, p)
	h := sut.NewHands(c, c)
	s := atRest(t, h, p.service)
	if c.Address() != first.host() {
		t.Fatalf("through %s", c.Address())
	}
	first.cut(true)
	if got := stateOf(t, h, p.service); got.ID != s.ID || c.Address() != second.host() {
		t.Fatalf("through %s", c.Address())
	}
	first.cut(false)
	second.cut(true)
	if _, err := h.UpdateService(t.Context(), s.ID, s.Version, s.Spec.Forced()); err != nil && sources.KindOf(err) != sources.Unreachable && sources.KindOf(err) != sources.Conflict {
		t.Errorf("got %v", err)
	}
	after := atRest(t, h, p.service)
	if c.Address() != first.host() || after.Spec.ForceUpdate() > s.Spec.ForceUpdate()+1 {
		t.Errorf("through %s, force update %d after %d", c.Address(), after.Spec.ForceUpdate(), s.Spec.ForceUpdate())
	}
	if probe := c.Probe(t.Context()); probe.State != sources.Live || probe.Address != first.host() {
		t.Errorf("%+v", probe)
	}
	first.cut(true)
	_, err := h.ServiceState(t.Context(), p.service)
	if sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "none of 2 managers") {
		t.Errorf("both dead: %v", err)
	}
	second.cut(false)
	stateOf(t, h, p.service)
}

func testFailoverWatch(t *testing.T, p platform) {
	c, first, second := twoWays(t, p)
	w := watchIt(t, c)
	w.settle(t, "all running", running(p.service, p.size))
	h := handsOf(t, p.host)
	i := w.len()
	first.cut(true)
	i = w.until(t, i, "LIVE through the second", func(ch sources.Change) bool {
		return ch.Status != nil && ch.Status.State == sources.Live && ch.Status.Address == second.host() &&
			strings.Contains(ch.Status.Detail, "through ") && strings.Contains(ch.Status.Detail, second.host()+", because "+first.host()+" is unreachable")
	})
	before := w.generation(p)
	change(t, h, p.service, sources.Spec.Forced)
	w.updated(t, p, before)
	first.cut(false)
	second.cut(true)
	w.until(t, i, "LIVE through the first again", func(ch sources.Change) bool {
		return ch.Status != nil && ch.Status.State == sources.Live && ch.Status.Address == first.host() && ch.Status.Detail == ""
	})
}

func testFailoverFollow(t *testing.T, p platform) {
	c, first, second := twoWays(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan int, 1024)
	done := make(chan error, 1)
	go func() {
		done <- sut.NewLogs(c).Follow(ctx, sources.LogQuery{Services: []string{p.service}}, func(b sources.LogBatch) {
			if n := len(b.Entries); n > 0 {
				lines <- n
			}
		})
	}()
	take := func(n int) {
		t.Helper()
		deadline := time.After(waitLimit)
		for n > 0 {
			if p.talk != nil {
				p.talk(t)
			}
			select {
			case got := <-lines:
				n -= got
			case <-time.After(300 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%d lines are missing", n)
			}
		}
	}
	take(5)
	first.cut(true)
	for len(lines) > 0 {
		<-lines
	}
	take(5)
	if c.Address() != second.host() {
		t.Errorf("through %s", c.Address())
	}
	cancel()
	if err := <-done; err == nil || sources.KindOf(err) != 0 {
		t.Errorf("Follow returned %v", err)
	}
}

func (w *watcher) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}
