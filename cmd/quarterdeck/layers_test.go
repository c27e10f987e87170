package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// listed is what `go list -json` tells of a package.
type listed struct {
	ImportPath string
	Imports    []string
}

// TestLayers holds the import rules of docs/design.md, for machines where golangci-lint with depguard
// is not to be had. The rules are over the packages' own imports, tests aside.
func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "quarterdeck/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; seen++ {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, imp := range p.Imports {
			if why := forbidden(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("go list named only %d packages", seen)
	}
}

func TestForbiddenTellsApart(t *testing.T) {
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"quarterdeck/ui", "quarterdeck/sources/fleet", false},
		{"quarterdeck/ui", "quarterdeck/sources/swarm", true},
		{"quarterdeck/ui/logview", "quarterdeck/ui/plain", false},
		{"quarterdeck/ui", "quarterdeck/actions", false},
		{"quarterdeck/actions", "quarterdeck/ui/plain", true},
		{"quarterdeck/actions", "quarterdeck/sources/swarm", true},
		{"quarterdeck/actions", "quarterdeck/sources/fleet", false},
		{"quarterdeck/actions", "github.com/moby/moby/client", true},
		{"quarterdeck/sources/swarm", "quarterdeck/actions", true},
		{"quarterdeck/diagnosis", "quarterdeck/actions", true},
		{"quarterdeck/stages", "quarterdeck/recovery", false},
		{"quarterdeck/ui", "quarterdeck/stages", false},
		{"quarterdeck/stages", "quarterdeck/actions", true},
		{"quarterdeck/stages", "quarterdeck/sources/loki", true},
		{"quarterdeck/diagnosis/record", "quarterdeck/actions", false},
		{"quarterdeck/actions", "quarterdeck/diagnosis", true},
		{"quarterdeck/diagnosis", "quarterdeck/sources/loki", true},
		{"quarterdeck/diagnosis", "quarterdeck/sources/patterns", false},
		{"quarterdeck/diagnosis", "quarterdeck/sources/fleet", false},
		{"quarterdeck/ui", "quarterdeck/diagnosis", false},
		{"quarterdeck/sources/loki", "quarterdeck/sources", false},
		{"quarterdeck/sources/loki", "quarterdeck/sources/patterns", false},
		{"quarterdeck/ui", "quarterdeck/sources/patterns", false},
		{"quarterdeck/sources/patterns", "quarterdeck/sources/loki", true},
		{"quarterdeck/actions", "quarterdeck/sources/markdown", false},
		{"quarterdeck/diagnosis", "quarterdeck/sources/markdown", false},
		{"quarterdeck/incident", "quarterdeck/sources/markdown", false},
		{"quarterdeck/sources/markdown", "github.com/clipperhouse/displaywidth", false},
		{"quarterdeck/sources/markdown", "quarterdeck/sources", true},
		{"quarterdeck/sources/loki", "quarterdeck/sources/swarm", true},
		{"quarterdeck/sources/demo/world", "quarterdeck/sources/demo", false},
		{"quarterdeck/sources", "quarterdeck/ui/plain", true},
		{"quarterdeck/sources/fleet", "github.com/moby/moby/client", true},
		{"quarterdeck/incident", "quarterdeck/actions", false},
		{"quarterdeck/incident", "quarterdeck/diagnosis", false},
		{"quarterdeck/incident", "quarterdeck/sources/fleet", false},
		{"quarterdeck/incident", "quarterdeck/sources/loki", true},
		{"quarterdeck/incident", "quarterdeck/ui/plain", true},
		{"quarterdeck/ui", "quarterdeck/incident", false},
		{"quarterdeck/actions", "quarterdeck/incident", true},
		{"quarterdeck/diagnosis", "quarterdeck/incident", true},
		{"quarterdeck/sources", "quarterdeck/incident", true},
		{"quarterdeck/actions", "quarterdeck/recovery", false},
		{"quarterdeck/ui", "quarterdeck/recovery", false},
		{"quarterdeck/recovery/runner", "quarterdeck/recovery", false},
		{"quarterdeck/recovery", "quarterdeck/sources/fleet", false},
		{"quarterdeck/recovery", "quarterdeck/actions", true},
		{"quarterdeck/recovery", "quarterdeck/sources/objectstore", true},
		{"quarterdeck/sources/demo", "quarterdeck/recovery", true},
		{"quarterdeck/delivery", "quarterdeck/stages", false},
		{"quarterdeck/delivery", "quarterdeck/sources/fleet", false},
		{"quarterdeck/delivery", "quarterdeck/sources/bitbucket", true},
		{"quarterdeck/delivery", "quarterdeck/actions", true},
		{"quarterdeck/delivery", "github.com/moby/moby/client", true},
		{"quarterdeck/stages", "quarterdeck/delivery", true},
		{"quarterdeck/ui", "quarterdeck/delivery", false},
		{"quarterdeck/blueprint", "quarterdeck/sources", false},
		{"quarterdeck/blueprint", "quarterdeck/deploy", false},
		{"quarterdeck/blueprint", "quarterdeck/sources/markdown", false},
		{"quarterdeck/blueprint", "quarterdeck/actions", true},
		{"quarterdeck/blueprint", "quarterdeck/sources/swarm", true},
		{"quarterdeck/blueprint", "github.com/docker/cli/cli/compose/template", false},
		{"quarterdeck/blueprint", "github.com/docker/cli/cli/compose/loader", true},
		{"quarterdeck/stages", "quarterdeck/blueprint", true},
		{"quarterdeck/ui", "quarterdeck/blueprint", false},
		{"quarterdeck/deploy", "quarterdeck/sources", true},
		{"quarterdeck/autoscale", "quarterdeck/sources/fleet", false},
		{"quarterdeck/autoscale", "quarterdeck/recovery", false},
		{"quarterdeck/autoscale", "quarterdeck/actions", true},
		{"quarterdeck/autoscale", "quarterdeck/sources/prometheus", true},
		{"quarterdeck/autoscale", "quarterdeck/stages", true},
		{"quarterdeck/capacity", "quarterdeck/sources/fleet", false},
		{"quarterdeck/capacity", "quarterdeck/actions", true},
		{"quarterdeck/capacity", "quarterdeck/sources/prometheus", true},
		{"quarterdeck/stages", "quarterdeck/capacity", false},
		{"quarterdeck/actions", "quarterdeck/capacity", false},
		{"quarterdeck/ui", "quarterdeck/capacity", false},
		{"quarterdeck/sources/fleet", "quarterdeck/capacity", true},
		{"quarterdeck/agent", "quarterdeck/autoscale", false},
		{"quarterdeck/agent/metrics", "quarterdeck/autoscale", false},
		{"quarterdeck/agent/metrics", "quarterdeck/capacity", false},
		{"quarterdeck/stages", "quarterdeck/autoscale", false},
		{"quarterdeck/ui", "quarterdeck/autoscale", false},
		{"quarterdeck/actions", "quarterdeck/autoscale", false},
		{"quarterdeck/recovery", "quarterdeck/autoscale", true},
		{"quarterdeck/sources/fleet", "quarterdeck/autoscale", true},
		{"quarterdeck/agent", "quarterdeck/actions", false},
		{"quarterdeck/agent", "quarterdeck/recovery", false},
		{"quarterdeck/agent", "quarterdeck/sources/fleet", false},
		{"quarterdeck/agent", "quarterdeck/sources/swarm", true},
		{"quarterdeck/agent", "quarterdeck/diagnosis", true},
		{"quarterdeck/agent", "github.com/prometheus/client_golang/prometheus", true},
		{"quarterdeck/agent/metrics", "github.com/prometheus/client_golang/prometheus", false},
		{"quarterdeck/agent/metrics", "github.com/prometheus/prometheus/promql", true},
		{"quarterdeck/agent/metrics", "quarterdeck/actions", true},
		{"quarterdeck/actions", "quarterdeck/agent", true},
		{"quarterdeck/ui", "quarterdeck/agent", true},
		{"quarterdeck/cmd/quarterdeck", "quarterdeck/ui", false},
		{"quarterdeck/cmd/quarterdeck", "github.com/grafana/loki/v3/pkg/logcli/client", true},
	} {
		if got := forbidden(c.from, c.to) != ""; got != c.bad {
			t.Errorf("%s imports %s: forbidden %v, want %v", c.from, c.to, got, c.bad)
		}
	}
}

