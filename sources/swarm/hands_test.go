package swarm_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

func mustSpec(t *testing.T, raw string) sources.Spec {
	t.Helper()
	s, err := sources.NewSpec([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const specOfTomorrow = `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"img:1","Tomorrow":{"On":true}},"ForceUpdate":18446744073709551615},"Mode":{"Replicated":{"Replicas":2}}}`

func TestWhatAnEngineOfTomorrowWroteIsKeptOrRefused(t *testing.T) {
	f := newFake(t)
	var posts atomic.Int64
	body := `{"ID":"id-web","Version":{"Index":7},"CreatedAt":"2026-01-02T03:04:05Z","Spec":` + specOfTomorrow + `,"PreviousSpec":` + specOfTomorrow + `}`
	f.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
		switch {
		case r.Method == http.MethodPost:
			posts.Add(1)
		case path == "/services/web":
			always(200, "application/json", body)(w, r, path)
		case path == "/services":
			always(200, "application/json", "["+body+"]")(w, r, path)
		default:
			return false
		}
		return true
	})
	c := f.client(t, sut.Options{})
	h := sut.NewHands(c, nil)
	s, err := h.ServiceState(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.ServiceStates(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	want := mustSpec(t, specOfTomorrow)
	for _, got := range []sources.Spec{s.Spec, s.Previous, all[0].Spec, all[0].Previous} {
		if string(got.JSON()) != string(want.JSON()) {
			t.Errorf("read as %s", got.JSON())
		}
	}
	if s.Version != 7 || s.Name != "web" || s.Desired != 2 {
		t.Errorf("%+v", s.Service)
	}
	for path, spec := range map[string]sources.Spec{
		"TaskTemplate.ContainerSpec.Tomorrow":          s.Spec,
		`"Later"`:                                      mustSpec(t, `{"Name":"web","Later":null}`),
		"TaskTemplate.ContainerSpec.Mounts[0].New":     mustSpec(t, `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"i","Mounts":[{"Type":"volume","New":"x"}]}}}`),
		"UpdateConfig.MaxFailureRatio":                 mustSpec(t, `{"Name":"web","UpdateConfig":{"MaxFailureRatio":0.12345678901234567}}`),
		"TaskTemplate.Resources.Limits.MemoryBytes":    mustSpec(t, `{"Name":"web","TaskTemplate":{"Resources":{"Limits":{"MemoryBytes":1.5}}}}`),
		"cannot unmarshal string into Go struct field": mustSpec(t, `{"Name":"web","TaskTemplate":{"ForceUpdate":"x"}}`),
		"this program cannot write name":               mustSpec(t, `{"name":"web"}`),
	} {
		_, err := h.UpdateService(t.Context(), "id-web", 7, spec)
		if sources.KindOf(err) != sources.TooOld || !strings.Contains(err.Error(), path) && path != "TaskTemplate.Resources.Limits.MemoryBytes" || !strings.Contains(sources.NextOf(err), "nothing was changed") {
			t.Errorf("want %s named: %v", path, err)
		}
	}
	if posts.Load() != 0 {
		t.Errorf("%d changes were sent", posts.Load())
	}
}

func TestAnOlderAPIThanNeedBeIsNoWayToChange(t *testing.T) {
	t.Setenv("DOCKER_API_VERSION", "1.40")
	f := newFake(t)
	var posts atomic.Int64
	f.servesChanges(&posts, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	c := f.client(t, sut.Options{})
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("reading: %v", err)
	}
	_, err := sut.NewHands(c, nil).UpdateService(t.Context(), "id-web", 1, mustSpec(t, `{"Name":"web"}`))
	if sources.KindOf(err) != sources.TooOld || !strings.Contains(sources.NextOf(err), "unset DOCKER_API_VERSION") || posts.Load() != 0 {
		t.Errorf("%d changes: %v", posts.Load(), err)
	}
}

func TestRegistryCredentialsAreThoseOfTheDockerCommand(t *testing.T) {
	dir := t.TempDir()
	basic := base64.StdEncoding.EncodeToString([]byte("me:hunter2"))
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", `{"auths":{"reg.example:5000":{"auth":"`+basic+`"},"https://index.docker.io/v1/":{"auth":"`+basic+`"}},"credHelpers":{"helped.example":"qdtest","broken.example":"none-such"}}`, 0o600)
	write("docker-credential-qdtest", "#!/bin/sh\nread host\necho '{\"ServerURL\":\"'$host'\",\"Username\":\"<token>\",\"Secret\":\"opensesame\"}'\n", 0o700)
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	var header atomic.Value
	f := newFake(t)
	f.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
		if r.Method != http.MethodPost && !strings.HasPrefix(path, "/distribution/") {
			return false
		}
		raw, err := base64.URLEncoding.DecodeString(r.Header.Get("X-Registry-Auth"))
		if err != nil {
			t.Error(err)
		}
		header.Store(string(raw))
		fmt.Fprint(w, `{"Descriptor":{"digest":"sha256:`+strings.Repeat("a", 64)+`"}}`)
		return true
	})
	var log strings.Builder
	h := sut.NewHands(f.client(t, sut.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), nil)
	for image, want := range map[string]string{
		"reg.example:5000/a/b:1": `{"username":"me","password":"hunter2","serveraddress":"reg.example:5000"}`,
		"nginx":                  `{"username":"me","password":"hunter2","serveraddress":"https://index.docker.io/v1/"}`,
		"helped.example/x:1":     `{"serveraddress":"helped.example","identitytoken":"opensesame"}`,
		"other.example/x:1":      ``,
		"broken.example/x:1":     ``,
	} {
		spec := mustSpec(t, `{"Name":"web"}`).WithImage(image+"@sha256:"+strings.Repeat("0", 64), nil)
		if _, err := h.UpdateService(t.Context(), "id-web", 1, spec); err != nil || header.Load() != want {
			t.Errorf("update to %s: %v, sent %s", image, err, header.Load())
		}
		header.Store("")
		if _, err := h.ResolveImage(t.Context(), image); err != nil || header.Load() != want {
			t.Errorf("resolve %s: %v, sent %s", image, err, header.Load())
		}
	}
	if !strings.Contains(log.String(), "broken.example") || strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "opensesame") {
		t.Errorf("logged: %s", log.String())
	}
}

