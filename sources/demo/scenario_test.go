package demo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/swarm"
)

const serviceName = "container_label_com_docker_swarm_service_name"

func TestCrashLoop(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("crash-loop")
	r.alerted("ServiceCrashLooping", "shop_payments", 5*time.Minute)
	r.alerted("HighErrorRate", "shop_payments", time.Minute)
	bad := r.tasks("shop_payments", failed)
	if len(bad) < 6 {
		t.Errorf("%d failed tasks", len(bad))
	}
	ran := 0
	slots := map[int]int{}
	for _, x := range r.tasks("shop_payments", func(sources.Task) bool { return true }) {
		slots[x.Slot]++
	}
	for _, x := range bad {
		if x.Message == "started" { // the first ones were healthy before
			ran++
		}
		if x.Err != "task: non-zero exit (1)" || x.ExitCode != 1 || x.Desired != sources.TaskShutdown || x.Container == "" || x.Message != "started" && x.Message != "starting" {
			t.Errorf("%+v", x)
		}
	}
	if ran > 2 || slots[1] > 5 || slots[2] > 5 {
		t.Errorf("%d failed after they ran; tasks by slot: %v", ran, slots)
	}
	// The last words are whole, in Loki and in the engine's own logs, for each crash that is still on record.
	panics := r.lines(`{swarm_service="shop_payments", source="stderr"} |= "panic: config"`, began)
	stacks := r.lines(`{swarm_service="shop_payments", source="stderr"} |= "main.mustLoad"`, began)
	if len(panics) < len(bad) || len(panics) != len(stacks) {
		t.Errorf("%d failed tasks, %d panics, %d stacks", len(bad), len(panics), len(stacks))
	}
	page, err := r.docker.Query(t.Context(), sources.LogQuery{Services: []string{"shop_payments"}, Contains: "panic: config", Since: began, Until: r.now()})
	if err != nil || len(page.Entries) != len(bad) {
		t.Errorf("the engine has %d panics of %d tasks: %v", len(page.Entries), len(bad), err)
	}
	r.end("crash-loop")
	r.until("both run and the alert is gone", 12*time.Minute, func() bool {
		return len(r.tasks("shop_payments", running)) == 2 && !r.firing("ServiceCrashLooping", "shop_payments")
	})
}

func TestOutOfMemory(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	began := r.begin("oom")
	const ratio = `max(container_memory_working_set_bytes{` + serviceName + `="shop_cart"} / container_spec_memory_limit_bytes)`
	used := []float64{}
	r.until("a kill", 4*time.Minute, func() bool {
		if v, ok := r.value(ratio); ok && len(r.tasks("shop_cart", failed)) == 0 {
			used = append(used, v)
		}
		return len(r.tasks("shop_cart", failed)) > 0
	})
	for i := 1; i < len(used); i++ {
		if used[i] < used[i-1]-0.02 {
			t.Errorf("memory fell before the kill: %.2f", used)
		}
	}
	if used[0] > 0.5 || used[len(used)-1] < 0.95 || used[len(used)-1] > 1 {
		t.Errorf("memory goes from %.2f to %.2f of its limit", used[0], used[len(used)-1])
	}
	if !r.firing("MemoryNearLimit", "shop_cart") {
		t.Error("nobody was told before the kill")
	}
	dead := r.tasks("shop_cart", failed)[0]
	if dead.Err != "task: non-zero exit (137)" || dead.ExitCode != 137 || dead.Message != "started" {
		t.Errorf("%+v", dead)
	}
	// The dead container's log and metrics stop; its successor's begin.
	r.run(2 * time.Minute)
	if after := r.lines(`{container_name=~".*`+dead.ID+`"}`, dead.Since.Add(time.Second)); len(after) > 0 {
		t.Errorf("a dead container writes: %s", after[0].Line)
	}
	if len(r.lines(`{container_name=~".*`+dead.ID+`"} |= "heap is near the limit"`, began)) != 1 {
		t.Error("no last words")
	}
	if v, ok := r.value(`container_last_seen{container_label_com_docker_swarm_task_id="` + dead.ID + `"}`); ok {
		t.Errorf("a dead container is seen at %v", v)
	}
	if n := len(r.tasks("shop_cart", func(x sources.Task) bool { return x.Slot == dead.Slot && !x.Created.Before(dead.Since) })); n == 0 {
		t.Error("nothing replaces it")
	}
	// The engine that we talk to tells of its own containers: oom, die with 137, and OOMKilled.
	own := ""
	for _, x := range r.tasks("shop_cart", failed) {
		if x.NodeID == r.world().Engine.NodeID {
			own = x.Container
		}
	}
	if own == "" {
		t.Fatal("none was killed on the engine that we talk to")
	}
	c := engine[struct {
		State struct {
			OOMKilled bool
			ExitCode  int
		}
	}](r, "/containers/"+own+"/json")
	if !c.State.OOMKilled || c.State.ExitCode != 137 {
		t.Errorf("%+v", c.State)
	}
	r.end("oom")
	r.run(3 * time.Minute)
	if n := len(r.tasks("shop_cart", running)); n != 2 {
		t.Errorf("%d run afterwards", n)
	}
}

