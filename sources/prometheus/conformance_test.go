package prometheus_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/prometheus"
)

// conform is the suite that every server must pass that the console is to work with: the embedded platform's, and the
// real ones of the lab. service is one that has run for a minute at least and serves HTTP.
func conform(t *testing.T, address, service string) {
	c, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Run("queries", func(t *testing.T) { conformQueries(t, c) })
	t.Run("errors", func(t *testing.T) { conformErrors(t, c) })
	t.Run("service", func(t *testing.T) { conformService(t, c, service) })
	t.Run("nobody", func(t *testing.T) { conformNobody(t, c) })
	t.Run("completion", func(t *testing.T) { conformCompletion(t, c, service) })
	t.Run("platform", func(t *testing.T) { conformPlatform(t, c) })
	t.Run("rulebook", func(t *testing.T) { conformRulebook(t, c) })
	t.Run("count", func(t *testing.T) { conformCount(t, c, service) })
	t.Run("alerts of the rules", func(t *testing.T) { conformAlerts(t, c) })
}

// conformAlerts: where there is no Alertmanager the fleet takes its alerts from the rules, and has those that the server itself has in ALERTS,
// each in its state, those that fire dated by when they began to fire.
func conformAlerts(t *testing.T, c *prometheus.Client) {
	f := fleet.New(time.Now, fleet.PrometheusName)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx, fleet.Feeds{Metrics: c}) })
	told := func(a *sources.Alert) string {
		return strings.Join([]string{a.Name, a.Service, string(a.State)}, " ")
	}
	var fires, rules []string
	// An alert may come or go between two questions: it is looked again until both agree.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		s := f.Snapshot()
		a, err := c.Instant(t.Context(), "ALERTS", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		fires, rules = nil, nil
		for _, x := range a.Series {
			fires = append(fires, x.Labels["alertname"]+" "+x.Labels["alertstate"])
		}
		for i := range s.Alerts {
			rules = append(rules, s.Alerts[i].Name+" "+string(s.Alerts[i].State))
		}
		slices.Sort(fires)
		slices.Sort(rules)
		if s.AlertStatus().OK() && slices.Equal(fires, rules) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the fleet has %q (%+v), the server %q", rules, s.AlertStatus(), fires)
		}
	}
	s := f.Snapshot()
	if s.AlertsBy() != fleet.PrometheusName {
		t.Errorf("they are by %s", s.AlertsBy())
	}
	book, err := c.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	since, firing := map[string]time.Time{}, 0
	for i := range book {
		for k := range book[i].Alerts {
			a := &book[i].Alerts[k]
			at := a.Since
			if a.State == sources.Firing {
				at = at.Add(book[i].For)
			}
			since[told(a)+" "+a.Fingerprint] = at
		}
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		if a.State == sources.Firing {
			firing++
		}
		if a.Name == "" || a.Fingerprint == "" || a.Since.IsZero() || a.Since.After(time.Now().Add(time.Minute)) || a.State != sources.Firing && a.State != sources.Pending {
			t.Errorf("%+v", a)
		}
		if at, ok := since[told(a)+" "+a.Fingerprint]; ok && !at.Equal(a.Since) {
			t.Errorf("%s is dated %s, its rule tells %s", told(a), a.Since, at)
		}
	}
	if s.Counts.Firing != firing {
		t.Errorf("%d are counted to fire, %d do", s.Counts.Firing, firing)
	}
}

