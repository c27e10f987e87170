package diagnosis

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// key names a cause among others.
func (c *Cause) key() string {
	on := c.Service
	if on == "" {
		on = c.Node
	}
	return on + ": " + c.ID
}

// folds says which ids are only how another one shows in the same service: the second is the cause, and takes the first's evidence over.
// A deploy that fails with the engine's own words for why is a mistake of that kind; the words are the cause, and the deploy is when it came.
var folds = map[string][]string{
	"crash-loop":             {"oom-killed", "bad-deploy", "disk-full", "healthcheck-failing", "secret-or-config-missing", "errors-after-dependency"},
	"killed":                 {"oom-killed", "bad-deploy", "healthcheck-failing", "crash-loop"},
	"memory-near-limit":      {"oom-killed"},
	"exits-cleanly":          {"healthcheck-failing", "bad-deploy"},
	"constraint-unsatisfied": {"label-changed"},
	"bad-deploy": {"image-missing", "start-failed", "healthcheck-failing", "constraint-unsatisfied", "insufficient-resources", "port-conflict", "bind-missing",
		"secret-or-config-missing", "addresses-exhausted", "oom-killed", "label-changed"},
	"log-pattern-new": {"dependency-failing", "bad-deploy", "crash-loop", "oom-killed", "disk-full", "errors-after-dependency", "exits-cleanly", "healthcheck-failing", "certificate-expiring", "cpu-throttled"},
	"log-burst": {"dependency-failing", "bad-deploy", "crash-loop", "oom-killed", "disk-full", "errors-after-dependency", "exits-cleanly", "healthcheck-failing", "certificate-expiring", "cpu-throttled",
		"killed", "secret-or-config-missing", "start-failed", "log-pattern-new"},
	// what others say of it is only how its own trouble shows to them
	"dependency-failing": {"oom-killed", "healthcheck-failing", "crash-loop", "exits-cleanly", "killed", "image-missing", "start-failed", "constraint-unsatisfied",
		"insufficient-resources", "port-conflict", "label-changed", "bind-missing", "addresses-exhausted", "bad-deploy", "secret-or-config-missing", "disk-full", "cpu-throttled", "desired-zero"},
}

// arrange folds what is one and the same, tells effects from causes, and ranks.
func (x *inquiry) arrange(causes []Cause) []Cause {
	causes = fold(causes)
	if x.q.Service == "" { // who asks about all wants what is wrong, and not what is over or only may be
		causes = slices.DeleteFunc(causes, func(c Cause) bool {
			v := x.snap.Service(c.Service)
			return c.Confidence < 0.45 && (v == nil || (v.Health == fleet.Healthy || v.Health == fleet.Idle || v.Health == fleet.Updating) && !x.alerted(v.Name))
		})
	}
	for i := range causes {
		causes[i].urgency = max(causes[i].urgency, x.urgency(&causes[i]))
	}
	x.follow(causes)
	slices.SortStableFunc(causes, rank)
	return causes
}

