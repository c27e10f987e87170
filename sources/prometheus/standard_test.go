package prometheus

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func reading(t *testing.T, rs []sources.Reading, name string) sources.Reading {
	t.Helper()
	for _, r := range rs {
		if r.Name == name {
			if (len(r.Answer.Series) == 0) == (r.Reason == "") {
				t.Errorf("%s: %d series and the reason %q", name, len(r.Answer.Series), r.Reason)
			}
			return r
		}
	}
	t.Fatalf("no reading %s in %d", name, len(rs))
	return sources.Reading{}
}

func TestStandardSaysWhyItIsEmpty(t *testing.T) {
	who := func(metric string, services ...string) rule {
		var rows []string
		for _, s := range services {
			m, svc, _ := strings.Cut(s, ":")
			rows = append(rows, fmt.Sprintf(`{"__name__":%q,%q:%q} 1`, m, swarmLabel, svc))
		}
		return rule{`{__name__=~"` + metric + "|", vector(rows...)}
	}
	const cpu, limit, periods, rx = "container_cpu_usage_seconds_total", "container_spec_memory_limit_bytes", "container_cpu_cfs_periods_total", "container_network_receive_bytes_total"
	f := newFake(t, labelled,
		who(cpu, cpu+":shop_db", cpu+":a", cpu+":b", anyContainer+":a"),
		who(limit, limit+":shop_web", anyContainer+":shop_web"),
		who(periods, periods+":shop_db", anyContainer+":shop_web"),
		who(rx, anyContainer+":shop_web"),
		rule{"sum by (" + swarmLabel + ") (container_memory_working_set_bytes", matrix(`{"` + swarmLabel + `":"shop_web"} NaN 5 +Inf`)},
		who("container_network_transmit_bytes_total", "container_network_transmit_bytes_total:shop_web"),
	)
	rs, err := f.client(t, Options{}).Standard(t.Context(), "shop_web", lastQuarter())
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != len(allFigures) {
		t.Errorf("%d readings, want all %d", len(rs), len(allFigures))
	}
	for name, want := range map[string]string{
		"cpu":          "no sample of container_cpu_usage_seconds_total for service shop_web in the last 15 min; 3 other services have it",
		"memory-limit": "service shop_web: no memory limit is set on it",
		"throttled":    "service shop_web: it has no CPU limit, so nothing throttles it",
		"network-rx":   "no sample of container_network_receive_bytes_total for service shop_web in the last 15 min, and no other service has it: the exporter does not give it here",
		"network-tx":   "container_network_transmit_bytes_total of service shop_web is there, with too few samples for a rate in the last 15 min: wait for the next scrape",
		"requests":     "no request metrics at all: neither Traefik's nor the services' own: route it",
	} {
		if r := reading(t, rs, name); !strings.HasPrefix(r.Reason, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, r.Reason, want)
		}
	}
	memory := reading(t, rs, "memory")
	p := memory.Answer.Series[0].Points
	if len(p) != 3 || p[1].V != 5 || !math.IsNaN(p[2].V) || len(memory.Answer.Warnings) != 1 {
		t.Errorf("memory: %v, warnings %q", p, memory.Answer.Warnings)
	}
	if !strings.Contains(memory.Answer.Query, `container_memory_working_set_bytes{`+swarmLabel+`="shop_web"}`) {
		t.Errorf("the query that a person can repeat: %s", memory.Answer.Query)
	}
}

// TestEmptyNamesTheTargetThatIsDown: where nothing comes, the exporter that does not answer is the news; of a time long past it is none.
func TestEmptyNamesTheTargetThatIsDown(t *testing.T) {
	f := newFake(t, labelled)
	down := `{"labels":{"job":"cadvisor","instance":"10.0.0.2:8080"},"health":"down","lastError":"connection refused"}`
	for targets, want := range map[string]string{
		down + `,{"labels":{"job":"cadvisor","instance":"1"},"health":"up"},{"labels":{"job":"other","instance":"9"},"health":"down"}`: "not scraped then: 1 of 2 targets of job cadvisor down: 10.0.0.2:8080 (connection refused)",
		`{"labels":{"job":"other","instance":"1"},"health":"up"}`:                                                                      "not scraped then: no target of job cadvisor is left",
		`{"labels":{"job":"cadvisor","instance":"1"},"health":"up"}`:                                                                   "not scraped then: look at their targets",
	} {
		f.mu.Lock()
		f.paths["/api/v1/targets"] = `{"status":"success","data":{"activeTargets":[` + targets + `]}}`
		f.mu.Unlock()
		c := f.client(t, Options{ScrapeInterval: DefaultScrape})
		rs, err := c.Standard(t.Context(), "shop_web", lastQuarter(), "cpu")
		if err != nil || !strings.HasSuffix(reading(t, rs, "cpu").Reason, want) {
			t.Errorf("%+v %v, want %s", rs, err, want)
		}
		long := time.Now().Add(-48 * time.Hour)
		rs, err = c.Standard(t.Context(), "shop_web", sources.Window{Start: long.Add(-time.Hour), End: long}, "cpu")
		if err != nil || !strings.HasSuffix(reading(t, rs, "cpu").Reason, "look at their targets") {
			t.Errorf("%+v %v", rs, err)
		}
	}
}

