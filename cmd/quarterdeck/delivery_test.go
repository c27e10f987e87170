//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSystems: a platform with Traefik, Bitbucket, Harbor and Portainer beside it is judged by their word, doctor tells of each, and a delivery is followed to where it is
// stuck. Their servers are made from the published descriptions, as those of their own packages.
func TestSystems(t *testing.T) {
	d := quietDemo(t)
	started, swarm := 0, "another"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/2.0/") && r.Header.Get("Authorization") != "Bearer geheim" {
			w.WriteHeader(401)
			return
		}
		switch {
		case r.URL.Path == "/api/system/status":
			_, _ = fmt.Fprint(w, `{"Version":"2.43.0"}`)
		case r.URL.Path == "/api/stacks" && r.Header.Get("X-API-Key") != "geheim":
			w.WriteHeader(401)
		case r.URL.Path == "/api/stacks":
			_, _ = fmt.Fprint(w, `[{"Name":"shop","Type":1,"Status":1,"SwarmId":"`+swarm+`","EntryPoint":"stack.yml","GitConfig":{"URL":"https://u:geheim@git.example.com/ops.git","ReferenceName":"refs/heads/main","ConfigHash":"0123456789"},"AutoUpdate":{"Interval":"5m","Webhook":"geheim"}}]`)
		case r.Method == http.MethodPost:
			started++
			w.WriteHeader(201)
			_, _ = fmt.Fprint(w, `{"uuid":"{2}","build_number":13,"state":{"name":"PENDING"}}`)
		case r.URL.Path == "/api/version":
			_, _ = fmt.Fprint(w, `{"Version":"3.6.2"}`)
		case r.URL.Path == "/api/http/routers":
			_, _ = fmt.Fprint(w, `[{"name":"shop@swarm","provider":"swarm","entryPoints":["web"],"status":"enabled","rule":"r","service":"s"}]`)
		case strings.HasPrefix(r.URL.Path, "/api/v2.0/systeminfo"):
			_, _ = fmt.Fprint(w, `{}`)
		case strings.HasSuffix(r.URL.Path, "/steps"):
			_, _ = fmt.Fprint(w, `{"values":[{"name":"gitleaks","completed_on":"`+time.Now().UTC().Format(time.RFC3339)+`","state":{"name":"COMPLETED","result":{"name":"SUCCESSFUL"}}}]}`)
		case strings.HasSuffix(r.URL.Path, "/pipelines/"):
			_, _ = fmt.Fprintf(w, `{"values":[{"uuid":"{1}","build_number":12,"created_on":%q,"completed_on":%q,"state":{"name":"COMPLETED","result":{"name":"FAILED"}},"target":{"ref_type":"branch","ref_name":"main","commit":{"hash":"9f848b7c1d"}}}]}`,
				time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(-59*time.Minute).UTC().Format(time.RFC3339))
		default:
			_, _ = fmt.Fprint(w, `[]`)
		}
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "c.yaml")
	for name, text := range map[string]string{token: "geheim\n", config: "context: a\ncontexts: {a: {traefik: {address: '" + s.URL + "'}, harbor: {address: '" + s.URL + "'}, portainer: {address: '" + s.URL + "', token-file: '" + token + "'}, bitbucket: {address: '" + s.URL + "', workspace: team, token-file: '" + token + "', repositories: {shop: {services: [shop_web]}}}}}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": d.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": config, "QUARTERDECK_CONTEXT": "", "QUARTERDECK_STATE_DIR": dir}}

	var doc any
	x.askJSON(t, &doc, -1, "doctor")
	states := map[string]any{}
	for _, p := range list(t, fields(t, "doctor", doc, "sources", "unset"), "sources") {
		m := fields(t, "probe", p, "name", "state")
		states[m["name"].(string)] = m["state"]
	}
	if states["traefik"] != "LIVE" || states["bitbucket"] != "LIVE" || states["harbor"] != "LIVE" || states["portainer"] != "LIVE" || states["grafana"] != nil {
		t.Errorf("doctor: %v", states)
	}
	if out, _, _ := x.ask(t, "doctor"); !strings.Contains(out, "not set       grafana.address: nothing is missing") {
		t.Error(out)
	}

	out, errs, code := x.ask(t, "check")
	for id, says := range map[string]string{"fail     tls-all-routers": "0 of 1 router, by Traefik's API", "pass     git-no-credentials": "1 of 1 repository", "fail     ci-green": "0 of 1 repository"} {
		if line := lineWith(out, strings.Fields(id)[1]); !strings.Contains(line, strings.Fields(id)[0]) || !strings.Contains(line, says) {
			t.Errorf("%s: %q of exit %d %s\n%s", id, line, code, errs, out)
		}
	}

	x.askJSON(t, &doc, exitDegraded, "delivery", "shop_web")
	one := fields(t, "delivery", list(t, fields(t, "delivery", doc, "time", "services"), "services")[0], "service", "repository", "commit", "runs", "lead", "stuck", "next", "steps", "stack")
	if one["service"] != "shop_web" || one["repository"] != "shop" || one["commit"] != "9f848b7c1d" || one["stuck"] != "pipeline" || one["lead"] != nil || len(list(t, one, "steps")) != 6 {
		t.Errorf("%v", one)
	}
	for _, step := range list(t, one, "steps") {
		fields(t, "step", step, "name", "state", "at", "says")
	}
	if other := fields(t, "stack", one["stack"], "name", "manager", "reason", "state"); other["name"] != "shop" || other["manager"] != "Portainer" || other["state"] != nil {
		t.Errorf("another swarm's stack is taken for this one's: %v", other)
	}
	swarm = clusterOf(t, x)
	x.askJSON(t, &doc, exitDegraded, "delivery", "shop_web")
	kept := fields(t, "stack", list(t, fields(t, "delivery", doc, "services"), "services")[0].(map[string]any)["stack"], "reason", "says", "repository", "branch", "file", "commit", "every", "webhook", "force", "pull", "updated", "updated_by")
	if kept["state"] != "active" || kept["repository"] != "https://git.example.com/ops.git" || kept["branch"] != "main" || kept["every"] != 300.0 || kept["webhook"] != true || kept["updated"] != nil {
		t.Errorf("%v", kept)
	}
	if out, errs, _ := x.ask(t, "delivery", "shop_web"); !strings.Contains(lineWith(out, "stack"), "shop by Portainer, active, of stack.yml in https://git.example.com/ops.git on main at 01234567; looked at every 5m0s and by a webhook") || strings.Contains(out+errs, "geheim") {
		t.Error(out, errs)
	}
	if out, _, code := x.ask(t, "delivery", "shop_web"); code != exitDegraded || !strings.Contains(lineWith(out, "stuck"), "pipeline") || !strings.Contains(lineWith(out, "commit"), "9f848b7c on main") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, _, _ := x.ask(t, "delivery"); !strings.Contains(lineWith(out, "shop_web"), "pipeline: mend the pipeline of shop") || lineWith(out, "shop_api") == "" {
		t.Error(out)
	}
	for _, c := range []struct {
		args    []string
		code    int
		started int
		says    string
	}{
		{[]string{"--dry-run"}, exitDone, 0, "would start the pipeline of shop on main"},
		{nil, exitRefused, 0, "not confirmed"},
		{[]string{"--yes", "--read-only"}, exitRefused, 0, "read-only"},
		{[]string{"--yes", "--reason", "a new base"}, exitDone, 1, "pipeline 13 of shop on main: waiting"},
	} {
		if out, errs, code := x.ask(t, append([]string{"delivery", "start", "shop_web"}, c.args...)...); code != c.code || started != c.started || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: exit %d, %d started: %s %s", c.args, code, started, out, errs)
		}
	}
	if out, _, _ := x.ask(t, "journal", "--all"); !strings.Contains(out, "pipeline") || strings.Contains(out, "geheim") {
		t.Errorf("the journal: %s", out)
	}
	if _, errs, code := x.ask(t, "delivery", "start", "shop_api", "--yes"); code != exitUsage || !strings.Contains(errs, "qd.repository") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, errs, code := x.ask(t, "delivery", "none"); code != exitUsage || !strings.Contains(errs, "none") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// clusterOf is the id of the swarm, by its engine.
func clusterOf(t *testing.T, x target) string {
	t.Helper()
	resp, err := http.Get(strings.Replace(x.env["DOCKER_HOST"], "tcp://", "http://", 1) + "/info")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var info struct {
		Swarm struct{ Cluster struct{ ID string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil || info.Swarm.Cluster.ID == "" {
		t.Fatalf("%v %+v", err, info)
	}
	return info.Swarm.Cluster.ID
}

// lineWith is the first line of a text that has a word.
func lineWith(text, word string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}
