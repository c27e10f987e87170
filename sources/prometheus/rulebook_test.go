package prometheus

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestThresholdOf(t *testing.T) {
	for _, tc := range []struct {
		query, watched, op string
		value              float64
		also, reason       string
	}{
		{`up == 0`, `up`, "==", 0, "", ""},
		{`a / b > 0.05`, `a / b`, ">", 0.05, "", ""},
		{`0.1 > a`, `a`, "<", 0.1, "", ""},
		{`(rate(x[5m]) >= -2 * 5)`, `rate(x[5m])`, ">=", -10, "", ""},
		{`a > 80 / 100 and on (x) b > 3`, `a`, ">", 0.8, "and b > 3", ""},
		{`(a < 5 unless b) and c`, `a`, "<", 5, "unless b and c", ""},
		{`sum by (job) (a) != 2 ^ 3`, `sum by (job) (a)`, "!=", 8, "", ""},
		{`histogram_quantile(0.95, sum by (le) (rate(x_bucket[2m]))) > 1.25`, `histogram_quantile(0.95, sum by (le) (rate(x_bucket[2m])))`, ">", 1.25, "", ""},
		{`a > Inf`, `a`, ">", 0, "", ""},
		{`absent(up{job="x"})`, `absent(up{job="x"})`, "", 0, "", "compares nothing"},
		{`a > 5 or b > 7`, `a > 5 or b > 7`, "", 0, "", "or"},
		{`a > b`, `a > b`, "", 0, "", "two series"},
		{`a > bool 5`, `a > bool 5`, "", 0, "", "bool"},
		{`a +`, `a +`, "", 0, "", "cannot be parsed"},
		{strings.Repeat("(", 500) + "a > 1" + strings.Repeat(")", 500), "", "", 0, "", "too deep"},
		{strings.Repeat("a", maxQuery+1), "", "", 0, "", "too long"},
	} {
		got := ThresholdOf(tc.query)
		if tc.watched != "" && got.Watched != tc.watched || got.Op != tc.op || got.Known() != (tc.op != "") {
			t.Errorf("%.60s: %+v", tc.query, got)
		}
		if tc.query != `a > Inf` && got.Value != tc.value {
			t.Errorf("%.60s: value %v, want %v", tc.query, got.Value, tc.value)
		}
		if strings.Join(strings.Fields(strings.ReplaceAll(got.Also, "on (x) ", "")), " ") != tc.also || (got.Reason == "") != (tc.reason == "") || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("%.60s: also %q, reason %q", tc.query, got.Also, got.Reason)
		}
	}
}

// FuzzThreshold: any text is taken apart or refused with a reason, and what is watched can be asked again.
func FuzzThreshold(f *testing.F) {
	for _, q := range []string{`a > 5`, `5 < a and b`, `(((a)))`, `-1 - -2 >= x`, `a > bool 1`, `absent(x) or y`, "", "\x00", `a{b="\xff"} == 1`, `x == -5 offset 5m`, `sum(a) by (b) > 1 / 0`} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		got := ThresholdOf(q)
		if got.Known() == (got.Reason != "") {
			t.Errorf("%q: %+v", q, got)
		}
		if got.Known() {
			if _, err := queries.ParseExpr(got.Watched); err != nil {
				t.Errorf("%q: what is watched cannot be asked: %q: %v", q, got.Watched, err)
			}
		}
	})
}

const threeRules = `{"status":"success","data":{"groups":[{"name":"g","file":"f","interval":15,"rules":[
 {"type":"alerting","name":"High","query":"errors > 0.01","duration":60,"labels":{"severity":"warning"},"annotations":{},"alerts":[],"health":"ok","state":"inactive"},
 {"type":"alerting","name":"High","query":"errors > 0.05","duration":30,"labels":{"severity":"critical"},"annotations":{},"alerts":[],"health":"ok","state":"firing"},
 {"type":"alerting","name":"Other","query":"up == 0","duration":0,"labels":{"team":"{{ $labels.x }}"},"annotations":{},"alerts":[],"health":"ok","state":"inactive"},
 {"type":"recording","name":"Rec","query":"sum(up)","health":"ok"}]}]}}`

