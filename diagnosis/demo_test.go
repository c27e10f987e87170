package diagnosis_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/diagnosis"
	"quarterdeck/diagnosis/record"
	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/loki"
	"quarterdeck/sources/prometheus"
	sut "quarterdeck/sources/swarm"
)

// rig is a platform, seen through the product's own clients, with a record of its changes.
type rig struct {
	demo   *demo.Platform // nil: the lab
	fleet  *fleet.Fleet
	deck   *actions.Deck
	doctor *diagnosis.Doctor
}

// without says what a platform lacks.
type without struct{ logs, metrics, record bool }

func newRig(t testing.TB, o demo.Options, w without) *rig {
	t.Helper()
	o.Quiet = true
	d, err := demo.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	r := rigAt(t, platform{d.DockerHost(), d.LokiAddr(), d.PrometheusURL(), d.AlertmanagerURL()}, w)
	r.demo = d
	return r
}

// platform is where the servers are.
type platform struct{ docker, loki, prometheus, alertmanager string }

func rigAt(t testing.TB, at platform, w without) *rig {
	t.Helper()
	c, err := sut.New(sut.Options{Host: at.docker})
	must(t, err)
	l, err := loki.New(loki.Options{Access: sources.Access{Address: at.loki}})
	must(t, err)
	m, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: at.prometheus}})
	must(t, err)
	a, err := alertmanager.New(alertmanager.Options{Access: sources.Access{Address: at.alertmanager}})
	must(t, err)
	r := &rig{fleet: fleet.New(time.Now, fleet.SwarmName, fleet.LokiName, fleet.PrometheusName, fleet.AlertmanagerName)}
	feeds := fleet.Feeds{Swarm: c, Alerts: a}
	r.doctor = &diagnosis.Doctor{Fleet: r.fleet, Now: time.Now, Explain: l.Explain, Budget: raceSlows * 5 * time.Second} // many platforms share this machine
	if !w.logs {
		feeds.Logs, r.doctor.Logs = l, l
	}
	if !w.metrics {
		feeds.Metrics, r.doctor.Metrics = m, m
	}
	j, err := journal.Open(t.TempDir())
	must(t, err)
	r.deck = &actions.Deck{Hands: sut.NewHands(c, c), Fleet: r.fleet, Journal: j, Now: time.Now, Policy: actions.Policy{Actor: "tester", Host: "here", Context: "test"}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.fleet.Run(ctx, feeds) })
	if !w.record {
		r.doctor.Record = record.Deck{Deck: r.deck}
		wg.Go(func() { r.deck.Record(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		_, _, _, _ = c.Close(), l.Close(), m.Close(), a.Close()
	})
	_, err = r.deck.Ready(t.Context())
	must(t, err)
	if !w.record {
		until(t, "the states are recorded", func() bool {
			for _, s := range r.fleet.Snapshot().Services {
				if _, states, err := r.deck.States(t.Context(), s.Name); err != nil || len(states) == 0 {
					return false
				}
			}
			return true
		})
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(raceSlows * 2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// investigate asks about all.
func (r *rig) investigate(t testing.TB) diagnosis.Report {
	t.Helper()
	rep, err := r.doctor.Investigate(t.Context(), diagnosis.Question{}, nil)
	must(t, err)
	return rep
}

// words are a report's causes in short.
func words(r *diagnosis.Report) string {
	var b strings.Builder
	for i := range r.Causes {
		c := &r.Causes[i]
		fmt.Fprintf(&b, "\n\t%.2f %s %s%s: %s (%s) since %s", c.Confidence, c.ID, c.Service, c.Node, c.Title, c.Why, c.Since.Format(time.TimeOnly))
		if c.EffectOf != "" {
			b.WriteString(" [effect of " + c.EffectOf + "]")
		}
		for _, p := range c.Evidence {
			b.WriteString("\n\t\t+ " + p.Text)
		}
		for _, p := range c.Against {
			b.WriteString("\n\t\t- " + p.Text)
		}
	}
	for _, l := range r.Looked {
		b.WriteString("\n\t" + l.Source + " " + l.State + " " + l.Detail)
	}
	return b.String()
}

// rehearsals are what a scenario of the embedded platform is to be called: the cause, the service it is about (or "node"), and what else may be
// called so without being wrong.
var rehearsals = []struct {
	scenario, id, service string
	also                  []string
}{
	{"crash-loop", "crash-loop", "shop_payments", nil},
	{"oom", "oom-killed", "shop_cart", nil},
	{"task-killed", "killed", "", []string{"crash-loop"}},
	{"exits-cleanly", "exits-cleanly", "", nil},
	{"healthcheck-failing", "healthcheck-failing", "", nil},
	{"image-missing", "image-missing", "batch_worker", nil},
	{"start-failed", "start-failed", "", nil},
	{"bind-missing", "bind-missing", "", nil},
	{"secret-missing", "secret-or-config-missing", "", nil},
	{"addresses-exhausted", "addresses-exhausted", "", nil},
	{"constraint-unsatisfied", "constraint-unsatisfied", "", nil},
	{"insufficient-resources", "insufficient-resources", "", nil},
	{"port-conflict", "port-conflict", "", nil},
	{"node-down", "node-down", "node", nil},
	{"node-paused", "node-down", "node", nil},
	{"label-changed", "label-changed", "", nil},
	{"bad-deploy-rollback", "bad-deploy", "shop_api", nil},
	{"bad-deploy", "bad-deploy", "shop_api", nil},
	{"desired-zero", "desired-zero", "", nil},
	{"disk-full", "disk-full", "shop_store", nil},
	{"certificate-expiring", "certificate-expiring", "", nil},
	{"cpu-throttled", "cpu-throttled", "", nil},
	{"log-pattern-new", "log-pattern-new", "", nil},
	{"log-burst", "log-burst", "shop_web", nil},
	{"dependency-errors", "dependency-failing", "shop_store", nil},
	{"dependency-slow", "dependency-failing", "shop_store", nil},
}

// onlyWhole leaves a test out of a short run: what the race detector could see in it, it sees in others.
func onlyWhole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not in a short run")
	}
}

// TestRehearsals starts each scenario on a healthy platform, and finds its cause first, and nothing else with confidence.
func TestRehearsals(t *testing.T) {
	gate := make(chan struct{}, 6)
	for _, c := range rehearsals {
		if testing.Short() && !slices.Contains([]string{"crash-loop", "node-down"}, c.scenario) {
			continue // the race detector sees the same paths in these
		}
		t.Run(c.scenario, func(t *testing.T) {
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			r := newRig(t, demo.Options{Seed: 5}, without{})
			began := time.Now()
			must(t, r.demo.StartScenario(c.scenario))
			var last diagnosis.Report
			for deadline := time.Now().Add(raceSlows * 100 * time.Second); ; time.Sleep(time.Second) {
				last = r.investigate(t)
				for i := range last.Causes {
					x := &last.Causes[i]
					if x.Confidence >= diagnosis.Confident && x.EffectOf == "" && x.ID != c.id && !slices.Contains(c.also, x.ID) {
						t.Errorf("after %s, confident and wrong: %s %s%s", time.Since(began).Round(time.Second), x.ID, x.Service, x.Node)
					}
				}
				if t.Failed() || len(last.Causes) > 0 && right(&last.Causes[0], c.id, c.service) && last.Causes[0].Confidence >= 0.5 {
					break
				}
				if time.Now().After(deadline) {
					t.Errorf("never first")
					break
				}
			}
			if c.scenario == "label-changed" && (len(last.Causes) == 0 || last.Causes[0].Title != "the label storage=ssd was taken off node2") {
				t.Errorf("the label is not named:%s", words(&last))
			}
			t.Logf("after %s:%s", time.Since(began).Round(time.Second), words(&last))
		})
	}
}

// right tells whether a cause is the one that was seeded.
func right(c *diagnosis.Cause, id, service string) bool {
	switch {
	case c.ID != id:
		return false
	case service == "node":
		return c.Node != ""
	}
	return service == "" || c.Service == service
}

// TestHealthy looks twenty times at a platform that is well, while what is unrelated goes on: nothing is found.
func TestHealthy(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 7}, without{})
	must(t, r.demo.StartScenario("noise"))
	runs := 20
	if testing.Short() {
		runs = 3
	}
	for i := range runs {
		rep := r.investigate(t)
		for k := range rep.Causes {
			if c := &rep.Causes[k]; c.Confidence >= 0.5 {
				t.Fatalf("run %d found:%s", i, words(&rep))
			}
		}
		time.Sleep(500 * time.Millisecond) // the noise goes on meanwhile
	}
}

