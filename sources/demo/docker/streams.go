package docker

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"

	"quarterdeck/sources/demo/world"
)

// parseTime reads what since and until may be: Unix seconds with a fraction, or RFC 3339.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, problem{http.StatusBadRequest, "invalid value for timestamp: " + s}
	}
	nano := int64(0)
	if fraction != "" {
		if nano, err = strconv.ParseInt((fraction + "000000000")[:9], 10, 64); err != nil {
			return time.Time{}, problem{http.StatusBadRequest, "invalid value for timestamp: " + s}
		}
	}
	return time.Unix(sec, nano), nil
}

// cutOff breaks a stream's connection off, unless its client has gone already. A return would end the chunked body
// properly, which tells the client that the stream is complete; the panic is net/http's documented way to abort an
// answer, and it works on every version of HTTP, which taking the connection over does not.
func cutOff(r *http.Request) {
	if r.Context().Err() == nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) events(rw http.ResponseWriter, r *http.Request) error {
	if s.forbid.Load() {
		return problem{http.StatusForbidden, "Forbidden"}
	}
	q := r.URL.Query()
	f, err := parseFilters(q, "type", "event", "scope", "service", "node", "network", "secret", "config", "container", "image", "label", "daemon", "volume", "plugin")
	if err != nil {
		return err
	}
	since, err := parseTime(q.Get("since"))
	if err != nil {
		return err
	}
	until, err := parseTime(q.Get("until"))
	if err != nil {
		return err
	}
	ctx, closed := s.open(r)
	defer closed()
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(rw)
	_ = flush.Flush()
	var end <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(max(until.Sub(s.w.Now()), 0))
		defer timer.Stop()
		end = timer.C
	}
	seq := uint64(0)
	if since.IsZero() {
		seq = s.w.EventSeq()
	}
	enc := json.NewEncoder(rw)
	for {
		news, next, more := s.w.Events(seq)
		seq = next
		for i := range news {
			m := &news[i]
			if !since.IsZero() && m.TimeNano < since.UnixNano() || !until.IsZero() && m.TimeNano > until.UnixNano() || !f.event(m) || s.foreign(m) {
				continue
			}
			if err := enc.Encode(m); err != nil {
				return nil //nolint:nilerr // the client has gone
			}
		}
		if flush.Flush() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			cutOff(r)
			return nil
		case <-end:
			return nil
		case <-more:
		}
	}
}

// foreign tells whether a message is of another engine's container.
func (s *Server) foreign(m *events.Message) bool {
	return m.Scope == "local" && m.Actor.Attributes["com.docker.swarm.node.id"] != s.w.Manager(s.self).ID
}

// event tells whether a message passes, as daemon/events/filter.go.
func (f filters) event(m *events.Message) bool {
	action, _, _ := strings.Cut(string(m.Action), ":")
	if !f.is("type", string(m.Type)) || !f.is("event", action, string(m.Action)) || !f.is("scope", m.Scope) || !f.labels("label", m.Actor.Attributes) {
		return false
	}
	for _, kind := range []string{"service", "node", "network", "secret", "config", "container"} {
		if _, asked := f[kind]; !asked {
			continue
		}
		names := []string{m.Actor.Attributes["com.docker.swarm."+kind+".id"], m.Actor.Attributes["com.docker.swarm."+kind+".name"]} // a task's container
		if string(m.Type) == kind {
			names = []string{m.Actor.ID, m.Actor.Attributes["name"]}
		}
		if !f.starts(kind, names...) {
			return false
		}
	}
	return true
}

// logQuery is what a client asks of a log.
type logQuery struct {
	stdout, stderr, follow, timestamps, details bool
	since, until                                int64 // Unix nanoseconds
	tail                                        int   // -1: all
}

func parseLogs(q url.Values) (logQuery, error) {
	on := func(k string) bool {
		v := strings.ToLower(strings.TrimSpace(q.Get(k)))
		return v != "" && v != "0" && v != "no" && v != "false" && v != "none"
	}
	l := logQuery{stdout: on("stdout"), stderr: on("stderr"), follow: on("follow"), timestamps: on("timestamps"), details: on("details"), tail: -1}
	if !l.stdout && !l.stderr {
		return l, problem{http.StatusInternalServerError, "Bad parameters: you must choose at least one stream"}
	}
	if t := q.Get("tail"); t != "" && t != "all" {
		if n, err := strconv.Atoi(t); err == nil && n >= 0 {
			l.tail = n
		}
	}
	since, err := parseTime(q.Get("since"))
	if err != nil {
		return l, err
	}
	if !since.IsZero() {
		l.since = since.UnixNano()
	}
	until, err := parseTime(q.Get("until"))
	if err != nil {
		return l, err
	}
	l.until = math.MaxInt64
	if !until.IsZero() && until.Unix() != 0 {
		l.until = until.UnixNano()
	}
	return l, nil
}

