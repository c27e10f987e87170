package prometheus_test

import (
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/prometheus"
)

func startDemo(t *testing.T, o demo.Options) *demo.Platform {
	t.Helper()
	o.Quiet = true
	p, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestDemo runs the suite against the embedded platform.
func TestDemo(t *testing.T) {
	p := startDemo(t, demo.Options{})
	conform(t, p.PrometheusURL(), "shop_web")
}

// TestDemoAlerts: of an incident too, whose alerts are pending first and fire then.
func TestDemoAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for an alert to fire; the race detector sees the same paths in others")
	}
	p := startDemo(t, demo.Options{})
	if err := p.StartScenario("crash-loop"); err != nil {
		t.Fatal(err)
	}
	c, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: p.PrometheusURL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		rules, err := c.Rules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		states := map[sources.AlertState]bool{}
		for i := range rules {
			for k := range rules[i].Alerts {
				states[rules[i].Alerts[k].State] = true
			}
		}
		if states[sources.Pending] && states[sources.Firing] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute there is %v", states)
		}
	}
	conformAlerts(t, c)
}

// TestDemoFleet: whatever the platform runs is named as Swarm names it, and a whole fleet is one query.
func TestDemoFleet(t *testing.T) {
	p := startDemo(t, demo.Options{Services: 60, Tasks: 200})
	c, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: p.PrometheusURL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	now := time.Now()
	got, err := c.UsageAll(t.Context(), "memory", prometheus.WindowFor(now.Add(-2*time.Minute), now, 20, 15*time.Second))
	if err != nil || len(got) != 60 {
		t.Errorf("memory of %d services, want 60: %v", len(got), err)
	}
}
