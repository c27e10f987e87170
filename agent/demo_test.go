package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/agent"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/demo/world"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/objectstore"
	sut "quarterdeck/sources/swarm"
)

// waitLimit is how long a test waits for what it waits for before it fails.
const waitLimit = time.Minute

// TestMain is also the agent of another process, which is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("QD_AGENT_CHILD"); text != "" {
		os.Exit(child(text))
	}
	goleak.VerifyTestMain(m)
}

// place is where an agent is and what it works with.
type place struct {
	Docker, Store string
	Env           map[string]string
	Dir, Host     string
	Ahead         time.Duration // of its clock
}

// deck connects an agent's deck, until end is called.
func (p *place) deck(now func() time.Time) (d *actions.Deck, end func(), err error) {
	c, err := sut.New(sut.Options{Host: p.Docker})
	if err != nil {
		return nil, nil, err
	}
	store, err := objectstore.Open(p.Store, func(name string) string { return p.Env[name] }, waitLimit)
	if err != nil {
		return nil, nil, err
	}
	book, err := journal.Open(p.Dir)
	if err != nil {
		return nil, nil, err
	}
	hands := sut.NewHands(c, c)
	f := fleet.New(time.Now, fleet.SwarmName)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx, fleet.Feeds{Swarm: c}) })
	d = &actions.Deck{Hands: hands, Bench: hands, EngineLogs: sut.NewLogs(c), Objects: store, Fleet: f, Journal: book, Now: now, Policy: actions.Policy{Actor: "agent", Host: p.Host, Context: "demo"},
		Recovery: actions.RecoverySettings{Image: world.RunnerImage, Repository: world.RepositorySecret}}
	return d, func() {
		cancel()
		wg.Wait()
		_ = errors.Join(d.Close(context.Background()), store.Close(), c.Close())
	}, nil
}

// child is an agent that works until it is killed.
func child(text string) int {
	var p place
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		var d *actions.Deck
		if d, _, err = p.deck(func() time.Time { return time.Now().Add(p.Ahead) }); err == nil {
			a := &agent.Agent{Deck: d, Now: d.Now, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
			err = a.Run(context.Background())
		}
	}
	fmt.Println("error", err)
	return 1
}

// rig is an embedded platform with a service that has something to be saved at a due time.
type rig struct {
	t       *testing.T
	demo    *demo.Platform
	api     *client.Client
	store   *objectstore.Store
	service string
	due     time.Time
	ahead   time.Duration // of the agents' clocks
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d, err := demo.Start(context.Background(), demo.Options{Quiet: true, Seed: 7})
	must(t, err)
	api, err := client.New(client.WithHost(d.DockerHost()))
	must(t, err)
	keys := d.S3Env()
	store, err := objectstore.Open(d.S3(), func(k string) string { return keys[k] }, waitLimit)
	must(t, err)
	t.Cleanup(func() { _ = errors.Join(api.Close(), store.Close(), d.Close()) })
	return &rig{t: t, demo: d, api: api, store: store}
}

// stale lets shop_store be a service whose backups were not made for days, and of which three are to be kept.
func (r *rig) stale() {
	r.t.Helper()
	r.service = "shop_store"
	must(r.t, r.demo.StartScenario("backup-stale"))
	x, err := r.api.ServiceInspect(r.t.Context(), r.service, client.ServiceInspectOptions{})
	must(r.t, err)
	x.Service.Spec.Labels[recovery.LabelKeep] = "last=3"
	_, err = r.api.ServiceUpdate(r.t.Context(), x.Service.ID, client.ServiceUpdateOptions{Version: x.Service.Version, Spec: x.Service.Spec})
	must(r.t, err)
	p := recovery.ParsePolicy(&sources.Service{Labels: x.Service.Spec.Labels})
	r.due = p.Last(time.Now())
}

// files makes a service with a volume that is due within two minutes, for which the agents do not wait: their clocks are ahead.
func (r *rig) files(name string) {
	r.t.Helper()
	r.service, r.due = name, time.Now().UTC().Truncate(time.Minute).Add(2*time.Minute)
	r.ahead = time.Until(r.due) + time.Second
	one := uint64(1)
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name, Labels: map[string]string{recovery.LabelEngine: "volume", recovery.LabelVerify: "true",
		recovery.LabelSchedule: fmt.Sprintf("%d %d * * *", r.due.Minute(), r.due.Hour())}}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "registry.quarterdeck.demo/act/app:1.0", Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: "/data"}}}
	_, err := r.api.ServiceCreate(r.t.Context(), client.ServiceCreateOptions{Spec: s})
	must(r.t, err)
	r.until("a task of it runs", func() bool {
		list, err := r.api.TaskList(r.t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name)})
		return err == nil && slices.ContainsFunc(list.Items, func(x swarm.Task) bool { return x.Status.State == swarm.TaskStateRunning })
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

