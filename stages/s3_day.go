package stages

import (
	"fmt"

	"quarterdeck/recovery"
	"quarterdeck/sources/fleet"
)

var drDrill = &Check{
	ID: "dr-drill", Stage: 3,
	Question: "was the recovery of a whole stack practised lately?",
	Why:      "Each restore may work and the whole may not: the order, the waits and the people are tried only together. What was practised last quarter is what will be remembered.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("a DR day that went well in the last %s; up to %s is a warning", inDays(s.DayPass), inDays(s.DayWarn))
	},
	Fix: "P in the backups view (8), or `quarterdeck drill --stack STACK`",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "the records of DR days beside the backups: quarterdeck drill --stack STACK"
		if e.Contents == nil {
			return unknown(evidence, e.reason(fleet.BackupsName, "the object store has not been read"))
		}
		if len(e.Coverage) == 0 {
			return notApplicable(evidence, "no service has anything to be brought back")
		}
		var last *recovery.Day
		tried := 0
		for _, days := range e.Contents.Days {
			for i := range days {
				d := &days[i]
				if d.Ended.IsZero() {
					continue
				}
				tried++
				if wentWell(d) && (last == nil || d.Ended.After(last.Ended)) {
					last = d
				}
			}
		}
		if last == nil {
			value := "never practised"
			if tried > 0 {
				value = fmt.Sprintf("none of %s went well", count(tried, "DR day"))
			}
			return Finding{State: Fail, Evidence: evidence, Value: value}
		}
		age := e.Now.Sub(last.Ended)
		f := Finding{State: Pass, Evidence: evidence, Value: fmt.Sprintf("%s on %s, %s drilled in %s", last.Stack, day(last.Ended), count(len(last.Drills), "service"), inMinutes(last.Ended.Sub(last.Began)))}
		switch {
		case age > s.DayWarn:
			f.State = Fail
		case age > s.DayPass:
			f.State = Warn
		}
		return f
	},
}

// wentWell tells whether a DR day has brought all back that it tried, and tried something.
func wentWell(d *recovery.Day) bool {
	for i := range d.Drills {
		if d.Drills[i].Drill == nil || !d.Drills[i].Drill.OK {
			return false
		}
	}
	return len(d.Drills) > 0
}
