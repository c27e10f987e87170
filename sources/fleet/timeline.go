package fleet

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Occurrence is one row of the timeline: what all sources tell of one thing that happened. It is a value: never changed once it is given out.
type Occurrence struct {
	// ID stays the same while more becomes known of it.
	ID string
	// Kind is one of the words that can happen; of a rollout that was rolled back RolledBack.
	Kind string
	// Time is when it began, End when it was over; zero: it has no length, or it is not over.
	Time, End     time.Time
	Service, Node string
	// Text is one line; untrusted.
	Text string
	// Outcome is what came of it in a few words; "": nothing yet, or nothing comes of such a thing.
	Outcome string
	Bad     bool
	// Run is the id of the run that did it; Actor is who did it.
	Run, Actor, Ref string
	// Sources are all that tell of it, each once, in alphabetical order.
	Sources []string
	// Parts are the happenings that it was made of, in the order of time; those of the list that was given.
	Parts []*Happening
	// Count is how many of a kind were folded into it, 1 where none were, and Last when the last of them was.
	Count int
	Last  time.Time
	// Within is how inexact Time is.
	Within time.Duration
}

// How far apart what several sources tell of one thing may lie.
const (
	// runSlack is by how much the engine's clock may differ from that of the console that acted.
	runSlack = 5 * time.Second
	// runLongest is how long a run without an end is taken to go on: the deadline of a rollout that makes no progress is far below.
	runLongest = 30 * time.Minute
	// alertSlack is by how much two sources' dates of an alert may differ: Alertmanager is told at the next evaluation.
	alertSlack = 2 * time.Minute
	// markSlack is the same for what people and pipelines mark by hand.
	markSlack = 2 * time.Minute
	// deathGap and startGap are the longest pauses within a fold: Swarm waits 5 s before it starts a task again, and a task that dies after
	// minutes is in the same loop.
	deathGap = 15 * time.Minute
	startGap = 2 * time.Minute
)

// Timeline makes rows of happenings: each thing once, with all who tell of it. In what order they have become known makes no difference. The
// rows are in the order of time.
func Timeline(list []Happening) []Occurrence {
	sorted := make([]*Happening, len(list))
	for i := range list {
		sorted[i] = &list[i]
	}
	slices.SortFunc(sorted, canonical)
	sorted = slices.CompactFunc(sorted, func(a, b *Happening) bool { return canonical(a, b) == 0 })
	t := joining{byRun: map[string]*draft{}, deploys: map[string][]*draft{}, alerts: map[string][]*draft{}, byRef: map[string]*draft{}, same: map[string]*draft{}, folds: map[string]*draft{}}
	for _, x := range sorted {
		t.take(x)
	}
	t.joinRuns()
	t.joinMarks()
	out := make([]Occurrence, 0, len(t.all))
	for _, d := range t.all {
		if !d.gone {
			out = append(out, d.row())
		}
	}
	slices.SortStableFunc(out, func(a, b Occurrence) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	for i := range out {
		if i > 0 && strings.HasPrefix(out[i-1].ID, out[i].ID) && out[i-1].Time.Equal(out[i].Time) {
			out[i].ID = out[i-1].ID + "'"
		}
	}
	return out
}

// canonical is a total order of what differs in anything that is looked at.
func canonical(a, b *Happening) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.Text, b.Text), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Actor, b.Actor),
		a.Began.Compare(b.Began), cmp.Compare(a.Within, b.Within))
}

// draft is a row that is being put together.
type draft struct {
	id    string
	parts []*Happening
	gone  bool // it has become part of another
	last  time.Time
}

func (d *draft) add(x *Happening) {
	if d.last.Before(x.Time) {
		d.last = x.Time
	}
	d.parts = append(d.parts, x)
}

// joining puts rows together; what it is given comes in canonical order, and so does all.
type joining struct {
	all     []*draft
	byRun   map[string]*draft
	deploys map[string][]*draft // by service, in the order of time
	alerts  map[string][]*draft // by kind and what alert
	byRef   map[string]*draft   // silences
	same    map[string]*draft   // all else, by what is told
	folds   map[string]*draft   // by what is folded: the one that is still open
	marks   []*draft
}

func (t *joining) begin(id string, x *Happening) *draft {
	d := &draft{id: id}
	d.add(x)
	t.all = append(t.all, d)
	return d
}

