package actions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/loki"
	sut "quarterdeck/sources/swarm"
)

// platform is a swarm that the cases run on: the embedded one, or the lab. api is a client of the tests' own, which knows nothing of the
// product. Of image the tags 1.0 and 1.1 run, and 2.0-bad crashes at its start.
type platform struct {
	host, image string
	api         *client.Client
	fleet       *fleet.Fleet
	hands       *sut.Hands
	logs        sources.Logs // where the last words of tasks are
	demo        *demo.Platform
}

// connect gives a platform its clients, until end is called.
func connect(o sut.Options, image string) (p *platform, end func(), err error) {
	host := o.Host
	if host == "" {
		host = o.Hosts[0]
	}
	api, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, nil, err
	}
	c, err := sut.New(o)
	if err != nil {
		return nil, nil, err
	}
	p = &platform{host: host, image: image, api: api, hands: sut.NewHands(c, c), fleet: fleet.New(time.Now, fleet.SwarmName), logs: sut.NewLogs(c)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.fleet.Run(ctx, fleet.Feeds{Swarm: c}) })
	d := actions.Deck{Fleet: p.fleet}
	ready, stop := context.WithTimeout(ctx, waitLimit)
	defer stop()
	_, err = d.Ready(ready)
	return p, func() {
		cancel()
		wg.Wait()
		_ = c.Close()
		_ = api.Close()
	}, err
}

const demoImage = "registry.quarterdeck.demo/act/app:"

var theDemo = sync.OnceValues(func() (*platform, error) {
	d, err := demo.Start(context.Background(), demo.Options{Quiet: true, Seed: 5})
	if err != nil {
		return nil, err
	}
	p, end, err := connect(sut.Options{Host: d.DockerHost()}, demoImage)
	if err != nil {
		return nil, err
	}
	l, err := loki.New(loki.Options{Access: sources.Access{Address: d.LokiAddr()}})
	if err != nil {
		return nil, err
	}
	p.demo, p.logs = d, l
	atEnd = append(atEnd, func() { _ = l.Close(); end(); _ = d.Close() })
	return p, nil
})

// sharedDemo is the embedded platform that the cases share; each has services of its own.
func sharedDemo(t testing.TB) *platform {
	t.Helper()
	p, err := theDemo()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ownDemo is an embedded platform for one test alone, seen through all its managers.
func ownDemo(t testing.TB, o demo.Options) *platform {
	t.Helper()
	o.Quiet = true
	d, err := demo.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	p, end, err := connect(sut.Options{Hosts: d.DockerHosts()}, demoImage)
	if err != nil {
		t.Fatal(err)
	}
	p.demo = d
	t.Cleanup(func() { end(); _ = d.Close() })
	return p
}

type option func(*swarm.ServiceSpec)

func replicas(n uint64) option {
	return func(s *swarm.ServiceSpec) {
		s.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
	}
}

func onFailure(a swarm.FailureAction) option {
	return func(s *swarm.ServiceSpec) { s.UpdateConfig.FailureAction = a }
}

func constraints(c ...string) option {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement = &swarm.Placement{Constraints: c} }
}

func env(e ...string) option {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.ContainerSpec.Env = append(s.TaskTemplate.ContainerSpec.Env, e...)
	}
}

func label(k, v string) option {
	return func(s *swarm.ServiceSpec) { s.Labels[k] = v }
}

func monitored(d time.Duration) option {
	return func(s *swarm.ServiceSpec) { s.UpdateConfig.Monitor = d }
}

func hostPort(n uint32) option {
	return func(s *swarm.ServiceSpec) {
		s.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 8080, PublishedPort: n, PublishMode: swarm.PortConfigPublishModeHost}}
	}
}

// monitor is the monitor time, and so the stability window, of the tests' services.
const monitor = time.Second

// named is a name of this test's own.
func named(t testing.TB) string {
	short := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(t.Name()[strings.IndexByte(t.Name(), '/')+1:]))
	return fmt.Sprintf("act-%d-%d-%.30s", os.Getpid(), serial.Add(1), short)
}

var serial atomic.Int64

