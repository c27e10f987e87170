package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

const failedTask = ` paused due to failure or early termination of task \w{25}$`

// rollout is an update that fails, and what an engine makes of it.
type rollout struct {
	from, to         string              // tags
	update, rollback swarm.FailureAction // what is configured to follow a failure
	order            swarm.UpdateOrder
	health           []string // of the new spec
	states           []string // that can be seen in this order; each may be too short to be seen
	message          string   // of the last state, a regular expression
	tag              string   // of the spec in the end
	previous         string   // tag of the previous spec in the end, "" for none
	err              string   // of a task that failed, a regular expression
}

var rollouts = map[string]rollout{
	"good":            {from: "1.0", to: "1.1", update: "pause", order: "start-first", states: []string{"", "updating", "completed"}, message: "^update completed$", tag: "1.1", previous: "1.0"},
	"pause":           {from: "1.0", to: "2.0-bad", update: "pause", states: []string{"", "updating", "paused"}, message: "^update" + failedTask, tag: "2.0-bad", previous: "1.0", err: `^task: non-zero exit \(1\)$`},
	"continue":        {from: "1.0", to: "2.0-bad", update: "continue", states: []string{"", "updating", "completed"}, message: "^update completed$", tag: "2.0-bad", previous: "1.0", err: `^task: non-zero exit \(1\)$`},
	"rollback":        {from: "1.0", to: "2.0-bad", update: "rollback", rollback: "pause", states: []string{"", "updating", "rollback_started", "rollback_completed"}, message: "^rollback completed$", tag: "1.0", err: `^task: non-zero exit \(1\)$`},
	"start-first":     {from: "1.0", to: "2.0-bad", update: "rollback", rollback: "pause", order: "start-first", states: []string{"", "updating", "rollback_started", "rollback_completed"}, message: "^rollback completed$", tag: "1.0", err: `^task: non-zero exit \(1\)$`},
	"rollback-paused": {from: "2.0-bad", to: "2.0-bad", update: "rollback", rollback: "pause", states: []string{"", "updating", "rollback_started", "rollback_paused"}, message: "^update" + failedTask, tag: "2.0-bad", err: `^task: non-zero exit \(1\)$`},
	"rollback-twice":  {from: "2.0-bad", to: "2.0-bad", update: "rollback", rollback: "rollback", states: []string{"", "updating", "rollback_started", "rollback_paused"}, message: "^rollback" + failedTask, tag: "2.0-bad", err: `^task: non-zero exit \(1\)$`},
	"missing":         {from: "1.0", to: "missing-1", update: "pause", states: []string{"", "updating", "paused"}, message: "^update" + failedTask, tag: "missing-1", previous: "1.0", err: `^No such image: \S+:missing-1$`},
	// The lab's workload ends with 0 when it is asked to: there the task is complete, and has no error at all.
	"unhealthy": {from: "1.0", to: "1.1", update: "pause", health: []string{"CMD-SHELL", "exit 1"}, states: []string{"", "updating", "paused"}, message: "^update" + failedTask, tag: "1.1", previous: "1.0", err: `^task: non-zero exit \(137\): dockerexec: unhealthy container$`},
}

// Updates that fail go through the engine's states with its words, its versions and its previous spec.
func TestRollouts(t *testing.T) {
	for name, c := range rollouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEngines(t, func(s *subject) {
				if c.run(s, s.name("services", "roll-"+name)) {
					s.Log("the engine has called a rollback to what is broken completed: on a busy machine it does so often")
				}
			})
		})
	}
}

func (c rollout) spec(s *subject, name, tag string) swarm.ServiceSpec {
	n, delay := uint64(2), time.Second
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}, EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: s.image + tag}
	if !s.real { // the lab's image has a health check of its own
		spec.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/app/healthcheck"}, Interval: time.Second, Retries: 2}
	}
	spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	config := func(action swarm.FailureAction) *swarm.UpdateConfig {
		return &swarm.UpdateConfig{Parallelism: 1, Monitor: 2 * time.Second, FailureAction: action, Order: c.order}
	}
	spec.UpdateConfig, spec.RollbackConfig = config(c.update), config(c.rollback)
	if c.rollback == "" {
		spec.RollbackConfig = nil
	}
	return spec
}

