package fleet

import (
	"strings"
	"testing"

	"quarterdeck/sources"
)

// The cases are those of swarmkit's manager/constraint and of its platform filter, by their rules.
func TestMeets(t *testing.T) {
	n := &sources.Node{ID: "NodeID1", Name: "node-1", Role: "manager", Addr: "10.8.4.17", OS: "linux", Arch: "x86_64",
		Labels: map[string]string{"Disk": "SSD", "zone": "a"}, EngineLabels: map[string]string{"os": "debian"}}
	for _, c := range []struct {
		written string
		want    bool
	}{
		{"node.id==NodeID1", true},
		{"node.id == nodeid1", true}, // values are compared without case
		{"NODE.ID==NodeID1", true},   // so are keys
		{"node.id!=NodeID1", false},
		{"node.id!=other", true},
		{"node.hostname==node-1", true},
		{"node.hostname!=node-1", false},
		{"node.role==manager", true},
		{"node.role==Manager", true},
		{"node.role!=worker", true},
		{"node.role==worker", false},
		{"node.ip==10.8.4.17", true},
		{"node.ip!=10.8.4.17", false},
		{"node.ip==10.8.4.18", false},
		{"node.ip==10.8.4.0/24", true},
		{"node.ip!=10.8.4.0/24", false},
		{"node.ip==10.8.5.0/24", false},
		{"node.ip!=2001:db8::/32", true},
		{"node.ip==::ffff:10.8.4.17", true}, // the same address, written as IPv6
		{"node.ip==10.8.4", false},
		{"node.ip!=10.8.4", false}, // malformed: no node, whichever the operator
		{"node.platform.os==linux", true},
		{"node.platform.arch==x86_64", true},
		{"node.platform.arch==amd64", false}, // no normalising in constraints, unlike in the platform filter
		{"node.labels.Disk==ssd", true},
		{"node.labels.disk==ssd", false}, // a label's name keeps its case
		{"Node.Labels.Disk==ssd", true},
		{"node.labels.missing!=x", true}, // lacking is the empty string
		{"node.labels.missing==x", false},
		{"engine.labels.os==debian", true},
		{"engine.labels.os!=debian", false},
		{"node.labels.==x", false}, // a key without a name
		{"node.labels.!=x", false},
		{"node.colour!=red", false},         // an unknown key is met by none
		{"node.role", false},                // no operator
		{"node.role=manager", false},        // one sign is none
		{"node.role==", false},              // no value
		{"==manager", false},                // no key
		{"node.role!=a==b", false},          // split at == first: the key is malformed
		{"node.labels.zone==a~b", false},    // characters kept for future operators
		{"node labels.zone==a", false},      // blank in the key
		{"  node.labels.zone  ==  a", true}, // blanks around
		{"", false},
	} {
		if got := parseConstraint(c.written).meets(n); got != c.want {
			t.Errorf("%q: met %v, want %v", c.written, got, c.want)
		}
	}
	bare := &sources.Node{}
	for written, want := range map[string]bool{"node.labels.a==b": false, "node.labels.a!=b": true, "engine.labels.a!=b": true,
		"node.ip==10.0.0.1": false, "node.ip!=10.0.0.0/8": true, "node.hostname!=x": true} {
		if got := parseConstraint(written).meets(bare); got != want {
			t.Errorf("a node that says nothing: %q: met %v, want %v", written, got, want)
		}
	}
}

func TestFitsPlatform(t *testing.T) {
	for _, c := range []struct {
		os, arch  string
		platforms []string
		want      bool
	}{
		{"linux", "x86_64", nil, true},
		{"linux", "x86_64", []string{"linux/amd64"}, true},
		{"linux", "amd64", []string{"linux/x86_64"}, true},
		{"linux", "aarch64", []string{"linux/amd64", "linux/arm64"}, true},
		{"linux", "aarch64", []string{"linux/amd64"}, false},
		{"windows", "x86_64", []string{"linux/amd64"}, false},
		{"linux", "s390x", []string{"linux"}, true},
		{"linux", "s390x", []string{"/s390x"}, true},
		{"linux", "s390x", []string{"/"}, true},
		{"", "", []string{"linux/amd64"}, false},
	} {
		n := &sources.Node{OS: c.os, Arch: c.arch}
		if got := FitsPlatform(n, c.platforms); got != c.want {
			t.Errorf("FitsPlatform(%s/%s, %v) = %v, want %v", c.os, c.arch, c.platforms, got, c.want)
		}
	}
}

func FuzzMeets(f *testing.F) {
	for _, s := range []string{"node.ip==10.0.0.0/8", "node.labels.é==b", "node.labels.", "==", "!==", "node.labels.a!==b", "engine.labels.x==\xff"} {
		f.Add(s)
	}
	n := &sources.Node{Addr: "10.0.0.1", Labels: map[string]string{"a": "b"}}
	f.Fuzz(func(t *testing.T, written string) {
		if parseConstraint(written).meets(n) && !strings.Contains(written, "==") && !strings.Contains(written, "!=") {
			t.Errorf("met, and it is no constraint: %q", written)
		}
	})
}
