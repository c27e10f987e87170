package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"quarterdeck/sources/demo"
)

// target is a platform that the commands are run against: the embedded one, or the lab.
type target struct {
	env     map[string]string
	service string // one that runs and logs
}

// ask runs a command as a process would, and returns what it printed and its exit code.
func (x target) ask(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	for k, v := range x.env {
		t.Setenv(k, v)
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

func (x target) askJSON(t *testing.T, into any, want int, args ...string) {
	t.Helper()
	out, errs, code := x.ask(t, append(args, "-o", "json")...)
	if want >= 0 && code != want {
		t.Fatalf("%v: exit %d, want %d: %s", args, code, want, errs)
	}
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %v in %.300q (%s)", args, err, out, errs)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("%v: more than one document", args)
	}
}

// fields fails where a JSON object lacks one of the contract's fields.
func fields(t *testing.T, what string, object any, names ...string) map[string]any {
	t.Helper()
	m, ok := object.(map[string]any)
	if !ok {
		t.Fatalf("%s is %T", what, object)
	}
	for _, n := range names {
		if _, ok := m[n]; !ok {
			t.Errorf("%s lacks %q", what, n)
		}
	}
	return m
}

func list(t *testing.T, m map[string]any, name string) []any {
	t.Helper()
	l, ok := m[name].([]any)
	if !ok {
		t.Fatalf("%s is %T", name, m[name])
	}
	return l
}

// testContract holds every command to COMMANDS.md's fields and exit codes.
func testContract(t *testing.T, x target) {
	t.Run("status", x.status)
	t.Run("logs", x.logs)
	t.Run("investigate", x.investigates)
	t.Run("logs by hand", x.logsByHand)
	t.Run("metrics", x.metrics)
	t.Run("alerts", x.alerts)
	t.Run("silence", x.silences)
	t.Run("doctor", x.doctor)
	t.Run("capacity and cost", func(t *testing.T) { capacityContract(t, x) })
	t.Run("check", x.check)
	t.Run("attest", x.attests)
	t.Run("blueprint", x.blueprint)
	t.Run("snapshot", x.snapshot)
	t.Run("console without a terminal", x.withoutTerminal)
}

// TestContractOnDemo runs the contract against the embedded platform.
func TestContractOnDemo(t *testing.T) {
	oneByOne(t)
	p, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testContract(t, target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(),
		"ALERTMANAGER_URL": p.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "",
		"QUARTERDECK_S3": p.S3(), "AWS_ACCESS_KEY_ID": p.S3Env()["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": p.S3Env()["AWS_SECRET_ACCESS_KEY"]}, service: "shop_web"})
}

func TestUnreachableIsThree(t *testing.T) {
	x := target{env: map[string]string{"DOCKER_HOST": "unix:///nonexistent/docker.sock", "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "QUARTERDECK_S3": ""}}
	for _, args := range [][]string{{"status"}, {"doctor"}, {"logs", "x"}, {"alerts"}, {"metrics", "x"}, {"investigate"}} {
		if _, errs, code := x.ask(t, args...); code != exitUnreachable || (errs == "" && args[0] != "doctor") {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

func TestUsageIsTwo(t *testing.T) {
	x := target{}
	for _, args := range [][]string{{"nonsense"}, {"--nonsense"}, {"status", "-o", "yaml"}, {"snapshots", "a", "b"}, {"logs", "--level", "loud"}, {"logs", "--since", "yesterday-ish"}, {"logs", "--limit", "0"},
		{"metrics"}, {"metrics", "a", "b"}, {"metrics", "a", "--compare", "tomorrow"}, {"snapshot", "--size", "0x0"}, {"snapshot", "--size", "9999x9999"}, {"snapshot", "--keys", "hyper+q"}, {"alerts", "silence"},
		{"status", "--config", "/nonexistent.yaml"}, {"status", "--context", "nope"}, {"demo", "--headless", "--services", "-1"}} {
		if _, errs, code := x.ask(t, args...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

func TestUnknownKeyNamesItsLine(t *testing.T) {
	file := t.TempDir() + "/config.yaml"
	if err := os.WriteFile(file, []byte("contexts:\n  a:\n    hots: unix:///x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := target{}.ask(t, "doctor", "--config", file)
	if code != exitUsage || !strings.Contains(errs, "line 3") || !strings.Contains(errs, "hots") {
		t.Fatalf("exit %d: %s", code, errs)
	}
}
