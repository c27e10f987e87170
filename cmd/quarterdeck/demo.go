package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/sources/demo"
)

type demoOptions struct {
	scenario, listen string
	services, tasks  int
	seed             int64
	list, headless   bool
}

func newDemoCommand(s *surroundings) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Open the console on an embedded platform, without any server",
		Long: `Starts a small platform on loopback that speaks the real wire protocols (Docker
Engine, Loki, Prometheus, Alertmanager, S3), and the console on it. It is a simulation and the
header says so. With --headless it prints the addresses as export lines and stays until
interrupted, so that docker, logcli, promtool and amtool can be pointed at it:

  quarterdeck demo --headless >demo.env &
  . ./demo.env; docker service ls

--scenario begins an incident, or several at once: --scenario disk-full,noise. It stays until its
cause is taken away, by the right action or with the demo's own paths on Docker's address:

  curl -X POST   http://HOST:PORT/demo/scenarios/oom      # begin one that nobody expects
  curl -X DELETE http://HOST:PORT/demo/scenarios/oom      # take its cause away
  curl           http://HOST:PORT/demo/scenarios          # which there are, which run

--scenario chaos, functional, observable, reliable or scalable is a team at that stage of its way
(7 in the console, quarterdeck check): what its checks find wrong is mended by what they say.
There is no pipeline, so that in these the gates do not ask for git-no-credentials and ci-green.

--listen with a port takes that one for Docker and the next six for Loki, Prometheus,
Alertmanager, an image registry, S3 and Grafana.

EXIT STATUS
  0 done; 2 usage, an unknown scenario or a port that is taken; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), s, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", "", "an incident that begins at once, by `name`, or several: a,b; or a team at a stage (see --list)")
	f.BoolVar(&o.list, "list", false, "list the scenarios, one a line")
	f.IntVar(&o.services, "services", 0, "`number` of services of a big fleet")
	f.IntVar(&o.tasks, "tasks", 0, "`number` of tasks of a big fleet")
	f.Int64Var(&o.seed, "seed", 1, "the same seed makes the same platform")
	f.BoolVar(&o.headless, "headless", false, "no console: print export lines and stay")
	f.StringVar(&o.listen, "listen", "", "`host[:port]` to listen on, seven ports in a row (default 127.0.0.1, free ports)")
	return cmd
}

func runDemo(ctx context.Context, s *surroundings, o demoOptions) error {
	if o.list {
		for _, team := range demo.Teams() {
			fmt.Fprintf(s.out, "%-23s %s\n", team.Name, team.Description)
		}
		for _, sc := range demo.Scenarios() {
			fmt.Fprintf(s.out, "%-23s %s\n", sc.Name, sc.Description)
		}
		return nil
	}
	if o.services < 0 || o.tasks < 0 {
		return &exitStatus{exitUsage, errors.New("--services and --tasks cannot be negative")}
	}
	if !o.headless {
		if err := s.needTerminal(); err != nil {
			return err
		}
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	p, err := startDemo(ctx, demo.Options{Services: o.services, Tasks: o.tasks, Seed: o.seed, Listen: o.listen, Scenario: o.scenario}, set)
	if err != nil {
		return err
	}
	defer p.Close()
	if o.headless {
		return stay(ctx, s, p)
	}
	// What is done to a simulation is no part of the record, and ends with it.
	if set.StateDir, err = os.MkdirTemp("", "quarterdeck-demo-"); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(set.StateDir)
	return consoleOn(ctx, s, set, true)
}

// unread are the checks of the first three stages that nothing in the demo can answer, because it has no pipeline. A team's gates in the demo do not ask for them.
var unread = []string{"git-no-credentials", "ci-green"}

// startDemo starts the embedded platform and makes it stand for every source, whatever the config says.
func startDemo(ctx context.Context, o demo.Options, set *config.Settings) (*demo.Platform, error) {
	p, err := demo.Start(ctx, o)
	if err != nil {
		return nil, &exitStatus{exitUsage, err}
	}
	set.Name = "demo"
	set.Context = config.Context{Host: p.DockerHost(), ReadOnly: set.ReadOnly}
	set.Loki.Address, set.Prometheus.Address, set.Alertmanager.Address = p.LokiAddr(), p.PrometheusURL(), p.AlertmanagerURL()
	set.Grafana.Address = p.GrafanaURL()
	if demo.TeamOf(o.Scenario) != nil {
		set.Stages.Optional = append(set.Stages.Optional, unread...)
	}
	set.S3 = config.S3{Address: p.S3(), RunnerImage: p.RunnerImage()}
	keys := p.S3Env()
	set.Getenv = func(name string) string { return keys[name] }
	set.Registries = map[string]config.Registry{}
	for host, address := range p.RegistryMirrors() {
		set.Registries[host] = config.Registry{Address: address}
	}
	// A Docker context or certificate of the user's must not reach for another engine.
	for _, name := range []string{"DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		_ = os.Unsetenv(name)
	}
	return p, nil
}

// stay prints where the platform is, and keeps it until interrupted.
func stay(ctx context.Context, s *surroundings, p *demo.Platform) error {
	env := map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": p.AlertmanagerURL(), "GRAFANA_URL": p.GrafanaURL(), "QUARTERDECK_S3": p.S3(), "QUARTERDECK_RUNNER_IMAGE": p.RunnerImage()}
	maps.Copy(env, p.S3Env())
	names := make([]string, 0, len(env))
	for k := range env {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		v := env[k]
		if strings.ContainsAny(v, "[]") { // an IPv6 address's brackets are a pattern to the shell
			v = "'" + v + "'"
		}
		fmt.Fprintf(s.out, "export %s=%s\n", k, v)
	}
	<-ctx.Done()
	return &exitStatus{code: exitInterrupted}
}