func (t *joining) take(x *Happening) {
	switch x.Kind {
	case DeployStarted:
		t.takeDeploy(x)
	case DeployDone, DeployPaused, RolledBack:
		t.takeOutcome(x)
	case ActionBegun, ActionEnded:
		t.takeRun(x)
	case AlertFiring, AlertResolved:
		t.takeAlert(x)
	case SilenceBegun, SilenceEnded:
		t.takeRef(x)
	case TaskDied:
		t.foldInto(key(TaskDied, x.Service, deathClass(x.Text)), deathGap, x)
	case TaskStarted:
		t.foldInto(key(TaskStarted, x.Service), startGap, x)
	case Annotated:
		t.marks = append(t.marks, t.begin(key(Annotated, x.Text, stamp(x.Time)), x))
	default:
		k := key(x.Kind, x.Service, x.Node, x.Text, stamp(x.Time))
		if d := t.same[k]; d != nil {
			d.add(x)
			return
		}
		d := t.begin(k, x)
		t.same[k] = d
		if x.Kind == Scaled {
			t.deploys[x.Service] = append(t.deploys[x.Service], d)
		}
	}
}

func (t *joining) takeDeploy(x *Happening) {
	list := t.deploys[x.Service]
	for i := len(list) - 1; i >= 0 && list[i].parts[0].Time.Equal(x.Time); i-- {
		if list[i].parts[0].Kind == DeployStarted {
			list[i].add(x)
			return
		}
	}
	if n := len(list); n > 0 { // the record of a change whose update began a moment later
		if first := list[n-1].parts[0]; first.Record && first.Kind == DeployStarted && !x.Record && x.Time.Sub(first.Time) <= runSlack {
			list[n-1].add(x)
			return
		}
	}
	t.deploys[x.Service] = append(list, t.begin(key(DeployStarted, x.Service, stamp(x.Time)), x))
}

// takeOutcome gives a rollout its end. One whose beginning is not known stands for itself.
func (t *joining) takeOutcome(x *Happening) {
	list := t.deploys[x.Service]
	for i := len(list) - 1; i >= 0; i-- {
		d := list[i]
		began, alike := d.parts[0].Time, d.parts[0].Kind == DeployStarted
		if d.parts[0].Kind == x.Kind {
			began, alike = d.parts[0].Began, true
		}
		if alike && (began.Equal(x.Began) && !x.Began.IsZero() || x.Began.IsZero() && !d.ended()) {
			d.add(x)
			return
		}
	}
	began := x.Began
	if began.IsZero() {
		began = x.Time
	}
	t.deploys[x.Service] = append(list, t.begin(key(x.Kind, x.Service, stamp(began)), x))
}

// ended tells whether a rollout has an outcome that is no pause.
func (d *draft) ended() bool {
	return slices.ContainsFunc(d.parts, func(x *Happening) bool { return x.Kind == DeployDone || x.Kind == RolledBack })
}

func (t *joining) takeRun(x *Happening) {
	if d := t.byRun[x.Run]; d != nil && x.Run != "" {
		d.add(x)
		return
	}
	t.byRun[x.Run] = t.begin(key(ActionBegun, x.Run), x)
}

// takeAlert joins what several sources tell of an alert, by its fingerprint; labels that are added on the way to Alertmanager change that, so two
// sources that have one alert of a name and service at a time mean the same.
func (t *joining) takeAlert(x *Happening) {
	name, _, _ := strings.Cut(x.Text, ":")
	k := key(x.Kind, x.Service, name)
	list := t.alerts[k]
	var found *draft
	for i := len(list) - 1; i >= 0; i-- {
		d := list[i]
		first := d.parts[0]
		if x.Time.Sub(first.Time) > alertSlack+max(x.Within, first.Within) {
			break
		}
		same := first.Ref == x.Ref && x.Ref != ""
		if same || found == nil && !slices.ContainsFunc(d.parts, func(p *Happening) bool { return p.Source == x.Source }) {
			found = d
		}
		if same {
			break
		}
	}
	if found != nil {
		found.add(x)
		return
	}
	t.alerts[k] = append(list, t.begin(key(x.Kind, x.Service, name, x.Ref, stamp(x.Time)), x))
}

func (t *joining) takeRef(x *Happening) {
	k := key(x.Kind, x.Ref)
	if d := t.byRef[k]; d != nil && x.Ref != "" {
		d.add(x)
		return
	}
	t.byRef[k] = t.begin(k, x)
}

