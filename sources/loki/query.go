package loki

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

const (
	// defaultPage is Loki's max_entries_limit_per_query as it comes; a server with a lower one says so.
	defaultPage = 5000
	// defaultLimit is LogQuery.Limit's default.
	defaultLimit = 1000
	// maxScan bounds the lines that are read for one Query where the client filters them itself.
	maxScan = 200_000
	// minSpan is the shortest stretch that a range which passes a limit of the server is cut into.
	minSpan = int64(time.Second)
)

// Query reads lines once. See [sources.Logs].
func (c *Client) Query(ctx context.Context, q sources.LogQuery) (sources.LogPage, error) {
	l, err := c.build(q)
	if err != nil {
		return sources.LogPage{}, err
	}
	c.hello(ctx)
	from, to, err := c.window(q.Since, q.Until)
	if err != nil {
		return sources.LogPage{}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	g := gather{want: limit + 1, keep: keepLevels(q.Levels)}
	s := span{c: c, q: l, from: from, to: to, forward: q.Forward, attempts: tries, first: c.stretches.of(l, limit, to-from)}
	err = s.each(ctx, g.remaining, g.take)
	p := g.page(limit, q.Forward, s, err)
	if err == nil && len(p.Gaps) == 0 {
		c.stretches.learn(l, limit, p, time.Duration(to-from))
	}
	return p, err
}

// QueryRaw reads lines by LogQL as it is.
func (c *Client) QueryRaw(ctx context.Context, expr string, since, until time.Time, limit int, forward bool) (sources.LogPage, error) {
	return c.Query(ctx, sources.LogQuery{Expr: expr, Since: since, Until: until, Limit: limit, Forward: forward})
}

// window is a query's range in nanoseconds: until now, and an hour long, where it does not say.
func (c *Client) window(since, until time.Time) (from, to int64, err error) {
	if until.IsZero() {
		until = c.now()
	}
	if since.IsZero() {
		since = until.Add(-time.Hour)
	}
	if since.After(until) {
		return 0, 0, badQuestion("give a since that is before until", fmt.Errorf("since %s is after until %s", since.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339)))
	}
	return max(since.UnixNano(), 0), max(until.UnixNano(), 0), nil
}

// gather collects the rows of one Query.
type gather struct {
	rows    [][]row // each in rising time, in the order in which they came
	n       int
	scanned int
	want    int
	keep    func(row) bool // nil: all
	gaps    []sources.Gap
	budget  bool // maxScan was reached
}

// remaining is how many rows are still wanted.
func (g *gather) remaining() int {
	if g.keep != nil && g.want > g.n {
		return max(defaultPage, g.want-g.n) // it is not known how many of a page will stay
	}
	return g.want - g.n
}

func (g *gather) take(rows []row, gap *sources.Gap) bool {
	g.scanned += len(rows)
	if gap != nil {
		g.gaps = append(g.gaps, *gap)
	}
	if g.keep != nil {
		rows = slices.DeleteFunc(rows, func(r row) bool { return !g.keep(r) })
	}
	if len(rows) > 0 {
		g.rows = append(g.rows, rows)
		g.n += len(rows)
	}
	g.budget = g.keep != nil && g.scanned >= maxScan
	return g.n < g.want && !g.budget
}

func (g *gather) page(limit int, forward bool, s span, err error) sources.LogPage {
	if !forward {
		slices.Reverse(g.rows)
	}
	rows := slices.Concat(g.rows...)
	p := sources.LogPage{Gaps: g.gaps, More: len(rows) > limit || (g.budget && err == nil)}
	if len(rows) > limit {
		if forward {
			rows = rows[:limit]
		} else {
			rows = rows[len(rows)-limit:]
		}
	}
	p.Entries = entries(rows)
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		p.Gaps = append(p.Gaps, gapOf(s.from, s.to, "not read: "+err.Error()))
	case g.budget && len(rows) < limit:
		p.Gaps = append(p.Gaps, gapOf(s.from, s.to, fmt.Sprintf("stopped after reading %d lines to find those of the wanted levels: narrow the search", g.scanned)))
	}
	return p
}