func TestNodeDown(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	lost := r.tasks("shop_web", func(x sources.Task) bool { return running(x) && x.NodeID == r.node("node3").ID })
	if len(lost) == 0 {
		t.Fatal("nothing to lose")
	}
	began := r.begin("node-down")
	if n := r.node("node3"); n.State != "down" || n.Message != "heartbeat failure" {
		t.Errorf("%+v", n)
	}
	r.alerted("NodeDown", "node3", 2*time.Minute)
	for _, x := range r.world().Tasks {
		if x.ID == lost[0].ID && (x.State != sources.TaskRunning || x.Desired != sources.TaskShutdown) {
			t.Errorf("what was lost is %s and desired %s", x.State, x.Desired)
		}
		if x.NodeID == r.node("node3").ID && x.Desired == sources.TaskRunning {
			t.Errorf("still wanted there: %+v", x)
		}
	}
	if n := len(r.tasks("shop_web", running)); n != 3 {
		t.Errorf("%d of 3 run elsewhere", n)
	}
	for _, s := range engine[[]struct {
		Spec          struct{ Name string }
		ServiceStatus struct{ RunningTasks int }
	}](r, "/services?status=true") {
		if s.Spec.Name == "shop_web" && s.ServiceStatus.RunningTasks != 4 { // swarmkit counts the lost one, too
			t.Errorf("%+v", s)
		}
	}
	if err := r.p.KillNode("node1"); err == nil {
		t.Error("the engine's own node was killed")
	}
	if v := r.values(`up{job="cadvisor"}`, "node", r.now()); v["node3"] != 0 || v["node2"] != 1 {
		t.Errorf("up: %v", v)
	}
	if _, ok := r.values(`node_load1`, "node", r.now().Add(6*time.Minute))["node3"]; ok {
		t.Error("the lost node tells its load")
	}
	if n := r.lines(`{host="node3"}`, began.Add(time.Second)); len(n) > 0 {
		t.Errorf("the lost node writes: %s", n[0].Line)
	}
	r.end("node-down")
	r.run(time.Minute)
	if n := r.node("node3"); n.State != "ready" {
		t.Errorf("%+v", n)
	}
	for _, x := range r.world().Tasks {
		if x.ID == lost[0].ID && x.State != sources.TaskShutdown {
			t.Errorf("what was lost is %s when its node is back", x.State)
		}
	}
	if n := len(r.tasks("platform_agent", running)); n != 3 {
		t.Errorf("%d agents", n)
	}
	if r.firing("NodeDown", "node3") {
		t.Error("still firing")
	}
}

func (r *rig) node(name string) sources.Node {
	r.Helper()
	for _, n := range r.world().Nodes {
		if n.Name == name {
			return n
		}
	}
	r.Fatalf("no node %s", name)
	return sources.Node{}
}

