package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (x target) silences(t *testing.T) {
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
}

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