// conformRulebook: each alerting rule is found by the alert that it would make, what is watched of it can be asked, and ALERTS can be read.
func conformRulebook(t *testing.T, c *prometheus.Client) {
	rules, err := c.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	thresholds := 0
	for _, r := range rules {
		if !r.Alerting {
			continue
		}
		a := sources.Alert{Name: r.Name, Labels: map[string]string{"alertname": r.Name}}
		for k, v := range r.Labels {
			a.Labels[k] = v
		}
		found, th, err := c.RuleOf(t.Context(), &a)
		if err != nil || found.Query != r.Query || found.For != r.For {
			t.Errorf("%s: %+v %v", r.Name, found, err)
			continue
		}
		if th.Known() {
			thresholds++
		} else if th.Reason == "" {
			t.Errorf("%s: neither a threshold nor why there is none", r.Name)
		}
		if _, err := c.Range(t.Context(), th.Watched, lately(10*time.Minute)); err != nil {
			t.Errorf("%s: %s: %v", r.Name, th.Watched, err)
		}
	}
	if thresholds == 0 {
		t.Errorf("none of %d rules has a threshold", len(rules))
	}
	_, _, err = c.RuleOf(t.Context(), &sources.Alert{Name: "NoSuchAlert"})
	if sources.KindOf(err) != sources.NotFound || sources.NextOf(err) == "" {
		t.Errorf("one that never was: %v", err)
	}
	for _, d := range []time.Duration{15 * time.Minute, 7 * 24 * time.Hour} {
		now := time.Now()
		fired, err := c.Fired(t.Context(), sources.Window{Start: now.Add(-d), End: now})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range fired {
			if a.Name == "" || a.Fingerprint == "" || a.Labels["__name__"] != "" || a.Labels["alertstate"] != "" || !a.Ends.IsZero() && a.Ends.Before(a.Since) || i > 0 && a.Since.Before(fired[i-1].Since) {
				t.Errorf("%+v", a)
			}
		}
	}
	// What fires now is among what fired, where it has done so for long enough to be sampled.
	now := time.Now()
	fired, err := c.Fired(t.Context(), sources.Window{Start: now.Add(-15 * time.Minute), End: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		for _, a := range r.Alerts {
			if a.State != sources.Firing || time.Since(a.Since) < r.For+2*time.Minute {
				continue
			}
			if !slices.ContainsFunc(fired, func(x sources.Alert) bool { return x.Name == a.Name && x.Service == a.Service && x.Ends.IsZero() }) {
				t.Errorf("%s of %q fires since %v and is not among %d that fired", a.Name, a.Service, a.Since, len(fired))
			}
		}
	}
}

func lately(d time.Duration) sources.Window {
	now := time.Now()
	return prometheus.WindowFor(now.Add(-d), now, 60, 5*time.Second)
}

func conformQueries(t *testing.T, c *prometheus.Client) {
	for query, want := range map[string]float64{"1 + 1": 2, "vector(3)": 3, "0 / 0": math.NaN(), "-1 / 0": math.Inf(-1)} {
		a, err := c.Instant(t.Context(), query, time.Time{})
		if err != nil || len(a.Series) != 1 || len(a.Series[0].Points) != 1 {
			t.Errorf("%s: %+v %v", query, a, err)
			continue
		}
		if p := a.Series[0].Points[0]; p.V != want && !(math.IsNaN(p.V) && math.IsNaN(want)) || time.Since(p.T).Abs() > time.Minute {
			t.Errorf("%s: %v", query, p)
		}
	}
	w := lately(5 * time.Minute)
	a, err := c.Range(t.Context(), "time()", w)
	if err != nil || len(a.Series) != 1 {
		t.Fatal(a, err)
	}
	points := a.Series[0].Points
	if n := int(w.End.Sub(w.Start)/w.Step) + 1; len(points) != n {
		t.Errorf("%d points, want %d", len(points), n)
	}
	for i, p := range points {
		if want := w.Start.Add(time.Duration(i) * w.Step); !p.T.Equal(want) || p.V != float64(want.Unix()) {
			t.Fatalf("point %d: %v, want %v", i, p, want)
		}
	}
}

func conformErrors(t *testing.T, c *prometheus.Client) {
	for query, says := range map[string]string{"sum(": "parse error", `"text"`: "text", "up[5m]": "rate()", `sum by (a) (vector(1)) + on (b) group_left () (vector(1) or label_replace(vector(1), "x", "y", "", ""))`: ""} {
		_, err := c.Instant(t.Context(), query, time.Time{})
		if sources.KindOf(err) != sources.BadQuestion || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", query, err)
		}
	}
	w := lately(time.Hour)
	w.Step = 100 * time.Millisecond
	if _, err := c.Range(t.Context(), "up", w); sources.KindOf(err) != sources.OverLimit {
		t.Errorf("too many steps: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Instant(ctx, "up", time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// conformCompletion: names, labels and values come from the server itself, narrowed by what stands in the query.
func conformCompletion(t *testing.T, c *prometheus.Client, service string) {
	label, _, err := c.ServiceLabel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const metric = "container_memory_working_set_bytes"
	for _, tc := range []struct {
		before, after, offers string
		kind                  sources.OfferKind
	}{
		{"container_memory_work", "", metric, sources.OfferMetric},
		{"sum(" + metric + "{", "})", label + `=""`, sources.OfferLabel},
		{"sum(" + metric + "{" + label + `="` + service[:len(service)-1], `"})`, service, sources.OfferValue},
		{metric + "{" + label + `="` + service + `", jo`, "}", `job=""`, sources.OfferLabel},
		{"sum by (", ") (" + metric + ")", label, sources.OfferLabel},
		{"histogram_q", "", "histogram_quantile()", sources.OfferFunction},
		{metric + "{" + label + `=~"nobody", ` + label + `="`, `"}`, "", sources.OfferValue},
	} {
		got, err := c.Complete(t.Context(), tc.before+tc.after, len(tc.before))
		if err != nil {
			t.Errorf("%s|%s: %v", tc.before, tc.after, err)
			continue
		}
		if tc.offers == "" {
			if len(got.Offers) != 0 || got.Reason == "" {
				t.Errorf("%s|%s: %d offers, reason %q", tc.before, tc.after, len(got.Offers), got.Reason)
			}
			continue
		}
		if !slices.ContainsFunc(got.Offers, func(o sources.Offer) bool { return o.Text == tc.offers && o.Kind == tc.kind }) {
			t.Errorf("%s|%s: %d offers and %d more, without %s: %+v", tc.before, tc.after, len(got.Offers), got.More, tc.offers, got.Offers)
		}
	}
	_, err = c.Instant(t.Context(), "sum(rate(up[5m])", time.Time{})
	if line, column := sources.PlaceOf(err); line != 1 || column == 0 {
		t.Errorf("the place of a mistake: %d:%d %v", line, column, err)
	}
	a, err := c.Range(t.Context(), "count(rate(up[$__rate_interval]))", lately(5*time.Minute))
	if err != nil || len(a.Series) != 1 || strings.Contains(a.Query, "$") {
		t.Errorf("a rate's window: %+v %v", a, err)
	}
}

func conformService(t *testing.T, c *prometheus.Client, service string) {
	label, how, err := c.ServiceLabel(t.Context())
	if err != nil || label == "" || how == "" {
		t.Fatal(label, how, err)
	}
	w := lately(5 * time.Minute)
	rs, err := c.Standard(t.Context(), service, w)
	if err != nil || len(rs) != 15 {
		t.Fatal(len(rs), err)
	}
	for _, r := range rs {
		if (len(r.Answer.Series) == 0) == (r.Reason == "") || r.Unit == "" {
			t.Errorf("%s: %d series, reason %q, unit %q", r.Name, len(r.Answer.Series), r.Reason, r.Unit)
		}
		if request := r.Name == "requests" || r.Name == "errors" || r.Name[0] == 'p'; request != (r.How != "") {
			t.Errorf("%s: how it is known: %q", r.Name, r.How)
		}
		if quantile := r.Name[0] == 'p'; quantile != (len(r.Bounds) > 2) || !slices.IsSorted(r.Bounds) {
			t.Errorf("%s: bounds %v", r.Name, r.Bounds)
		}
		if must := map[string]bool{"cpu": true, "memory": true, "network-rx": true, "restarts": true, "requests": true}; must[r.Name] && r.Reason != "" {
			t.Errorf("%s: %s (%s)", r.Name, r.Reason, r.Answer.Query)
		}
		for _, s := range r.Answer.Series {
			for _, p := range s.Points {
				if p.V < 0 || math.IsInf(p.V, 0) || r.Unit == "ratio" && p.V > 1.01 {
					t.Errorf("%s: %v", r.Name, p)
				}
			}
		}
	}
	for _, figure := range []string{"cpu", "memory", "tasks"} {
		all, err := c.UsageAll(t.Context(), figure, w)
		if err != nil || len(all[service]) == 0 || len(all) < 2 {
			t.Errorf("%s: %d services, %v", figure, len(all), err)
		}
	}
}

func conformNobody(t *testing.T, c *prometheus.Client) {
	for _, service := range []string{"no-such-service", "a\"} or vector(1) #", "x\nü\\"} {
		rs, err := c.Standard(t.Context(), service, lately(5*time.Minute))
		if err != nil {
			t.Errorf("%q: %v", service, err)
		}
		for _, r := range rs {
			if len(r.Answer.Series) != 0 || r.Reason == "" {
				t.Errorf("%q: %s has %d series, reason %q", service, r.Name, len(r.Answer.Series), r.Reason)
			}
			if r.Name == "cpu" && !strings.Contains(r.Reason, "other service") {
				t.Errorf("%q: %s", service, r.Reason)
			}
		}
	}
}

func conformPlatform(t *testing.T, c *prometheus.Client) {
	for _, figure := range []string{"cpu", "memory"} {
		nodes, err := c.NodeUsage(t.Context(), figure, time.Time{})
		if err != nil || len(nodes) == 0 {
			t.Errorf("%s: %v %v", figure, nodes, err)
		}
		for n, v := range nodes {
			if n == "" || v <= 0 {
				t.Errorf("%s of %q: %v", figure, n, v)
			}
		}
	}
	targets, err := c.Targets(t.Context())
	if err != nil || len(targets) == 0 || targets[len(targets)-1].Health != "up" {
		t.Errorf("%d targets, %v", len(targets), err)
	}
	rules, err := c.Rules(t.Context())
	alerting := 0
	for _, r := range rules {
		if r.Alerting {
			alerting++
			if r.Name == "" || r.Query == "" || r.State == "" || r.Group == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	if err != nil || alerting == 0 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
	active, err := c.ActiveAlerts(t.Context())
	if err != nil {
		t.Error(err)
	}
	later, err := c.Rules(t.Context())
	if err != nil {
		t.Error(err)
	}
	before, after := fingerprints(rules), fingerprints(later) // one that begins or ends meanwhile is in one of them
	for _, a := range active {
		if !before[a.Fingerprint] && !after[a.Fingerprint] || a.Name == "" || a.Since.IsZero() || a.State != sources.Firing && a.State != sources.Pending {
			t.Errorf("%+v is active, and no rule has it", a)
		}
	}
	for f := range before {
		if after[f] && !slices.ContainsFunc(active, func(a sources.Alert) bool { return a.Fingerprint == f }) {
			t.Errorf("the rules have alert %s, and it is not active", f)
		}
	}
	p := c.Probe(t.Context())
	if p.State != sources.Live || p.Version == "" || len(p.Missing) != 0 {
		t.Errorf("%+v", p)
	}
}

func fingerprints(rules []sources.Rule) map[string]bool {
	all := map[string]bool{}
	for _, r := range rules {
		for _, a := range r.Alerts {
			all[a.Fingerprint] = true
		}
	}
	return all
}

// conformCount: requests are counted between bounds that hold what the requests' rate says, to a tenth; of a service that nobody counts it is said why.
// A rate is that of the minute (four scrapes) before it: it is asked for half a minute later, and not of a counter's first minute, where it is a guess.
func conformCount(t *testing.T, c *prometheus.Client, service string) {
	const lag = 30 * time.Second
	var start, end time.Time
	var n sources.RequestCount
	var err error
	for until := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		end = time.Now().Add(-lag)
		start = end.Add(-10 * time.Minute)
		if n, err = c.RequestsIn(t.Context(), service, start, end); err != nil {
			t.Fatal(err)
		}
		if n.Reason == "" && n.From.Add(lag+3*time.Minute).Before(end) {
			break
		} else if time.Now().After(until) {
			t.Fatalf("its counter is not four minutes old yet: %+v", n)
		}
	}
	if n.Query == "" || n.At.IsZero() || n.All.Least > n.All.Most || n.Failed.Least > n.Failed.Most || n.Failed.Most > n.All.Most {
		t.Fatalf("%+v", n)
	}
	if n.All.Most == 0 || n.How == "" || n.From.Before(start) || n.To.After(end) {
		t.Errorf("%+v", n)
	}
	start = n.From.Add(lag)
	end = start.Add(end.Sub(start).Truncate(15 * time.Second)) // whole steps: of a part of one there is no point
	if n, err = c.RequestsIn(t.Context(), service, start, end); err != nil || n.Reason != "" {
		t.Fatalf("%+v %v", n, err)
	}
	list, err := c.Standard(t.Context(), service, sources.Window{Start: start.Add(lag), End: end.Add(lag), Step: 15 * time.Second}, "requests")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	sum := 0.0
	for _, s := range list[0].Answer.Series {
		for _, p := range s.Points[1:] {
			sum += 15 * p.V
		}
	}
	if sum < 0.9*n.All.Least || sum > 1.1*n.All.Most {
		t.Errorf("the rate says %.0f, the count %+v", sum, n.All)
	}
	none, err := c.RequestsIn(t.Context(), "nobody-has-this", start, end)
	if err != nil || none.Reason == "" || none.All.Most != 0 {
		t.Errorf("%+v %v", none, err)
	}
	if _, err := c.RequestsIn(t.Context(), service, end, start); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("a time that ends before it begins: %v", err)
	}
}
