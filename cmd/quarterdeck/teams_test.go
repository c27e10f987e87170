package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"quarterdeck/sources/demo"
	"quarterdeck/stages"
)

// team is a platform of a team at one of the stages, and where the commands find it.
type team struct {
	env    map[string]string
	config string
}

func startTeam(t *testing.T, scenario string) team {
	t.Helper()
	p, err := demo.Start(t.Context(), demo.Options{Seed: 1, Scenario: scenario})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	x := team{env: p.S3Env(), config: filepath.Join(t.TempDir(), "config.yaml")}
	for k, v := range map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": p.AlertmanagerURL(), "GRAFANA_URL": p.GrafanaURL(),
		"QUARTERDECK_S3": p.S3(), "QUARTERDECK_RUNNER_IMAGE": p.RunnerImage(), "QUARTERDECK_STATE_DIR": t.TempDir()} {
		x.env[k] = v
	}
	registries := map[string]map[string]string{}
	for host, at := range p.RegistryMirrors() {
		registries[host] = map[string]string{"address": at}
	}
	file, err := json.Marshal(map[string]any{"context": "team", "contexts": map[string]any{"team": map[string]any{"registries": registries, "stages": map[string]any{"optional": unread}}}})
	if err == nil {
		err = os.WriteFile(x.config, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// ask runs a command as a process would; several teams may be asked at once.
func (x team) ask(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	root := newRootCommand(&surroundings{in: strings.NewReader(""), out: &o, errs: &e, getenv: func(name string) string { return x.env[name] }})
	root.SetArgs(append(args, "--config", x.config))
	root.SetErr(&e)
	code = codeOf(t.Context(), root.ExecuteContext(t.Context()))
	return o.String(), e.String(), code
}

// check is what quarterdeck check says.
func (x team) check(t *testing.T) (gates []stages.Gate, found map[string]resultJSON) {
	t.Helper()
	var doc checkJSON
	out, errs, code := x.ask(t, "check", "-o", "json")
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitDegraded && code != exitDone {
		t.Fatalf("exit %d: %v: %s%s", code, err, out, errs)
	}
	found = map[string]resultJSON{}
	for _, s := range doc.Stages {
		gates = append(gates, s.Gate)
		for _, c := range s.Checks {
			found[c.ID] = c
		}
	}
	return gates, found
}

// by is a command that mends what a check found, and the service that it names no more; "": it passes then.
type by struct {
	check, about string
	command      []string
}

var attested = func(check string) by { return by{check, "", []string{"attest", check, "--note", "seen in the test"}} }

// Each team of the demo stands where its name says, by the command's own judgement, and what an action can mend is mended by it.
func TestTeams(t *testing.T) {
	oneByOne(t)
	for _, c := range []struct {
		name   string
		before []stages.Gate
		// notYet are the checks that the first shut gate is shut by.
		notYet []string
		fixes  []by
		after  []stages.Gate
	}{
		{"chaos", []stages.Gate{stages.Shut, stages.Shut, stages.Shut, stages.Shut},
			[]string{"svc-healthcheck", "zero-downtime-update", "restart-policy", "manager-quorum", "tls-expiry", "tls-all-routers", "secrets-not-env", "image-pinned", "no-touch-deploy"},
			[]by{{"image-pinned", "", []string{"redeploy", "shop_web", "--yes"}}, {"image-pinned", "", []string{"redeploy", "shop_cart", "--yes"}}, {"image-pinned", "", []string{"redeploy", "batch_worker", "--yes"}}, {"zero-downtime-update", "shop_api", []string{"scale", "shop_api=2", "--yes"}}, attested("no-touch-deploy")},
			[]stages.Gate{stages.Shut, stages.Shut, stages.Shut, stages.Shut}},
		{"functional", []stages.Gate{stages.Open, stages.Shut, stages.Shut, stages.Shut},
			[]string{"logs-per-service", "log-agent-supported", "dashboard-per-service", "critical-alerts", "alert-fatigue", "no-shell-needed", "dashboard-habit"},
			[]by{attested("dashboard-habit")},
			[]stages.Gate{stages.Open, stages.Shut, stages.Shut, stages.Shut}},
		{"observable", []stages.Gate{stages.Open, stages.Open, stages.Shut, stages.Shut},
			[]string{"backup-fresh", "restore-test", "dr-plan", "dr-drill"},
			[]by{{"backup-fresh", "", []string{"backup", "shop_store", "--yes"}}, {"restore-test", "", []string{"drill", "shop_cache", "--yes"}}, attested("dr-plan")},
			[]stages.Gate{stages.Open, stages.Open, stages.Shut, stages.Shut}},
		{"reliable", []stages.Gate{stages.Open, stages.Open, stages.Open, stages.Shut},
			[]string{"autoscale-policy", "cost-per-service", "new-service-time", "team-not-bottleneck"},
			[]by{attested("new-service-time"), attested("team-not-bottleneck")},
			[]stages.Gate{stages.Open, stages.Open, stages.Open, stages.Shut}},
		{"scalable", []stages.Gate{stages.Open, stages.Open, stages.Open, stages.Open}, nil, nil, []stages.Gate{stages.Open, stages.Open, stages.Open, stages.Open}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := startTeam(t, c.name)
			gates, found := x.check(t)
			if !slices.Equal(gates, c.before) {
				t.Errorf("gates %v, want %v", gates, c.before)
			}
			first := slices.Index(gates, stages.Shut) + 1
			for _, check := range stages.All {
				r := found[check.ID]
				shut := r.Required && (r.State == stages.Fail || r.State == stages.Warn || r.State == stages.Expired)
				if check.Stage == first && shut != slices.Contains(c.notYet, check.ID) {
					t.Errorf("%s: %s, %s%s", check.ID, r.State, r.Value, r.Reason)
				}
			}
			var fixing sync.WaitGroup
			for _, f := range c.fixes { // as several people would, each about another service
				fixing.Go(func() {
					if out, errs, code := x.ask(t, f.command...); code != exitDone {
						t.Errorf("%v: exit %d: %s%s", f.command, code, out, errs)
					}
				})
			}
			fixing.Wait()
			gates, found = x.check(t)
			if !slices.Equal(gates, c.after) {
				t.Errorf("gates %v, want %v", gates, c.after)
			}
			for _, f := range c.fixes {
				if r := found[f.check]; f.about == "" && r.State != stages.Pass || slices.ContainsFunc(r.Subjects, func(s subjectJSON) bool { return s.Name == f.about }) {
					t.Errorf("%s after %v: %s, %s, %v", f.check, f.command, r.State, r.Value, r.Subjects)
				}
			}
		})
	}
}

// What nobody reads yet is as far as the last team goes: nothing of it fails.
func TestScalableIsAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	_, found := startTeam(t, "scalable").check(t)
	for _, check := range stages.All {
		unseen := slices.Contains(unread, check.ID)
		if r := found[check.ID]; r.State != stages.Pass && r.State != stages.NA && (!unseen || r.State != stages.Unknown) {
			t.Errorf("%s: %s, %s%s", check.ID, r.State, r.Value, r.Reason)
		}
	}
}

