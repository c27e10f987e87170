package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources/demo"
)

// actor runs the commands that act, on a service of its own, with a journal of its own. image is the workload's up to the tag: 1.0 and 1.1
// run, 2.0-bad crashes at its start.
type actor struct {
	target
	api   *client.Client
	image string
	state string // the state directory
}

const hidden = "hunter2-of-the-contract"

// newActor makes a service with a credential in it, and removes it with the test.
func newActor(t testing.TB, x target, image string) *actor {
	t.Helper()
	api, err := client.New(client.WithHost(x.env["DOCKER_HOST"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	a := &actor{target: x, api: api, image: image, state: t.TempDir()}
	a.service = fmt.Sprintf("act-contract-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	a.env = map[string]string{"QUARTERDECK_STATE_DIR": a.state, "QUARTERDECK_READ_ONLY": ""}
	for k, v := range x.env {
		a.env[k] = v
	}
	a.create(t, a.service, swarm.UpdateFailureActionPause)
	return a
}

func (a *actor) create(t testing.TB, name string, failure swarm.FailureAction) {
	t.Helper()
	delay, grace, two := 500*time.Millisecond, time.Second, uint64(2)
	update := &swarm.UpdateConfig{Monitor: time.Second, FailureAction: failure, Order: swarm.UpdateOrderStartFirst}
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}}, UpdateConfig: update, RollbackConfig: update,
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: a.image + "1.0", StopGracePeriod: &grace, Env: []string{"RATE=0.2", "DB_PASSWORD=" + hidden}}
	s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	if strings.HasPrefix(a.image, "registry.quarterdeck.demo/") { // the lab's image has a health check of its own
		s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/app/healthcheck"}, Interval: time.Second, Retries: 2}
	} else {
		s.TaskTemplate.LogDriver = &swarm.Driver{Name: "json-file"}
	}
	made, err := a.api.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.api.ServiceRemove(context.Background(), made.ID, client.ServiceRemoveOptions{}) })
	a.until(t, name+" runs", func() bool {
		list, err := a.api.TaskList(t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name)})
		n := 0
		for _, x := range list.Items {
			if x.Status.State == swarm.TaskStateRunning {
				n++
			}
		}
		return err == nil && n == 2
	})
}