func TestRuleOf(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/rules"] = threeRules
	c := f.client(t, Options{})
	for _, tc := range []struct {
		about string
		a     sources.Alert
		query string
		kind  sources.Kind
	}{
		{"by its labels", sources.Alert{Name: "High", Labels: map[string]string{"severity": "critical", "service": "x"}}, "errors > 0.05", 0},
		{"by its labels, the other", sources.Alert{Name: "High", Labels: map[string]string{"severity": "warning"}}, "errors > 0.01", 0},
		{"a template is the alert's own", sources.Alert{Name: "Other", Labels: map[string]string{"team": "a"}}, "up == 0", 0},
		{"by its link where labels were rewritten", sources.Alert{Name: "High", Labels: map[string]string{"severity": "page"}, Generator: "http://p/graph?g0.expr=errors+%3E+0.05&g0.tab=1"}, "errors > 0.05", 0},
		{"gone: its link has the query", sources.Alert{Name: "Gone", Generator: "http://p/graph?g0.expr=x+%3C+1"}, "x < 1", 0},
		{"a recording rule makes no alert", sources.Alert{Name: "Rec"}, "", sources.NotFound},
		{"nobody's", sources.Alert{Name: "Gone", Generator: "::not a link"}, "", sources.NotFound},
	} {
		r, th, err := c.RuleOf(t.Context(), &tc.a)
		if r.Query != tc.query || sources.KindOf(err) != tc.kind || (tc.query != "") != th.Known() {
			t.Errorf("%s: %q %+v %v", tc.about, r.Query, th, err)
		}
	}
	delete(f.paths, "/api/v1/rules") // Thanos' querier has no rules, and an alert has its link all the same
	if r, _, err := c.RuleOf(t.Context(), &sources.Alert{Name: "High", Generator: "http://p/graph?g0.expr=x+%3C+1"}); err != nil || r.Query != "x < 1" {
		t.Errorf("%+v %v", r, err)
	}
	if _, _, err := c.RuleOf(t.Context(), &sources.Alert{Name: "High"}); sources.KindOf(err) != sources.NotFound {
		t.Error(err)
	}
}

// TestFired: what fired before the window has no beginning, what fires at its end no end, and a hole parts two times.
func TestFired(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(steps ...int) string {
		var b []string
		for _, s := range steps {
			b = append(b, `[`+strconv.FormatInt(start.Unix()+int64(s)*15, 10)+`,"1"]`)
		}
		return strings.Join(b, ",")
	}
	f := newFake(t, rule{"ALERTS", `{"resultType":"matrix","result":[
	 {"metric":{"__name__":"ALERTS","alertname":"A","alertstate":"firing","severity":"critical","swarm_service":"shop_web"},"values":[` + at(0, 1, 2, 8, 9, 10) + `]},
	 {"metric":{"__name__":"ALERTS","alertname":"B","alertstate":"firing"},"values":[` + at(19, 20) + `]}]}`})
	c := f.client(t, Options{})
	got, err := c.Fired(t.Context(), sources.Window{Start: start, End: start.Add(20 * 15 * time.Second), Step: 15 * time.Second})
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	early, second, b := got[0], got[1], got[2]
	if !early.Since.IsZero() || !early.Ends.Equal(start.Add(45*time.Second)) || early.Service != "shop_web" || early.Severity != "critical" || early.Labels["alertstate"] != "" {
		t.Errorf("%+v", early)
	}
	if !second.Since.Equal(start.Add(120*time.Second)) || !second.Ends.Equal(start.Add(165*time.Second)) || second.Fingerprint != early.Fingerprint {
		t.Errorf("%+v", second)
	}
	if b.Name != "B" || !b.Since.Equal(start.Add(19*15*time.Second)) || !b.Ends.IsZero() {
		t.Errorf("%+v", b)
	}
	if _, err := c.Fired(t.Context(), sources.Window{Start: start, End: start.Add(7 * 24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if q := f.queries[len(f.queries)-1].Get("query"); !strings.Contains(q, "max_over_time") {
		t.Errorf("over a week an alert between two steps would be lost: %s", q)
	}
}
