package main

import (
	"context"
	"strings"
	"testing"

	"quarterdeck/sources/demo"
)

// TestAutoscaleOnDemo holds recommend and replay to the contract's fields and exit codes.
func TestAutoscaleOnDemo(t *testing.T) {
	p, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x := target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": p.PrometheusURL(), "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_S3": "", "QUARTERDECK_STATE_DIR": t.TempDir()}}
	var doc any
	x.askJSON(t, &doc, exitDone, "autoscale", "recommend")
	rows := list(t, fields(t, "recommend", doc, "time", "services"), "services")
	if len(rows) != 1 {
		t.Fatalf("%d services have a policy", len(rows))
	}
	m := fields(t, "recommendation", rows[0], "service", "current", "recommended", "limited_by", "metric", "value", "target", "reason", "min", "max", "mode", "skipped")
	if m["service"] != "shop_api" || m["metric"] != "cpu" || m["target"] != 0.8 || !strings.HasPrefix(m["reason"].(string), "CPU ") || m["skipped"] != "" {
		t.Errorf("%v", m)
	}
	x.askJSON(t, &doc, exitDone, "autoscale", "recommend", "shop_web")
	if m := fields(t, "recommendation", list(t, doc.(map[string]any), "services")[0], "value", "target"); m["skipped"] != "no-policy" || m["value"] != nil || m["reason"] == "" {
		t.Errorf("%v", m)
	}
	if out, errs, code := x.ask(t, "autoscale"); code != exitDone || !strings.Contains(out, "shop_api") {
		t.Errorf("exit %d:\n%s\n%s", code, out, errs)
	}
	x.askJSON(t, &doc, exitDone, "autoscale", "replay", "shop_api", "--since", "6h", "--policy", "min=1,max=9,cpu=30")
	r := fields(t, "replay", list(t, fields(t, "replays", doc, "time", "since", "services"), "services")[0], "service", "step", "missing", "replicas", "policies")
	policies := list(t, r, "policies")
	if len(policies) != 2 || len(list(t, r, "replicas")) < 300 {
		t.Fatalf("%d policies, %d points", len(policies), len(list(t, r, "replicas")))
	}
	for _, o := range policies {
		f := fields(t, "outcome", o, "policy", "least", "most", "under_target", "over_target", "unmeasured", "at_max", "real_over_target", "task_hours", "real_task_hours", "real_hours", "changes", "flaps", "replicas", "decisions")
		if span := f["under_target"].(float64) + f["over_target"].(float64) + f["unmeasured"].(float64); span < 5.9*3600 || span > 6.1*3600 || f["task_hours"].(float64) < 6 || float64(len(list(t, f, "decisions"))) != f["changes"] {
			t.Errorf("%v: %v s, %v task-hours, %v changes", f["policy"], span, f["task_hours"], f["changes"])
		}
	}
	out, errs, code := x.ask(t, "autoscale", "replay", "--since", "6h")
	if code != exitDone || !strings.Contains(out, "shop_api: replicas since") || !strings.Contains(out, "its labels") || !strings.Contains(out, "TASK-HOURS") {
		t.Errorf("exit %d:\n%s\n%s", code, out, errs)
	}
	for _, args := range [][]string{{"recommend", "nosuch"}, {"replay", "nosuch"}, {"replay", "shop_web"}, {"replay", "shop_api", "--policy", "max=x"}, {"replay", "--since", "1m"}, {"replay", "--since", "1000d"}, {"please"}} {
		if _, errs, code := x.ask(t, append([]string{"autoscale"}, args...)...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	for url, says := range map[string]string{"": "--prometheus", "http://127.0.0.1:1": "unreachable"} {
		x.env["PROMETHEUS_URL"] = url
		if _, errs, code := x.ask(t, "autoscale", "recommend"); code != exitUnreachable || !strings.Contains(errs, says) {
			t.Errorf("with Prometheus at %q: exit %d: %s", url, code, errs)
		}
	}
}
