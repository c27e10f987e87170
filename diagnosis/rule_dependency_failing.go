package diagnosis

import (
	"fmt"
	"regexp"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// fullWords are what servers say when they take nobody more: PostgreSQL, MySQL, Redis, nginx, PHP-FPM, the kernel, and what is common.
var fullWords = []string{"too many clients", "too many connections", "remaining connection slots", "max number of clients reached", "connection limit exceeded", "connection limit reached",
	"worker_connections are not enough", "server reached pm.max_children", "server reached max_children", "too many open files", "no more connections allowed", "out of connections",
	"oom command not allowed", "queue is full", "server is overloaded"}

// slowWords are what callers say when they have waited too long.
var slowWords = []string{"deadline exceeded", "timeout", "timed out", "time-out", "pool exhausted", "too slow", "etimedout", "no connection within", "canceling statement"}

// awayWords are what callers say when they do not reach it, or it breaks off.
var awayWords = []string{"no such host", "connection refused", "no route to host", "connection reset", "could not translate host name", "bad gateway", "unavailable", "enotfound", "econnrefused",
	"name or service not known", "unexpected eof", "broken pipe"}

// slowLines finds, in RE2, a service's lines about its own slow work: the slow statements of PostgreSQL and MySQL, Redis' and others' slow logs.
const (
	slowLines  = `(?i)slow[ _-]?(query|statement|log|request|operation)|duration: [0-9.]+ ?m?s\s+(statement|execute|parse|bind|plan)|# query_time:`
	slowLeast  = 3
	slowRead   = 50
	slowFactor = 3
)

// lasts finds how long work took: "duration: 1534.2 ms", "Query_time: 12.5", "took=3s".
var lasts = regexp.MustCompile(`(?i)(?:duration|query_time|took|elapsed)["=: ]+([0-9]+(?:\.[0-9]+)?) ?(ms|us|µs|s)?\b`)

// fullLeast is how many lines of its own that it is at a limit are not a passing peak.
const fullLeast = 3

// saying counts the lines that have one of the words.
func (q *Quote) saying(words ...string) int {
	n := 0
	for i := range q.Lines {
		if has(q.Lines[i].Line, words...) {
			n++
		}
	}
	return n
}

// dependencyFailing is the other side of errors-after-dependency: what others need is itself where the trouble is. It is at a limit and refuses, it is
// slow, or it errs, and others' error lines name it. It is no id of OPERATIONS.md's table: that knows the victim's side alone.
func dependencyFailing(s *Scene, wide *Wide) *Cause {
	if s.passesOn() {
		return nil
	}
	var best *Cause
	for _, look := range []func(*Scene, *Wide) *Cause{full, slowToOthers, failsOthers} {
		if c := look(s, wide); c != nil && (best == nil || c.Confidence > best.Confidence) {
			best = c
		}
	}
	return best
}

// passesOn tells that since it began to name another service at least as many of its error lines do as do not: it is in the middle of a chain, and
// not at its end.
func (s *Scene) passesOn() bool {
	if s.Logs == nil {
		return false
	}
	for _, lines := range s.Logs.names {
		if len(lines) >= learnLeast && len(lines) >= len(s.ownErrors(lines[0].Time)) {
			return true
		}
	}
	return false
}

// full: its own lines say that it is at a limit and takes nobody more.
func full(s *Scene, _ *Wide) *Cause {
	var lines []sources.Entry
	word := ""
	for _, e := range s.Logs.ownLines() {
		if w := wordIn(e.Line, fullWords); w != "" {
			lines, word = append(lines, e), w
		}
	}
	if len(lines) < fullLeast || saidAsOften(s.Logs, word, len(lines)) || s.well() && !goesOn(lines, s.At) {
		return nil
	}
	c := &Cause{Title: fmt.Sprintf("it is at a limit and refuses its callers: %q", word), Grade: Signature, Confidence: 0.7, Since: s.Logs.saidSince(lines[0].Time),
		Why: "it says so itself, and did not before"}
	c.proves(s.Logs.Source, s.Logs.ErrorsQuery, lines[0].Time, "%s of its own lines say so since then, the first: %s", s.Logs.number(len(lines)), clip(lines[0].Line, 240))
	if s.Logs.Blind {
		c.Confidence, c.Why = 0.55, "it says so itself; whether it did before could not be looked at"
	}
	if c.quotes(s) > 0 {
		c.Confidence += 0.2
		c.Why += "; others' error lines name it"
	}
	c.step("see its own lines from when it began", "logs", s.Service.Name)
	c.step("see its figures: CPU, memory, network", "metrics", s.Service.Name)
	c.step("redeploy it with the same image: a start drops the connections that it holds", "redeploy", s.Service.Name)
	return c
}

func wordIn(line string, words []string) string {
	for _, w := range words {
		if has(line, w) {
			return w
		}
	}
	return ""
}

// saidAsOften tells whether the time before has said a word as often.
func saidAsOften(l *LogsSeen, word string, now int) bool {
	before := 0
	for i := range l.Before {
		if has(l.Before[i].Line, word) {
			before++
		}
	}
	return before >= now
}

// quotes adds what others say of it, and tells how many of them were not themselves changed just before.
func (c *Cause) quotes(s *Scene) int {
	n := 0
	for i := range s.Quotes {
		q := &s.Quotes[i]
		c.proves(q.Source, q.Query, q.Lines[0].Time, "%d error lines of %s name it, the first: %s", len(q.Lines), q.By, clip(q.Lines[0].Line, 200))
		if q.Changed {
			c.objects(fleet.SwarmName, "docker service inspect "+q.By, "%s was itself changed just before it began to say so", q.By)
			continue
		}
		if t := q.Lines[0].Time; c.Since.IsZero() || t.Before(c.Since) {
			c.Since = t
		}
		n++
	}
	return n
}

// saying are the callers, unchanged themselves, that have lines with one of the words, and how many lines.
func (s *Scene) saying(words ...string) (callers, lines int) {
	for i := range s.Quotes {
		if q := &s.Quotes[i]; !q.Changed {
			if n := q.saying(words...); n >= learnLeast {
				callers, lines = callers+1, lines+n
			}
		}
	}
	return callers, lines
}

// slowToOthers: its callers say that they wait for it in vain; its own figures or lines may show why.
func slowToOthers(s *Scene, _ *Wide) *Cause {
	callers, lines := s.saying(slowWords...)
	if callers == 0 || s.Service.Running == 0 {
		return nil
	}
	c := &Cause{Title: "it is slow, and its callers wait for it in vain", Grade: Scope, Confidence: 0.45}
	c.Why = fmt.Sprintf("%d error lines of %s say that they waited for it too long", lines, services(callers))
	if callers > 1 {
		c.Confidence += 0.15
	}
	own := false
	if words, e := s.Logs.slower(); words != "" {
		own = true
		c.Confidence += 0.2
		c.Why += "; so do its own lines"
		c.proves(s.Logs.Source, s.Logs.SlowQuery, e.Time, "%s, the first: %s", words, clip(e.Line, 200))
	}
	if s.Metrics != nil {
		for _, name := range []string{"p95", "cpu"} {
			if j := s.Metrics.Jumps[name]; j.Found {
				own = true
				c.Confidence += 0.1
				c.proves(fleet.PrometheusName, j.Query, j.From, "%s", j.words())
			}
		}
	}
	c.quotes(s)
	if !own {
		c.objects(fleet.SwarmName, "", "its own figures and lines do not show it: it may be what lies between them, or the callers' own pool of connections")
	}
	c.Confidence = min(c.Confidence, 0.85)
	c.step("see its figures from when it began: CPU, memory, disk", "metrics", s.Service.Name)
	c.step("see its own lines from then", "logs", s.Service.Name)
	c.step("see what was changed about it", "change", s.Service.Name)
	return c
}

// slower tells in words that a service's own lines speak of slow work as they did not before, with the first of them; "": they do not.
func (l *LogsSeen) slower() (string, sources.Entry) {
	if l == nil || l.Blind || len(l.Slow) < slowLeast {
		return "", sources.Entry{}
	}
	words := fmt.Sprintf("%d of its own lines tell of slow work", len(l.Slow))
	now, before := lasted(l.Slow), lasted(l.SlowBefore)
	switch {
	case len(l.SlowBefore) < slowLeast:
		words += ", and none did before"
	case now >= slowFactor*before && before > 0:
		words += fmt.Sprintf(", which takes %s, before %s", now.Round(time.Millisecond), before.Round(time.Millisecond))
	default:
		return "", sources.Entry{}
	}
	return words, l.Slow[0]
}

// lasted is the median of how long the work took that lines tell of; 0: they do not say.
func lasted(lines []sources.Entry) time.Duration {
	var all []float64
	for i := range lines {
		m := lasts.FindStringSubmatch(lines[i].Line)
		if m == nil {
			continue
		}
		if d, err := time.ParseDuration(m[1] + orWord(m[2], "s")); err == nil {
			all = append(all, float64(d))
		}
	}
	if len(all) == 0 {
		return 0
	}
	return time.Duration(middle(all))
}

func services(n int) string {
	if n == 1 {
		return "one service"
	}
	return fmt.Sprintf("%d services", n)
}

// failsOthers: it errs, no later than those whose lines name it; or it only is what they do not reach.
func failsOthers(s *Scene, wide *Wide) *Cause {
	callers, lines := 0, 0
	first := time.Time{}
	away := 0
	for i := range s.Quotes {
		q := &s.Quotes[i]
		if q.Changed {
			continue
		}
		callers, lines = callers+1, lines+len(q.Lines)
		away += q.saying(awayWords...)
		if t := q.Lines[0].Time; first.IsZero() || t.Before(first) {
			first = t
		}
	}
	if callers == 0 {
		return nil
	}
	c := &Cause{Title: "others' error lines name it", Grade: Scope, Confidence: 0.45}
	c.Why = fmt.Sprintf("%d error lines of %s name it", lines, services(callers))
	if away*2 > lines {
		c.Title = "others do not reach it, or it breaks off"
	}
	if callers > 1 {
		c.Confidence += 0.15
	}
	if own := s.ownErrors(first.Add(-errorsWindow)); len(own) >= fullLeast && (s.Logs.Jump.Found || wide.errorsJumped(s.Service.Name)) {
		e := own[0]
		if e.Time.After(first.Add(figuresStep)) {
			c.objects(s.Logs.Source, s.Logs.ErrorsQuery, "its own error lines began %s after theirs", short(e.Time.Sub(first)))
		} else {
			c.Title = "its own errors came first, and others' follow"
			c.Confidence = 0.75
			c.Why += ", and its own error lines rose no later than theirs"
		}
		c.Since = s.Logs.saidSince(e.Time)
		c.proves(s.Logs.Source, s.Logs.ErrorsQuery, e.Time, "%s error lines of its own, the first: %s", s.Logs.number(len(own)), clip(e.Line, 240))
	} else if s.well() {
		c.objects(fleet.SwarmName, s.tasksQuery(), "as many of its tasks run as should")
	}
	c.quotes(s)
	c.step("see its own lines from when it began", "logs", s.Service.Name)
	c.step("see its tasks", "tasks", s.Service.Name)
	c.step("see what was changed about it", "change", s.Service.Name)
	return c
}

// ownErrors are its lines of level error and above since a moment that name no other service.
func (s *Scene) ownErrors(since time.Time) []sources.Entry {
	var out []sources.Entry
	for _, e := range s.Logs.ownLines() {
		if e.Level >= sources.LevelError && !e.Time.Before(since) {
			out = append(out, e)
		}
	}
	return out
}

// quotedWords are the lines of others that name this service and have one of the words: what they say of it, and who.
func (s *Scene) quotedWords(words ...string) (lines []sources.Entry, by []string, q *Quote) {
	for i := range s.Quotes {
		found := false
		for _, e := range s.Quotes[i].Lines {
			if has(e.Line, words...) {
				lines, found = append(lines, e), true
			}
		}
		if found {
			by = append(by, s.Quotes[i].By)
			if q == nil {
				q = &s.Quotes[i]
			}
		}
	}
	return lines, by, q
}
