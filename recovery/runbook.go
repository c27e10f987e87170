package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Step is a step of a recovery. Kind is the same from one recovery to the next, Name says it of this one.
type Step struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// Recoverable is a service as a runbook tells of it.
type Recoverable struct {
	Coverage
	Stack string
	// Needs are the services that it needs, which are brought back before it.
	Needs []string
	// Place are the constraints of where it may run, Link is the team's own page about it (the label qd.runbook).
	Place []string
	Link  string
	// Steps are those of a restore of the newest snapshot.
	Steps []Step
}

// Sheet is what a runbook is made of. Its services come in the order in which they are brought back.
type Sheet struct {
	Now     time.Time
	Context string
	// Of is what the runbook is of, where that is not all: a stack, or services.
	Of string
	// Store is the object store's address, without keys; Image the runner's, Repository the name of the secret that opens the repository.
	Store, Image, Repository string
	// NoSwarm is why the swarm could not be read: then the services are those that have records. NoStore is the same of the object store.
	NoSwarm, NoStore string
	Services         []Recoverable
	// Uncovered are services and volumes that no policy saves, and Days the last DR day of each stack.
	Uncovered []Coverage
	Days      []Day
}

// Runbook is how the services of a platform are brought back, and what of it was proven. It is a value.
type Runbook struct {
	Time       time.Time        `json:"time"`
	Context    string           `json:"context"`
	Of         string           `json:"of,omitempty"`
	Store      string           `json:"store"`
	Image      string           `json:"runner_image,omitempty"`
	Repository string           `json:"repository_secret,omitempty"`
	NoSwarm    string           `json:"swarm_reason,omitempty"`
	NoStore    string           `json:"store_reason,omitempty"`
	NotProven  []Doubt          `json:"not_proven"`
	Services   []RunbookService `json:"services"`
	Days       []Day            `json:"dr_days,omitempty"`
	// Expected is how long all of it takes one after the other, as far as it was measured; in seconds.
	Expected float64 `json:"expected"`
}

// Doubt is what nobody has shown of a service or a volume.
type Doubt struct {
	Service string `json:"service,omitempty"`
	Volume  string `json:"volume,omitempty"`
	Says    string `json:"says"`
	// Grave: without more it cannot be brought back, or not to what the policy asks for.
	Grave bool `json:"grave"`
}

// RunbookService is how one service is brought back.
type RunbookService struct {
	Service  string   `json:"service"`
	Stack    string   `json:"stack,omitempty"`
	Engine   Engine   `json:"engine"`
	DB       string   `json:"db,omitempty"`
	Volume   string   `json:"volume,omitempty"`
	Secret   string   `json:"secret,omitempty"`
	Verify   string   `json:"verify,omitempty"`
	Schedule string   `json:"schedule,omitempty"`
	Needs    []string `json:"needs"`
	Place    []string `json:"place"`
	Link     string   `json:"link,omitempty"`
	State    string   `json:"state"`
	// Snapshot is the newest that counts; null: there is none. LostNow is how much of the newest data it lacks, LostMost how much it may lack when all goes by the
	// schedule; in seconds.
	Snapshot *Snapshot `json:"snapshot"`
	Kept     int       `json:"kept"`
	LostNow  *float64  `json:"lost_now"`
	LostMost *float64  `json:"lost_most"`
	MaxAge   *float64  `json:"max_age"`
	// Allowed is the policy's rto; Expected the sum of the steps until it serves again, as far as they were measured, Unmeasured how many were not.
	Allowed    *float64      `json:"rto"`
	Expected   float64       `json:"expected"`
	Unmeasured int           `json:"unmeasured"`
	Steps      []RunbookStep `json:"steps"`
	// Drill and Restore are the last of each that went well, whatever came after it.
	Drill   *Drill `json:"last_drill"`
	Restore *Drill `json:"last_restore"`
}

// RunbookStep is a step with how long it took when it was done last.
type RunbookStep struct {
	Step
	// Took is in seconds; null: it was never measured.
	Took *float64 `json:"took"`
	// Run and At tell when that was; Alike: it was a drill's own step, which does the same in an empty place.
	Run   string    `json:"run,omitempty"`
	At    time.Time `json:"at,omitzero"`
	Alike bool      `json:"alike,omitempty"`
	// After: the service serves again before it, so that it does not count.
	After bool `json:"after,omitempty"`
}