func TestNobodyIsThrottled(t *testing.T) {
	f := newFake(t, labelled, rule{`{__name__=~"container_cpu_cfs_periods_total|`, vector(`{"__name__":"` + anyContainer + `","` + swarmLabel + `":"shop_web"} 1`)})
	rs, err := f.client(t, Options{}).Standard(t.Context(), "shop_web", lastQuarter(), "throttled")
	if err != nil || !strings.HasSuffix(reading(t, rs, "throttled").Reason, "none has such a limit, or the exporter does not give it") {
		t.Error(rs, err)
	}
}

func TestStandardUnlabelled(t *testing.T) {
	f := newFake(t, rule{"count by (job, ", vector(`{"job":"cadvisor"} 57`)},
		rule{"count by (__name__, swarm_service", vector(`{"__name__":"http_requests_total","swarm_service":"shop_web","code":"200"} 3`)},
		rule{"sum by (code)", matrix(`{"code":"200"} 1 2`)})
	rs, err := f.client(t, Options{}).Standard(t.Context(), "shop_web", lastQuarter(), "cpu", "requests", "p95")
	if err != nil {
		t.Fatal(err)
	}
	if r := reading(t, rs, "cpu"); !strings.Contains(r.Reason, "exporter unlabelled") {
		t.Errorf("cpu: %s", r.Reason)
	}
	if r := reading(t, rs, "requests"); len(r.Answer.Series) != 1 {
		t.Errorf("the requests need no container label: %s", r.Reason)
	}
	if r := reading(t, rs, "p95"); !strings.Contains(r.Reason, "no histogram") {
		t.Errorf("p95: %s", r.Reason)
	}
}