func TestBadDeployRollsBack(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	good := r.service("shop_api")
	type spec struct {
		PreviousSpec *struct {
			TaskTemplate struct{ ContainerSpec struct{ Image string } }
		}
	}
	began := r.begin("bad-deploy-rollback")
	if s := engine[spec](r, "/services/shop_api"); s.PreviousSpec == nil || s.PreviousSpec.TaskTemplate.ContainerSpec.Image != good.Image+"@"+good.Digest {
		t.Errorf("previous spec: %+v", s.PreviousSpec)
	}
	seen := []string{}
	var rolled sources.Service
	for range 40 { // a second at a time: no state is missed
		s := r.service("shop_api")
		if n := len(seen); n == 0 || seen[n-1] != s.UpdateState {
			seen = append(seen, s.UpdateState)
		}
		if s.UpdateState == "rollback_started" {
			rolled = s
		}
		if n := len(r.tasks("shop_api", func(x sources.Task) bool { return running(x) && x.Image == good.Image+"@"+good.Digest })); n != 3 {
			t.Fatalf("%s: only %d of the old tasks run, though the new one starts first", s.UpdateState, n)
		}
		r.run(time.Second)
	}
	if fmt.Sprint(seen) != "[ updating rollback_started rollback_completed]" {
		t.Errorf("states %v", seen)
	}
	bad := r.tasks("shop_api", failed)
	if len(bad) != 1 || !strings.Contains(bad[0].Image, ":2.32.0-bad@sha256:") || bad[0].Err != "task: non-zero exit (1)" || bad[0].Message != "starting" {
		t.Fatalf("%+v", bad)
	}
	if want := "update rolled back due to failure or early termination of task " + bad[0].ID; rolled.UpdateMessage != want {
		t.Errorf("%q, want %q", rolled.UpdateMessage, want)
	}
	s := r.service("shop_api")
	if s.UpdateMessage != "rollback completed" || s.UpdateStarted.Sub(began) > time.Second || !s.UpdateCompleted.After(s.UpdateStarted) || s.Image != good.Image || s.Generation != good.Generation {
		t.Errorf("%+v", s)
	}
	if p := engine[spec](r, "/services/shop_api").PreviousSpec; p != nil {
		t.Errorf("the spec that failed is kept: %+v", p)
	}
	got := fmt.Sprint(r.updates("shop_api", began))
	if want := "[{  2.32.0-bad} { updating } {updating rollback_started 2.31.4} {rollback_started rollback_completed }]"; got != want {
		t.Errorf("events\n got %s\nwant %s", got, want)
	}
	if len(r.lines(`{swarm_service="shop_api", source="stderr"} |= "PAYMENT_TIMEOUT"`, began)) == 0 {
		t.Error("no last words in Loki")
	}
}

// A deploy that no health check finds: it is taken back through the engine's API, as an operator does, and its harm ends with it.
func TestBadDeployThatRuns(t *testing.T) {
	r := newRig(t)
	r.run(5 * time.Minute)
	good := r.service("shop_api")
	began := r.begin("bad-deploy")
	r.run(time.Minute)
	s := r.service("shop_api")
	if s.UpdateState != "completed" || !strings.HasSuffix(s.Image, ":2.32.0") {
		t.Fatalf("%+v", s)
	}
	if n := len(r.tasks("shop_api", func(x sources.Task) bool { return running(x) && x.Generation == s.Generation })); n != 3 {
		t.Errorf("%d of the new tasks run", n)
	}
	const broken = `{swarm_service="shop_api"} |= "pool exhausted: 4 of 4"`
	if len(r.lines(broken, began)) == 0 {
		t.Error("no error lines")
	}
	r.alerted("HighErrorRate", "shop_api", 6*time.Minute)
	hands := swarm.NewHands(r.swarm, nil)
	st, err := hands.ServiceState(t.Context(), "shop_api")
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range sources.Diff(st.Previous, st.Spec) {
		fields = append(fields, f.Field)
	}
	if fmt.Sprint(fields) != "[image env DB_POOL_SIZE env DB_POOL_TIMEOUT]" {
		t.Errorf("the diff: %v", fields)
	}
	if _, err := hands.UpdateService(t.Context(), st.ID, st.Version, st.Previous); err != nil {
		t.Fatal(err)
	}
	r.run(2 * time.Minute)
	if now := r.service("shop_api"); now.Image != good.Image || now.UpdateState != "completed" {
		t.Errorf("%+v", now)
	}
	if n := len(r.lines(broken, r.now().Add(-time.Minute))); n > 0 {
		t.Errorf("%d error lines after it was taken back", n)
	}
	if err := r.p.StopScenario("bad-deploy"); err == nil {
		t.Error("the scenario has not ended with its cause")
	}
}

