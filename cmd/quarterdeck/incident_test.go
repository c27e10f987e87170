package main

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

// TestIncidentCommands holds the incident commands to their fields and exit codes, on the embedded platform; each call is a start of the program of
// its own on the same journal.
func TestIncidentCommands(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	x := target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": p.AlertmanagerURL(),
		"QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_ACTOR": "ada@example.com", "QUARTERDECK_READ_ONLY": ""}}
	refuses := func(code int, says string, args ...string) {
		t.Helper()
		out, errs, got := x.ask(t, args...)
		if got != code || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%v: exit %d, want %d: %q %s", args, got, code, out, errs)
		}
	}
	refuses(exitUsage, "say of which service", "incident", "start")
	refuses(exitUsage, "no incident is open", "incident", "ack")
	refuses(exitUsage, "no incident is recorded", "incident", "report")
	refuses(exitUsage, "is no time", "incident", "start", "shop_api", "--at", "yesterday")
	refuses(exitRefused, "read-only", "incident", "start", "shop_api", "--title", "x", "--read-only")

	do := func(args ...string) map[string]any {
		t.Helper()
		var doc any
		x.askJSON(t, &doc, exitDone, append([]string{"incident"}, args...)...)
		return fields(t, args[0], doc, "id", "also", "services", "title", "severity", "state", "owner", "by", "started", "impact", "detected", "detected_by", "acknowledged", "mitigated", "resolved", "reopened", "times", "entries")
	}
	got := do("start", "shop_api", "--title", "checkout is slow", "--severity", "warning", "--impact", "10m")
	id, _ := got["id"].(string)
	if got["state"] != "open" || got["title"] != "checkout is slow" || got["owner"] != "" || got["mitigated"] != nil || got["impact"] == nil {
		t.Errorf("%v", got)
	}
	times := fields(t, "times", got["times"], "detect", "acknowledge", "mitigate", "resolve")
	if d := fields(t, "detect", times["detect"], "seconds", "reason", "by"); d["seconds"] == nil || d["seconds"].(float64) < 590 {
		t.Errorf("detect %v", d)
	}
	if d := fields(t, "resolve", times["resolve"], "seconds", "reason", "by"); d["seconds"] != nil || d["reason"] == "" {
		t.Errorf("what is missing is null with a reason: %v", d)
	}
	refuses(exitRefused, "is open for shop_api", "incident", "start", "shop_api", "--title", "again")
	if got := do("ack"); got["state"] != "acknowledged" || got["owner"] != "ada@example.com" {
		t.Errorf("%v", got)
	}
	refuses(exitRefused, "yours already", "incident", "ack")
	refuses(exitUsage, "is none of", "incident", "note", "x", "--for", "nonsense")
	do("note", "lesson:", "look", "sooner")
	do("mitigate", "restarted it", "--incident", id[:len(id)-2])
	if got := do("resolve"); got["state"] != "resolved" || got["resolved"] == nil {
		t.Errorf("%v", got)
	}
	refuses(exitRefused, "reopen it first", "incident", "resolve", "--incident", id)

	var doc any
	x.askJSON(t, &doc, exitDone, "incident", "list")
	all := fields(t, "list", doc, "incidents", "medians")
	if n := len(list(t, all, "incidents")); n != 1 {
		t.Errorf("%d incidents", n)
	}
	if m := fields(t, "medians", all["medians"], "detect", "acknowledge", "mitigate", "resolve"); fields(t, "detect", m["detect"], "seconds", "n")["n"] != 1.0 {
		t.Errorf("%v", m)
	}
	x.askJSON(t, &doc, exitDone, "incident", "report")
	r := fields(t, "report", doc, "id", "title", "since", "until", "services", "authors", "status", "severity", "owner", "summary", "impact", "impact_start", "causes", "looked", "cause_notes", "trigger", "resolution",
		"mitigations", "detection", "times", "phases", "action_items", "lessons", "timeline", "charts", "logs", "changes", "queries", "redactions", "gaps", "record")
	if r["id"] != id || len(list(t, r, "lessons")) != 1 || len(list(t, r, "timeline")) < 5 {
		t.Errorf("%v", r["lessons"])
	}
	for _, row := range list(t, r, "timeline") {
		at, err := time.Parse(time.RFC3339Nano, fields(t, "row", row, "time", "source", "kind", "service", "actor", "text", "query", "confidence", "bad")["time"].(string))
		if err != nil || at.Location() != time.UTC {
			t.Errorf("%v %v", row, err)
		}
	}
	out, _, code := x.ask(t, "incident", "report", "-o", "markdown", "--since", "1h", "--service", "shop_web")
	if code != exitDone || !strings.HasPrefix(out, "# Report: what happened to shop_web\n") || !strings.Contains(out, "no incident was declared for this time") {
		t.Errorf("exit %d: %.300s", code, out)
	}
	x.env["DOCKER_HOST"] = "tcp://127.0.0.1:1" // the swarm is away: what is known is written all the same, and that it is away is said
	out, errs, code := x.ask(t, "incident", "report")
	if code != exitUnreachable || !strings.HasPrefix(out, "# Incident: checkout is slow\n") || !strings.Contains(out, "| swarm ") || errs == "" {
		t.Errorf("exit %d: %s %.300s", code, errs, out)
	}
}
