package demo

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// free is a port that is free, with those after it.
func free(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
		ok := port+len(protocols) < 65535
		for i := 1; i < len(protocols) && ok; i++ {
			next, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i))) //nolint:noctx // a test's own
			if ok = err == nil; ok {
				_ = next.Close()
			}
		}
		_ = l.Close()
		if ok {
			return port
		}
	}
	t.Fatalf("no %d free ports in a row", len(protocols))
	return 0
}

// A port that is given is the first of seven in a row; one that is taken is named, and nothing stays behind.
func TestListen(t *testing.T) {
	port := free(t)
	at := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)) }
	p, err := Start(t.Context(), Options{Quiet: true, Listen: at(0)})
	if err != nil {
		t.Fatal(err)
	}
	if p.DockerHost() != "tcp://"+at(0) || p.LokiAddr() != "http://"+at(1) || p.PrometheusURL() != "http://"+at(2) || p.AlertmanagerURL() != "http://"+at(3) || p.RegistryURL() != "http://"+at(4) || p.GrafanaURL() != "http://"+at(6) {
		t.Errorf("%s %s %s %s %s %s", p.DockerHost(), p.LokiAddr(), p.PrometheusURL(), p.AlertmanagerURL(), p.RegistryURL(), p.GrafanaURL())
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", at(2)) //nolint:noctx // a test's own
	if err != nil {
		t.Skip("somebody else has taken the port meanwhile")
	}
	defer taken.Close()
	_, err = Start(t.Context(), Options{Quiet: true, Listen: at(0)})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "the port for prometheus, "+at(2)+", is taken") {
		t.Errorf("a port that is taken: %v", err)
	}
	if l, err := net.Listen("tcp", at(0)); err != nil { //nolint:noctx // a test's own
		t.Errorf("Docker's port is still held: %v", err)
	} else {
		_ = l.Close()
	}
	for listen, want := range map[string]string{"127.0.0.1:x": `"x" is no port`, "127.0.0.1:65533": "no port: give one from 1 to 65529", "no.such.host.invalid": "listen for docker"} {
		if _, err := Start(t.Context(), Options{Quiet: true, Listen: listen}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", listen, err, want)
		}
	}
	for listen, want := range map[string]string{"": "127.0.0.1:0", "0.0.0.0": "0.0.0.0:0", "::1": "[::1]:0", "[::1]:70": "[::1]:70", ":70": "127.0.0.1:70"} {
		if got, err := ports(listen); err != nil || got[0] != want {
			t.Errorf("%q is %v, %v; want %s", listen, got, err, want)
		}
	}
}