func (a *actor) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func (a *actor) look(t testing.TB, name string) swarm.Service {
	t.Helper()
	got, err := a.api.ServiceInspect(t.Context(), name, client.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Service
}

// do runs an action with -o json, and holds its report to the contract.
func (a *actor) do(t *testing.T, code int, result string, args ...string) map[string]any {
	t.Helper()
	var doc any
	a.askJSON(t, &doc, code, args...)
	r := fields(t, args[0], doc, "run", "action", "service", "plan", "result", "reason", "steps", "verify", "undo")
	plan := fields(t, "plan", r["plan"], "changes", "steps", "warnings")
	for _, c := range list(t, plan, "changes") {
		fields(t, "change", c, "field", "before", "after")
	}
	for _, s := range list(t, r, "steps") {
		step := fields(t, "step", s, "name", "state", "started", "took", "detail")
		if at, err := time.Parse(time.RFC3339, step["started"].(string)); err != nil || at.Location() != time.UTC {
			t.Errorf("started %v is not RFC 3339 in UTC", step["started"])
		}
	}
	if r["verify"] != nil {
		fields(t, "verify", r["verify"], "converged", "stable_for", "checks")
	}
	if r["result"] != result || r["action"] != args[0] {
		t.Fatalf("%v: %v of %v (%v), want %s", args, r["result"], r["action"], r["reason"], result)
	}
	return r
}

// refuses runs a command that must end with a code, print nothing on stdout and say why.
func (a *actor) refuses(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	out, errs, got := a.ask(t, args...)
	if got != code || out != "" || !strings.Contains(errs, says) {
		t.Errorf("%v: exit %d, want %d: %q %s", args, got, code, out, errs)
	}
}

// testActContract holds the commands that act to COMMANDS.md's fields and exit codes.
func testActContract(t *testing.T, a *actor) {
	name := a.service
	t.Run("a dry run", a.dryRun)
	t.Run("refused", a.refusals)
	t.Run("what the config demands", a.demands)
	var run string
	t.Run("scale", func(t *testing.T) {
		r := a.do(t, exitDone, "done", "scale", name+"=3", "--yes", "--reason", "the contract")
		run = r["run"].(string)
		v := r["verify"].(map[string]any)
		if r["service"] != name || r["undo"] != "quarterdeck undo "+run || v["converged"] != true || v["stable_for"] != 1.0 || len(list(t, v, "checks")) == 0 || r["reason"] != "" {
			t.Errorf("%v", r)
		}
		if n := *a.look(t, name).Spec.Mode.Replicated.Replicas; n != 3 {
			t.Errorf("%d replicas", n)
		}
		if again := a.do(t, exitDone, "nothing-to-do", "scale", name+"=3", "--yes"); again["reason"] != name+" has 3 already" {
			t.Errorf("%v", again)
		}
	})
	t.Run("undo", func(t *testing.T) {
		a.do(t, exitDone, "done", "undo", run, "--yes")
		if n := *a.look(t, name).Spec.Mode.Replicated.Replicas; n != 2 {
			t.Errorf("%d replicas", n)
		}
		a.do(t, exitDone, "nothing-to-do", "undo", run, "--yes")
	})
	t.Run("redeploy and rollback", func(t *testing.T) {
		a.do(t, exitDone, "done", "redeploy", name, "--yes", "--image", ":1.1")
		out, errs, code := a.ask(t, "rollback", name, "--yes")
		if code != exitDone || !strings.HasPrefix(out, "rollback "+name+": done\n") || !strings.Contains(out, "stable for 1 s") || !strings.Contains(errs, "· update "+name) {
			t.Errorf("exit %d: %s\n%s", code, out, errs)
		}
		if image := a.look(t, name).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, a.image+"1.0") {
			t.Error(image)
		}
	})
	t.Run("left", func(t *testing.T) {
		r := a.do(t, exitLeft, "failed", "redeploy", name, "--yes", "--image", ":2.0-bad")
		if !strings.Contains(r["reason"].(string), "non-zero exit (1)") || r["undo"] == "" || r["verify"].(map[string]any)["converged"] != false {
			t.Errorf("%v", r)
		}
		a.refuses(t, exitRefused, "its update is paused", "scale", name+"=3", "--yes")
		a.do(t, exitDone, "done", "undo", "--yes")
	})
	t.Run("taken back", func(t *testing.T) {
		a.do(t, exitTakenBack, "taken-back", "redeploy", name, "--yes", "--image", ":2.0-bad", "--take-back")
		other := name + "-back"
		a.create(t, other, swarm.UpdateFailureActionRollback)
		r := a.do(t, exitTakenBack, "taken-back", "redeploy", other, "--yes", "--image", ":2.0-bad")
		if r["undo"] != "" || !strings.Contains(r["reason"].(string), "rolled back due to failure") {
			t.Errorf("%v", r)
		}
	})
	t.Run("changed by somebody else", func(t *testing.T) { a.conflict(t) })
	t.Run("without waiting", func(t *testing.T) {
		if r := a.do(t, exitDone, "done", "redeploy", name, "--yes", "--wait=false"); r["verify"] != nil {
			t.Errorf("%v", r)
		}
	})
	t.Run("journal", func(t *testing.T) { a.journal(t, run) })
	t.Run("nothing shows the credential", a.hides)
}