func gapOf(from, to int64, reason string) sources.Gap {
	return sources.Gap{From: time.Unix(0, from), To: time.Unix(0, to), Reason: reason}
}

// keepLevels filters what the server let pass because it does not know levels; nil: nothing to filter.
func keepLevels(levels []sources.Level) func(row) bool {
	if len(levels) == 0 {
		return nil
	}
	return func(r row) bool { return slices.Contains(levels, r.level()) }
}

func entries(rows []row) []sources.Entry {
	out := make([]sources.Entry, len(rows))
	for i, r := range rows {
		out[i] = sources.Entry{Time: time.Unix(0, r.t), Line: r.line, Level: r.level(), Stream: r.from.stream}
	}
	return out
}

// span walks a range of time, [from, to), page by page. from (forward) or to (backward) moves along, so
// that after an error the span is what is still to be read.
type span struct {
	c        *Client
	q        logql
	from, to int64
	forward  bool
	attempts uint
	// step is how much of the range is asked for at once; 0: all of it.
	step int64
	// first is the step to begin with, where it is not known how much of the range is wanted; 0: that is known. See stretches.
	first int64
	// clipped: the range was cut at the lookback that a refusal named, once.
	clipped bool
}

// each reads the range and gives what it read, in disjoint runs of rising time, to take, until take says
// false. remaining is asked before each page.
//
// A full page ends somewhere within its last moment, so the lines of that nanosecond are put back and
// read again as the beginning of the next page: nothing is lost at a page's boundary and nothing doubled.
func (s *span) each(ctx context.Context, remaining func() int, take func([]row, *sources.Gap) bool) error {
	if step := s.c.reach.step(); s.step == 0 && step > 0 && s.to-s.from > step {
		s.step = step
	}
	most := s.step
	if s.first > 0 && s.to-s.from > s.first && (most == 0 || most > s.first) {
		s.step = s.first
	} else {
		s.first = 0
	}
	for s.from < s.to {
		from, to := s.part()
		n := min(max(remaining(), 1), int(s.c.pageMax.Load()))
		rows, n, err := s.c.fetch(ctx, s.q.String(), from, to, n, s.forward, s.attempts)
		if err != nil {
			again, over, gap := s.refused(err, to-from)
			if gap != nil && !take(nil, gap) || over {
				return nil
			}
			if again || s.narrow(err, to-from) {
				s.first = 0 // no wider than the server bears
				continue
			}
			return err
		}
		if len(rows) < n { // all that there is
			s.advance(from, to)
			if !take(rows, nil) {
				return nil
			}
			s.widen(most)
			continue
		}
		if len(rows) >= remaining() {
			s.advance(rows[0].t, rows[len(rows)-1].t+1)
			take(rows, nil)
			return nil
		}
		var gap *sources.Gap
		if rows, gap, err = s.whole(ctx, rows); err != nil {
			return err
		}
		if !take(rows, gap) {
			return nil
		}
	}
	return nil
}

// part is what is asked for next.
func (s *span) part() (from, to int64) {
	if s.step == 0 || s.to-s.from <= s.step {
		return s.from, s.to
	}
	if s.forward {
		return s.from, s.from + s.step
	}
	return s.to - s.step, s.to
}

// widen asks for more at once where a stretch did not have what is wanted; most bounds it, 0: nothing does.
func (s *span) widen(most int64) {
	if s.first == 0 {
		return
	}
	if s.step *= widening; most > 0 {
		s.step = min(s.step, most)
	}
}

// advance puts [from, to) behind.
func (s *span) advance(from, to int64) {
	if s.forward {
		s.from = to
	} else {
		s.to = from
	}
}

