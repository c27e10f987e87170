//go:build lab

package agent_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

var rideDoc = flag.String("ride", "", "ride ten times the load on the lab, half an hour long, and write what happened into this `file`")

const (
	rideQuery = `sum by (swarm_service) (rate(lab_http_requests_total{swarm_service="%s"}[30s]))`
	// A replica's share of requests a second; it can carry one at a time, of 50 ms and more.
	rideShare          = 8
	rideTolerance      = 0.1 // as the autoscaler's: within it nothing is changed
	rideLeast, rideMax = 2, 10
	rideBase, rideHigh = 5, 50 // requests a second, before and after the first step
	autoService        = "ride_web"
	plainService       = "ride_plain"
)

// rideStack is a service of the autoscaler's, and its twin, which a script scales.
const rideStack = `version: "3.8"
x-twin: &twin
  image: %[1]s/workload:1.0
  networks: [net]
  ports: [{target: 8080, mode: host}]
  stop_grace_period: 6s
  environment: {NAME: ride, RATE: "0", ERROR_RATIO: "0", LATENCY: 50ms, WORKERS: "1"}
  healthcheck: {interval: 10s} # each check is a process: dozens of them every 5 s are a load of their own; a task counts once the first has passed
x-deploy: &deploy
  replicas: 2
  endpoint_mode: dnsrr
  restart_policy: {condition: any, delay: 2s}
  resources:
    limits: {cpus: "0.50", memory: 64M}
    reservations: {cpus: "0.02", memory: 16M}
services:
  web:
    <<: *twin
    deploy:
      <<: *deploy
      labels:
        qd.autoscale.enable: "true"
        qd.autoscale.mode: enforce
        qd.autoscale.min: "%[2]d"
        qd.autoscale.max: "%[3]d"
        qd.autoscale.query.requests: %[4]q
        qd.autoscale.target.requests: %[5]d/replica
  plain:
    <<: *twin
    deploy: *deploy
networks:
  net: {driver: overlay}
`

// what happens during the ride, by the time since the load's first step.
type rideEvent struct {
	at   time.Duration
	what string
	do   func(r *ride)
}

var rideEvents = []rideEvent{
	{0, "the load goes from 5 to 50 requests a second", func(r *ride) { r.load(rideHigh) }},
	{5 * time.Minute, "the load goes to 65, and the autoscaler is killed by SIGKILL at that moment", func(r *ride) { r.load(65); r.killAgent() }},
	{8 * time.Minute, "Prometheus is cut off", func(r *ride) { r.lab("server", "kill", "prometheus") }},
	{10 * time.Minute, "Prometheus is back", func(r *ride) { r.lab("server", "start", "prometheus") }},
	{10*time.Minute + 15*time.Second, "the load goes back to 5", func(r *ride) { r.load(rideBase) }},
	{10*time.Minute + 20*time.Second, "a second autoscaler stands by", func(r *ride) { r.standBy() }},
	{10*time.Minute + 30*time.Second, "the first one hangs (SIGSTOP): its lease goes to the second", func(r *ride) { r.signalAgent(syscall.SIGSTOP) }},
	{12 * time.Minute, "the first one wakes up, and believes in its lease", func(r *ride) { r.tookOver(); r.signalAgent(syscall.SIGCONT) }},
	{12*time.Minute + 30*time.Second, "the second is told to end", func(r *ride) { r.endStandBy() }},
	{13 * time.Minute, "the leading manager dies", func(r *ride) { r.killLeader() }},
	{14 * time.Minute, "it is back", func(r *ride) { r.lab("node", "start", r.dead) }},
}

// rideEnds bounds the ride, from the first step on: the window of five minutes after the last disturbance, and one replica a minute.
const rideEnds = 33 * time.Minute

type rideSample struct {
	t                  time.Time
	load               int64
	auto, plain        int // wanted
	autoUp, plainUp    int // running
	autoSpan, plainOne span
}

type ride struct {
	t            *testing.T
	api          *client.Client // of node 3, where the autoscaler is, which stays
	bin, work    string
	crowds       [2]*crowd
	began        time.Time // the first step
	dead         string    // the node that was killed
	second       *exec.Cmd
	secondLog    *os.File
	samples      []rideSample
	happened     []string
	took, tookBy time.Duration // from the step to enough replicas: the autoscaler's, the script's
}

