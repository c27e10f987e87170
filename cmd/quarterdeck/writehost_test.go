package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"quarterdeck/sources/demo"
)

// getOnly is a socket proxy that lets nothing through but questions, as tecnativa/docker-socket-proxy does without POST=1.
func getOnly(t *testing.T, engine string) string {
	t.Helper()
	u, err := url.Parse(strings.Replace(engine, "tcp://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(u)
	forward.FlushInterval = -1
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "<html>Forbidden</html>", http.StatusForbidden)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return "tcp://" + s.Listener.Addr().String()
}

// Behind a proxy that only answers questions all can be seen and planned, a change says what is missing, and --write-host makes it.
func TestWriteHost(t *testing.T) {
	oneByOne(t)
	d, err := demo.Start(t.Context(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	a := newActor(t, target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": ""}}, "registry.quarterdeck.demo/act/app:")
	a.env["DOCKER_HOST"] = getOnly(t, d.DockerHost())
	a.do(t, exitDone, "planned", "scale", a.service+"=3", "--dry-run")
	before := a.look(t, a.service).Version
	out, errs, code := a.ask(t, "scale", a.service+"=3", "--yes")
	if code != exitUnreachable || !strings.Contains(errs, "--write-host") {
		t.Errorf("exit %d: %q %s", code, out, errs)
	}
	if a.look(t, a.service).Version != before {
		t.Error("something was changed")
	}
	a.do(t, exitDone, "done", "scale", a.service+"=3", "--yes", "--write-host", d.DockerHost())
	if n := *a.look(t, a.service).Spec.Mode.Replicated.Replicas; n != 3 {
		t.Errorf("%d replicas", n)
	}
}

// Who acts: what the configuration or the environment says, else git, else the user of the machine.
func TestWhoActs(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	u, err := user.Current()
	if err != nil {
		t.Skip("the machine knows no user")
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", home) // no git
	if got := whoami(); got != u.Username {
		t.Errorf("without git: %q, want %q", got, u.Username)
	}
	fake := filepath.Join(home, "git")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\n[ \"$*\" = 'config --get user.email' ] && echo ada@example.com\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", home+string(os.PathListSeparator)+path)
	if got := whoami(); got != "ada@example.com" {
		t.Errorf("with git: %q", got)
	}
}
