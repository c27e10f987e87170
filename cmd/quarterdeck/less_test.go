//go:build unix

package main

import (
	"fmt"
	"strings"
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

// TestWithoutLoki: Docker's own logs stand in for single services, and what only Loki can tell is said not to be known: it is not nothing.
func TestWithoutLoki(t *testing.T) {
	d := quietDemo(t)
	c := openBadConsole(t, d, map[string]string{"loki": ""}, 15*time.Second)
	c.wait("the fleet", 60*time.Second, has("services 12", "shop_web", "loki ABSENT", "docker-logs LIVE"))
	c.press("2")
	c.wait("rates are not known", 20*time.Second, func(s string) bool {
		at := strings.Index(s, "ERR/S LOG/S")
		for _, line := range strings.Split(s, "\n") {
			if at >= 0 && strings.Contains(line, "shop_web ") && strings.Contains(line, "healthy") {
				return strings.Contains(line, "    –     – ")
			}
		}
		return false
	})
	c.press("3")
	c.wait("Docker's lines", 30*time.Second, has("logs batch_worker", "● LIVE", "job finished"))
	c.press("Q")
	c.wait("why no LogQL can be asked", 20*time.Second, has("the lines are Docker's own, and LogQL is Loki's: --loki or LOKI_ADDR"))
	c.press("V")
	c.wait("what was counted", 30*time.Second, has("of what Docker still keeps"))
	x := target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": d.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_STATE_DIR": t.TempDir()}}
	said := x.looked(t)
	if said["swarm"] != "looked" || said["prometheus"] != "looked" && said["prometheus"] != late || said["loki"] != "not configured" || strings.HasPrefix(fmt.Sprint(said["docker"]), "could not look") {
		t.Errorf("%v", said)
	}
	if out, errs, code := x.ask(t, "logs", "batch_worker", "--limit", "5"); code != exitDone || !strings.Contains(out, "job ") {
		t.Errorf("exit %d: %q %s", code, out, errs)
	}
}

// TestReadOnlyProxy: before an engine that only answers questions all is seen as without it, and a change says what stands in its way and what would help.
func TestReadOnlyProxy(t *testing.T) {
	d := quietDemo(t)
	c, _ := openActingConsole(t, d, map[string]string{"swarm": getOnly(t, d.DockerHost())})
	c.wait("the fleet", 60*time.Second, has("services 12", "shop_web", "swarm LIVE"))
	c.press("3")
	c.wait("lines", 30*time.Second, has("logs batch_worker", "● LIVE", "job finished"))
	c.press("9")
	c.wait("the nodes", 20*time.Second, has("nodes 3", "node3", "10.20.0.13", "platform_traefik"))
	c.press("6")
	c.wait("what has happened", 20*time.Second, has("◆ deploy"))
	c.press("2")
	c.press("s")
	c.wait("the question", 20*time.Second, has("replicas:"))
	c.press("3")
	c.press("enter")
	c.answerTo("plan: scale batch_worker 2 → 3", "y")
	c.wait("what stands in the way", 30*time.Second, has("✗ failed", "does not allow it", "--write-host"))
	c.press("enter")
	c.wait("nothing was changed", 20*time.Second, has("batch_worker", "2/2"))
	x := target{env: map[string]string{"DOCKER_HOST": getOnly(t, d.DockerHost()), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": d.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_STATE_DIR": t.TempDir()}}
	said := x.looked(t)
	if said["swarm"] != "looked" {
		t.Errorf("%v", said)
	}
	for source, state := range said {
		if state != "looked" && state != late {
			t.Errorf("%s: %v", source, state)
		}
	}
}

// late is the state of a source that had no time to answer within an investigation's two seconds.
const late = "late"

// looked are the states of the sources that an investigation names. On a busy machine one may be late: it is asked again, for a while.
func (x target) looked(t *testing.T) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var doc any
		x.askJSON(t, &doc, exitDone, "investigate")
		states, some := map[string]any{}, false
		for _, l := range list(t, fields(t, "investigate", doc, "looked"), "looked") {
			m := fields(t, "looked", l, "source", "state")
			states[m["source"].(string)] = m["state"]
			detail, _ := m["detail"].(string)
			switch {
			case strings.Contains(detail, "no whole answer in time"), strings.Contains(detail, "deadline exceeded"), strings.Contains(detail, "the next look asks again"):
				states[m["source"].(string)], some = late, true
			case m["state"] == "could not look":
				states[m["source"].(string)] = "could not look: " + detail
			}
		}
		if !some || time.Now().After(deadline) {
			return states
		}
	}
}