// whole cuts a full page down to the moments that are in it entirely, and puts them behind.
func (s *span) whole(ctx context.Context, rows []row) ([]row, *sources.Gap, error) {
	first, last := rows[0].t, rows[len(rows)-1].t
	if first == last {
		rows, gap, err := s.c.moment(ctx, s.q, first, rows)
		if err == nil {
			s.advance(first, first+1)
		}
		return rows, gap, err
	}
	if s.forward {
		s.from = last
		i, _ := slices.BinarySearchFunc(rows, last, func(r row, t int64) int { return cmp.Compare(r.t, t) })
		return rows[:i], nil, nil
	}
	s.to = first + 1
	i, _ := slices.BinarySearchFunc(rows, first+1, func(r row, t int64) int { return cmp.Compare(r.t, t) })
	return rows[i:], nil, nil
}

// narrow answers a limit of the server on the range (its length, its bytes, the time it takes) with a
// shorter part; false: that does not help.
func (s *span) narrow(err error, length int64) bool {
	var n net.Error
	slow := errors.As(err, &n) && n.Timeout()
	switch text := err.Error(); {
	case length <= minSpan:
		return false
	case slow && (s.step == 0 || s.first > 0): // once: each try costs a whole time-out
		s.step = max(length/16, minSpan)
	case !slow && sources.KindOf(err) == sources.OverLimit && !strings.Contains(text, "HTTP 429") && !strings.Contains(text, "max entries"):
		s.step = max(length/2, minSpan)
	default:
		return false
	}
	return true
}

// fetch reads one page of [from, to), sorted by time; lines of one stream at one time stay in the
// order in which Loki has them. It returns the limit that was in force: as many rows mean that there may be more.
func (c *Client) fetch(ctx context.Context, expr string, from, to int64, n int, forward bool, attempts uint) ([]row, int, error) {
	rows, err := c.fetchOnce(ctx, expr, from, to, n, forward, attempts)
	if lower, ok := entriesLimit(err); ok && lower < n {
		c.pageMax.Store(int64(lower))
		n = lower
		rows, err = c.fetchOnce(ctx, expr, from, to, n, forward, attempts)
	}
	return rows, n, err
}

func (c *Client) fetchOnce(ctx context.Context, expr string, from, to int64, n int, forward bool, attempts uint) ([]row, error) {
	const op = "read lines"
	v := url.Values{"query": {expr}, "start": {nano(from)}, "end": {nano(to)}, "limit": {strconv.Itoa(n)}, "direction": {"backward"}}
	if forward {
		v.Set("direction", "forward")
	}
	body, err := c.get(ctx, op, "/loki/api/v1/query_range", v, attempts)
	if err != nil {
		return nil, err
	}
	defer drain(body)
	head := &headReader{r: body}
	a, err := decodeAnswer(head, c.streams, make([]row, 0, min(n, 256)))
	if err != nil {
		if head.err != nil { // the network's, not the JSON's
			return nil, c.transportErr(op, head.err)
		}
		return nil, c.badJSON(op, head.head, err)
	}
	if err := a.check(op); err != nil {
		return nil, err
	}
	if !forward {
		slices.Reverse(a.rows)
	}
	sortRows(a.rows)
	return a.rows, nil
}

// sortRows sorts by time, then by stream; lines of one stream at one time stay as they are.
func sortRows(rows []row) {
	slices.SortStableFunc(rows, func(x, y row) int {
		if c := cmp.Compare(x.t, y.t); c != 0 {
			return c
		}
		return cmp.Compare(x.from.id, y.from.id)
	})
}

func (a answer) check(op string) error {
	switch {
	case a.status != "success":
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "is this Loki's address? look at the server's own log", Err: fmt.Errorf("status %q: %.200s", a.status, a.err)}
	case a.kind != "streams" && a.kind != "":
		return badQuestion("a query of numbers belongs into the metrics view", fmt.Errorf("the query gives a %s and no lines", a.kind))
	}
	return nil
}
