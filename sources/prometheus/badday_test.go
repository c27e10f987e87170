package prometheus

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// Each bad day of a server is a kind, a way out, and the server's own words.
func TestBadDays(t *testing.T) {
	api := func(kind, msg string) string {
		return `{"status":"error","errorType":"` + kind + `","error":"` + msg + `"}`
	}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{"a wrong query", 400, api("bad_data", "parse error: unexpected end of input"), sources.BadQuestion, "unexpected end of input"},
		{"a query that cannot be run", 422, api("execution", "many-to-many matching not allowed"), sources.BadQuestion, "many-to-many"},
		{"too many samples", 422, api("execution", "query processing would load too many samples into memory in query execution"), sources.OverLimit, "shorter"},
		{"too many points", 400, api("bad_data", "exceeded maximum resolution of 11,000 points per timeseries"), sources.OverLimit, "step longer"},
		{"the query took too long", 503, api("timeout", "query timed out in expression evaluation"), sources.OverLimit, "--query.timeout"},
		{"the server is stopping", 503, api("canceled", "query was canceled in expression evaluation"), sources.Unreachable, "tried again"},
		{"the server is starting", 503, "Service Unavailable", sources.Unreachable, "starting"},
		{"its storage is broken", 500, api("internal", "read chunk: corrupt"), sources.BadAnswer, "corrupt"},
		{"a gateway", 502, "<html>bad gateway</html>", sources.Unreachable, "502"},
		{"no login", 401, "Unauthorized", sources.Unauthorised, "password or token"},
		{"not allowed", 403, "forbidden", sources.Forbidden, "do not allow"},
		{"another server, or a wrong prefix", 404, "404 page not found", sources.NotFound, "path prefix"},
		{"too often", 429, "slow down", sources.OverLimit, "ask for less"},
		{"a 400 from something that is no Prometheus", 400, "<html>", sources.BadQuestion, "400"},
		{"a login page", 200, "<!DOCTYPE html><html>log in</html>", sources.BadAnswer, "login page"},
		{"nothing", 200, "", sources.BadAnswer, "empty"},
		{"cut off", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{`, sources.BadAnswer, "cut off"},
		{"another shape", 200, `[1,2,3]`, sources.BadAnswer, "cannot understand"},
		{"a text", 200, `{"status":"success","data":{"resultType":"string","result":[1,"hello"]}}`, sources.BadQuestion, "text"},
		{"a range", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, sources.BadQuestion, "rate()"},
		{"an error in a 200", 200, api("bad_data", "no"), sources.BadQuestion, "no"},
		{"an error that it does not explain", 400, `{"status":"error"}`, sources.BadQuestion, "400"},
		{"a long-winded one", 400, api("bad_data", strings.Repeat("ü", 5000)), sources.BadQuestion, "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer s.Close()
			_, err := at(t, s.URL).Instant(t.Context(), "up", time.Time{})
			if sources.KindOf(err) != tc.kind {
				t.Fatalf("kind %v, want %v: %v", sources.KindOf(err), tc.kind, err)
			}
			var e *sources.Error
			if !errors.As(err, &e) || e.Next == "" || e.Op != "query" || !strings.Contains(err.Error(), tc.says) || len(err.Error()) > 900 {
				t.Errorf("%v", err)
			}
		})
	}
}

func at(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(Options{Access: sources.Access{Address: url, Timeout: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestReadOnlyProxyGetsAGet(t *testing.T) {
	for _, refused := range []int{http.StatusForbidden, http.StatusMethodNotAllowed} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				http.Error(w, "GET only", refused)
				return
			}
			_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"`+r.URL.Query().Get("query")+`"]}}`)
		}))
		a, err := at(t, s.URL).Instant(t.Context(), "42", time.Time{})
		if err != nil || len(a.Series) != 1 || a.Series[0].Points[0].V != 42 {
			t.Errorf("%d: %v %v", refused, a, err)
		}
		s.Close()
	}
}

func TestPrefixLoginAndTenant(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	}))
	defer s.Close()
	for _, path := range []string{"/prom", "/prom/", "/prom/graph?g0.expr=up#x", "/prom/api/v1"} {
		c, err := New(Options{Access: sources.Access{Address: strings.Replace(s.URL, "//", "//u:geheim@", 1) + path, Tenant: "t1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Instant(t.Context(), "up", time.Time{}); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		user, pass, _ := got.BasicAuth()
		if got.URL.Path != "/prom/api/v1/query" || user != "u" || pass != "geheim" || got.Header.Get("X-Scope-OrgID") != "t1" {
			t.Errorf("%s: asked %s as %s", path, got.URL.Path, user)
		}
	}
	c, err := New(Options{Access: sources.Access{Address: strings.Replace(s.URL, "//", "//u:geheim@", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := c.Instant(t.Context(), "up", time.Time{}); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("an error must not show the password: %v", err)
	}
}

// A redirect to another host must not carry the login there.
func TestLoginStaysAtItsHost(t *testing.T) {
	login := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { login = r.Header.Get("Authorization") }))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }))
	defer s.Close()
	c := at(t, strings.Replace(s.URL, "//", "//u:geheim@", 1))
	if _, err := c.Instant(t.Context(), "up", time.Time{}); sources.KindOf(err) != sources.BadAnswer || login != "" {
		t.Errorf("%v, the other host was given %q", err, login)
	}
}

func TestNotThere(t *testing.T) {
	for _, addr := range []string{"", "localhost:9090", "ftp://x", "http://", "http://[::1"} {
		if _, err := New(Options{Access: sources.Access{Address: addr}}); err == nil || sources.NextOf(err) == "" {
			t.Errorf("%q: %v", addr, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + l.Addr().String()
	_ = l.Close()
	if _, err := at(t, addr).Instant(t.Context(), "up", time.Time{}); sources.KindOf(err) != sources.Unreachable {
		t.Errorf("refused: %v", err)
	}
	if p := at(t, addr).Probe(t.Context()); p.State != sources.Reconnecting || p.Fix == "" || len(p.Missing) == 0 {
		t.Errorf("%+v", p)
	}
}

func TestOurTimeRunsOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // a server sees that its client has gone only once the body is read
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := at(t, s.URL).Instant(ctx, "up", time.Time{})
	if sources.KindOf(err) != sources.Unreachable || !strings.Contains(sources.NextOf(err), "in time") {
		t.Errorf("%v", err)
	}
}

func TestPartsThatAServerDoesNotHave(t *testing.T) {
	f := newFake(t, labelled)
	c := f.client(t, Options{})
	_, err := c.Targets(t.Context())
	if sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "no targets") {
		t.Errorf("%v", err)
	}
	_, err = c.Rules(t.Context())
	if sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "vmalert") {
		t.Errorf("%v", err)
	}
	p := c.Probe(t.Context())
	if p.State != sources.Live || p.Version != "" {
		t.Errorf("%+v", p)
	}
	if got := strings.Join(p.Missing, ","); got != "targets,rules,node metrics,request metrics" {
		t.Errorf("missing: %s", got)
	}
	if got := strings.Join(p.Allows, ","); got != "query,container metrics" || p.Fix == "" {
		t.Errorf("allows: %s; fix: %s", got, p.Fix)
	}
}