// MakeRunbook makes the runbook of a platform from its policies and what drills and restores have shown. c nil: the object store could not be read.
func MakeRunbook(s *Sheet, c *Contents) *Runbook {
	b := &Runbook{Time: s.Now.UTC(), Context: s.Context, Of: s.Of, Store: s.Store, Image: s.Image, Repository: s.Repository, NoSwarm: s.NoSwarm, NoStore: s.NoStore, NotProven: []Doubt{}, Services: []RunbookService{}, Days: s.Days}
	for i := range s.Services {
		x := serviceOf(&s.Services[i], c, s.Now)
		b.NotProven = append(b.NotProven, doubts(&s.Services[i], &x)...)
		b.Expected += x.Expected
		b.Services = append(b.Services, x)
	}
	for i := range s.Uncovered {
		u := &s.Uncovered[i]
		b.NotProven = append(b.NotProven, Doubt{Service: u.Service, Volume: u.Volume, Says: cmp.Or(u.Problem, string(u.State)), Grave: true})
	}
	slices.SortStableFunc(b.NotProven, func(x, y Doubt) int {
		switch {
		case x.Grave == y.Grave:
			return 0
		case x.Grave:
			return -1
		}
		return 1
	})
	return b
}

// serviceOf is one service of the runbook.
func serviceOf(r *Recoverable, c *Contents, now time.Time) RunbookService {
	p := &r.Policy
	x := RunbookService{Service: r.Service, Stack: r.Stack, Engine: p.Engine, DB: p.DB, Volume: p.Volume, Secret: p.Secret, Verify: p.Verify, Schedule: p.Schedule, Needs: slices.Concat([]string{}, r.Needs), Place: slices.Concat([]string{}, r.Place),
		Link: r.Link, State: string(r.State), Snapshot: r.Newest, Kept: r.Kept, Steps: []RunbookStep{}}
	if r.Newest != nil {
		lost := max(now.Sub(r.Newest.Taken), 0).Seconds()
		x.LostNow = &lost
	}
	if p.Declared {
		age, rto := p.MaxAge.Seconds(), p.RTO.Seconds()
		x.MaxAge, x.Allowed = &age, &rto
		if gap := p.widest(now); gap > 0 {
			most := gap.Seconds()
			x.LostMost = &most
		}
	}
	var known []Drill
	if c != nil {
		known = c.Drills[r.Service]
	}
	for i := range known {
		d := &known[i]
		switch {
		case !d.OK || d.Began.After(now.Add(clockSlack)):
		case d.Real && x.Restore == nil:
			x.Restore = d
		case !d.Real && x.Drill == nil:
			x.Drill = d
		}
	}
	serves := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Kind == "prove" })
	for i, s := range r.Steps {
		step := measured(s, known)
		switch {
		case serves >= 0 && i > serves:
			step.After = true
		case step.Took == nil:
			x.Unmeasured++
		default:
			x.Expected += *step.Took
		}
		x.Steps = append(x.Steps, step)
	}
	return x
}

// alike are the steps of a drill that do what a restore's do, in an empty place.
var alike = map[string]string{"job restore": "job drill", "apart real": "apart empty", "apart-gone real": "apart-gone empty"}

// measured is a step with its time in the newest record that has one: of a restore or a drill that did this very step, else of a drill's step that is like it.
func measured(s Step, known []Drill) RunbookStep {
	for _, kind := range []string{s.Kind, alike[s.Kind]} {
		if kind == "" {
			continue
		}
		for i := range known {
			d := &known[i]
			at := slices.IndexFunc(d.Steps, func(x DrillStep) bool { return x.Kind == kind && x.Took > 0 && x.Took < 1e9 })
			if at >= 0 && d.OK {
				took := d.Steps[at].Took
				return RunbookStep{Step: s, Took: &took, Run: d.Run, At: d.Began, Alike: kind != s.Kind}
			}
		}
	}
	return RunbookStep{Step: s}
}

// widestMost bounds how many times of a schedule are looked at for the longest time between two.
const widestMost = 400

// widest is the longest time between two backups that the schedule asks for, in the next year; 0: it asks for none.
func (p *Policy) widest(now time.Time) time.Duration {
	var most time.Duration
	last := p.Next(now)
	for range widestMost {
		next := p.Next(last)
		if last.IsZero() || next.IsZero() || next.Sub(now) > 366*24*time.Hour {
			break
		}
		most, last = max(most, next.Sub(last)), next
	}
	return most
}

