package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Trouble is something that is not well as the fleet says it, whether a cause is known or not: what an answer must speak of.
type Trouble struct {
	Kind TroubleKind
	// Service and Node are what it is about; either may be "". Alert is the alert's name, "" where it is none.
	Service, Node, Alert string
	// Text says what is wrong. It quotes the orchestrator or an alert: untrusted.
	Text string
	// Since is when it began, as far as is known.
	Since time.Time
	// Pending: an alert whose condition holds, but not for long enough yet to fire.
	Pending bool
	// Causes are those that explain it, as places in the report's Causes, the likeliest first; none: it is not explained.
	Causes []int
	// Perhaps: they fit by where and when, and what the alert is about is not known.
	Perhaps bool

	maybe  bool // it is updated or well again: trouble if there is a cause
	failed bool // tasks of it failed just now
	about  []topic
	labels map[string]string // an alert's
}

// TroubleKind is what sort of thing is not well.
type TroubleKind string

// The kinds of trouble.
const (
	TroubledService TroubleKind = "service"
	TroubledNode    TroubleKind = "node"
	StuckUpdate     TroubleKind = "update"
	FiringAlert     TroubleKind = "alert"
)

// Name is what is in trouble: an alert by its name, else the service or the node.
func (t *Trouble) Name() string { return orWord(t.Alert, t.About()) }

// About is what a trouble is about: its service, its node, or the platform.
func (t *Trouble) About() string { return orWord(t.Service, orWord(t.Node, platformWord)) }

// Words are the trouble in words, without what it is about.
func (t *Trouble) Words() string {
	if t.Alert == "" {
		return t.Text
	}
	how := " fires: "
	if t.Pending {
		how = " is pending: "
	}
	return strings.TrimSuffix("alert "+t.Alert+how+t.Text, ": ")
}

// platformWord is what is about no one service or node.
const platformWord = "the platform"

// About is what a cause is about: its service, its node, or the platform.
func (c *Cause) About() string { return orWord(c.Service, orWord(c.Node, platformWord)) }

// troubles are all that is not well at the moment asked about, the worst first: services and updates that are stuck, nodes, alerts that fire, alerts that
// are pending. strays are the alerts on services that the swarm does not have: nothing is known of what they are about.
func (x *inquiry) troubles() (out, strays []Trouble) {
	snap := x.snap
	if x.q.At.Before(snap.At.Add(-clockSlack)) {
		snap = snap.Then(x.q.At)
	}
	out = troubledServices(snap)
	for i := range snap.Nodes {
		if n := &snap.Nodes[i]; !n.Up() && n.Message != fleet.NotLooked { // what is not known is no trouble
			out = append(out, Trouble{Kind: TroubledNode, Node: n.Name, Text: strings.TrimSuffix("the node is "+n.State+": "+oneLine(n.Message), ": "), about: []topic{aboutUp}})
		}
	}
	first := len(out)
	for i := range snap.Alerts {
		a := &snap.Alerts[i]
		if a.State != sources.Firing && a.State != sources.Pending {
			continue
		}
		t := Trouble{Kind: FiringAlert, Service: a.Service, Alert: a.Name, Text: oneLine(a.Summary), Since: a.Since, Pending: a.State == sources.Pending, labels: a.Labels}
		if x.wide != nil {
			t.about = aboutAlert(a, x.wide.RuleQueries[a.Name])
		} else {
			t.about = aboutAlert(a, "")
		}
		if t.Service == "" {
			t.Node = x.nodeNamed(snap, a.Labels)
		} else if x.swarmOK() && snap.Service(t.Service) == nil && x.snap.Service(t.Service) == nil {
			strays = append(strays, t)
			continue
		}
		out = append(out, t)
	}
	order := func(a, b Trouble) int {
		if a.Pending != b.Pending {
			if b.Pending {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Alert, b.Alert), strings.Compare(a.Service, b.Service))
	}
	slices.SortStableFunc(out[first:], order)
	slices.SortStableFunc(strays, order)
	return out, strays
}

