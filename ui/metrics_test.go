package ui

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/sources"
)

// asker is a source that answers queries by hand: n series, or a mistake; and remembers what it was asked.
type asker struct {
	*stub
	n     int
	err   error
	asked []string
}

func (a *asker) Instant(_ context.Context, query string, at time.Time) (sources.MetricsAnswer, error) {
	a.asked = append(a.asked, query)
	if strings.HasPrefix(query, "count(") {
		return sources.MetricsAnswer{Query: query, Series: []sources.Series{{Points: []sources.Point{{T: at, V: float64(a.n)}}}}}, nil
	}
	return sources.MetricsAnswer{Query: query, Series: hosts(a.n, at, at)}, a.err
}

func (a *asker) Range(_ context.Context, query string, w sources.Window) (sources.MetricsAnswer, error) {
	a.asked = append(a.asked, query)
	if a.err != nil {
		return sources.MetricsAnswer{Query: query}, a.err
	}
	return sources.MetricsAnswer{Query: query, Series: hosts(min(a.n, 40), w.Start, w.End)}, nil
}

func (a *asker) Complete(_ context.Context, query string, at int) (sources.Completion, error) {
	a.asked = append(a.asked, "complete "+query[:at])
	from := strings.LastIndexAny(query[:at], " (") + 1
	return sources.Completion{From: from, To: at, Offers: []sources.Offer{{Text: "rate()", Kind: sources.OfferFunction, Note: "range[…]", Back: 1}, {Text: "requests_total", Kind: sources.OfferMetric}}, More: 3}, nil
}

// hosts are series that rise by their number.
func hosts(n int, from, to time.Time) []sources.Series {
	var out []sources.Series
	for i := range n {
		s := sources.Series{Labels: map[string]string{"job": "a", "instance": fmt.Sprint("host", i)}}
		for t := from; !t.After(to); t = t.Add(time.Minute) {
			s.Points = append(s.Points, sources.Point{T: t, V: float64(i) + 0.3*math.Sin(t.Sub(from).Minutes()/9)})
		}
		out = append(out, s)
	}
	return out
}

// keeps is a keeper in memory.
type keeps struct {
	panels []sources.Panel
	past   []string
	err    error
}

func (k *keeps) Panels() ([]sources.Panel, error) {
	return append([]sources.Panel{}, k.panels...), k.err
}
func (k *keeps) Keep(p sources.Panel) (string, error) {
	k.panels = append(k.panels, p)
	return "/etc/quarterdeck.yaml", k.err
}
func (k *keeps) TakeOff(p sources.Panel) (string, error) {
	var left []sources.Panel
	for _, x := range k.panels {
		if x != p {
			left = append(left, x)
		}
	}
	k.panels = left
	return "/etc/quarterdeck.yaml", k.err
}
func (k *keeps) Past(string) ([]string, error) { return k.past, k.err }
func (k *keeps) Remember(_, q string) error    { k.past = append(k.past, q); return k.err }

// metricsConsole is a console on the metrics of shop_web.
func metricsConsole(t testing.TB, w, h int, a *asker, k *keeps) *Model {
	t.Helper()
	m, s := console(t, w, h, nil)
	a.stub = s
	m.o.Metrics, m.o.Keeper = a, k
	m.services.selectID("shop_web")
	press(t, m, "4")
	m.settleMetrics(t)
	return m
}

// settleMetrics does all that the pane asks for, without waiting for its timers.
func (m *Model) settleMetrics(t testing.TB) {
	t.Helper()
	m.run(t, m.metrics.panels.want(m, true))
	m.run(t, m.metrics.want(m, m.subject(), true))
	m.run(t, m.metrics.requestAll(m, m.subject()))
}

// isTimer tells whether a command is one of Bubble Tea's timers, whose time does not come in a test.
func isTimer(cmd tea.Cmd) bool {
	return strings.Contains(runtime.FuncForPC(reflect.ValueOf(cmd).Pointer()).Name(), "Tick.func")
}

