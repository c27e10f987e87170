//go:build lab

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// walk is a team that is led through the stages by the console alone, on the lab.
type walk struct {
	*testing.T
	bin   string
	env   []string
	term  *terminal
	began time.Time
}

// TestWalkLab begins with a swarm that has no service, and comes to the gate of stage 3 by keys alone: a stack as teams begin with, what the checks say of it, the stack mended,
// the checks turning while somebody looks, words given, a backup, a drill, a DR day. Bitbucket and Grafana are servers made from their published descriptions, as in the tests of their
// sources; all else is real. What ends by itself on the way, a task, is ended by the test.
func TestWalkLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" {
		t.Fatal("QD_LAB is not set: eval \"$(testdata/lab/lab env)\"")
	}
	w := &walk{T: t, bin: builtBinary(t), began: time.Now()}
	w.empty()
	w.open()
	w.functional()
	w.observable()
	w.reliable()
	w.judged()
}

func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// lab runs a command of the lab.
func (w *walk) lab(args ...string) string {
	w.Helper()
	cmd := exec.Command(os.Getenv("QD_LAB_BIN"), args...)
	var said strings.Builder // what it does meanwhile, which is no part of its answer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		w.Fatalf("lab %v: %v\n%s%s", args, err, out, said.String())
	}
	return strings.TrimSpace(string(out))
}

// empty takes the lab's own services away, for the time of the test, and has the runner's image made.
func (w *walk) empty() {
	runner := w.lab("runner")
	w.lab("remove", "shop", "ops")
	w.Cleanup(func() {
		_ = exec.Command(os.Getenv("QD_LAB_BIN"), "remove", "walk").Run()
		for _, n := range []string{"1", "2", "3"} { // a volume is of its node
			_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", n, "volume", "rm", "-f", "walk_db").Run()
			_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", "1", "node", "update", "--label-rm", "walk", "node"+n).Run()
		}
		for _, x := range []string{"walk_db_password", "walk_api_password"} {
			_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", "1", "secret", "rm", x).Run()
		}
		for _, x := range []string{"no-touch-deploy", "dashboard-habit", "dr-plan"} {
			_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", "1", "config", "rm", "qd-attest-"+x).Run()
		}
		for _, s := range []string{"shop", "ops"} {
			if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), "deploy", "../../testdata/lab/stacks/"+s+".yml").CombinedOutput(); err != nil {
				w.Errorf("%v: %s", err, out)
			}
		}
	})
	if left := w.lab("docker", "1", "service", "ls", "-q"); left != "" {
		w.Fatalf("the swarm is not empty: %s", left)
	}
	home := w.TempDir()
	config := filepath.Join(home, "config.yaml")
	s := w.systems()
	token := filepath.Join(home, "token")
	for name, text := range map[string]string{token: "geheim\n", config: "context: walk\ncontexts: {walk: {grafana: {address: '" + s + "'}, bitbucket: {address: '" + s + "', workspace: team, token-file: '" + token + "', repositories: {shop: {}}}}}\n"} {
		w.must(os.WriteFile(name, []byte(text), 0o600))
	}
	w.env = []string{"TERM=xterm-256color", "COLORTERM=truecolor", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "QUARTERDECK_CONFIG=" + config, "QUARTERDECK_STATE_DIR=" + filepath.Join(home, "state"), "QUARTERDECK_ACTOR=ada",
		"QUARTERDECK_RUNNER_IMAGE=" + runner}
	for _, k := range []string{"QUARTERDECK_S3", "DOCKER_HOST", "LOKI_ADDR", "PROMETHEUS_URL", "ALERTMANAGER_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "QD_LAB_REGISTRY", "QUARTERDECK_REPOSITORY_SECRET"} {
		w.env = append(w.env, k+"="+os.Getenv(k))
	}
}

