package swarm

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/patterns"
)

// target is one log stream to read: a service's, or one task's.
type target struct {
	id, service, stack string
	isTask             bool
}

// targets are what a question is about, with the names for what the lines carry ids of.
type targets struct {
	list  []target
	gaps  []sources.Gap
	nodes map[string]string // id -> name

	mu      sync.Mutex
	streams map[string]*sources.Stream
}

// targets finds what q asks for. A name that no service has is NotFound, if it is all that was asked for.
func (l *Logs) targets(ctx context.Context, q sources.LogQuery) (*targets, error) {
	services, err := l.c.services(ctx, nil, nil)
	if err != nil {
		return nil, logError(err)
	}
	t := &targets{nodes: map[string]string{}, streams: map[string]*sources.Stream{}}
	if nodes, err := l.c.nodes(ctx, nil); err == nil { // names only: ids will do
		for i := range nodes {
			t.nodes[nodes[i].ID] = nodes[i].Name
		}
	}
	if len(q.Tasks) > 0 {
		if err := l.taskTargets(ctx, q.Tasks, services, t); err != nil {
			return nil, err
		}
		return t, nil
	}
	found := map[string]bool{}
	for i := range services {
		s := &services[i]
		named := slices.Contains(q.Services, s.Name) || slices.Contains(q.Services, s.ID)
		if len(q.Services) > 0 && !named || q.Stack != "" && q.Stack != s.Stack {
			continue
		}
		found[s.Name], found[s.ID] = true, true
		t.list = append(t.list, target{id: s.ID, service: s.Name, stack: s.Stack})
	}
	if len(t.list) == 0 && (len(q.Services) > 0 || q.Stack != "") {
		what := strings.Join(q.Services, ", ")
		if q.Stack != "" {
			what = strings.TrimPrefix(what+" of stack "+q.Stack, " of ")
		}
		return nil, &sources.Error{Source: logsName, Kind: sources.NotFound, Op: "find " + what, Err: fmt.Errorf("no such service"), Next: "see `docker service ls` for the names there are"}
	}
	for _, name := range q.Services {
		if !found[name] {
			t.gaps = append(t.gaps, sources.Gap{From: q.Since, To: q.Until, Service: name, Reason: "there is no such service (any more)"})
		}
	}
	sort.Slice(t.list, func(i, j int) bool { return t.list[i].service < t.list[j].service })
	t.bound(q)
	return t, nil
}

// bound keeps docker from being asked for everything at once, and says so.
func (t *targets) bound(q sources.LogQuery) {
	if len(t.list) > maxTargets {
		t.gaps = append(t.gaps, sources.Gap{From: q.Since, To: q.Until, Reason: fmt.Sprintf("docker's own logs are read for %d of these %d services: choose fewer, or connect Loki", maxTargets, len(t.list))})
		t.list = t.list[:maxTargets]
	}
}

func (l *Logs) taskTargets(ctx context.Context, ids []string, services []sources.Service, t *targets) error {
	tasks, _, err := l.c.tasks(ctx, nil, nil)
	if err != nil {
		return logError(err)
	}
	by := map[string]*sources.Service{}
	for i := range services {
		by[services[i].ID] = &services[i]
	}
	for i := range tasks {
		if !slices.Contains(ids, tasks[i].ID) {
			continue
		}
		target := target{id: tasks[i].ID, isTask: true}
		if s := by[tasks[i].ServiceID]; s != nil {
			target.service, target.stack = s.Name, s.Stack
		}
		t.list = append(t.list, target)
	}
	if len(t.list) == 0 {
		return &sources.Error{Source: logsName, Kind: sources.NotFound, Op: "find the tasks", Err: fmt.Errorf("no such task (any more)"), Next: "the orchestrator keeps five ended tasks a slot; read the service's logs instead"}
	}
	t.bound(sources.LogQuery{})
	return nil
}

// entry makes an entry of a raw line, with one shared stream a task and stdout or stderr.
func (t *targets) entry(from target, r rawLine) sources.Entry {
	task := r.task
	if task == "" && from.isTask {
		task = from.id
	}
	key := from.id + "/" + task + "/" + string(r.stream)
	t.mu.Lock()
	s := t.streams[key]
	if s == nil {
		s = &sources.Stream{Service: from.service, Stack: from.stack, Task: task, Node: orElse(t.nodes[r.node], r.node), Source: "docker",
			Labels: map[string]string{"service": from.service, "stream": streamName(r.stream)}}
		t.streams[key] = s
	}
	t.mu.Unlock()
	return sources.Entry{Time: r.time, Line: r.text, Stream: s}
}