func (r *rig) place(host string) *place {
	return &place{Docker: r.demo.DockerHost(), Store: r.demo.S3(), Env: r.demo.S3Env(), Dir: r.t.TempDir(), Host: host, Ahead: r.ahead}
}

// worker is an agent of this process. later puts its clock forward.
type worker struct {
	*agent.Agent
	later atomic.Int64
	stop  func()
}

// starts starts an agent on a machine of its own.
func (r *rig) starts(host string, set ...func(*agent.Agent)) *worker {
	r.t.Helper()
	p := r.place(host)
	w := &worker{}
	d, end, err := p.deck(func() time.Time { return time.Now().Add(p.Ahead + time.Duration(w.later.Load())) })
	must(r.t, err)
	w.Agent = &agent.Agent{Deck: d, Now: d.Now, Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)).With("agent", host)}
	for _, f := range set {
		f(w.Agent)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	w.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); end() })
	r.t.Cleanup(w.stop)
	return w
}

// made are the service's snapshots, the newest first.
func (r *rig) made() []recovery.Snapshot {
	r.t.Helper()
	c, err := (&recovery.Catalogue{Objects: r.store}).Read(r.t.Context())
	must(r.t, err)
	return c.Snapshots[r.service]
}

// once holds that there is one snapshot of the due time, and that nothing of any run is left in the swarm for the service.
func (r *rig) once() {
	r.t.Helper()
	list := r.made()
	if len(list) == 0 {
		r.t.Fatal("there is no snapshot")
	}
	n := 0
	for i := range list {
		if list[i].Due.Equal(r.due) {
			n++
			if list[i].Origin != recovery.Scheduled {
				r.t.Errorf("its origin is %q", list[i].Origin)
			}
		}
	}
	if n != 1 {
		r.t.Errorf("%d snapshots of %s: %+v", n, r.due, list)
	}
	claims, err := r.store.List(r.t.Context(), "runs/")
	must(r.t, err)
	backups := 0
	for _, x := range claims {
		// Of whichever attempt: of an agent that died between an attempt's config and its service the next one does it.
		if strings.HasPrefix(x.Key, "runs/"+list[0].Run+"/backup.") && strings.HasSuffix(x.Key, ".claim.json") {
			backups++
		} else if data, err := r.store.Get(r.t.Context(), x.Key, 1<<20); err == nil && strings.Contains(x.Key, "/backup.") && strings.Contains(string(data), `"service":"`+r.service+`"`) && !strings.Contains(x.Key, list[0].Run) {
			r.t.Errorf("another job has saved it: %s %s", x.Key, data)
		}
	}
	if backups != 1 {
		r.t.Errorf("%d claims of its job", backups)
	}
}

// left are the configs of the service's runs that are in the swarm.
func (r *rig) left() []string {
	r.t.Helper()
	list, err := r.api.ConfigList(r.t.Context(), client.ConfigListOptions{})
	must(r.t, err)
	var out []string
	for _, c := range list.Items {
		if c.Spec.Labels["qd.service"] == r.service {
			out = append(out, c.Spec.Name)
		}
	}
	return out
}

// TestAgentOnDemo: of two agents one makes the backup that is due, forgets what is not kept, looks through the repository, and is followed by the other at once when
// it is told to end.
func TestAgentOnDemo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stale()
	a := r.starts("one")
	r.until("the first has the lease", func() bool { return a.Status().Held })
	b := r.starts("two")
	r.until("the second knows who has it", func() bool { return b.Status().Holder == "agent on one" })
	r.until("it is saved", func() bool { return len(r.made()) > 0 && r.made()[0].Due.Equal(r.due) })
	r.until("the repository is looked through", func() bool {
		x, err := recovery.LastAudit(t.Context(), r.store, time.Now().Add(time.Hour))
		return err == nil && x != nil && x.OK
	})
	r.until("nothing is in hand", func() bool { s := a.Status(); return s.Running == nil && len(r.left()) == 0 })
	r.once()
	if n := len(r.made()); n != 3 {
		t.Errorf("%d snapshots are kept", n)
	}
	s := a.Status()
	i := slices.IndexFunc(s.Services, func(x agent.Service) bool { return x.Service == r.service })
	if i < 0 || s.Services[i].Newest == nil || !s.Services[i].Newest.Due.Equal(r.due) || !s.Services[i].Due.Equal(r.due.AddDate(0, 0, 1)) || s.Services[i].GivenUp || s.Audit == nil || len(s.Failures) > 0 || len(s.CleanUps) > 0 {
		t.Errorf("the status: %+v", s)
	}
	if b.Status().Held {
		t.Error("both hold the lease")
	}
	a.stop()
	began := time.Now()
	r.until("the second has the lease", func() bool { return b.Status().Held })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("what was given up was taken after %s", took)
	}
	r.once()
}

