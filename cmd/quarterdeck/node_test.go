package main

import (
	"strings"
	"testing"

	"quarterdeck/sources/demo"
)

// TestNodeCommands holds the actions on nodes, and right-sizing, to the contract of all actions.
func TestNodeCommands(t *testing.T) {
	oneByOne(t)
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	x := target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_S3": "",
		"QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_READ_ONLY": ""}}
	report := func(code int, args ...string) map[string]any {
		t.Helper()
		var doc any
		x.askJSON(t, &doc, code, args...)
		r := fields(t, args[0], doc, "run", "action", "service", "plan", "result", "reason", "steps", "verify", "undo")
		fields(t, "plan", r["plan"], "changes", "steps", "warnings")
		return r
	}
	r := report(exitDone, "node", "drain", "node3", "--dry-run")
	plan := r["plan"].(map[string]any)
	change := fields(t, "change", list(t, plan, "changes")[0], "service", "field", "before", "after")
	if r["result"] != "planned" || r["action"] != "drain" || r["node"] != "node3" || r["service"] != "" || change["field"] != "availability" || change["before"] != "active" || change["after"] != "drain" {
		t.Errorf("%v", r)
	}
	if moves := list(t, plan, "moves"); len(moves) == 0 {
		t.Errorf("nothing runs on node3: %v", plan)
	} else {
		fields(t, "move", moves[0], "service", "tasks", "placed")
	}
	out, errs, code := x.ask(t, "node", "drain", "node3", "--dry-run")
	if code != exitDone || out != "" || !strings.Contains(errs, "availability  active → drain\n  SERVICE") {
		t.Errorf("exit %d: %q %s", code, out, errs)
	}
	r = report(exitDone, "node", "promote", "node2", "--yes", "--reason", "the contract")
	if r["result"] != "done" || r["undo"] != "quarterdeck undo "+r["run"].(string) || fields(t, "verify", r["verify"], "converged", "checks")["converged"] != true {
		t.Errorf("%v", r)
	}
	if out, errs, code := x.ask(t, "undo", "--yes"); code != exitDone || !strings.HasPrefix(out, "undo node2: done") || !strings.Contains(errs, "demote node2\n  role  manager → worker") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitRefused, "confirm with --confirm node2", []string{"drain", "node2", "--yes"}}, // what its constraints tie to it has no other place
		{exitRefused, "it is the last manager", []string{"demote", "node1", "--yes"}},
		{exitRefused, "read-only", []string{"promote", "node2", "--yes", "--read-only"}},
		{exitRefused, "--yes", []string{"promote", "node2"}},
		{exitUsage, "did you mean node3?", []string{"drain", "nde3", "--yes"}},
		{exitUsage, "name one node", []string{"drain"}},
		{exitUsage, "unknown command", []string{"empty", "node3"}},
	} {
		if out, errs, code := x.ask(t, append([]string{"node"}, c.args...)...); code != c.code || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("node %v: exit %d, want %d: %q %s", c.args, code, c.code, out, errs)
		}
	}
	if again := report(exitDone, "node", "activate", "node3", "--yes"); again["result"] != "nothing-to-do" {
		t.Errorf("%v", again)
	}
	r = report(exitDone, "rightsize", "--dry-run", "--since", "2d")
	if r["action"] != "rightsize" || r["result"] != "planned" && r["result"] != "nothing-to-do" {
		t.Errorf("%v", r)
	}
	if _, errs, code := x.ask(t, "rightsize", "no-such-service", "--dry-run"); code != exitUsage {
		t.Errorf("exit %d: %s", code, errs)
	}
	x.env["PROMETHEUS_URL"] = ""
	if _, errs, code := x.ask(t, "rightsize", "--dry-run"); code != exitUnreachable || !strings.Contains(errs, "PROMETHEUS_URL") {
		t.Errorf("without Prometheus: exit %d: %s", code, errs)
	}
}
