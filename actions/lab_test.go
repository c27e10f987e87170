//go:build lab

package actions_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

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
const atOnce = 4

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
	interruptedEverywhere(t, p, gate)
}

func TestTeamLab(t *testing.T) {
	p := lab(t)
	l, err := loki.New(loki.Options{Access: sources.Access{Address: os.Getenv("LOKI_ADDR")}})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	testTeam(t, p, l)
}

// TestManagerDiesLab kills the engine that is talked to, as a machine dies, at each step of each action (short: at one step of every second). It must not run beside other tests.
func TestManagerDiesLab(t *testing.T) {
	whole := lab(t)
	first, second := os.Getenv("QD_LAB_NODE3"), os.Getenv("QD_LAB_NODE2")
	node := func(args ...string) {
		if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), append([]string{"node"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("lab node %v: %v\n%s", args, err, out)
		}
	}
	for i, b := range bereavements {
		for j, step := range b.steps {
			if testing.Short() && (i%2 != 0 || j != i%4/2) { // a minute each
				continue
			}
			t.Run(b.action+" "+step, func(t *testing.T) {
				p, end, err := connect(sut.Options{Host: first, Hosts: []string{second}}, labImage) // anew: a client that has moved on does not go back by itself
				must(t, err)
				t.Cleanup(end)
				p.api = whole.api // the tests' own client stays with the first node
				defer node("start", "3")
				b.loses(t, p, step, func() { node("kill", "3") }, func() {})
			})
			whole.until(t, "node3 is reachable again", func() bool {
				out, err := exec.Command("docker", "-H", first, "info", "--format", "{{.Swarm.ControlAvailable}}").Output()
				return err == nil && strings.TrimSpace(string(out)) == "true"
			})
		}
	}
}

// TestDrainLab drains a node of the lab and lets it take tasks again. It moves what runs there: it must not run beside other tests.
func TestDrainLab(t *testing.T) {
	testDrain(t, lab(t), "node3")
}

func TestSilenceLab(t *testing.T) {
	p := lab(t)
	testSilence(t, p, os.Getenv("ALERTMANAGER_URL"))
}
