package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (x target) check(t *testing.T) {
	var doc any
	x.askJSON(t, &doc, exitDegraded, "check") // no person has given a word here
	all := list(t, fields(t, "check", doc, "time", "stages"), "stages")
	if len(all) != 4 {
		t.Fatalf("%d stages", len(all))
	}
	swarm := map[string]bool{}
	for _, st := range all {
		for _, c := range list(t, fields(t, "stage", st, "stage", "name", "gate", "checks"), "checks") {
			m := fields(t, "check", c, "id", "state", "value", "threshold", "evidence", "fix", "required")
			if m["state"] == "unknown" && m["reason"] == nil && len(list(t, m, "subjects")) == 0 {
				t.Errorf("%v is unknown without a reason", m["id"])
			}
			id, _ := m["id"].(string)
			swarm[id] = m["state"] != "unknown"
		}
	}
	for _, id := range []string{"restart-policy", "manager-quorum", "logs-per-service", "metrics-per-service", "targets-up", "critical-alerts", "volumes-covered"} {
		if !swarm[id] {
			t.Errorf("%s could not look", id)
		}
	}
	if _, _, code := x.ask(t, "check", "--stage", "5"); code != exitUsage {
		t.Errorf("stage 5: exit %d", code)
	}
	out, errs, code := x.ask(t, "check", "--stage", "3", "-o", "markdown")
	if code != exitDegraded || !strings.Contains(out, "## Stage 3: reliable") || !strings.Contains(out, "## Since ") || strings.Contains(out, "## Stage 2") {
		t.Errorf("in Markdown: exit %d: %s\n%s", code, errs, out)
	}
}

func (x target) attests(t *testing.T) {
	const check = "team-not-bottleneck"
	word := func() map[string]any {
		t.Helper()
		var doc any
		x.askJSON(t, &doc, 0, "attest")
		for _, w := range list(t, fields(t, "attest", doc, "attestations"), "attestations") {
			if m := fields(t, "word", w, "check", "question", "days", "state", "at", "until"); m["check"] == check {
				return m
			}
		}
		t.Fatal("it is not among them")
		return nil
	}
	if m := word(); m["state"] != "fail" {
		t.Skipf("somebody has said so here: %v", m)
	}
	for _, wrong := range [][]string{{"attest", "nope", "--note", "x"}, {"attest", "restart-policy", "--note", "x"}, {"attest", check, "--note", "x", "--until", "2020-01-01"}, {"attest", check, "--note", "x", "--until", "1000d"}, {"attest", "--note", "x"}} {
		if _, errs, code := x.ask(t, wrong...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit %d, %s", wrong, code, errs)
		}
	}
	if _, errs, code := x.ask(t, "attest", check); code != exitRefused || !strings.Contains(errs, "note") {
		t.Errorf("without a note: exit %d, %s", code, errs)
	}
	var report any
	x.askJSON(t, &report, 0, "attest", check, "--note", "nobody has waited since May", "--until", "30d")
	m := fields(t, "report", report, "action", "result", "run", "verify")
	if m["action"] != "attest" || m["result"] != "done" {
		t.Errorf("%v", m)
	}
	if m := word(); m["state"] != "pass" || m["note"] != "nobody has waited since May" {
		t.Errorf("%v", m)
	}
	if out, _, _ := x.ask(t, "check", "--stage", "4"); !strings.Contains(out, "nobody has waited since May") {
		t.Errorf("the check does not know it: %s", out)
	}
	x.askJSON(t, &report, 0, "attest", check, "--withdraw")
	if m := word(); m["state"] != "fail" {
		t.Errorf("withdrawn: %v", m)
	}
}

func (x target) blueprint(t *testing.T) {
	var doc any
	x.askJSON(t, &doc, 0, "blueprint", "list", "--stage", "1")
	m := fields(t, "blueprint list", doc, "version", "stacks", "databases")
	for _, i := range list(t, m, "databases") {
		fields(t, "database", i, "key", "name", "version")
	}
	stacks := list(t, m, "stacks")
	if len(stacks) != 2 {
		t.Fatalf("%d stacks of stage 1", len(stacks))
	}
	for _, st := range stacks {
		fields(t, "stack", st, "name", "stage", "brings", "files", "parameters", "images", "secrets", "networks", "node_labels", "deploy")
	}
	if out, _, code := x.ask(t, "blueprint", "list"); code != exitDone || !strings.Contains(lineWith(out, "IMAGE_LOKI"), "grafana/loki:") || !strings.Contains(lineWith(out, "  mariadb"), "mariadb:") {
		t.Errorf("exit %d: the versions are not listed: %s", code, out)
	}
	dir := t.TempDir()
	write := []string{"blueprint", "write", dir, "--stage", "1", "--set", "ACME_MAIL=ops@example.com"}
	if _, errs, code := x.ask(t, write...); code != exitUsage || !strings.Contains(errs, "DOMAIN") {
		t.Errorf("without a domain: exit %d, %s", code, errs)
	}
	write = append(write, "--set", "DOMAIN=apps.example.com")
	x.askJSON(t, &doc, 0, write...)
	written := list(t, fields(t, "blueprint write", doc, "version", "written", "unchanged"), "written")
	stack := filepath.Join(dir, "web", "stack.yml")
	text, err := os.ReadFile(stack)
	if err != nil || !strings.Contains(string(text), "apps.example.com") || len(written) < 4 {
		t.Fatalf("%d written; %v\n%s", len(written), err, text)
	}
	x.askJSON(t, &doc, 0, write...)
	if again := list(t, fields(t, "blueprint write", doc, "version", "written", "unchanged"), "written"); len(again) != 0 {
		t.Errorf("a second time it writes %v", again)
	}
	if err := os.WriteFile(stack, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := x.ask(t, write...); code != exitRefused || !strings.Contains(errs, "stack.yml") {
		t.Errorf("over a file that differs: exit %d, %s", code, errs)
	}
	if text, err := os.ReadFile(stack); err != nil || string(text) != "mine\n" {
		t.Errorf("it was written over: %v\n%s", err, text)
	}
	x.askJSON(t, &doc, exitDegraded, "blueprint", "diff", "--stage", "1", "--set", "ACME_MAIL=ops@example.com", "--set", "DOMAIN=apps.example.com")
	missing := 0
	for _, d := range list(t, fields(t, "blueprint diff", doc, "services", "differences"), "differences") {
		if m := fields(t, "difference", d, "service", "stack", "state", "fields"); m["state"] == "missing" {
			missing++
		}
	}
	if missing == 0 {
		t.Errorf("nothing of it runs here, and nothing is missing: %v", doc)
	}
}
