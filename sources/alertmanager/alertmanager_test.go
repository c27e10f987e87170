package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// page is one canned answer; the key of a map of pages is "METHOD /path".
type page struct {
	status int
	body   string
}

// serve answers with pages, and 404 to all else; it returns a client at its prefix, and what was posted last.
func serve(t *testing.T, prefix string, pages map[string]page) (*Client, *string) {
	t.Helper()
	posted := new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if len(b) > 0 {
			*posted = string(b)
		}
		p, ok := pages[r.Method+" "+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(p.status)
		_, _ = io.WriteString(w, p.body)
	}))
	t.Cleanup(s.Close)
	c, err := New(Options{Access: sources.Access{Address: s.URL + prefix, Timeout: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, posted
}

const twoAlerts = `[
 {"fingerprint":"f1","labels":{"alertname":"Old","severity":"warning","job":"node","service":"edge"},"annotations":{"description":"d"},"startsAt":"2026-11-24T08:00:00Z","endsAt":"0001-01-01T00:00:00.000Z",
  "receivers":[{"name":"team"},{"name":"pager"}],"status":{"state":"suppressed","silencedBy":["s1"],"inhibitedBy":["f9"]}},
 {"fingerprint":"f2","labels":{"alertname":"New","service":"edge","swarm_service":"shop_web"},"annotations":{"summary":"s"},"startsAt":"2026-11-24T09:00:00Z","endsAt":"2026-11-24T09:05:00Z",
  "generatorURL":"http://p/graph","updatedAt":"2026-11-24T09:00:00Z","receivers":[{"name":"team"}],"status":{"state":"unprocessed","mutedBy":[]}}]`

func TestAlerts(t *testing.T) {
	c, _ := serve(t, "/am/api/v2/", map[string]page{"GET /am/api/v2/alerts": {200, twoAlerts}})
	got, err := c.Alerts(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	fresh, old := got[0], got[1]
	if fresh.Name != "New" || fresh.Service != "shop_web" || fresh.State != sources.Firing || fresh.Summary != "s" || fresh.Generator != "http://p/graph" || fresh.Ends.IsZero() {
		t.Errorf("%+v", fresh)
	}
	if old.Service != "edge" || old.State != sources.Suppressed || old.SilencedBy[0] != "s1" || old.InhibitedBy[0] != "f9" || len(old.Receivers) != 2 || old.Summary != "d" || !old.Ends.IsZero() || old.Severity != "warning" {
		t.Errorf("%+v", old)
	}
}

func TestGroups(t *testing.T) {
	c, _ := serve(t, "", map[string]page{"GET /api/v2/alerts/groups": {200, `[{"labels":{"a":"b"},"receiver":{"name":"team"},"alerts":` + twoAlerts + `}]`}})
	got, err := c.Groups(t.Context())
	if err != nil || len(got) != 1 || got[0].Receiver != "team" || got[0].Labels["a"] != "b" || len(got[0].Alerts) != 2 || got[0].Alerts[0].Fingerprint != "f2" {
		t.Fatal(got, err)
	}
}

func TestServiceLabelsAreASetting(t *testing.T) {
	c := &Client{labels: []string{"team", "job"}}
	for _, tc := range []struct {
		labels map[string]string
		want   string
	}{
		{map[string]string{"job": "j", "swarm_service": "s"}, "j"},
		{map[string]string{"job": "j", "team": ""}, "j"},
		{map[string]string{"team": "web@swarm"}, "web"},
		{nil, ""},
	} {
		if got := sources.ServiceOf(tc.labels, c.labels); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.labels, got, tc.want)
		}
	}
	c.labels = sources.AlertLabels
	if got := sources.ServiceOf(map[string]string{"job": "node"}, c.labels); got != "" {
		t.Errorf("a job is no service: %q", got)
	}
}

func TestSilences(t *testing.T) {
	at := func(id, state, ends string) string {
		return `{"id":"` + id + `","status":{"state":"` + state + `"},"createdBy":"ann","comment":"c","startsAt":"2026-11-24T08:00:00Z","endsAt":"2026-11-24T` + ends + `:00Z","updatedAt":"2026-11-24T08:00:00Z",
			"matchers":[{"name":"a","value":"b","isRegex":false},{"name":"c","value":"d.*","isRegex":true,"isEqual":false}]}`
	}
	c, _ := serve(t, "", map[string]page{"GET /api/v2/silences": {200, "[" + strings.Join([]string{
		at("e1", "expired", "08:30"), at("a2", "active", "11:00"), at("p", "pending", "12:00"), at("e2", "expired", "08:40"), at("a1", "active", "10:00")}, ",") + "]"}})
	got, err := c.Silences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range got {
		ids = append(ids, s.ID)
	}
	if strings.Join(ids, " ") != "a1 a2 p e2 e1" {
		t.Errorf("order %v", ids)
	}
	if m := got[0].Matchers; m[0].Negative || m[0].Regexp || !m[1].Negative || !m[1].Regexp || got[0].Author != "ann" {
		t.Errorf("%+v", got[0])
	}
}

func wanted() sources.Silence {
	return sources.Silence{Author: "ann", Comment: "deploy", Ends: time.Now().Add(time.Hour), Matchers: []sources.Matcher{{Name: "service", Value: "web"}}}
}

func TestSilence(t *testing.T) {
	pages := map[string]page{"POST /api/v2/silences": {200, `{"silenceID":"id-1"}`}, "GET /api/v2/status": {200, `{"versionInfo":{"version":"0.25.0+ds"}}`}}
	c, posted := serve(t, "", pages)
	s := wanted()
	s.Matchers = append(s.Matchers, sources.Matcher{Name: "x", Value: "y|z", Regexp: true, Negative: true})
	id, err := c.Silence(t.Context(), s)
	if err != nil || id != "id-1" {
		t.Fatal(id, err)
	}
	var sent wireSilence
	if err := json.Unmarshal([]byte(*posted), &sent); err != nil {
		t.Fatal(err)
	}
	if sent.Matchers[0].IsEqual != nil || sent.Matchers[1].IsEqual == nil || *sent.Matchers[1].IsEqual || sent.StartsAt.IsZero() || sent.CreatedBy != "ann" || sent.EndsAt.Location() != time.UTC {
		t.Errorf("%s", *posted)
	}
	pages["GET /api/v2/status"] = page{200, `{"versionInfo":{"version":"0.21.0"}}`}
	*posted = ""
	if _, err := c.Silence(t.Context(), s); sources.KindOf(err) != sources.TooOld || *posted != "" {
		t.Errorf("a server that drops the sign would mute the opposite: %v, posted %q", err, *posted)
	}
	pages["POST /api/v2/silences"] = page{200, `{}`}
	if _, err := c.Silence(t.Context(), wanted()); sources.KindOf(err) != sources.BadAnswer {
		t.Errorf("no id: %v", err)
	}
	pages["POST /api/v2/silences"] = page{400, `"bad matcher format"`}
	if _, err := c.Silence(t.Context(), wanted()); sources.KindOf(err) != sources.BadQuestion || !strings.Contains(err.Error(), "HTTP 400: bad matcher format") {
		t.Errorf("refused: %v", err)
	}
}

func TestSilenceIsRefusedBeforeItIsSent(t *testing.T) {
	c, posted := serve(t, "", map[string]page{"POST /api/v2/silences": {200, `{"silenceID":"x"}`}})
	for name, spoil := range map[string]func(*sources.Silence){
		"no matcher":                  func(s *sources.Silence) { s.Matchers = nil },
		"no label":                    func(s *sources.Silence) { s.Matchers[0].Name = "" },
		"mutes everything: empty":     func(s *sources.Silence) { s.Matchers[0].Value = "" },
		"mutes everything: regexp":    func(s *sources.Silence) { s.Matchers[0] = sources.Matcher{Name: "a", Value: ".*", Regexp: true} },
		"mutes everything: unlike":    func(s *sources.Silence) { s.Matchers[0].Negative = true },
		"no regexp":                   func(s *sources.Silence) { s.Matchers[0] = sources.Matcher{Name: "a", Value: "(", Regexp: true} },
		"no end":                      func(s *sources.Silence) { s.Ends = time.Time{} },
		"ends before it starts":       func(s *sources.Silence) { s.Starts = s.Ends.Add(time.Minute) },
		"over before it is asked for": func(s *sources.Silence) { s.Starts, s.Ends = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour) },
		"no author":                   func(s *sources.Silence) { s.Author = " " },
		"no comment":                  func(s *sources.Silence) { s.Comment = "" },
	} {
		s := wanted()
		spoil(&s)
		if _, err := c.Silence(t.Context(), s); sources.KindOf(err) != sources.BadQuestion || *posted != "" {
			t.Errorf("%s: %v, posted %q", name, err, *posted)
		}
	}
}