// TestRideLab drives a service of the real swarm to ten times its load and back, with no hand on it, while what scales it, what it is scaled by and what it runs on are
// killed in turn; beside it the same load on its twin, which a plain script scales.
func TestRideLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" || *rideDoc == "" {
		t.Skip("no lab, or no -ride FILE")
	}
	api, err := client.New(client.WithHost(os.Getenv("QD_LAB_NODE3")))
	must(t, err)
	t.Cleanup(func() { _ = api.Close() })
	r := &ride{t: t, api: api, work: t.TempDir()}
	r.deploy()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i, s := range []string{autoService, plainService} {
		r.crowds[i] = newCrowd(t, api, s)
		wg.Go(func() { r.crowds[i].run(ctx) })
	}
	wg.Go(func() { threshold(ctx, t, api, plainService, rideShare, rideLeast, rideMax) })
	r.load(rideBase)
	for quiet := time.Now().Add(3 * time.Minute); time.Now().Before(quiet); { // what is measured begins, and the deploy's warm-up ends
		r.sample()
	}
	r.began = time.Now()
	r.through()
	r.judge()
}

// lab runs a command of the lab.
func (r *ride) lab(args ...string) string {
	out, err := exec.Command(os.Getenv("QD_LAB_BIN"), args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.t.Errorf("lab %v: %v\n%s", args, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out))
}

func (r *ride) docker(args ...string) string {
	return r.lab(append([]string{"docker", "3"}, args...)...)
}

func (r *ride) load(n int64) {
	for _, c := range r.crowds {
		c.rate.Store(n)
	}
}

// deploy brings the twins up, and the autoscaler by the stack file that is shipped, on node 3, with a folder of ours for its journal.
func (r *ride) deploy() {
	r.bin = filepath.Join(r.work, "quarterdeck")
	out, err := exec.Command("go", "build", "-o", r.bin, "quarterdeck/cmd/quarterdeck").CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	image := r.lab("runner")
	must(r.t, os.Mkdir(filepath.Join(r.work, "state"), 0o700))
	text, err := os.ReadFile("../deploy/autoscaler/stack.yml")
	must(r.t, err)
	socket := strings.TrimPrefix(os.Getenv("QD_LAB_NODE3"), "unix://")
	file := strings.NewReplacer("/var/run/docker.sock:/var/run/docker.sock", socket+":/var/run/docker.sock\n      - "+filepath.Join(r.work, "state")+":/state",
		"[node.role == manager]", "[node.role == manager, node.hostname == node3]", `":9325"]`, `":9325", --only, "ride_*"]`).Replace(string(text))
	must(r.t, os.WriteFile(filepath.Join(r.work, "autoscaler.yml"), []byte(file), 0o600))
	twins := fmt.Sprintf(rideStack, os.Getenv("QD_LAB_REGISTRY"), rideLeast, rideMax, fmt.Sprintf(rideQuery, autoService), rideShare)
	must(r.t, os.WriteFile(filepath.Join(r.work, "ride.yml"), []byte(twins), 0o600))
	r.t.Setenv("QUARTERDECK_IMAGE", image)
	r.t.Cleanup(func() {
		r.endStandBy()
		r.lab("remove", "autoscaler", "ride")
		_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", "3", "config", "rm", "qd-lease-autoscale").Run()
	})
	r.lab("deploy", filepath.Join(r.work, "ride.yml"))
	r.docker("stack", "deploy", "-c", filepath.Join(r.work, "autoscaler.yml"), "autoscaler")
	r.until("the autoscaler to run", func() bool { return r.agentPID() > 0 })
}

