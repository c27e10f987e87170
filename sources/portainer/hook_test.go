package portainer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

const (
	token   = "638e6967-ef77-4906-8af8-236800621360"
	service = "/api/webhooks/" + token
	stack   = "/api/stacks/webhooks/" + token
)

// server answers as Portainer's source has it (api/http/handler/webhooks/webhook_execute.go, api/http/handler/stacks/webhook_invoke.go);
// it has not been held against a real Portainer.
func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func hook(t *testing.T, address string, a sources.Access) *Hook {
	t.Helper()
	h, err := New(Options{Name: "shop", URL: address, Access: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// tight fails where a text or anything that can be printed of an error holds a part of the address.
func tight(t *testing.T, what string, v any, more ...string) {
	t.Helper()
	js, _ := json.Marshal(v)
	var log bytes.Buffer
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		l.Error("x", "v", v)
	}
	texts := []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%q", v), fmt.Sprintf("%x", v), string(js), log.String(),
		fmt.Sprintf("%+v", []any{v})}
	if _, ok := v.(Options); !ok { // what is in a field that is not exported is printed by reflection: Options are for New alone
		texts = append(texts, fmt.Sprintf("%+v", struct{ v any }{v}))
	}
	if err, ok := v.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
		}
	}
	for _, text := range texts {
		for _, part := range append(more, token, strings.ToUpper(token), fmt.Sprintf("%x", token), "/webhooks/", token[:13]) {
			if strings.Contains(text, part) {
				t.Errorf("%s shows %q: %s", what, part, text)
			}
		}
	}
}

func TestFire(t *testing.T) {
	var got []string
	status := http.StatusNoContent
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-API-Key"))
		w.WriteHeader(status)
		if status == http.StatusAccepted {
			_, _ = io.WriteString(w, `{"stackId":3,"message":"Deployment triggered."}`)
		}
	})
	a := sources.Access{Headers: map[string]string{"X-API-Key": "k"}}
	for _, f := range []struct {
		path, tag string
		status    int
	}{{service, "", 204}, {service, "v1.2_3-rc", 200}, {"/portainer" + service + "?pullimage=false", "new", 204}, {stack, "", 202}, {stack, "", 204}} {
		status = f.status
		h := hook(t, s.URL+f.path, a)
		if err := h.Fire(t.Context(), f.tag); err != nil || h.Name() != "shop" || h.Stack() != strings.Contains(f.path, "stacks") {
			t.Error(f, err)
		}
	}
	want := []string{"POST " + service + " k", "POST " + service + "?tag=v1.2_3-rc k", "POST /portainer" + service + "?pullimage=false&tag=new k", "POST " + stack + " k", "POST " + stack + " k"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
}

func TestTagsThatAreNotSent(t *testing.T) {
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	for path, tags := range map[string][]string{stack: {"v1"}, service: {"a b", "a&b=c", "-x", "a@sha256:b", strings.Repeat("a", 129)}} {
		for _, tag := range tags {
			err := hook(t, s.URL+path, sources.Access{}).Fire(t.Context(), tag)
			if sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) == "" {
				t.Errorf("%s %q: %v", path, tag, err)
			}
			tight(t, tag, err)
		}
	}
}

// Whatever the answer, the address is not in the error, though the server says it in every way that it can.
func TestRefusedShowsNothing(t *testing.T) {
	echo := `{"message":"Unable to find ` + service + `","details":"token ` + strings.ToUpper(token) + ` of http://h` + service + `?SECRET_ENV=kept-secret"}`
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{"unknown", 404, echo, sources.NotFound, "Unable to find <webhook>"},
		{"another server's page", 404, "cannot POST " + service, sources.NotFound, "make it anew"},
		{"no uuid", 400, echo, sources.BadQuestion, "does not know this webhook"},
		{"login", 401, echo, sources.Unauthorised, "wants a login"},
		{"forbidden", 403, "<html>" + service, sources.Forbidden, "wants a login"},
		{"deploying", 409, `{"message":"Unable to update stack","details":"Stack deployment is already in progress"}`, sources.Conflict, "already in progress"},
		{"failed", 500, echo, sources.BadAnswer, "own log"},
		{"away", 502, "<html>" + service, sources.Unreachable, "tried again"},
		{"a login page", 200, "<html>" + service, sources.BadAnswer, "web page"},
		{"long", 500, `{"message":"` + strings.Repeat("x", 290) + token + `"}`, sources.BadAnswer, "xxx"},
		{"too long", 500, `{"message":"` + strings.Repeat("x", maxAnswer-30) + token + `"}`, sources.BadAnswer, "own log"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			address := strings.Replace(s.URL, "://", "://user:pass%20word@", 1) + service + "?SECRET_ENV=kept-secret"
			err := hook(t, address, sources.Access{}).Fire(t.Context(), "")
			if sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" || !strings.Contains(err.Error(), tc.says) {
				t.Error(err)
			}
			tight(t, tc.name, err, "kept-secret", "pass word", "pass%20word")
		})
	}
}

