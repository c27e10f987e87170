package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"quarterdeck/sources/demo"
)

// investigates holds the command to COMMANDS.md: the fields, the exit codes, one service or all, a past moment.
func (x target) investigates(t *testing.T) {
	for _, args := range [][]string{{"investigate"}, {"investigate", x.service}, {"investigate", x.service, "--at", "10m"}} {
		var doc any
		x.askJSON(t, &doc, 0, args...)
		m := fields(t, "investigation", doc, "service", "at", "took", "causes", "looked", "troubles", "elsewhere")
		at, err := time.Parse(time.RFC3339, m["at"].(string))
		if past := len(args) > 2; err != nil || past != (time.Since(at) > 9*time.Minute) {
			t.Errorf("%v is as of %v", args, m["at"])
		}
		if len(args) > 1 && m["service"] != x.service {
			t.Errorf("%v is about %v", args, m["service"])
		}
		seen := map[string]bool{}
		for _, l := range list(t, m, "looked") {
			seen[fields(t, "look", l, "source", "state")["source"].(string)] = true
		}
		for _, s := range []string{"swarm", "loki", "prometheus", "journal"} {
			if !seen[s] {
				t.Errorf("%v does not say whether %s was looked at", args, s)
			}
		}
		for _, c := range list(t, m, "causes") {
			holdCause(t, c)
		}
	}
	for _, format := range []string{"table", "markdown"} {
		if out, errs, code := x.ask(t, "investigate", x.service, "-o", format); code != 0 || !utf8.ValidString(out) || !strings.Contains(out, "swarm") {
			t.Errorf("-o %s: exit %d, %q %s", format, code, out, errs)
		}
	}
	if _, errs, code := x.ask(t, "investigate", "no-such-service"); code != exitUsage || !strings.Contains(errs, "no-such-service") {
		t.Errorf("a service that is not there: exit %d: %s", code, errs)
	}
	if _, _, code := x.ask(t, "investigate", x.service, "--at", "nonsense"); code != exitUsage {
		t.Errorf("a moment that is none: exit %d", code)
	}
}

func holdCause(t *testing.T, c any) {
	t.Helper()
	v := fields(t, "cause", c, "id", "title", "confidence", "evidence", "next", "service", "why")
	if f := v["confidence"].(float64); f <= 0 || f > 1 {
		t.Errorf("%v: confidence %v", v["id"], f)
	}
	if len(list(t, v, "evidence")) == 0 || v["why"] == "" {
		t.Errorf("%v has no evidence", v["id"])
	}
	for _, p := range list(t, v, "evidence") {
		fields(t, "evidence", p, "text", "source", "query")
	}
	for _, n := range list(t, v, "next") {
		fields(t, "next", n, "text", "action")
	}
}

// TestInvestigateNamesTheCause asks, as a script would, what is wrong with a platform that is ill.
func TestInvestigateNamesTheCause(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Seed: 3, Scenario: "image-missing"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	x := target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": p.AlertmanagerURL(),
		"QUARTERDECK_STATE_DIR": t.TempDir()}, service: "batch_worker"}
	var last map[string]any
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		var doc any
		x.askJSON(t, &doc, 0, "investigate")
		last = fields(t, "investigation", doc, "causes")
		causes := list(t, last, "causes")
		if len(causes) > 0 {
			holdCause(t, causes[0])
			if c := causes[0].(map[string]any); c["id"] == "image-missing" && c["service"] == "batch_worker" && c["confidence"].(float64) >= 0.8 {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("never named: %v", last)
		}
	}
	out, _, code := x.ask(t, "investigate", "batch_worker", "-o", "markdown")
	for _, want := range []string{"# Investigation of `batch_worker`", "`image-missing`", "No such image", "## What was looked at"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, %q is not in\n%s", code, want, out)
		}
	}
}