func TestResolveTakesOnlyWhatIsAskedFor(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	digest := "sha256:" + strings.Repeat("a", 64)
	f := newFake(t)
	var asked atomic.Value
	f.setOverride(func(w http.ResponseWriter, _ *http.Request, path string) bool {
		if !strings.HasPrefix(path, "/distribution/") {
			return false
		}
		asked.Store(strings.TrimSuffix(strings.TrimPrefix(path, "/distribution/"), "/json"))
		fmt.Fprint(w, `{"Descriptor":{"digest":"`+digest+`"},"Platforms":[{"os":"linux","architecture":"amd64"},{"os":"linux","architecture":"arm","variant":"v7"},
			{"os":"linux","architecture":"arm","variant":"v6"},{"os":"unknown","architecture":"unknown"}]}`)
		return true
	})
	h := sut.NewHands(f.client(t, sut.Options{}), nil)
	for ref, want := range map[string][2]string{
		"nginx":                   {"nginx:latest", "nginx:latest"},
		"docker.io/library/nginx": {"nginx:latest", "nginx:latest"},
		"r:5000/a/b:1@" + digest:  {"r:5000/a/b:1", "r:5000/a/b:1"},
		"r:5000/a/b@" + digest:    {"r:5000/a/b@" + digest, "r:5000/a/b"},
	} {
		img, err := h.ResolveImage(t.Context(), ref)
		if err != nil || img.Digest != digest || asked.Load() != want[0] || img.Ref != want[1] || fmt.Sprint(img.Platforms) != "[linux/amd64 linux]" {
			t.Errorf("%s: asked for %s, got %+v, %v", ref, asked.Load(), img, err)
		}
	}
}

