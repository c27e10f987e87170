package world

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// Scenario is an incident that can be started by name.
type Scenario struct{ Name, Title, Description string }

type incident struct{ undo []func() }

type script struct {
	Scenario
	start func(w *World, in *incident) error
}

const (
	badDeployName  = "bad-deploy-rollback"
	sickDeployName = "bad-deploy"
)

// scripts are the incidents, in the order in which they are listed.
func scripts() []script {
	return []script{
		{Scenario{"crash-loop", "A bad configuration", "shop_payments crashes at each start; its tasks fail and are replaced over and over"}, crashLoop},
		{Scenario{"oom", "A memory leak", "shop_cart grows to its memory limit and is killed with exit 137, again and again"}, oom},
		{Scenario{"node-down", "A lost node", "a node's heartbeats stop; its tasks are replaced on the others and its own agent has nowhere to go"}, nodeDown},
		{Scenario{badDeployName, "A deploy that does not start", "shop_api gets an image that fails its start; the update fails and rolls back by itself"}, badDeploy},
		{Scenario{sickDeployName, "A deploy that runs and fails its users", "shop_api gets an image that starts well and is healthy, and answers with 5xx until it is taken back"}, sickDeploy},
		{Scenario{"dependency-slow", "A slow database", "shop_store gets slow; shop_api and shop_web answer late and with 5xx"}, slowStore},
		{Scenario{"log-burst", "A talkative service", "shop_web writes a hundred times its usual lines, with bursts of 5,000 at once"}, logBurst},
		{Scenario{"disk-full", "A full disk", "the disk under shop_store fills up until its writes fail"}, diskFull},
		{Scenario{"image-missing", "An image that no registry has", "batch_worker is updated to a tag that was never pushed; its tasks are rejected"}, imageMissing},
	}
}

// Scenarios lists the incidents.
func Scenarios() []Scenario {
	var out []Scenario
	for _, s := range scripts() {
		out = append(out, s.Scenario)
	}
	return out
}

// StartScenario begins an incident. One that runs already is left as it is.
func (w *World) StartScenario(name string) error {
	defer w.order()()
	return w.startScenario(name)
}

func (w *World) startScenario(name string) error {
	if w.incident[name] != nil {
		return nil
	}
	for _, s := range scripts() {
		if s.Name == name {
			in := &incident{}
			if err := s.start(w, in); err != nil {
				return fmt.Errorf("start scenario %s: %w", name, err)
			}
			w.incident[name] = in
			return nil
		}
	}
	var names []string
	for _, s := range scripts() {
		names = append(names, s.Name)
	}
	return fmt.Errorf("no scenario is called %q: choose one of %s", name, strings.Join(names, ", "))
}

// StopScenario ends an incident: its cause is taken away, the platform recovers by its own means.
func (w *World) StopScenario(name string) error {
	defer w.order()()
	return w.stopScenario(name)
}

func (w *World) stopScenario(name string) error {
	in := w.incident[name]
	if in == nil {
		return fmt.Errorf("scenario %q is not running", name)
	}
	delete(w.incident, name)
	for _, undo := range slices.Backward(in.undo) {
		undo()
	}
	return nil
}

// target is the named service, or in a generated fleet a stand-in for it.
func (w *World) target(name string) (*Service, error) {
	if s, err := w.find(name); err == nil {
		return s, nil
	}
	for _, s := range w.sorted() {
		if r := s.Spec.Mode.Replicated; r != nil && *r.Replicas > 0 {
			return s, nil
		}
	}
	return nil, fmt.Errorf("service %s %w", name, ErrNotFound)
}

func crashLoop(w *World, in *incident) error {
	s, err := w.target("shop_payments")
	if err != nil {
		return err
	}
	s.crash = true
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil && t.Status.State == swarm.TaskStateRunning {
			w.then(t, w.between(100*time.Millisecond, time.Second), func() { w.crash(t) })
		}
	}
	in.undo = append(in.undo, func() { s.crash = false }, w.effect(s, Errors, 0.6, ""))
	return nil
}

