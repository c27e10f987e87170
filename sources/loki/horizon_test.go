package loki

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

const (
	day        = 24 * time.Hour
	keepsMonth = "limits_config:\n  retention_period: 31d\n  max_query_length: 30d1h\n  max_query_lookback: 0s\ncompactor:\n  retention_enabled: true\n"
	keepsAll   = "limits_config:\n  retention_period: 31d\ncompactor:\n  retention_enabled: false\nschema_config:\n  configs:\n    - from: \"2025-01-01\"\n    - from: \"2024-01-01\"\n"
)

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// Whatever the server answers about its limits, the horizon is what it tells, or unknown with the reason.
func TestHorizonOfWhatTheServerTells(t *testing.T) {
	notFound := answers(404, "404 page not found")
	for name, c := range map[string]struct {
		config, limits http.HandlerFunc
		ago            time.Duration // 0: not known
		at             time.Time
		why            string
	}{
		"retention":           {answers(200, keepsMonth), notFound, 31*day + deleteSlack, time.Time{}, "loki keeps 31 days"},
		"the tenant's":        {answers(200, keepsMonth), answers(200, `{"limits":{"retention_period":"7d"}}`), 7*day + deleteSlack, time.Time{}, "loki keeps 7 days"},
		"not published":       {answers(200, keepsMonth), answers(200, `{"limits":{"volume_enabled":true}}`), 31*day + deleteSlack, time.Time{}, "loki keeps 31 days"},
		"a stream longer":     {answers(200, keepsMonth), answers(200, `{"limits":{"retention_stream":[{"period":"90d","selector":"{a=\"b\"}"}]}}`), 90*day + deleteSlack, time.Time{}, "loki keeps 90 days"},
		"lookback":            {answers(403, "no"), answers(200, `{"limits":{"max_query_lookback":"14d"}}`), 14 * day, time.Time{}, "loki answers for 14 days (max_query_lookback)"},
		"start":               {answers(200, keepsAll), notFound, 0, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), "the start of what loki has"},
		"403":                 {answers(403, "forbidden"), answers(403, "forbidden"), 0, time.Time{}, "could not ask how far back: "},
		"404":                 {notFound, notFound, 0, time.Time{}, "could not ask how far back: "},
		"500":                 {answers(500, ""), answers(500, ""), 0, time.Time{}, "could not ask how far back: "},
		"missing":             {answers(200, ""), answers(200, `{}`), 0, time.Time{}, "could not ask how far back: "},
		"garbage":             {answers(200, "\x00\x01: ]["), answers(200, "\x00"), 0, time.Time{}, "could not ask how far back: "},
		"another's":           {answers(200, "global:\n  scrape_interval: 1m\n"), answers(200, `[]`), 0, time.Time{}, "could not ask how far back: "},
		"a web page":          {answers(200, "<html><title>login</title>"), answers(200, "<html>"), 0, time.Time{}, "could not ask how far back: "},
		"huge":                {answers(200, keepsMonth+strings.Repeat("# x\n", maxConfig/4)), notFound, 0, time.Time{}, "more than"},
		"huge number":         {answers(200, "limits_config: {retention_period: 99999999999999y}"), notFound, 0, time.Time{}, "could not ask how far back: "},
		"below zero":          {answers(200, "limits_config: {retention_period: -5d}"), notFound, 0, time.Time{}, "could not ask how far back: "},
		"a start to come":     {answers(200, "schema_config: {configs: [{from: \"2999-01-01\"}]}"), notFound, 0, time.Time{}, "does not say how far back"},
		"a start in disorder": {answers(200, "schema_config: {configs: [{from: \"yesterday\"}]}"), notFound, 0, time.Time{}, "does not say how far back"},
		"whether it deletes":  {answers(403, "no"), answers(200, `{"limits":{"retention_period":"31d"}}`), 0, time.Time{}, "could not ask whether it deletes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			asked := 0
			both := func(w http.ResponseWriter, r *http.Request) bool {
				switch r.URL.Path {
				case "/config":
					asked++
					c.config(w, r)
				case "/loki/api/v1/drilldown-limits":
					c.limits(w, r)
				default:
					return false
				}
				return true
			}
			f.before.Store(&both)
			l := httpTarget(f.URL).client(t)
			for range 2 {
				h := l.Horizon(t.Context())
				if !strings.Contains(h.Why, c.why) {
					t.Errorf("says %q, want %q", h.Why, c.why)
				}
				want := c.at
				if c.ago > 0 {
					want = time.Now().Add(-c.ago)
				}
				if h.Oldest.IsZero() != want.IsZero() || h.Oldest.Sub(want).Abs() > time.Minute {
					t.Errorf("back to %s, want %s", h.Oldest, want)
				}
			}
			if asked > 1 && name != "500" { // a server that may be back is asked again
				t.Errorf("the configuration was read %d times", asked)
			}
		})
	}
}

// A refusal that names the lookback ends the range with a gap and tells the horizon; one that names the longest range is kept to.
func TestHorizonOfRefusals(t *testing.T) {
	f := newFake(t)
	l := httpTarget(f.URL).client(t)
	asked := 0
	f.onPath("/query_range", func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, "this data is no longer available, it is past now - max_query_lookback (10d)", http.StatusBadRequest)
	})
	now := time.Now()
	for _, forward := range []bool{false, true} {
		asked = 0
		page, err := l.Query(t.Context(), sources.LogQuery{Services: []string{"a"}, Since: now.Add(-40 * day), Until: now, Forward: forward})
		if err != nil || len(page.Gaps) == 0 || !strings.Contains(page.Gaps[0].Reason, "10 days (max_query_lookback)") || asked > 2 {
			t.Errorf("forward %v: %v, gaps %v, %d questions", forward, err, page.Gaps, asked)
		}
	}
	if h := l.Horizon(t.Context()); h.Oldest.Sub(now.Add(-10*day)).Abs() > time.Minute || !strings.Contains(h.Why, "10 days") {
		t.Errorf("horizon %+v", h)
	}
	for limit, want := range map[string]int{"5d": 12, "1ns": 0, "0s": 0, "99999999999y": 0} { // 12: 15m, 2h and 16h, a refusal, eight times the longest
		l, n := httpTarget(f.URL).client(t), 0
		f.onPath("/query_range", func(w http.ResponseWriter, r *http.Request) {
			n++
			from, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
			to, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
			if want == 0 || to-from > int64(5*day) {
				http.Error(w, "the query time range exceeds the limit (query length: 960h0m0s, limit: "+limit+")", http.StatusBadRequest)
				return
			}
			writeData(w, map[string]any{"resultType": "streams", "result": []any{}})
		})
		_, err := l.Query(t.Context(), sources.LogQuery{Services: []string{"a"}, Since: now.Add(-40 * day), Until: now})
		if want == 0 && (err == nil || n > 40) || want > 0 && (err != nil || n != want) {
			t.Errorf("limit %s: %d questions, %v", limit, n, err)
		}
	}
}