// spec is a service that runs and answers, two of it, updated all at once.
func (p *platform) spec(name string, options ...option) swarm.ServiceSpec {
	delay, grace := 500*time.Millisecond, time.Second
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"qd.test": "actions"}}, EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
		UpdateConfig:   &swarm.UpdateConfig{Parallelism: 0, Monitor: monitor, FailureAction: swarm.UpdateFailureActionPause, Order: swarm.UpdateOrderStartFirst},
		RollbackConfig: &swarm.UpdateConfig{Parallelism: 0, Monitor: monitor, FailureAction: swarm.UpdateFailureActionPause, Order: swarm.UpdateOrderStartFirst}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: p.image + "1.0", StopGracePeriod: &grace, Env: []string{"RATE=0.2", "NAME=" + name}}
	s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	if p.demo != nil { // the lab's image has a health check of its own
		s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/app/healthcheck"}, Interval: time.Second, Retries: 2}
	} else {
		s.TaskTemplate.LogDriver = &swarm.Driver{Name: "json-file"}
	}
	replicas(2)(&s)
	for _, o := range options {
		o(&s)
	}
	return s
}

// create makes a service, and removes it with the test.
func (p *platform) create(t testing.TB, options ...option) string {
	t.Helper()
	name := named(t)
	p.createNamed(t, p.spec(name, options...))
	return name
}

func (p *platform) createNamed(t testing.TB, s swarm.ServiceSpec) {
	t.Helper()
	made, err := p.api.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*waitLimit)
		defer cancel()
		p.empty(ctx, made.ID)
		_, _ = p.api.ServiceRemove(ctx, made.ID, client.ServiceRemoveOptions{}) // gone already in some tests
	})
}

// empty scales a service of a real swarm to nothing and waits, for a minute at most, until none of its tasks is left. A manager of
// Docker 20.10 ends by a panic where a service is removed at the moment at which one of its tasks is forgotten: swarmkit's
// orchestrator.SetServiceTasksRemove reads the tasks in one transaction and writes them in the next.
func (p *platform) empty(ctx context.Context, id string) {
	if p.demo != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for changed := false; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		got, err := p.api.ServiceInspect(ctx, id, client.ServiceInspectOptions{})
		if err != nil || got.Service.Spec.Mode.Replicated == nil {
			return
		}
		if s := got.Service; !changed {
			none := uint64(0)
			s.Spec.Mode.Replicated.Replicas = &none
			_, err := p.api.ServiceUpdate(ctx, id, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
			changed = err == nil // else the orchestrator has moved the version on: once more
			continue
		}
		list, err := p.api.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", id)})
		if err != nil || len(list.Items) == 0 {
			return
		}
	}
}

// running makes a service and waits until it is well.
func (p *platform) running(t testing.TB, options ...option) string {
	t.Helper()
	name := p.create(t, options...)
	p.well(t, name)
	return name
}

// well waits until the fleet calls a service healthy, or idle where it is to be, as it is now.
func (p *platform) well(t testing.TB, name string) {
	t.Helper()
	p.until(t, name+" is well", func() bool {
		s := p.fleet.Snapshot().Service(name)
		if s == nil || s.Health != fleet.Healthy && s.Health != fleet.Idle || s.UpdateState == "updating" {
			return false
		}
		now := p.service(t, name)
		return s.Version == now.Version.Index && s.Well == s.Want && time.Since(now.UpdatedAt) > settleTime
	})
}

// settleTime is longer than an orchestrator takes to begin an update.
const settleTime = 500 * time.Millisecond

// until waits for a condition.
func (p *platform) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// service reads a service by the tests' own client.
func (p *platform) service(t testing.TB, name string) swarm.Service {
	t.Helper()
	got, err := p.api.ServiceInspect(t.Context(), name, client.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Service
}

// change gives a service another spec by the tests' own client, as somebody else does. The orchestrator itself moves the version on while it
// updates: so an old version is tried again.
func (p *platform) change(t testing.TB, name string, options ...option) swarm.Service {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		s := p.service(t, name)
		for _, o := range options {
			o(&s.Spec)
		}
		_, err := p.api.ServiceUpdate(t.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
		if err == nil {
			return p.service(t, name)
		}
		if !strings.Contains(err.Error(), "out of sequence") || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func withImage(image string) option {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = image }
}

// specJSON is a spec as the engine has it, less what two equal specs may differ in: the count of forced updates, and a placement that says nothing.
func specJSON(t testing.TB, s swarm.ServiceSpec) string {
	t.Helper()
	s.TaskTemplate.ForceUpdate = 0
	if p := s.TaskTemplate.Placement; p != nil && len(p.Constraints)+len(p.Platforms)+len(p.Preferences) == 0 && p.MaxReplicas == 0 {
		s.TaskTemplate.Placement = nil
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// runs are how many tasks of a service run an image.
func (p *platform) runs(t testing.TB, name, image string) int {
	t.Helper()
	list, err := p.api.TaskList(t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name)})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range list.Items {
		if x.Status.State == swarm.TaskStateRunning && x.DesiredState == swarm.TaskStateRunning && strings.HasPrefix(x.Spec.ContainerSpec.Image, image) {
			n++
		}
	}
	return n
}

func (p *platform) replicas(t testing.TB, name string) int {
	t.Helper()
	return int(*p.service(t, name).Spec.Mode.Replicated.Replicas) //nolint:gosec // small
}

// rig is a deck with a journal of its own.
type rig struct {
	*platform
	*actions.Deck
	t testing.TB
}

// deck makes a deck in a new directory.
func (p *platform) deck(t testing.TB) *rig {
	t.Helper()
	return p.deckIn(t, t.TempDir())
}

func (p *platform) deckIn(t testing.TB, dir string) *rig {
	t.Helper()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{p, &actions.Deck{Hands: p.hands, Bench: p.hands, Fleet: p.fleet, Journal: j, Logs: p.logs, Now: time.Now, Policy: actions.Policy{Actor: "tester", Host: "here", Context: "test"}}, t}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		_ = r.Close(ctx) // a sink may fail on purpose
	})
	return r
}