func TestDependencySlow(t *testing.T) {
	r := newRig(t)
	r.run(5 * time.Minute)
	const p95 = `histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket{service="shop_api@swarm"}[2m])))`
	const cpu = `sum(rate(container_cpu_usage_seconds_total{` + serviceName + `="shop_store"}[1m]))`
	slow := `{swarm_service="shop_store"} |~ "duration: [0-9]{4,}\\."`
	fastBefore, _ := r.value(p95)
	cpuBefore, _ := r.value(cpu)
	before := len(r.lines(slow, r.now().Add(-3*time.Minute)))
	began := r.begin("dependency-slow")
	r.alerted("HighLatency", "shop_api", 4*time.Minute)
	r.alerted("HighErrorRate", "shop_api", time.Minute)
	r.run(max(0, 3*time.Minute-r.now().Sub(began)))
	if v, _ := r.value(p95); v < 4*fastBefore || v < 1.2 {
		t.Errorf("p95 went from %.2f to %.2f s", fastBefore, v)
	}
	errors := r.lines(`{swarm_service="shop_api"} |= "context deadline exceeded" | detected_level="error"`, began)
	if len(errors) < 50 || !strings.Contains(errors[0].Line, "store:") {
		t.Errorf("%d errors on the caller", len(errors))
	}
	// The callers look healthy: all run, none was replaced.
	for name, n := range map[string]int{"shop_api": 3, "shop_web": 3, "shop_store": 1} {
		if got := r.tasks(name, running); len(got) != n || len(r.tasks(name, func(x sources.Task) bool { return x.Created.After(began) })) > 0 {
			t.Errorf("%s: %d of %d run", name, len(got), n)
		}
	}
	// The cause shows on the store alone.
	if v, _ := r.value(cpu); v < 3*cpuBefore {
		t.Errorf("the store's cpu went from %.2f to %.2f", cpuBefore, v)
	}
	if n := len(r.lines(slow, r.now().Add(-3*time.Minute))); n < 10*max(before, 1) {
		t.Errorf("slow statements in three minutes: %d before, %d now", before, n)
	}
	r.end("dependency-slow")
	r.run(4 * time.Minute)
	if v, _ := r.value(p95); v > 2*fastBefore || r.firing("HighLatency", "shop_api") {
		t.Errorf("p95 is %.2f s afterwards", v)
	}
}

func TestLogBurst(t *testing.T) {
	r := newRig(t)
	r.run(2 * time.Minute)
	rate := func() float64 {
		w := sources.Window{Start: r.now(), End: r.now(), Step: time.Minute}
		a, err := r.loki.MetricRange(t.Context(), `sum(rate({swarm_service="shop_web"} [1m]))`, w)
		if err != nil || len(a.Series) != 1 {
			t.Fatal(err, a)
		}
		return a.Series[0].Points[0].V
	}
	before := rate()
	began := r.begin("log-burst")
	r.run(time.Minute)
	if v := rate(); before == 0 || v < 50*before {
		t.Errorf("lines a second: %.1f before, %.1f in the burst", before, v)
	}
	r.end("log-burst")
	r.run(10 * time.Second)
	bursts := map[string]map[string]int{}
	for _, e := range r.lines(`{swarm_service="shop_web"} |= "\"msg\":\"burst\""`, began) {
		id, seq := between(e.Line, `"burst":"`), between(e.Line, `"seq":`)
		if bursts[id] == nil {
			bursts[id] = map[string]int{}
		}
		bursts[id][seq]++
	}
	if len(bursts) < 3 {
		t.Errorf("%d bursts in a minute", len(bursts))
	}
	for id, lines := range bursts {
		if len(lines) != 5000 {
			t.Errorf("burst %s has %d of 5000 lines", id, len(lines))
		}
		for seq, n := range lines {
			if n != 1 {
				t.Fatalf("line %s of burst %s is there %d times", seq, id, n)
			}
		}
	}
	r.run(2 * time.Minute)
	if v := rate(); v > 2*before {
		t.Errorf("lines a second afterwards: %.1f, before %.1f", v, before)
	}
}