func (s *Server) serviceLogs(rw http.ResponseWriter, r *http.Request) error {
	svc, err := s.w.Service(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.logs(rw, r, func(c *world.Container) bool { return c.ServiceID == svc.ID })
}

func (s *Server) taskLogs(rw http.ResponseWriter, r *http.Request) error {
	t, err := s.findTask(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.logs(rw, r, func(c *world.Container) bool { return c.TaskID == t.ID })
}

// keptLogs is how far back an engine's own log files reach here; tail=N looks back no further.
const keptLogs = 6 * time.Hour

// logs writes the lines of the containers that still have a task, as the engine's log broker gathers them.
func (s *Server) logs(rw http.ResponseWriter, r *http.Request, keep func(*world.Container) bool) error {
	q, err := parseLogs(r.URL.Query())
	if err != nil {
		return err
	}
	tasks := map[string]bool{}
	alive := func(c *world.Container) bool { return keep(c) && (tasks[c.TaskID] || q.follow) }
	for _, t := range s.w.Tasks() {
		tasks[t.ID] = true
	}
	ctx, closed := s.open(r)
	defer closed()
	rw.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
	rw.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(rw)
	out := bufio.NewWriterSize(rw, 32<<10)
	seq, heard := s.w.Appended()
	now := s.w.Now().UnixNano()
	from := max(q.since, now-keptLogs.Nanoseconds())
	for _, l := range lastOf(s.w, from, min(q.until, now), seq, q, alive) {
		if writeLine(out, &l, q) != nil {
			return nil
		}
	}
	if out.Flush() != nil || flush.Flush() != nil || !q.follow {
		return nil
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for now < q.until {
		select {
		case <-ctx.Done():
			cutOff(r)
			return nil
		case <-heard:
		case <-tick.C:
		}
		last := now
		now = s.w.Now().UnixNano()
		var lines []world.Line
		for l := range s.w.Spoken(last, min(now, q.until), alive) {
			lines = append(lines, l)
		}
		old := seq
		seq, heard = s.w.Appended()
		for labels, l := range s.w.Stored(old, seq, q.since, q.until, alive) {
			if labels == nil {
				lines = append(lines, l)
			}
		}
		slices.SortStableFunc(lines, func(a, b world.Line) int { return int(min(max(a.T-b.T, -1), 1)) })
		for i := range lines {
			if q.wants(&lines[i]) && writeLine(out, &lines[i], q) != nil {
				return nil
			}
		}
		if out.Flush() != nil || len(lines) > 0 && flush.Flush() != nil {
			return nil
		}
	}
	return nil
}

func (q logQuery) wants(l *world.Line) bool { return l.Stderr && q.stderr || !l.Stderr && q.stdout }

// lastOf is the lines of a window, of each container the last q.tail: that is what each engine applies it to.
func lastOf(w *world.World, from, to int64, upTo uint64, q logQuery, keep func(*world.Container) bool) []world.Line {
	lines := slices.DeleteFunc(w.Lines(from, to, upTo, keep), func(l world.Line) bool { return !q.wants(&l) })
	if q.tail < 0 {
		return lines
	}
	seen := map[string]int{}
	kept := make([]world.Line, 0, q.tail)
	for _, l := range slices.Backward(lines) {
		if seen[l.Box.ID] < q.tail {
			seen[l.Box.ID]++
			kept = append(kept, l)
		}
	}
	slices.Reverse(kept)
	return kept
}

// writeLine writes one frame: stream, three zero bytes, length, then [timestamp ][details ]line.
func writeLine(out *bufio.Writer, l *world.Line, q logQuery) error {
	var head string
	if q.timestamps {
		head = time.Unix(0, l.T).UTC().Format("2006-01-02T15:04:05.000000000Z") + " "
	}
	if q.details {
		c := l.Box
		head += "com.docker.swarm.node.id=" + c.NodeID + ",com.docker.swarm.service.id=" + c.ServiceID + ",com.docker.swarm.task.id=" + c.TaskID + " "
	}
	text := l.Text()
	var frame [8]byte
	frame[0] = 1
	if l.Stderr {
		frame[0] = 2
	}
	n := len(head) + len(text) + 1
	if n > math.MaxUint32 {
		return errors.New("line too long")
	}
	binary.BigEndian.PutUint32(frame[4:], uint32(n)) //nolint:gosec // checked above
	_, _ = out.Write(frame[:])
	_, _ = out.WriteString(head)
	_, _ = out.WriteString(text)
	return out.WriteByte('\n')
}