// planned is a plan that could be made.
func (r *rig) planned(p *actions.Plan, err error) *actions.Plan {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	if p.Refused != "" || p.Nothing != "" {
		r.t.Fatalf("refused %q, nothing %q", p.Refused, p.Nothing)
	}
	return p
}

func (r *rig) start(p *actions.Plan) *actions.Running {
	r.t.Helper()
	run, err := r.Start(context.Background(), p, actions.Approval{Yes: true, Typed: p.Word(), Reason: "a test"}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

// run carries a plan out, and holds what every run must keep: the report's result is the journal's, and the chain is whole.
func (r *rig) run(p *actions.Plan, want string) (actions.Report, error) {
	r.t.Helper()
	return r.ended(r.start(p), want)
}

func (r *rig) ended(run *actions.Running, want string) (actions.Report, error) {
	r.t.Helper()
	select {
	case <-run.Done():
	case <-time.After(6 * waitLimit):
		r.t.Fatalf("run %s never ends: %+v", run.ID(), run.Progress().Rollouts)
	}
	report, err := run.Report()
	if report.Result != want {
		r.t.Fatalf("result %q (%s, %v), want %q", report.Result, report.Reason, err, want)
	}
	r.sound()
	if want == actions.ResultInterrupted {
		return report, err
	}
	e := r.entries(run.ID())
	if last := e[len(e)-1]; e[0].Phase != "begin" || last.Phase != "end" || last.Result != report.Result || last.Reason != report.Reason {
		r.t.Errorf("the journal begins with %s and ends with %s %q %q; the report says %q %q", e[0].Phase, last.Phase, last.Result, last.Reason, report.Result, report.Reason)
	}
	if p := run.Progress(); p.Result != report.Result || p.Ended.IsZero() {
		r.t.Errorf("the progress says %q, ended %s", p.Result, p.Ended)
	}
	return report, err
}

// sound holds that the journal's chain and specs are whole.
func (r *rig) sound() {
	r.t.Helper()
	v, err := journal.Verify(r.Journal.Dir())
	if err != nil || !v.OK() || len(v.SpecFaults) > 0 {
		r.t.Errorf("the journal is not whole: %+v %v", v, err)
	}
}

func (r *rig) entries(run string) []journal.Entry {
	r.t.Helper()
	var out []journal.Entry
	if err := r.Journal.Read(func(e journal.Entry) bool {
		if run == "" || e.Run == run {
			out = append(out, e)
		}
		return true
	}); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) scale(name string, n uint64) *actions.Plan {
	r.t.Helper()
	return r.planned(r.PlanScale(r.t.Context(), []actions.ScaleTarget{{Service: name, Replicas: n}}))
}

func (r *rig) redeploy(name, image string) *actions.Plan {
	r.t.Helper()
	return r.planned(r.PlanRedeploy(r.t.Context(), []actions.RedeployTarget{{Service: name, Image: image}}))
}

func (r *rig) undo(run string) *actions.Plan {
	r.t.Helper()
	return r.planned(r.PlanUndo(r.t.Context(), run))
}

// dump is all bytes of a directory, the names of its files among them.
func dump(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		b.WriteString(path + "\n" + string(raw) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// breakJournal puts a directory where the journal's file is: nothing can be written any more.
func (r *rig) breakJournal() {
	r.t.Helper()
	file := filepath.Join(r.Journal.Dir(), "journal.jsonl")
	if err := os.Rename(file, file+".away"); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		r.t.Fatal(err)
	}
}
