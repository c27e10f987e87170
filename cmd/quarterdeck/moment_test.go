//go:build unix

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/fleet"
)

// atWords are the header's words of a past moment.
var atWords = regexp.MustCompile(`AT (\d\d:\d\d:\d\d), `)

// moment is the moment that a screen's header says; ok is false where it is live.
func momentIn(t *testing.T, screen string) (at time.Time, ok bool) {
	t.Helper()
	found := atWords.FindStringSubmatch(header(screen))
	if found == nil {
		return at, false
	}
	now := time.Now()
	clock, err := time.ParseInLocation("15:04:05", found[1], time.Local)
	if err != nil {
		t.Fatal(err)
	}
	at = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.Local)
	if at.After(now) { // it was yesterday
		at = at.AddDate(0, 0, -1)
	}
	return at, true
}

// bodyLine is the first line of a screen's body that has a text; "" : none.
func bodyLine(screen, text string) string {
	for i, l := range strings.Split(screen, "\n") {
		if i > 1 && strings.Contains(l, text) && !strings.Contains(l, "W goes there") { // a title that leads to it is not its row
			return l
		}
	}
	return ""
}

// TestGoingBackToBeforeItBegan: a fault begins while the console looks, and by keys one goes back to before it: the table, the lines, the
// charts, the alerts and the timeline show that moment, a line that is moved to takes it along, and 0 is now.
func TestGoingBackToBeforeItBegan(t *testing.T) {
	oneByOne(t)
	t.Parallel()
	d := quietDemo(t)
	c := openBadConsole(t, d, nil, 15*time.Second)
	const service = "shop_store"
	c.wait("all is well", 60*time.Second, func(s string) bool { return strings.Contains(s, "● 12") || strings.Contains(s, "services 12") })
	c.press("2")
	c.wait(service+" is well", 60*time.Second, func(s string) bool {
		snap := c.p.fleet.Snapshot()
		v := snap.Service(service)
		return v != nil && v.Health == fleet.Healthy && !snap.At.IsZero() && strings.Contains(bodyLine(s, service), "1/1")
	})
	looked := time.Now()
	c.wait("some seconds to go back to", 60*time.Second, func(string) bool { return time.Since(looked) > 6*time.Second })
	began := time.Now()
	if err := d.StartScenario("label-changed"); err != nil {
		t.Fatal(err)
	}
	c.wait(service+" is ill", 60*time.Second, func(s string) bool { return strings.Contains(bodyLine(s, service), "0/1") })
	c.press(":")
	c.press(strings.Split("store", "")...)
	c.press("enter", "2", "}", "}", "}")
	var at time.Time
	for range 60 {
		c.press("<")
		if at, _ = momentIn(t, c.screen()); at.Before(began.Add(-time.Second)) {
			break
		}
	}
	if !at.Before(began) || at.Before(looked.Add(-2*time.Second)) {
		t.Fatalf("the moment is %s, it began at %s and the console looks since %s:\n%s", at, began, looked, c.screen())
	}
	clock := at.Format("15:04:05")
	c.wait("the table is of then", 10*time.Second, func(s string) bool {
		return strings.Contains(bodyLine(s, service), "1/1") && strings.Contains(s, "at "+clock)
	})
	c.press("4")
	c.wait("the charts' cursor is there", 10*time.Second, func(s string) bool {
		return strings.Contains(bodyLine(s, "metrics "+service), "at "+clock) && strings.Count(s, clock) > 3 && strings.Contains(s, "cores")
	})
	c.press("5")
	c.wait("the alerts of then", 10*time.Second, func(s string) bool {
		return strings.Contains(s, "· at "+clock) && strings.Contains(s, "Prometheus' samples") && !strings.Contains(s, "ServiceDown")
	})
	c.press("6")
	c.wait("the timeline's row of what was done", 10*time.Second, func(s string) bool {
		l := bodyLine(s, "label storage=ssd taken away")
		return strings.Contains(l, "▣ node") && strings.Contains(l, "node2")
	})
	c.press("3")
	c.wait("the lines of then", 20*time.Second, func(s string) bool {
		return strings.Contains(bodyLine(s, "logs "+service), "logs "+service) && strings.Contains(bodyLine(s, "▌"), "store.1")
	})
	c.press("k", "k")
	led, ok := momentIn(t, c.screen())
	if !ok || !led.Before(at) && !led.Equal(at) || at.Sub(led) > time.Minute {
		t.Fatalf("two lines up from %s the moment is %s:\n%s", at, led, c.screen())
	}
	if !strings.Contains(c.screen(), led.Format("15:04:05")) {
		t.Errorf("no line of %s is on the screen:\n%s", led, c.screen())
	}
	c.press("0", "2")
	c.wait("back live it is ill", 20*time.Second, func(s string) bool {
		_, past := momentIn(t, s)
		return !past && strings.Contains(bodyLine(s, service), "0/1")
	})
}

// TestAlertsFromPrometheusAlone: without Alertmanager the console and the command list what Prometheus' rules tell, and say what is not known.
func TestAlertsFromPrometheusAlone(t *testing.T) {
	d := quietDemo(t)
	if err := d.StartScenario("certificate-expiring"); err != nil {
		t.Fatal(err)
	}
	c := openBadConsole(t, d, map[string]string{"alertmanager": ""}, 15*time.Second)
	c.press("5")
	s := c.wait("an alert of a rule, and that all sources have answered", 60*time.Second, func(s string) bool {
		return strings.Contains(s, "CertificateExpiring") && strings.Contains(s, "from Prometheus; silences are not known") && !strings.Contains(s, "CONNECTING")
	})
	if !strings.Contains(s, "■ firing") && !strings.Contains(s, "▲ firing") {
		t.Errorf("%s", s)
	}
	if strings.Contains(header(s), "alerts ?") {
		t.Errorf("the header does not know of it: %s", header(s))
	}
	c.press("S")
	c.wait("why nothing can be silenced", 10*time.Second, func(s string) bool { return strings.Contains(s, "silences are Alertmanager's, and none is configured") })
	x := target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": d.LokiAddr(), "PROMETHEUS_URL": d.PrometheusURL(), "ALERTMANAGER_URL": ""}}
	out, errs, code := x.ask(t, "alerts")
	if code != exitDone || !strings.Contains(out, "CertificateExpiring") || !strings.Contains(errs, "what is silenced is not known") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	_, errs, code = x.ask(t, "alerts", "silence", "alertname=CertificateExpiring", "--comment", "x")
	if code == exitDone || !strings.Contains(errs, "silences are Alertmanager's, Prometheus has none") {
		t.Errorf("exit %d: %s", code, fmt.Sprint(errs))
	}
}
