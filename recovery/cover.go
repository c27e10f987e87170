package recovery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// CoverState is how a service, or a volume, stands with its backups. The words are shown.
type CoverState string

// The states. CoverUnknown is never the same as CoverNone: nobody could look.
const (
	CoverFresh      CoverState = "fresh"
	CoverLate       CoverState = "late" // the newest snapshot is older than the policy's max-age
	CoverNone       CoverState = "none" // there is a policy, and no snapshot
	CoverBadPolicy  CoverState = "bad policy"
	CoverNotCovered CoverState = "not covered"
	CoverUnknown    CoverState = "could not look"
	CoverExempt     CoverState = "explicit none"
)

// DrillState is how it stands with the proof that a snapshot can be restored.
type DrillState string

// The states of the last drill.
const (
	DrillOK      DrillState = "ok"
	DrillFailed  DrillState = "failed"
	DrillSlow    DrillState = "slow" // it took longer than the policy's rto
	DrillOverdue DrillState = "overdue"
	DrillNever   DrillState = "never"
	DrillUnknown DrillState = "could not look"
	DrillNone    DrillState = "" // nothing is to be drilled
)

const (
	// DrillMaxAge is how old the last drill may be (STAGES.md, restore-test: monthly).
	DrillMaxAge = 31 * 24 * time.Hour
	// TrendMost is over how many of the last snapshots a trend of sizes goes.
	TrendMost = 14
	// clockSlack is by how much the clock that dates a record may be ahead of ours.
	clockSlack = 5 * time.Minute
	// dueSlack is how long after its time a scheduled backup may come without a word.
	dueSlack = time.Hour
	// shrunk is a size in relation to the one before that is worth a look: data may be gone.
	shrunk = 0.5
	// saysMost bounds a sentence, in bytes: labels are untrusted, and may be long.
	saysMost = 400
)

// LabelRun names the run that a service was made for. Such a one is no service of the platform, and has nothing of its own to be saved.
const LabelRun = sources.LabelRun

// Coverage is what is known of the backups of one service, or of one volume that no service saves. It is a value.
type Coverage struct {
	// Service is the name; of a volume's row "", and Mounts names the services that mount it.
	Service string
	Volume  string
	Mounts  []string
	Policy  Policy
	State   CoverState
	// By is the service whose policy saves the volumes of this one, which has no policy of its own; "": nobody else's.
	By string
	// Newest is the newest snapshot of what the policy asks for; those of before a restore (Safety) do not count. nil: there is none.
	Newest *Snapshot
	Age    time.Duration // of Newest
	// Kept is how many snapshots there are, of all origins.
	Kept int
	// Sizes are those of the last snapshots, the oldest first, at most TrendMost.
	Sizes []sources.Point
	// Next is when the schedule asks for a backup, which lies in the past where it did not come; zero: never.
	Next time.Time
	// Drill is the last drill, or restore; nil: there was none. DrillAge is how long ago it began.
	Drill      *Drill
	DrillAge   time.Duration
	DrillState DrillState
	// Problem is what is wrong, in one sentence; "": nothing. Set is the label that would mend it, as NAME=VALUE, where one would.
	Problem, Set string
}

// Name is the service's name, or the volume's.
func (c *Coverage) Name() string { return cmp.Or(c.Service, c.Volume) }

// Rank orders rows by how much they need a look, the worst first from 0.
func (c *Coverage) Rank() int {
	switch c.State {
	case CoverNone:
		return 0
	case CoverLate:
		return 1
	case CoverBadPolicy:
		return 2
	case CoverNotCovered:
		return 3
	case CoverUnknown:
		return 4
	case CoverExempt:
		return 8
	}
	switch {
	case c.DrillState == DrillFailed:
		return 5
	case c.Problem != "":
		return 6
	}
	return 7
}

