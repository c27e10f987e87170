package registry_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/registry"
)

// serve starts a registry whose list of tags is answered by tags, and gives its host.
func serve(t *testing.T, tags http.HandlerFunc) (host string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("{}")) })
	mux.HandleFunc("GET /v2/app/tags/list", tags)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func text(status int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
	}
}

// Whatever a registry does, the question ends in its bounds with the kind that tells what to do.
func TestHostile(t *testing.T) {
	page := 0
	endless := func(link func(n int) string, body func(n int) string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			page++
			rw.Header().Set("Link", "<"+link(page)+`>; rel="next"`)
			_, _ = rw.Write([]byte(body(page)))
		}
	}
	another := func(n int) string { return fmt.Sprintf("/v2/app/tags/list?last=%d", n) }
	for name, c := range map[string]struct {
		tags http.HandlerFunc
		kind sources.Kind
		want string // in the error
		read int    // tags that come with it
	}{
		"endless":      {endless(another, func(n int) string { return fmt.Sprintf(`{"tags":["a%d","b%d"]}`, n, n) }), sources.OverLimit, "the first 20 were read", 20},
		"empty pages":  {endless(another, func(int) string { return `{"tags":[]}` }), sources.BadAnswer, "no end", 0},
		"same tags":    {endless(another, func(int) string { return `{"tags":["a"]}` }), sources.BadAnswer, "no end", 1},
		"circle":       {endless(func(int) string { return "/v2/app/tags/list?last=a" }, func(int) string { return `{"tags":["a"]}` }), sources.BadAnswer, "no end", 1},
		"elsewhere":    {endless(func(int) string { return "http://127.0.0.2:1/v2/app/tags/list" }, func(int) string { return `{"tags":["a"]}` }), sources.BadAnswer, "host does not match", 0},
		"huge":         {text(200, `{"tags":["`+strings.Repeat("x", 2<<20)+`"]}`), sources.OverLimit, "too large", 0},
		"no json":      {text(200, "<html>please log in</html>"), sources.BadAnswer, "invalid character", 0},
		"wrong shape":  {text(200, `{"tags":{"a":1}}`), sources.BadAnswer, "cannot unmarshal", 0},
		"cut":          {text(200, `{"tags":["a"`), sources.Unreachable, "EOF", 0},
		"unauthorised": {text(401, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`), sources.Unauthorised, "docker login", 0},
		"forbidden":    {text(403, `{"errors":[{"code":"DENIED","message":"no"}]}`), sources.Forbidden, "DENIED", 0},
		"unknown":      {text(404, `{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}`), sources.NotFound, "no such repository", 0},
		"too often":    {text(429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`), sources.OverLimit, "wait", 0},
		"broken":       {text(500, strings.Repeat("boom ", 1<<16)), sources.BadAnswer, "", 0},
		"silent":       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, sources.Unreachable, "no whole answer in time (500ms)", 0},
	} {
		t.Run(name, func(t *testing.T) {
			page = 0
			o := registry.Options{MaxTags: 20, MaxBytes: 1 << 20, Timeout: 20 * time.Second}
			if name == "silent" {
				o.Timeout = 500 * time.Millisecond
			}
			tags, err := client(t, o).Tags(t.Context(), serve(t, c.tags)+"/app")
			if sources.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.want) || len(tags) != c.read || sources.NextOf(err) == "" {
				t.Errorf("%d tags, kind %s, wanted %d and %s with %q: %v", len(tags), sources.KindOf(err), c.read, c.kind, c.want, err)
			}
			if n := len(fmt.Sprint(err)); n > 700 || strings.Contains(fmt.Sprint(err), "\n") {
				t.Errorf("an error of %d bytes: %.200s", n, err)
			}
			if page > 600 {
				t.Errorf("%d pages were asked for", page)
			}
		})
	}
}

// Tags that could not stand in a reference, and doubled ones, are left out.
func TestTagsAreTags(t *testing.T) {
	host := serve(t, text(200, `{"name":"app","tags":["1.0","1.0","","\u001b[31mred","a b","..","-x","`+strings.Repeat("l", 129)+`","v2_0-rc.1"]}`))
	tags, err := client(t, registry.Options{}).Tags(t.Context(), host+"/app:1.0")
	if err != nil || !slices.Equal(tags, []string{"1.0", "v2_0-rc.1"}) {
		t.Errorf("%q, %v", tags, err)
	}
}

func TestBadNames(t *testing.T) {
	c := client(t, registry.Options{})
	for _, image := range []string{"", "UPPER", "a b", "a:b:c", "x@sha256:1"} {
		if _, err := c.Tags(t.Context(), image); sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) == "" {
			t.Errorf("%q: %v", image, err)
		}
	}
	for host, address := range map[string]string{"registry.example": "10.0.0.1:5000", "a b": "http://x", "x": "ftp://x"} {
		if _, err := registry.New(registry.Options{Mirrors: map[string]string{host: address}}); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%s at %s: %v", host, address, err)
		}
	}
}

