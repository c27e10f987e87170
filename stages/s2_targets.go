package stages

import "fmt"

var targetsUp = &Check{
	ID: "targets-up", Stage: 2,
	Question: "does everything answer that Prometheus asks?",
	Why:      "A target that is down has no figures, and an alert on figures that are not there never fires. That is how a dashboard stays green on the worst day.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("all; a warning from %.0f%% on", 100*s.TargetsWarn)
	},
	Fix: "read the target's error in `quarterdeck doctor` or on Prometheus' page of targets",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "avg(up)"
		if e.Up == nil {
			return unknown(evidence, e.reason("prometheus", "Prometheus has no target"))
		}
		f := Finding{State: Pass, Evidence: evidence, Value: fmt.Sprintf("%.1f%% of %s", 100**e.Up, count(len(e.Targets), "target"))}
		for i := range e.Targets {
			if t := &e.Targets[i]; t.Health != "up" && t.Health != "unknown" {
				f.Subjects = append(f.Subjects, Subject{Name: t.Job + " " + t.Instance, State: Fail, Says: or(t.LastError, "it is "+t.Health)})
			}
		}
		switch {
		case *e.Up >= 1:
		case *e.Up >= s.TargetsWarn:
			f.State = Warn
		default:
			f.State = Fail
		}
		return f
	},
}