func streamName(b byte) string {
	if b == streamStderr {
		return "stderr"
	}
	return "stdout"
}

// filter is the part of a question that docker cannot answer itself.
type filter struct {
	contains        string
	pattern         string
	regexp, exclude *regexp.Regexp
	levels          []sources.Level
}

func newFilter(q sources.LogQuery) (*filter, error) {
	bad := func(op string, err error, next string) error {
		return &sources.Error{Source: logsName, Kind: sources.BadQuestion, Op: op, Err: err, Next: next}
	}
	if q.Expr != "" {
		return nil, bad("query logs", fmt.Errorf("docker's own logs know no LogQL"), "filter by service, text, regular expression and level, or connect Loki")
	}
	f := &filter{contains: q.Contains, pattern: q.Pattern, levels: q.Levels}
	var err error
	if q.Regexp != "" {
		if f.regexp, err = regexp.Compile(q.Regexp); err != nil {
			return nil, bad("filter lines", err, "correct the regular expression (RE2)")
		}
	}
	if q.Exclude != "" {
		if f.exclude, err = regexp.Compile(q.Exclude); err != nil {
			return nil, bad("exclude lines", err, "correct the regular expression (RE2)")
		}
	}
	return f, nil
}

// all tells whether the filter keeps everything.
func (f *filter) all() bool {
	return f.contains == "" && f.pattern == "" && f.regexp == nil && f.exclude == nil && len(f.levels) == 0
}

// entry gives the entry with its level, or nil where the filter drops it.
func (f *filter) entry(e sources.Entry) *sources.Entry {
	if f.contains != "" && !strings.Contains(e.Line, f.contains) || f.pattern != "" && !patterns.Match(f.pattern, e.Line) ||
		f.regexp != nil && !f.regexp.MatchString(e.Line) || f.exclude != nil && f.exclude.MatchString(e.Line) {
		return nil
	}
	e.Level = sources.LevelOf(e.Line)
	if len(f.levels) > 0 && !slices.Contains(f.levels, e.Level) {
		return nil
	}
	return &e
}

// overlap remembers what was handed over lately, so that a reconnect can ask for more than it lost: lines are told apart by
// task, time, text and how often they came.
type overlap struct {
	prev, cur generationOfLines
	replay    map[uint64]int // of this connection, until it has passed what is remembered
	newest    time.Time
	mark      time.Time // newest at the reconnect
}

// generationOfLines is what came in one stretch of time.
type generationOfLines struct {
	counts map[uint64]int
	oldest time.Time
	start  time.Time
}

// Bounds of an overlap: so long, or so many lines, twice.
const (
	overlapSpan  = 10 * time.Second
	overlapLines = 50_000
)

// reconnect begins a new connection, and gives the moment from which to ask; zero: nothing came yet.
func (o *overlap) reconnect() time.Time {
	o.replay, o.mark = map[uint64]int{}, o.newest
	if !o.prev.oldest.IsZero() {
		return o.prev.oldest
	}
	return o.cur.oldest
}

// fresh tells whether a line was not handed over before.
func (o *overlap) fresh(key uint64, t time.Time) bool {
	if o.replay != nil {
		if t.After(o.mark.Add(overlapSpan)) {
			o.replay = nil // far past what is remembered
		} else {
			o.replay[key]++
			if o.replay[key] <= o.prev.counts[key]+o.cur.counts[key] {
				return false
			}
		}
	}
	// While a replay runs, what it is held against stays, unless it grows too large.
	if o.cur.counts == nil || o.replay == nil && t.Sub(o.cur.start) > overlapSpan || len(o.cur.counts) >= overlapLines {
		if o.cur.counts != nil {
			o.prev = o.cur
		}
		o.cur = generationOfLines{counts: map[uint64]int{}, start: t, oldest: t}
	}
	o.cur.counts[key]++
	if t.Before(o.cur.oldest) {
		o.cur.oldest = t
	}
	if t.After(o.newest) {
		o.newest = t
	}
	return true
}
