package prometheus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// Targets are what Prometheus scrapes now, those that are down first. Servers that scrape nothing themselves
// (Thanos, Mimir, VictoriaMetrics' select) are NotFound.
func (c *Client) Targets(ctx context.Context) ([]sources.Target, error) {
	got, err := c.api.Targets(ctx)
	if err != nil {
		return nil, missing(c.failed("list targets", err), "this server has no targets: ask the Prometheus or the agent that scrapes")
	}
	out := make([]sources.Target, 0, len(got.Active))
	for _, t := range got.Active {
		every, _ := model.ParseDuration(t.DiscoveredLabels["__scrape_interval__"]) // before 2.28 there is none
		out = append(out, sources.Target{
			Every: time.Duration(every),
			Job:   cmp.Or(string(t.Labels["job"]), t.ScrapePool), Instance: string(t.Labels["instance"]),
			Health: string(t.Health), LastError: t.LastError, LastScrape: t.LastScrape, Labels: labels(t.Labels),
		})
	}
	up := func(t sources.Target) int {
		if t.Health == string(v1.HealthGood) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b sources.Target) int {
		return cmp.Or(up(a)-up(b), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})
	return out, nil
}

// Rules are the alerting and recording rules in the server's order, alerting ones with their pending and firing
// alerts. Servers without a ruler are NotFound.
func (c *Client) Rules(ctx context.Context) ([]sources.Rule, error) {
	got, err := c.api.Rules(ctx, nil)
	if err != nil {
		return nil, missing(c.failed("list rules", err), "this server has no rules: ask the ruler (Prometheus, vmalert, Thanos Ruler)")
	}
	var out []sources.Rule
	for _, g := range got.Groups {
		for _, r := range g.Rules {
			switch r := r.(type) {
			case v1.AlertingRule:
				x := c.alertingRule(g.Name, r)
				x.Every = time.Duration(g.Interval * float64(time.Second))
				out = append(out, x)
			case v1.RecordingRule:
				out = append(out, sources.Rule{Group: g.Name, Name: r.Name, Query: r.Query, State: string(r.Health), Labels: labels(r.Labels), LastError: r.LastError})
			}
		}
	}
	return out, nil
}

// ActiveAlerts implements [sources.Metrics] (GET /api/v1/alerts). Servers without a ruler are NotFound.
func (c *Client) ActiveAlerts(ctx context.Context) ([]sources.Alert, error) {
	got, err := c.api.Alerts(ctx)
	if err != nil {
		return nil, missing(c.failed("list active alerts", err), "this server has no rules: ask the ruler (Prometheus, vmalert, Thanos Ruler)")
	}
	out := make([]sources.Alert, 0, len(got.Alerts))
	for i := range got.Alerts {
		out = append(out, c.alert("", &got.Alerts[i]))
	}
	return out, nil
}

func (c *Client) alertingRule(group string, r v1.AlertingRule) sources.Rule {
	rule := sources.Rule{
		Group: group, Name: r.Name, Query: r.Query, State: r.State, Severity: string(r.Labels["severity"]),
		For: time.Duration(r.Duration * float64(time.Second)), Alerting: true,
		Labels: labels(r.Labels), Annotations: labels(r.Annotations), LastError: r.LastError,
	}
	for _, a := range r.Alerts {
		if a != nil {
			rule.Alerts = append(rule.Alerts, c.alert(r.Name, a))
		}
	}
	return rule
}

func (c *Client) alert(rule string, a *v1.Alert) sources.Alert {
	ls := labels(a.Labels)
	notes := labels(a.Annotations)
	out := sources.Alert{
		// Alertmanager's own fingerprint, as long as no external labels or relabelling come between.
		Fingerprint: a.Labels.Fingerprint().String(),
		Name:        cmp.Or(ls[model.AlertNameLabel], rule), Severity: ls["severity"], Service: sources.ServiceOf(ls, c.alertLabels),
		State: sources.Firing, Since: a.ActiveAt,
		Summary: cmp.Or(notes["summary"], notes["description"], notes["message"]),
		Labels:  ls, Annotations: notes, Value: a.Value,
	}
	if a.State == v1.AlertStatePending {
		out.State = sources.Pending
	}
	return out
}

// missing gives a NotFound its own way out: here it is a part of the API that this kind of server does not have.
func missing(err error, next string) error {
	var e *sources.Error
	if errors.As(err, &e) && e.Kind == sources.NotFound {
		e.Next = next
	}
	return err
}
