//go:build lab

package alertmanager_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestLab runs the suite against the lab's Alertmanager, which is the real one, and follows an alert of its own from
// firing over suppressed to firing again.
func TestLab(t *testing.T) {
	address := os.Getenv("ALERTMANAGER_URL")
	if address == "" {
		t.Fatal("ALERTMANAGER_URL is not set: bring the lab up and take its exports (testdata/lab/lab env)")
	}
	c := conform(t, address)
	name := "QdConformance" + time.Now().Format("150405")
	body := `[{"labels":{"alertname":"` + name + `","severity":"info","swarm_service":"shop_web","service":"edge"},"annotations":{"summary":"of the test"},"endsAt":"` +
		time.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}]`
	resp, err := http.Post(address+"/api/v2/alerts", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	until := func(state sources.AlertState) sources.Alert {
		t.Helper()
		for range 100 {
			all, err := c.Alerts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range all {
				if a.Name == name && a.State == state {
					return a
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("%s is not %s after 10 s", name, state)
		return sources.Alert{}
	}
	if a := until(sources.Firing); a.Service != "shop_web" || a.Summary != "of the test" || a.Severity != "info" {
		t.Errorf("%+v", a)
	}
	id, err := c.Silence(t.Context(), sources.Silence{Author: "quarterdeck", Comment: "test", Ends: time.Now().Add(time.Minute), Matchers: []sources.Matcher{{Name: "alertname", Value: name}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := until(sources.Suppressed); len(a.SilencedBy) != 1 || a.SilencedBy[0] != id {
		t.Errorf("%+v", a)
	}
	if err := c.Expire(t.Context(), id); err != nil {
		t.Error(err)
	}
	until(sources.Firing)
}