// troubledServices are the services that are not well, and the updates that are stuck.
func troubledServices(snap *fleet.Snapshot) []Trouble {
	var out []Trouble
	services := slices.Clone(snap.Services)
	slices.SortStableFunc(services, func(a, b *fleet.Service) int { return a.Health.Rank() - b.Health.Rank() })
	for _, v := range services {
		ill := v.Health == fleet.Down || v.Health == fleet.Degraded
		if v.NotYet || !ill && v.Health != fleet.Updating && v.Failures == 0 {
			continue
		}
		t := Trouble{Kind: TroubledService, Service: v.Name, Text: string(v.Health), Since: v.HealthSince, about: []topic{aboutUp, aboutRestarts}}
		if v.Reason != "" {
			t.Text += ": " + oneLine(v.Reason)
		}
		if v.UpdateState != "" && v.UpdateState != "completed" && v.UpdateState != "rollback_completed" {
			t.Kind = StuckUpdate
		}
		if !ill && v.Failures > 0 {
			t.Text += fmt.Sprintf(", and %s failed in %s", plural(v.Failures, "task"), short(fleet.FailureWindow))
		}
		t.maybe, t.failed = !ill, v.Failures > 0
		out = append(out, t)
	}
	return out
}

// nodeNamed is the node that an alert's labels name; "": none.
func (x *inquiry) nodeNamed(snap *fleet.Snapshot, labels map[string]string) string {
	name := nodeOf(labels)
	for i := range snap.Nodes {
		if n := &snap.Nodes[i]; name != "" && (n.Name == name || n.Addr == name) {
			return n.Name
		}
	}
	return ""
}

// explainedFrom is how sure a cause must be to explain a trouble, and laterThan by how much it may begin after the trouble and still be its cause.
const (
	explainedFrom = 0.5
	laterThan     = 5 * time.Minute
)

// explained joins troubles with the causes that explain them. Those that are about what was asked for come first, the others second, and alerts on
// services that the swarm does not have third.
func (x *inquiry) explained(causes []Cause) (here, elsewhere, strays []Trouble) {
	all, strays := x.troubles()
	for _, t := range all {
		if x.q.Service != "" && t.Service != x.q.Service {
			if !t.maybe || t.failed {
				elsewhere = append(elsewhere, t)
			}
			continue
		}
		var perhaps []int
		for i := range causes {
			switch yes, may := causes[i].explains(&t); {
			case yes:
				t.Causes = append(t.Causes, i)
			case may:
				perhaps = append(perhaps, i)
			}
		}
		if len(t.Causes) == 0 && len(perhaps) > 0 {
			t.Causes, t.Perhaps = perhaps, true
		}
		if !t.maybe || len(t.Causes) > 0 {
			here = append(here, t)
		}
	}
	return here, elsewhere, strays
}

// explains tells whether a trouble is no riddle any more: the cause is about the same service or node, or about what a label names, began in time, and is
// of a kind that can be behind what the trouble is about. perhaps: what that is is not known.
func (c *Cause) explains(t *Trouble) (yes, perhaps bool) {
	switch {
	case c.Confidence < explainedFrom || c.ID == "log-pattern-new": // a new line is a sign, and no reason
		return false, false
	case !t.Since.IsZero() && c.Since.After(t.Since.Add(laterThan)):
		return false, false
	case !c.concerns(t):
		return false, false
	}
	return c.fits(t.about)
}

// concerns tells whether a cause is about the service, the node or the thing that a trouble is about.
func (c *Cause) concerns(t *Trouble) bool {
	switch {
	case t.Service != "":
		return c.Service == t.Service
	case t.Node != "" && c.Node == t.Node:
		return true
	}
	for k, v := range t.labels { // where it was measured is not what it is about
		if !slices.Contains([]string{"alertname", "severity", "job", "node", "instance"}, k) && len(v) > 2 && mentions(c.Title+textOf(c.Evidence), v) {
			return true
		}
	}
	return false
}

// Unexplained are the troubles for which no cause was found.
func (r *Report) Unexplained() []Trouble {
	var out []Trouble
	for i := range r.Troubles {
		if len(r.Troubles[i].Causes) == 0 {
			out = append(out, r.Troubles[i])
		}
	}
	return out
}

// WhyNot says of a trouble without a cause why none is known: what was looked at, and what could not be.
func (r *Report) WhyNot(t *Trouble) string {
	switch {
	case slices.Contains(r.Left, t.Service):
		return "not looked at closely: there are too many at once; ask about it alone"
	case !r.Done:
		return "no cause found yet: still looking"
	}
	text := "no cause found yet: looked at " + orWord(r.lookedAt(true), "nothing")
	if not := r.lookedAt(false); not != "" {
		text += "; could not look at " + not
	}
	return text
}

// Explanation is what is known of a trouble's causes in one sentence, or why nothing is.
func (r *Report) Explanation(t *Trouble) string {
	if len(t.Causes) == 0 {
		return r.WhyNot(t)
	}
	c := &r.Causes[t.Causes[0]]
	text := fmt.Sprintf("%.0f%% %s", 100*c.Confidence, c.Title)
	if c.Service != t.Service {
		text = fmt.Sprintf("%.0f%% %s: %s", 100*c.Confidence, c.About(), c.Title)
	}
	if n := len(t.Causes) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	if t.Perhaps {
		text = "perhaps " + text
	}
	return text
}

