package alertmanager_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
)

// TestDemo runs the suite against the embedded platform, then follows an incident there from firing to suppressed. The
// platform's clock runs twenty times as fast, so that the rule's half minute is a second and a half.
func TestDemo(t *testing.T) {
	began := time.Now()
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true, Now: func() time.Time { return began.Add(20 * time.Since(began)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c := conform(t, p.AlertmanagerURL())
	if err := p.StartScenario("crash-loop"); err != nil {
		t.Fatal(err)
	}
	until := func(what string, found func(sources.Alert) bool) sources.Alert {
		t.Helper()
		for t.Context().Err() == nil {
			all, err := c.Alerts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(all, found); i >= 0 {
				return all[i]
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("no alert is %s; there are %+v", what, all)
			}
			time.Sleep(50 * time.Millisecond)
		}
		return sources.Alert{}
	}
	a := until("firing for a service", func(a sources.Alert) bool { return a.State == sources.Firing && a.Service != "" })
	if strings.Contains(a.Service, "@") || a.Severity == "" || a.Summary == "" {
		t.Errorf("%+v", a)
	}
	id, err := c.Silence(t.Context(), sources.Silence{Author: "quarterdeck", Comment: "seen", Ends: time.Now().Add(24 * time.Hour), Matchers: []sources.Matcher{{Name: "alertname", Value: a.Name}}})
	if err != nil {
		t.Fatal(err)
	}
	muted := until("suppressed", func(b sources.Alert) bool { return b.Fingerprint == a.Fingerprint && b.State == sources.Suppressed })
	if !slices.Contains(muted.SilencedBy, id) {
		t.Errorf("%+v is not silenced by %s", muted, id)
	}
}