// TestAgentKilled: an agent of another process is killed by SIGKILL while its job runs. Another on another machine takes the lease and the run over once they
// are silent, and there is one snapshot.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files("agent-killed")
	p := r.place("dead")
	text, err := json.Marshal(p)
	must(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "QD_AGENT_CHILD="+string(text))
	must(t, cmd.Start())
	killed := sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Cleanup(killed)
	r.until("its job is under way", func() bool {
		return slices.ContainsFunc(r.left(), func(name string) bool { return strings.HasPrefix(name, "qd-backup-") })
	})
	killed() // at once: the job ends by itself in some seconds, and on a busy machine others take longer to be there
	if raw, err := os.ReadFile(filepath.Join(p.Dir, "journal.jsonl")); err != nil || strings.Contains(string(raw), `"phase":"end"`) {
		t.Fatalf("the dead one has ended its run: %v", err)
	}
	b := r.starts("living", func(a *agent.Agent) { a.Drills = true })
	r.until("the living one waits", func() bool { return b.Status().Holder == "agent on dead" && !b.Status().Held })
	r.until("the living one has the lease", func() bool {
		if b.Status().Held {
			return true
		}
		b.later.Add(int64(time.Second)) // 35 s of silence need not be waited for
		return false
	})
	r.until("the run is at its end", func() bool { return len(r.made()) > 0 && len(r.left()) == 0 })
	r.once()
	r.until("what was never tried is tried", func() bool {
		c, err := (&recovery.Catalogue{Objects: r.store}).Read(t.Context())
		return err == nil && len(c.Drills[r.service]) == 1 && c.Drills[r.service][0].OK
	})
	runs, err := b.Deck.Runs()
	must(t, err)
	if i := slices.IndexFunc(runs, func(x actions.RunRecord) bool { return x.Target == r.service }); i < 0 || runs[i].Result != actions.ResultDone || runs[i].ID != r.made()[0].Run {
		t.Errorf("the living one's journal has %+v", runs)
	}
}

// TestAgentTriesAgain: what fails is tried three times, by whichever agent, and then given up; all is told with its reason.
func TestAgentTriesAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files("agent-fails")
	must(t, r.demo.StartScenario("restore-wrong-password"))
	only := func(a *agent.Agent) { a.Only = "agent-*" }
	of := func(w *worker) (s agent.Service) {
		for _, x := range w.Status().Services {
			if x.Service == r.service {
				s = x
			}
		}
		return s
	}
	for n := 1; n <= agent.MaxTries; n++ {
		w := r.starts(fmt.Sprint("number ", n), only)
		failed := func() bool { s := w.Status(); return s.Failed(agent.Backup, r.service) == 1 && s.Running == nil }
		r.until("an attempt fails", failed)
		if given := of(w).GivenUp; given != (n == agent.MaxTries) {
			t.Errorf("after %d attempts it is given up: %v", n, given)
		}
		o, err := (&agent.Agent{Deck: w.Deck, Now: w.Now, Log: w.Log, Only: w.Only}).Outlook(t.Context())
		must(t, err)
		if i := slices.IndexFunc(o.Due, func(x agent.Task) bool { return x.Kind == agent.Backup }); i < 0 || o.Due[i].Tries != n || !strings.Contains(o.Last(&o.Due[i]).Reason, "password") {
			t.Errorf("the outlook after %d attempts: %+v %+v", n, o.Due, o.Tries)
		}
		w.stop()
		r.ahead += 10 * time.Minute // more than any pause between the first attempts
	}
	if len(r.made()) != 0 || len(r.left()) != 0 {
		t.Errorf("%d snapshots; left are %q", len(r.made()), r.left())
	}
}