func (r *Report) lookedAt(could bool) string {
	var out []string
	for _, l := range r.Looked {
		if (l.State == lookedAt) == could {
			out = append(out, l.Source)
		}
	}
	return strings.Join(out, ", ")
}

// blind are the sources that are there and could not be looked at this time.
func (r *Report) blind() string {
	var out []string
	for _, l := range r.Looked {
		if l.State == couldNot {
			out = append(out, l.Source)
		}
	}
	return strings.Join(out, ", ")
}

// Outcome is an answer without any cause in one sentence: it never says that all is well beside something that is not.
func (r *Report) Outcome() string {
	about := "nothing found"
	if r.Service != "" {
		about = "nothing for " + r.Service
	}
	open := r.Unexplained()
	switch {
	case len(open) > 0:
		about = fmt.Sprintf("no cause found yet for what is not well (%s)", Tally(open))
	case r.Service == "" && len(r.Strays) > 0:
		about += " that explains trouble, and nothing that the swarm has is known to be in trouble"
	case r.Service == "":
		about += " that explains trouble, and nothing is known to be in trouble"
	}
	if len(r.Elsewhere) > 0 {
		about += "; elsewhere " + Tally(r.Elsewhere)
	} else if r.Service != "" && len(open) == 0 {
		about += ", and nothing elsewhere is known to be in trouble"
	}
	if not := r.blind(); not != "" && r.Done {
		return not + " not looked at: " + about
	}
	return about
}

// straysNamed is how many services an alert is on that the swarm does not have are named.
const straysNamed = 4

// Stray says in one sentence that alerts are about services that the swarm does not have; "": there are none.
func (r *Report) Stray() string {
	if len(r.Strays) == 0 {
		return ""
	}
	var names []string
	since := time.Time{}
	for i := range r.Strays {
		t := &r.Strays[i]
		if !slices.Contains(names, t.Service) {
			names = append(names, t.Service)
		}
		if !t.Since.IsZero() && (since.IsZero() || t.Since.Before(since)) {
			since = t.Since
		}
	}
	slices.Sort(names)
	n := len(names)
	for i, name := range names[:min(n, straysNamed)] {
		if at := r.removed[name]; !at.IsZero() {
			names[i] = fmt.Sprintf("%s (removed %s ago)", name, short(r.At.Sub(at)))
		}
	}
	text := strings.Join(names[:min(n, straysNamed)], ", ")
	if more := n - straysNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	is := "is about a service that the swarm does not have"
	if len(r.Strays) > 1 {
		is = "are about services that the swarm does not have"
	}
	text = fmt.Sprintf("%s %s: %s", plural(len(r.Strays), "alert"), is, text)
	if !since.IsZero() {
		text += ", the first since " + short(r.At.Sub(since))
	}
	return text + "; such alerts end by themselves once its figures do, or are of another cluster"
}

// removals are when services that the swarm does not have any more were removed, as far as the fleet's history tells.
func (x *inquiry) removals(strays []Trouble) map[string]time.Time {
	var out map[string]time.Time
	for i := range x.snap.History {
		h := &x.snap.History[i]
		if h.Kind != fleet.Removed || h.Time.After(x.q.At.Add(clockSlack)) || !slices.ContainsFunc(strays, func(t Trouble) bool { return t.Service == h.Service }) {
			continue
		}
		if out == nil {
			out = map[string]time.Time{}
		}
		out[h.Service] = h.Time
	}
	return out
}

// Tally counts troubles in words: 1 service in trouble, 1 node down, 2 alerts firing, 1 alert pending.
func Tally(list []Trouble) string {
	services, nodes, alerts, pending := 0, 0, 0, 0
	for i := range list {
		switch {
		case list[i].Pending:
			pending++
		case list[i].Kind == FiringAlert:
			alerts++
		case list[i].Kind == TroubledNode:
			nodes++
		default:
			services++
		}
	}
	var out []string
	if services > 0 {
		out = append(out, plural(services, "service")+" in trouble")
	}
	if nodes > 0 {
		out = append(out, plural(nodes, "node")+" down")
	}
	if alerts > 0 {
		out = append(out, plural(alerts, "alert")+" firing")
	}
	if pending > 0 {
		out = append(out, plural(pending, "alert")+" pending")
	}
	return strings.Join(out, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