func TestExpire(t *testing.T) {
	const ended, stuck = "DELETE /api/v2/silence/ended", "DELETE /api/v2/silence/stuck"
	const unknown = "DELETE /api/v2/silence/unknown"
	c, _ := serve(t, "", map[string]page{
		"DELETE /api/v2/silence/ok": {200, ""},
		ended:                       {500, `"silence already expired"`},
		"GET /api/v2/silence/ended": {200, `{"id":"ended","status":{"state":"expired"}}`},
		unknown:                     {500, `"silence not found"`},
		stuck:                       {500, `"disk full"`},
		"GET /api/v2/silence/stuck": {200, `{"id":"stuck","status":{"state":"active"}}`},
	})
	for id, want := range map[string]sources.Kind{"ok": 0, "ended": 0, "stuck": sources.BadAnswer, "gone": sources.NotFound, "unknown": sources.NotFound, "": sources.BadQuestion, "../alerts": sources.BadQuestion, "a?b": sources.BadQuestion} {
		if err := c.Expire(t.Context(), id); sources.KindOf(err) != want || (want == 0) != (err == nil) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestBadDays(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   sources.Kind
		says   string
	}{
		{"a gateway", 502, "<html>bad gateway</html>", sources.Unreachable, "a web page"},
		{"starting", 503, "starting", sources.Unreachable, "starting"},
		{"no login", 401, "", sources.Unauthorised, "password or token"},
		{"not allowed", 403, "read only", sources.Forbidden, "read only"},
		{"another server", 404, "404 page not found", sources.NotFound, "path prefix"},
		{"too often", 429, "", sources.OverLimit, "ask for less"},
		{"unprocessable", 422, `{"code":602,"message":"matchers in body is required"}`, sources.BadQuestion, "HTTP 422: matchers in body"},
		{"broken", 500, `"oh"`, sources.BadAnswer, "own log"},
		{"a login page", 200, "<html>", sources.BadAnswer, "login page"},
		{"a redirect that is not followed", 304, "", sources.BadAnswer, "redirects"},
		{"nothing", 200, "", sources.BadAnswer, "empty"},
		{"cut off", 200, `[{"labels":{"a":`, sources.BadAnswer, "cut off"},
		{"another shape", 200, `{"status":"success"}`, sources.BadAnswer, "cannot understand"},
		{"a wrong time", 200, `[{"startsAt":"yesterday"}]`, sources.BadAnswer, "cannot understand"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, "", map[string]page{"GET /api/v2/alerts": {tc.status, tc.body}})
			got, err := c.Alerts(t.Context())
			if sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" || !strings.Contains(err.Error(), tc.says) || got != nil {
				t.Errorf("%v %v", got, err)
			}
		})
	}
}

