package actions_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	sut "quarterdeck/sources/swarm"
)

// counter is a proxy before the engine that counts the requests, and the changes that the engine has made.
type counter struct {
	host        string
	made, asked atomic.Int64
}

func (p *platform) counted(t testing.TB) *counter {
	t.Helper()
	u, err := url.Parse(p.host)
	if err != nil {
		t.Fatal(err)
	}
	network, address := u.Scheme, u.Host
	if network == "unix" {
		address = u.Path
	}
	var d net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, network, address) }}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = tr
	c := &counter{}
	proxy.ModifyResponse = func(r *http.Response) error {
		c.asked.Add(1)
		if r.Request.Method != http.MethodGet && r.Request.Method != http.MethodHead && r.StatusCode < 300 {
			c.made.Add(1)
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) } // the client or the engine has gone
	s := httptest.NewServer(proxy)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		tr.CloseIdleConnections()
	})
	c.host = "tcp://" + s.Listener.Addr().String()
	return c
}

// through lets a deck act through the counter.
func (r *rig) through(c *counter) {
	r.t.Helper()
	client, err := sut.New(sut.Options{Host: c.host})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = client.Close() })
	r.Hands = sut.NewHands(client, client)
}

// interruption is an action that dies at every point of its way.
type interruption struct {
	action string
	steps  int // of the run
	effect int // changes that it makes in all
	// prepare makes what the action is about, and fills in what the child is told.
	prepare func(*testing.T, *platform, *job)
	// done tells whether a service is as it was asked for.
	done func(*testing.T, *platform, *job) bool
}

func imageIs(tag string) func(*testing.T, *platform, *job) bool {
	return func(t *testing.T, p *platform, j *job) bool {
		t.Helper()
		return strings.HasPrefix(p.service(t, j.Service).Spec.TaskTemplate.ContainerSpec.Image, p.image+tag)
	}
}

func replicasAre(n int) func(*testing.T, *platform, *job) bool {
	return func(t *testing.T, p *platform, j *job) bool {
		t.Helper()
		return p.replicas(t, j.Service) == n
	}
}

var interruptions = []interruption{
	{actions.Scale, 2, 1, func(t *testing.T, p *platform, j *job) { j.Service, j.Replicas = p.running(t, replicas(1)), 2 }, replicasAre(2)},
	{actions.Redeploy, 2, 1, func(t *testing.T, p *platform, j *job) { j.Service, j.Tag = p.running(t, replicas(1)), ":1.1" }, imageIs("1.1")},
	{actions.Rollback, 2, 1, func(t *testing.T, p *platform, j *job) {
		j.Service = p.running(t, replicas(1))
		p.change(t, j.Service, withImage(p.image+"1.1"))
		p.well(t, j.Service)
	}, imageIs("1.0")},
	{actions.Undo, 2, 1, func(t *testing.T, p *platform, j *job) {
		j.Service = p.running(t, replicas(1))
		r := p.deckIn(t, j.Dir)
		plan := r.scale(j.Service, 2)
		plan.NoWait = true
		if _, err := r.run(plan, actions.ResultDone); err != nil {
			t.Fatal(err)
		}
	}, replicasAre(1)},
	{actions.Rotate, 4, 3, func(t *testing.T, p *platform, j *job) { j.Service, j.Secret = p.withSecret(t, replicas(1)) },
		func(t *testing.T, p *platform, j *job) bool {
			t.Helper()
			next := strings.TrimSuffix(j.Secret, "1")
			left := p.secrets(t, next)
			used := p.service(t, j.Service).Spec.TaskTemplate.ContainerSpec.Secrets[0]
			return len(left) == 1 && used.SecretName == next+"2" && left[next+"2"].ID == used.SecretID
		}},
}

// TestInterrupted kills a run right after each of its entries, and after each of its effects, before anybody knows.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	interruptedEverywhere(t, sharedDemo(t), make(chan struct{}, 64))
}

