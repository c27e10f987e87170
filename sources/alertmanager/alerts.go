package alertmanager

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"quarterdeck/sources"
)

// The wire's shapes, as api/v2/openapi.yaml of Alertmanager 0.34 has them; 0.16 on are alike but for
// fields that are missing.
type (
	wireAlert struct {
		Fingerprint  string            `json:"fingerprint"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		Receivers    []wireReceiver    `json:"receivers"`
		Status       struct {
			State       string   `json:"state"` // unprocessed | active | suppressed
			SilencedBy  []string `json:"silencedBy"`
			InhibitedBy []string `json:"inhibitedBy"`
		} `json:"status"`
	}
	wireReceiver struct {
		Name string `json:"name"`
	}
	wireGroup struct {
		Labels   map[string]string `json:"labels"`
		Receiver wireReceiver      `json:"receiver"`
		Alerts   []wireAlert       `json:"alerts"`
	}
)

// Alerts are all alerts that Alertmanager holds, silenced and inhibited ones too; the newest first.
func (c *Client) Alerts(ctx context.Context) ([]sources.Alert, error) {
	var wire []wireAlert
	if err := c.call(ctx, "list alerts", http.MethodGet, "/api/v2/alerts", nil, nil, &wire); err != nil {
		return nil, err
	}
	return c.alerts(wire), nil
}

// Groups are the alerts as they are notified together: an alert that goes to two receivers is in two groups.
func (c *Client) Groups(ctx context.Context) ([]sources.AlertGroup, error) {
	var wire []wireGroup
	if err := c.call(ctx, "list alert groups", http.MethodGet, "/api/v2/alerts/groups", nil, nil, &wire); err != nil {
		return nil, err
	}
	groups := make([]sources.AlertGroup, 0, len(wire))
	for _, g := range wire {
		groups = append(groups, sources.AlertGroup{Receiver: g.Receiver.Name, Labels: g.Labels, Alerts: c.alerts(g.Alerts)})
	}
	return groups, nil
}

func (c *Client) alerts(wire []wireAlert) []sources.Alert {
	out := make([]sources.Alert, 0, len(wire))
	for _, w := range wire {
		out = append(out, c.alert(w))
	}
	slices.SortStableFunc(out, func(a, b sources.Alert) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

func (c *Client) alert(w wireAlert) sources.Alert {
	a := sources.Alert{
		Fingerprint: w.Fingerprint,
		Name:        w.Labels["alertname"],
		Severity:    w.Labels["severity"],
		Service:     sources.ServiceOf(w.Labels, c.labels),
		State:       sources.Firing, // "unprocessed" is firing too: it has only not been routed yet
		Since:       w.StartsAt,
		Ends:        w.EndsAt,
		Summary:     cmp.Or(w.Annotations["summary"], w.Annotations["description"], w.Annotations["message"]),
		Labels:      w.Labels,
		Annotations: w.Annotations,
		SilencedBy:  w.Status.SilencedBy,
		InhibitedBy: w.Status.InhibitedBy,
		Generator:   w.GeneratorURL,
	}
	if w.Status.State == "suppressed" {
		a.State = sources.Suppressed
	}
	for _, r := range w.Receivers {
		a.Receivers = append(a.Receivers, r.Name)
	}
	return a
}