// run runs a command and what comes of it, but for timers.
func (m *Model) run(t testing.TB, cmd tea.Cmd) {
	t.Helper()
	if cmd == nil || isTimer(cmd) {
		return
	}
	msg := cmd()
	switch msg := msg.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			m.run(t, c)
		}
	default:
		_, next := m.Update(msg)
		m.run(t, next)
	}
}

// typeIn types into the line of the query, and lets its completion come.
func (m *Model) typeIn(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		m.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	m.complete(t)
}

func (m *Model) complete(t testing.TB) {
	t.Helper()
	if q := m.metrics.query; q != nil {
		m.run(t, completeMsg{q.typed}.apply(m))
	}
}

func shown(m *Model) string { return ansi.Strip(m.Frame()) }

func TestPromQLByHand(t *testing.T) {
	a, k := &asker{n: 30}, &keeps{past: []string{"up"}}
	m := metricsConsole(t, 120, 40, a, k)
	press(t, m, "Q")
	m.run(t, func() tea.Msg { return pastQueriesMsg{k.past} })
	if s := shown(m); !strings.Contains(s, "up") || !strings.Contains(s, "past") {
		t.Errorf("past queries are not offered:\n%s", s)
	}
	m.typeIn(t, "sum(ra")
	if s := shown(m); !strings.Contains(s, "rate()") || !strings.Contains(s, "requests_total") {
		t.Fatalf("no offers:\n%s", s)
	}
	press(t, m, "tab")
	if q := m.metrics.query; q.input.Value() != "sum(rate()" || q.cursor() != len("sum(rate(") {
		t.Errorf("%q, the cursor at %d", q.input.Value(), q.cursor())
	}
	m.complete(t)
	press(t, m, "down", "down", "enter")
	if q := m.metrics.query; q.input.Value() != "sum(rate(requests_total)" || !q.editing {
		t.Errorf("%q", q.input.Value())
	}
	press(t, m, "tab") // before the offers have come
	m.complete(t)
	if q := m.metrics.query; q.input.Value() != "sum(rate(rate())" {
		t.Errorf("a hasty tab: %q", q.input.Value())
	}
	m.metrics.query.input.SetValue("requests_total")
	a.asked = nil
	cmd := m.handleKey(tea.KeyPressMsg{Code: tea.KeyEnter})
	m.run(t, cmd)
	m.settleMetrics(t)
	if len(a.asked) == 0 || a.asked[len(a.asked)-1] != "requests_total" || k.past[len(k.past)-1] != "requests_total" {
		t.Errorf("asked %q, remembered %q", a.asked, k.past)
	}
	if s := shown(m); !strings.Contains(s, "the 12 highest of 30 series, 18 more") || !strings.Contains(s, "host29") || strings.Contains(s, "host17 ") || !strings.Contains(s, "all a") {
		t.Errorf("the result:\n%s", s)
	}
	press(t, m, "t")
	m.settleMetrics(t)
	if s := shown(m); !strings.Contains(s, "exactly") || !strings.Contains(s, "host3") {
		t.Errorf("the table:\n%s", s)
	}
	press(t, m, "esc")
	if m.metrics.query != nil || m.view != viewMetrics {
		t.Error("esc does not lead back to the charts")
	}
}

// TestQueryHistory: up and down go through the past, and back to what was being written.
func TestQueryHistory(t *testing.T) {
	a, k := &asker{n: 1}, &keeps{}
	m := metricsConsole(t, 100, 30, a, k)
	press(t, m, "Q")
	m.run(t, func() tea.Msg { return pastQueriesMsg{[]string{"a", "b"}} })
	m.typeIn(t, "new")
	m.metrics.query.offers = sources.Completion{}
	for i, step := range []struct{ key, want string }{{"up", "b"}, {"up", "a"}, {"up", "a"}, {"down", "b"}, {"down", "new"}, {"ctrl+p", "b"}, {"ctrl+n", "new"}} {
		press(t, m, step.key)
		if got := m.metrics.query.input.Value(); got != step.want {
			t.Errorf("step %d, %s: %q, want %q", i, step.key, got, step.want)
		}
	}
}