// interruptedEverywhere kills every action at every point of its way, and has it finished or taken back; so many at once as the gate lets through.
// Short it is every twelfth of the points: all of them take a quarter of an hour on real engines, and some minutes with the race detector.
func interruptedEverywhere(t *testing.T, p *platform, gate chan struct{}) {
	t.Helper()
	i := 0
	each := func(name string, f func(*testing.T)) {
		if i++; i%12 != 0 && testing.Short() {
			return
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			f(t)
		})
	}
	for _, x := range interruptions {
		for n := 1; n <= 2+2*x.steps; n++ {
			each(fmt.Sprintf("%s entry %d", x.action, n), func(t *testing.T) { x.finish(t, p, job{DieAtEntry: n}) })
		}
		for n := 1; n <= x.effect; n++ {
			each(fmt.Sprintf("%s effect %d", x.action, n), func(t *testing.T) { x.finish(t, p, job{DieAtEffect: n}) })
		}
		if x.action != actions.Redeploy && x.action != actions.Rotate {
			continue
		}
		for n := 1; n <= 1+2*x.steps; n++ {
			each(fmt.Sprintf("%s back from entry %d", x.action, n), func(t *testing.T) { x.back(t, p, job{DieAtEntry: n}) })
		}
	}
}

// interrupted lets a child begin the action and die, and gives what is there then. unfinished is nil where the run has ended.
func (x *interruption) interrupted(t *testing.T, p *platform, j *job) (r *rig, c *counter, unfinished *actions.RunRecord) {
	t.Helper()
	c = p.counted(t)
	j.Dir, j.Host, j.Image, j.Action = t.TempDir(), c.host, p.image, x.action
	x.prepare(t, p, j)
	said, killed := spawn(t, *j).rest()
	if !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	r = p.deckIn(t, j.Dir)
	r.through(c)
	open, err := r.Unfinished()
	if err != nil {
		t.Fatal(err)
	}
	if ended := j.DieAtEntry == 2+2*x.steps; ended || len(open) != 1 {
		if !ended || len(open) != 0 {
			t.Fatalf("%d runs are unfinished", len(open))
		}
		return r, c, nil
	}
	if o := open[0]; o.Action != x.action || o.Target != j.Service || o.Actor != "child" {
		t.Errorf("%+v", o)
	}
	return r, c, &open[0]
}