// TestWithLess takes sources away: what is left finds what it can, and says what could not be looked at.
func TestWithLess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		without without
		missing string
	}{{"no logs", without{logs: true}, "loki"}, {"no metrics", without{metrics: true}, "prometheus"}, {"the swarm alone", without{logs: true, metrics: true, record: true}, "loki"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, demo.Options{Seed: 5}, c.without)
			must(t, r.demo.StartScenario("crash-loop"))
			var rep diagnosis.Report
			until(t, "the loop is found", func() bool {
				rep = r.investigate(t)
				return len(rep.Causes) > 0 && rep.Causes[0].ID == "crash-loop" && rep.Causes[0].Confidence >= diagnosis.Confident
			})
			i := slices.IndexFunc(rep.Looked, func(l diagnosis.Looked) bool { return l.Source == c.missing })
			if i < 0 || rep.Looked[i].State != "not configured" || rep.Looked[i].Detail == "" {
				t.Errorf("%s is said to be %+v", c.missing, rep.Looked)
			}
		})
	}
}

// TestSourceAway takes Prometheus and Loki away while they are asked: the answer comes in time, and says so.
func TestSourceAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 5}, without{})
	must(t, r.demo.StartScenario("image-missing"))
	until(t, "it is seen", func() bool {
		rep := r.investigate(t)
		return len(rep.Causes) > 0 && rep.Causes[0].ID == "image-missing"
	})
	dead, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: "http://127.0.0.1:1"}})
	must(t, err)
	deaf, err := loki.New(loki.Options{Access: sources.Access{Address: "http://127.0.0.1:1"}})
	must(t, err)
	t.Cleanup(func() { _, _ = dead.Close(), deaf.Close() })
	r.doctor.Metrics, r.doctor.Logs = dead, deaf
	rep := r.investigate(t)
	if len(rep.Causes) == 0 || rep.Causes[0].ID != "image-missing" {
		t.Errorf("found:%s", words(&rep))
	}
	for _, l := range rep.Looked {
		if want := map[string]string{"swarm": "looked", "journal": "looked"}[l.Source]; l.State != orWord(want, "could not look") {
			t.Errorf("%+v", l)
		}
	}
}

