package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"quarterdeck/agent"
	"quarterdeck/agent/metrics"
	"quarterdeck/recovery"
	"quarterdeck/sources/demo"
)

// TestAgentAgendaOnDemo: what is due is told and not done, with the next time of each service and why one has none.
func TestAgentAgendaOnDemo(t *testing.T) {
	p, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true, Scenario: "backup-stale"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	env := map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_STATE_DIR": t.TempDir(),
		"QUARTERDECK_S3": p.S3(), "QUARTERDECK_RUNNER_IMAGE": p.RunnerImage()}
	for k, v := range p.S3Env() {
		env[k] = v
	}
	x := target{env: env}
	var doc any
	x.askJSON(t, &doc, exitDone, "agent", "--dry-run")
	all := fields(t, "agenda", doc, "time", "lease", "due", "services")
	if l := fields(t, "lease", all["lease"], "name", "holder"); l["name"] != "qd-lease-agent" || l["holder"] != "" {
		t.Errorf("the lease: %v", l)
	}
	due := map[string]bool{}
	for _, d := range list(t, all, "due") {
		m := fields(t, "due", d, "task", "service", "due", "attempts", "again", "given_up")
		due[m["task"].(string)+" "+m["service"].(string)] = m["attempts"] == 0.0 && m["again"] == nil && m["given_up"] == false
	}
	if !due["backup shop_store"] || !due["audit "+recovery.Repository] {
		t.Errorf("due are %v", due)
	}
	bad := false
	for _, s := range list(t, all, "services") {
		m := fields(t, "service", s, "service", "usable", "last", "next")
		bad = bad || m["usable"] == false && strings.Contains(m["reason"].(string), recovery.LabelEngine)
	}
	if !bad {
		t.Errorf("the policy that is bad is not told: %v", all["services"])
	}
	out, errs, code := x.ask(t, "agent", "--dry-run", "--only", "shop_cache")
	if code != exitDone || !strings.Contains(out, "no agent works") || !strings.Contains(out, "shop_cache") || strings.Contains(out, "backup  shop_store") {
		t.Errorf("exit %d:\n%s\n%s", code, out, errs)
	}
	for _, args := range [][]string{{"agent", "--only", "["}, {"agent", "--probe", "--listen", "nowhere"}, {"agent", "--listen", "256.0.0.1:x"}, {"agent", "please"}} {
		if _, errs, code := x.ask(t, args...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	env["QUARTERDECK_S3"] = ""
	for _, args := range [][]string{{"agent", "--dry-run"}, {"agent", "--listen", "127.0.0.1:0"}} {
		if _, errs, code := x.ask(t, args...); code != exitUnreachable || !strings.Contains(errs, "--s3") {
			t.Errorf("%v without a store: exit %d: %s", args, code, errs)
		}
	}
}

// TestAgendaInWords: what was tried is told with the reason, and nothing of it reaches the terminal's controls.
func TestAgendaInWords(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	due := now.Add(-time.Hour)
	look := &agent.Outlook{Time: now, Holder: "agent on \x1b[2Jnode1", Due: []agent.Task{
		{Kind: agent.Backup, Service: "shop_db", Due: due, Tries: 1, From: now.Add(time.Minute)},
		{Kind: agent.Backup, Service: "shop_files", Due: due, Tries: agent.MaxTries, From: now.Add(-time.Minute)}},
		Tries: map[string]agent.Try{"backup shop_db": {Due: due, Reason: "no \x1b[2Jserver"}, "backup shop_files": {Due: due, Reason: "no space"}}}
	var b bytes.Buffer
	if err := writeAgenda(&b, look); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"qd-lease-agent is held by agent on ", "again at 2026-11-30T12:01:00Z: no ", "given up: no space"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q", b.String())
	}
}

// TestAgentProbe asks one that lives, one that hangs, and nobody.
func TestAgentProbe(t *testing.T) {
	a := &agent.Agent{Now: time.Now}
	var log bytes.Buffer
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	if err := probeAgent(t.Context(), address); codeOf(t.Context(), err) != exitDegraded {
		t.Errorf("nobody there: %v", err)
	}
	stop, err := serveAgent(address, metrics.Told{Backups: a.Status}, textLog(&log))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := probeAgent(t.Context(), address); codeOf(t.Context(), err) != exitDegraded || !strings.Contains(err.Error(), "has not looked") {
		t.Errorf("one that never came round: %v", err)
	}
	if _, err := serveAgent(address, metrics.Told{Backups: a.Status}, textLog(&log)); codeOf(t.Context(), err) != exitUsage {
		t.Errorf("a port that is taken: %v", err)
	}
}
