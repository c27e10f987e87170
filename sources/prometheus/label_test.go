package prometheus

import (
	"context"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestServiceLabel(t *testing.T) {
	for _, tc := range []struct {
		name  string
		data  string
		label string
		err   string
		next  string
	}{
		{"cAdvisor", labelled.data, swarmLabel, "", ""},
		{"relabelled", vector(`{"swarm_service":"a"} 2`, `{"swarm_service":"b"} 2`), "swarm_service", "", ""},
		{"one service alone, by Swarm's own name", vector(`{"` + swarmLabel + `":"a"} 2`), swarmLabel, "", ""},
		{"dockerswarm_sd's label names the exporter, cAdvisor's the services",
			vector(`{"service":"mon_cadvisor","`+swarmLabel+`":"a"} 2`, `{"service":"mon_cadvisor","`+swarmLabel+`":"b"} 2`), swarmLabel, "", ""},
		{"a label with one value that is not Swarm's own is the exporter's", vector(`{"job":"c","service":"mon_cadvisor"} 40`), "", "exporter unlabelled: 40 series", "0.54"},
		{"containers without labels", vector(`{"job":"cadvisor"} 57`), "", "exporter unlabelled: 57 series of containers are there (job cadvisor)", "0.54"},
		{"nothing at all", vector(), "", "no container metrics at all", "run cAdvisor"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newFake(t, rule{"count by (job, ", tc.data}).client(t, Options{})
			label, how, err := c.ServiceLabel(t.Context())
			if label != tc.label || (err == nil) != (tc.err == "") {
				t.Fatalf("label %q, err %v", label, err)
			}
			if err == nil {
				if !strings.Contains(how, "found on") {
					t.Errorf("how: %q", how)
				}
				return
			}
			if sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), tc.err) || !strings.Contains(sources.NextOf(err), tc.next) {
				t.Errorf("%v", err)
			}
		})
	}
}

// While the exporters are down, the label of the time before still draws the charts of the time before.
func TestExportersThatHaveStopped(t *testing.T) {
	f := newFake(t, rule{"last_over_time(" + containerMetrics, labelled.data},
		rule{"rate(container_cpu_usage", matrix(`{"` + swarmLabel + `":"shop_web"} 1 2`)})
	c := f.client(t, Options{})
	label, how, err := c.ServiceLabel(t.Context())
	if label != swarmLabel || err != nil || !strings.Contains(how, "have stopped") {
		t.Fatal(label, how, err)
	}
	rs, err := c.Standard(t.Context(), "shop_web", lastQuarter(), "cpu", "memory")
	if err != nil {
		t.Fatal(err)
	}
	if r := reading(t, rs, "cpu"); r.Reason != "" {
		t.Errorf("cpu: %s", r.Reason)
	}
	if r := reading(t, rs, "memory"); !strings.Contains(r.Reason, "look at their targets") {
		t.Errorf("memory: %s", r.Reason)
	}
	if p := c.Probe(t.Context()); !strings.Contains(strings.Join(p.Missing, ","), "container metrics") || !strings.Contains(p.Fix, "targets of job cadvisor") {
		t.Errorf("%+v", p)
	}
}

func TestServiceLabelAsSet(t *testing.T) {
	f := newFake(t)
	label, how, err := f.client(t, Options{ServiceLabel: "svc"}).ServiceLabel(t.Context())
	if label != "svc" || how != "set in the config" || err != nil || len(f.queries) != 0 {
		t.Errorf("%q %q %v, %d queries", label, how, err, len(f.queries))
	}
	for _, bad := range []string{`a"b`, "a b", "1a", "a) or vector(1"} {
		if _, err := New(Options{Access: sources.Access{Address: f.URL}, ServiceLabel: bad}); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%q is taken for a label: %v", bad, err)
		}
	}
}

func TestDiscoveryIsRememberedAndItsFailureIsNot(t *testing.T) {
	f := newFake(t)
	f.paths["/api/v1/query"] = `<html>`
	c := f.client(t, Options{})
	if _, _, err := c.ServiceLabel(t.Context()); sources.KindOf(err) != sources.BadAnswer {
		t.Fatal(err)
	}
	f.mu.Lock()
	delete(f.paths, "/api/v1/query")
	f.rules = []rule{labelled}
	f.mu.Unlock()
	for range 3 {
		if _, _, err := c.ServiceLabel(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.asked("count by (job, ")); n != 2 { // the one that failed, and one
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestScrapeInterval(t *testing.T) {
	f := newFake(t, labelled)
	f.paths["/api/v1/targets"] = `{"status":"success","data":{"activeTargets":[
		{"labels":{"job":"cadvisor"},"discoveredLabels":{"__scrape_interval__":"10s"},"health":"up"},
		{"labels":{"job":"cadvisor"},"discoveredLabels":{"__scrape_interval__":"10s"},"health":"down"},
		{"labels":{"job":"cadvisor"},"discoveredLabels":{"__scrape_interval__":"1m"},"health":"up"},
		{"labels":{"job":"slow"},"discoveredLabels":{"__scrape_interval__":"5m"},"health":"up"},
		{"labels":{"job":"slow"},"discoveredLabels":{"__scrape_interval__":"5m"},"health":"up"},
		{"labels":{"job":"slow"},"discoveredLabels":{"__scrape_interval__":"5m"},"health":"up"}]}}`
	if d := f.client(t, Options{}).scrapeInterval(t.Context()); d != 10*time.Second {
		t.Errorf("as the containers' targets have it: %v, want 10 s", d)
	}
	if d := f.client(t, Options{ScrapeInterval: time.Second}).scrapeInterval(t.Context()); d != time.Second {
		t.Errorf("as set: %v", d)
	}
	if d := newFake(t).client(t, Options{}).scrapeInterval(t.Context()); d != DefaultScrape {
		t.Errorf("no targets API: %v", d)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c := f.client(t, Options{})
	if d := c.scrapeInterval(gone); d != DefaultScrape {
		t.Errorf("cancelled: %v", d)
	}
	if d := c.scrapeInterval(t.Context()); d != 10*time.Second {
		t.Errorf("a cancelled question must not be remembered: %v", d)
	}
}