// TestSourceLate has a Loki that takes questions and never answers: what is told is the time that a look has, and not the source's own patience.
func TestSourceLate(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Seed: 5}, without{})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	mute, err := loki.New(loki.Options{Access: sources.Access{Address: "http://" + silent.Addr().String()}})
	must(t, err)
	t.Cleanup(func() { _, _ = mute.Close(), silent.Close() })
	r.doctor.Logs, r.doctor.Budget = mute, 300*time.Millisecond
	rep := r.investigate(t)
	i := slices.IndexFunc(rep.Looked, func(l diagnosis.Looked) bool { return l.Source == "loki" })
	if i < 0 || !strings.Contains(rep.Looked[i].Detail, "within the 0.3 s that a look takes") {
		t.Errorf("%+v", rep.Looked)
	}
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// roots are scenarios in which what fails its users is not where the trouble is: the service that is, and the id of its cause.
var roots = []struct{ scenario, id, service string }{
	{"dependency-errors", "dependency-failing", "shop_store"},
	{"dependency-slow", "dependency-failing", "shop_store"},
	{"disk-full", "disk-full", "shop_store"},
	{"label-changed", "label-changed", "shop_store"},
	{"desired-zero", "desired-zero", "shop_cart"},
}

// TestRootStandsFirst looks at all, from the moment on at which a console begins that was not there when the trouble came. In each answer and each part
// of one: once there is proof of the root it is the first, and all that says where its errors come from stands below it, and points to it; before that
// nothing else is believed.
func TestRootStandsFirst(t *testing.T) {
	gate := make(chan struct{}, 3)
	for _, c := range roots {
		t.Run(c.scenario, func(t *testing.T) {
			onlyWhole(t)
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			r := newRig(t, demo.Options{Seed: 5, Scenario: c.scenario}, without{})
			whole := 0
			until(t, "six whole answers with effects of it", func() bool {
				if t.Failed() {
					return true
				}
				last, err := r.doctor.Investigate(t.Context(), diagnosis.Question{}, func(rep diagnosis.Report) { rootFirst(t, &rep, c.id, c.service) })
				must(t, err)
				if len(last.Causes) > 1 && slices.ContainsFunc(last.Causes, func(x diagnosis.Cause) bool { return x.EffectOf == c.service+": "+c.id }) {
					whole++
				}
				return whole == 6
			})
		})
	}
}

func rootFirst(t *testing.T, rep *diagnosis.Report, id, service string) {
	t.Helper()
	isRoot := func(x diagnosis.Cause) bool { return right(&x, id, service) }
	known := slices.ContainsFunc(rep.Causes, isRoot)
	sure := 1.0
	for i := range rep.Causes {
		x := &rep.Causes[i]
		switch {
		case id == "disk-full" && right(x, id, "node"): // so it is
		case known && i == 0 && !isRoot(*x):
			t.Errorf("the first is not the root:%s", words(rep))
		case known && x.ID == "errors-after-dependency" && x.EffectOf != service+": "+id && answered(rep):
			t.Errorf("an effect that points elsewhere, %q:%s", x.EffectOf, words(rep))
		case !known && x.EffectOf == "" && x.Confidence > 0.5 && answered(rep):
			t.Errorf("it is believed without proof of the root:%s", words(rep))
		case x.EffectOf != "" && x.Confidence > sure:
			t.Errorf("a surer effect stands below one that is less sure:%s", words(rep))
		}
		if x.EffectOf != "" {
			sure = x.Confidence
		}
	}
}

// answered tells that all sources have answered so far: where one could not be looked at on a machine that is too busy, there is no proof.
func answered(rep *diagnosis.Report) bool {
	return !slices.ContainsFunc(rep.Looked, func(l diagnosis.Looked) bool { return l.State != "looked" })
}
