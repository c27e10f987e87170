package bitbucket

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quarterdeck/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers as Bitbucket's published OpenAPI description has it (developer.atlassian.com/cloud/bitbucket/rest, groups Pipelines and Repositories, version 2.0 of
// August 2026; rate limits as in "API request limits"); it has not been held against Bitbucket.
type fake struct {
	*httptest.Server
	token  string
	status int // not 0: what it answers to everything, with body
	body   string
	runs   string // values of the list of pipelines
	pages  []string
	next   func(page int) string // not nil: the link after a page of steps
	asked  []string
	posted []string
}

const runID = "{61c2a9f5-3b0c-4a0a-9a3e-2f6f3c9f0d11}"

func start(t *testing.T) *fake {
	t.Helper()
	f := &fake{token: "geheim"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2.0/repositories/team/shop/pipelines/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"page":1,"pagelen":10,"size":40,"values":[%s]}`, f.runs)
	})
	mux.HandleFunc("POST /2.0/repositories/team/shop/pipelines/", func(w http.ResponseWriter, r *http.Request) {
		var in any
		_ = json.NewDecoder(r.Body).Decode(&in)
		b, _ := json.Marshal(in)
		f.posted = append(f.posted, r.Header.Get("Content-Type")+" "+string(b))
		w.WriteHeader(201)
		_, _ = w.Write([]byte(run(`{"name":"PENDING","type":"pipeline_state_pending"}`)))
	})
	mux.HandleFunc("GET /2.0/repositories/team/shop/pipelines/{run}/steps", func(w http.ResponseWriter, r *http.Request) {
		page := 1
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		next := ""
		if page < len(f.pages) {
			next = fmt.Sprintf("%s%s?page=%d", f.URL, r.URL.EscapedPath(), page+1)
		}
		if f.next != nil {
			next = f.next(page)
		}
		_, _ = fmt.Fprintf(w, `{"page":%d,"pagelen":100,"values":[%s],"next":%q}`, page, f.pages[(page-1)%len(f.pages)], next)
	})
	mux.HandleFunc("GET /2.0/repositories/team", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"values":[{"slug":"shop"}]}`)) })
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.Method+" "+r.RequestURI)
		w.Header().Set("Content-Type", "application/json")
		_, password, _ := r.BasicAuth()
		switch {
		case f.status != 0:
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(f.body))
		case r.Header.Get("Authorization") != "Bearer "+f.token && password != f.token:
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"type":"error","error":{"message":"Token is invalid, expired, or not supported for this endpoint."}}`))
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func run(state string) string {
	return `{"type":"pipeline","uuid":"` + runID + `","build_number":41,"created_on":"2026-11-29T21:04:11.123456Z","completed_on":"2026-11-29T21:09:00Z","build_seconds_used":261,
	"target":{"type":"pipeline_ref_target","ref_type":"branch","ref_name":"main","selector":{"type":"branches","pattern":"main"},"commit":{"type":"commit","hash":"9f848b7c1d"}},
	"trigger":{"type":"pipeline_trigger_push"},"state":` + state + `}`
}

func (f *fake) client(t *testing.T, a sources.Access) *Client {
	t.Helper()
	a.Address = f.URL
	c, err := New(Options{Workspace: "team", Access: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRuns(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	var states []string
	for _, s := range []string{"SUCCESSFUL", "FAILED", "ERROR", "STOPPED", "EXPIRED", "a new word"} {
		states = append(states, run(`{"name":"COMPLETED","type":"pipeline_state_completed","result":{"name":"`+s+`","type":"x"}}`))
	}
	for _, s := range []string{"RUNNING", "PAUSED", "HALTED"} {
		states = append(states, run(`{"name":"IN_PROGRESS","type":"pipeline_state_in_progress","stage":{"name":"`+s+`","type":"x"}}`))
	}
	states = append(states, run(`{"name":"PENDING"}`), run(`{"name":"IN_PROGRESS"}`))
	f.runs = strings.Join(states, ",")
	got, err := c.Runs(t.Context(), sources.PipelineQuery{Repository: "shop", Branch: "a&b=c", Commit: "9f8", Most: 5})
	if err != nil {
		t.Fatal(err)
	}
	want := sources.PipelineRun{ID: runID, Number: 41, Repository: "shop", Branch: "main", Commit: "9f848b7c1d", State: sources.PipelinePassed,
		Created: time.Date(2026, 11, 29, 21, 4, 11, 123456000, time.UTC), Ended: time.Date(2026, 11, 29, 21, 9, 0, 0, time.UTC)}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v", got[0])
	}
	var all []string
	for _, r := range got {
		all = append(all, string(r.State))
	}
	if s := strings.Join(all, " "); s != "passed failed failed stopped stopped unknown running paused paused waiting running" {
		t.Error(s)
	}
	if f.asked[0] != "GET /2.0/repositories/team/shop/pipelines/?pagelen=5&sort=-created_on&target.branch=a%26b%3Dc&target.commit.hash=9f8" {
		t.Error(f.asked[0])
	}
}

func TestSteps(t *testing.T) {
	f := start(t)
	step := func(name, result string) string {
		return `{"type":"pipeline_step","uuid":"{1}","name":"` + name + `","started_on":"2026-11-29T21:04:20Z","completed_on":"2026-11-29T21:05:00Z","state":{"name":"COMPLETED","result":{"name":"` + result + `"}}}`
	}
	f.pages = []string{step("Build", "SUCCESSFUL") + "," + step("Gitleaks", "FAILED"), step("Deploy", "NOT_RUN"), `{"name":"Secret scan","state":{"name":"PENDING"}}`}
	c := f.client(t, sources.Access{Username: "ann@example.com", Password: "geheim"})
	got, err := c.Steps(t.Context(), "shop", runID)
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	var all []string
	for _, s := range got {
		all = append(all, fmt.Sprint(s.Name, " ", s.State, " ", s.Scans(), " ", s.Ended.Sub(s.Started)))
	}
	if s := strings.Join(all, "; "); s != "Build passed false 40s; Gitleaks failed true 40s; Deploy skipped false 40s; Secret scan waiting true 0s" {
		t.Error(s)
	}
	if f.asked[0] != "GET /2.0/repositories/team/shop/pipelines/%7B61c2a9f5-3b0c-4a0a-9a3e-2f6f3c9f0d11%7D/steps" || len(f.asked) != 3 {
		t.Error(f.asked)
	}
	f.next = func(int) string {
		return "http://elsewhere.example/2.0/repositories/team/shop/pipelines/x/steps?page=2"
	}
	if _, err := c.Steps(t.Context(), "shop", runID); sources.KindOf(err) != sources.BadAnswer || len(f.asked) != 4 {
		t.Error("a link to another host was followed, or is no error:", err)
	}
	f.next = func(page int) string {
		return fmt.Sprintf("%s/2.0/repositories/team/shop/pipelines/x/steps?page=%d", f.URL, page)
	}
	if _, err := c.Steps(t.Context(), "shop", runID); sources.KindOf(err) != sources.BadAnswer || len(f.asked) != 4+stepPages {
		t.Error(err, len(f.asked))
	}
}

func TestStart(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	got, err := c.Start(t.Context(), "team/shop", "main")
	if err != nil || got.Number != 41 || got.State != sources.PipelineWaiting {
		t.Error(got, err)
	}
	if want := `application/json {"target":{"ref_name":"main","ref_type":"branch","type":"pipeline_ref_target"}}`; len(f.posted) != 1 || f.posted[0] != want {
		t.Error(f.posted)
	}
	if _, err := c.Start(t.Context(), "shop", ""); sources.KindOf(err) != sources.BadQuestion {
		t.Error(err)
	}
	for status, says := range map[int]string{400: "bitbucket-pipelines.yml", 403: "write:pipeline:bitbucket", 500: "own log"} {
		f.status, f.body = status, `{"type":"error","error":{"message":"no"}}`
		if _, err := c.Start(t.Context(), "shop", "main"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%d: %v", status, err)
		}
	}
	f.status, f.body = 200, `{}`
	if _, err := c.Start(t.Context(), "shop", "main"); sources.KindOf(err) != sources.BadAnswer {
		t.Error(err)
	}
}

// What names no repository is not sent anywhere: it may come from a label.
func TestNamesThatAreNotSent(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	for _, name := range []string{"", "..", "a/../b", "a/b/c", "a?b", "a b", "a%2fb", "/a", strings.Repeat("a", 200)} {
		if _, err := c.Runs(t.Context(), sources.PipelineQuery{Repository: name}); sources.KindOf(err) != sources.BadQuestion || len(f.asked) != 0 {
			t.Errorf("%q: %v %v", name, err, f.asked)
		}
	}
	for _, workspace := range []string{"", "a/b", ".."} {
		if _, err := New(Options{Workspace: workspace}); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%q: %v", workspace, err)
		}
	}
}

// A token that has expired is told, and one that was renewed in its file counts at once.
func TestTokens(t *testing.T) {
	f := start(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("old-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := f.client(t, sources.Access{BearerTokenFile: file})
	ask := func() error {
		_, err := c.Runs(t.Context(), sources.PipelineQuery{Repository: "shop"})
		return err
	}
	if err := ask(); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(err.Error(), "expired") || strings.Contains(err.Error(), "old-token") {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("geheim"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	c := f.client(t, sources.Access{BearerToken: "geheim"})
	for _, tc := range []struct {
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{403, `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["pipeline"]}}}`, sources.Forbidden, "read:pipeline:bitbucket"},
		{404, `{"type":"error","error":{"message":"Repository team/shop not found"}}`, sources.NotFound, "not found"},
		{429, `{"type":"error","error":{"message":"Rate limit for this resource has been exceeded"}}`, sources.OverLimit, "Rate limit"},
		{503, `<html>`, sources.Unreachable, "a web page"},
		{200, `<html>`, sources.BadAnswer, "web page"},
		{200, `{"values":[{"uuid":`, sources.BadAnswer, "cut off"},
		{200, `{"values":[{"created_on":"yesterday"}]}`, sources.BadAnswer, "cannot understand"},
		{200, `{"values":null}`, 0, ""},
	} {
		f.status, f.body = tc.status, tc.body
		_, err := c.Runs(t.Context(), sources.PipelineQuery{Repository: "shop"})
		if sources.KindOf(err) != tc.kind || err != nil && (!strings.Contains(err.Error(), tc.says) || sources.NextOf(err) == "" || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%d %s: %v", tc.status, tc.body, err)
		}
	}
}

func TestProbe(t *testing.T) {
	f := start(t)
	for _, repository := range []string{"", "shop"} {
		c := f.client(t, sources.Access{BearerToken: "geheim"})
		if p := c.Probe(t.Context(), repository); p.State != sources.Live || fmt.Sprint(p.Allows) != "[pipelines]" {
			t.Errorf("%q: %+v", repository, p)
		}
		if p := f.client(t, sources.Access{}).Probe(t.Context(), repository); p.State != sources.NoAuth || fmt.Sprint(p.Missing) != "[pipelines]" || p.Fix == "" {
			t.Errorf("%q: %+v", repository, p)
		}
	}
}
