package fleet

import (
	"strings"

	"quarterdeck/sources"
)

// matches tells whether a node meets all constraints, by the rules of swarmkit
// (manager/constraint/constraint.go, NodeMatches): keys are case-insensitive but
// for label names, values are compared without case, a label that a node lacks
// is the empty string. A constraint that cannot be read matches no node.
func matches(n *sources.Node, constraints []string) bool {
	for _, c := range constraints {
		key, value, equal, ok := splitConstraint(c)
		if !ok {
			return false
		}
		have, ok := nodeValue(n, key)
		if !ok || strings.EqualFold(have, value) != equal {
			return false
		}
	}
	return true
}

func splitConstraint(c string) (key, value string, equal, ok bool) {
	at := strings.Index(c, "=")
	if at < 1 || at+1 >= len(c) {
		return "", "", false, false
	}
	switch {
	case c[at+1] == '=':
		key, value, equal = c[:at], c[at+2:], true
	case c[at-1] == '!':
		key, value, equal = c[:at-1], c[at+1:], false
	default:
		return "", "", false, false
	}
	return strings.TrimSpace(key), strings.TrimSpace(value), equal, true
}

func nodeValue(n *sources.Node, key string) (string, bool) {
	lower := strings.ToLower(key)
	switch lower {
	case "node.id":
		return n.ID, true
	case "node.hostname":
		return n.Name, true
	case "node.role":
		return n.Role, true
	case "node.ip":
		return n.Addr, true
	case "node.platform.os":
		return n.OS, true
	case "node.platform.arch":
		return normalArch(n.Arch), true
	}
	if strings.HasPrefix(lower, "node.labels.") {
		return n.Labels[key[len("node.labels."):]], true
	}
	if strings.HasPrefix(lower, "engine.labels.") {
		return n.EngineLabels[key[len("engine.labels."):]], true
	}
	return "", false
}

func normalArch(a string) string {
	switch strings.ToLower(a) {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return strings.ToLower(a)
}

// platformFits tells whether a node can run one of the platforms; none asked for: any node can.
func platformFits(n *sources.Node, platforms []string) bool {
	if len(platforms) == 0 {
		return true
	}
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		if (os == "" || strings.EqualFold(os, n.OS)) && (arch == "" || normalArch(arch) == normalArch(n.Arch)) {
			return true
		}
	}
	return false
}