// dryRun shows what would be done, and does and writes nothing.
func (a *actor) dryRun(t *testing.T) {
	name := a.service
	before := a.look(t, name).Version
	for _, args := range [][]string{{"scale", name + "=3"}, {"redeploy", name}, {"redeploy", name, "--image", ":1.1"}} {
		r := a.do(t, exitDone, "planned", append(args, "--dry-run")...)
		if r["run"] != "" || r["verify"] != nil || len(list(t, r["plan"].(map[string]any), "changes")) == 0 || len(list(t, r["plan"].(map[string]any), "steps")) != 2 {
			t.Errorf("%v", r)
		}
	}
	change := list(t, a.do(t, exitDone, "planned", "scale", name+"=+1", "--dry-run")["plan"].(map[string]any), "changes")[0].(map[string]any)
	if change["field"] != "replicas" || change["before"] != 2.0 || change["after"] != 3.0 {
		t.Errorf("%v", change)
	}
	if out, errs, code := a.ask(t, "scale", name+"=3", "--dry-run"); code != exitDone || out != "" || !strings.Contains(errs, "2 → 3") || strings.Contains(errs, "\x1b") {
		t.Errorf("exit %d: %q %q", code, out, errs)
	}
	if a.look(t, name).Version != before {
		t.Error("it has changed the service")
	}
	if book, err := os.ReadFile(filepath.Join(a.state, "journal.jsonl")); err != nil || len(book) > 0 {
		t.Errorf("it has written %q, %v", book, err)
	}
}

// refusals are what is refused, each with its exit code and a word of why.
func (a *actor) refusals(t *testing.T) {
	name := a.service
	a.refuses(t, exitRefused, "--yes", "scale", name+"=3")
	a.refuses(t, exitRefused, "read-only", "--read-only", "scale", name+"=3", "--yes")
	a.refuses(t, exitRefused, "named twice", "scale", name+"=3", name+"=4", "--yes")
	a.refuses(t, exitRefused, "more than 10000", "scale", name+"=10001", "--yes")
	a.refuses(t, exitRefused, "no run of this swarm", "undo", "--yes")
	a.refuses(t, exitUsage, "did you mean "+name, "scale", name[:len(name)-1]+"=3", "--yes")
	a.refuses(t, exitUsage, "", "undo", "20990101-000000-aaaaa", "--yes")
	a.refuses(t, exitUnreachable, "missing-1", "redeploy", name, "--image", ":missing-1", "--yes")
	for _, args := range [][]string{{"scale"}, {"scale", name}, {"scale", name + "=x"}, {"scale", name + "=+0"}, {"scale", name + "=-"}, {"redeploy"}, {"rollback"}, {"rollback", "a", "b"},
		{"rollback", "--stack", "s", name}, {"undo", "a", "b"}, {"resume", "a", "b"}, {"rotate", "secret"}, {"rotate", "thing", "x"}, {"journal", "--since", "never"}, {"redeploy", "a", "b", "--tags"}} {
		a.refuses(t, exitUsage, "", args...)
	}
}

// demands are what a config asks of each change.
func (a *actor) demands(t *testing.T) {
	name := a.service
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "context: here\ncontexts:\n  here:\n    host: " + a.env["DOCKER_HOST"] + "\n    actions:\n      protected: [\"act-*\"]\n      require-reason: true\n      quiet-hours: [\"00:00-24:00\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a.refuses(t, exitRefused, "asks for a reason", "--config", file, "scale", name+"=3", "--yes", "--confirm", name)
	a.refuses(t, exitRefused, "--confirm "+name, "--config", file, "scale", name+"=3", "--yes", "--reason", "x")
	a.refuses(t, exitRefused, "quiet hours (00:00-24:00)", "--config", file, "scale", name+"=3", "--confirm", "another", "--reason", "x")
}

// hides looks for a credential in all that was written, and in all that is printed.
func (a *actor) hides(t *testing.T) {
	name := a.service
	err := filepath.WalkDir(a.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(hidden)) {
			t.Errorf("%s has it", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"journal", "--all"}, {"journal", "--all", "-o", "json"}, {"journal", "--specs", name}, {"journal", "--markdown"}, {"redeploy", name, "--dry-run", "-o", "json"}} {
		if out, errs, code := a.ask(t, args...); code != exitDone || out == "" || strings.Contains(out+errs, hidden) {
			t.Errorf("%v: exit %d, %d bytes: %s", args, code, len(out), errs)
		}
	}
}