// grown is by how much more data there may be than a drill has brought back before that is worth a word.
const grown = 1.5

// doubts are what nobody has shown of a service, the gravest first.
func doubts(r *Recoverable, x *RunbookService) []Doubt {
	var out []Doubt
	say := func(grave bool, format string, args ...any) {
		out = append(out, Doubt{Service: r.Service, Says: fmt.Sprintf(format, args...), Grave: grave})
	}
	switch {
	case r.State == CoverUnknown && !r.Policy.Declared: // it is said once, of all
	case r.State == CoverNone, r.State == CoverBadPolicy, r.State == CoverUnknown, r.State == CoverLate:
		say(true, "%s: %s", r.State, r.Problem)
	}
	switch {
	case r.DrillState == DrillFailed:
		say(true, "%s failed, %s: %s", drillWord(r.Drill), stampText(r.Drill.Began), cmp.Or(r.Drill.Reason, "no reason is recorded"))
	case r.DrillState == DrillUnknown:
		say(true, "whether it was ever brought back could not be looked at")
	case r.State == CoverNone || r.State == CoverBadPolicy: // there is nothing that could have been
	case x.Drill == nil && x.Restore == nil:
		say(true, "nobody has ever brought it back: no drill and no restore is recorded")
	case r.DrillState == DrillOverdue:
		say(false, "the last drill is %s old, and may be %s", SpanText(r.DrillAge.Truncate(time.Hour)), SpanText(DrillMaxAge))
	case r.DrillState == DrillSlow && r.Policy.Declared:
		say(true, "%s took %s, and the policy allows %s", drillWord(r.Drill), SpanText(r.Drill.Took().Round(time.Second)), SpanText(r.Policy.RTO))
	}
	best := newer(x.Drill, x.Restore)
	switch {
	case best == nil:
	case best.Verified == nil:
		say(false, "the data was read back, and nothing looked whether it is good: there is no %s", LabelVerify)
	case r.Newest != nil && r.Newest.Size > 0 && float64(r.Newest.Size) > grown*float64(best.Bytes) && best.Bytes > 0:
		say(false, "there is %.1f times as much data as was brought back then: it takes longer now", float64(r.Newest.Size)/float64(best.Bytes))
	}
	if r.State == CoverFresh && r.Newest != nil && !r.Newest.Verified {
		say(true, "the newest snapshot could not be read back when it was made")
	}
	if x.Allowed != nil && x.Expected > *x.Allowed {
		say(false, "a restore, which tries the snapshot first and saves what is there, is expected to take %s, and the policy allows %s", SpanText(seconds(x.Expected).Round(time.Second)), SpanText(r.Policy.RTO))
	}
	return out
}

// newer is the one of two drills that began later.
func newer(a, b *Drill) *Drill {
	if a == nil || b != nil && b.Began.After(a.Began) {
		return b
	}
	return a
}

// FromRecords are the services that a catalogue tells of, where nobody else does: their policies are as much of them as the newest snapshot says. They come in the
// order of the last DR day of their stack, as far as there was one, and else by name.
func FromRecords(c *Contents, now time.Time, steps func(*Recoverable) []Step) []Recoverable {
	place := map[string]int{}
	stack := map[string]string{}
	for _, days := range c.Days {
		for i := range days[:min(len(days), 1)] {
			for n := range days[i].Drills {
				place[days[i].Drills[n].Service], stack[days[i].Drills[n].Service] = n+1, days[i].Stack
			}
		}
	}
	var out []Recoverable
	for name, list := range c.Snapshots {
		at := slices.IndexFunc(list, func(s Snapshot) bool { return s.Origin != Safety && !s.Taken.After(now.Add(clockSlack)) })
		if at < 0 {
			continue
		}
		s := &list[at]
		r := Recoverable{Stack: stack[name], Coverage: Coverage{Service: name, Volume: s.Volume, Newest: s, Age: max(now.Sub(s.Taken), 0), Kept: len(list), State: CoverUnknown, Problem: "its policy cannot be read without the swarm",
			Policy: Policy{Engine: s.Engine, DB: s.DB, Volume: s.Volume}}}
		w := coverer{contents: c, now: now}
		w.drills(&r.Coverage)
		r.Steps = steps(&r)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Recoverable) int {
		return cmp.Or(cmp.Compare(a.Stack, b.Stack), place[a.Service]-place[b.Service], strings.Compare(a.Service, b.Service))
	})
	return out
}