// Cover holds what runs against what was saved: a row for each service that has a policy, named volumes, or the image of a database; and one for
// each named volume of a service with a policy that no policy saves. The worst come first. c nil: the catalogue could not be read.
func Cover(snap *fleet.Snapshot, c *Contents, now time.Time) []Coverage {
	if snap == nil {
		return nil
	}
	w := coverer{contents: c, now: now, why: whyNotRead(snap), savedBy: map[string]string{}, mounts: map[string][]string{}}
	var services []*sources.Service
	for _, v := range snap.Services {
		if v.NotYet || v.Labels[LabelRun] != "" {
			continue
		}
		services = append(services, &v.Service)
		for _, name := range namedVolumes(&v.Service) {
			w.mounts[name] = append(w.mounts[name], v.Name)
		}
	}
	policies := make([]Policy, len(services))
	for i, s := range services {
		policies[i] = ParsePolicy(s)
		for _, name := range saves(&policies[i], s) {
			if policies[i].Usable() || w.savedBy[name] == "" {
				w.savedBy[name] = s.Name
			}
		}
	}
	var out []Coverage
	byName := map[string]int{}
	for i, s := range services {
		if p := &policies[i]; p.Declared {
			byName[s.Name] = len(out)
			out = append(out, w.service(s, p))
		}
	}
	for i, s := range services {
		if p := &policies[i]; !p.Declared && (len(namedVolumes(s)) > 0 || guess(s, "").Server()) {
			out = append(out, w.bare(s, p, out, byName))
		}
	}
	out = append(out, w.volumes(services, policies)...)
	for i := range out {
		out[i].Problem = clip(out[i].Problem)
	}
	slices.SortStableFunc(out, func(a, b Coverage) int { return cmp.Or(a.Rank()-b.Rank(), cmp.Compare(a.Name(), b.Name())) })
	return out
}

// whyNotRead is why the catalogue cannot be read, or could not be lately.
func whyNotRead(snap *fleet.Snapshot) string {
	switch s := snap.Source(fleet.BackupsName); {
	case s.State == sources.Absent:
		return "no object store is configured: set --s3, QUARTERDECK_S3 or s3.address"
	case s.State == sources.Connecting:
		return "the object store has not answered yet"
	case s.Detail != "":
		return strings.TrimPrefix(s.Detail, s.Name+": ")
	}
	return "the object store could not be read"
}

// saves are the volumes of a service that its policy is about, whether it can be carried out or not.
func saves(p *Policy, s *sources.Service) []string {
	all := namedVolumes(s)
	switch {
	case !p.Declared:
		return nil
	case p.Engine == None || p.Engine == "":
		return all
	case p.Volume != "":
		return []string{p.Volume}
	case len(all) < 2:
		return all
	}
	dir := map[Engine]string{Postgres: "/var/lib/postgresql", MySQL: "/var/lib/mysql", Redis: "/data"}[p.Engine]
	var out []string
	for _, m := range s.Mounts {
		if m.Type == "volume" && m.Source != "" && dir != "" && strings.HasPrefix(m.Target, dir) {
			out = append(out, m.Source)
		}
	}
	return out
}

// coverer is what all rows are made with.
type coverer struct {
	contents *Contents
	now      time.Time
	why      string
	savedBy  map[string]string   // by volume: the service whose policy is about it
	mounts   map[string][]string // by volume: the services that mount it
}

// service is the row of a service with a policy.
func (w *coverer) service(s *sources.Service, p *Policy) Coverage {
	c := Coverage{Service: s.Name, Volume: p.Volume, Policy: *p}
	if p.Engine == None {
		c.State = CoverExempt
		return c
	}
	w.snapshots(&c)
	w.drills(&c)
	w.judge(&c)
	return c
}

// snapshots fills in what there is of a service.
func (w *coverer) snapshots(c *Coverage) {
	if w.contents == nil {
		c.Next = c.Policy.Next(w.now)
		return
	}
	list := w.contents.Snapshots[c.Service]
	c.Kept = len(list)
	c.Sizes = make([]sources.Point, 0, min(len(list), TrendMost))
	for i := range list {
		s := &list[i]
		if !c.Policy.counts(s, w.now) {
			continue
		}
		if c.Newest == nil {
			c.Newest, c.Age = s, max(w.now.Sub(s.Taken), 0)
		}
		if len(c.Sizes) < TrendMost {
			c.Sizes = append(c.Sizes, sources.Point{T: s.Taken, V: float64(s.Size)})
		}
	}
	slices.Reverse(c.Sizes)
	c.Next = c.Policy.Next(w.now)
	if c.Newest != nil {
		c.Next = c.Policy.Next(c.Newest.Taken.In(w.now.Location()))
	}
}