// TestManySeriesAreNotRead: a careless query is counted first, and the highest alone are asked for.
func TestManySeriesAreNotRead(t *testing.T) {
	a := &asker{n: 4000}
	m := metricsConsole(t, 120, 40, a, nil)
	m.o.Keeper = nil
	m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: "up", chosen: -1}
	m.settleMetrics(t)
	if last := a.asked[len(a.asked)-1]; !strings.HasPrefix(last, "topk(12,") {
		t.Errorf("asked %q", a.asked)
	}
	if s := shown(m); !strings.Contains(s, "the 12 highest of 4000 series, 3988 more") || !strings.Contains(s, "too many to read") {
		t.Errorf("it is not said:\n%s", s)
	}
}

// TestQueryMistake: Prometheus' own words, below their place.
func TestQueryMistake(t *testing.T) {
	a := &asker{err: &sources.Error{Source: "prometheus", Op: "query a range", Kind: sources.BadQuestion, Line: 1, Column: 5, Err: errors.New(`1:5: parse error: unclosed left parenthesis`)}}
	m := metricsConsole(t, 120, 40, a, &keeps{})
	press(t, m, "Q")
	m.typeIn(t, "sum(")
	m.metrics.query.offers = sources.Completion{}
	m.run(t, m.handleKey(tea.KeyPressMsg{Code: tea.KeyEnter}))
	m.settleMetrics(t)
	lines := strings.Split(shown(m), "\n")
	at := -1
	for i, l := range lines {
		if strings.TrimSpace(l) == "^" {
			at = i
		}
	}
	if at < 1 || strings.Index(lines[at], "^") != 2+4 || !strings.Contains(lines[at+1], "1:5: parse error: unclosed left parenthesis") {
		t.Errorf("caret in line %d:\n%s", at, strings.Join(lines, "\n"))
	}
	if !m.metrics.query.editing {
		t.Error("the mistake cannot be put right at once")
	}
}

// TestStaleQueryAnswers: what comes too late is dropped.
func TestStaleQueryAnswers(t *testing.T) {
	a := &asker{n: 2}
	m := metricsConsole(t, 100, 30, a, &keeps{})
	press(t, m, "Q")
	m.typeIn(t, "up")
	typed := m.metrics.query.typed
	m.typeIn(t, "x")
	m.Update(completedMsg{typed, sources.Completion{Offers: []sources.Offer{{Text: "old"}}}})
	if strings.Contains(shown(m), "old") {
		t.Error("offers for what is not written any more")
	}
	m.Update(queryMsg{m.metrics.generation + 1, queryAnswer{query: "other", series: hosts(1, noon, noon)}})
	m.Update(panelMsg{m.metrics.generation + 1, "shop_web", panelAnswer{}})
	m.Update(thenMsg{m.metrics.generation + 1, pastReadings{service: "shop_web", compare: compareYesterday}})
	if m.metrics.query.answer.query != "" || m.metrics.then.service != "" {
		t.Error("answers to a question that nobody asked")
	}
}

