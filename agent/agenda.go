package agent

import (
	"cmp"
	"path"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/recovery"
	"quarterdeck/sources/fleet"
)

// Kind is what is to be done.
type Kind string

// The kinds of tasks, in the order in which they are done.
const (
	Backup Kind = "backup"
	Audit  Kind = "audit" // of the repository
	Drill  Kind = "drill"
)

// MaxTries is how many attempts a due time gets. Of a backup the next due time has new ones; of the others the next day.
const MaxTries = 3

const (
	firstPause   = time.Minute
	longestPause = 15 * time.Minute
	// anew is when a drill or an audit that was given up is tried again: no schedule says so.
	anew = 24 * time.Hour
)

// Task is one thing that is due.
type Task struct {
	Kind Kind
	// Service is its name; of an audit recovery.Repository.
	Service string
	// Due is the time that it is due for.
	Due time.Time
	// Tries are how many attempts failed for that time, From is when the next may be made.
	Tries int
	From  time.Time
}

// Ready tells whether it is to be done now.
func (t *Task) Ready(now time.Time) bool { return !t.GivenUp() && !t.From.After(now) }

// GivenUp tells whether all attempts for its time have failed.
func (t *Task) GivenUp() bool { return t.Tries >= MaxTries }

// when is the time that it is due for, in words.
func (t *Task) when() string {
	if t.Due.IsZero() {
		return "it never was"
	}
	return t.Due.UTC().Format(time.RFC3339)
}

func (t *Task) key() string { return string(t.Kind) + " " + t.Service }

// Try is what is remembered of attempts that failed.
type Try struct {
	Due    time.Time `json:"due"`
	Count  int       `json:"count"`
	Last   time.Time `json:"last"`
	Next   time.Time `json:"next"`
	Reason string    `json:"reason"`
}

// failed is what is remembered after one more attempt for a task has failed. Pauses grow, and differ by chance.
func failed(t *Task, reason string, now time.Time) Try {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.Multiplier, b.MaxInterval, b.RandomizationFactor = firstPause, 4, longestPause, 0.25
	pause := time.Duration(0)
	for range t.Tries + 1 {
		pause = b.NextBackOff()
	}
	return Try{Due: t.Due, Count: t.Tries + 1, Last: now, Next: now.Add(pause), Reason: reason}
}

// Facts are what an agenda is made of.
type Facts struct {
	Snap *fleet.Snapshot
	// Contents is the catalogue; nil: it could not be read, and then nothing is due, for nobody knows what there is.
	Contents *recovery.Contents
	// Audit is the last audit of the repository; nil: there was none.
	Audit *recovery.Audit
	// Drills: overdue drills are wanted.
	Drills bool
	// Only is a pattern (path.Match) of the services that are meant; "": all.
	Only  string
	Tries map[string]Try
}

// Agenda is what is due at a moment: backups first, the one that is due for the longest before the others, then the audit, then drills. Tasks that wait for
// another attempt, or were given up, are in it as well.
func Agenda(f *Facts, now time.Time) []Task {
	if f.Contents == nil || !f.Snap.Ready() {
		return nil
	}
	var out []Task
	rows := recovery.Cover(f.Snap, f.Contents, now)
	for i := range rows {
		c := &rows[i]
		if c.Service == "" || !c.Policy.Usable() || !f.means(c.Service) {
			continue
		}
		if due := c.Policy.Due(f.Snap.Service(c.Service).Created, now, f.Contents.Snapshots[c.Service]); !due.IsZero() {
			out = append(out, f.task(Backup, c.Service, due, now))
		}
		if due := drillDue(c); f.Drills && !due.IsZero() && !due.After(now) {
			out = append(out, f.task(Drill, c.Service, due, now))
		}
	}
	if due := f.Audit.Due(); len(f.Contents.Snapshots) > 0 && !due.After(now) {
		out = append(out, f.task(Audit, recovery.Repository, due, now))
	}
	order := []Kind{Backup, Audit, Drill}
	slices.SortStableFunc(out, func(a, b Task) int {
		return cmp.Or(slices.Index(order, a.Kind)-slices.Index(order, b.Kind), a.Due.Compare(b.Due), cmp.Compare(a.Service, b.Service))
	})
	return out
}

// means tells whether a service is one of those that are meant.
func (f *Facts) means(service string) bool {
	ok, err := path.Match(f.Only, service)
	return f.Only == "" || ok && err == nil
}

// drillDue is when a service's next drill is due; zero: there is nothing that could be tried, or nobody could look.
func drillDue(c *recovery.Coverage) time.Time {
	switch {
	case c.Newest == nil || c.DrillState == recovery.DrillUnknown:
		return time.Time{}
	case c.Drill == nil:
		return c.Newest.Taken
	}
	return c.Drill.Began.Add(recovery.DrillMaxAge)
}

// task is one with what is remembered of its attempts.
func (f *Facts) task(kind Kind, service string, due, now time.Time) Task {
	t := Task{Kind: kind, Service: service, Due: due, From: due}
	try, tried := f.Tries[t.key()]
	if !tried || !try.Due.Equal(due) || kind != Backup && now.Sub(try.Last) >= anew {
		return t
	}
	t.Tries, t.From = try.Count, try.Next
	if t.From.After(now.Add(2 * longestPause)) { // the clock was put back
		t.From = now
	}
	return t
}

// Next is when a service's schedule comes next: the time that is due now, where one is, else one to come. Zero: never.
func Next(f *Facts, service string, p *recovery.Policy, now time.Time) time.Time {
	if s := f.Snap.Service(service); s != nil && f.Contents != nil {
		if due := p.Due(s.Created, now, f.Contents.Snapshots[service]); !due.IsZero() {
			return due
		}
	}
	return p.Next(now)
}