// run holds the engine to the case; lost tells that a real one has lost the rollback's state.
func (c rollout) run(s *subject, name string) (lost bool) {
	body := func(spec swarm.ServiceSpec) string {
		b, err := json.Marshal(spec)
		if err != nil {
			s.Fatal(err)
		}
		return string(b)
	}
	s.made("/services/create", body(c.spec(s, name, c.from)))
	if !strings.Contains(c.from, "bad") {
		eventually(s, "both run", func() bool {
			return len(slices.DeleteFunc(s.tasks(name), func(x swarm.Task) bool { return x.Status.State != swarm.TaskStateRunning })) == 2
		})
	}
	next := c.spec(s, name, c.to)
	next.TaskTemplate.ForceUpdate = 1
	if c.health != nil {
		next.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: c.health, Interval: time.Second, Timeout: time.Second, Retries: 2}
	}
	was := read[swarm.Service](s, "/services/"+name)
	if got := s.call(http.MethodPost, fmt.Sprintf("/services/%s/update?version=%d", name, was.Version.Index), body(next)); !strings.HasPrefix(got, "200 ") {
		s.Fatal(got)
	}
	svc, lost := c.watch(s, name, was.Version.Index)
	if !lost {
		c.end(s, svc)
	}
	return lost
}

// watch follows the service to its last state: the states come in their order, each with a higher version.
func (c rollout) watch(s *subject, name string, version uint64) (svc swarm.Service, lost bool) {
	at := 0
	known := map[string]swarm.Task{}
	eventually(s, c.states[len(c.states)-1], func() bool {
		svc = read[swarm.Service](s, "/services/"+name)
		state := ""
		if u := svc.UpdateStatus; u != nil {
			state = string(u.State)
		}
		i := slices.Index(c.states, state)
		// Seen of a rollback to what is broken as well, and of no other: it is called completed, as an update or as a rollback.
		if lost = s.real && c.from == c.to && at > 0 && strings.HasSuffix(state, "completed"); lost {
			return true
		}
		if i < at || svc.Version.Index <= version && (i > at || version == 0) {
			s.Fatalf("%q with version %d comes after %q with version %d", state, svc.Version.Index, c.states[at], version)
		}
		at, version = i, max(version, svc.Version.Index)
		if p := svc.PreviousSpec; p != nil && !strings.HasSuffix(p.TaskTemplate.ContainerSpec.Image, c.from) {
			s.Errorf("%q: the previous spec has %s", state, p.TaskTemplate.ContainerSpec.Image)
		}
		for _, x := range s.tasks(name) {
			known[x.ID] = x
		}
		return at == len(c.states)-1
	})
	if lost {
		return svc, true
	}
	failed := regexp.MustCompile(c.err)
	if c.err != "" && (!s.real || c.health == nil) && !slices.ContainsFunc(slices.Collect(maps.Values(known)), func(x swarm.Task) bool { return failed.MatchString(x.Status.Err) }) {
		s.Errorf("no task failed with %s", c.err)
	}
	return svc, false
}

func (c rollout) end(s *subject, svc swarm.Service) {
	u := svc.UpdateStatus
	done := strings.HasSuffix(string(u.State), "completed")
	if !regexp.MustCompile(c.message).MatchString(u.Message) || u.StartedAt == nil || done != (u.CompletedAt != nil) {
		s.Errorf("%+v, want the message %s", u, c.message)
	}
	if image := svc.Spec.TaskTemplate.ContainerSpec.Image; !strings.HasSuffix(image, ":"+c.tag) {
		s.Errorf("%s in the end, want %s", image, c.tag)
	}
	if (svc.PreviousSpec == nil) != (c.previous == "") {
		s.Errorf("previous spec in the end: %+v", svc.PreviousSpec)
	}
}
