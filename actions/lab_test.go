//go:build lab

package actions_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/loki"
	sut "quarterdeck/sources/swarm"
)

const labImage = "10.200.0.254:5000/workload:"

var theLab = sync.OnceValues(func() (*platform, error) {
	p, end, err := connect(sut.Options{Host: os.Getenv("DOCKER_HOST")}, labImage)
	if err == nil {
		atEnd = append(atEnd, end)
	}
	return p, err
})

// lab is the real swarm; it skips where there is none.
func lab(t *testing.T) *platform {
	t.Helper()
	if os.Getenv("QD_LAB") == "" || os.Getenv("DOCKER_HOST") == "" {
		t.Skip("no lab: eval \"$(testdata/lab/lab env)\"")
	}
	p, err := theLab()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// atOnce is how many cases run on the lab beside each other: its three engines share a machine with the tests.
const atOnce = 5

func TestActionsLab(t *testing.T) {
	p := lab(t)
	gate := make(chan struct{}, atOnce)
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			c.run(t, p)
		})
	}
	for _, x := range interruptions {
		for _, j := range []struct {
			name string
			job
		}{{"begun", job{DieAtEntry: 1}}, {"update begun", job{DieAtEntry: 2}}, {"effect", job{DieAtEffect: 1}}, {"update done", job{DieAtEntry: 3}}, {"verify begun", job{DieAtEntry: 4}}, {"verified", job{DieAtEntry: 5}}} {
			if x.action != actions.Redeploy && x.action != actions.Rotate && j.name != "effect" {
				continue
			}
			t.Run(x.action+" killed: "+j.name, func(t *testing.T) {
				t.Parallel()
				gate <- struct{}{}
				defer func() { <-gate }()
				x.finish(t, p, j.job)
			})
		}
	}
}

func TestTeamLab(t *testing.T) {
	p := lab(t)
	l, err := loki.New(loki.Options{Access: sources.Access{Address: os.Getenv("LOKI_ADDR")}})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	testTeam(t, p, l)
}

// TestManagerDiesLab kills the engine that is talked to, as a machine dies, while a rollout is watched. It must not run beside other tests.
func TestManagerDiesLab(t *testing.T) {
	lab(t)
	first, second := os.Getenv("QD_LAB_NODE3"), os.Getenv("QD_LAB_NODE2")
	p, end, err := connect(sut.Options{Host: first, Hosts: []string{second}}, labImage)
	must(t, err)
	t.Cleanup(end)
	api, apiEnd, err := connect(sut.Options{Host: os.Getenv("DOCKER_HOST")}, labImage)
	must(t, err)
	t.Cleanup(apiEnd)
	p.api = api.api // the tests' own client stays with the first node
	node := func(args ...string) {
		if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), append([]string{"node"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("lab node %v: %v\n%s", args, err, out)
		}
	}
	for _, step := range []string{"update", "verify"} {
		t.Run(step, func(t *testing.T) {
			name, r := p.running(t, replicas(1), constraints("node.hostname==node2")), p.deck(t)
			plan := r.redeploy(name, ":1.1")
			defer node("start", "3")
			r.at(step, func() { node("kill", "3") })
			report, err := r.run(plan, actions.ResultDone)
			if err != nil || !report.Verify.Converged {
				t.Errorf("%+v %v", report, err)
			}
			if got := p.service(t, name).Spec.TaskTemplate; got.ForceUpdate != 0 || !strings.HasPrefix(got.ContainerSpec.Image, p.image+"1.1@") {
				t.Errorf("%+v", got.ContainerSpec)
			}
		})
		p.until(t, "node3 is reachable again", func() bool {
			out, err := exec.Command("docker", "-H", first, "info", "--format", "{{.Swarm.ControlAvailable}}").Output()
			return err == nil && strings.TrimSpace(string(out)) == "true"
		})
	}
}