// systems are Bitbucket, whose newest pipeline has passed with a scan for secrets, and Grafana with a dashboard for any service.
func (w *walk) systems() string {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
		switch {
		case strings.HasPrefix(r.URL.Path, "/2.0/") && r.Header.Get("Authorization") != "Bearer geheim":
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/steps"):
			_, _ = fmt.Fprintf(rw, `{"values":[{"name":"gitleaks","completed_on":%q,"state":{"name":"COMPLETED","result":{"name":"SUCCESSFUL"}}}]}`, ago(time.Minute))
		case strings.HasSuffix(r.URL.Path, "/pipelines/"):
			_, _ = fmt.Fprintf(rw, `{"values":[{"uuid":"{1}","build_number":12,"created_on":%q,"completed_on":%q,"state":{"name":"COMPLETED","result":{"name":"SUCCESSFUL"}},"target":{"ref_type":"branch","ref_name":"main","commit":{"hash":"9f848b7c1d"}}}]}`, ago(time.Hour), ago(time.Minute))
		case r.URL.Path == "/api/health":
			_, _ = fmt.Fprint(rw, `{"database":"ok","version":"12.3.1"}`)
		case r.URL.Path == "/api/search":
			_, _ = fmt.Fprint(rw, `[{"uid":"service","title":"Service","type":"dash-db","tags":["every-service"],"url":"/d/service"}]`)
		default:
			_, _ = fmt.Fprint(rw, `[]`)
		}
	}))
	w.Cleanup(s.Close)
	return s.URL
}

// open starts the console, in a terminal.
func (w *walk) open() {
	cmd := exec.CommandContext(w.Context(), w.bin)
	cmd.Env = w.env
	w.term = startInTerminal(w, cmd, 160, 60)
	w.term.wait(w, time.Minute, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE", "nodes 3/3")
	w.keys("7")
	w.sees("stage 1 of an empty swarm", "no gate is open yet", "manager-quorum")
}

func (w *walk) keys(keys ...string) {
	w.Helper()
	for _, k := range keys {
		w.term.keys(w, k)
	}
}

// Keys as a terminal sends them.
const (
	enter = "\r"
	esc   = "\x1b"
	tab   = "\t"
	again = "\x12" // ctrl+r: the checks are judged anew
)

// sees waits until all of this is on the screen.
func (w *walk) sees(what string, texts ...string) {
	w.Helper()
	w.until(what, 3*time.Minute, has(texts...))
}

// until waits for a screen. Where nothing changes, the checks are judged anew every now and then, as somebody would ask for it who waits.
func (w *walk) until(what string, limit time.Duration, ok func(screen string) bool) {
	w.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if s := w.term.text(); ok(s) {
			w.Logf("%4.0f s  %s", time.Since(w.began).Seconds(), what)
			return
		} else if time.Now().After(end) {
			w.Fatalf("%s: not within %s:\n%s", what, limit, s)
		}
	}
}

// answers presses keys at a question, once it has been there long enough to be read.
func (w *walk) answers(question string, keys ...string) {
	w.Helper()
	var seen time.Time
	w.until(question, time.Minute, func(s string) bool {
		switch {
		case !strings.Contains(s, question):
			seen = time.Time{}
		case seen.IsZero():
			seen = time.Now()
		}
		return !seen.IsZero() && time.Since(seen) > 600*time.Millisecond
	})
	w.keys(keys...)
}

// judge waits until the checks are judged so, asking for it every few seconds.
func (w *walk) judge(what string, limit time.Duration, ok func(screen string) bool) {
	w.Helper()
	asked := time.Time{}
	w.until(what, limit, func(s string) bool {
		if ok(s) {
			return true
		}
		if time.Since(asked) > 5*time.Second {
			asked = time.Now()
			w.keys(again)
		}
		return false
	})
}

// row is a check's line in the list.
func row(screen, id string) string {
	for _, l := range strings.Split(screen, "\n") {
		if f := strings.Fields(l); len(f) > 1 && (f[0] == id || f[1] == id) {
			return l
		}
	}
	return ""
}

// are tells whether checks are in a state.
func are(state string, ids ...string) func(string) bool {
	return func(screen string) bool {
		for _, id := range ids {
			if !strings.Contains(row(screen, id), " "+state) {
				return false
			}
		}
		return true
	}
}

// apply applies a stack file of the test, by the palette.
func (w *walk) apply(file string, asked func()) {
	w.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "walk", file))
	w.must(err)
	w.keys(":", "apply a stack file")
	w.sees("the command", "apply a stack file: deploy")
	w.keys(enter)
	w.sees("the file is asked for", "apply a stack file", "file: ")
	w.keys("\x15", path, enter) // ctrl+u: what was there
	w.sees("the name", "stack: walk")
	w.keys(enter)
	asked()
	w.answers("[ No ]", tab)
	w.sees("the yes", "[ Yes ]")
	w.keys(enter)
	w.until(file+" is proven", 4*time.Minute, has("converged, stable for"))
	w.back("converged, stable for")
}

