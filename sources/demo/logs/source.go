package logs

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"quarterdeck/sources/demo/world"
)

// entry is a line that passed a query.
type entry struct {
	t      int64 // Unix nanoseconds
	line   string
	labels map[string]string // of the stream, with what was parsed; shared between entries
	key    string            // names labels
}

// streamLabels is what Docker's Loki driver and Loki itself put on a container's lines.
func streamLabels(c *world.Container, stderr bool) map[string]string {
	l := map[string]string{
		"swarm_service": c.Service, "host": c.Host, "container_name": c.Name, "source": "stdout",
		"filename": "/var/log/docker/" + c.ID + "/json.log", "service_name": c.Name,
	}
	if c.Stack != "" {
		l["swarm_stack"] = c.Stack
	}
	if stderr {
		l["source"] = "stderr"
	}
	return l
}

// keeper turns matchers into a test on containers; source and level are decided line by line.
func keeper(ms []*labels.Matcher) func(*world.Container) bool {
	return func(c *world.Container) bool {
		if c.Unshipped {
			return false
		}
		for _, m := range ms {
			var v string
			switch m.Name {
			case "swarm_service":
				v = c.Service
			case "swarm_stack":
				v = c.Stack
			case "host":
				v = c.Host
			case "container_name", "service_name":
				v = c.Name
			case "filename":
				v = "/var/log/docker/" + c.ID + "/json.log"
			case "source":
				if !m.Matches("stdout") && !m.Matches("stderr") {
					return false
				}
				continue
			}
			if !m.Matches(v) {
				return false
			}
		}
		return true
	}
}

func matchAll(ms []*labels.Matcher, l map[string]string) bool {
	for _, m := range ms {
		if !m.Matches(l[m.Name]) {
			return false
		}
	}
	return true
}

// streamKey names a stream of the driver with the level that Loki detects.
type streamKey struct {
	box    string
	stderr bool
	level  world.Level
}

// reader runs one query over lines and shares their label sets.
type reader struct {
	q      *Query
	known  map[streamKey]*known
	pushed map[string]*known
	// count only: the text is not needed, so it is not made.
	blind bool
}

type known struct {
	labels map[string]string
	key    string
	ok     bool
}

func newReader(q *Query) *reader {
	return &reader{q: q, known: map[streamKey]*known{}, pushed: map[string]*known{}}
}

func keyOf(l map[string]string) string { return labels.FromMap(l).String() }

func (rd *reader) of(labelsOf map[string]string, l *world.Line) *known {
	if labelsOf != nil {
		key := keyOf(labelsOf) + l.Level.String()
		k := rd.pushed[key]
		if k == nil {
			full := maps.Clone(labelsOf)
			if full["service_name"] == "" {
				full["service_name"] = "unknown_service"
			}
			k = &known{ok: matchAll(rd.q.Matchers, full)}
			full["detected_level"] = l.Level.String()
			k.labels, k.key = full, keyOf(full)
			rd.pushed[key] = k
		}
		return k
	}
	sk := streamKey{l.Box.ID, l.Stderr, l.Level}
	k := rd.known[sk]
	if k == nil {
		full := streamLabels(l.Box, l.Stderr)
		k = &known{ok: matchAll(rd.q.Matchers, full)}
		full["detected_level"] = l.Level.String()
		k.labels, k.key = full, keyOf(full)
		rd.known[sk] = k
	}
	return k
}

// read runs one line through the query.
func (rd *reader) read(pushed map[string]string, l *world.Line) (entry, bool) {
	k := rd.of(pushed, l)
	if !k.ok {
		return entry{}, false
	}
	if rd.blind {
		return entry{t: l.T, labels: k.labels, key: k.key}, true
	}
	r := row{line: l.Text(), stream: k.labels}
	if !rd.q.run(&r) {
		return entry{}, false
	}
	e := entry{t: l.T, line: r.line, labels: r.stream, key: k.key}
	if len(r.extra) > 0 {
		e.labels = maps.Clone(r.stream)
		maps.Copy(e.labels, r.extra)
	}
	if len(r.extra) > 0 || r.cut {
		e.key = keyOf(e.labels)
	}
	return e, true
}

// maxLines bounds the lines that one query looks at.
const maxLines = 20_000_000

// each visits the entries in [from, to), of one stream in rising order of time; of the stored lines, those up to
// batch upTo.
func (s *Server) each(rd *reader, from, to int64, upTo uint64, visit func(*entry) bool) {
	keep := keeper(rd.q.Matchers)
	left := maxLines
	for l := range s.w.Spoken(from, to, keep) {
		if left--; left < 0 {
			return
		}
		if e, ok := rd.read(nil, &l); ok && !visit(&e) {
			return
		}
	}
	for pushed, l := range s.w.Stored(0, upTo, from, to, keep) {
		if left--; left < 0 {
			return
		}
		if e, ok := rd.read(pushed, &l); ok && !visit(&e) {
			return
		}
	}
}

// chunk is how much time is read at once, in nanoseconds, while a limit is not yet reached.
const chunk = 60e9

// page is up to limit entries of [from, to): the oldest forward, else the newest first.
func (s *Server) page(q *Query, from, to int64, upTo uint64, limit int, forward bool) []entry {
	rd := newReader(q)
	now := s.w.Now().UnixNano()
	to = min(to, now+1)
	from = max(from, now-maxAge)
	var out []entry
	for width := int64(chunk); from < to && len(out) < limit; width *= 2 {
		a, b := from, min(from+width, to)
		if !forward {
			a, b = max(to-width, from), to
		}
		var part []entry
		s.each(rd, a, b, upTo, func(e *entry) bool { part = append(part, *e); return true })
		slices.SortStableFunc(part, func(x, y entry) int {
			if forward {
				return cmp.Compare(x.t, y.t)
			}
			return cmp.Compare(y.t, x.t)
		})
		out = append(out, part...)
		if forward {
			from = b
		} else {
			to = a
		}
	}
	return out[:min(len(out), limit)]
}
