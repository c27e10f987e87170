//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

// testStreams holds the commands that go on to one JSON object a line, and to 130 when they are interrupted.
func testStreams(t *testing.T, x target) {
	bin := builtBinary(t)
	for name, c := range map[string]struct {
		args   []string
		fields []string
	}{
		"logs --follow":  {[]string{"logs", x.service, "--follow"}, []string{"time", "service", "task", "node", "level", "source", "line", "labels"}},
		"status --watch": {[]string{"status", "--watch"}, []string{"time", "context", "engine", "sources", "nodes", "services", "alerts"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), bin, append(c.args, "-o", "json")...)
			cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir())
			for k, v := range x.env {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 16<<20)
			n := 0
			for n < 2 && lines.Scan() {
				var doc any
				if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
					t.Errorf("%v in %.200q", err, lines.Text())
				}
				fields(t, name, doc, c.fields...)
				n++
			}
			_ = cmd.Process.Signal(os.Interrupt)
			for lines.Scan() { // to its end, so that it can write
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); n < 2 || !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
				t.Errorf("%d lines, then %v", n, err)
			}
		})
	}
	t.Run("version and completion", func(t *testing.T) {
		var doc any
		x.askJSON(t, &doc, 0, "version")
		fields(t, "version", doc, "version", "commit", "go")
		for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
			if out, errs, code := x.ask(t, "completion", shell); code != 0 || !strings.Contains(out, "quarterdeck") {
				t.Errorf("%s: exit %d: %s", shell, code, errs)
			}
		}
	})
}

func TestStreamsOnDemo(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testStreams(t, target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": p.LokiAddr(), "PROMETHEUS_URL": p.PrometheusURL(),
		"ALERTMANAGER_URL": p.AlertmanagerURL(), "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": ""}, service: "shop_web"})
}