func TestWhatTheRegistrySaysIsToldApart(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	cases := []struct {
		name, message string
		status        int
		kind          sources.Kind
		says          string
	}{
		{"no such tag", "manifest unknown: manifest unknown", 404, sources.NotFound, "no reg.example/app:1: check name and tag"},
		{"no such repository", "name unknown: repository name not known to registry", 404, sources.NotFound, "push it first"},
		{"unauthorised", "unauthorized: authentication required", 401, sources.Unauthorised, "docker login reg.example"},
		{"unauthorised, as older engines pass it on", "errors:\\ndenied: requested access to the resource is denied\\nunauthorized: authentication required\\n", 500, sources.Unauthorised, "docker login reg.example"},
		{"denied", "denied: requested access to the resource is denied", 403, sources.Unauthorised, "docker login reg.example"},
		{"a wrong login", "unauthorized", 401, sources.Unauthorised, "docker login reg.example"},
		{"its name says nothing", "Get \\\"https://reg.example/v2/access-denied/manifests/1\\\": dial tcp 10.0.0.1:443: i/o timeout", 500, sources.Unreachable, "cannot reach"},
		{"no credentials", "Head \\\"https://reg.example/v2/app/manifests/1\\\": no basic auth credentials", 500, sources.Unauthorised, "docker login reg.example"},
		{"too many", "toomanyrequests: You have reached your pull rate limit.", 429, sources.OverLimit, "limits pulls"},
		{"refused", "Get \\\"https://reg.example/v2/\\\": dial tcp 10.0.0.1:443: connect: connection refused", 500, sources.Unreachable, "cannot reach the registry reg.example"},
		{"no name", "Get \\\"https://reg.example/v2/\\\": dial tcp: lookup reg.example: no such host", 500, sources.Unreachable, "cannot reach the registry reg.example"},
		{"slow", "Get \\\"https://reg.example/v2/\\\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)", 500, sources.Unreachable, "cannot reach the registry"},
		{"no TLS", "Get \\\"https://reg.example/v2/\\\": http: server gave HTTP response to HTTPS client", 500, sources.BadAnswer, "insecure-registries"},
		{"unknown authority", "Get \\\"https://reg.example/v2/\\\": x509: certificate signed by unknown authority", 500, sources.BadAnswer, "/etc/docker/certs.d/reg.example/ca.crt"},
		{"broken", "received unexpected HTTP status: 500 Internal Server Error", 500, sources.BadAnswer, "log of the registry"},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			c, first, second := fakePair(t, sut.Options{})
			first.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
				return strings.HasPrefix(path, "/distribution/") && always(x.status, "application/json", `{"message":"`+x.message+`"}`)(w, r, path)
			})
			_, err := sut.NewHands(c, nil).ResolveImage(t.Context(), "reg.example/app:1")
			if sources.KindOf(err) != x.kind || !strings.Contains(sources.NextOf(err), x.says) {
				t.Errorf("want %s saying %q: %v", x.kind, x.says, err)
			}
			if second.all() != 0 || c.Address() != first.host() {
				t.Error("the next manager was asked for a registry's failure")
			}
		})
	}
	f := newFake(t)
	f.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
		return strings.HasPrefix(path, "/distribution/") && always(403, "text/html", "<html>no</html>")(w, r, path)
	})
	if _, err := sut.NewHands(f.client(t, sut.Options{}), nil).ResolveImage(t.Context(), "a:1"); sources.KindOf(err) != sources.Forbidden || !strings.Contains(sources.NextOf(err), "proxy") {
		t.Errorf("a proxy's no: %v", err)
	}
}

func TestSecretDataIsNeverShown(t *testing.T) {
	const data = "hunter2-never-shown"
	encoded := base64.StdEncoding.EncodeToString([]byte(data))
	var log strings.Builder
	for _, answer := range []func(http.ResponseWriter, *http.Request, string) bool{
		always(500, "application/json", `{"message":"boom"}`), always(409, "application/json", `{"message":"taken"}`), always(200, "application/json", `{"ID`),
		func(http.ResponseWriter, *http.Request, string) bool { panic(http.ErrAbortHandler) },
	} {
		f := newFake(t)
		got := make(chan string, 1)
		f.setOverride(func(w http.ResponseWriter, r *http.Request, path string) bool {
			if r.Method != http.MethodPost {
				return false
			}
			b, _ := io.ReadAll(r.Body)
			got <- string(b)
			return answer(w, r, path)
		})
		h := sut.NewHands(f.client(t, sut.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), nil)
		_, err := h.CreateMaterial(t.Context(), sources.Secret, sources.Material{Name: "s", Data: []byte(data)})
		if !strings.Contains(<-got, encoded) {
			t.Error("the data was not sent")
		}
		for _, text := range []string{fmt.Sprint(err), log.String()} {
			if err == nil || strings.Contains(text, data) || strings.Contains(text, encoded) {
				t.Errorf("the data is shown, or there is no error: %s", text)
			}
		}
	}
}