// foldInto adds to an open fold, or opens one.
func (t *joining) foldInto(k string, gap time.Duration, x *Happening) {
	if d := t.folds[k]; d != nil && x.Time.Sub(d.last) <= gap {
		d.add(x)
		return
	}
	t.folds[k] = t.begin(key(x.Kind, x.Service, x.Ref, x.Text, stamp(x.Time)), x)
}

// deathClass is what is said of a task without which task it was.
func deathClass(text string) string {
	if _, why, ok := strings.Cut(text, ": "); ok {
		return why
	}
	return text
}

// joinRuns makes a run part of the one rollout that it has made. A run over several services keeps its row, and each of their rollouts names it.
func (t *joining) joinRuns() {
	for _, run := range t.all {
		begun := run.parts[0]
		if run.gone || begun.Kind != ActionBegun && begun.Kind != ActionEnded {
			continue
		}
		if s := t.byRef[key(SilenceBegun, refOf(run.parts))]; s != nil && refOf(run.parts) != "" {
			s.parts = append(s.parts, run.parts...)
			run.gone = true
			continue
		}
		names := strings.Split(orElse(begun.Target, begun.Service), ",")
		for _, name := range names {
			if d := t.rolloutOf(name, run); d != nil {
				d.parts = append(d.parts, run.parts...)
				run.gone = len(names) == 1
			}
		}
	}
}

func refOf(parts []*Happening) string {
	for i := range parts {
		if parts[i].Ref != "" {
			return parts[i].Ref
		}
	}
	return ""
}

// rolloutOf is the first change of a service that a run can have made and no other run has; nil: none is known.
func (t *joining) rolloutOf(service string, run *draft) *draft {
	from, to := run.parts[0].Time, time.Time{}
	for i := range run.parts {
		if x := run.parts[i]; x.Kind == ActionEnded {
			to = x.Time
			if !x.Began.IsZero() {
				from = x.Began
			}
		}
	}
	if to.IsZero() {
		to = from.Add(runLongest)
	}
	list := t.deploys[service]
	from, to = from.Add(-runSlack), to.Add(runSlack)
	at, _ := slices.BinarySearchFunc(list, from, func(d *draft, from time.Time) int { return d.parts[0].Time.Compare(from) })
	for _, d := range list[at:] {
		if d.parts[0].Time.After(to) {
			break
		}
		taken := slices.ContainsFunc(d.parts, func(x *Happening) bool { return x.Run != "" })
		if !taken {
			return d
		}
	}
	return nil
}

// joinMarks makes a mark on a dashboard part of what it tells of: the change of a service that it names, at its time.
func (t *joining) joinMarks() {
	for _, mark := range t.marks {
		x := mark.parts[0]
		var best *draft
		at, _ := slices.BinarySearchFunc(t.all, x.Time.Add(-markSlack), func(d *draft, from time.Time) int { return d.parts[0].Time.Compare(from) })
		for _, d := range t.all[at:] {
			if d.parts[0].Time.Sub(x.Time) > markSlack {
				break
			}
			if d.gone || d == mark || !markable(d.parts[0].Kind) || !marksSame(x, d) {
				continue
			}
			if best == nil || d.apart(x.Time) < best.apart(x.Time) {
				best = d
			}
		}
		if best != nil {
			best.parts = append(best.parts, x)
			mark.gone = true
		}
	}
}

func markable(kind string) bool {
	switch kind {
	case DeployStarted, DeployDone, DeployPaused, RolledBack, Scaled, Created, Removed, ActionBegun, ActionEnded:
		return true
	}
	return false
}

func (d *draft) apart(at time.Time) time.Duration { return d.parts[0].Time.Sub(at).Abs() }

// marksSame tells whether a mark is about what a draft tells of.
func marksSame(x *Happening, d *draft) bool {
	for i := range d.parts {
		for name := range strings.SplitSeq(orElse(d.parts[i].Target, d.parts[i].Service), ",") {
			if name != "" && hasWord(x.Text+" "+x.Target, name) {
				return true
			}
		}
	}
	return false
}

// hasWord tells whether a text has a name in it that is not part of a longer one.
func hasWord(text, name string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(name)
		if (i == 0 || !inName(text[i-1])) && (end == len(text) || !inName(text[end])) {
			return true
		}
		from = i + 1
	}
}

func inName(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
