package diagnosis

import (
	"cmp"
	"slices"
	"strings"

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
	"exits-cleanly":          {"healthcheck-failing", "bad-deploy"},
	"constraint-unsatisfied": {"label-changed"},
	"bad-deploy": {"image-missing", "start-failed", "healthcheck-failing", "constraint-unsatisfied", "insufficient-resources", "port-conflict", "bind-missing",
		"secret-or-config-missing", "addresses-exhausted", "oom-killed", "label-changed"},
	"log-pattern-new": {"bad-deploy", "crash-loop", "oom-killed", "disk-full", "errors-after-dependency", "exits-cleanly", "healthcheck-failing", "certificate-expiring", "cpu-throttled"},
	"log-burst": {"bad-deploy", "crash-loop", "oom-killed", "disk-full", "errors-after-dependency", "exits-cleanly", "healthcheck-failing", "certificate-expiring", "cpu-throttled",
		"killed", "secret-or-config-missing", "start-failed", "log-pattern-new"},
	"cpu-throttled": {},
}

// arrange folds what is one and the same, tells effects from causes, and ranks.
func (x *inquiry) arrange(causes []Cause) []Cause {
	causes = fold(causes)
	if x.q.Service == "" { // who asks about all wants what is wrong, and not what is over or only may be
		causes = slices.DeleteFunc(causes, func(c Cause) bool {
			v := x.snap.Service(c.Service)
			return c.Confidence < 0.45 && (v == nil || v.Health == fleet.Healthy || v.Health == fleet.Idle || v.Health == fleet.Updating)
		})
	}
	x.follow(causes)
	for i := range causes {
		causes[i].urgency = max(causes[i].urgency, x.urgency(&causes[i]))
	}
	slices.SortStableFunc(causes, rank)
	return causes
}

// rank orders causes: before their effects, what hurts now first, the better proof first, the earlier onset first.
func rank(a, b Cause) int {
	effect := func(c *Cause) int {
		if c.EffectOf != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(effect(&a)-effect(&b), cmp.Compare(b.urgency, a.urgency), cmp.Compare(strength(&b), strength(&a)), a.Since.Compare(b.Since), strings.Compare(a.key(), b.key()))
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

func fold(causes []Cause) []Cause {
	gone := make([]bool, len(causes))
	for i := range causes {
		into := -1
		for j := range causes {
			if i != j && !gone[j] && causes[i].Service == causes[j].Service && slices.Contains(folds[causes[i].ID], causes[j].ID) && causes[j].Confidence >= 0.5 &&
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
			if !slices.ContainsFunc(c.Evidence, func(have Proof) bool { return have.Text == p.Text }) {
				c.Evidence = append(c.Evidence, p)
			}
		}
		if s.ID != "bad-deploy" { // that is when it came, and not what follows
			c.Effects = append(slices.Clone(c.Effects), s.Title)
		}
		for _, n := range s.Next {
			if !slices.ContainsFunc(c.Next, func(x Step) bool { return x.Action == n.Action && x.On == n.On && x.Action != "" }) {
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
		for j := range causes {
			c := &causes[j]
			if e.ID != "errors-after-dependency" && (e.ID != c.ID || e.ID == "log-pattern-new" || e.ID == "log-burst") { // what one says of the other is the same trouble
				continue
			}
			if i != j && c.Service != e.Service && c.EffectOf == "" && slices.ContainsFunc(x.linksOf(e.Service), func(l Link) bool { return l.Service == c.Service }) && c.Confidence >= 0.5 {
				e.EffectOf = c.key()
				c.Effects = append(c.Effects, e.Service+": "+e.Title)
				break
			}
		}
	}
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