// stand holds that what is said of the service is so.
func (x *interruption) stand(t *testing.T, r *rig, j *job, run actions.RunRecord) actions.Standing {
	t.Helper()
	st, err := r.Stand(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	made := x.action != actions.Rotate && x.done(t, r.platform, j) // of a rotation the service is moved over in the middle
	if x.action == actions.Rotate {
		made = strings.HasSuffix(r.service(t, j.Service).Spec.TaskTemplate.ContainerSpec.Secrets[0].SecretName, "_v2")
	}
	want := map[bool]string{true: "changed", false: "as before"}[made]
	if len(st.Services) != 1 || st.Services[0].State != want || st.AllMade != made || st.Of != x.steps {
		t.Errorf("it is %s: %+v", want, st)
	}
	if j.DieAtEntry > 0 && st.Done != (j.DieAtEntry-1)/2 {
		t.Errorf("%d steps are said to be done after entry %d", st.Done, j.DieAtEntry)
	}
	return st
}

// busy holds that nobody begins anything else on the service meanwhile.
func busy(t *testing.T, r *rig, service string, run string) {
	t.Helper()
	plan := r.redeploy(service, "")
	err := r.notStarted(plan, actions.Approval{Yes: true}, "has "+service+" in hand")
	var b *actions.Busy
	if !errors.As(err, &b) || b.Run != run {
		t.Errorf("%v", err)
	}
}

func (x *interruption) finish(t *testing.T, p *platform, j job) {
	r, c, run := x.interrupted(t, p, &j)
	if run == nil {
		return
	}
	st := x.stand(t, r, &j, *run)
	busy(t, r, j.Service, run.ID)
	if x.action == actions.Rotate && c.made.Load() == 0 { // the value died with the process
		if !strings.Contains(st.NoFinish, "rotate again") {
			t.Errorf("it cannot be finished: %q", st.NoFinish)
		}
		return
	}
	again, err := r.Resume(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != run.ID {
		t.Errorf("run %s was resumed as %s", run.ID, again.ID())
	}
	if _, err := r.Resume(t.Context(), st, nil); !errors.As(err, new(*actions.Busy)) && !errors.As(err, new(*actions.Refusal)) { // it may have ended by now
		t.Errorf("it is resumed twice: %v", err)
	}
	if _, err := r.ended(again, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if n := c.made.Load(); n != int64(x.effect) {
		t.Errorf("%d changes were made, want %d", n, x.effect)
	}
	if !x.done(t, p, &j) {
		t.Errorf("it is not as it was asked for: %s", specJSON(t, p.service(t, j.Service).Spec))
	}
	if open, err := r.Unfinished(); err != nil || len(open) > 0 {
		t.Errorf("%d unfinished, %v", len(open), err)
	}
}

func (x *interruption) back(t *testing.T, p *platform, j job) {
	var before swarm.ServiceSpec
	prepare := x.prepare
	x2 := *x
	x2.prepare = func(t *testing.T, p *platform, j *job) {
		t.Helper()
		prepare(t, p, j)
		before = p.service(t, j.Service).Spec
	}
	r, _, run := x2.interrupted(t, p, &j)
	plan, err := r.PlanUndo(t.Context(), run.ID)
	if err != nil || plan.Refused != "" {
		if x.action == actions.Rotate && len(p.secrets(t, strings.TrimSuffix(j.Secret, "1"))) == 1 && j.DieAtEntry > 7 { // the old one is gone
			return
		}
		t.Fatalf("%+v %v", plan, err)
	}
	want := actions.ResultDone
	if plan.Nothing != "" {
		want = actions.ResultNothing
	}
	back, err := r.Start(t.Context(), plan, actions.Approval{Yes: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := back.Report(); report.Result != want || err != nil {
		t.Errorf("%+v %v", report, err)
	}
	if got := p.service(t, j.Service).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
	if left := p.secrets(t, strings.TrimSuffix(j.Secret, "1")); x.action == actions.Rotate && len(left) != 1 {
		t.Errorf("left are %v", left)
	}
	if open, err := r.Unfinished(); err != nil || len(open) > 0 {
		t.Errorf("%d unfinished, %v", len(open), err)
	}
	r.sound()
	r.proven(r.scale(j.Service, 2)) // nothing is in the way
}

// TestResumedByTwo lets two processes resume one run at the same time: one does, the other hears that it is busy.
func TestResumedByTwo(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	x := interruptions[1]
	j := job{DieAtEntry: 2}
	r, c, run := x.interrupted(t, p, &j)
	st := x.stand(t, r, &j, *run)
	both := []*process{}
	for range 2 {
		both = append(both, spawn(t, job{Dir: j.Dir, Host: c.host, Image: p.image, Action: "resume"}))
	}
	done, refused := 0, 0
	for _, one := range both {
		said, killed := one.rest()
		switch {
		case killed:
			t.Error("killed")
		case strings.Contains(said, "ended done"):
			done++
		case strings.Contains(said, "in hand"), strings.Contains(said, "0 runs are unfinished"):
			refused++
		default:
			t.Errorf("a child says %q", said)
		}
	}
	if done != 1 || refused != 1 || c.made.Load() != 1 {
		t.Errorf("%d have done it, %d were refused, %d changes were made", done, refused, c.made.Load())
	}
	if _, err := r.Resume(t.Context(), st, nil); err == nil {
		t.Error("a run that has ended was resumed by somebody who looked before")
	}
	r.sound()
}

// TestBusyElsewhere is a run in another process that lives: nothing else is begun on its service, and it is not offered to be resumed.
func TestBusyElsewhere(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name := p.running(t, replicas(1), monitored(4*1e9))
	other := p.running(t, replicas(1))
	r := p.deck(t)
	one := spawn(t, job{Dir: r.Journal.Dir(), Host: p.host, Image: p.image, Action: actions.Redeploy, Service: name, Tag: ":1.1"})
	id := one.line("begun")
	open, err := r.Unfinished()
	if err != nil || len(open) > 0 {
		t.Errorf("a run that lives is unfinished: %+v %v", open, err)
	}
	plan := r.redeploy(name, ":1.0")
	var b *actions.Busy
	if err := r.notStarted(plan, actions.Approval{Yes: true}, "in hand"); !errors.As(err, &b) || b.Run != id {
		t.Errorf("%v", err)
	}
	undo, err := r.PlanUndo(t.Context(), id)
	if err != nil || !strings.Contains(undo.Refused, "still under way") {
		t.Errorf("%+v %v", undo, err)
	}
	r.proven(r.scale(other, 2)) // another service is free
	if said, _ := one.rest(); !strings.Contains(said, "ended done") {
		t.Errorf("the child says %q", said)
	}
	if _, err := r.run(r.scale(name, 2), actions.ResultDone); err != nil {
		t.Error(err)
	}
}

// TestLeft is a run that nobody watches any more: the swarm goes on, and the run is there to be finished.
func TestLeft(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name, r := p.running(t), p.deck(t)
	run := r.start(r.redeploy(name, ":1.1"))
	p.until(t, "the update is made", func() bool { return imageIs("1.1")(t, p, &job{Service: name}) })
	p.until(t, "it is verified", func() bool { s := run.Progress().Steps; return len(s) == 2 })
	run.Leave()
	report, err := r.ended(run, actions.ResultInterrupted)
	if err != nil || !strings.Contains(report.Reason, "goes on") {
		t.Errorf("%+v %v", report, err)
	}
	busy(t, r, name, run.ID())
	open, err := r.Unfinished()
	if err != nil || len(open) != 1 {
		t.Fatal(open, err)
	}
	st, err := r.Stand(t.Context(), open[0])
	if err != nil || !st.AllMade || st.Done != 1 || st.Step != "verify "+name {
		t.Fatalf("%+v %v", st, err)
	}
	again, err := r.Resume(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ended(again, actions.ResultDone); err != nil {
		t.Error(err)
	}
}

// TestAbandoned is a run that can neither be finished nor taken back, because somebody else has changed the same field: it is left as it is, and
// its service is free.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	x := interruptions[1]
	j := job{DieAtEffect: 1}
	r, _, run := x.interrupted(t, p, &j)
	p.change(t, j.Service, withImage(p.image+"1.2"))
	p.well(t, j.Service)
	st, err := r.Stand(t.Context(), *run)
	if err != nil || st.Services[0].State != "changed by somebody else" || !strings.Contains(st.NoFinish, "changed by somebody else") {
		t.Errorf("%+v %v", st, err)
	}
	var refusal *actions.Refusal
	if _, err := r.Resume(t.Context(), st, nil); !errors.As(err, &refusal) {
		t.Errorf("resumed: %v", err)
	}
	if plan, err := r.PlanUndo(t.Context(), run.ID); err != nil || !strings.Contains(plan.Refused, "was changed again since: image") {
		t.Errorf("%+v %v", plan, err)
	}
	busy(t, r, j.Service, run.ID)
	must(t, r.Abandon(*run, "a test"))
	if err := r.Abandon(*run, ""); !errors.As(err, &refusal) {
		t.Errorf("twice: %v", err)
	}
	runs, err := r.Runs()
	if err != nil || runs[0].Result != actions.ResultInterrupted || runs[0].Reason != "left as it is: a test" {
		t.Errorf("%+v %v", runs, err)
	}
	r.proven(r.scale(j.Service, 2))
	if !imageIs("1.2")(t, p, &j) {
		t.Error("the other's image is gone")
	}
}
