package sources

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const shopSpec = `{"Name":"shop_web","Labels":{"com.docker.stack.namespace":"shop","team.token":"abc123"},
"Mode":{"Replicated":{"Replicas":3}},
"TaskTemplate":{"ContainerSpec":{"Image":"r/shop/web:1.0@sha256:aa","Env":["A=1","DB_PASSWORD=hunter2","DSN_FILE=/run/x","URL=postgres://u:pw1@db/x"],
"Args":["serve","--api-key=k1","--token","t1"],"Secrets":[{"SecretID":"s1","SecretName":"cert_v1","File":{"Name":"cert","UID":"0","GID":"0","Mode":292}}],
"Mounts":[{"Type":"volume","Source":"d","Target":"/data"}]},"ForceUpdate":2,"Future":{"Field":12345678901234567890},"LogDriver":{"Name":"loki","Options":{"loki-url":"http://u:pw2@loki/push"}}},
"UpdateConfig":{"Parallelism":1,"Order":"stop-first"},"EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080}]}}`

func spec(t testing.TB, raw string) Spec {
	t.Helper()
	s, err := NewSpec([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func words(changes []FieldChange) []string {
	var out []string
	for _, c := range changes {
		a, b := c.Text()
		out = append(out, fmt.Sprintf("%s: %s → %s", c.Field, a, b))
	}
	return out
}

func TestSpecEditsNothingElse(t *testing.T) {
	s := spec(t, shopSpec)
	for want, got := range map[string]Spec{
		"[replicas: 3 → 5]":                     s.WithReplicas(5),
		"[image: r/shop/web:1.0@sha256:aa → x]": s.WithImage("x", nil),
		"[force-update: 2 → 3]":                 s.Forced(),
		"[]":                                    s.WithReplicas(3),
	} {
		if w := fmt.Sprint(words(Diff(s, got))); w != want {
			t.Errorf("%s, want %s", w, want)
		}
		if !strings.Contains(string(got.JSON()), "12345678901234567890") {
			t.Error("a field that is not known here was changed")
		}
	}
	moved, used := s.WithMaterial(Secret, "cert_v1", "s2", "cert_v2")
	if w := words(Diff(s, moved)); !used || len(w) != 2 || w[1] != "secret cert secret-name: cert_v1 → cert_v2" {
		t.Errorf("%v %v", used, w)
	}
	if _, used := s.WithMaterial(Config, "cert_v1", "s2", "cert_v2"); used {
		t.Error("a secret was taken for a config")
	}
	if n, ok := s.Replicas(); n != 3 || !ok {
		t.Error(n, ok)
	}
	if _, ok := spec(t, `{"Name":"g","Mode":{"Global":{}}}`).Replicas(); ok {
		t.Error("a global service has no replicas")
	}
}

func TestDiffKnowsElementsByName(t *testing.T) {
	s := spec(t, shopSpec)
	other := spec(t, strings.NewReplacer(`"A=1",`, `"B=2","A=7",`, `"Source":"d"`, `"Source":"e"`, `"Order":"stop-first"`, `"Order":"start-first","Delay":5000000000`,
		`"PublishedPort":8080`, `"PublishedPort":9090`).Replace(shopSpec))
	want := []string{`env A: "1" → "7"`, `env B: none → "2"`, "mount /data source: d → e",
		"publish 80/tcp/8080 protocol: tcp → none", "publish 80/tcp/8080 published-port: 8080 → none", "publish 80/tcp/8080 target-port: 80 → none",
		"publish 80/tcp/9090 protocol: none → tcp", "publish 80/tcp/9090 published-port: none → 9090", "publish 80/tcp/9090 target-port: none → 80",
		"update-delay: none → 5s", "update-order: stop-first → start-first"}
	if got := words(Diff(s, other)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !Same(s, spec(t, strings.Replace(shopSpec, `"Mounts"`, `"DNSConfig":{},"TTY":false,"Privileges":{"NoNewPrivileges":false,"SELinuxContext":null},"Dir":"","Hosts":null,"Groups":[],"Mounts"`, 1))) {
		t.Error("what is empty is the same as what is not there")
	}
}

// An undo takes back its own change and leaves what others have changed since.
func TestRevertLeavesOthersChanges(t *testing.T) {
	before := spec(t, shopSpec)
	after := spec(t, strings.NewReplacer(`"Replicas":3`, `"Replicas":5`, `"A=1",`, `"A=2","NEW=1",`, `"Source":"d","Target":"/data"}`, `"Source":"d","Target":"/data"},{"Type":"bind","Source":"/x","Target":"/x"}`).Replace(shopSpec))
	now := after.WithImage("r/shop/web:2.0", nil)
	got, conflicts := Revert(now, before, after)
	if len(conflicts) > 0 || !Same(got, before.WithImage("r/shop/web:2.0", nil)) {
		t.Fatalf("%v\n%s", conflicts, got.JSON())
	}
	got, conflicts = Revert(now.WithReplicas(9), before, after)
	if n, _ := got.Replicas(); n != 9 || len(conflicts) != 1 || conflicts[0].Field != "replicas" {
		t.Errorf("%v %v", n, conflicts)
	}
	if again, conflicts := Revert(before, before, after); !Same(again, before) || len(conflicts) > 0 {
		t.Error("what is taken back already is no conflict")
	}
	removed := spec(t, strings.Replace(shopSpec, `,{"Type":"volume","Source":"d","Target":"/data"}`, ``, 1))
	if got, _ := Revert(removed, before, removed); !Same(got, before) {
		t.Errorf("what was taken out comes back: %v", words(Diff(got, before)))
	}
}

func TestMaskedHidesAndComesBack(t *testing.T) {
	s, key := spec(t, shopSpec), []byte("0123456789abcdef")
	m := s.Masked(key)
	for _, secret := range []string{"hunter2", "pw1", "pw2", "k1\"", "t1\"", "abc123"} {
		if strings.Contains(string(m.JSON()), secret) {
			t.Errorf("%q is still there: %s", secret, m.JSON())
		}
	}
	for _, open := range []string{"A=1", "DSN_FILE=/run/x", "postgres://u:", "@db/x", "serve", "cert_v1"} {
		if !strings.Contains(string(m.JSON()), open) {
			t.Errorf("%q was masked", open)
		}
	}
	if !Same(m.Masked(key), m) {
		t.Error("a mask was masked again")
	}
	back, changed, lost := m.Unmasked(s, key)
	if !Same(back, s) || changed != nil || lost != nil {
		t.Errorf("%v %v %v", changed, lost, words(Diff(s, back)))
	}
	today := spec(t, strings.NewReplacer("hunter2", "hunter3", `,"URL=postgres://u:pw1@db/x"`, "").Replace(shopSpec))
	back, changed, lost = m.Unmasked(today, key)
	if !slices.Equal(changed, []string{"env DB_PASSWORD"}) || !slices.Equal(lost, []string{"env URL"}) || !strings.Contains(string(back.JSON()), "hunter3") {
		t.Errorf("changed %v, lost %v", changed, lost)
	}
	if a, b := s.Masked(key), today.Masked([]byte("another key")); Same(a, b) {
		t.Error("two values have one mask")
	}
}

func TestCredentialsAreKnownByNameAndLook(t *testing.T) {
	for text, secret := range map[string]string{
		"PGPASSWORD=abcd": "abcd", "API_KEY=abcd": "abcd", "MONKEY=abcd": "", "KEYBOARD=abcd": "", "TOKEN_FILE=/run/abcd": "", "X=user:abcd@tcp(db:3306)/x": "abcd",
		"X=https://h/?access_token=abcd&b=1": "abcd", "X=host=db password=abcd user=u": "abcd", "X=ghp_abcdefghijklmnopqrst": "ghp_abcdefghijklmnopqrst",
		"X=-----BEGIN RSA PRIVATE KEY-----\nabcd": "abcd", "LOG=level:info": "", "AT=http://h:8080/p": "", "IMG=reg:5000/a@sha256:ff": "", "AUTH=abcd": "abcd", "AUTHOR=abcd": "",
	} {
		out, masked := maskEnv(text, []byte("k"))
		if masked != (secret != "") || secret != "" && strings.Contains(out.(string), secret) { //nolint:forcetypeassert // it is
			t.Errorf("%q became %q", text, out)
		}
	}
}

func FuzzSpec(f *testing.F) {
	f.Add([]byte(shopSpec), []byte(`{"Name":"x","Mode":{"Global":{}}}`))
	f.Add([]byte(`{"TaskTemplate":{"ContainerSpec":{"Env":["","=",null,1,"A","A=2"],"Args":[1,null,"--token"],"Mounts":[{},{"Target":1}]}}}`), []byte(`{"Labels":[1]}`))
	f.Add([]byte(`{"Mode":{"Replicated":{"Replicas":-1}},"TaskTemplate":5}`), []byte(`{"TaskTemplate":{"ContainerSpec":{"Env":"x"}}}`))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, err := NewSpec(x)
		if err != nil {
			return
		}
		b, err := NewSpec(y)
		if err != nil {
			return
		}
		for _, c := range Diff(a, b) {
			c.Text()
		}
		if len(Diff(a, a)) > 0 {
			t.Error("a spec differs from itself")
		}
		out, conflicts := Revert(b, a, b)
		if len(conflicts) > 0 {
			t.Errorf("conflicts with itself: %v", conflicts)
		}
		_, _, _ = a.Masked([]byte("k")).Unmasked(out, []byte("k"))
		for _, s := range []Spec{a.WithReplicas(1), a.WithImage("x", []string{"linux/amd64"}), a.Forced(), Restored(a, b, false)} {
			if !json.Valid(s.JSON()) {
				t.Error("no JSON")
			}
		}
	})
}

// A file's mode is told as every shell tells it.
func TestModeIsOctal(t *testing.T) {
	if got := numberText("Mode", "292"); got != "0444" {
		t.Error(got)
	}
}