// conflict lets somebody else change the service right before our change comes to the engine.
func (a *actor) conflict(t *testing.T) {
	u, err := url.Parse(a.env["DOCKER_HOST"])
	if err != nil {
		t.Fatal(err)
	}
	network, address := u.Scheme, u.Host
	if network == "unix" {
		address = u.Path
	}
	var d net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, network, address) }}
	defer tr.CloseIdleConnections()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = tr
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/update") {
			once.Do(func() {
				x := a.look(t, a.service)
				x.Spec.Labels = map[string]string{"qd.other": "was here"}
				if _, err := a.api.ServiceUpdate(t.Context(), x.ID, client.ServiceUpdateOptions{Version: x.Version, Spec: x.Spec}); err != nil {
					t.Error(err)
				}
			})
		}
		proxy.ServeHTTP(w, r)
	}))
	defer s.Close()
	defer s.CloseClientConnections()
	host := a.env["DOCKER_HOST"]
	a.env["DOCKER_HOST"] = "tcp://" + s.Listener.Addr().String()
	defer func() { a.env["DOCKER_HOST"] = host }()
	r := a.do(t, exitRefused, "failed", "scale", a.service+"=4", "--yes")
	if !strings.Contains(r["reason"].(string), "label qd.other none → was here") || r["undo"] != "" {
		t.Errorf("%v", r)
	}
	if x := a.look(t, a.service).Spec; *x.Mode.Replicated.Replicas != 2 || x.Labels["qd.other"] != "was here" {
		t.Errorf("%d replicas, labels %v", *x.Mode.Replicated.Replicas, x.Labels)
	}
}

func (a *actor) journal(t *testing.T, run string) {
	var doc []any
	a.askJSON(t, &doc, exitDone, "journal", "--run", run)
	if len(doc) != 6 {
		t.Errorf("%d entries", len(doc))
	}
	for i, e := range doc {
		m := fields(t, "entry", e, "seq", "time", "run", "actor", "host", "action", "target", "phase", "before", "after", "result", "reason", "hash")
		if m["run"] != run || m["target"] != a.service || i == 0 && (m["phase"] != "begin" || m["reason"] != "the contract") || i == len(doc)-1 && m["result"] != "done" {
			t.Errorf("%v", m)
		}
	}
	a.askJSON(t, &doc, exitDone, "journal", "--actor", "nobody-at-all")
	if len(doc) != 0 {
		t.Errorf("%d entries of nobody", len(doc))
	}
	var verdict map[string]any
	a.askJSON(t, &verdict, exitDone, "journal", "verify")
	file := filepath.Join(a.state, "journal.jsonl")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Replace(raw, []byte("the contract"), []byte("no contract!"), 1))
	if out, _, code := a.ask(t, "journal", "verify"); code != exitDegraded || !strings.Contains(out, "line ") {
		t.Errorf("a changed line: exit %d: %s", code, out)
	}
	write(raw)
	if out, _, code := a.ask(t, "journal", "verify"); code != exitDone || !strings.Contains(out, "the chain is whole") {
		t.Errorf("exit %d: %s", code, out)
	}
	write(append(bytes.Clone(raw), raw[:100]...)) // as a crash leaves it
	if out, _, code := a.ask(t, "journal", "verify"); code != exitDone || !strings.Contains(out, "torn last line") {
		t.Errorf("a torn line: exit %d: %s", code, out)
	}
	if out, _, code := a.ask(t, "journal", "verify"); code != exitDone || !strings.Contains(out, "the chain is whole") {
		t.Errorf("mended: exit %d: %s", code, out)
	}
}

func TestActContractOnDemo(t *testing.T) {
	oneByOne(t)
	p, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testActContract(t, newActor(t, target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": ""}}, "registry.quarterdeck.demo/act/app:"))
}

func TestActUnreachableIsThree(t *testing.T) {
	oneByOne(t)
	x := target{env: map[string]string{"DOCKER_HOST": "unix:///nonexistent/docker.sock", "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "QUARTERDECK_STATE_DIR": t.TempDir()}}
	for _, args := range [][]string{{"scale", "x=1", "--yes"}, {"redeploy", "x", "--yes"}, {"rollback", "x", "--yes"}, {"undo", "--yes"}, {"resume"}, {"journal", "--specs", "x"}} {
		if out, errs, code := x.ask(t, append(args, "--timeout", "2s")...); code != exitUnreachable || errs == "" || out != "" {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}
