package swarm_test

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

func pemOf(c tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

// dockerConfig makes a folder as the Docker CLI keeps it, with one context.
func dockerConfig(t *testing.T, current, name, host string) {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", `{"currentContext":"`+current+`"}`)
	write("contexts/meta/"+digest.FromString(name).Encoded()+"/meta.json",
		`{"Name":"`+name+`","Metadata":{},"Endpoints":{"docker":{"Host":"`+host+`","SkipTLSVerify":false}}}`)
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	t.Setenv("DOCKER_TLS_VERIFY", "")
}

func TestEndpointFollowsTheDockerCLI(t *testing.T) {
	cases := []struct {
		name    string
		current string
		env     map[string]string
		o       sut.Options
		want    string
	}{
		{"nothing", "", nil, sut.Options{}, "unix:///var/run/docker.sock"},
		{"current context", "prod", nil, sut.Options{}, "ssh://ops@prod"},
		{"DOCKER_HOST beats the current context", "prod", map[string]string{"DOCKER_HOST": "tcp://a:1"}, sut.Options{}, "tcp://a:1"},
		{"DOCKER_CONTEXT", "", map[string]string{"DOCKER_CONTEXT": "prod"}, sut.Options{}, "ssh://ops@prod"},
		{"DOCKER_CONTEXT=default", "prod", map[string]string{"DOCKER_CONTEXT": "default"}, sut.Options{}, "unix:///var/run/docker.sock"},
		{"a named context beats DOCKER_HOST", "", map[string]string{"DOCKER_HOST": "tcp://a:1"}, sut.Options{Context: "prod"}, "ssh://ops@prod"},
		{"host beats all else", "prod", map[string]string{"DOCKER_HOST": "tcp://a:1"}, sut.Options{Host: "tcp://b:2"}, "tcp://b:2"},
		{"host without a scheme", "", nil, sut.Options{Host: "b:2"}, "tcp://b:2"},
		{"a path", "", nil, sut.Options{Host: "/run/x.sock"}, "unix:///run/x.sock"},
		{"credentials are not shown", "", nil, sut.Options{Host: "tcp://user:secret@b:2"}, "tcp://b:2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dockerConfig(t, c.current, "prod", "ssh://ops@prod")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			client, err := sut.New(c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if got := client.Address(); got != c.want {
				t.Errorf("address %q, want %q", got, c.want)
			}
		})
	}
}

func TestEndpointsThatCannotBe(t *testing.T) {
	dockerConfig(t, "", "prod", "ssh://ops@prod")
	for _, o := range []sut.Options{
		{Context: "nope"}, {Host: "gopher://x"}, {Host: "tcp://"}, {Host: "ssh://"}, {Host: "tcp://a:1", TLS: sources.TLS{CAFile: "/none"}},
		{Host: "ssh://user:hunter2@host/%zz"},
	} {
		_, err := sut.New(o)
		if err == nil || sources.NextOf(err) == "" {
			t.Errorf("%+v: %v", o, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v shows a password", err)
		}
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sut.New(sut.Options{}); sources.KindOf(err) != sources.NotConfigured {
		t.Errorf("a broken config file: %v", err)
	}
}