func TestNoAnswerShowsNothing(t *testing.T) {
	refused := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return "http://" + l.Addr().String()
	}
	// raw answers the first bytes of any request with text.
	raw := func(text string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, text)
				_ = c.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-done })
		return "http://" + l.Addr().String()
	}
	slow := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(secure.Close)
	redirect := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example"+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	for _, tc := range []struct {
		name, origin string
		kind         sources.Kind
		says         string
	}{
		{"refused", refused(), sources.Unreachable, "may have been taken"},
		{"no such host", "http://" + strings.Repeat("a", 64) + ".invalid", sources.Unreachable, "resolved"},
		{"not trusted", secure.URL, sources.Unauthorised, "ca file"},
		{"no TLS", strings.Replace(slow.URL, "http:", "https:", 1), sources.BadAnswer, "http://"},
		{"timeout", slow.URL, sources.Unreachable, "in time"},
		{"garbage", raw("POST " + service + " is not for me\r\n\r\n"), sources.BadAnswer, "no HTTP"},
		{"a bad header", raw("HTTP/1.1 200 OK\r\n" + service + "\r\n\r\n"), sources.BadAnswer, "no HTTP"},
		{"a bad status", raw("HTTP/1.1 " + token + " x\r\n\r\n"), sources.BadAnswer, "no HTTP"},
		{"a bad length", raw("HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n"), 0, ""},
		{"a bad location", raw("HTTP/1.1 302 Found\r\nLocation: http://[" + token + "\r\nContent-Length: 0\r\n\r\n"), sources.BadAnswer, "redirects"},
		{"cut", raw(""), sources.Unreachable, "cut"},
		{"redirect", redirect.URL, sources.BadAnswer, "https://elsewhere.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := sources.Access{Timeout: 20 * time.Second}
			if tc.name == "timeout" {
				a.Timeout = 50 * time.Millisecond
			}
			h := hook(t, tc.origin+service, a)
			err := h.Fire(t.Context(), "v1")
			if err == nil || tc.kind != 0 && (sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" || !strings.Contains(err.Error(), tc.says)) {
				t.Error(err)
			}
			t.Log(err)
			tight(t, tc.name, err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := hook(t, slow.URL+service, sources.Access{}).Fire(ctx, "")
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	tight(t, "cancelled", err)
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = hook(t, slow.URL+service, sources.Access{}).Fire(ctx, "")
	if sources.KindOf(err) != sources.Unreachable {
		t.Error(err)
	}
	tight(t, "deadline", err)
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, address := range []string{
		"", "x" + service, "ftp://h" + service, "http://h/api/hooks/" + token, "http://h/api/webhooks/", "http://h" + service + "/x", "http://h:bad port" + service, "http://[" + token, "%zz" + service, "http://h/%zz" + service,
	} {
		o := Options{Name: "shop", URL: address}
		h, err := New(o)
		if k := sources.KindOf(err); h != nil || k != sources.BadQuestion && k != sources.NotConfigured || sources.NextOf(err) == "" {
			t.Errorf("%q: %v", address, err)
		}
		if err != nil {
			for _, text := range []string{err.Error(), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, token) || strings.Contains(text, "%zz") {
					t.Errorf("%q: %s", address, text)
				}
			}
		}
	}
	if _, err := New(Options{Name: "hook " + token, URL: "http://h" + service}); sources.KindOf(err) != sources.BadQuestion {
		t.Error(err)
	} else {
		tight(t, "a name that tells", err)
	}
	_, err := New(Options{Name: "shop", URL: "http://h" + service, Access: sources.Access{TLS: sources.TLS{CAFile: "/none/" + token}}})
	if sources.KindOf(err) != sources.Unauthorised {
		t.Error(err)
	}
	tight(t, "a file", err)
}

func TestPrintedShowsNothing(t *testing.T) {
	o := Options{Name: "shop", URL: "https://user:pass-word@h" + service + "?SECRET_ENV=kept-secret", Access: sources.Access{BearerToken: "bearer-secret"}}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for what, v := range map[string]any{"options": o, "pointer": &o, "hook": h, "value": *h} {
		tight(t, what, v, "kept-secret", "pass-word", "bearer-secret")
	}
	b, err := json.Marshal(h)
	if err != nil || string(b) != `{"name":"shop"}` || h.String() != "portainer webhook shop" {
		t.Errorf("%s %v", b, err)
	}
}
