package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSilenceOfAProtectedService: a command does not give itself the word that guards a protected service; it is typed, or given by --confirm. What is not
// protected needs none, as ever.
func TestSilenceOfAProtectedService(t *testing.T) {
	d := quietDemo(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("context: here\ncontexts:\n  here:\n    actions:\n      protected: [\"shop_w*\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": d.AlertmanagerURL(),
		"DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": file, "QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_READ_ONLY": ""}}
	count := func() int {
		var doc any
		x.askJSON(t, &doc, exitDone, "alerts", "silences")
		return len(list(t, fields(t, "silences", doc, "silences"), "silences"))
	}
	before := count()
	mute := []string{"alerts", "silence", "alertname=NoSuchAlert", "swarm_service=shop_web", "--for", "5m", "--comment", "contract"}
	for _, more := range [][]string{nil, {"--confirm", "shop_api"}} {
		out, errs, code := x.ask(t, append(mute, more...)...)
		if code != exitRefused || out != "" || !strings.Contains(errs, "shop_web is protected") || !strings.Contains(errs, "--confirm shop_web") {
			t.Errorf("%v: exit %d: %q %s", more, code, out, errs)
		}
	}
	if out, errs, code := x.ask(t, append(mute, "--dry-run")...); code != exitDone || !strings.Contains(errs, "shop_web is protected") {
		t.Errorf("a dry run: exit %d: %q %s", code, out, errs)
	}
	if n := count(); n != before {
		t.Errorf("%d silences, %d before: one was made without the word", n, before)
	}
	out, errs, code := x.ask(t, append(mute, "--confirm", "shop_web")...)
	if code != exitDone || !strings.Contains(out, "silenced until") {
		t.Fatalf("with the word: exit %d: %q %s", code, out, errs)
	}
	id := strings.TrimSpace(out[strings.LastIndex(out, ":")+1:])
	if n := count(); n != before+1 {
		t.Errorf("%d silences, want %d", n, before+1)
	}
	if out, errs, code := x.ask(t, "alerts", "expire", id); code != exitDone { // what rings again hides nothing
		t.Errorf("ending it: exit %d: %q %s", code, out, errs)
	}
	other := []string{"alerts", "silence", "alertname=NoSuchAlert", "swarm_service=shop_api", "--for", "5m", "--comment", "contract"}
	if out, errs, code := x.ask(t, other...); code != exitDone || !strings.Contains(out, "silenced until") {
		t.Errorf("of one that is not protected: exit %d: %q %s", code, out, errs)
	}
}