// wants tells whether a snapshot is of what the policy asks for now.
func (p *Policy) wants(s *Snapshot) bool {
	switch {
	case s.Engine != p.Engine:
		return false
	case p.Engine == Volume:
		return s.Volume == "" || p.Volume == "" || s.Volume == p.Volume
	case p.Engine == Redis:
		return true
	}
	return s.DB == "" || p.DB == "" || s.DB == p.DB
}

// drills fills in the last drill, and how it stands.
func (w *coverer) drills(c *Coverage) {
	if w.contents == nil {
		c.DrillState = DrillUnknown
		return
	}
	list := w.contents.Drills[c.Service]
	i := slices.IndexFunc(list, func(d Drill) bool { return !d.Began.After(w.now.Add(clockSlack)) })
	if i < 0 {
		c.DrillState = DrillNever
		if unreadable(w.contents, drillsDir, c.Service) > 0 {
			c.DrillState = DrillUnknown
		}
		return
	}
	c.Drill, c.DrillAge, c.DrillState = &list[i], max(w.now.Sub(list[i].Began), 0), DrillOK
	switch {
	case !c.Drill.OK:
		c.DrillState = DrillFailed
	case c.DrillAge > DrillMaxAge:
		c.DrillState = DrillOverdue
	case c.Drill.RTO > c.Policy.RTO.Seconds():
		c.DrillState = DrillSlow
	}
}

// bare is the row of a service without a policy. Where another's saves all that it has it stands as that one does.
func (w *coverer) bare(s *sources.Service, p *Policy, known []Coverage, byName map[string]int) Coverage {
	c := Coverage{Service: s.Name, Policy: *p, State: CoverNotCovered}
	volumes := namedVolumes(s)
	if len(volumes) == 1 {
		c.Volume = volumes[0]
	}
	var others []string
	for _, v := range volumes {
		others = append(others, w.savedBy[v])
	}
	if len(others) > 0 && !slices.Contains(others, "") && !guess(s, "").Server() {
		of := known[byName[others[0]]] // the worst of them
		for _, name := range others[1:] {
			if o := known[byName[name]]; o.Rank() < of.Rank() {
				of = o
			}
		}
		c.State, c.By = of.State, of.Service
		if of.Rank() < 5 {
			c.Problem = "its volume is saved by the policy of " + of.Service + ": " + of.Problem
		}
		return c
	}
	c.Set = LabelEngine + "=" + string(guess(s, ""))
	what := "its image is that of a database"
	if len(volumes) > 0 {
		what = "its volumes " + strings.Join(volumes, ", ") + " are saved by nobody"
		if len(volumes) == 1 {
			what = "its volume " + volumes[0] + " is saved by nobody"
		}
	}
	c.Problem = what + ": set " + c.Set + " on its deploy labels, or " + LabelEngine + "=none"
	return c
}

// volumes are the rows of the volumes that belong to services with a policy, which is about something else.
func (w *coverer) volumes(services []*sources.Service, policies []Policy) []Coverage {
	var out []Coverage
	done := map[string]bool{}
	for i, s := range services {
		if !policies[i].Declared {
			continue // its own row says so
		}
		for _, name := range namedVolumes(s) {
			if w.savedBy[name] != "" || done[name] {
				continue
			}
			done[name] = true
			c := Coverage{Volume: name, Mounts: w.mounts[name], State: CoverNotCovered, Set: LabelVolume + "=" + name}
			c.Problem = fmt.Sprintf("%s mounts it, and its policy is about something else: set %s=volume and %s=%s on another service that mounts it", s.Name, LabelEngine, LabelVolume, name)
			out = append(out, c)
		}
	}
	return out
}

// unreadable counts the records of a service that are none.
func unreadable(c *Contents, dir, service string) int {
	n := 0
	if c != nil {
		for _, key := range c.Unreadable {
			if strings.HasPrefix(key, dir+service+"/") {
				n++
			}
		}
	}
	return n
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// clip cuts what is too long for a sentence.
func clip(s string) string {
	if len(s) <= saysMost {
		return s
	}
	return strings.ToValidUTF8(s[:saysMost], "") + "…"
}
