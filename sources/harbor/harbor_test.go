package harbor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quarterdeck/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers as Harbor's published description has it (goharbor/harbor, api/v2.0/swagger.yaml of August 2026, API version 2.0: getArtifact, listArtifacts,
// getSystemInfo, listProjects); it has not been held against a real Harbor.
type fake struct {
	*httptest.Server
	status   int // not 0: what it answers to everything, with body
	body     string
	artifact string
	tags     int // artifacts with a tag each in the repository that is listed
	asked    []string
	accept   string
}

func start(t *testing.T) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked, f.accept = append(f.asked, r.RequestURI), r.Header.Get("X-Accept-Vulnerabilities")
		w.Header().Set("Content-Type", "application/json")
		user, password, _ := r.BasicAuth()
		switch {
		case f.status != 0:
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(f.body))
		case r.URL.Path == "/api/v2.0/systeminfo":
			_, _ = w.Write([]byte(`{"auth_mode":"db_auth","harbor_version":"v2.14.0-1a2b3c4d","registry_url":"harbor.example"}`))
		case user != "robot$deck" || password != "geheim":
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`))
		case r.URL.Path == "/api/v2.0/projects":
			_, _ = w.Write([]byte(`[{"name":"shop"}]`))
		case strings.HasSuffix(r.URL.Path, "/artifacts"):
			_, _ = w.Write([]byte(f.page(r.URL.Query())))
		default:
			_, _ = w.Write([]byte(f.artifact))
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) client(t *testing.T, a sources.Access) *Client {
	t.Helper()
	a.Address = f.URL
	c, err := New(Options{Access: a, Registries: []string{"harbor.example"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var robot = sources.Access{Username: "robot$deck", Password: "geheim"}

const found = `{"id":7,"type":"IMAGE","digest":"sha256:aa","push_time":"2026-11-29T21:08:00.000Z","tags":null,"scan_overview":{%s}}`

func report(kind, status, summary string) string {
	return `"` + kind + `":{"report_id":"5f62","scan_status":"` + status + `","severity":"Critical","duration":12,"summary":` + summary + `,"start_time":"2026-11-29T21:08:10Z","end_time":"2026-11-29T21:08:22Z","complete_percent":100,"scanner":{"name":"Trivy","vendor":"Aqua Security","version":"v0.57.0"}}`
}

func TestScan(t *testing.T) {
	f := start(t)
	c := f.client(t, robot)
	counts := `{"total":12,"fixable":3,"summary":{"Critical":1,"High":4,"Low":7}}`
	for _, tc := range []struct{ overview, want string }{
		{report(reports[0], "Success", counts), "done 1 4 12 Trivy v0.57.0"},
		{report(reports[1], "Success", counts), "done 1 4 12 Trivy v0.57.0"},
		{report(reports[1], "Success", counts) + "," + report(reports[0], "Success", `{"total":0,"fixable":0,"summary":{}}`), "done 0 0 0 Trivy v0.57.0"},
		{report(reports[0], "Running", "null"), "running 0 0 0 Trivy v0.57.0"},
		{report(reports[0], "Error", "null"), "failed 0 0 0 Trivy v0.57.0"},
		{report("application/of.another.kind", "Success", counts), "none 0 0 0 "},
		{"", "none 0 0 0 "},
	} {
		f.artifact = fmt.Sprintf(found, tc.overview)
		s, err := c.Scan(t.Context(), "harbor.example/shop/web:1.0@sha256:aa")
		if got := fmt.Sprintf("%s %d %d %d %s", s.State, s.Critical, s.High, s.Total, s.Scanner); err != nil || got != tc.want || s.Pushed.Hour() != 21 {
			t.Errorf("%s: %q %v, want %q", tc.overview, got, err, tc.want)
		}
	}
	if !strings.Contains(f.accept, reports[0]) || !strings.Contains(f.accept, reports[1]) {
		t.Error(f.accept)
	}
}

// A digest comes before a tag, a repository's slashes are escaped twice, and what is no image's name is not sent.
func TestPaths(t *testing.T) {
	const query = "?with_scan_overview=true&with_tag=false"
	f := start(t)
	c := f.client(t, robot)
	f.artifact = fmt.Sprintf(found, "")
	for image, want := range map[string]string{
		"harbor.example/shop/web:1.0":                "shop/repositories/web/artifacts/1.0",
		"harbor.example/shop/web":                    "shop/repositories/web/artifacts/latest",
		"harbor.example:8443/shop/a/b:1@sha256:aabb": "shop/repositories/a%252Fb/artifacts/sha256:aabb",
		"nginx:1.27":                     "",
		"harbor.example/../x:1":          "",
		"harbor.example/shop/a?b=c:1":    "",
		"harbor.example/shop/a%2f..:1":   "",
		"harbor.example/shop//web:1":     "",
		"harbor.example/shop/web:":       "",
		"harbor.example/shop/web@x/../y": "",
	} {
		f.asked = nil
		_, err := c.Scan(t.Context(), image)
		if want == "" {
			if sources.KindOf(err) != sources.BadQuestion || len(f.asked) != 0 {
				t.Errorf("%s: %v %v", image, err, f.asked)
			}
		} else if err != nil || f.asked[0] != "/api/v2.0/projects/"+want+query {
			t.Errorf("%s: %v %v", image, err, f.asked)
		}
	}
	for image, want := range map[string]bool{"harbor.example/shop/web": true, strings.TrimPrefix(f.URL, "http://") + "/shop/web": true, "nginx": false, "harbor.example": false, "other.example/shop/web": false} {
		if c.Covers(image) != want {
			t.Errorf("%s: %v", image, !want)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	const image = "harbor.example/shop/web:1"
	if _, err := f.client(t, sources.Access{Username: "robot$deck", Password: "old"}).Scan(t.Context(), image); sources.KindOf(err) != sources.Unauthorised || !strings.Contains(err.Error(), "robot account may have expired") {
		t.Error(err)
	}
	c := f.client(t, robot)
	for _, tc := range []struct {
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{403, `{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}`, sources.Forbidden, "FORBIDDEN: forbidden"},
		{404, `{"errors":[{"code":"NOT_FOUND","message":"artifact shop/web:1 not found"}]}`, sources.NotFound, "not found"},
		{429, ``, sources.OverLimit, "429"},
		{500, `{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`, sources.BadAnswer, "own log"},
		{200, `<html>`, sources.BadAnswer, "web page"},
		{200, `{"digest":"sha256:aa","scan_overview":{"x":`, sources.BadAnswer, "cut off"},
		{200, `{"digest":7}`, sources.BadAnswer, "cannot understand"},
		{200, `{}`, sources.BadAnswer, "names no artifact"},
	} {
		f.status, f.body = tc.status, tc.body
		if _, err := c.Scan(t.Context(), image); sources.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%d %s: %v", tc.status, tc.body, err)
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
	if _, err := c.Scan(t.Context(), "h/p/r:1"); sources.KindOf(err) != sources.Unreachable {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	f := start(t)
	if p := f.client(t, robot).Probe(t.Context()); p.State != sources.Live || p.Version != "v2.14.0-1a2b3c4d" || fmt.Sprint(p.Allows) != "[scans]" {
		t.Errorf("%+v", p)
	}
	if p := f.client(t, sources.Access{}).Probe(t.Context()); p.State != sources.NoAuth || fmt.Sprint(p.Missing) != "[scans]" || p.Fix == "" {
		t.Errorf("%+v", p)
	}
}

// page is a page of the artifacts, the newest first, each third without a tag.
func (f *fake) page(q url.Values) string {
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("page_size"))
	if page < 1 || size < 1 || size > 100 || q.Get("with_tag") != "true" || q.Get("sort") != "-push_time" {
		return "null"
	}
	var items []string
	for i := (page - 1) * size; i < min(page*size, f.tags); i++ {
		tags := fmt.Sprintf(`[{"id":%d,"name":"1.%d","immutable":false}]`, i, f.tags-i)
		if i%3 == 2 {
			tags = "null"
		}
		items = append(items, fmt.Sprintf(`{"id":%d,"type":"IMAGE","digest":"sha256:%04x","tags":%s}`, i, i, tags))
	}
	return "[" + strings.Join(items, ",") + "]"
}

// Tags come page by page, and no further than there are any.
func TestTags(t *testing.T) {
	f := start(t)
	c := f.client(t, robot)
	for _, tc := range []struct{ artifacts, tags, pages int }{{0, 0, 1}, {3, 2, 1}, {100, 67, 2}, {250, 167, 3}, {5000, 1334, 20}} {
		f.tags, f.asked = tc.artifacts, nil
		tags, err := c.Tags(t.Context(), "harbor.example/shop/a/web:1.0@sha256:aa")
		if err != nil || len(tags) != tc.tags || len(f.asked) != tc.pages {
			t.Fatalf("of %d artifacts %d tags in %d pages, %v", tc.artifacts, len(tags), len(f.asked), err)
		}
		if tc.tags > 0 && tags[0] != fmt.Sprintf("1.%d", tc.artifacts) {
			t.Errorf("the first is %s", tags[0])
		}
		if !strings.HasPrefix(f.asked[0], "/api/v2.0/projects/shop/repositories/a%252Fweb/artifacts?page=1&page_size=100&") {
			t.Error(f.asked[0])
		}
	}
	f.asked = nil
	if _, err := c.Tags(t.Context(), "nginx:1"); sources.KindOf(err) != sources.BadQuestion || len(f.asked) != 0 {
		t.Error(err)
	}
	f.status = 404
	if _, err := c.Tags(t.Context(), "harbor.example/shop/web"); sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "no such image") {
		t.Error(err)
	}
}
