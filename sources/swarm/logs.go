package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// logsName is the source's short name in states and errors.
const logsName = "docker-logs"

// Bounds of what is read through docker. It has no index: each question reads every line since its start, on every node.
const (
	logTimeout   = 20 * time.Second // of one Query as a whole
	maxTargets   = 64               // services, or tasks, read at once by one question
	readers      = 4                // of them at the same time
	maxLogBytes  = 64 << 20         // kept of one question's lines
	volumeLines  = 20_000           // counted by Volume
	defaultLimit = 1000
)

// Logs are docker's own service logs, read through the manager. Safe for concurrent use.
type Logs struct{ c *Client }

var _ sources.Logs = (*Logs)(nil)

// NewLogs reads logs through the client's endpoint. Closing stays with the client.
func NewLogs(c *Client) *Logs { return &Logs{c: c} }

// Name is "docker".
func (l *Logs) Name() string { return "docker" }

// Query reads lines once. Docker filters by time only, so the rest is done here.
func (l *Logs) Query(ctx context.Context, q sources.LogQuery) (sources.LogPage, error) {
	f, err := newFilter(q)
	if err != nil {
		return sources.LogPage{}, err
	}
	q = withDefaults(q, time.Now())
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	t, err := l.targets(ctx, q)
	if err != nil {
		return sources.LogPage{}, err
	}
	k := &keeper{limit: q.Limit, forward: q.Forward}
	page := sources.LogPage{Gaps: t.gaps}
	var mu sync.Mutex
	var failed []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for _, target := range t.list {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			gaps, err := l.readOnce(ctx, target, q, f, t, k)
			mu.Lock()
			defer mu.Unlock()
			page.Gaps = append(page.Gaps, gaps...)
			if err != nil {
				failed = append(failed, err)
				page.Gaps = append(page.Gaps, sources.Gap{From: q.Since, To: q.Until, Service: target.service, Reason: reasonOf(err)})
			}
		})
	}
	wg.Wait()
	page.Entries, page.More = k.page()
	return page, errors.Join(failed...)
}

func withDefaults(q sources.LogQuery, now time.Time) sources.LogQuery {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	end := q.Until
	if end.IsZero() {
		end = now
	}
	if q.Since.IsZero() {
		q.Since = end.Add(-time.Hour)
	}
	return q
}

// readOnce reads one target's lines into k.
func (l *Logs) readOnce(ctx context.Context, target target, q sources.LogQuery, f *filter, t *targets, k *keeper) ([]sources.Gap, error) {
	o := logOptions{since: stamp(q.Since)}
	if !q.Forward && q.Until.IsZero() && f.all() {
		o.tail = strconv.Itoa(q.Limit + 1) // a task; one more tells whether there are more
	}
	var gaps []sources.Gap
	err := l.read(ctx, target, o, func(r rawLine) error {
		if r.time.Before(q.Since) || (!q.Until.IsZero() && !r.time.Before(q.Until)) || len(q.Tasks) > 0 && !slices.Contains(q.Tasks, orElse(r.task, target.id)) {
			return nil
		}
		if e := f.entry(t.entry(target, r)); e != nil {
			k.add(*e)
		}
		return nil
	}, func(message string) {
		gaps = append(gaps, sources.Gap{From: q.Since, To: q.Until, Service: target.service, Reason: plainReason(message)})
	})
	return gaps, err
}

// logOptions are the engine's parameters.
type logOptions struct {
	since, tail string
	follow      bool
	opened      func() // called when the engine has begun to answer
}

// read reads one target's stream to its end. Its error is a *sources.Error, or ctx's.
func (l *Logs) read(ctx context.Context, target target, o logOptions, sink func(rawLine) error, system func(string)) error {
	op := "read the logs of " + orElse(target.service, target.id)
	var body client.ServiceLogsResult
	stream, err := l.c.open(ctx, op, func(ctx context.Context, api *client.Client) (err error) {
		if target.isTask {
			body, err = api.TaskLogs(ctx, target.id, client.TaskLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Details: true, Since: o.since, Tail: o.tail, Follow: o.follow})
		} else {
			body, err = api.ServiceLogs(ctx, target.id, client.ServiceLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Details: true, Since: o.since, Tail: o.tail, Follow: o.follow})
		}
		return err
	})
	if err != nil {
		return logError(err)
	}
	defer stream.end()
	defer body.Close()
	if o.opened != nil {
		o.opened()
	}
	err = readLog(body, sink, system)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return logError(stream.from.failure(op, stream.why(err)))
}

// logError puts the source's name on an error of the shared client.
func logError(err error) error {
	var e *sources.Error
	if errors.As(err, &e) {
		c := *e
		c.Source = logsName
		return &c
	}
	return err
}

// plainReason says in a few words what the engine's own message on a log stream means.
func plainReason(message string) string {
	switch {
	case strings.Contains(message, "does not support reading"):
		return "the service's log driver keeps nothing that docker could read back"
	case strings.Contains(message, "is not available"):
		return "a node of the service is not available: " + tail(message)
	}
	return tail(message)
}

func reasonOf(err error) string {
	var e *sources.Error
	if errors.As(err, &e) && e.Err != nil {
		return plainReason(e.Err.Error())
	}
	return plainReason(err.Error())
}

// tail is the end of the engine's long-winded messages, where the reason is.
func tail(message string) string {
	if _, reasons, ok := strings.Cut(message, "for the following reasons: "); ok {
		message = reasons
	}
	return message[:min(len(message), 300)]
}

// keeper keeps the newest or the oldest lines up to a limit. Safe for concurrent use.
type keeper struct {
	mu      sync.Mutex
	limit   int
	forward bool
	entries []sources.Entry
	bytes   int
	more    bool
}

