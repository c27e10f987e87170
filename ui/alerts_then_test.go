package ui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// firedOf are the names of the alerts that the page lists.
func (r *rig) alertNames() string {
	var names []string
	for i := range r.alerts.rows {
		names = append(names, r.alerts.rows[i].Name)
	}
	return strings.Join(names, " ")
}

func (r *rig) goTo(at time.Time) {
	r.when.set(at, noon)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
}

// TestAlertsOfThen: at a past moment the page lists what fired then, by what still fires and by Prometheus' samples, and says what it cannot
// know. Moments of one shown time are one question, and an answer to another time is dropped.
func TestAlertsOfThen(t *testing.T) {
	for _, size := range sizes {
		r, _, book := ringingRig(t, size[0], size[1], "")
		book.fired = []sources.Alert{
			{Fingerprint: "p1", Name: "OldTrouble", Service: "shop_api", State: sources.Firing, Since: noon.Add(-40 * time.Minute), Ends: noon.Add(-30 * time.Minute), Labels: map[string]string{"alertname": "OldTrouble"}},
			{Fingerprint: "p2", Name: "Lasting", Service: "shop_cart", State: sources.Firing, Ends: noon.Add(-20 * time.Minute)},
			{Fingerprint: "other", Name: "DiskAlmostFull", State: sources.Firing, Since: noon.Add(-90 * time.Minute)}, // as Alertmanager has it with other labels
			{Fingerprint: "a1", Name: "HighErrorRate", Service: "shop_web", State: sources.Firing, Since: noon.Add(-12 * time.Minute)},
		}
		r.press("5")
		r.goTo(noon.Add(-35 * time.Minute))
		r.until("the answer", func() bool { return !r.alerts.fired.of.Start.IsZero() })
		if got := r.alertNames(); got != "DiskAlmostFull OldTrouble Lasting" {
			t.Fatalf("%v: half an hour ago fired: %s\n%s", size, got, r.screen())
		}
		r.shows("at 11:25:00", "not known: pending and muted", "OldTrouble", "2 firing, 1 muted")
		r.alerts.selectID(alertID(&r.alerts.rows[1]))
		r.shows("by Prometheus' samples")
		checkFrame(t, r.Model)
		asked := book.asked.Load()
		r.goTo(noon.Add(-25 * time.Minute))
		if got := r.alertNames(); got != "DiskAlmostFull Lasting" || book.asked.Load() != asked || r.alerts.fired.loading {
			t.Fatalf("%v: %s, asked %d times more", size, got, book.asked.Load()-asked)
		}
		r.goTo(noon.Add(-5 * time.Minute))
		if got := r.alertNames(); got != "HighErrorRate HighLatency DiskAlmostFull" {
			t.Fatalf("%v: %s", size, got)
		}
		old := r.alerts.fired.generation
		book.err = &sources.Error{Source: "prometheus", Kind: sources.Unreachable, Op: "list the alerts that fired", Err: errors.New("connection refused")}
		r.press("[")
		r.until("the failure", func() bool { return r.alerts.fired.err != nil })
		r.shows("not known: what fired and is over (Prometheus: unreachable)")
		r.send(firedMsg{generation: old, of: sources.Window{Start: noon.Add(-24 * time.Hour), End: noon}, list: book.fired})
		if strings.Contains(r.alertNames(), "Lasting") || r.alerts.fired.err == nil {
			t.Fatalf("%v: an answer to an older question was taken in: %s", size, r.alertNames())
		}
		r.press("0")
		if got := r.alertNames(); got != "HighErrorRate MemoryNearLimit HighLatency DiskAlmostFull" || len(r.alerts.silences) != 2 {
			t.Fatalf("%v: live: %s, %d silences", size, got, len(r.alerts.silences))
		}
	}
}

// TestNoAlertsOfThen: an empty page says why, and does not claim what nobody has looked at.
func TestNoAlertsOfThen(t *testing.T) {
	book := &rules{}
	r := newRig(t, 120, 40, func(o *Options) { o.Rules = book })
	r.press("5")
	r.goTo(noon.Add(-35 * time.Minute))
	r.shows("no alert fired at 11:25:00")
	book.err = errors.New("gone")
	r.press("[")
	r.shows("is not known: gone")
	r.o.Rules = nil
	r.press("[")
	r.shows("no Prometheus is configured, and the console looks since 12:00:00")
}

// ruled is a Prometheus whose rules have alerts.
type ruled struct {
	*stub
	err error
}

func (r ruled) Rules(context.Context) ([]sources.Rule, error) {
	return []sources.Rule{{Name: "High", For: 2 * time.Minute, Alerting: true, Alerts: []sources.Alert{
		{Fingerprint: "r1", Name: "HighErrorRate", Severity: "critical", Service: "shop_web", State: sources.Firing, Since: noon.Add(-12 * time.Minute), Value: "0.3"},
		{Fingerprint: "r2", Name: "HighLatency", Severity: "warning", Service: "shop_api", State: sources.Pending, Since: noon.Add(-time.Minute)},
	}}}, r.err
}

// TestAlertsWithoutAlertmanager: what fires and is pending comes from Prometheus' rules, and it is said that silences are not known.
func TestAlertsWithoutAlertmanager(t *testing.T) {
	for _, size := range sizes {
		m, s := console(t, size[0], size[1], nil)
		f := m.o.Fleet
		f.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Absent})
		_ = f.Once(t.Context(), fleet.Feeds{Metrics: ruled{stub: s}}) // the swarm is not asked
		m.Update(wakeMsg{snap: f.Snapshot()})
		press(t, m, "5")
		screen := (&rig{Model: m, t: t}).screen()
		for _, want := range []string{"alerts 1 firing, 1 pending", "from Prometheus; silences are not known", "HighErrorRate", "HighLatency"} {
			if !strings.Contains(screen, want) {
				t.Errorf("%v: %q is not on the screen:\n%s", size, want, screen)
			}
		}
		if a := m.selectedAlert(); a == nil || !a.Since.Equal(noon.Add(-10*time.Minute)) {
			t.Errorf("it fires since its condition has held for the rule's time: %+v", a)
		}
		checkFrame(t, m)
		for _, k := range []string{"S", "x"} {
			m.toast.text = ""
			press(t, m, k)
			if !strings.Contains(m.toast.text, "Prometheus has none") {
				t.Errorf("%s says %q", k, m.toast.text)
			}
		}
		_ = f.Once(t.Context(), fleet.Feeds{Metrics: ruled{s, &sources.Error{Source: fleet.PrometheusName, Kind: sources.Forbidden, Op: "list rules"}}})
		m.Update(wakeMsg{snap: f.Snapshot()})
		if screen := (&rig{Model: m, t: t}).screen(); !strings.Contains(screen, "prometheus FORBIDDEN since") || !strings.Contains(screen, "HighErrorRate") {
			t.Errorf("%v: rules that cannot be read must be said, and what was known stay:\n%s", size, screen)
		}
	}
}
