package prometheus

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"quarterdeck/sources"
)

// TestPlace: | is the cursor.
func TestPlace(t *testing.T) {
	for query, want := range map[string]place{
		"|":                                    {kind: placeOperand},
		"ra|":                                  {kind: placeOperand, word: "ra"},
		"rate(con|tainer":                      {kind: placeOperand, word: "con", function: "rate"},
		"sum |":                                {kind: placeAfterAgg},
		"sum b|":                               {kind: placeAfterAgg, word: "b"},
		"sum by (|":                            {kind: placeBy},
		"sum by (job, no|) (up)":               {kind: placeBy, word: "no"},
		"sum by (job) (|":                      {kind: placeOperand},
		"up{|":                                 {kind: placeLabel, selector: "up"},
		"up{jo|=\"x\"}":                        {kind: placeLabel, selector: "up", word: "jo", matched: true},
		"up{job=\"a\", n|":                     {kind: placeLabel, selector: `up{job="a"}`, word: "n"},
		"up{job=|":                             {kind: placeValue, label: "job", selector: "up"},
		"up{job=\"|":                           {kind: placeValue, label: "job", selector: "up", quote: '"'},
		"up{job=\"ab|c\"}":                     {kind: placeValue, label: "job", selector: "up", quote: '"', word: "ab"},
		"up{job=~'ab|c|d'}":                    {kind: placeValue, label: "job", selector: "up", quote: '\'', word: "ab", regex: true},
		"sum(rate(a{b=\"c\", d!=\"|":           {kind: placeValue, label: "d", selector: `a{b="c"}`, quote: '"'},
		"{__name__=\"u|":                       {kind: placeValue, label: "__name__", quote: '"', word: "u"},
		"{\"u|":                                {kind: placeValue, label: "__name__", quote: '"', word: "u"},
		"up |":                                 {kind: placeOperator},
		"up{} o|":                              {kind: placeOperator, word: "o"},
		"rate(up[|":                            {kind: placeDuration},
		"rate(up[5|":                           {kind: placeDuration, word: "5"},
		"rate(up[5m:$__|":                      {kind: placeDuration, word: "$__"},
		"rate(up[$__ra|":                       {kind: placeDuration, word: "$__ra"},
		"up offset |":                          {kind: placeDuration},
		"up @ |":                               {kind: placeAt},
		"up + |":                               {kind: placeOperand, binary: true},
		"up > |":                               {kind: placeOperand, binary: true, compares: true},
		"-|":                                   {kind: placeOperand},
		"up # note |":                          {},
		"label_replace(up, \"a|":               {},
		"sum by |":                             {},
		"up{job=\"a\"} * on (|":                {kind: placeBy},
		"x{a=\"$service\", b=\"|":              {kind: placeValue, label: "b", selector: "x", quote: '"'},
		"rate(x[$__rate_interval]) / rate(y{|": {kind: placeLabel, selector: "y"},
		"up ? |":                               {},
	} {
		at := strings.Index(query, "|")
		if strings.Count(query, "|") > 1 && strings.Contains(query, "=~'") { // one of them is the expression's
			at = strings.Index(query, "|c")
		}
		text := query[:at] + query[at+1:]
		p := placeIn(text, at)
		if p.kind == placeNone {
			p = place{}
		}
		got := p
		got.from, got.to = 0, 0
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", query, got, want)
		}
		if p.kind != placeNone && (p.from > at || p.to < at || p.to > len(text)) {
			t.Errorf("%s: replaces %d..%d", query, p.from, p.to)
		}
	}
}