func TestNullIsNothing(t *testing.T) {
	c, _ := serve(t, "", map[string]page{"GET /api/v2/alerts": {200, "null"}, "GET /api/v2/silences": {200, `[{"id":"x","matchers":null}]`}})
	if got, err := c.Alerts(t.Context()); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if got, err := c.Silences(t.Context()); err != nil || len(got) != 1 || got[0].State != "" {
		t.Error(got, err)
	}
}

func TestOnlyV1(t *testing.T) {
	c, _ := serve(t, "", map[string]page{"GET /api/v1/status": {200, `{"status":"success","data":{"versionInfo":{"version":"0.15.3"}}}`}})
	if _, err := c.Alerts(t.Context()); sources.KindOf(err) != sources.TooOld || !strings.Contains(err.Error(), "0.16") {
		t.Error(err)
	}
	if p := c.Probe(t.Context()); p.State != sources.Faulty || !strings.Contains(p.Fix, "0.16") {
		t.Errorf("%+v", p)
	}
	// Prometheus has a v1 of its own, which is not Alertmanager's.
	c, _ = serve(t, "", map[string]page{"GET /api/v1/status": {404, ""}})
	if _, err := c.Alerts(t.Context()); sources.KindOf(err) != sources.NotFound {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	pages := map[string]page{
		"GET /api/v2/status":        {200, `{"versionInfo":{"version":"0.27.0"},"cluster":{"status":"settling"}}`},
		"GET /api/v2/alerts":        {200, `[]`},
		"GET /api/v2/alerts/groups": {200, `[]`},
		"GET /api/v2/silences":      {200, `[]`},
	}
	c, _ := serve(t, "", pages)
	p := c.Probe(t.Context())
	if p.State != sources.Live || p.Version != "0.27.0" || len(p.Allows) != 4 || len(p.Missing) != 0 || !strings.Contains(p.Fix, "settling") || p.Name != "alertmanager" {
		t.Errorf("%+v", p)
	}
	delete(pages, "GET /api/v2/silences")
	if p := c.Probe(t.Context()); p.State != sources.Live || strings.Join(p.Missing, ",") != "silences" || p.Fix == "" {
		t.Errorf("%+v", p)
	}
	pages["GET /api/v2/alerts"] = page{401, ""}
	if p := c.Probe(t.Context()); p.State != sources.NoAuth || !strings.Contains(p.Fix, "token") {
		t.Errorf("%+v", p)
	}
}

func TestAwayCancelledAndWrong(t *testing.T) {
	c, _ := serve(t, "", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Alerts(ctx); !errors.Is(err, context.Canceled) || sources.KindOf(err) != 0 {
		t.Errorf("what we gave up is no failure of the source: %v", err)
	}
	for _, addr := range []string{"", "localhost:9093", "ftp://x"} {
		if _, err := New(Options{Access: sources.Access{Address: addr}}); err == nil {
			t.Errorf("%q is taken for an address", addr)
		}
	}
	away, err := New(Options{Access: sources.Access{Address: "http://u:geheim@127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := away.Groups(t.Context()); sources.KindOf(err) != sources.Unreachable || strings.Contains(err.Error(), "geheim") {
		t.Error(err)
	}
}

// A redirect to another host must not carry the login there.
func TestLoginStaysAtItsHost(t *testing.T) {
	login := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { login = r.Header.Get("Authorization") }))
	defer other.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }))
	defer s.Close()
	c, err := New(Options{Access: sources.Access{Address: s.URL, BearerToken: "geheim"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Alerts(t.Context()); sources.KindOf(err) != sources.BadAnswer || login != "" {
		t.Errorf("%v, the other host was given %q", err, login)
	}
}

func TestTimeRunsOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	c, err := New(Options{Access: sources.Access{Address: s.URL, Timeout: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Alerts(t.Context()); sources.KindOf(err) != sources.Unreachable || !strings.Contains(err.Error(), "in time") {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(twoAlerts))
	f.Add([]byte(`[{"labels":null,"receivers":[null],"status":null}]`))
	f.Add([]byte(`[null]`))
	f.Add([]byte(`[{"matchers":[null],"status":{"state":"expired"}}]`))
	c := &Client{labels: sources.AlertLabels}
	f.Fuzz(func(t *testing.T, b []byte) {
		var alerts []wireAlert
		if json.Unmarshal(b, &alerts) == nil {
			if got := c.alerts(alerts); len(got) != len(alerts) {
				t.Errorf("%d of %d alerts", len(got), len(alerts))
			}
		}
		var silences []wireSilence
		if json.Unmarshal(b, &silences) == nil {
			for _, s := range silences {
				if got := silence(s); len(got.Matchers) != len(s.Matchers) {
					t.Error("matchers are lost")
				}
			}
		}
	})
}