func TestKeepAndTakeOff(t *testing.T) {
	a, k := &asker{n: 3}, &keeps{}
	m := metricsConsole(t, 120, 40, a, k)
	press(t, m, "K")
	if !strings.Contains(shown(m), "Q") || m.overlay != nil {
		t.Error("nothing can be kept yet")
	}
	m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: `rate(x_total{app="shop_web", s="shop"}[5m])`, chosen: -1}
	press(t, m, "K", "tab", "a")
	if s := shown(m); !strings.Contains(s, `rate(x_total{app="$service", s="$stack"}[5m])`) || !strings.Contains(s, "all services") || !strings.Contains(s, "1/s") {
		t.Fatalf("the box:\n%s", s)
	}
	m.run(t, m.handleKey(tea.KeyPressMsg{Code: tea.KeyEnter}))
	want := sources.Panel{Name: "a", Query: `rate(x_total{app="$service", s="$stack"}[5m])`, Unit: "1/s"}
	if len(k.panels) != 1 || k.panels[0] != want {
		t.Fatalf("kept %+v", k.panels)
	}
	if s := shown(m); !strings.Contains(s, "/etc/quarterdeck.yaml") {
		t.Errorf("it does not say where:\n%s", s)
	}
	press(t, m, "esc")
	a.asked = nil
	m.settleMetrics(t)
	m.settleMetrics(t)
	if !strings.Contains(strings.Join(a.asked, "\n"), `rate(x_total{app="shop_web", s="shop"}[5m])`) {
		t.Errorf("the panel is not asked with its service: %q", a.asked)
	}
	press(t, m, "G")
	if s := shown(m); !strings.Contains(s, "a · kept") || !strings.Contains(s, "host2") {
		t.Errorf("the panel is not shown:\n%s", s)
	}
	press(t, m, "x")
	m.run(t, m.handleKey(tea.KeyPressMsg{Code: tea.KeyEnter}))
	if len(k.panels) != 0 {
		t.Errorf("still kept: %+v", k.panels)
	}
	m.settleMetrics(t)
	m.settleMetrics(t)
	if s := shown(m); strings.Contains(s, "a · kept") {
		t.Errorf("still shown:\n%s", s)
	}
}

// TestCompare: the series of then are drawn beside those of now, each with its value; where there are none it says why.
func TestCompare(t *testing.T) {
	m := metricsConsole(t, 160, 48, &asker{}, &keeps{})
	press(t, m, "y")
	m.settleMetrics(t)
	if s := shown(m); !strings.Contains(s, "⠂ yesterday 0.") || !strings.Contains(s, "with yesterday") {
		t.Errorf("yesterday is not there:\n%s", s)
	}
	for _, r := range m.metrics.then.readings {
		for _, x := range r.Answer.Series {
			if x.Points[0].T.Before(m.metrics.window.Start.Add(-time.Minute)) {
				t.Fatalf("%s is not moved to now: %v", r.Name, x.Points[0].T)
			}
		}
	}
	press(t, m, "y") // last week: the service is three days old
	m.settleMetrics(t)
	if s := shown(m); !strings.Contains(s, "last week: the service was made later, Nov 21 12:00") {
		t.Errorf("it does not say why:\n%s", s)
	}
	press(t, m, "y")
	if s := shown(m); strings.Contains(s, "with last week") || m.metrics.compare != compareOff {
		t.Errorf("not off:\n%s", s)
	}
}

// TestWhyEmpty: what cannot be measured yet, or does not run, says so before Prometheus' own words.
func TestUnmeasurable(t *testing.T) {
	m := metricsConsole(t, 120, 40, &asker{}, &keeps{})
	for _, tc := range []struct {
		service    string
		start, end time.Time
		want       string
	}{
		{"shop_web", noon.Add(-time.Hour), noon, ""},
		{"shop_web", noon.Add(-80 * time.Hour), noon.Add(-79 * time.Hour), "was not there yet"},
		{"shop_web", noon.Add(-73 * time.Hour), noon.Add(-72*time.Hour + 20*time.Second), "only 20 s old"},
		{"batch_reports", noon.Add(-time.Hour), noon, "scaled to 0"},
		{"nobody", noon.Add(-time.Hour), noon, ""},
	} {
		if got := m.unmeasurable(tc.service, tc.start, tc.end); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s from %v to %v: %q, want %q", tc.service, tc.start, tc.end, got, tc.want)
		}
	}
}

