package diagnosis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

// Bounds of what is read of a service's logs.
const (
	linesRead     = 1000
	errorsRead    = 300 // the newest; where there are more the oldest as well
	oldestRead    = 100
	deadRead      = 100
	deadTasks     = 4
	beforeSpan    = 20 * time.Minute
	yesterdaySpan = 30 * time.Minute
)

// askLogs reads what a service says, its errors from a moment on; told: the swarm's own words name the cause already.
func (x *inquiry) askLogs(ctx context.Context, s *Scene, onset time.Time, told bool) {
	logs, at, name := x.d.Logs, x.q.At, s.Service.Name
	seen := &LogsSeen{Source: logs.Name(), From: onset.Add(-30 * time.Second)}
	warn := []sources.Level{sources.LevelWarn, sources.LevelError, sources.LevelFatal}
	errs := sources.LogQuery{Services: []string{name}, Since: seen.From, Until: at, Limit: errorsRead, Levels: warn}
	before := sources.LogQuery{Services: []string{name}, Since: onset.Add(-beforeSpan), Until: onset.Add(-30 * time.Second), Limit: linesRead, Levels: warn}
	anything := func(q sources.LogQuery) sources.LogQuery {
		q.Levels, q.Limit = nil, 1
		return q
	}
	day := sources.LogQuery{Services: []string{name}, Since: at.Add(-24*time.Hour - yesterdaySpan), Until: at.Add(-24 * time.Hour), Limit: linesRead, Levels: warn}
	seen.ErrorsQuery = x.explain(errs)
	var wg sync.WaitGroup
	var blind atomic.Bool
	read := func(what string, q sources.LogQuery, into *[]sources.Entry) {
		wg.Go(func() {
			page, err := logs.Query(ctx, q)
			*into = page.Entries
			if err != nil {
				x.failed(logs.Name(), what, err)
				if !q.Until.Equal(at) {
					blind.Store(true)
				}
				return
			}
			x.look(logs.Name(), lookedAt, "")
		})
	}
	wg.Go(func() { x.askErrors(ctx, errs, seen) })
	var someBefore, someYesterday []sources.Entry
	if !told { // the swarm's own words need no baseline
		read("whether "+name+" said anything before", anything(before), &someBefore)
		read("whether "+name+" said anything yesterday", anything(day), &someYesterday)
		read("lines of before of "+name, before, &seen.Before)
		read("lines of yesterday of "+name, day, &seen.Yesterday)
		wg.Go(func() {
			var volume []sources.VolumePoint
			seen.Jump, volume = x.errorJump(ctx, name)
			seen.Burst = x.askBurst(ctx, name, volume)
		})
	}
	if q, ok := s.deadQuery(); ok {
		seen.DeadQuery = x.explain(q)
		read("last lines of dead tasks of "+name, q, &seen.Dead)
	}
	wg.Wait()
	seen.Dead = x.d.memory.lastWords(seen.Dead, s.Tasks)
	seen.Blind = blind.Load()
	seen.BeforeSeen, seen.YesterdaySeen = len(someBefore) > 0, len(someYesterday) > 0
	if len(seen.Errors) > 0 && !seen.Headless && !told && !seen.BeforeSeen { // it is young: it has its own beginning to compare with
		first := anything(errs)
		first.Forward = true
		first.Since, first.Until = before.Since, seen.Errors[len(seen.Errors)-1].Time
		var some []sources.Entry
		read("when "+name+" began to speak", first, &some)
		wg.Wait()
		if len(some) > 0 {
			seen.Spoke = some[0].Time
		}
	}
	if ctx.Err() != nil && len(seen.Dead)+len(seen.Errors) == 0 {
		return // it was not looked at
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Logs = seen
	s.Learnt = learnLinks(s)
}

// errorsOf is from when on error lines are read, by the scene's onset. An alert fires late: by the window of its rates and by how long they must last.
// Callers hold mu, or have the scene alone.
func (x *inquiry) errorsOf(s *Scene) time.Time {
	onset := s.Onset
	if strings.HasPrefix(s.OnsetBy, alertSays) {
		onset = onset.Add(-alertLate)
	}
	if onset.IsZero() || onset.Before(x.q.At.Add(-15*time.Minute)) {
		return x.q.At.Add(-5 * time.Minute)
	}
	return onset
}

// alertLate is how long before an alert fires what it tells of may have begun.
const alertLate = 5 * time.Minute

// askSlow reads what a service that others wait for says of its own slow work since they do, the oldest first, and before: where it is read from does not
// move with the moment of asking, so that what it began with is the same each time.
func (x *inquiry) askSlow(ctx context.Context, s *Scene) {
	logs, name := x.d.Logs, s.Service.Name
	x.mu.Lock()
	from := s.Logs.From
	var first time.Time
	for _, q := range x.quotesOf(name) {
		for i := range q.Lines {
			if t := q.Lines[i].Time; has(q.Lines[i].Line, slowWords...) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	x.mu.Unlock()
	if !first.IsZero() {
		from = first.Add(-30 * time.Second)
	}
	slow := sources.LogQuery{Services: []string{name}, Since: from, Until: x.q.At, Limit: slowRead, Regexp: slowLines, Forward: true}
	query := x.explain(slow)
	var now, before []sources.Entry
	var wg sync.WaitGroup
	read := func(what string, q sources.LogQuery, into *[]sources.Entry) {
		wg.Go(func() {
			page, err := logs.Query(ctx, q)
			if err != nil {
				x.failed(logs.Name(), what, err)
			}
			*into = page.Entries
		})
	}
	read("slow work of "+name, slow, &now)
	slow.Since, slow.Until = from.Add(-beforeSpan), from
	read("slow work of "+name+" before", slow, &before)
	wg.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := *s.Logs
	seen.SlowQuery, seen.Slow, seen.SlowBefore = query, now, before
	s.Logs = &seen
}

// askErrors reads the newest error lines, and where there are more the oldest as well: they tell what it began with.
func (x *inquiry) askErrors(ctx context.Context, q sources.LogQuery, seen *LogsSeen) {
	logs, what := x.d.Logs, "errors of "+q.Services[0]
	page, err := logs.Query(ctx, q)
	if err != nil {
		x.failed(logs.Name(), what, err)
		return
	}
	x.look(logs.Name(), lookedAt, "")
	seen.Errors, seen.Cut = page.Entries, page.More && len(page.Entries) > 0
	if !seen.Cut {
		return
	}
	q.Forward, q.Limit, q.Until = true, oldestRead, page.Entries[0].Time
	oldest, err := logs.Query(ctx, q)
	if err != nil || len(oldest.Entries) == 0 {
		seen.Headless = true
		if err != nil {
			x.failed(logs.Name(), "the first "+what, err)
		}
		return
	}
	seen.Cut = oldest.More
	seen.Errors = slices.Concat(oldest.Entries, page.Entries)
}

// number is how many of the lines are meant: where some were left away there are at least as many.
func (l *LogsSeen) number(n int) string {
	if l.Cut {
		return fmt.Sprintf("at least %d", n)
	}
	return fmt.Sprint(n)
}

// deadQuery asks for the last lines of the tasks that came to a bad end last.
func (s *Scene) deadQuery() (sources.LogQuery, bool) {
	dead := s.since(func(t *sources.Task) bool {
		return t.Container != "" && (bad(t) || t.State == sources.TaskComplete && !s.Service.Mode.Job())
	})
	if len(dead) == 0 {
		return sources.LogQuery{}, false
	}
	dead = dead[:min(len(dead), deadTasks)]
	q := sources.LogQuery{Services: []string{s.Service.Name}, Until: s.At, Since: s.At.Add(-Recent), Limit: deadRead}
	for _, t := range dead {
		q.Tasks = append(q.Tasks, t.ID)
		if t.Created.Before(q.Since) {
			q.Since = t.Created
		}
	}
	return q, true
}