func TestMetricsIn(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (a) (rate(x{y="z"}[5m])) / on (b) c:d + time()`: "x c:d",
		`rate(x[$__rate_interval]) > 1`:                         "x",
		`a + b + c + d`:                                         "a b c",
		``:                                                      "",
	} {
		if got := strings.Join(metricsIn(query), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// catalogFake answers the questions of names as Prometheus does.
func catalogFake(t *testing.T) (*fake, *Client) {
	f := newFake(t)
	f.paths["/api/v1/label/__name__/values"] = `{"status":"success","data":["container_last_seen","http.requests","jobs","lab_http_requests_total","up"]}`
	f.paths["/api/v1/metadata"] = `{"status":"success","data":{"up":[{"type":"gauge","help":"Is it there","unit":""}],"jobs":[{"type":"counter","help":"Jobs","unit":""}]}}`
	f.paths["/api/v1/labels"] = `{"status":"success","data":["__name__","job","node","swarm.service"]}`
	f.paths["/api/v1/label/job/values"] = `{"status":"success","data":["cadvisor","we\"ird","workload"]}`
	f.paths["/api/v1/label/none/values"] = `{"status":"success","data":[]}`
	return f, f.client(t, Options{ScrapeInterval: DefaultScrape})
}

func TestComplete(t *testing.T) {
	_, c := catalogFake(t)
	for _, tc := range []struct{ before, after, becomes, first, reason string }{
		{"", "", "container_last_seen|", "metric", ""},
		{"rate(", ")", "rate(jobs|)", "metric counter Jobs", ""}, // what only grows is first
		{"u", "", "up|", "metric gauge Is it there", ""},
		{"last", "", "last_over_time(|)", "function range[…]", ""},
		{"sum(requ", ")", "sum({\"http.requests\"}|)", "metric", ""},
		{"su", "", "sum(|)", "aggregation", ""},
		{"sum b", "", "sum by (|)", "keyword", ""},
		{"up{jo", "}", "up{job=\"|\"}", "label", ""},
		{"up{jo", "=\"x\"}", "up{job|=\"x\"}", "label", ""},
		{"up{swa", "}", "up{\"swarm.service\"=\"|\"}", "label", ""},
		{"up{job=\"wo", "\"}", "up{job=\"workload|\"}", "value", ""},
		{"up{job=\"we\\\"", "", "up{job=\"we\\\"ird|", "value", ""},
		{"up{job=", "}", "up{job=\"cadvisor\"|}", "value", ""},
		{"up{job=~\"cadvisor|wor", "\"}", "up{job=~\"cadvisor|workload|\"}", "value", ""},
		{"sum by (n", ") (up)", "sum by (node|) (up)", "label", ""},
		{"rate(up[1", "])", "rate(up[1m|])", "duration", ""},
		{"rate(up[", "])", "rate(up[$__rate_interval|])", "duration as wide as the step needs", ""},
		{"up{none=\"", "\"}", "up{none=\"|\"}", "", "no series of the last hour has a value of none with up"},
		{"up ", "", "up and |", "operator", ""},
	} {
		query := tc.before + tc.after
		got, err := c.Complete(t.Context(), query, len(tc.before))
		if err != nil {
			t.Errorf("%s|%s: %v", tc.before, tc.after, err)
			continue
		}
		text, first := tc.before+"|"+tc.after, ""
		if len(got.Offers) > 0 {
			o := got.Offers[0]
			first = strings.TrimSpace(string(o.Kind) + " " + o.Note)
			text = query[:got.From] + o.Text[:len(o.Text)-o.Back] + "|" + o.Text[len(o.Text)-o.Back:] + query[got.To:]
		}
		if text != tc.becomes || first != tc.first || got.Reason != tc.reason {
			t.Errorf("%s|%s: becomes %s (%s, %s), want %s (%s)", tc.before, tc.after, text, first, got.Reason, tc.becomes, tc.first)
		}
	}
}

// TestCompleteRemembers: a key pressed is not a question asked.
func TestCompleteRemembers(t *testing.T) {
	f, c := catalogFake(t)
	for _, word := range []string{"u", "up", "u", "upp", "jo"} {
		if _, err := c.Complete(t.Context(), word, len(word)); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	asked := len(f.queries)
	f.mu.Unlock()
	if asked != 2 { // names, and what is said of them
		t.Errorf("asked %d times", asked)
	}
	for i := range 3 * maxShelves {
		if _, err := c.Complete(t.Context(), "up{job=\"a\", x"+strings.Repeat("y", i)+"=\"", 0); err != nil {
			t.Fatal(err)
		}
		_, _ = c.valuesOf(t.Context(), strings.Repeat("y", i+1), "")
	}
	if n := len(c.catalog.shelves); n > maxShelves || len(c.catalog.order) != n {
		t.Errorf("%d shelves of %d are kept, %d in order", n, maxShelves, len(c.catalog.order))
	}
}

// TestCompleteWithoutServer: what is known without it is offered, and why the rest is not.
func TestCompleteWithoutServer(t *testing.T) {
	f := newFake(t)
	c := f.client(t, Options{ScrapeInterval: DefaultScrape})
	got, err := c.Complete(t.Context(), "rat", 3)
	if sources.KindOf(err) != sources.NotFound || len(got.Offers) == 0 || got.Offers[0].Text != "rate()" || got.Reason == "" {
		t.Errorf("%+v %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Complete(ctx, "rat", 3); err == nil || sources.KindOf(err) != 0 {
		t.Errorf("cancelled: %v", err)
	}
}

// TestManyNames: a huge server costs what is kept, and no more.
func TestManyNames(t *testing.T) {
	f := newFake(t)
	names := make([]string, maxNames+500)
	for i := range names {
		names[i] = `"m` + strings.Repeat("x", i%40) + `"`
	}
	f.paths["/api/v1/label/__name__/values"] = `{"status":"success","data":[` + strings.Join(names, ",") + `]}`
	f.paths["/api/v1/labels"] = f.paths["/api/v1/label/__name__/values"]
	c := f.client(t, Options{ScrapeInterval: DefaultScrape})
	got, err := c.Complete(t.Context(), "m", 1)
	if err != nil || len(got.Offers) != sources.MaxOffers || got.More < maxNames-sources.MaxOffers {
		t.Errorf("%d offers and %d more: %v", len(got.Offers), got.More, err)
	}
	if _, err := c.Complete(t.Context(), "up{", 3); err != nil {
		t.Error(err)
	}
	for _, m := range c.catalog.shelves {
		if len(m.state.value) > maxValues {
			t.Errorf("%d labels are kept", len(m.state.value))
		}
	}
}

// TestErrorPlace: the server's words stay, and the place in them is known.
func TestErrorPlace(t *testing.T) {
	f := newFake(t, rule{"sum(", `bad_data: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`}, rule{"x", "bad_data: many-to-many matching 1:5: not allowed"})
	c := f.client(t, Options{ScrapeInterval: DefaultScrape})
	_, err := c.Range(t.Context(), "sum(", lastQuarter())
	if line, column := sources.PlaceOf(err); line != 1 || column != 5 || !strings.Contains(err.Error(), "unclosed left parenthesis") {
		t.Errorf("%d:%d %v", line, column, err)
	}
	_, err = c.Instant(t.Context(), "x", time.Time{})
	if line, _ := sources.PlaceOf(err); line != 0 || err == nil {
		t.Errorf("%d %v", line, err)
	}
}

// TestVariables: Grafana's words of time are filled by the rules of SIGNALS.md.
func TestVariables(t *testing.T) {
	f := newFake(t)
	c := f.client(t, Options{ScrapeInterval: 15 * time.Second})
	now := time.Now()
	w := sources.Window{Start: now.Add(-6 * time.Hour), End: now, Points: 180}
	a, err := c.Range(t.Context(), "rate(x[$__rate_interval]) + y[${__interval}] + z[$__range]", w)
	if err != nil || a.Query != "rate(x[2m15s]) + y[2m] + z[6h]" {
		t.Errorf("%s %v", a.Query, err)
	}
	a, err = c.Instant(t.Context(), "rate(x[$__rate_interval])", now)
	if err != nil || a.Query != "rate(x[1m])" {
		t.Errorf("%s %v", a.Query, err)
	}
}

func FuzzComplete(f *testing.F) {
	for _, q := range []string{"", "up", "sum by (a) (rate(x{y=\"z\"}[5m]))", "{__name__=~\"a|b", "x[", "x['", "`", "\"\\", "$a{$b", "#", "a\n#b", "{{", "x{a=\"$s\",b=`", "日本{"} {
		f.Add(q, len(q))
	}
	c := &Client{catalog: newCatalog()}
	// Every name is known already: no server is asked.
	c.catalog.names.state.value, c.catalog.names.state.until = namesFinding{names: []string{"up", "x", "a b", "日本"}}, time.Now().Add(time.Hour)
	f.Fuzz(func(t *testing.T, q string, at int) {
		p := placeIn(q, at)
		at = min(max(at, 0), len(q))
		if p.kind == placeNone {
			return
		}
		if p.from < 0 || p.from > at || p.to < at || p.to > len(q) || p.word != q[p.from:at] {
			t.Fatalf("%q at %d: %+v", q, at, p)
		}
		if p.kind != placeOperand && p.kind != placeOperator {
			return
		}
		got, err := c.Complete(context.Background(), q, at)
		if err != nil || len(got.Offers) > sources.MaxOffers {
			t.Fatalf("%q at %d: %d offers, %v", q, at, len(got.Offers), err)
		}
		for _, o := range got.Offers {
			if o.Back > len(o.Text) || !utf8.ValidString(o.Text) {
				t.Fatalf("%q: %+v", q, o)
			}
		}
	})
}

// BenchmarkComplete is a key pressed with 20,000 names remembered.
func BenchmarkComplete(b *testing.B) {
	c := &Client{catalog: newCatalog()}
	names := make([]string, maxNames)
	for i := range names {
		names[i] = "some_subsystem_number_" + strings.Repeat("a", i%7) + "_seconds_total"
	}
	c.catalog.names.state.value, c.catalog.names.state.until = namesFinding{names: names}, time.Now().Add(time.Hour)
	for b.Loop() {
		if got, err := c.Complete(context.Background(), "sum(rate(seco", 13); err != nil || len(got.Offers) == 0 {
			b.Fatal(err)
		}
	}
}
