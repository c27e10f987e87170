package traefik

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quarterdeck/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers as Traefik's source has it (traefik/traefik, v3.6: pkg/api/handler_http.go, handler_entrypoint.go, criterion.go and the answers in pkg/api/testdata);
// it has not been held against a real Traefik.
type fake struct {
	*httptest.Server
	lists  map[string][]any
	login  bool
	status int // not 0: what it answers to everything, with body
	body   string
	next   func(page int) string // not nil: its X-Next-Page
	asked  []string
}

func start(t *testing.T) *fake {
	t.Helper()
	f := &fake{lists: map[string][]any{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.RequestURI)
	w.Header().Set("Content-Type", "application/json")
	if f.login {
		if _, password, _ := r.BasicAuth(); password != "geheim" {
			w.WriteHeader(401)
			_, _ = w.Write([]byte("401 Unauthorized\n"))
			return
		}
	}
	if f.status != 0 {
		w.WriteHeader(f.status)
		_, _ = w.Write([]byte(f.body))
		return
	}
	if r.URL.Path == "/api/version" {
		_, _ = w.Write([]byte(`{"Version":"3.6.2","Codename":"ramequin","startDate":"2026-11-01T10:00:00Z"}`))
		return
	}
	all, ok := f.lists[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	per, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	from := (page - 1) * per
	if page < 1 || per < 1 || from != 0 && from >= len(all) {
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, `{"message":"invalid request: page: %d, per_page: %d"}`, page, per)
		return
	}
	next := "1"
	if page*per < len(all) {
		next = strconv.Itoa(page + 1)
	}
	if f.next != nil {
		next = f.next(page)
	}
	w.Header().Set("X-Next-Page", next)
	_ = json.NewEncoder(w).Encode(all[from:min(from+per, len(all))])
}

func (f *fake) list(path string, objects ...string) {
	out := []any{}
	for _, o := range objects {
		out = append(out, json.RawMessage(o))
	}
	f.lists[path] = out
}

func (f *fake) client(t *testing.T, a sources.Access) *Client {
	t.Helper()
	a.Address = f.URL + a.Address
	c, err := New(Options{Access: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// serves is a Traefik with an entry point that redirects, one with a resolver of its own and one without anything.
func serves(f *fake, routers ...string) {
	f.list("/api/entrypoints", `{"address":":80","name":"web","http":{"redirections":{"entryPoint":{"to":"websecure","scheme":"https","permanent":true,"priority":9223372036854775806}}}}`,
		`{"address":":443","name":"websecure","http":{"tls":{"certResolver":"le"}}}`, `{"address":":8081","name":"plain","http":{"encodedCharacters":{}}}`)
	f.list("/api/http/middlewares", `{"redirectScheme":{"scheme":"https"},"status":"enabled","usedBy":["a@swarm"],"name":"up@swarm","provider":"swarm","type":"redirectscheme"}`,
		`{"basicAuth":{"users":["x"]},"status":"enabled","name":"redirect-not@swarm","provider":"swarm","type":"basicauth"}`)
	f.list("/api/http/routers", routers...)
}

func TestRouters(t *testing.T) {
	f := start(t)
	serves(f,
		`{"entryPoints":["websecure"],"service":"shop-web","rule":"Host(`+"`shop.example`"+`)","tls":{"certResolver":"own","options":"default","domains":[{"main":"shop.example"}]},"priority":20,"status":"enabled","using":["websecure"],"name":"shop@swarm","provider":"swarm"}`,
		`{"entryPoints":["websecure"],"service":"blog@file","rule":"r","status":"warning","error":["the service \"x\" does not exist"],"name":"blog@swarm","provider":"swarm"}`,
		`{"entryPoints":["web"],"service":"s","rule":"r","status":"enabled","name":"http@swarm","provider":"swarm"}`,
		`{"entryPoints":["web","plain"],"service":"s","rule":"r","status":"enabled","name":"half@swarm","provider":"swarm"}`,
		`{"entryPoints":["plain"],"middlewares":["up"],"service":"s","rule":"r","status":"enabled","name":"up@swarm","provider":"swarm"}`,
		`{"entryPoints":["plain"],"middlewares":["redirect-not"],"service":"s","rule":"r","status":"disabled","error":["bad rule"],"name":"clear@swarm","provider":"swarm"}`,
		`{"entryPoints":["plain"],"service":"s","rule":"r","tls":{"options":"default"},"status":"enabled","name":"byhand@swarm","provider":"swarm"}`,
		`{"entryPoints":["web"],"middlewares":["redirect-web-to-websecure"],"service":"noop@internal","rule":"HostRegexp(`+"`^.+$`"+`)","status":"enabled","using":["web"],"name":"web-to-websecure@internal","provider":"internal"}`)
	got, err := f.client(t, sources.Access{Address: "/"}).Routers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []sources.Router{
		{Name: "blog@swarm", Rule: "r", Service: "blog@file", EntryPoints: []string{"websecure"}, TLS: true, Resolver: "le", Errors: []string{`the service "x" does not exist`}},
		{Name: "byhand@swarm", Rule: "r", Service: "s@swarm", EntryPoints: []string{"plain"}, TLS: true},
		{Name: "clear@swarm", Rule: "r", Service: "s@swarm", EntryPoints: []string{"plain"}, Errors: []string{"bad rule"}, Disabled: true},
		{Name: "half@swarm", Rule: "r", Service: "s@swarm", EntryPoints: []string{"web", "plain"}},
		{Name: "http@swarm", Rule: "r", Service: "s@swarm", EntryPoints: []string{"web"}, Redirects: true},
		{Name: "shop@swarm", Rule: "Host(`shop.example`)", Service: "shop-web@swarm", EntryPoints: []string{"websecure"}, TLS: true, Resolver: "own"},
		{Name: "up@swarm", Rule: "r", Service: "s@swarm", EntryPoints: []string{"plain"}, Redirects: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestPages(t *testing.T) {
	f := start(t)
	var many []string
	for i := range 2*pageSize + 1 {
		many = append(many, fmt.Sprintf(`{"name":"r%04d@swarm","provider":"swarm","entryPoints":["websecure"]}`, i))
	}
	serves(f, many...)
	c := f.client(t, sources.Access{})
	if got, err := c.Routers(t.Context()); err != nil || len(got) != len(many) || len(f.asked) != 5 {
		t.Errorf("%d routers, %v, asked %v", len(got), err, f.asked)
	}
	for what, next := range map[string]func(int) string{"a circle": func(page int) string { return strconv.Itoa(3 - page + 1) }, "backwards": func(int) string { return "99" }} {
		f.next = next
		if _, err := c.Routers(t.Context()); sources.KindOf(err) != sources.BadAnswer || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.next = nil
	for len(many) <= pageSize*pages {
		many = append(many, many...)
	}
	serves(f, many...)
	if _, err := c.Routers(t.Context()); sources.KindOf(err) != sources.OverLimit {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	serves(f)
	f.login = true
	if _, err := f.client(t, sources.Access{}).Routers(t.Context()); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(sources.NextOf(err), "traefik") {
		t.Error(err)
	}
	c := f.client(t, sources.Access{Username: "ops", Password: "geheim"})
	if got, err := c.Routers(t.Context()); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	for _, tc := range []struct {
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{403, "", sources.Forbidden, "allow"},
		{404, "404 page not found\n", sources.NotFound, "api.insecure"},
		{502, "Bad Gateway", sources.Unreachable, "starting"},
		{200, "<html>", sources.BadAnswer, "web page"},
		{200, `[{"name":`, sources.BadAnswer, "cut off"},
		{200, `[{"name":7}]`, sources.BadAnswer, "cannot understand"},
		{200, `{}`, sources.BadAnswer, "cannot understand"},
	} {
		f.status, f.body = tc.status, tc.body
		if _, err := c.Routers(t.Context()); sources.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%d %q: %v", tc.status, tc.body, err)
		}
	}
}

func TestNoAnswerInTime(t *testing.T) {
	until := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-until }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(until) })
	c, err := New(Options{Access: sources.Access{Address: s.URL, Timeout: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Routers(t.Context()); sources.KindOf(err) != sources.Unreachable || !strings.Contains(sources.NextOf(err), "in time") {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	f := start(t)
	serves(f)
	c := f.client(t, sources.Access{})
	if p := c.Probe(t.Context()); p.State != sources.Live || p.Version != "3.6.2" || fmt.Sprint(p.Allows) != "[routers]" || p.Fix != "" || p.Address != f.URL {
		t.Errorf("%+v", p)
	}
	delete(f.lists, "/api/http/routers")
	if p := c.Probe(t.Context()); p.State != sources.Faulty || p.Version != "3.6.2" || fmt.Sprint(p.Missing) != "[routers]" || p.Fix == "" {
		t.Errorf("%+v", p)
	}
	f.status, f.body = 200, `{}`
	if p := c.Probe(t.Context()); p.State != sources.Faulty || !strings.Contains(p.Fix, "names no version") {
		t.Errorf("%+v", p)
	}
}
