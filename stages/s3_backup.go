package stages

import (
	"fmt"
	"time"

	"quarterdeck/recovery"
)

const catalogueCall = "quarterdeck snapshots -o json: the records in the object store, against the services' qd.backup labels"

// covered asks of each row of the coverage; none is judged where nothing has to be saved.
func (e *Evidence) covered(about func(*recovery.Coverage) bool, look func(*recovery.Coverage) *Subject) (Finding, int) {
	if e.Fleet == nil || e.Coverage == nil {
		return unknown(catalogueCall, e.reason("backups", "the services could not be held against their backups")), 0
	}
	f, n := Finding{Evidence: catalogueCall}, 0
	for i := range e.Coverage {
		c := &e.Coverage[i]
		if !about(c) {
			continue
		}
		n++
		if x := look(c); x != nil {
			x.Name = c.Name()
			f.Subjects = append(f.Subjects, *x)
		}
	}
	f.State = worst(f.Subjects)
	f.Value = fmt.Sprintf("%d of %d", n-len(f.Subjects), n)
	return f, n
}

func saved(c *recovery.Coverage) bool {
	return c.By == "" && c.Service != "" && c.Policy.Declared && c.State != recovery.CoverExempt
}

var backupFresh = &Check{
	ID: "backup-fresh", Stage: 3, Stack: "agent", Saved: true,
	Question: "is every backup as new as its policy asks?",
	Why:      "What was written since the newest snapshot is what a restore loses. A schedule that stopped weeks ago looks like one that works until the day of the restore.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("each not older than its policy's max-age (26 h where it says nothing); up to %.0f h is a warning", s.BackupWarn.Hours())
	},
	Fix: "`B` in the backups (8); quarterdeck backup SERVICE",
	judge: func(e *Evidence, s *Settings) Finding {
		f, n := e.covered(saved, func(c *recovery.Coverage) *Subject {
			switch {
			case c.State == recovery.CoverFresh:
				return nil
			case c.State == recovery.CoverUnknown:
				return &Subject{State: Unknown, Says: c.Problem}
			case c.State == recovery.CoverLate && c.Age <= s.BackupWarn:
				return &Subject{State: Warn, Says: c.Problem}
			}
			return &Subject{State: Fail, Says: c.Problem, Set: c.Set}
		})
		if n == 0 && f.State == Pass {
			return notApplicable(f.Evidence, "no service has a policy: see volumes-covered")
		}
		return f
	},
}

var volumesCovered = &Check{
	ID: "volumes-covered", Stage: 3, Saved: true,
	Question: "is there a policy for all that is kept?",
	Why:      "A named volume outlives its tasks, so somebody counts on what is in it. One that nobody saves is lost with its node, and nobody has decided that.",
	Threshold: func(*Settings) string {
		return "every named volume and database has a policy, or an explicit none; one that is missing fails"
	},
	Fix: "set qd.backup.engine on the service's deploy labels, or none",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, n := e.covered(func(*recovery.Coverage) bool { return true }, func(c *recovery.Coverage) *Subject {
			if c.State == recovery.CoverNotCovered || c.State == recovery.CoverBadPolicy {
				return &Subject{State: Fail, Says: c.Problem, Set: c.Set}
			}
			return nil
		})
		if n == 0 && f.State == Pass {
			return notApplicable(f.Evidence, "no service keeps anything: there is no named volume and no database")
		}
		return f
	},
}

var restoreTest = &Check{
	ID: "restore-test", Stage: 3, Saved: true,
	Question: "has every backup been brought back lately?",
	Why:      "A backup that was never restored is a hope. What is missing in it is found in a drill, or on the worst day.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("each drilled in the last %s, with success; up to %s is a warning", inDays(s.DrillPass), inDays(s.DrillWarn))
	},
	Fix: "`D` in the backups (8); quarterdeck drill SERVICE",
	judge: func(e *Evidence, s *Settings) Finding {
		f, n := e.covered(saved, func(c *recovery.Coverage) *Subject {
			switch d := c.Drill; {
			case c.DrillState == recovery.DrillUnknown:
				return &Subject{State: Unknown, Says: "its drills could not be read"}
			case d == nil:
				return &Subject{State: Fail, Says: "it was never brought back"}
			case !d.OK:
				return &Subject{State: Fail, Says: "the last drill failed: " + d.Reason}
			case c.DrillAge > s.DrillWarn:
				return &Subject{State: Fail, Says: "the last drill is " + inDays(c.DrillAge) + " old"}
			case c.DrillAge > s.DrillPass:
				return &Subject{State: Warn, Says: "the last drill is " + inDays(c.DrillAge) + " old"}
			}
			return nil
		})
		if n == 0 && f.State == Pass {
			return notApplicable(f.Evidence, "no service has a policy: see volumes-covered")
		}
		return f
	},
}

var rto = &Check{
	ID: "rto", Stage: 3, Saved: true,
	Question: "how long does it take to bring a service's data back?",
	Why:      "That is how long users are without it when the data is lost. It is measured, from the first step until the data was back and verified, and not guessed.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("each under %s; under %s is a warning", inMinutes(s.RTOPass), inMinutes(s.RTOWarn))
	},
	Fix: "`D` in the backups (8) measures it; a smaller database, or a faster node, shortens it",
	judge: func(e *Evidence, s *Settings) Finding {
		var longest time.Duration
		f, n := e.covered(func(c *recovery.Coverage) bool { return saved(c) && c.Drill != nil && c.Drill.OK }, func(c *recovery.Coverage) *Subject {
			took := c.Drill.Took()
			longest = max(longest, took)
			switch {
			case took >= s.RTOWarn:
				return &Subject{State: Fail, Says: "it took " + inMinutes(took)}
			case took >= s.RTOPass:
				return &Subject{State: Warn, Says: "it took " + inMinutes(took)}
			}
			return nil
		})
		switch {
		case f.State == Unknown:
		case n == 0:
			return unknown(f.Evidence, "no drill has measured it")
		default:
			f.Value = "the longest took " + inMinutes(longest)
		}
		return f
	},
}
