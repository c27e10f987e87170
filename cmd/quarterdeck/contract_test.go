package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	t.Run("status", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, -1, "status")
		m := fields(t, "status", doc, "time", "context", "engine", "sources", "nodes", "services", "alerts")
		fields(t, "engine", m["engine"], "version", "api")
		for _, s := range list(t, m, "sources") {
			fields(t, "source", s, "name", "state", "since", "detail")
		}
		if len(list(t, m, "nodes")) == 0 || len(list(t, m, "services")) == 0 {
			t.Fatal("no node or no service")
		}
		fields(t, "node", list(t, m, "nodes")[0], "name", "role", "state", "availability", "leader")
		states := map[string]bool{"healthy": true, "updating": true, "degraded": true, "down": true, "idle": true, "unknown": true}
		for _, s := range list(t, m, "services") {
			v := fields(t, "service", s, "name", "stack", "mode", "desired", "running", "healthy", "state", "reason", "image", "digest", "update_state", "updated")
			if !states[v["state"].(string)] {
				t.Errorf("state %q is none of the contract's", v["state"])
			}
			if _, err := time.Parse(time.RFC3339, v["updated"].(string)); err != nil || !strings.HasSuffix(v["updated"].(string), "Z") {
				t.Errorf("updated %v is not RFC 3339 in UTC", v["updated"])
			}
		}
		for _, a := range list(t, m, "alerts") {
			fields(t, "alert", a, "name", "severity", "service", "since", "state")
		}
	})
	t.Run("logs", func(t *testing.T) {
		var doc []any
		x.askJSON(t, &doc, 0, "logs", x.service, "--since", "15m", "--limit", "50")
		if len(doc) == 0 || len(doc) > 50 {
			t.Fatalf("%d lines", len(doc))
		}
		last := ""
		for _, l := range doc {
			m := fields(t, "line", l, "time", "service", "task", "node", "level", "source", "line", "labels")
			if m["service"] != x.service {
				t.Errorf("a line of %v", m["service"])
			}
			if at := m["time"].(string); len(at) == len(last) && at < last {
				t.Errorf("%s after %s", at, last)
			} else {
				last = at
			}
		}
	})
	t.Run("investigate", x.investigates)
	t.Run("logs by hand", func(t *testing.T) {
		out, errs, code := x.ask(t, "logs", "--query", `{swarm_service="`+x.service+`"}`, "--limit", "5")
		if code != 0 || strings.Count(out, "\n") != 5 {
			t.Fatalf("exit %d: %q %s", code, out, errs)
		}
		if _, errs, code := x.ask(t, "logs", "--query", `{broken`); code != exitUsage || errs == "" {
			t.Fatalf("broken LogQL: exit %d: %s", code, errs)
		}
	})
	t.Run("metrics", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, 0, "metrics", x.service, "--since", "5m")
		m := fields(t, "metrics", doc, "time", "service", "start", "end", "step", "series")
		found := map[string]bool{}
		for _, s := range list(t, m, "series") {
			v := fields(t, "series", s, "name", "unit", "labels", "query", "last", "reason", "points", "how", "bounds", "limits", "then")
			if v["then"] != nil {
				t.Errorf("%v is compared with %v, and nobody has asked", v["name"], v["then"])
			}
			if len(list(t, v, "points")) > 0 {
				found[v["name"].(string)] = true
				if v["how"] == "" {
					t.Errorf("%v does not say how it is known", v["name"])
				}
				if quantile := strings.HasPrefix(v["name"].(string), "p"); quantile && v["last"] != nil && len(list(t, v, "bounds")) > 0 {
					fields(t, "limits", v["limits"], "low", "high")
				}
			} else if v["reason"] == "" {
				t.Errorf("%v is empty and does not say why", v["name"])
			}
		}
		if !found["cpu"] || !found["memory"] {
			t.Fatalf("only %v have points", found)
		}
		x.askJSON(t, &doc, 0, "metrics", "--query", "up", "--since", "5m")
		for _, args := range [][]string{{"metrics", x.service}, {"metrics", "--query", "up"}} {
			x.askJSON(t, &doc, 0, append(args, "--since", "5m", "--compare", "yesterday")...)
			m := fields(t, "metrics", doc, "compare", "series")
			if c := fields(t, "compare", m["compare"], "with", "start", "end"); c["with"] != "yesterday" {
				t.Errorf("%v", c)
			}
			for _, s := range list(t, m, "series") {
				v := fields(t, "series", s, "name", "then")
				if then := fields(t, "then", v["then"], "last", "reason", "points"); (len(list(t, then, "points")) == 0) != (then["reason"] != "") {
					t.Errorf("%v of then has points, or says why not: %v", v["name"], then)
				}
			}
		}
		if _, _, code := x.ask(t, "metrics", "--query", "up{"); code != exitUsage {
			t.Fatalf("broken PromQL: exit %d", code)
		}
	})
	t.Run("alerts", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, 0, "alerts")
		for _, a := range list(t, fields(t, "alerts", doc, "alerts"), "alerts") {
			fields(t, "alert", a, "name", "severity", "service", "since", "state")
		}
	})
	t.Run("silence", func(t *testing.T) {
		if _, _, code := x.ask(t, "--read-only", "alerts", "silence", "alertname=NoSuchAlert", "--comment", "test"); code != exitRefused {
			t.Fatalf("read-only: exit %d", code)
		}
		out, errs, code := x.ask(t, "alerts", "silence", "alertname=NoSuchAlert", "--for", "1m", "--comment", "test")
		if code != 0 || !strings.Contains(out, "silenced until") {
			t.Fatalf("exit %d: %s %s", code, out, errs)
		}
		if _, _, code := x.ask(t, "alerts", "silence", "nonsense", "--comment", "x"); code != exitUsage {
			t.Fatalf("a broken matcher: exit %d", code)
		}
		if _, errs, code := x.ask(t, "alerts", "silence", "alertname=~.+", "--comment", "x"); code != exitRefused || !strings.Contains(errs, "every alert") {
			t.Fatalf("everything: exit %d: %s", code, errs)
		}
		var made, silences any
		x.askJSON(t, &made, 0, "alerts", "silence", "alertname=NoSuchAlert", `job!~"a|b"`, "--for", "10m", "--comment", "contract")
		id := fields(t, "silence", made, "id", "ends", "run", "changes")["id"].(string)
		defer x.ask(t, "alerts", "expire", id)
		x.askJSON(t, &silences, 0, "alerts", "silences")
		found := false
		for _, m := range list(t, fields(t, "silences", silences, "silences"), "silences") {
			one := fields(t, "silence", m, "id", "state", "author", "comment", "matchers", "starts", "ends", "left")
			found = found || one["id"] == id && one["state"] == "active" && one["comment"] == "contract" && one["left"].(float64) > 500
		}
		if !found {
			t.Fatalf("%s is not among %v", id, silences)
		}
		if out, errs, code := x.ask(t, "alerts", "expire", "--dry-run", id[:13]); code != 0 || out != "" || !strings.Contains(errs, "end the silence of alertname=NoSuchAlert") {
			t.Fatalf("dry run: exit %d: %s %s", code, out, errs)
		}
		if out, errs, code := x.ask(t, "alerts", "expire", id); code != 0 || !strings.Contains(out, "ended: "+id) {
			t.Fatalf("exit %d: %s %s", code, out, errs)
		}
		if out, _, code := x.ask(t, "alerts", "expire", id); code != 0 || !strings.Contains(out, "ended already") {
			t.Fatalf("the second time: exit %d: %s", code, out)
		}
		if _, errs, code := x.ask(t, "alerts", "expire", "nonsense"); code != exitUnreachable || !strings.Contains(errs, "alerts silences") {
			t.Fatalf("one that never was: exit %d: %s", code, errs)
		}
		if out, _, code := x.ask(t, "journal", "--since", "5m"); code != 0 || !strings.Contains(out, "silence") || !strings.Contains(out, "unsilence") {
			t.Fatalf("the journal: exit %d: %s", code, out)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, 0, "doctor")
		s := list(t, fields(t, "doctor", doc, "sources"), "sources")
		if len(s) != 5 {
			t.Fatalf("%d sources", len(s))
		}
		for _, p := range s {
			m := fields(t, "probe", p, "name", "address", "state", "version", "allows", "missing", "fix")
			if m["state"] != "LIVE" {
				t.Errorf("%v is %v: %v", m["name"], m["state"], m["fix"])
			}
		}
		for _, c := range list(t, fields(t, "backups", fields(t, "doctor", doc, "backups")["backups"], "coverage"), "coverage") {
			fields(t, "coverage", c, "state", "age", "kept", "drill")
		}
	})
	t.Run("capacity and cost", func(t *testing.T) { capacityContract(t, x) })
	t.Run("check", func(t *testing.T) {
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
	})
	t.Run("attest", func(t *testing.T) {
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
	})
	t.Run("blueprint", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, 0, "blueprint", "list", "--stage", "1")
		m := fields(t, "blueprint list", doc, "version", "stacks")
		stacks := list(t, m, "stacks")
		if len(stacks) != 2 {
			t.Fatalf("%d stacks of stage 1", len(stacks))
		}
		for _, st := range stacks {
			fields(t, "stack", st, "name", "stage", "brings", "files", "parameters", "secrets", "networks", "node_labels", "deploy")
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
	})
	t.Run("snapshot", func(t *testing.T) {
		out, errs, code := x.ask(t, "snapshot", "--size", "120x40", "--select", x.service, "--settle", "1s")
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if code != 0 || len(lines) != 40 || !strings.Contains(out, x.service) || strings.Contains(out, "\x1b") {
			t.Fatalf("exit %d, %d lines: %s\n%s", code, len(lines), errs, out)
		}
		for _, format := range []string{"ansi", "svg", "png"} {
			if out, errs, code := x.ask(t, "snapshot", "--format", format, "--settle", "200ms", "--keys", "j j enter"); code != 0 || len(out) < 1000 {
				t.Fatalf("%s: exit %d, %d bytes: %s", format, code, len(out), errs)
			}
		}
		if _, _, code := x.ask(t, "snapshot", "--view", "nonsense"); code != exitUsage {
			t.Fatalf("an unknown view: exit %d", code)
		}
	})
	t.Run("console without a terminal", func(t *testing.T) {
		if _, errs, code := x.ask(t); code != exitUsage || !strings.Contains(errs, "quarterdeck status") {
			t.Fatalf("exit %d: %s", code, errs)
		}
	})
}

// TestContractOnDemo runs the contract against the embedded platform.
func TestContractOnDemo(t *testing.T) {
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
