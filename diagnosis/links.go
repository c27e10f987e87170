package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
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
// complaint (Go's net package, libpq, MySQL's client, Node's dns, Java's UnknownHostException, nginx).
var (
	hostWord = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9_.-]*`)
	asHost   = regexp.MustCompile(`(?i)(?://|@|lookup |host[ =:]"?|host name "|server at "|server on '|upstream[ :=]+"?|enotfound |eai_again |unknownhostexception: |connect(?:ing)? to "?)$`)
	// asCaller stands before who asked: the fields of access logs have the caller, and not what is needed.
	asCaller = regexp.MustCompile(`(?i)(?:remote|client|peer|caller|source|src|user|real|forwarded)(?:[_.-]?(?:for|addr|address|ip|host))?["']? ?[:=] ?["'\[]?$`)
)

// Quote is what another service's error lines say of this one.
type Quote struct {
	By string
	// Lines name this service as a host, in rising order of time.
	Lines         []sources.Entry
	Source, Query string
	// Changed: By was itself changed just before it began to say so, and that may be why it does.
	Changed bool
}

// learnLinks finds the services that a service's error lines name as what they could not reach: by a virtual address of a network that both are
// on, or by the name that such a network resolves. What only shares a network is no dependency. It sorts the lines by whom they are about.
func learnLinks(s *Scene) []Link {
	if s.Logs == nil {
		return nil
	}
	s.Logs.names, s.Logs.own = map[string][]sources.Entry{}, []sources.Entry{}
	peers := peersOf(s.Snap, s.Service)
	byAddr := map[string]bool{}
	for _, lines := range [][]sources.Entry{s.Logs.Errors, s.Logs.Dead} {
		for i := range lines {
			e := &lines[i]
			about := named(e.Line, peers)
			if len(about) == 0 {
				s.Logs.own = append(s.Logs.own, *e)
				continue
			}
			if e.Level < sources.LevelError {
				continue
			}
			for name, addr := range about {
				s.Logs.names[name] = append(s.Logs.names[name], *e)
				byAddr[name] = byAddr[name] || addr
			}
		}
	}
	var out []Link
	for name, lines := range s.Logs.names {
		if len(lines) < learnLeast {
			continue
		}
		how := fmt.Sprintf("learnt: %d of its error lines name it, and they share a network", len(lines))
		if byAddr[name] {
			how = fmt.Sprintf("learnt: %d of its error lines name it or its address, and they share a network", len(lines))
		}
		out = append(out, Link{Service: name, How: how, Learnt: true})
	}
	slices.SortFunc(out, func(a, b Link) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// own are the lines of warnings and errors, and the last ones of dead tasks, that speak of no other service: what they say, the service says of
// itself.
func (l *LogsSeen) ownLines() []sources.Entry {
	if l == nil {
		return nil
	}
	if l.own == nil {
		return slices.Concat(l.Errors, l.Dead)
	}
	return l.own
}

// quotesOf are what the services looked at so far say of one: what those that run have stopped to say is over. Callers hold mu.
func (x *inquiry) quotesOf(service string) []Quote {
	var out []Quote
	said := make(map[string]*Scene, len(x.heard)+len(x.scenes))
	maps.Copy(said, x.heard)
	for by, s := range x.scenes {
		if s.Logs != nil {
			said[by] = s
		}
	}
	for by, s := range said {
		if by == service || s.Logs == nil || len(s.Logs.names[service]) < learnLeast || s.well() && !goesOn(s.Logs.names[service], s.At) {
			continue
		}
		q := Quote{By: by, Lines: s.Logs.names[service], Source: s.Logs.Source, Query: s.Logs.ErrorsQuery}
		if d := s.changeBefore(q.Lines[0].Time); d != nil && !scaledOnly(d) {
			q.Changed = true
		}
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b Quote) int { return cmp.Or(len(b.Lines)-len(a.Lines), strings.Compare(a.By, b.By)) })
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
		if before := line[max(0, at[0]-32):at[0]]; (addr || word != name) && !strings.HasPrefix(rest, ":") && !asHost.MatchString(before) || asCaller.MatchString(before) {
			continue // a word of the language it may be, or who asked
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
			if i := slices.IndexFunc(out, func(o Link) bool { return o.Service == l.Service }); i >= 0 {
				out[i].Learnt = true
				continue
			}
			out = append(out, l)
		}
	}
	return out
}

// learnt are services that the ones looked at so far have turned out to need, and that have not been looked at themselves; their scenes are made.
// What error lines name is looked at though it seems well: a service that is slow, or that refuses, often does.
func (x *inquiry) learnt() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for _, n := range x.subjects {
		for _, l := range x.linksOf(n) {
			v := x.snap.Service(l.Service)
			if v == nil || slices.Contains(x.subjects, v.Name) || slices.Contains(out, v.Name) {
				continue
			}
			room := maxSubjects
			if l.Learnt {
				room += maxNamed
			}
			if len(x.subjects)+len(out) < room && (l.Learnt || x.suspect(v)) {
				out = append(out, v.Name)
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