// forbidden says which rule an import breaks; "" where it breaks none.
func forbidden(from, to string) string {
	whole := to
	from, to = strings.TrimPrefix(from, "quarterdeck/"), strings.TrimPrefix(to, "quarterdeck/")
	vendor := strings.HasPrefix(to, "github.com/moby/") || strings.HasPrefix(to, "github.com/docker/") || strings.HasPrefix(to, "github.com/prometheus/")
	source := func(p string) string {
		if rest, ok := strings.CutPrefix(p, "sources/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			if name == "patterns" || name == "markdown" {
				return "" // of the domain: they talk to nothing
			}
			return name
		}
		return ""
	}
	under := func(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
	switch {
	case strings.HasPrefix(to, "github.com/grafana/loki"):
		return "AGPL-3.0 (docs/decisions.md, 1)"
	case under(to, "cmd") && !under(from, "cmd"):
		return "nothing imports cmd"
	case under(to, "ui") && !under(from, "ui") && !under(from, "cmd"):
		return "nothing imports ui but cmd"
	case under(to, "agent") && !under(from, "agent") && !under(from, "cmd"):
		return "nothing imports agent but cmd"
	case under(to, "blueprint") && !under(from, "blueprint") && !under(from, "ui") && !under(from, "cmd"):
		return "nothing imports blueprint but ui and cmd"
	case under(from, "cmd"):
		return ""
	case from == "blueprint" && to == "github.com/docker/cli/cli/compose/template":
		return "" // how stack files replace variables: text in, text out
	case from == "deploy" && (strings.HasPrefix(whole, "quarterdeck/") || strings.Contains(to, ".")):
		return "deploy holds files and imports the standard library alone"
	case under(from, "blueprint") && strings.HasPrefix(whole, "quarterdeck/") && to != "deploy" && to != "recovery" && to != "stages" && to != "sources" && to != "sources/fleet" && to != "sources/markdown":
		return "blueprint sees its files, recovery, stages, the fleet and the domain's interfaces"
	case from == "agent/metrics" && strings.HasPrefix(to, "github.com/prometheus/client_golang/"):
		return "" // the way out to Prometheus, as the sources are the way in
	case from == "agent/metrics" && strings.HasPrefix(whole, "quarterdeck/") && to != "agent" && to != "autoscale" && to != "capacity" && to != "recovery":
		return "agent/metrics sees the agent's status"
	case under(from, "agent") && (under(to, "diagnosis") || under(to, "incident")):
		return "the agent sees actions and recovery"
	case vendor && (source(from) == "" || source(from) == "fleet"):
		return "a vendor's type never leaves its source"
	case from == "sources/patterns" && to != "sources" && (strings.Contains(to, ".") || under(to, "sources") || under(to, "actions")):
		return "patterns imports the domain and the standard library alone"
	case under(from, "sources/markdown") && strings.HasPrefix(whole, "quarterdeck/") && !under(to, "sources/markdown"):
		return "markdown imports nothing of ours"
	case from == "sources" && (under(to, "sources") || strings.Contains(to, ".") && !strings.HasPrefix(to, "github.com/cenkalti/")):
		return "the domain imports the standard library alone"
	case source(from) != "" && source(to) != "" && source(from) != source(to):
		return "a source knows no other source"
	case under(to, "incident") && !under(from, "incident") && !under(from, "ui"):
		return "nothing imports incident but ui and cmd"
	case from == "capacity" && strings.HasPrefix(whole, "quarterdeck/") && to != "sources" && to != "sources/fleet":
		return "capacity sees the fleet and the domain's interfaces"
	case under(from, "autoscale") && strings.HasPrefix(whole, "quarterdeck/") && !under(to, "autoscale") && to != "recovery" && !under(to, "sources"):
		return "autoscale sees recovery, the fleet and the domain's interfaces"
	case under(from, "stages") && strings.HasPrefix(whole, "quarterdeck/") && !under(to, "stages") && to != "autoscale" && to != "capacity" && to != "recovery" && !under(to, "sources"):
		return "stages sees autoscale, capacity, recovery, the fleet and the domain's interfaces"
	case under(from, "delivery") && strings.HasPrefix(whole, "quarterdeck/") && !under(to, "delivery") && to != "stages" && to != "sources" && to != "sources/fleet":
		return "delivery sees stages, the fleet and the domain's interfaces"
	case under(to, "delivery") && !under(from, "delivery") && !under(from, "ui"):
		return "nothing imports delivery but ui and cmd"
	case under(from, "recovery") && strings.HasPrefix(whole, "quarterdeck/") && !under(to, "recovery") && !under(to, "sources"):
		return "recovery sees the fleet and the domain's interfaces"
	case (under(from, "ui") || under(from, "actions") || under(from, "agent") || under(from, "autoscale") || under(from, "diagnosis") || under(from, "incident") || under(from, "recovery") || under(from, "stages")) && source(to) != "" && source(to) != "fleet":
		return "ui, actions, agent, autoscale, diagnosis, incident, recovery and stages see the fleet and the domain's interfaces"
	case under(from, "diagnosis") && from != "diagnosis/record" && under(to, "actions"), under(from, "actions") && under(to, "diagnosis"):
		return "what may be done and why it is broken know nothing of each other"
	case under(from, "sources") && (under(to, "actions") || under(to, "autoscale") || under(to, "capacity") || under(to, "diagnosis") || under(to, "recovery")):
		return "a source knows nothing of what is done with it"
	}
	return ""
}
