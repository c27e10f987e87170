package prometheus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestTargets(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/targets"] = `{"status":"success","data":{"activeTargets":[
		{"labels":{"job":"b","instance":"1"},"health":"up","lastScrape":"2026-11-24T08:21:15Z"},
		{"labels":{"job":"a","instance":"2"},"health":"up"},
		{"labels":{"instance":"3"},"scrapePool":"pool","health":"down","lastError":"connection refused"}],
		"droppedTargets":[{"discoveredLabels":{"job":"x"}}]}}`
	got, err := f.client(t, Options{}).Targets(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if d := got[0]; d.Job != "pool" || d.Health != "down" || d.LastError != "connection refused" {
		t.Errorf("what is down comes first: %+v", d)
	}
	if got[1].Job != "a" || got[2].LastScrape.IsZero() {
		t.Errorf("%+v", got[1:])
	}
}

func TestRules(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/rules"] = `{"status":"success","data":{"groups":[{"name":"g","interval":5,"rules":[
		{"type":"alerting","name":"Down","query":"up == 0","duration":90,"state":"firing","labels":{"severity":"critical"},"health":"ok","alerts":[
			{"labels":{"alertname":"Down","severity":"critical","service":"edge","swarm_service":"shop_web@swarm"},"annotations":{"summary":"s"},"state":"firing","activeAt":"2026-11-24T08:21:15Z","value":"0e+00"},
			{"labels":{"alertname":"Down","job":"node"},"annotations":{"description":"d"},"state":"pending","activeAt":"2026-11-24T08:21:15Z","value":"0e+00"}, null]},
		{"type":"recording","name":"job:up:sum","query":"sum by (job) (up)","health":"err","lastError":"boom"}]}]}}`
	got, err := f.client(t, Options{}).Rules(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	down := got[0]
	if !down.Alerting || down.Severity != "critical" || down.For != 90*time.Second || down.State != "firing" || down.Group != "g" || len(down.Alerts) != 2 {
		t.Errorf("%+v", down)
	}
	a := down.Alerts[0]
	if a.Service != "shop_web" || a.State != sources.Firing || a.Summary != "s" || a.Since.IsZero() || a.Name != "Down" || a.Value != "0e+00" || len(a.Fingerprint) != 16 {
		t.Errorf("%+v", a)
	}
	if p := down.Alerts[1]; p.State != sources.Pending || p.Service != "" || p.Summary != "d" {
		t.Errorf("a job names no service: %+v", p)
	}
	if r := got[1]; r.Alerting || r.LastError != "boom" || r.State != "err" {
		t.Errorf("%+v", r)
	}
	own, err := f.client(t, Options{AlertLabels: []string{"job"}}).Rules(t.Context())
	if err != nil || own[0].Alerts[1].Service != "node" {
		t.Errorf("labels as set: %v %v", own, err)
	}
}

func TestActiveAlerts(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/alerts"] = `{"status":"success","data":{"alerts":[
		{"labels":{"alertname":"Down","severity":"critical","service":"edge","swarm_service":"shop_web@swarm"},"annotations":{"summary":"s"},"state":"firing","activeAt":"2026-11-24T08:21:15Z","value":"0e+00"},
		{"labels":{"alertname":"Slow","job":"node"},"annotations":{"description":"d"},"state":"pending","activeAt":"2026-11-24T08:21:15Z","value":"3e+00"}]}}`
	got, err := f.client(t, Options{}).ActiveAlerts(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if a := got[0]; a.Name != "Down" || a.Service != "shop_web" || a.State != sources.Firing || a.Summary != "s" || a.Since.IsZero() || a.Value != "0e+00" || len(a.Fingerprint) != 16 {
		t.Errorf("%+v", a)
	}
	if p := got[1]; p.Name != "Slow" || p.State != sources.Pending || p.Summary != "d" {
		t.Errorf("%+v", p)
	}
	delete(f.paths, "/api/v1/alerts")
	if _, err := f.client(t, Options{}).ActiveAlerts(t.Context()); sources.KindOf(err) != sources.NotFound {
		t.Errorf("a server without a ruler: %v", err)
	}
}

func TestRulesOfAKindThatIsNotKnown(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/rules"] = `{"status":"success","data":{"groups":[{"name":"g","rules":[{"type":"dreaming","name":"x"}]}]}}`
	if _, err := f.client(t, Options{}).Rules(t.Context()); sources.KindOf(err) != sources.BadAnswer {
		t.Error(err)
	}
}

func TestNodeUsage(t *testing.T) {
	uname := rule{"node_uname_info", vector(
		`{"instance":"10.0.0.1:9100","nodename":"alpha"} 1`, `{"instance":"10.0.0.2:9100","nodename":"0123456789ab"} 1`, `{"instance":"[fd00::3]:9100","nodename":"gamma"} 1`)}
	for _, tc := range []struct {
		name  string
		rules []rule
		want  map[string]float64
	}{
		{"node_exporter by uname, host and label", []rule{uname, {"node_cpu_seconds_total", vector(
			`{"instance":"10.0.0.1:9100"} 1`, `{"instance":"10.0.0.2:9100"} 2`, `{"instance":"[fd00::3]:9100"} 3`, `{"instance":"10.0.0.4:9100","node":"delta"} 4`)}},
			map[string]float64{"alpha": 1, "10.0.0.2": 2, "gamma": 3, "delta": 4}},
		{"two exporters on one node", []rule{uname, {"node_cpu_seconds_total", vector(`{"instance":"10.0.0.1:9100"} 1`, `{"instance":"10.0.0.1:9101"} 1.5`, `{"instance":"10.0.0.3:1"} NaN`)}},
			map[string]float64{"alpha": 1.5}},
		{"cAdvisor's root cgroup", []rule{uname, {`{id="/"}`, vector(`{"instance":"10.0.0.1:8080"} 7`)}}, map[string]float64{"alpha": 7}},
		{"an instance without a port", []rule{{"node_cpu_seconds_total", vector(`{"instance":"beta"} 7`)}}, map[string]float64{"beta": 7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := newFake(t, tc.rules...).client(t, Options{}).NodeUsage(t.Context(), "cpu", time.Time{})
			if err != nil || len(got) != len(tc.want) {
				t.Fatal(got, err)
			}
			for n, v := range tc.want {
				if got[n] != v {
					t.Errorf("%s: %v, want %v", n, got[n], v)
				}
			}
		})
	}
	c := newFake(t, uname).client(t, Options{})
	if _, err := c.NodeUsage(t.Context(), "memory", time.Time{}); sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), "node_exporter") {
		t.Error(err)
	}
	if _, err := c.NodeUsage(t.Context(), "disk", time.Time{}); sources.KindOf(err) != sources.BadQuestion {
		t.Error(err)
	}
}

// A context's cause is shared by all that run under it: an error that names what was being done is a copy.
func TestSharedCauseIsNotChanged(t *testing.T) {
	cause := &sources.Error{Source: name, Kind: sources.Unreachable, Op: "as it was", Err: errors.New("late")}
	ctx, cancel := context.WithCancelCause(t.Context())
	f := newFake(t)
	f.hold, f.arrived = make(chan struct{}), make(chan struct{}, 3)
	go func() { <-f.arrived; cancel(cause) }()
	_, err := f.client(t, Options{}).NodeUsage(ctx, "cpu", time.Time{})
	close(f.hold)
	if err == nil || cause.Op != "as it was" {
		t.Errorf("%v; the cause is %v", err, cause)
	}
}
