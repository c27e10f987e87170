package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

// What --headless prints can be evaluated by a shell, stands for servers that answer, and ends with the command.
func TestDemoHeadless(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	root := newRootCommand(&surroundings{in: strings.NewReader(""), out: w, errs: io.Discard, getenv: func(string) string { return "" }})
	root.SetArgs([]string{"demo", "--headless", "--seed", "4", "--listen", "::1"})
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil { //nolint:noctx // a test's own
		root.SetArgs([]string{"demo", "--headless", "--seed", "4"}) // no IPv6 here
	} else {
		_ = l.Close()
	}
	go func() { ended <- root.ExecuteContext(ctx) }()
	var script strings.Builder
	lines := bufio.NewScanner(r)
	for range 10 {
		if !lines.Scan() {
			t.Fatalf("only %q was printed", script.String())
		}
		script.WriteString(lines.Text() + "\n")
	}
	script.WriteString(`printf '%s\n' "$DOCKER_HOST" "$LOKI_ADDR" "$PROMETHEUS_URL" "$ALERTMANAGER_URL" "$GRAFANA_URL" "$QUARTERDECK_S3" "$QUARTERDECK_RUNNER_IMAGE" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_REGION"`)
	out, err := exec.CommandContext(ctx, "sh", "-euc", script.String()).Output() //nolint:gosec // what our own command printed
	if err != nil {
		t.Fatalf("%s: %v", script.String(), err)
	}
	addresses := strings.Fields(string(out))
	if len(addresses) != 10 {
		t.Fatalf("%q", out)
	}
	for i, path := range []string{"/_ping", "/ready", "/-/ready", "/-/ready", "/api/health"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Replace(addresses[i], "tcp:", "http:", 1)+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", addresses[i], resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if code := codeOf(ctx, <-ended); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(addresses[0], "tcp://"), time.Second); err == nil {
		t.Error("the engine is still there")
	}
}

// A scenario that does not exist lists those that do; a port that is taken is named. Both are usage.
func TestDemoRefusals(t *testing.T) {
	x := target{}
	_, errs, code := x.ask(t, "demo", "--headless", "--scenario", "earthquake")
	for _, s := range demo.Scenarios() {
		if code != exitUsage || !strings.Contains(errs, s.Name) {
			t.Errorf("exit %d, without %s: %s", code, s.Name, errs)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, errs, code := x.ask(t, "demo", "--headless", "--listen", l.Addr().String()); code != exitUsage || !strings.Contains(errs, l.Addr().String()+", is taken") {
		t.Errorf("exit %d: %s", code, errs)
	}
	out, _, code := x.ask(t, "demo", "--list")
	if code != exitDone || strings.Count(out, "\n") != len(demo.Scenarios())+len(demo.Teams()) {
		t.Errorf("exit %d: %s", code, out)
	}
}
