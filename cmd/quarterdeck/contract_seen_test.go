package main

import (
	"strings"
	"testing"
	"time"
)

func (x target) status(t *testing.T) {
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
}

func (x target) logs(t *testing.T) {
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
}

func (x target) logsByHand(t *testing.T) {
	out, errs, code := x.ask(t, "logs", "--query", `{swarm_service="`+x.service+`"}`, "--limit", "5")
	if code != 0 || strings.Count(out, "\n") != 5 {
		t.Fatalf("exit %d: %q %s", code, out, errs)
	}
	if _, errs, code := x.ask(t, "logs", "--query", `{broken`); code != exitUsage || errs == "" {
		t.Fatalf("broken LogQL: exit %d: %s", code, errs)
	}
}

func (x target) metrics(t *testing.T) {
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
}

func (x target) alerts(t *testing.T) {
	var doc any
	x.askJSON(t, &doc, 0, "alerts")
	for _, a := range list(t, fields(t, "alerts", doc, "alerts"), "alerts") {
		fields(t, "alert", a, "name", "severity", "service", "since", "state")
	}
}

func (x target) doctor(t *testing.T) {
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
}

func (x target) snapshot(t *testing.T) {
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
}

func (x target) withoutTerminal(t *testing.T) {
	if _, errs, code := x.ask(t); code != exitUsage || !strings.Contains(errs, "quarterdeck status") {
		t.Fatalf("exit %d: %s", code, errs)
	}
}
