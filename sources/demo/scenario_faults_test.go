package demo_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	mobyswarm "github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/swarm"
)

// fault is a scenario whose tasks or spec tell of it: what they say, in the engine's own words, and what takes it away.
type fault struct {
	scenario, service string
	state             sources.TaskState
	message, err      string // err is a regular expression over all of it
	exit              int
	update            string // the update's state, "" where none counts
	runs, of          int    // tasks that run meanwhile, and when it is over
	remedy            func(r *rig, service string)
}

// faults are the scenarios with words. The words were read from a real swarm of Docker 20.10, see docs/demo.md.
var faults = []fault{
	{"exits-cleanly", "batch_worker", sources.TaskComplete, "finished", "", 0, "", -1, 2, rolledBack},
	{"healthcheck-failing", "shop_cart", sources.TaskFailed, "starting", `task: non-zero exit \(137\): dockerexec: unhealthy container`, 137, "paused", 1, 2, rolledBack},
	{"start-failed", "shop_cart", sources.TaskFailed, "starting", `starting container failed: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/app/cart-server": stat /app/cart-server: no such file or directory: unknown`, 127, "paused", 1, 2, rolledBack},
	{"bind-missing", "shop_cache", sources.TaskRejected, "preparing", `invalid mount config for type "bind": bind source path does not exist: /srv/cache/cache.conf`, 0, "paused", 0, 1, rolledBack},
	{"secret-missing", "batch_worker", sources.TaskFailed, "starting", `starting container failed: unable to get secret from secret store: secret \w{25} not found`, 128, "rollback_paused", 0, 2, rolledBack},
	{"addresses-exhausted", "batch_worker", "new", "created", "", 0, "", 2, 2, scaledTo(2)},
	{"constraint-unsatisfied", "batch_worker", sources.TaskPending, "pending task scheduling", `no suitable node \(scheduling constraints not satisfied on 3 nodes\)`, 0, "updating", 0, 2, rolledBack},
	{"constraint-unsatisfied", "batch_worker", sources.TaskPending, "pending task scheduling", `no suitable node \(scheduling constraints not satisfied on 3 nodes\)`, 0, "updating", 0, 2, labelled("node2", "gpu", "true")},
	{"insufficient-resources", "shop_cart", sources.TaskPending, "pending task scheduling", `no suitable node \(insufficient resources on 3 nodes\)`, 0, "updating", 1, 2, rolledBack},
	{"port-conflict", "shop_cart", sources.TaskPending, "pending task scheduling", `no suitable node \(host-mode port already in use on 3 nodes\)`, 0, "updating", 1, 2, rolledBack},
	{"label-changed", "shop_store", sources.TaskRejected, "task rejected by constraint enforcer", "assigned node no longer meets constraints", 0, "", 0, 1, labelled("node2", "storage", "ssd")},
	{"label-changed", "shop_store", sources.TaskPending, "pending task scheduling", `no suitable node \(scheduling constraints not satisfied on 3 nodes\)`, 0, "", 0, 1, labelled("node2", "storage", "ssd")},
	{"image-missing", "batch_worker", sources.TaskRejected, "preparing", `No such image: registry\.quarterdeck\.demo/batch/worker:missing-1\.5\.0`, 0, "", 0, 2, rolledBack},
	{"task-killed", "shop_web", sources.TaskFailed, "started", `task: non-zero exit \(137\)`, 137, "", -1, 3, nil},
	{"crash-loop", "shop_payments", sources.TaskFailed, "starting", `task: non-zero exit \(1\)`, 1, "", 0, 2, withEnv("PAYMENT_TIMEOUT=5s")},
}

// Each fault shows within twenty seconds, in the engine's words; it stays; and it goes away when its cause is taken away
// through the API, and when it is stopped.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		for _, way := range []string{"remedy", "stop"} {
			if way == "remedy" && f.remedy == nil {
				continue
			}
			t.Run(f.scenario+"/"+string(f.state)+"/"+way, func(t *testing.T) {
				r := newRig(t)
				r.unruled = true
				r.run(time.Minute)
				r.begin(f.scenario)
				r.until("it shows", 20*time.Second, func() bool { return len(r.told(f)) > 0 })
				r.run(2 * time.Minute)
				r.stays(f)
				if way == "stop" {
					r.end(f.scenario)
				} else {
					f.remedy(r, f.service)
				}
				r.until("all run again", time.Minute, func() bool { return len(r.tasks(f.service, running)) == f.of })
				r.run(30 * time.Second)
				if n := len(r.tasks(f.service, running)); n != f.of {
					t.Errorf("%d of %d run half a minute later", n, f.of)
				}
				if left := r.p.Running(); len(left) > 0 {
					t.Errorf("%v have not ended with their cause", left)
				}
			})
		}
	}
}

