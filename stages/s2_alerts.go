package stages

import "fmt"

var criticalAlerts = &Check{
	ID: "critical-alerts", Stage: 2, Stack: "observe",
	Question: "are there a few alerts that always mean something?",
	Why:      "Without any, users are the alarm. With dozens nobody reads them: three to five that always call for a hand are what a person on call can know by heart.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("%d to %d rules of severity critical; 1 to %d, and up to %d, are a warning", s.AlertsLeast, s.AlertsMost, s.AlertsLeast-1, s.AlertsMany)
	},
	Fix: "label rules with severity: critical, or warning",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "GET /api/v1/rules?type=alert of Prometheus: labels.severity"
		if e.Rules == nil {
			return unknown(evidence, e.reason("prometheus", "the rules were not read"))
		}
		names := map[string]bool{}
		f := Finding{Evidence: evidence}
		for i := range e.Rules {
			r := &e.Rules[i]
			if !r.Alerting || r.Severity != "critical" {
				continue
			}
			names[r.Name] = true
			if r.LastError != "" {
				f.Subjects = append(f.Subjects, Subject{Name: r.Name, State: Fail, Says: r.LastError})
			}
		}
		n := len(names)
		f.Value = count(n, "critical rule")
		switch {
		case len(f.Subjects) > 0 || n == 0 || n > s.AlertsMany:
			f.State = Fail
		case n < s.AlertsLeast || n > s.AlertsMost:
			f.State = Warn
		default:
			f.State = Pass
		}
		return f
	},
}

var alertFatigue = &Check{
	ID: "alert-fatigue", Stage: 2,
	Question: "is every notification worth being woken for?",
	Why:      "Whoever is called more than once a day stops looking. The one that matters then comes among those that do not.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("at most %.0f notifications in 7 days; up to %.0f is a warning", s.NotificationsPass, s.NotificationsWarn)
	},
	Fix: "raise `for:` of the rules that fire most, or take their severity down; silences are no cure",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "sum(increase(alertmanager_notifications_total[7d]))"
		if e.Notified == nil {
			return unknown(evidence, e.reason("prometheus", "no metric counts the notifications: let Prometheus scrape Alertmanager"))
		}
		f := Finding{State: Pass, Evidence: evidence, Value: fmt.Sprintf("%.0f in 7 days", *e.Notified)}
		switch {
		case *e.Notified > s.NotificationsWarn:
			f.State = Fail
		case *e.Notified > s.NotificationsPass:
			f.State = Warn
		}
		return f
	},
}
