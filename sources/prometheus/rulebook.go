package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

var _ sources.Rulebook = (*Client)(nil)

// alertsQuery are the synthetic series that Prometheus writes of each alert (rules/alerting.go).
const alertsQuery = `ALERTS{alertstate="firing"}`

// RuleOf finds the rule that has made an alert, and takes its query apart. Several rules may have one name, one for each severity: the one
// that holds the alert wins, then the one whose labels the alert has, most of them first. Where the server has no rules API, or no such rule any
// more, the query of the alert's own link is taken.
func (c *Client) RuleOf(ctx context.Context, a *sources.Alert) (sources.Rule, sources.Threshold, error) {
	rules, err := c.Rules(ctx)
	if err != nil && sources.KindOf(err) != sources.NotFound {
		return sources.Rule{}, sources.Threshold{}, err
	}
	if best := ruleOf(rules, a); best != nil {
		return *best, ThresholdOf(best.Query), nil
	}
	if query := linkedQuery(a.Generator); query != "" {
		return sources.Rule{Name: a.Name, Query: query, Alerting: true, Severity: a.Severity}, ThresholdOf(query), nil
	}
	if err == nil {
		err = &sources.Error{Source: name, Op: "find the rule of " + a.Name, Kind: sources.NotFound, Err: errors.New("this server has no rule of that name"),
			Next: "it may have been taken away, or be another server's: the alert's generator link names the one"}
	}
	return sources.Rule{}, sources.Threshold{}, err
}

func ruleOf(rules []sources.Rule, a *sources.Alert) *sources.Rule {
	var best *sources.Rule
	most := -1
	link := linkedQuery(a.Generator)
	for i := range rules {
		r := &rules[i]
		if !r.Alerting || r.Name != a.Name {
			continue
		}
		score, fits := 0, true
		for k, v := range r.Labels {
			if strings.Contains(v, "{{") { // a template: its value is the alert's own
				continue
			}
			if a.Labels[k] == v {
				score++
			} else {
				fits = false
			}
		}
		if !fits {
			score = -1 // relabelling on the way to Alertmanager may have changed them
		}
		if link != "" && link == r.Query {
			score += 100
		}
		if slices.ContainsFunc(r.Alerts, func(x sources.Alert) bool { return a.Fingerprint != "" && x.Fingerprint == a.Fingerprint }) {
			score += 1000
		}
		if best == nil || score > most {
			best, most = r, score
		}
	}
	return best
}

// linkedQuery is the query of a generator's link, "http://…/graph?g0.expr=…"; "" where it has none.
func linkedQuery(link string) string {
	if len(link) > maxQuery {
		return ""
	}
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("g0.expr")
}

// Fired are the alerts that fired in a window. A step of 0 is cut from the window.
func (c *Client) Fired(ctx context.Context, w sources.Window) ([]sources.Alert, error) {
	const op = "list the alerts that fired"
	if w.Step == 0 && w.End.After(w.Start) {
		w = WindowFor(w.Start, w.End, 500, c.scrapeInterval(ctx))
	}
	query, late := alertsQuery, w.Step
	if w.Step > time.Minute { // an alert that came and went between two steps is not lost
		query, late = fmt.Sprintf("max_over_time(%s[%ds])", alertsQuery, int((w.Step+time.Second-1)/time.Second)), 0
	}
	a, err := c.Range(ctx, query, w)
	if err != nil {
		var e *sources.Error
		if errors.As(err, &e) {
			e.Op = op
		}
		return nil, err
	}
	var out []sources.Alert
	for i := range a.Series {
		out = append(out, c.episodes(&a.Series[i], w, late)...)
	}
	slices.SortStableFunc(out, func(x, y sources.Alert) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return out, nil
}

// episodes are the times in which a series of ALERTS had samples: a hole of more than a step and a half ends one. It was over late after the last sample.
func (c *Client) episodes(s *sources.Series, w sources.Window, late time.Duration) []sources.Alert {
	ls := make(map[string]string, len(s.Labels))
	set := model.LabelSet{}
	for k, v := range s.Labels {
		if k != model.MetricNameLabel && k != "alertstate" {
			ls[k] = v
			set[model.LabelName(k)] = model.LabelValue(v)
		}
	}
	proto := sources.Alert{Fingerprint: set.Fingerprint().String(), Name: ls[model.AlertNameLabel], Severity: ls["severity"],
		Service: sources.ServiceOf(ls, c.alertLabels), State: sources.Firing, Labels: ls}
	var out []sources.Alert
	hole := w.Step + w.Step/2
	var from, last time.Time
	end := func() {
		if from.IsZero() {
			return
		}
		x := proto
		if from.Sub(w.Start) >= w.Step {
			x.Since = from
		}
		if w.End.Sub(last) > hole {
			x.Ends = last.Add(late)
		}
		out = append(out, x)
	}
	for _, p := range s.Points {
		if !from.IsZero() && p.T.Sub(last) > hole {
			end()
			from = time.Time{}
		}
		if from.IsZero() {
			from = p.T
		}
		last = p.T
	}
	end()
	return out
}
