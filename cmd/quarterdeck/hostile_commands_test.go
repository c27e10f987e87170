package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestHostileTextInCommands: what the commands print for people does nothing to a terminal, errors too; what they print for
// programs is valid JSON with the texts as they are.
func TestHostileTextInCommands(t *testing.T) {
	oneByOne(t)
	d := quietDemo(t)
	if err := d.StartScenario("certificate-expiring"); err != nil { // so that an alert fires
		t.Fatal(err)
	}
	texts := rewritten(spoiledJSON(false))
	env := map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": d.AlertmanagerURL()}
	for name, f := range map[string]fault{"DOCKER_HOST": hostileDockerLogs, "LOKI_ADDR": texts, "PROMETHEUS_URL": texts, "ALERTMANAGER_URL": texts} {
		proxy := newFaultProxy(t, env[name])
		proxy.set(t, f)
		env[name] = "http://" + proxy.addr
		if name == "DOCKER_HOST" {
			env[name] = "tcp://" + proxy.addr
		}
	}
	x := target{env: env}
	noLoki := target{env: map[string]string{"DOCKER_HOST": env["DOCKER_HOST"], "LOKI_ADDR": ""}}
	for _, c := range []struct {
		by   target
		args []string
		says string
	}{
		{x, []string{"status"}, "shop_web"},
		{x, []string{"logs", "shop_web", "--limit", "20"}, `{"time":`},
		{noLoki, []string{"logs", "shop_web"}, "line of hostile text"},
		{x, []string{"metrics", "shop_web"}, "cpu"},
		{x, []string{"metrics", "--query", "up"}, "query"},
		{x, []string{"alerts"}, "expires soon"},
		{x, []string{"doctor"}, "swarm"},
		{x, []string{"logs", "--query", "{x\x1b]0;y\x07\u202e"}, ""}, // an error
		{x, []string{"frob\x1b[2J\u202e"}, ""},
	} {
		out, errs, _ := c.by.ask(t, c.args...)
		if !strings.Contains(out, c.says) {
			t.Errorf("%q: no %q in %.300q, %.300q", c.args, c.says, out, errs)
		}
		if out+errs == "" {
			t.Errorf("%q says nothing", c.args)
		}
		harmlessText(t, strings.Join(c.args, " "), out+errs)
	}
	var lines []struct{ Line string }
	noLoki.askJSON(t, &lines, 0, "logs", "shop_web")
	const kept = megabyte / 5 // the engine's adapter cuts lines somewhat above
	var got []string
	for _, l := range lines {
		got = append(got, l.Line)
	}
	for _, p := range append(payloads[:len(payloads):len(payloads)], megabytes...) {
		want := asJSON(t, hostileLine(p))
		found := false
		for _, l := range got {
			found = found || l == want || len(want) > kept && len(l) > kept && l[:kept] == want[:kept]
		}
		if !found {
			t.Errorf("no line %.200q in the JSON", want)
		}
	}
	var alerts struct {
		Alerts []struct{ Summary string }
	}
	x.askJSON(t, &alerts, 0, "alerts")
	if want := spoiled("The certificate of shop.example expires soon"); len(alerts.Alerts) == 0 || alerts.Alerts[0].Summary != want {
		t.Errorf("%d alerts, not the first with %.100q", len(alerts.Alerts), want)
	}
	var anything any
	x.askJSON(t, &anything, -1, "status")
	x.askJSON(t, &anything, 0, "metrics", "shop_web")
	x.askJSON(t, &anything, 0, "logs", "shop_web", "--limit", "20")
}

// asJSON is s as it comes through JSON: bytes that are no UTF-8 are replaced.
func asJSON(t *testing.T, s string) (out string) {
	t.Helper()
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func harmlessText(t *testing.T, what, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q: invalid UTF-8", what)
	}
	for i, r := range s {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029') {
			t.Errorf("%q: %U in %q", what, r, s[max(0, i-40):min(len(s), i+40)])
			return
		}
	}
}
