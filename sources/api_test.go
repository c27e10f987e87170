package sources

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func apiOf(t *testing.T, h http.HandlerFunc) *API {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	a, err := NewAPI("Thing", "/api", Access{Source: "thing", Address: s.URL + "/sub/api/", BearerToken: "geheim"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func TestAPICall(t *testing.T) {
	a := apiOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Next-Page", "2")
		_ = json.NewEncoder(w).Encode(r.Method + " " + r.RequestURI + " " + r.Header.Get("Authorization") + " " + r.Header.Get("X-A") + " " + r.Header.Get("Content-Type"))
	})
	for _, c := range []struct {
		ask  Ask
		want string
	}{
		{Ask{Path: "/api/x", Query: map[string][]string{"q": {"1"}}, Header: http.Header{"X-A": {"b"}}}, "GET /sub/api/x?q=1 Bearer geheim b "},
		{Ask{Method: "POST", Path: "/api/a%252Fb/%7B1%7D/", In: 1}, "POST /sub/api/a%252Fb/%7B1%7D/ Bearer geheim  application/json"},
	} {
		var got string
		if h, err := a.Call(t.Context(), c.ask, &got); err != nil || got != c.want || h.Get("X-Next-Page") != "2" {
			t.Errorf("%q %v, want %q", got, err, c.want)
		}
	}
}

// A server that has said 429 is not asked again before its time.
func TestAPILeavesAloneWhoAsksForIt(t *testing.T) {
	n := 0
	a := apiOf(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(429)
		_, _ = w.Write([]byte(`{"type":"error","error":{"message":"Rate limit for this resource has been exceeded"}}`))
	})
	for range 3 {
		_, err := a.Call(t.Context(), Ask{Op: "look"}, nil)
		if KindOf(err) != OverLimit || !strings.Contains(NextOf(err), "wait 10m0s") && !strings.Contains(NextOf(err), "wait 9m5") {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	a.quiet = time.Now().Add(-time.Second)
	if _, err := a.Call(t.Context(), Ask{}, nil); err == nil || n != 2 || !strings.Contains(err.Error(), "Rate limit") {
		t.Error(n, err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-3": 0, "99999999999999999999": 0, "2000000": quietMost, "x": 0,
		"Mon, 30 Nov 2026 09:01:00 GMT": time.Minute, "Mon, 30 Nov 2020 09:01:00 GMT": 0} {
		if got := retryAfter(v, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

func TestAPIRefusals(t *testing.T) {
	status, body := 0, ""
	a := apiOf(t, func(w http.ResponseWriter, r *http.Request) {
		if status/100 == 3 {
			w.Header().Set("Location", "/login")
		}
		if r.URL.Path == "/login" {
			_, _ = w.Write([]byte("<html>"))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	a.Refused = func(_ context.Context, path string, status int, e *Error) {
		if status == 404 && path == "/p" {
			e.Next = "own"
		}
	}
	for _, c := range []struct {
		status     int
		body, says string
		method     string
		kind       Kind
	}{
		{401, `{"message":"Invalid API key"}`, "Invalid API key", "GET", Unauthorised},
		{403, `{"type":"error","error":{"message":"no","detail":"scopes"}}`, "no: scopes", "GET", Forbidden},
		{403, `{"type":"error","error":{"message":"lacks scopes","detail":{"required":["pipeline"]}}}`, "403: lacks scopes (", "GET", Forbidden},
		{404, `{"errors":[{"code":"NOT_FOUND","message":"artifact x not found"}]}`, "NOT_FOUND: artifact x not found", "GET", NotFound},
		{500, `<html>trace</html>`, "a web page", "GET", BadAnswer},
		{503, `"down"`, "down", "GET", Unreachable},
		{200, ``, "empty", "GET", BadAnswer},
		{200, `{"a":[1,`, "cut off after 8 bytes", "GET", BadAnswer},
		{200, `<html>`, "a web page", "GET", BadAnswer},
		{302, ``, "redirects", "POST", BadAnswer},
		{302, ``, "a web page", "GET", BadAnswer},
	} {
		status, body = c.status, c.body
		var out any
		_, err := a.Call(t.Context(), Ask{Op: "look", Method: c.method, Path: "/p"}, &out)
		if KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || NextOf(err) == "" || strings.Contains(err.Error(), "geheim") || c.status == 404 && NextOf(err) != "own" {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

func TestAPIAt(t *testing.T) {
	a := apiOf(t, nil)
	home := a.base.String()
	for address, want := range map[string]string{home + "/x?page=2": "/x 2", "/sub/y": "/y ", home + "er/x": "", "http://other/sub/x": "", "%zz": "", "https" + strings.TrimPrefix(home, "http") + "/x": ""} {
		path, q, ok := a.At(address)
		if got := path + " " + q.Get("page"); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q %v, want %q", address, got, ok, want)
		}
	}
}

func FuzzAPIAnswers(f *testing.F) {
	for _, s := range []string{`"text"`, `{"message":"m"}`, ` <html>`, `{"error":{"message":1}}`, `{"errors":[{}]}`, `[`} {
		f.Add([]byte(s))
	}
	a := &API{Name: "thing", Title: "Thing"}
	f.Fuzz(func(t *testing.T, b []byte) {
		var out []struct{ A int }
		if err := a.decode("fuzz", b, &out); err != nil && (KindOf(err) != BadAnswer || NextOf(err) == "" || errors.Unwrap(err) == nil) {
			t.Error(err)
		}
		_ = message(b)
	})
}