func oom(w *World, in *incident) error {
	s, err := w.target("shop_cart")
	if err != nil {
		return err
	}
	limit := 192.0 * mib
	if r := s.Spec.TaskTemplate.Resources; r != nil && r.Limits != nil && r.Limits.MemoryBytes > 0 {
		limit = float64(r.Limits.MemoryBytes)
	}
	leak := limit / 90 // full within a minute and a half; then the kernel reclaims what it can for a while
	in.undo = append(in.undo, w.effect(s, Leak, leak, ""), w.effect(s, Words, 0.02, "cannot allocate 8388608 bytes"))
	kill := func(t *Task) {
		left := max((limit-s.Profile.Memory*t.box.scale*0.9)/leak, 5) + 35*spread(mix(t.box.hash+31), 0.1)
		w.then(t, time.Duration(left*float64(time.Second)), func() {
			if s.onRun != nil {
				w.say(t.box, Warn, fields{"ts", clock(w.now().UnixNano()), "level", "warn", "msg", "heap is near the limit", "limit", int(limit)}.in(s.Profile.Format))
				t.box.OOM = true
				w.boxEvent(events.ActionOOM, t, nil)
				w.fail(t, 137)
			}
		})
	}
	s.onRun = kill
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil && t.Status.State == swarm.TaskStateRunning {
			kill(t)
		}
	}
	in.undo = append(in.undo, func() { s.onRun = nil })
	return nil
}

func nodeDown(w *World, in *incident) error {
	name := w.nodes[len(w.nodes)-1].Description.Hostname
	in.undo = append(in.undo, func() {
		if err := w.reviveNode(name); err != nil {
			w.log.Warn("revive", "node", name, "err", err)
		}
	})
	return w.killNode(name)
}

func badDeploy(w *World, in *incident) error {
	s, err := w.target("shop_api")
	if err != nil {
		return err
	}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	in.undo = append(in.undo, w.effect(s, Errors, 0.08, ""), w.effect(s, Latency, 1.8, ""))
	w.after(90*time.Second, func() { // the rollback ends what users saw, and the incident with it
		if w.incident[badDeployName] == in {
			_ = w.stopScenario(badDeployName)
		}
	})
	return w.deploy(s, ref[:strings.LastIndexByte(ref, ':')]+":2.32.0-bad")
}

// sickDeploy is the deploy that no health check finds: what is wrong shows in the answers and in the diff.
func sickDeploy(w *World, in *incident) error {
	s, err := w.target("shop_api")
	if err != nil {
		return err
	}
	spec := s.Spec
	before := *spec.TaskTemplate.ContainerSpec
	box := before
	ref, _, _ := strings.Cut(box.Image, "@")
	ref = ref[:strings.LastIndexByte(ref, ':')] + ":2.32.0"
	box.Image = ref + "@" + digestOf(ref)
	box.Env = append(slices.Clone(box.Env), "DB_POOL_SIZE=4", "DB_POOL_TIMEOUT=250ms")
	spec.TaskTemplate.ContainerSpec = &box
	if err := w.apply(s, spec); err != nil {
		return err
	}
	var ends []func()
	for _, e := range []struct {
		signal Signal
		value  float64
		note   string
	}{{Errors, 0.22, ""}, {Latency, 2.4, ""}, {Words, 0, "store: no connection within 250ms (pool exhausted: 4 of 4 in use)"}} {
		ends = append(ends, w.effect(s, e.signal, e.value, e.note))
	}
	ended := false
	in.undo = append(in.undo, func() {
		ended = true
		for _, end := range ends {
			end()
		}
		if s.Spec.TaskTemplate.ContainerSpec.Image == box.Image { // nobody has taken it back
			back := s.Spec
			back.TaskTemplate.ContainerSpec = &before
			if err := w.apply(s, back); err != nil {
				w.log.Warn("take the deploy back", "err", err)
			}
		}
	})
	var look func()
	look = func() {
		runs := false
		for _, key := range w.wanted(s) {
			if t := s.live(key); t != nil && t.Spec.ContainerSpec.Image == box.Image {
				runs = true
			}
		}
		switch {
		case ended:
		case !runs && s.Spec.TaskTemplate.ContainerSpec.Image != box.Image: // it was taken back, and so the cause is gone
			if w.incident[sickDeployName] == in {
				_ = w.stopScenario(sickDeployName)
			}
		default:
			w.after(time.Second, look)
		}
	}
	w.after(5*time.Second, look)
	return nil
}

func slowStore(w *World, in *incident) error {
	s, err := w.target("shop_store")
	if err != nil {
		return err
	}
	in.undo = append(in.undo, w.effect(s, Latency, 40, ""), w.effect(s, CPU, 4, ""), w.effect(s, Words, 0.7, slowStatement), w.effect(s, Logs, 6, ""))
	for name, errs := range map[string]float64{"shop_api": 0.18, "shop_web": 0.11} {
		if up, err := w.find(name); err == nil {
			in.undo = append(in.undo, w.effect(up, Latency, 12, ""), w.effect(up, Errors, errs, ""), w.effect(up, CPU, 0.7, ""),
				w.effect(up, Words, 0, "store: context deadline exceeded after 5s (pool exhausted: 32 of 32 in use)"))
		}
	}
	return nil
}