func TestBucketWords(t *testing.T) {
	say := BucketWords(sources.Reading{Bounds: []float64{0.1, 0.3, 1.2, 5}}, "s")
	for v, want := range map[float64]string{0.05: "≤ 100 ms", 0.2: "100 ms to 300 ms", 5: "> 5 s"} {
		if got := say(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	if BucketWords(sources.Reading{}, "s") != nil {
		t.Error("words for what has no bounds")
	}
}

func TestLabelsWord(t *testing.T) {
	series := []sources.Series{{Labels: map[string]string{"job": "a", "host": "1"}}, {Labels: map[string]string{"job": "a", "host": "2"}}}
	common := commonLabels(series)
	if got := labelsWord(series[0].Labels, common); got != "1" || labelsWord(common, nil) != "a" {
		t.Errorf("%q %v", got, common)
	}
	if got := labelsWord(map[string]string{"__name__": "up", "job": "a"}, nil); got != "up job=a" {
		t.Error(got)
	}
	if got := labelsWord(nil, nil); got != "value" {
		t.Error(got)
	}
}

// TestOverviewPairs: the other charts ask for what they show, and no more.
func TestOverviewPairs(t *testing.T) {
	m, _ := console(t, 160, 48, nil)
	press(t, m, "v")
	if got := strings.Join(m.metrics.names(), " "); got != "errors p50 p95 p99" {
		t.Errorf("asks for %s", got)
	}
	if s := shown(m); !strings.Contains(s, "errors") || !strings.Contains(s, "latency") {
		t.Errorf("shows\n%s", s)
	}
	for range len(overviewPairs) - 1 {
		press(t, m, "v")
	}
	if got := strings.Join(m.metrics.names(), " "); got != "cpu memory memory-limit memory-of-limit" {
		t.Errorf("asks for %s", got)
	}
}

// TestGoldenMetrics holds the query by hand, its table, its mistakes, kept panels and the comparison at each size.
func TestGoldenMetrics(t *testing.T) {
	scenes := map[string]func(t *testing.T, m *Model, a *asker){
		"writing": func(t *testing.T, m *Model, _ *asker) {
			press(t, m, "Q")
			m.typeIn(t, "sum(ra")
		},
		"result": func(t *testing.T, m *Model, a *asker) {
			a.n = 30
			press(t, m, "y")
			m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: "up", chosen: -1}
			m.metrics.query.input.SetValue("up")
			m.settleMetrics(t)
		},
		"table": func(t *testing.T, m *Model, a *asker) {
			a.n = 30
			m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: "up", table: true, chosen: -1}
			m.settleMetrics(t)
		},
		"mistake": func(t *testing.T, m *Model, a *asker) {
			a.err = &sources.Error{Source: "prometheus", Op: "query a range", Kind: sources.BadQuestion, Line: 1, Column: 3, Next: "correct the query", Err: errors.New("1:3: parse error: unexpected end of input")}
			m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: "up", editing: true, chosen: -1}
			m.metrics.query.input.SetValue("up")
			m.settleMetrics(t)
		},
		"keep": func(t *testing.T, m *Model, _ *asker) {
			m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: `sum(up{app="shop_web"})`, chosen: -1}
			press(t, m, "K", "a")
		},
		"compared": func(t *testing.T, m *Model, _ *asker) {
			press(t, m, "y", "<", "<")
			m.settleMetrics(t)
		},
		"panels":  func(t *testing.T, m *Model, _ *asker) { press(t, m, "G") },
		"takeoff": func(t *testing.T, m *Model, _ *asker) { press(t, m, "x") },
	}
	for _, size := range sizes {
		for name, scene := range scenes {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				a, k := &asker{n: 3}, &keeps{panels: []sources.Panel{{Name: "queue", Query: "sum(queue)", Unit: "1"}}}
				m := metricsConsole(t, size[0], size[1], a, k)
				m.settleMetrics(t)
				scene(t, m, a)
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// TestHostileMetrics: labels, names, offers, panels and the server's words are others' text.
func TestHostileMetrics(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\n\x00\xff日本" + strings.Repeat("x", 1<<12)
	for _, size := range append(sizes, [2]int{40, 10}, [2]int{61, 13}) {
		a, k := &asker{n: 3}, &keeps{panels: []sources.Panel{{Name: evil, Query: evil, Unit: evil}}, past: []string{evil}}
		m := metricsConsole(t, size[0], size[1], a, k)
		m.settleMetrics(t)
		for _, keys := range [][]string{{"G"}, {"x"}, {"esc", "Q"}, {"up"}, {"tab"}, {"x", "down"}, {"esc"}, {"esc"}} {
			press(t, m, keys...)
			harmless(t, m, keys)
		}
		m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: evil, editing: true, chosen: 0, past: []string{evil}}
		m.metrics.query.offers = sources.Completion{From: 0, To: 0, Offers: []sources.Offer{{Text: evil, Kind: "metric", Note: evil, Back: 4000}, {Text: evil}}}
		harmless(t, m, "offers")
		press(t, m, "tab")
		harmless(t, m, "an offer taken")
		series := []sources.Series{{Labels: map[string]string{evil: evil}, Points: []sources.Point{{T: noon, V: math.NaN()}}}, {Labels: map[string]string{"a": evil}, Points: []sources.Point{{T: noon, V: math.Inf(1)}}}}
		for _, table := range []bool{false, true} {
			m.metrics.query = &queryPane{input: newInput(m.st, "› "), query: evil, chosen: -1}
			m.metrics.query.answer = queryAnswer{query: evil, filled: evil, table: table, series: series, all: 9, warnings: []string{evil}, window: m.metrics.window}
			harmless(t, m, "result")
			m.metrics.query.answer.err = &sources.Error{Source: "prometheus", Op: evil, Kind: sources.BadQuestion, Line: 1, Column: 9, Err: errors.New(evil)}
			harmless(t, m, "mistake")
		}
	}
}

func harmless(t *testing.T, m *Model, what any) {
	t.Helper()
	checkFrame(t, m)
	if s := m.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.ContainsAny(s, "\x07\u202e") {
		t.Fatalf("%v lets a sequence through", what)
	}
}

// FuzzQueryInput: whatever is typed, pasted, offered and answered, the line stays a line and the frame a frame.
func FuzzQueryInput(f *testing.F) {
	f.Add("sum(up", "rate()", 4, 6, 1, "up up up")
	f.Add("日本\u202e", "\x1b]0;x\x07", -3, 900, 70, "\x00\n\r")
	f.Fuzz(func(t *testing.T, text, offer string, from, to, back int, paste string) {
		m, s := console(t, 80, 24, nil)
		m.o.Metrics = &asker{stub: s, n: 2}
		m.view, m.focus = viewMetrics, paneMetrics
		m.openQuery()
		q := m.metrics.query
		m.handlePaste(tea.PasteMsg{Content: text})
		at := q.cursor()
		if at < 0 || at > len(q.input.Value()) {
			t.Fatalf("the cursor is at %d of %q", at, q.input.Value())
		}
		c := sources.Completion{From: min(max(from, 0), at), To: max(min(to, len(q.input.Value())), at), Offers: []sources.Offer{{Text: offer, Back: min(max(back, 0), len(offer))}, {Text: "x"}}}
		m.Update(completedMsg{q.typed, c})
		checkFrame(t, m)
		for _, k := range []string{"down", "tab", "up", "left", "backspace", "ctrl+p", "end"} {
			press(t, m, k)
			checkFrame(t, m)
		}
		m.handlePaste(tea.PasteMsg{Content: paste})
		checkFrame(t, m)
		if strings.ContainsAny(q.input.Value(), "\n\r\x1b\x07") {
			t.Fatalf("the line holds %q", q.input.Value())
		}
	})
}