// told is a fault's tasks.
func (r *rig) told(f fault) []sources.Task {
	r.Helper()
	words := regexp.MustCompile(`\A` + f.err + `\z`)
	return r.tasks(f.service, func(x sources.Task) bool {
		return x.State == f.state && x.Message == f.message && words.MatchString(x.Err) && x.ExitCode == f.exit
	})
}

func (r *rig) stays(f fault) {
	r.Helper()
	told := r.told(f)
	if len(told) == 0 {
		r.Errorf("after two minutes nothing tells of it: %+v", r.tasks(f.service, func(sources.Task) bool { return true }))
	}
	for _, x := range told {
		boxed := f.state == sources.TaskFailed || f.state == sources.TaskComplete || f.scenario == "label-changed" && f.state == sources.TaskRejected
		if (x.Container != "") != boxed {
			r.Errorf("container %q of %+v", x.Container, x)
		}
	}
	if n := len(r.tasks(f.service, running)); f.runs >= 0 && n != f.runs {
		r.Errorf("%d tasks run, wanted %d", n, f.runs)
	}
	if s := r.service(f.service); f.update != "" && s.UpdateState != f.update {
		r.Errorf("update is %q: %s", s.UpdateState, s.UpdateMessage)
	}
	if !slices.Contains(r.p.Running(), f.scenario) {
		r.Errorf("it has ended: %v", r.p.Running())
	}
}

// change updates a service as an operator's tool does.
func (r *rig) change(service string, to func(st sources.ServiceState) sources.Spec) {
	r.Helper()
	hands := swarm.NewHands(r.swarm, nil)
	st, err := hands.ServiceState(r.Context(), service)
	if err == nil {
		_, err = hands.UpdateService(r.Context(), st.ID, st.Version, to(st))
	}
	if err != nil {
		r.Fatal(err)
	}
}

func rolledBack(r *rig, service string) {
	r.change(service, func(st sources.ServiceState) sources.Spec { return st.Previous })
}

func scaledTo(n uint64) func(*rig, string) {
	return func(r *rig, service string) {
		r.change(service, func(st sources.ServiceState) sources.Spec { return st.Spec.WithReplicas(n) })
	}
}

func redeployed(r *rig, service string) {
	r.change(service, func(st sources.ServiceState) sources.Spec { return st.Spec.Forced() })
}

// edited changes what the console has no action for.
func edited(edit func(*mobyswarm.ServiceSpec)) func(*rig, string) {
	return func(r *rig, service string) {
		r.change(service, func(st sources.ServiceState) sources.Spec {
			var spec mobyswarm.ServiceSpec
			err := json.Unmarshal(st.Spec.JSON(), &spec)
			if err != nil {
				r.Fatal(err)
			}
			edit(&spec)
			raw, err := json.Marshal(spec)
			if err != nil {
				r.Fatal(err)
			}
			out, err := sources.NewSpec(raw)
			if err != nil {
				r.Fatal(err)
			}
			return out
		})
	}
}

func withEnv(line string) func(*rig, string) {
	return edited(func(spec *mobyswarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Env = append(spec.TaskTemplate.ContainerSpec.Env, line)
	})
}

// labelled is `docker node update --label-add`.
func labelled(node, label, value string) func(*rig, string) {
	return func(r *rig, _ string) {
		r.Helper()
		n := engine[mobyswarm.Node](r, "/nodes/"+node)
		n.Spec.Labels[label] = value
		r.post("/nodes/"+n.ID+"/update?version="+itoa(n.Version.Index), n.Spec)
	}
}

// The scenarios have names of their own, and each says what it is, what shows, and what ends it.
func TestScenariosSayWhatTheyAre(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range demo.Scenarios() {
		if seen[s.Name] || s.Name == "" || s.Title == "" || s.Description == "" || s.Sees == "" || s.Remedy == "" || strings.ContainsAny(s.Name, " ,") || len(s.Description) > 120 {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
	}
}
