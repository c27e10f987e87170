package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"quarterdeck/sources"
)

// alertsFrom is who tells of alerts, and where that is Prometheus whether it could.
type alertsFrom struct {
	rules bool // Prometheus' rules, for want of an Alertmanager
	read  bool // they have been read
	err   error
	since time.Time // of err
}

func (a *alertsFrom) name() string {
	if a.rules {
		return PrometheusName
	}
	return AlertmanagerName
}

// AlertsBy is the name of the source that alerts come from: Alertmanager, or where none is configured Prometheus, whose rules know what
// fires and is pending, but not what is silenced or inhibited.
func (s *Snapshot) AlertsBy() string {
	if s == nil {
		return AlertmanagerName
	}
	return s.alertsFrom.name()
}

// AlertStatus is the state of the source that alerts come from. Where it is not OK, alerts are as old as its Fresh.
func (s *Snapshot) AlertStatus() sources.Status {
	st := s.Source(s.AlertsBy())
	switch a := s.from(); {
	case !a.rules || !st.OK():
	case a.err != nil: // it answers, but not about its rules
		st.State, st.Detail, st.Since, st.Fresh = sources.StateOf(a.err), a.err.Error(), a.since, a.since
	case !a.read:
		st.State, st.Detail = sources.Connecting, "its rules are being read"
	}
	return st
}

func (s *Snapshot) from() alertsFrom {
	if s == nil {
		return alertsFrom{}
	}
	return s.alertsFrom
}

// RuleAlerts are the alerts of Prometheus' rules, those that fire and those that are pending. The server dates an alert by when its
// condition began to hold; that it fires since then and the rule's "for" is true to an evaluation.
func RuleAlerts(ctx context.Context, metrics sources.Metrics) ([]sources.Alert, error) {
	rules, err := metrics.Rules(ctx)
	if err != nil {
		return nil, err
	}
	alerts := []sources.Alert{}
	for i := range rules {
		for _, a := range rules[i].Alerts {
			if a.State == sources.Firing && !a.Since.IsZero() {
				a.Since = a.Since.Add(rules[i].For)
			}
			alerts = append(alerts, a)
		}
	}
	return alerts, nil
}

// watchRules takes the alerts from the rules, where nobody else tells of alerts. That Prometheus is away its own loop tells.
func (f *Fleet) watchRules(ctx context.Context, metrics sources.Metrics, period time.Duration, log *slog.Logger) {
	f.alertsFromRules()
	b := newBackoff()
	for failing := false; ; {
		wait := period
		err := f.readRules(ctx, metrics, patiencePeriods*period)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			b.Reset()
		default:
			wait = max(b.NextBackOff(), period)
			if !failing {
				log.Warn("rules could not be read", "source", PrometheusName, "error", err)
			}
		}
		failing = err != nil
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (f *Fleet) alertsFromRules() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alertsFrom.rules = true
}

// readRules reads the alerts of the rules once. Where they cannot be read those that were known stay, and the picture says so.
func (f *Fleet) readRules(ctx context.Context, metrics sources.Metrics, most time.Duration) error {
	bounded, cancel := context.WithTimeoutCause(ctx, most, &sources.Error{Source: PrometheusName, Kind: sources.Unreachable, Op: "list rules", Err: fmt.Errorf("no answer within %s", most)})
	defer cancel()
	alerts, err := RuleAlerts(bounded, metrics)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause := context.Cause(bounded); err != nil && cause != nil {
		err = cause
	}
	if err == nil {
		f.SetAlerts(alerts)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &f.alertsFrom
	if (err == nil) != (a.err == nil) || err != nil && err.Error() != a.err.Error() || err == nil && !a.read {
		a.err, a.since, a.read = err, f.now(), a.read || err == nil
		f.touch()
	}
	return err
}