func TestStandardRefuses(t *testing.T) {
	f := newFake(t, labelled)
	c := f.client(t, Options{})
	w := lastQuarter()
	turned := sources.Window{Start: w.End, End: w.Start, Step: w.Step}
	for _, tc := range []struct {
		name, service string
		w             sources.Window
		figures       []string
		kind          sources.Kind
	}{
		{"a name that is none", "a", w, []string{"cpu", "smell"}, sources.BadQuestion},
		{"no service", "", w, nil, sources.BadQuestion},
		{"turned round", "a", turned, nil, sources.BadQuestion},
		{"no window", "a", sources.Window{}, nil, sources.BadQuestion},
		{"too many steps", "a", sources.Window{Start: w.Start, End: w.End, Step: 10 * time.Millisecond}, nil, sources.OverLimit},
		{"a negative step", "a", sources.Window{Start: w.Start, End: w.End, Step: -1}, nil, sources.BadQuestion},
	} {
		if _, err := c.Standard(t.Context(), tc.service, tc.w, tc.figures...); sources.KindOf(err) != tc.kind || sources.NextOf(err) == "" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if n := len(f.asked("")); n != 0 {
		t.Errorf("%d questions were sent for nothing", n)
	}
}

// A server that is away costs one question, not one a figure, and each reading says so.
func TestStandardUnreachable(t *testing.T) {
	f := newFake(t)
	c := f.client(t, Options{})
	f.Close()
	rs, err := c.Standard(t.Context(), "a", lastQuarter())
	if sources.KindOf(err) != sources.Unreachable || len(rs) != len(allFigures) {
		t.Fatalf("%d readings, %v", len(rs), err)
	}
	for _, r := range rs {
		if r.Reason == "" {
			t.Errorf("%s is empty without a reason", r.Name)
		}
	}
}

// One failing series does not fail the others.
func TestStandardHalfFailing(t *testing.T) {
	f := newFake(t, labelled, rule{"rate(container_cpu_usage", `"nonsense"`}, rule{"container_memory_working_set_bytes{", matrix(`{} 1`)})
	rs, err := f.client(t, Options{}).Standard(t.Context(), "shop_web", lastQuarter(), "cpu", "memory")
	if err != nil {
		t.Fatal(err)
	}
	if r := reading(t, rs, "cpu"); !strings.Contains(r.Reason, "bad answer") {
		t.Errorf("cpu: %q", r.Reason)
	}
	if r := reading(t, rs, "memory"); r.Reason != "" {
		t.Errorf("memory: %q", r.Reason)
	}
}

func TestServerTooOldForOneSeries(t *testing.T) {
	f := newFake(t, rule{"count by (" + swarmLabel + ") ((last_over_time", `bad_data: parse error: unknown function with name "last_over_time"`}, labelled, rule{"container_memory_working_set_bytes{", matrix(`{} 1`)})
	c := f.client(t, Options{})
	rs, err := c.Standard(t.Context(), "shop_web", lastQuarter(), "restarts", "memory")
	if err != nil {
		t.Fatal(err)
	}
	if r := reading(t, rs, "restarts"); !strings.Contains(r.Reason, "too old") || !strings.Contains(r.Reason, "2.33") {
		t.Errorf("restarts: %q", r.Reason)
	}
	if _, err := c.Standard(t.Context(), "shop_web", lastQuarter(), "restarts"); sources.KindOf(err) != sources.TooOld {
		t.Errorf("alone: %v", err)
	}
}

func TestAtMostFourAtOnce(t *testing.T) {
	f := newFake(t, labelled)
	c := f.client(t, Options{ScrapeInterval: time.Second})
	if _, _, err := c.ServiceLabel(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.hold, f.arrived = make(chan struct{}), make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() { _, err := c.Standard(t.Context(), "shop_web", lastQuarter()); done <- err }()
	for range atOnce {
		<-f.arrived
	}
	close(f.hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.up != atOnce {
		t.Errorf("%d questions at once, want %d", f.up, atOnce)
	}
}

func TestCancelEndsEverything(t *testing.T) {
	f := newFake(t, labelled)
	f.hold = make(chan struct{})
	defer close(f.hold)
	c := f.client(t, Options{ScrapeInterval: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := c.Standard(ctx, "shop_web", lastQuarter()); done <- err }()
	cancel()
	if err := <-done; err == nil || sources.KindOf(err) != 0 {
		t.Errorf("a question that we gave up is no failure of the source: %v", err)
	}
}

func TestUsageAll(t *testing.T) {
	f := newFake(t, labelled, rule{swarmLabel + `!=""`, matrix(
		`{"`+swarmLabel+`":"shop_web"} 0.5 NaN 0.7`, `{"`+swarmLabel+`":"shop_db"} NaN +Inf`, `{"`+swarmLabel+`":"ops"} 0`)})
	c := f.client(t, Options{ScrapeInterval: 15 * time.Second})
	got, err := c.UsageAll(t.Context(), "cpu", lastQuarter())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got["shop_web"]) != 2 || got["shop_web"][1].V != 0.7 || len(got["ops"]) != 1 {
		t.Errorf("%v", got)
	}
	if n := len(f.asked("rate(container_cpu_usage")); n != 1 {
		t.Errorf("%d queries, want one for all services", n)
	}
	if _, err := c.UsageAll(t.Context(), "p95", lastQuarter()); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("p95: %v", err)
	}
	_, err = newFake(t, labelled).client(t, Options{}).UsageAll(t.Context(), "memory", lastQuarter())
	if sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "no sample of container_memory_working_set_bytes for any service in the last 15 min") {
		t.Errorf("empty: %v", err)
	}
}

// A service's name goes into PromQL as it is, whatever is in it.
func TestNamesAreQuoted(t *testing.T) {
	const evil = "a\"} or vector(1) or x{y=\"\n\\ü\xff"
	f, ok := figureOf(figures, "memory")
	if !ok {
		t.Fatal("no memory")
	}
	q := f.query("svc", equals("svc", evil), time.Minute, time.Second)
	if want := `sum by (svc) (container_memory_working_set_bytes{svc="a\"} or vector(1) or x{y=\"\n\\ü\xff"})`; q != want {
		t.Errorf("\n got %s\nwant %s", q, want)
	}
	if got, want := likely("service", "@.*", "a.b", "a-b"), `service=~"(?:a\\.b|a-b)@.*"`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestDuring(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		from, to time.Duration
		want     string
	}{
		{30 * time.Second, 0, "in the last 30 s"},
		{time.Hour, 10 * time.Second, "in the last 60 min"},
		{24 * time.Hour, 0, "in the last 24 h"},
		{7 * 24 * time.Hour, 0, "in the last 7 days"},
		{2 * time.Hour, time.Hour, "from 2026-11-24T10:00:00Z to 2026-11-24T11:00:00Z"},
	} {
		if got := during(sources.Window{Start: now.Add(-tc.from), End: now.Add(-tc.to), Step: 15 * time.Second}, now); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func BenchmarkUsageAll300(b *testing.B) {
	rows := make([]string, 300)
	values := strings.Repeat(" 0.02168898718516588", 200)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{%q:"stack%d_service%d"}%s`, swarmLabel, i%10, i, values)
	}
	f := &fake{rules: []rule{labelled, {swarmLabel + `!=""`, matrix(rows...)}}, paths: map[string]string{}}
	c, done := benchClient(b, f)
	defer done()
	w := lastQuarter()
	b.ReportAllocs()
	for b.Loop() {
		got, err := c.UsageAll(b.Context(), "cpu", w)
		if err != nil || len(got) != 300 {
			b.Fatal(len(got), err)
		}
	}
}