// back closes a box, and waits until it is gone: a key right after esc would be another key, with alt.
func (w *walk) back(said string) {
	w.Helper()
	w.keys(esc)
	w.until("closed", time.Minute, func(s string) bool { return !strings.Contains(s, said) })
}

// attest gives a person's word.
func (w *walk) attest(id, note string) {
	w.Helper()
	w.goTo(id)
	w.keys("a")
	w.sees("what was seen", id+", for ")
	w.keys(note, enter)
	w.confirm("attest")
	w.judge(id+" holds", time.Minute, are("pass", id))
}

// goTo puts the cursor on a check.
func (w *walk) goTo(id string) {
	w.Helper()
	w.keys("/", id, enter)
	w.sees(id+" alone", "/"+id)
	w.keys("G", esc)
	w.until("all of them again", time.Minute, func(s string) bool { return !strings.Contains(s, "· /"+id) })
}

// confirm says yes to a plan, and waits for its end.
func (w *walk) confirm(what string) {
	w.Helper()
	w.answers("[ No ]", tab)
	w.sees("the yes", "[ Yes ]")
	w.keys(enter)
	w.until(what+" is done", 6*time.Minute, has("● done"))
	w.back("● done")
}

func (w *walk) functional() {
	w.apply("chaos.yml", func() {
		w.sees("the secret", "secret walk_db_password")
		w.keys("correct horse", enter)
		w.sees("the label", "label walk=data")
		w.keys("node2", enter)
	})
	w.judge("chaos is named", 2*time.Minute, are("fail", "svc-healthcheck", "zero-downtime-update", "restart-policy", "secrets-not-env", "tls-all-routers"))
	w.apply("reliable.yml", func() {
		w.sees("the secret", "secret walk_api_password")
		w.keys("battery staple", enter)
	})
	w.judge("what was mended turns", 3*time.Minute, are("pass", "svc-healthcheck", "zero-downtime-update", "restart-policy", "manager-quorum", "tls-expiry", "tls-all-routers", "secrets-not-env", "git-no-credentials", "image-pinned"))
	w.attest("no-touch-deploy", "all deploys go through the console")
	w.judge("stage 1", time.Minute, has("stage 1 passed"))
}

func (w *walk) observable() {
	w.judge("all is seen", 4*time.Minute, are("pass", "logs-per-service", "log-agent-supported", "metrics-per-service", "targets-up", "dashboard-per-service", "critical-alerts", "alert-fatigue", "mttd", "no-shell-needed"))
	w.attest("dashboard-habit", "every morning, together")
	w.judge("stage 2", time.Minute, has("stage 2 passed"))
}

func (w *walk) reliable() {
	w.lab("call", "walk_web", "/fail?code=1&after=1s&why=the+walk") // a task dies
	w.keys("8", "/", "walk_db", enter)
	w.sees("the database's backups", "/walk_db", "postgres")
	w.keys("B")
	w.confirm("backup")
	w.keys("D")
	w.confirm("drill")
	w.keys("P")
	w.confirm("DR day")
	w.keys("7")
	w.judge("the rest", 3*time.Minute, are("pass", "backup-fresh", "volumes-covered", "restore-test", "rto", "self-heal", "ci-green", "image-traceable", "one-key-deploy", "dr-drill"))
	w.attest("dr-plan", "read by two of us")
	w.judge("stage 3", time.Minute, has("stage 3 passed"))
}

// judged holds what the screen has said against the command.
func (w *walk) judged() {
	cmd := exec.CommandContext(w.Context(), w.bin, "check", "-o", "json")
	cmd.Env = w.env
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		w.Fatal(err)
	}
	var doc struct{ Stages []struct{ Gate string } }
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Stages) != 4 {
		w.Fatalf("%v: %s", err, out)
	}
	for i, s := range doc.Stages[:3] {
		if s.Gate != "open" {
			w.Errorf("the gate of stage %d is %s", i+1, s.Gate)
		}
	}
}
