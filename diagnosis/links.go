package diagnosis

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// learnLeast is how many error lines must name another service before that is taken for a dependency: one line may quote anything.
const learnLeast = 2

// hostWord is a name, a host with dots, or an address; asHost what stands before a host in the words of programs: a URL, a lookup, a resolver's
// complaint (Go's net package, libpq, Node's dns, Java's UnknownHostException, nginx).
var (
	hostWord = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9_.-]*`)
	asHost   = regexp.MustCompile(`(?i)(?://|@|lookup |host[ =:]"?|host name "|server at "|upstream[ :=]+"?|enotfound |eai_again |unknownhostexception: |connect(?:ing)? to "?)$`)
)

// learnLinks finds the services that a service's error lines name as what they could not reach: by a virtual address of a network that both are
// on, or by the name that such a network resolves. What only shares a network is no dependency.
func learnLinks(s *Scene) []Link {
	if s.Logs == nil || len(s.Logs.Errors)+len(s.Logs.Dead) == 0 {
		return nil
	}
	peers := peersOf(s.Snap, s.Service)
	if len(peers) == 0 {
		return nil
	}
	type found struct{ lines, byAddr int }
	seen := map[string]*found{}
	for _, lines := range [][]sources.Entry{s.Logs.Errors, s.Logs.Dead} {
		for i := range lines {
			if lines[i].Level < sources.LevelError {
				continue
			}
			for name, byAddr := range named(lines[i].Line, peers) {
				f := seen[name]
				if f == nil {
					f = &found{}
					seen[name] = f
				}
				f.lines++
				if byAddr {
					f.byAddr++
				}
			}
		}
	}
	var out []Link
	for name, f := range seen {
		if f.lines < learnLeast {
			continue
		}
		how := fmt.Sprintf("learnt: %d of its error lines name it, and they share a network", f.lines)
		if f.byAddr > 0 {
			how = fmt.Sprintf("learnt: %d of its error lines name it or its address, and they share a network", f.lines)
		}
		out = append(out, Link{Service: name, How: how})
	}
	slices.SortFunc(out, func(a, b Link) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// peersOf maps what a service may call others by to their names: names and virtual addresses of those on one of its networks.
func peersOf(snap *fleet.Snapshot, v *fleet.Service) map[string]string {
	out := map[string]string{}
	for _, o := range snap.Services {
		if o.Name == v.Name || !slices.ContainsFunc(o.Networks, func(n string) bool { return slices.Contains(v.Networks, n) }) {
			continue
		}
		out[o.Name] = o.Name
		if short := strings.TrimPrefix(o.Name, o.Stack+"_"); o.Stack != "" && o.Stack == v.Stack {
			out[short] = o.Name
		}
		for _, a := range o.VIPs {
			out[a] = o.Name
		}
	}
	return out
}

// named are the peers that a line names as a host, and whether by address.
func named(line string, peers map[string]string) map[string]bool {
	var out map[string]bool
	for _, at := range hostWord.FindAllStringIndex(line, -1) {
		word := strings.TrimRight(line[at[0]:at[1]], ".-")
		name, ok := peers[strings.TrimPrefix(word, "tasks.")]
		if !ok {
			continue
		}
		_, err := netip.ParseAddr(word)
		addr := err == nil
		rest := line[at[0]+len(word):]
		if !addr && word != name && !strings.HasPrefix(rest, ":") && !asHost.MatchString(line[max(0, at[0]-32):at[0]]) {
			continue // a word of the language, it may be
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[name] = out[name] || addr
	}
	return out
}

// linksOf are the dependencies of a service that are declared, and those that were learnt. Callers hold mu.
func (x *inquiry) linksOf(service string) []Link {
	out := slices.Clone(x.links[service])
	if s := x.scenes[service]; s != nil {
		for _, l := range s.Learnt {
			if !slices.ContainsFunc(out, func(o Link) bool { return o.Service == l.Service }) {
				out = append(out, l)
			}
		}
	}
	return out
}

// learnt are suspects that the ones looked at so far have turned out to need, and that have not been looked at themselves; their scenes are made.
func (x *inquiry) learnt() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for _, n := range x.subjects {
		for _, l := range x.linksOf(n) {
			if v := x.snap.Service(l.Service); len(x.subjects)+len(out) < maxSubjects && !slices.Contains(x.subjects, l.Service) && !slices.Contains(out, l.Service) && x.suspect(v) {
				out = append(out, l.Service)
			}
		}
	}
	for _, n := range out {
		if x.scenes[n] == nil {
			x.scenes[n] = x.scene(n)
		}
	}
	x.subjects = append(slices.Clone(x.subjects), out...)
	x.left = slices.DeleteFunc(slices.Clone(x.left), func(n string) bool { return slices.Contains(out, n) })
	return out
}
