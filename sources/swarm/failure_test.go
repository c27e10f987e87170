package swarm_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// always answers everything alike.
func always(status int, contentType, body string) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

// at lets one path be answered otherwise.
func at(path string, then func(http.ResponseWriter, *http.Request, string) bool) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, r *http.Request, p string) bool { return p == path && then(w, r, p) }
}

func TestBadDaysAreToldApart(t *testing.T) {
	workerInfo := `{"ServerVersion":"20.10.24","Swarm":{"LocalNodeState":"active","ControlAvailable":false,"RemoteManagers":[{"NodeID":"a","Addr":"10.0.0.7:2377"},{"NodeID":"b","Addr":"10.0.0.8:2377"}]}}`
	cases := []struct {
		name     string
		override func(http.ResponseWriter, *http.Request, string) bool
		kind     sources.Kind
		says     string
	}{
		{"401", always(401, "text/plain", "no"), sources.Unauthorised, "credentials"},
		{"403 of a proxy", always(403, "text/html", "<html>403 Forbidden</html>"), sources.Forbidden, "proxy"},
		{"html of a web server", always(200, "text/html", "<html>hello</html>"), sources.BadAnswer, "web server"},
		{"html 404 of a web server", always(404, "text/html; charset=utf-8", "<html>not found</html>"), sources.NotFound, "check the port"},
		{"redirect", always(302, "text/plain", ""), sources.BadAnswer, "redirect"},
		{"503", always(503, "text/plain", "starting"), sources.Unreachable, "tried again"},
		{"garbage list", at("/services", always(200, "application/json", `[{"ID":"a"},{"ID":`)), sources.BadAnswer, "Docker engine"},
		{"not json", at("/services", always(200, "application/json", `hello`)), sources.BadAnswer, "Docker engine"},
		{"wrong shape", at("/tasks", always(200, "application/json", `{"a":1}`)), sources.BadAnswer, "Docker engine"},
		{"wrong field", at("/tasks", always(200, "application/json", `[{"ID":7}]`)), sources.BadAnswer, "Docker engine"},
		{"no time", at("/nodes", always(200, "application/json", `[{"ID":"a","CreatedAt":"yesterday"}]`)), sources.BadAnswer, "Docker engine"},
		{"no subnet", at("/networks", always(200, "application/json", `[{"Id":"a","IPAM":{"Config":[{"Subnet":"here"}]}}]`)), sources.BadAnswer, "Docker engine"},
		{"no base64", at("/configs", always(200, "application/json", `[{"ID":"a","Spec":{"Data":"?"}}]`)), sources.BadAnswer, "Docker engine"},
		{"garbage info", at("/info", always(200, "application/json", `[1`)), sources.BadAnswer, "Docker engine"},
		{"worker", at("/info", always(200, "application/json", workerInfo)), sources.NotManager, "10.0.0.7, 10.0.0.8"},
		{"in no swarm", at("/info", always(200, "application/json", `{"Swarm":{"LocalNodeState":"inactive"}}`)), sources.NotManager, "docker swarm init"},
		{"locked", at("/info", always(200, "application/json", `{"Swarm":{"LocalNodeState":"locked"}}`)), sources.Unauthorised, "unlock"},
		{"worker, said by the list only", at("/services", always(503, "application/json", `{"message":"This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."}`)), sources.NotManager, "manager"},
		{"no quorum", at("/services", always(500, "application/json", `{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."}`)), sources.Unreachable, "quorum"},
		{"500", at("/services", always(500, "application/json", `{"message":"boom"}`)), sources.BadAnswer, "log"},
		{"too old", at("/_ping", func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header().Set("Api-Version", "1.24")
			fmt.Fprint(w, "OK")
			return true
		}), sources.TooOld, "19.03"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.setOverride(c.override)
			_, err := f.client(t, sut.Options{}).List(t.Context())
			if got := sources.KindOf(err); got != c.kind {
				t.Fatalf("kind %q, want %q: %v", got, c.kind, err)
			}
			if !strings.Contains(err.Error(), c.says) || sources.NextOf(err) == "" {
				t.Errorf("%q does not say %q, or not what to do", err, c.says)
			}
		})
	}
}

func TestEndpointsThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	hostOf := func(s *httptest.Server) string { return "tcp://" + s.Listener.Addr().String() }
	cases := []struct {
		name, host string
		tls        sources.TLS
		kind       sources.Kind
		says       string
	}{
		{"no socket", "unix://" + filepath.Join(dir, "none.sock"), sources.TLS{}, sources.Unreachable, "no socket"},
		{"refused", hostOf(closed), sources.TLS{}, sources.Unreachable, "nothing listens"},
		{"tls asked of a plain port", hostOf(plain), sources.TLS{Insecure: true}, sources.BadAnswer, "no TLS"},
		{"unknown authority", hostOf(secure), sources.TLS{ServerName: "x"}, sources.Unauthorised, "ca.pem"},
		{"no ssh", "ssh://nobody@127.0.0.1", sources.TLS{}, sources.Unreachable, "ssh client"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.host, "ssh") {
				t.Setenv("PATH", dir)
			}
			client, err := sut.New(sut.Options{Host: c.host, TLS: c.tls})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.List(t.Context())
			if sources.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("kind %q, want %q saying %q: %v", sources.KindOf(err), c.kind, c.says, err)
			}
		})
	}
}

func TestSSHThatAsksForAPassword(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'me@host: Permission denied (publickey,password).' >&2\nexit 255\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	c, err := sut.New(sut.Options{Host: "ssh://me@host:2222"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.List(t.Context())
	if sources.KindOf(err) != sources.Unauthorised || !strings.Contains(sources.NextOf(err), "ssh me@host:2222") {
		t.Fatalf("got %v", err)
	}
}

func TestHugeAnswerIsRefused(t *testing.T) {
	f := newFake(t)
	f.setOverride(at("/tasks", func(w http.ResponseWriter, r *http.Request, _ string) bool {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		return true
	}))
	_, err := f.client(t, sut.Options{Timeout: time.Minute}).List(t.Context())
	if sources.KindOf(err) != sources.BadAnswer || !strings.Contains(err.Error(), "larger than") {
		t.Fatalf("got %v", err)
	}
}

func TestSlowAnswersTimeOut(t *testing.T) {
	for _, path := range []string{"/services", "/info"} {
		t.Run(path, func(t *testing.T) {
			f := newFake(t)
			f.setOverride(at(path, func(w http.ResponseWriter, r *http.Request, _ string) bool {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(200)
				fmt.Fprint(w, "[")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return true
			}))
			start := time.Now()
			_, err := f.client(t, sut.Options{Timeout: 200 * time.Millisecond}).List(t.Context())
			if sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "no answer within 200ms") {
				t.Fatalf("after %s: %v", time.Since(start), err)
			}
		})
	}
}

func TestSilentEngineTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it accepts in the kernel, and never answers: a stopped engine
	c, err := sut.New(sut.Options{Host: "tcp://" + l.Addr().String(), Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.List(t.Context())
	if sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "no answer within") {
		t.Fatalf("got %v", err)
	}
}

func TestTLSOfTheEnvironment(t *testing.T) {
	f := newFake(t)
	s := httptest.NewUnstartedServer(f)
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	pem := pemOf(s.TLS.Certificates[0])
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	t.Setenv("DOCKER_CERT_PATH", dir)
	c, err := sut.New(sut.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if w, err := c.List(t.Context()); err != nil || len(w.Services) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	t.Setenv("DOCKER_TLS_VERIFY", "")
	plain, err := sut.New(sut.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_, err = plain.List(t.Context())
	if sources.KindOf(err) != sources.BadAnswer && sources.KindOf(err) != sources.BadQuestion {
		t.Fatalf("plain HTTP to a TLS port: %v", err)
	}
}