func (k *keeper) add(e sources.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries = append(k.entries, e)
	k.bytes += len(e.Line)
	if len(k.entries) >= 2*k.limit+1024 || k.bytes > maxLogBytes {
		k.cut()
	}
}

// cut sorts, and drops what is past the limits.
func (k *keeper) cut() {
	sort.SliceStable(k.entries, func(i, j int) bool { return k.entries[i].Time.Before(k.entries[j].Time) })
	keep := min(k.limit, len(k.entries))
	for k.bytes = k.size(keep); k.bytes > maxLogBytes && keep > 1; k.bytes = k.size(keep) {
		keep /= 2
	}
	if keep == len(k.entries) {
		return
	}
	k.more = true
	k.entries = slices.Clone(k.part(keep))
}

func (k *keeper) part(keep int) []sources.Entry {
	if k.forward {
		return k.entries[:keep]
	}
	return k.entries[len(k.entries)-keep:]
}

func (k *keeper) size(keep int) (n int) {
	for _, e := range k.part(keep) {
		n += len(e.Line)
	}
	return n
}

func (k *keeper) page() ([]sources.Entry, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut()
	return k.entries, k.more
}

// Labels are few: docker knows where a line comes from, nothing of what is in it.
func (l *Logs) Labels(ctx context.Context, label string, _, _ time.Time) ([]string, error) {
	if label == "" {
		return []string{"node", "service", "stack", "stream", "task"}, nil
	}
	if label == "stream" {
		return []string{"stderr", "stdout"}, nil
	}
	set := map[string]bool{}
	var err error
	switch label {
	case "service", "stack":
		var services []sources.Service
		services, err = l.c.services(ctx, nil, nil)
		for i := range services {
			set[map[string]string{"service": services[i].Name, "stack": services[i].Stack}[label]] = true
		}
	case "node":
		var nodes []sources.Node
		nodes, err = l.c.nodes(ctx, nil)
		for i := range nodes {
			set[nodes[i].Name] = true
		}
	case "task":
		var tasks []sources.Task
		tasks, _, err = l.c.tasks(ctx, nil, nil)
		for i := range tasks {
			set[tasks[i].ID] = true
		}
	}
	if err != nil {
		return nil, logError(err)
	}
	delete(set, "")
	out := make([]string, 0, len(set))
	for v := range set {
		out = append(out, v)
	}
	slices.Sort(out)
	return out, nil
}

// Volume counts the lines themselves, where they are few enough; else it is NotFound: docker keeps no counts.
func (l *Logs) Volume(ctx context.Context, q sources.LogQuery, step time.Duration) ([]sources.VolumePoint, error) {
	const op = "count log lines"
	if step <= 0 {
		return nil, &sources.Error{Source: logsName, Kind: sources.BadQuestion, Op: op, Next: "give a step above 0"}
	}
	if len(q.Services) == 0 && q.Stack == "" && len(q.Tasks) == 0 {
		return nil, notCounted(op, "docker has no index, and counting means reading every line of every service", "choose a service, or connect Loki")
	}
	now := time.Now()
	q = withDefaults(q, now)
	q.Limit, q.Forward = volumeLines, true
	page, err := l.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	if page.More {
		return nil, notCounted(op, fmt.Sprintf("more than %d lines would have to be read", volumeLines), "choose a shorter time, or connect Loki")
	}
	until := q.Until
	if until.IsZero() {
		until = now
	}
	var out []sources.VolumePoint
	for t := q.Since; t.Before(until) && len(out) < 10_000; t = t.Add(step) {
		out = append(out, sources.VolumePoint{Time: t, Counts: map[sources.Level]float64{}})
	}
	for i := range page.Entries {
		if n := int(page.Entries[i].Time.Sub(q.Since) / step); n < len(out) {
			out[n].Counts[page.Entries[i].Level]++
		}
	}
	return out, nil
}

// Rates would mean reading all lines of all services every few seconds: NotFound, always.
func (l *Logs) Rates(context.Context, time.Time, time.Duration) (map[string]float64, error) {
	return nil, notCounted("count errors by service", "docker has no index, and counting means reading every line of every service", "connect Loki for error rates")
}

// LineRates would mean the same: NotFound, always.
func (l *Logs) LineRates(context.Context, time.Time, time.Duration) (map[string]float64, error) {
	return nil, notCounted("count lines by service", "docker has no index, and counting means reading every line of every service", "connect Loki for lines a second")
}

func notCounted(op, why, next string) error {
	return &sources.Error{Source: logsName, Kind: sources.NotFound, Op: op, Err: errors.New(why), Next: next}
}

// Probe asks for no line at all of one service.
func (l *Logs) Probe(ctx context.Context) sources.Probe {
	start := time.Now()
	p := sources.Probe{Name: logsName, Address: l.c.Address(), State: sources.Live}
	services, err := l.c.services(ctx, nil, nil)
	if err == nil && len(services) > 0 {
		p.Allows = append(p.Allows, "services")
		limited, cancel := context.WithTimeout(ctx, l.c.timeout)
		defer cancel()
		s := services[0]
		err = l.read(limited, target{id: s.ID, service: s.Name}, logOptions{tail: "0"}, func(rawLine) error { return nil }, func(string) {})
		if err == nil {
			p.Allows = append(p.Allows, "logs")
		} else {
			p.Missing = append(p.Missing, "logs")
		}
	}
	if err != nil {
		p.State, p.Fix = sources.StateOf(err), sources.NextOf(err)
	}
	p.Took = time.Since(start)
	return p
}