// between is what follows mark up to the next comma or quote.
func between(line, mark string) string {
	_, rest, _ := strings.Cut(line, mark)
	return rest[:max(strings.IndexAny(rest, `,"`), 0)]
}

func TestDiskFull(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	const free = `node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes`
	store := r.tasks("shop_store", running)[0]
	host := ""
	for _, n := range r.world().Nodes {
		if n.ID == store.NodeID {
			host = n.Name
		}
	}
	began := r.begin("disk-full")
	before := r.values(free, "node", r.now())
	r.alerted("DiskAlmostFull", host, 4*time.Minute)
	r.until("the disk is full", time.Minute, func() bool { return r.values(free, "node", r.now())[host] == 0 })
	r.run(time.Minute)
	for node, v := range r.values(free, "node", r.now()) {
		if node != host && v < before[node]-0.01 {
			t.Errorf("%s lost space, too: %.2f, then %.2f", node, before[node], v)
		}
	}
	errors := r.lines(`{swarm_service="shop_store"} |= "No space left on device"`, began)
	if len(errors) == 0 || len(r.lines(`{swarm_service="shop_api"} |= "No space left on device"`, began)) == 0 {
		t.Fatalf("%d errors of the store", len(errors))
	}
	if v := r.values(free, "node", errors[0].Time.Add(15*time.Second))[host]; v > 0.1 { // the scrape after it
		t.Errorf("the first write failed with %.0f%% free", v*100)
	}
	full := r.now()
	r.end("disk-full")
	r.until("the alert is gone", 2*time.Minute, func() bool { return !r.firing("DiskAlmostFull", host) })
	r.run(time.Minute)
	if v := r.values(free, "node", r.now())[host]; v < before[host]-0.02 || v > before[host]+0.02 {
		t.Errorf("%.2f free, before it was %.2f", v, before[host])
	}
	if v := r.values(free, "node", full)[host]; v != 0 {
		t.Errorf("history was rewritten: the disk had %.2f free when it was full", v)
	}
}

func TestImageMissing(t *testing.T) {
	r := newRig(t)
	r.run(time.Minute)
	good := r.service("batch_worker")
	r.begin("image-missing")
	r.alerted("ServiceDown", "batch_worker", 2*time.Minute)
	rejected := r.tasks("batch_worker", func(x sources.Task) bool { return x.State == sources.TaskRejected })
	if len(rejected) < 2 {
		t.Errorf("%d rejected tasks", len(rejected))
	}
	for _, x := range rejected {
		if x.Err != "No such image: registry.quarterdeck.demo/batch/worker:missing-1.5.0" || x.Message != "preparing" || x.Container != "" {
			t.Errorf("%+v", x)
		}
	}
	if n := len(r.tasks("batch_worker", running)); n != 0 {
		t.Errorf("%d run", n)
	}
	if s := r.service("batch_worker"); s.UpdateState != "completed" { // its failure action is continue
		t.Errorf("update is %s: %s", s.UpdateState, s.UpdateMessage)
	}
	r.end("image-missing")
	if s := r.service("batch_worker"); s.UpdateState != "rollback_started" || s.UpdateMessage != "manually requested rollback" {
		t.Errorf("%s: %s", s.UpdateState, s.UpdateMessage)
	}
	r.until("it runs again", time.Minute, func() bool { return len(r.tasks("batch_worker", running)) == 2 })
	r.run(30 * time.Second)
	if s := r.service("batch_worker"); s.UpdateState != "rollback_completed" || s.Image != good.Image || r.firing("ServiceDown", "batch_worker") {
		t.Errorf("%+v", s)
	}
}

// Every scenario has a test above: a new one needs one, too.
func TestScenariosAreKnown(t *testing.T) {
	names := []string{}
	for _, s := range demo.Scenarios() {
		names = append(names, s.Name)
	}
	_, err := demo.Start(t.Context(), demo.Options{Scenario: "earthquake"})
	for _, n := range names {
		if err == nil || !strings.Contains(err.Error(), n) {
			t.Errorf("an unknown name does not list %s: %v", n, err)
		}
	}
}