// login writes a docker config with credentials for hosts and makes it the one in force.
func login(t *testing.T, body string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

func auths(host string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ann:s3cret")))
}

// The credentials that docker has go to the registry that they are for, by basic login and by token, and to its mirror.
func TestCredentials(t *testing.T) {
	basic := func(rw http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		if user == "ann" && password == "s3cret" {
			return true
		}
		rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return false
	}
	var host string
	byToken := false
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(rw http.ResponseWriter, r *http.Request) {
		if basic(rw, r) {
			_, _ = rw.Write([]byte(`{"token":"t0ken","expires_in":300}`))
		}
	})
	mux.HandleFunc("/v2/", func(rw http.ResponseWriter, r *http.Request) {
		if byToken && r.Header.Get("Authorization") != "Bearer t0ken" {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="http://`+host+`/token",service="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if (byToken || basic(rw, r)) && strings.HasSuffix(r.URL.Path, "/tags/list") {
			_, _ = rw.Write([]byte(`{"tags":["` + strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/v2/"), "/", "_") + `"]}`))
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	host = strings.TrimPrefix(s.URL, "http://")
	o := registry.Options{Mirrors: map[string]string{"registry.example": s.URL + "/cache/"}}
	for _, byToken = range []bool{false, true} {
		for _, c := range []struct{ owner, image, want string }{
			{host, host + "/app", "app_tags_list"},
			{"registry.example", "registry.example/app", "cache_app_tags_list"},
			{host, "registry.example/app", "cache_app_tags_list"},
			{"other.example", "registry.example/app", ""},
		} {
			login(t, auths(c.owner))
			tags, err := client(t, o).Tags(t.Context(), c.image)
			if c.want == "" && sources.KindOf(err) != sources.Unauthorised || c.want != "" && !slices.Equal(tags, []string{c.want}) {
				t.Errorf("by token %v, %s's credentials for %s: %v, %v", byToken, c.owner, c.image, tags, err)
			}
			if strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
		}
	}
	login(t, "{")
	if _, err := client(t, o).Tags(t.Context(), host+"/app"); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(sources.NextOf(err), "config.json") {
		t.Errorf("a broken config: %v", err)
	}
}

// A credential helper that hangs does not hold the question up.
func TestHelperHangs(t *testing.T) {
	dir := t.TempDir()
	release := filepath.Join(dir, "release")
	script := "#!/bin/sh\nwhile [ ! -e " + release + " ]; do sleep 0.05; done\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-qdhang"), []byte(script), 0o700); err != nil { //nolint:gosec // it must be run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	login(t, `{"credsStore":"qdhang"}`)
	_, err := client(t, registry.Options{Timeout: 200 * time.Millisecond}).Tags(t.Context(), "127.0.0.1:1/app")
	if sources.KindOf(err) != sources.Unauthorised || !strings.Contains(fmt.Sprint(err), "credential helper") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil { // the helper was still waiting, and ends now
		t.Fatal(err)
	}
	// The one who asked has gone; the next one waits for the same lock, and gets through.
	if _, err := client(t, registry.Options{}).Tags(t.Context(), "127.0.0.1:1/app"); sources.KindOf(err) == 0 || strings.Contains(fmt.Sprint(err), "does not answer") {
		t.Errorf("afterwards: %v", err)
	}
}

// Plain http is spoken where it was asked for, or where the address is a private one: never to an address with https.
func TestPlain(t *testing.T) {
	host := serve(t, text(200, `{"tags":["1.0"]}`))
	for _, c := range []struct {
		o     registry.Options
		image string
		ok    bool
	}{
		{registry.Options{}, host + "/app", true},
		{registry.Options{Mirrors: map[string]string{"r.example": "http://" + host}}, "r.example/app", true},
		{registry.Options{Mirrors: map[string]string{"r.example": "https://" + host}}, "r.example/app", false},
		{registry.Options{Mirrors: map[string]string{"r.example": "https://" + host}, Insecure: []string{"r.example"}}, "r.example/app", true},
	} {
		tags, err := client(t, c.o).Tags(t.Context(), c.image)
		if (err == nil) != c.ok || c.ok && !slices.Equal(tags, []string{"1.0"}) || !c.ok && sources.NextOf(err) == "" {
			t.Errorf("%+v: %v, %v", c, tags, err)
		}
	}
	// TLS with a certificate that nobody vouches for: only where it was asked for.
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/", text(200, `{"tags":["1.0"]}`))
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	secure := strings.TrimPrefix(s.URL, "https://")
	if _, err := client(t, registry.Options{}).Tags(t.Context(), secure+"/app"); err == nil {
		t.Error("an unknown certificate was taken")
	}
	if tags, err := client(t, registry.Options{Insecure: []string{secure}}).Tags(t.Context(), secure+"/app"); err != nil || len(tags) != 1 {
		t.Errorf("%v, %v", tags, err)
	}
}
