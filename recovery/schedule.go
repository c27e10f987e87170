package recovery

import (
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// lookBack is how far back the last time of a schedule is looked for, in seconds: a schedule that does not come within five years never does.
const lookBack = 5 * 366 * 24 * 3600

// ParseSchedule reads five fields of cron, or @daily and its like. Without a time zone (CRON_TZ=…) it is by UTC, whoever reads it: console and agent must agree
// on when a backup is due.
func ParseSchedule(text string) (cron.Schedule, error) {
	zone := strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=")
	if zone && !strings.Contains(text, " ") {
		return nil, errors.New("there are no times after the time zone") // the parser cuts at the blank, and panics
	}
	s, err := cron.ParseStandard(text)
	if spec, ok := s.(*cron.SpecSchedule); ok && spec.Location == time.Local {
		spec.Location = time.UTC
	}
	return s, err
}

// Next is when the schedule asks for a backup after a moment; zero: never. What would come in an hour that the clocks leave out comes at its end.
func (p *Policy) Next(after time.Time) time.Time {
	if p.times == nil {
		return time.Time{}
	}
	next := p.times.Next(after)
	if spec, ok := p.times.(*cron.SpecSchedule); ok {
		if end := leftOut(spec, after, next); !end.IsZero() {
			return end.In(after.Location())
		}
	}
	return next
}

// everyHour is the bit by which the parser tells a star from a list of all hours: such a schedule misses nothing that matters in an hour that is left out.
const everyHour = 1 << 63

// leftOut is the end of the first hour between two moments that the clocks leave out and in which the schedule would have come; zero: there is none.
func leftOut(spec *cron.SpecSchedule, after, next time.Time) time.Time {
	if spec.Hour&everyHour != 0 {
		return time.Time{}
	}
	limit := next
	if limit.IsZero() {
		limit = after.Add(lookBack * time.Second)
	}
	wall := *spec
	wall.Location = time.UTC // of clocks that leave nothing out
	for at := after.In(spec.Location); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(limit) {
			return time.Time{}
		}
		_, was := end.Add(-time.Second).Zone()
		_, is := end.Zone()
		from, to := time.Unix(end.Unix()+int64(was), 0).UTC(), time.Unix(end.Unix()+int64(is), 0).UTC()
		if n := wall.Next(from.Add(-time.Second)); to.After(from) && !n.IsZero() && n.Before(to) {
			return end
		}
		at = end
	}
}

// Last is the latest time that the schedule has asked for, up to a moment; zero: there was none.
func (p *Policy) Last(now time.Time) time.Time {
	now = now.Truncate(time.Second)
	after := func(ago int) time.Time { return p.Next(now.Add(-time.Duration(ago) * time.Second)) }
	ago := sort.Search(lookBack, func(ago int) bool { // the later one asks, the later is what comes next
		next := after(ago)
		return !next.IsZero() && !next.After(now)
	})
	if ago == lookBack {
		return time.Time{}
	}
	return after(ago)
}

// Due is the time for which the schedule asks for a backup now, and nobody has made one; zero: nothing is due. Of several times that were missed it is the last.
// created is when the service came to be, before which nothing was due; list are its snapshots.
func (p *Policy) Due(created, now time.Time, list []Snapshot) time.Time {
	due := p.Last(now)
	if every, ok := p.times.(cron.ConstantDelaySchedule); ok { // it has no times of its own: it goes on from the last
		from := created
		for i := range list {
			if s := &list[i]; p.counts(s, now) && s.Taken.After(from) {
				from = s.Taken
			}
		}
		due = every.Next(from)
	}
	if due.IsZero() || due.After(now) || !due.After(created) {
		return time.Time{}
	}
	for i := range list {
		if p.Meets(&list[i], due, now) {
			return time.Time{}
		}
	}
	return due
}

// Meets tells whether a snapshot is what the schedule asks for at a time: it was made for it, or after it. Clocks of nodes differ: one that was made for a time
// may be dated before it.
func (p *Policy) Meets(s *Snapshot, due, now time.Time) bool {
	return s.Origin != Safety && p.wants(s) && (s.Due.Equal(due) || p.counts(s, now) && !s.Taken.Before(due))
}

// counts tells whether a snapshot is of what the policy asks for, and not of before a restore or of a day to come.
func (p *Policy) counts(s *Snapshot, now time.Time) bool {
	return s.Origin != Safety && p.wants(s) && !s.Taken.After(now.Add(clockSlack))
}
