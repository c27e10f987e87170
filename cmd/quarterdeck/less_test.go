//go:build unix

package main

import (
	"testing"
	"time"
)

// TestWithoutPrometheus: what cannot be known is said, on the page and in what the diagnosis has looked at; it is not taken for nothing there.
func TestWithoutPrometheus(t *testing.T) {
	d := quietDemo(t)
	c := openBadConsole(t, d, map[string]string{"prometheus": ""}, 15*time.Second)
	c.wait("the fleet", 60*time.Second, has("services 12", "shop_web"))
	c.press("4")
	c.wait("why there is no chart", 20*time.Second, has("no Prometheus is configured"))
	c.press("Q")
	c.wait("why nothing can be asked by hand", 20*time.Second, has("no Prometheus is configured: --prometheus or PROMETHEUS_URL"))
	x := target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": "", "ALERTMANAGER_URL": d.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_STATE_DIR": t.TempDir()}}
	var doc any
	x.askJSON(t, &doc, exitDone, "investigate", "shop_web")
	said := map[string]any{}
	for _, l := range list(t, fields(t, "investigate", doc, "looked"), "looked") {
		m := fields(t, "looked", l, "source", "state")
		said[m["source"].(string)] = m["state"]
	}
	if said["swarm"] != "looked" || said["prometheus"] != "not configured" {
		t.Errorf("%v", said)
	}
	if _, errs, code := x.ask(t, "metrics", "shop_web"); code != exitUnreachable || errs == "" {
		t.Errorf("exit %d: %s", code, errs)
	}
}