// rank orders causes: before their effects, the surest first, as it is shown; of those that are as sure what hurts now, the better proof, the earlier
// onset. The better kind of proof (OPERATIONS.md) is in how sure a rule may be by it.
func rank(a, b Cause) int {
	effect := func(c *Cause) int {
		if c.EffectOf != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(effect(&a)-effect(&b), cmp.Compare(b.percent(), a.percent()), cmp.Compare(b.urgency, a.urgency), cmp.Compare(b.Grade, a.Grade), a.Since.Compare(b.Since), strings.Compare(a.key(), b.key()))
}

// percent is how sure a cause is as it is shown.
func (c *Cause) percent() int { return int(math.Round(100 * c.Confidence)) }

// alerted tells whether an alert fires or is pending for a service.
func (x *inquiry) alerted(service string) bool {
	return slices.ContainsFunc(x.snap.Alerts, func(a sources.Alert) bool {
		return a.Service == service && (a.State == sources.Firing || a.State == sources.Pending)
	})
}

// urgency is 2 where the cause is about what does not run as it should, 1 where it is about what fails its users, 0 where it only may. Where
// there is but little proof, it does not come before what is proven.
func (x *inquiry) urgency(c *Cause) int {
	if c.Confidence < 0.5 {
		return 0
	}
	if v := x.snap.Service(c.Service); v != nil {
		switch {
		case v.Health == fleet.Down, v.Health == fleet.Degraded, c.ID == "desired-zero":
			return 2
		case c.ID == "log-pattern-new", c.ID == "log-burst", c.ID == "killed", c.Confidence < 0.6:
			return 0
		}
		return 1
	}
	if c.ID == "node-down" {
		return 2
	}
	return 0
}

// strength puts the grade before the confidence, unless the better grade is hardly believed.
func strength(c *Cause) float64 { return c.Confidence + 0.1*float64(c.Grade) }

// outweighs tells that a burst of lines is surer than that its errors come from elsewhere: they may be more because all lines are.
func outweighs(burst, c *Cause) bool {
	return burst.ID == "log-burst" && c.ID == "errors-after-dependency" && burst.Confidence > c.Confidence
}

func fold(causes []Cause) []Cause {
	gone := make([]bool, len(causes))
	for i := range causes {
		into := -1
		for j := range causes {
			if i != j && !gone[j] && causes[i].Service == causes[j].Service && slices.Contains(folds[causes[i].ID], causes[j].ID) && causes[j].Confidence >= 0.5 && !outweighs(&causes[i], &causes[j]) &&
				(into < 0 || strength(&causes[j]) > strength(&causes[into])) {
				into = j
			}
		}
		if into < 0 {
			continue
		}
		gone[i] = true
		c, s := &causes[into], &causes[i]
		c.Evidence = slices.Clone(c.Evidence)
		for _, p := range s.Evidence {
			c.add(p)
		}
		if s.ID != "bad-deploy" && s.ID != "memory-near-limit" { // that is when and how it came, and not what follows
			c.Effects = append(slices.Clone(c.Effects), s.Title)
		}
		for _, n := range s.Next {
			if !slices.ContainsFunc(c.Next, func(x Step) bool { return x.Text == n.Text || x.Action == n.Action && x.Action != "" }) {
				c.Next = append(slices.Clone(c.Next), n)
			}
		}
	}
	out := causes[:0:0]
	for i := range causes {
		if !gone[i] {
			out = append(out, causes[i])
		}
	}
	return out
}

// holdBack takes away what is said to come from a service that is being asked about: an effect is not shown before its cause. Callers hold mu.
func (x *inquiry) holdBack(causes []Cause) []Cause {
	held := map[string]bool{}
	for name, asking := range x.asking {
		held[name] = asking
	}
	for n := -1; n != len(causes); {
		n = len(causes)
		causes = slices.DeleteFunc(causes, func(c Cause) bool {
			if c.of == "" || !held[c.of] {
				return false
			}
			held[c.Service] = true
			return true
		})
	}
	return causes
}

// follow marks what is an effect of something else: of a node that is down, and of a dependency that is ill.
func (x *inquiry) follow(causes []Cause) {
	for i := range causes {
		c := &causes[i]
		if c.ID != "node-down" {
			continue
		}
		for j := range causes {
			if e := &causes[j]; e.Service != "" && c.Node != "" && nodeEffect(e) && strings.Contains(e.Why+textOf(e.Evidence), c.Node) && !e.Since.Before(c.Since.Add(-clockSlack*6)) {
				e.EffectOf = c.key()
				c.Effects = append(c.Effects, e.Service+": "+e.Title)
			}
		}
	}
	for i := range causes {
		e := &causes[i]
		if e.EffectOf != "" {
			continue
		}
		root := x.root(causes, e, map[*Cause]bool{e: true})
		if root == nil {
			continue
		}
		e.EffectOf = cmp.Or(root.EffectOf, root.key())
		root.Effects = append(slices.Clone(root.Effects), e.Service+": "+e.Title)
		if root.Confidence >= 0.5 { // it hurts those that its effects hurt
			root.urgency = max(root.urgency, e.urgency)
		}
	}
}

// root is where the trouble begins that a cause follows from, along the dependencies; nil: with itself. seen are those on the way.
func (x *inquiry) root(causes []Cause, e *Cause, seen map[*Cause]bool) *Cause {
	var next *Cause
	for i := range causes {
		c := &causes[i]
		if seen[c] || c.Service == e.Service || c.EffectOf == e.key() || !x.follows(e, c) {
			continue
		}
		if next == nil || nearer(e, c, next) {
			next = c
		}
	}
	if next == nil {
		return nil
	}
	seen[next] = true
	if further := x.root(causes, next, seen); further != nil {
		return further
	}
	return next
}

// follows tells whether one cause is what another shows as: errors after a dependency, of that dependency's trouble; and trouble of one kind with two
// services is where the one is that the other needs.
func (x *inquiry) follows(e, c *Cause) bool {
	switch {
	case e.ID == "errors-after-dependency" && c.Service == e.of:
		return c.ID == "errors-after-dependency" || c.Confidence >= 0.4
	case e.of != "" && c.ID != "errors-after-dependency" && c.Confidence >= 0.4 && x.hasLearnt(e.of, c.Service): // the one between says so, and is not yet a cause
		return true
	case e.ID != "errors-after-dependency" && (e.ID != c.ID || e.ID == "log-pattern-new" || e.ID == "log-burst"), c.Confidence < 0.5:
		return false
	}
	return slices.ContainsFunc(x.linksOf(e.Service), func(l Link) bool { return l.Service == c.Service })
}

// hasLearnt tells whether a service's error lines name another one.
func (x *inquiry) hasLearnt(service, other string) bool {
	s := x.scenes[service]
	return s != nil && slices.ContainsFunc(s.Learnt, func(l Link) bool { return l.Service == other })
}

// nearer tells whether a is nearer to what a cause follows from than b: about the service that it names, then its own trouble and not what that
// follows from, then the better proof.
func nearer(e, a, b *Cause) bool {
	score := func(c *Cause) float64 {
		n := strength(c)
		if c.Service == e.of {
			n += 20
		}
		if c.ID != "errors-after-dependency" {
			n += 10
		}
		return n
	}
	return score(a) > score(b)
}

// nodeEffect are the kinds of trouble that a lost node makes of the tasks that were there.
func nodeEffect(c *Cause) bool {
	switch c.ID {
	case "constraint-unsatisfied", "insufficient-resources", "killed", "crash-loop", "errors-after-dependency":
		return true
	}
	return false
}

func textOf(proofs []Proof) string {
	var b strings.Builder
	for _, p := range proofs {
		b.WriteString(" " + p.Text)
	}
	return b.String()
}
