package fleet

import (
	"net"
	"regexp"
	"slices"
	"strings"

	"quarterdeck/sources"
)

// What a constraint may be made of (swarmkit, manager/constraint/constraint.go, Parse).
var (
	constraintKey   = regexp.MustCompile(`(?i)^[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`(?i)^[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+$`)
)

// constraint is a placement constraint as read.
type constraint struct {
	written, key, value string
	equal               bool
	// readable: one that is not is met by no node.
	readable bool
}

// parseConstraint reads "key==value" or "key!=value"; swarmkit looks for == first.
func parseConstraint(written string) constraint {
	for _, op := range []string{"==", "!="} {
		key, value, found := strings.Cut(written, op)
		if !found {
			continue
		}
		c := constraint{written: written, key: strings.TrimSpace(key), value: strings.TrimSpace(value), equal: op == "=="}
		c.readable = constraintKey.MatchString(c.key) && constraintValue.MatchString(c.value)
		return c
	}
	return constraint{written: written}
}

// Meets tells whether a node meets one placement constraint as it is written in a service; one that cannot be read is met by no node. Who asks of many nodes reads it once
// (placementOf).
func Meets(n *sources.Node, written string) bool { return parseConstraint(written).meets(n) }

// meets tells whether a node meets the constraint, by swarmkit's rules (manager/constraint/constraint.go, NodeMatches): keys are case-insensitive but for a label's name,
// values are compared without case, node.ip takes an address or a subnet, and a label that a node lacks is the empty string.
func (c constraint) meets(n *sources.Node) bool {
	if !c.readable {
		return false
	}
	switch key := strings.ToLower(c.key); key {
	case "node.id":
		return c.is(n.ID)
	case "node.hostname":
		return c.is(n.Name)
	case "node.ip":
		return c.meetsIP(n.Addr)
	case "node.role":
		return c.is(n.Role)
	case "node.platform.os":
		return c.is(n.OS)
	case "node.platform.arch":
		return c.is(n.Arch) // as the node says it: swarmkit takes x86_64 and amd64 for two things here
	default:
		if label, ok := labelName(c.key, key, "node.labels."); ok {
			return c.is(n.Labels[label])
		}
		label, ok := labelName(c.key, key, "engine.labels.")
		return ok && c.is(n.EngineLabels[label])
	}
}

// labelName is the name of the label that a key is about, in the case that it is written in; lower is the key in lower case.
func labelName(key, lower, prefix string) (string, bool) {
	if !strings.HasPrefix(lower, prefix) || len(lower) == len(prefix) {
		return "", false
	}
	return key[len(prefix):], true
}

func (c constraint) is(have string) bool { return strings.EqualFold(have, c.value) == c.equal }

func (c constraint) meetsIP(addr string) bool {
	have := net.ParseIP(addr)
	if ip := net.ParseIP(c.value); ip != nil {
		return ip.Equal(have) == c.equal
	}
	if _, subnet, err := net.ParseCIDR(c.value); err == nil {
		return subnet.Contains(have) == c.equal
	}
	return false
}

// placement is where a service's tasks may run, read once for all nodes.
type placement struct {
	constraints []constraint
	platforms   []string
}

func placementOf(s *sources.Service) placement {
	p := placement{platforms: s.Platforms, constraints: make([]constraint, 0, len(s.Constraints))}
	for _, written := range s.Constraints {
		p.constraints = append(p.constraints, parseConstraint(written))
	}
	return p
}

func (p placement) allows(n *sources.Node) bool {
	return FitsPlatform(n, p.platforms) && p.unmet(n) < 0
}

// unmet is the first constraint that a node does not meet; -1: it meets all.
func (p placement) unmet(n *sources.Node) int {
	return slices.IndexFunc(p.constraints, func(c constraint) bool { return !c.meets(n) })
}

// FitsPlatform tells whether a node can run one of the platforms ("linux/amd64"), by swarmkit's rule
// (manager/scheduler/filter.go, PlatformFilter): x86_64 is amd64, aarch64 is arm64, an empty part fits
// all. None asked for: any node can.
func FitsPlatform(n *sources.Node, platforms []string) bool {
	if len(platforms) == 0 {
		return true
	}
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		if (os == "" || os == n.OS) && (arch == "" || normalArch(arch) == normalArch(n.Arch)) {
			return true
		}
	}
	return false
}

func normalArch(a string) string {
	switch a {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return a
}

// WhyNot tells why a node takes no new task of a service: it is not up or not active, a constraint, the platform. "": it may.
// What is free there is another question.
func WhyNot(s *sources.Service, n *sources.Node) string { return placementOf(s).whyNot(n) }

func (p placement) whyNot(n *sources.Node) string {
	switch {
	case n.State != "ready":
		return "is " + n.State
	case n.Availability != "active":
		return "is set to " + n.Availability
	case !FitsPlatform(n, p.platforms):
		return "is " + n.OS + "/" + normalArch(n.Arch) + ", the image is for " + strings.Join(p.platforms, ", ")
	}
	if i := p.unmet(n); i >= 0 {
		return "does not meet " + p.constraints[i].written
	}
	return ""
}

// Allows tells whether a node meets a service's constraints and platforms, whatever its state.
func Allows(s *sources.Service, n *sources.Node) bool { return placementOf(s).allows(n) }
