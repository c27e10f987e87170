package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{"XDG_CONFIG_HOME": "/nonexistent"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestExampleIsValidAndWhole(t *testing.T) {
	f, err := Parse([]byte(Example))
	if err != nil {
		t.Fatal(err)
	}
	if f.Context != "production" || len(f.Contexts) != 2 || f.Contexts["production"].Loki.Tenant != "team-a" || f.Theme != "dark" {
		t.Fatalf("%+v", f)
	}
	// What is commented out must be valid too.
	var whole []string
	for _, line := range strings.Split(Example, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		if rest, ok := strings.CutPrefix(trimmed, "# "); ok && strings.Contains(rest, ":") && strings.ToLower(rest[:1]) == rest[:1] && !strings.Contains(strings.SplitN(rest, ":", 2)[0], " ") {
			line = strings.Repeat(" ", len(line)-len(trimmed)) + rest
		}
		whole = append(whole, line)
	}
	if _, err := Parse([]byte(strings.Join(whole, "\n"))); err != nil {
		t.Fatalf("with the comments taken off: %v", err)
	}
}

func TestMistakesNameTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"contexts:\n  a:\n    lokki: {}\n":            "line 3: unknown key \"lokki\"",
		"theme: dark\ntheme: light\n":                 "line 2",
		"timeout: soon\n":                             "line 1",
		"contexts: [a]\n":                             "line 1",
		"theme: dark\nmouse: true\na: b: c\n":         "line 3",
		"context: nope\ncontexts: {here: {}}\n":       "here",
		strings.Repeat("# x\n", MaxFile/4) + "# more": "larger than",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("context: a\ncontexts:\n  a: {host: file, loki: {address: 'http://file:1', tenant: t}}\n  b: {host: other, read-only: true}\n  c: {docker-context: prod, hosts: [m2, m3]}\ntimeout: 3s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Resolve(Flags{Config: file}, env())
	if err != nil || s.Host != "file" || s.Loki.Address != "http://file:1" || s.Timeout != 3*time.Second || s.Name != "a" || s.ReadOnly {
		t.Fatalf("file: %+v %v", s, err)
	}
	s, err = Resolve(Flags{Config: file}, env("DOCKER_HOST", "env", "LOKI_ADDR", "http://env:2", "QUARTERDECK_READ_ONLY", "1"))
	if err != nil || s.Host != "env" || s.Loki.Address != "http://env:2" || s.Loki.Tenant != "t" || !s.ReadOnly {
		t.Fatalf("environment over file: %+v %v", s, err)
	}
	s, err = Resolve(Flags{Config: file, Host: "flag", Loki: "http://flag:3", Timeout: time.Second, Context: "b"}, env("DOCKER_HOST", "env", "QUARTERDECK_CONTEXT", "a"))
	if err != nil || s.Host != "flag" || s.Loki.Address != "http://flag:3" || s.Timeout != time.Second || s.Name != "b" || !s.ReadOnly {
		t.Fatalf("flag over environment: %+v %v", s, err)
	}
	for name, c := range map[string]struct {
		flags Flags
		env   func(string) string
		want  string
	}{
		"file":                                   {Flags{}, env(), " [m2 m3] prod"},
		"a host of the environment stands alone": {Flags{}, env("DOCKER_HOST", "env"), "env [] "},
		"a host given stands alone":              {Flags{Host: "a,b"}, env(), "a,b [] "},
	} {
		c.flags.Config, c.flags.Context = file, "c"
		s, err := Resolve(c.flags, c.env)
		if err != nil || fmt.Sprint(s.Host, " ", s.Hosts, " ", s.DockerContext) != c.want {
			t.Errorf("%s: %q %v %q, %v", name, s.Host, s.Hosts, s.DockerContext, err)
		}
	}
	if _, err := Resolve(Flags{}, env("QUARTERDECK_READ_ONLY", "perhaps")); err == nil {
		t.Fatal("a wrong truth value must be an error")
	}
}

func TestRegistries(t *testing.T) {
	f, err := Parse([]byte("contexts: {a: {registries: {r.example: {address: 'http://10.0.0.5:5000'}, 'z:5000': {insecure: true}, 'b:5000': {address: 'https://b', insecure: true}}}}"))
	if err != nil {
		t.Fatal(err)
	}
	mirrors, insecure := f.Contexts["a"].Mirrors()
	if len(mirrors) != 2 || mirrors["r.example"] != "http://10.0.0.5:5000" || mirrors["b:5000"] != "https://b" || strings.Join(insecure, " ") != "b:5000 z:5000" {
		t.Errorf("%v %v", mirrors, insecure)
	}
	if _, err := Parse([]byte("contexts: {a: {registries: {r: {adr: x}}}}")); err == nil || !strings.Contains(err.Error(), "\"adr\"") {
		t.Errorf("a mistake: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("contexts: {a: {tls: {ca: x}}}"))
	f.Add([]byte("&a [*a,*a]"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b) })
}
