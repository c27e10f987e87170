package actions

import (
	"context"
	"regexp"
	"sort"
	"strings"

	"quarterdeck/sources"
)

// A stack's services depend on each other, but a service's spec has no field that says so. What is known: the label qd.depends-on (names,
// comma separated), and the names of other services of the stack in the environment and the arguments, as in DB_HOST=db or
// postgres://db:5432.

// dependsLabel names a service's dependencies, by their names in the stack or in full.
const dependsLabel = "qd.depends-on"

// groupsOf gives each service its place in the order: 0 depends on nothing here. Circles are cut at the name that comes first.
func groupsOf(states []sources.ServiceState) map[string]int {
	short := shortNames(states)
	needs := map[string][]string{}
	for i := range states {
		needs[states[i].Name] = dependencies(&states[i], short)
	}
	return depths(needs)
}

// depths are the places of services in the order of what they need.
func depths(needs map[string][]string) map[string]int {
	depth := map[string]int{}
	var visit func(name string, way map[string]bool) int
	visit = func(name string, way map[string]bool) int {
		if d, ok := depth[name]; ok {
			return d
		}
		way[name] = true
		d := 0
		for _, n := range needs[name] {
			if !way[n] {
				d = max(d, visit(n, way)+1)
			}
		}
		delete(way, name)
		depth[name] = d
		return d
	}
	all := make([]string, 0, len(needs))
	for n := range needs {
		all = append(all, n)
	}
	sort.Strings(all)
	for _, n := range all {
		visit(n, map[string]bool{})
	}
	return depth
}

// shortNames maps a name in the stack, and in full, to the name in full.
func shortNames(states []sources.ServiceState) map[string]string {
	short := map[string]string{}
	for i := range states {
		s := &states[i]
		short[s.Name] = s.Name
		if s.Stack != "" {
			short[strings.TrimPrefix(s.Name, s.Stack+"_")] = s.Name
		}
	}
	return short
}

// Dependency is a service that another one needs, and how that is known.
type Dependency struct{ Service, How string }

// Dependencies are, by service, those that it needs: as the label qd.depends-on says or, where there is none, as environment and arguments name
// them, of the same stack first.
func (d *Deck) Dependencies(ctx context.Context) (map[string][]Dependency, error) {
	states, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	return needsOf(states), nil
}

func needsOf(states []sources.ServiceState) map[string][]Dependency {
	stacks := map[string][]sources.ServiceState{}
	for i := range states {
		stacks[states[i].Stack] = append(stacks[states[i].Stack], states[i])
	}
	out := map[string][]Dependency{}
	for _, list := range stacks {
		short := shortNames(states)
		for k, full := range shortNames(list) { // the same short name may be in several stacks
			short[k] = full
		}
		for i := range list {
			s := &list[i]
			how := "its environment or arguments name it"
			if _, labelled := s.Labels[dependsLabel]; labelled {
				how = "label " + dependsLabel
			}
			for _, n := range dependencies(s, short) {
				out[s.Name] = append(out[s.Name], Dependency{n, how})
			}
		}
	}
	return out
}

func dependencies(s *sources.ServiceState, short map[string]string) []string {
	found := map[string]bool{}
	take := func(word string) {
		if full := short[word]; full != "" && full != s.Name {
			found[full] = true
		}
	}
	if label, ok := s.Labels[dependsLabel]; ok {
		for _, n := range strings.Split(label, ",") {
			take(strings.TrimSpace(n))
		}
	} else {
		for _, text := range s.Spec.Texts() {
			for _, word := range nameWord.FindAllString(text, -1) {
				take(word)
				if host, _, dotted := strings.Cut(word, "."); dotted {
					take(host)
				}
			}
		}
	}
	out := make([]string, 0, len(found))
	for n := range found {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// nameWord is a word that may be a service's name, or a host's.
var nameWord = regexp.MustCompile(`[A-Za-z0-9_.-]+`)
