package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// fake answers as Grafana's documentation says it does (docs/sources/developers/http_api, "Annotations HTTP API" and "Other HTTP API");
// it has not been held against a real Grafana.
type fake struct {
	*httptest.Server
	login    string // Authorization that it wants
	posted   []map[string]any
	status   int // not 0: what it answers to /api/annotations, with body
	body     string
	database string
}

func start(t *testing.T) *fake {
	t.Helper()
	f := &fake{login: "Bearer geheim", database: "ok"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sub/api/health", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"commit": "087143285", "database": f.database, "version": "12.4.0"})
	})
	mux.HandleFunc("/sub/api/annotations", f.annotations)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) annotations(w http.ResponseWriter, r *http.Request) {
	say := func(status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	switch {
	case f.status != 0:
		say(f.status, f.body)
	case r.Header.Get("Authorization") != f.login:
		say(401, `{"message":"Invalid API key","messageId":"api-key.invalid","statusCode":401,"traceID":""}`)
	case r.Method == http.MethodGet:
		say(200, `[{"id":1124,"time":1507266395000,"timeEnd":1507266395000,"text":"test","tags":["tag1"],"data":{}}]`)
	case r.Header.Get("Content-Type") != "application/json":
		say(415, `{"message":"bad content type"}`)
	default:
		var a map[string]any
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a["text"] == nil {
			say(400, `{"message":"Failed to save annotation"}`)
			return
		}
		f.posted = append(f.posted, a)
		say(200, `{"message":"Annotation added","id":1}`)
	}
}

func (f *fake) client(t *testing.T, a sources.Access) *Client {
	t.Helper()
	if a.Address == "" {
		a.Address = f.URL + "/sub/"
	}
	c, err := New(Options{Access: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAnnotate(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	from := time.UnixMilli(1507037197339)
	if err := c.Annotate(t.Context(), sources.Annotation{From: from, To: from.Add(90 * time.Second), Tags: []string{"quarterdeck", " scale ", "", "scale"}, Text: "scale <shop_web>"}); err != nil {
		t.Fatal(err)
	}
	before := time.Now().UnixMilli()
	if err := c.Annotate(t.Context(), sources.Annotation{Text: "a moment"}); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(f.posted[0])
	if want := `{"tags":["quarterdeck","scale"],"text":"scale \u003cshop_web\u003e","time":1507037197339,"timeEnd":1507037287339}`; string(got) != want {
		t.Errorf("%s", got)
	}
	moment := f.posted[1]
	if at, _ := moment["time"].(float64); int64(at) < before || moment["timeEnd"] != nil || moment["tags"] != nil {
		t.Errorf("%v", moment)
	}
}

func TestLogins(t *testing.T) {
	f := start(t)
	a := sources.Annotation{Text: "x"}
	if err := f.client(t, sources.Access{BearerToken: "wrong"}).Annotate(t.Context(), a); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(err.Error(), "Invalid API key") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
	f.login = "Basic YWRtaW46YWRtaW4="
	if err := f.client(t, sources.Access{Username: "admin", Password: "admin"}).Annotate(t.Context(), a); err != nil {
		t.Error(err)
	}
}

func TestAnnotationThatIsNotSent(t *testing.T) {
	f := start(t)
	c, now := f.client(t, sources.Access{BearerToken: "geheim"}), time.Now()
	for what, a := range map[string]sources.Annotation{"no text": {Text: " "}, "ends before": {Text: "x", From: now, To: now.Add(-time.Second)}} {
		if err := c.Annotate(t.Context(), a); sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) == "" || len(f.posted) != 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBadDays(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{"not allowed", 403, `{"message":"You'll need additional permissions to perform this action. Permissions needed: annotations:create"}`, sources.Forbidden, "an Editor"},
		{"another server", 404, "404 page not found", sources.NotFound, "sub_path"},
		{"bad", 400, `{"message":"Failed to save annotation"}`, sources.BadQuestion, "Failed to save"},
		{"too often", 429, "", sources.OverLimit, "ask for less"},
		{"starting", 503, "<html>bad gateway", sources.Unreachable, "a web page"},
		{"broken", 500, `{"message":"Failed to save annotation"}`, sources.BadAnswer, "own log"},
		{"a login page", 200, "<html>", sources.BadAnswer, "login page"},
		{"nothing", 200, "", sources.BadAnswer, "empty"},
		{"another API", 200, "{}", sources.BadAnswer, "names no annotation"},
		{"another shape", 200, "[1]", sources.BadAnswer, "cannot understand"},
		{"cut off", 200, `{"id":`, sources.BadAnswer, "cut off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.status, f.body = tc.status, tc.body
			err := c.Annotate(t.Context(), sources.Annotation{Text: "x"})
			if sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" || !strings.Contains(err.Error(), tc.says) {
				t.Error(err)
			}
		})
	}
}

func TestAwayRedirectedAndGivenUp(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow/api/annotations":
			_, _ = io.ReadAll(r.Body) // the server notices that the client has gone only then
			<-r.Context().Done()
		case "/login":
			_, _ = io.WriteString(w, `{"id":1}`)
		default:
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	defer s.Close()
	f, a := &fake{}, sources.Annotation{Text: "x"}
	if err := f.client(t, sources.Access{Address: s.URL}).Annotate(t.Context(), a); sources.KindOf(err) != sources.BadAnswer || !strings.Contains(err.Error(), "/login") {
		t.Errorf("a redirect is no success: %v", err)
	}
	if err := f.client(t, sources.Access{Address: s.URL + "/slow", Timeout: 20 * time.Millisecond}).Annotate(t.Context(), a); sources.KindOf(err) != sources.Unreachable {
		t.Error(err)
	}
	if err := f.client(t, sources.Access{Address: "http://u:geheim@127.0.0.1:1"}).Annotate(t.Context(), a); sources.KindOf(err) != sources.Unreachable || strings.Contains(err.Error(), "geheim") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.client(t, sources.Access{Address: s.URL}).Annotate(ctx, a); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := New(Options{}); sources.KindOf(err) != sources.NotConfigured {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	if p := c.Probe(t.Context()); p.State != sources.Live || p.Version != "12.4.0" || strings.Join(p.Allows, ",") != "health,annotations" || p.Fix != "" || p.Name != "grafana" {
		t.Errorf("%+v", p)
	}
	f.database = "failing"
	if p := c.Probe(t.Context()); p.State != sources.Faulty || !strings.Contains(p.Fix, "failing") {
		t.Errorf("%+v", p)
	}
	if p := f.client(t, sources.Access{}).Probe(t.Context()); p.State != sources.NoAuth || strings.Join(p.Missing, ",") != "annotations" || p.Version == "" || !strings.Contains(p.Fix, "token") {
		t.Errorf("%+v", p)
	}
	if p := f.client(t, sources.Access{Address: f.URL}).Probe(t.Context()); p.State != sources.Faulty || strings.Join(p.Missing, ",") != "health" || !strings.Contains(p.Fix, "sub_path") {
		t.Errorf("%+v", p)
	}
	if len(f.posted) != 0 {
		t.Error("a probe changes nothing")
	}
}

func TestAnnotations(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	now := time.Now()
	got, err := c.Annotations(t.Context(), now.Add(-time.Hour), now)
	if err != nil || len(got) != 1 || got[0].Text != "test" || got[0].From.UnixMilli() != 1507266395000 || !got[0].To.IsZero() || got[0].Tags[0] != "tag1" {
		t.Fatalf("%+v %v", got, err)
	}
	f.status, f.body = 200, `[{"time":20,"timeEnd":90,"text":"b"},{"time":10,"text":"a","tags":null}]`
	if got, err = c.Annotations(t.Context(), now, now); err != nil || len(got) != 2 || got[0].Text != "a" || got[1].To.UnixMilli() != 90 {
		t.Errorf("%+v %v", got, err)
	}
	f.status, f.body = 403, `{"message":"no"}`
	if _, err := c.Annotations(t.Context(), now, now); sources.KindOf(err) != sources.Forbidden {
		t.Error(err)
	}
}

// hits answers as "Folder/Dashboard Search HTTP API" of Grafana 12.4 has it (docs, developer-resources/api-reference/http-api/folder_dashboard_search).
func hits(n, from int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"id":%d,"uid":"u%d","title":"Service %d","url":"/d/u%d/service","type":"dash-db","tags":["shop_web"],"isStarred":false,"folderId":163,"folderUid":"f","folderTitle":"Shop","folderUrl":"/dashboards/f/f/shop","uri":"db/service"}`, i, from+i, from+i, from+i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func TestDashboards(t *testing.T) {
	pages := []int{3}
	status, body := 0, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		switch {
		case r.URL.Path != "/sub/api/search" || q.Get("type") != "dash-db" || q.Get("limit") != "5000":
			http.NotFound(w, r)
		case status != 0:
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		case page < 1 || page > len(pages):
			_, _ = io.WriteString(w, "[]")
		default:
			_, _ = io.WriteString(w, hits(pages[page-1], 5000*(page-1)))
		}
	}))
	t.Cleanup(s.Close)
	c, err := New(Options{Access: sources.Access{Address: s.URL + "/sub"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	got, err := c.Dashboards(t.Context())
	if want := (sources.Dashboard{UID: "u2", Title: "Service 2", Folder: "Shop", Tags: []string{"shop_web"}, Path: "/d/u2/service"}); err != nil || len(got) != 3 || !reflect.DeepEqual(got[2], want) {
		t.Errorf("%+v, %v", got, err)
	}
	pages = []int{5000, 1}
	if got, err = c.Dashboards(t.Context()); err != nil || len(got) != 5001 || got[5000].UID != "u5000" {
		t.Errorf("two pages: %d, %v", len(got), err)
	}
	pages = []int{5000, 5000, 5000, 5000, 5000}
	if got, err = c.Dashboards(t.Context()); sources.KindOf(err) != sources.OverLimit || len(got) != 20000 {
		t.Errorf("too many: %d, %v", len(got), err)
	}
	for _, x := range []struct {
		status int
		body   string
		kind   sources.Kind
		next   string
	}{{401, `{"message":"Expired API key"}`, sources.Unauthorised, "token"}, {403, `{"message":"no"}`, sources.Forbidden, "dashboards:read"}, {200, "<html>login</html>", sources.BadAnswer, "login page"}, {429, `{"message":"slow"}`, sources.KindOf(sources.FromHTTP("x", "y", 429, "")), ""}} {
		status, body = x.status, x.body
		if _, err := c.Dashboards(t.Context()); sources.KindOf(err) != x.kind || !strings.Contains(sources.NextOf(err), x.next) {
			t.Errorf("%d %s: %v", x.status, x.body, err)
		}
	}
}