func logBurst(w *World, in *incident) error {
	s, err := w.target("shop_web")
	if err != nil {
		return err
	}
	in.undo = append(in.undo, w.effect(s, Logs, 100, ""), w.effect(s, CPU, 1.6, ""))
	stopped := false
	in.undo = append(in.undo, func() { stopped = true })
	var again func()
	again = func() {
		if stopped {
			return
		}
		if err := w.burst(s, 5000); err != nil {
			w.log.Warn("burst", "err", err)
		}
		w.after(20*time.Second, again)
	}
	w.after(time.Second, again)
	return nil
}

func diskFull(w *World, in *incident) error {
	s, err := w.target("shop_store")
	if err != nil {
		return err
	}
	var n *Node
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil {
			n = t.node
		}
	}
	if n == nil {
		return fmt.Errorf("%s runs on no node: %w", s.Spec.Name, ErrInvalid)
	}
	now := seconds(w.now())
	fill := Effect{Signal: Fill, From: now, To: math.Inf(1), Value: diskSize * (1 - diskUsed) / 120}
	disk := n.figures()
	full := disk.DiskFree(now) / fill.Value
	n.effects = append(recent(n.effects, now-kept.Seconds()), fill)
	stopped := false
	w.after(time.Duration(full*float64(time.Second)), func() {
		if !stopped {
			in.undo = append(in.undo, w.effect(s, Words, 0.5, "could not extend file \"base/16384/24591\": No space left on device"), w.effect(s, Errors, 0.4, ""))
			if api, err := w.find("shop_api"); err == nil {
				in.undo = append(in.undo, w.effect(api, Errors, 0.2, ""), w.effect(api, Words, 0, "store: ERROR: could not extend file: No space left on device (SQLSTATE 53100)"))
			}
		}
	})
	in.undo = append(in.undo, func() { // somebody makes room: what had filled the disk goes within ten seconds
		stopped = true
		end := seconds(w.now())
		effects := slices.Clone(n.effects)
		for i := range effects {
			if effects[i] == fill {
				effects[i].To = end + 10 // as long as what undoes it, so that both are forgotten at once
			}
		}
		n.effects = append(effects, Effect{Signal: Fill, From: end, To: end + 10, Value: -fill.Value * (end + 10 - now) / 10})
	})
	return nil
}

func imageMissing(w *World, in *incident) error {
	s, err := w.target("batch_worker")
	if err != nil {
		return err
	}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	in.undo = append(in.undo, func() {
		if s.PreviousSpec != nil && missing(s.Spec.TaskTemplate.ContainerSpec.Image) {
			w.rollBack(s, "manually requested rollback", true)
		}
	})
	return w.deploy(s, ref[:strings.LastIndexByte(ref, ':')]+":missing-1.5.0")
}

// anyService is one that is deployed now and then.
func (w *World) anyService() *Service {
	names := []string{"shop_web", "shop_api", "shop_cart"}
	if w.big {
		all := w.sorted()
		return all[w.rng.IntN(len(all))]
	}
	s, _ := w.find(names[w.rng.IntN(len(names))])
	return s
}

// liveByItself lets deploys and now and then an incident happen.
func (w *World) liveByItself() {
	var deploy, incident func()
	deploy = func() {
		if s := w.anyService(); s != nil && s.updater == nil && !s.crash {
			ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
			if i := strings.LastIndexByte(ref, '.'); i > 0 {
				if err := w.deploy(s, ref[:i+1]+itoa(1+w.rng.IntN(60))); err != nil {
					w.log.Warn("deploy", "err", err)
				}
			}
		}
		w.after(w.between(6*time.Minute, 15*time.Minute), deploy)
	}
	incident = func() {
		all := scripts()
		one := all[w.rng.IntN(len(all))]
		lasts := w.between(3*time.Minute, 6*time.Minute)
		if w.incident[one.Name] == nil { // else somebody rehearses it: it is theirs to end
			if err := w.startScenario(one.Name); err != nil {
				w.log.Warn("incident", "name", one.Name, "err", err)
			}
			ours := w.incident[one.Name]
			w.after(lasts, func() {
				if ours != nil && w.incident[one.Name] == ours {
					_ = w.stopScenario(one.Name)
				}
			})
		}
		w.after(w.between(20*time.Minute, 40*time.Minute), incident)
	}
	w.after(w.between(90*time.Second, 4*time.Minute), deploy)
	w.after(w.between(12*time.Minute, 20*time.Minute), incident)
}