// A platform is one team's, and of twelve services; with a team an incident may run.
func TestTeamsAreOne(t *testing.T) {
	for _, o := range []demo.Options{{Scenario: "chaos,reliable"}, {Scenario: "chaos", Services: 20}, {Scenario: "chaos,earthquake"}} {
		if p, err := demo.Start(t.Context(), o); err == nil {
			_ = p.Close()
			t.Errorf("%+v was started", o)
		}
	}
	p, err := demo.Start(t.Context(), demo.Options{Scenario: "reliable,crash-loop"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := fmt.Sprint(p.Running()); got != "[crash-loop]" {
		t.Errorf("%s runs", got)
	}
}

// Who works on a later stage while an earlier gate is shut is told the trap, also where one stage alone is asked for; who does not is not.
func TestOutOfOrderIsSaid(t *testing.T) {
	oneByOne(t)
	t.Parallel()
	for name, want := range map[string]bool{"functional": true, "scalable": false} {
		x := startTeam(t, name)
		out, _, _ := x.ask(t, "check", "--stage", "4")
		if said := strings.Contains(out, "out of order: ") && strings.Contains(out, "auto-scaling without observability"); said != want {
			t.Errorf("%s, said is %t:\n%s", name, said, out)
		}
		var doc checkJSON
		out, _, _ = x.ask(t, "check", "--stage", "4", "-o", "json")
		if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Stages) != 1 || doc.Stages[0].Trap == "" || (doc.Stages[0].OutOfOrder != "") != want {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