// until waits for what the ride cannot go on without.
func (r *ride) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); !ok(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

// agentPID is the process of the autoscaler that the swarm runs; 0 is none.
func (r *ride) agentPID() int {
	list, err := r.api.TaskList(r.t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", "autoscaler_autoscaler").Add("desired-state", "running")})
	if err != nil || len(list.Items) == 0 || list.Items[0].Status.ContainerStatus == nil {
		return 0
	}
	return list.Items[0].Status.ContainerStatus.PID
}

func (r *ride) signalAgent(s syscall.Signal) {
	if pid := r.agentPID(); pid > 0 {
		must(r.t, syscall.Kill(pid, s))
		return
	}
	r.t.Errorf("no autoscaler to send %v to", s)
}

func (r *ride) killAgent() { r.signalAgent(syscall.SIGKILL) }

// standBy starts an autoscaler as a process of this machine.
func (r *ride) standBy() {
	log, err := os.Create(filepath.Join(r.work, "second.log"))
	must(r.t, err)
	r.secondLog = log
	r.second = exec.Command(r.bin, "autoscale", "run", "--mode", "enforce", "--only", "ride_*", "--listen", "")
	r.second.Env = append(os.Environ(), "QUARTERDECK_ACTOR=autoscaler-2", "QUARTERDECK_STATE_DIR="+filepath.Join(r.work, "state2"), "XDG_CONFIG_HOME="+filepath.Join(r.work, "config"), "DOCKER_HOST="+os.Getenv("QD_LAB_NODE3"), "LOKI_ADDR=", "ALERTMANAGER_URL=")
	r.second.Stdout, r.second.Stderr = log, log
	must(r.t, r.second.Start())
}

// tookOver fails where the second autoscaler has not taken the lease of the one that hangs.
func (r *ride) tookOver() {
	if text, err := os.ReadFile(filepath.Join(r.work, "second.log")); err != nil || !strings.Contains(string(text), "the lease is held") {
		r.t.Errorf("the second autoscaler has not taken the lease: %v\n%s", err, text)
	}
}

func (r *ride) endStandBy() {
	if r.second == nil {
		return
	}
	_ = r.second.Process.Signal(syscall.SIGTERM)
	_ = r.second.Wait()
	_ = r.secondLog.Close()
	r.second = nil
}

// killLeader kills the manager that leads, or, where that is the autoscaler's own, node 2.
func (r *ride) killLeader() {
	r.dead = "2"
	for _, line := range strings.Split(r.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"), "\n") {
		if name, status, _ := strings.Cut(line, " "); status == "Leader" && name != "node3" {
			r.dead = strings.TrimPrefix(name, "node")
		} else if status == "Leader" {
			r.happened = append(r.happened, "Node 3, where the autoscaler is, led: a follower was killed in its place.")
		}
	}
	r.lab("node", "kill", r.dead)
}

// through goes through the events, and takes samples, until the ride is over.
func (r *ride) through() {
	next := 0
	for time.Since(r.began) < rideEnds {
		if next < len(rideEvents) && time.Since(r.began) >= rideEvents[next].at {
			e := rideEvents[next]
			r.t.Logf("%s  %s", clock(time.Since(r.began)), e.what)
			e.do(r)
			next++
			continue
		}
		s := r.sample()
		enough := enoughFor(s.load)
		if s.load == rideHigh && r.took == 0 && s.autoUp >= enough {
			r.took = s.t.Sub(r.began)
		}
		if s.load == rideHigh && r.tookBy == 0 && s.plainUp >= enough {
			r.tookBy = s.t.Sub(r.began)
		}
		if next == len(rideEvents) && s.auto == rideLeast && s.autoUp == rideLeast {
			return
		}
	}
}

// enoughFor is the least number of replicas of which none has more than its share, but for the tolerance.
func enoughFor(load int64) int {
	return int(math.Ceil(float64(load) / (rideShare * (1 + rideTolerance))))
}

// sample waits for its time and looks at both.
func (r *ride) sample() rideSample {
	select {
	case <-time.After(time.Until(time.Now().Truncate(sampleEvery).Add(sampleEvery))):
	case <-r.t.Context().Done():
	}
	s := rideSample{t: time.Now(), load: r.crowds[0].rate.Load()}
	s.auto, s.autoUp = r.replicas(autoService)
	s.plain, s.plainUp = r.replicas(plainService)
	s.autoSpan, s.plainOne = r.crowds[0].since(), r.crowds[1].since()
	r.samples = append(r.samples, s)
	return s
}

// replicas are how many are wanted, and how many run; -1: it could not be read.
func (r *ride) replicas(service string) (want, running int) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second)
	defer cancel()
	got, err := r.api.ServiceInspect(ctx, service, client.ServiceInspectOptions{})
	if err != nil {
		return -1, -1
	}
	list, err := r.api.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", service).Add("desired-state", "running")})
	if err != nil {
		return -1, -1
	}
	for i := range list.Items {
		if list.Items[i].Status.State == "running" {
			running++
		}
	}
	return int(*got.Service.Spec.Mode.Replicated.Replicas), running
}
