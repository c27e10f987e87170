package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// FallbackOptions tunes WithFallback; its zero value is good.
type FallbackOptions struct {
	// After is how long the primary must not be OK before the second is followed; 0: 3 s.
	After time.Duration
	// Overlap is how far before the last line seen the second is asked, since lines of different services reach
	// the primary with different delays; doubles are dropped. 0: 10 s.
	Overlap time.Duration
	// Remember bounds how many lines are remembered to tell doubles; 0: 32,768, about 3 MB.
	Remember int
	// FillTimeout bounds the filling of one gap; 0: 15 s.
	FillTimeout time.Duration
	// Retry is how long to wait before a stream that ended by itself is followed again; 0: 5 s.
	Retry time.Duration
}

func (o FallbackOptions) withDefaults() FallbackOptions {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&o.After, 3*time.Second)
	set(&o.Overlap, 10*time.Second)
	set(&o.FillTimeout, 15*time.Second)
	set(&o.Retry, 5*time.Second)
	if o.Remember <= 0 {
		o.Remember = 32768
	}
	return o
}

// WithFallback gives the primary's lines (Loki's) where they can be had, and the second's (Docker's own logs) where
// not, with a mark: a Gap whose Reason begins with "from docker" and which has lost nothing, and Stream.Source
// on each entry. A query in LogQL cannot be asked of the second: its error is passed on. Rates and
// Probe are the primary's alone, so that its state is never painted over. A nil second: the primary itself.
func WithFallback(primary, second Logs, o FallbackOptions) Logs {
	if second == nil {
		return primary
	}
	return &fallback{Logs: primary, second: second, o: o.withDefaults()}
}

type fallback struct {
	Logs   // the primary
	second Logs
	o      FallbackOptions
}

// fallsBack tells whether the second may answer in the primary's place: it is away or shut. A wrong
// question, or one over a limit, is the asker's to mend.
func fallsBack(err error) bool {
	switch KindOf(err) {
	case Unreachable, Unauthorised, Forbidden, NotConfigured, NotFound, BadAnswer:
		return true
	}
	return false
}

// Query asks the primary, fills the gaps that it tells of from the second, and asks the second where the primary fails.
func (f *fallback) Query(ctx context.Context, q LogQuery) (LogPage, error) {
	page, err := f.Logs.Query(ctx, q)
	if err == nil {
		if q.Expr == "" && len(page.Gaps) > 0 {
			page = f.fillPage(ctx, q, page)
		}
		return page, nil
	}
	if ctx.Err() != nil || !fallsBack(err) {
		return page, err
	}
	if q.Expr != "" {
		return page, fmt.Errorf("%w; a query in LogQL cannot be asked of %s's logs", err, f.second.Name())
	}
	other, err2 := f.second.Query(ctx, q)
	if err2 != nil && len(other.Entries) == 0 {
		return page, fmt.Errorf("%w; and %s's own logs: %w", err, f.second.Name(), err2)
	}
	other.Gaps = append([]Gap{{From: q.Since, To: q.Until, Reason: f.mark(KindOf(err))}}, other.Gaps...)
	return join(q, other, page), err2
}

// mark is the note that a reader sees where lines are the second's.
func (f *fallback) mark(kind Kind) string {
	return fmt.Sprintf("from %s: %s %s", f.second.Name(), f.Logs.Name(), kind)
}

// join adds to page what extra has beyond it, and cuts to the query's limit.
func join(q LogQuery, page, extra LogPage) LogPage {
	if len(extra.Entries) > 0 {
		m := newMemory(len(page.Entries))
		for i := range page.Entries {
			m.given(&page.Entries[i], 1)
		}
		for i := range extra.Entries {
			if !m.given(&extra.Entries[i], 2) {
				page.Entries = append(page.Entries, extra.Entries[i])
			}
		}
		slices.SortStableFunc(page.Entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	}
	page.Gaps = append(page.Gaps, extra.Gaps...)
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	if n := len(page.Entries); n > limit {
		page.More = true
		if q.Forward {
			page.Entries = page.Entries[:limit]
		} else {
			page.Entries = page.Entries[n-limit:]
		}
	}
	page.More = page.More || extra.More
	return page
}

func (f *fallback) fillPage(ctx context.Context, q LogQuery, page LogPage) LogPage {
	gaps := page.Gaps
	page.Gaps = nil
	for _, g := range gaps {
		var got []Entry
		g, got = f.fill(ctx, q, g, func(e []Entry) []Entry { return e })
		page = join(q, page, LogPage{Entries: got, Gaps: []Gap{g}})
	}
	return page
}

const (
	fillPageSize = 5000
	fillPages    = 20 // so many lines of one gap at most: the rest stays a gap
)

// fill reads a gap from the second; keep drops the doubles of each page. The gap comes back marked with what became of it.
func (f *fallback) fill(ctx context.Context, q LogQuery, g Gap, keep func([]Entry) []Entry) (Gap, []Entry) {
	if g.From.IsZero() || !g.To.After(g.From) || q.Expr != "" {
		return g, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.o.FillTimeout)
	defer cancel()
	q.Since, q.Until, q.Forward, q.Limit = g.From, g.To, true, fillPageSize
	if g.Service != "" {
		q.Services, q.Stack = []string{g.Service}, ""
	}
	var out []Entry
	boundary := 0 // entries at q.Since that the page before had already
	for range fillPages {
		page, err := f.second.Query(ctx, q)
		got := page.Entries
		skip := 0
		for skip < len(got) && skip < boundary && got[skip].Time.Equal(q.Since) {
			skip++
		}
		fresh := got[skip:]
		out = append(out, keep(fresh)...)
		switch {
		case err != nil:
			g.Reason += fmt.Sprintf("; %s's own logs could not fill it: %v", f.second.Name(), err)
			return lessLost(g, len(out)), out
		case len(page.Gaps) > 0:
			g.Reason += fmt.Sprintf("; filled in part from %s (%d lines): %s", f.second.Name(), len(out), page.Gaps[0].Reason)
			return lessLost(g, len(out)), out
		case !page.More:
			g.Reason, g.Lost = fmt.Sprintf("from %s: filled with %d lines (%s)", f.second.Name(), len(out), g.Reason), 0
			return g, out
		case len(fresh) == 0:
			g.Reason += fmt.Sprintf("; filled in part from %s (%d lines)", f.second.Name(), len(out))
			return lessLost(g, len(out)), out
		}
		last := fresh[len(fresh)-1].Time
		at := 0
		for i := len(got) - 1; i >= 0 && got[i].Time.Equal(last); i-- {
			at++
		}
		q.Since, boundary = last, at
	}
	g.Reason += fmt.Sprintf("; filled in part from %s (%d lines)", f.second.Name(), len(out))
	return lessLost(g, len(out)), out
}

func lessLost(g Gap, found int) Gap {
	g.Lost = max(0, g.Lost-found)
	return g
}

// Labels asks the second where the primary fails.
func (f *fallback) Labels(ctx context.Context, name string, since, until time.Time) ([]string, error) {
	got, err := f.Logs.Labels(ctx, name, since, until)
	if err == nil || ctx.Err() != nil || !fallsBack(err) {
		return got, err
	}
	other, err2 := f.second.Labels(ctx, name, since, until)
	if err2 != nil {
		return got, errors.Join(err, err2)
	}
	return other, nil
}

// Volume asks the second where the primary fails.
func (f *fallback) Volume(ctx context.Context, q LogQuery, step time.Duration) ([]VolumePoint, error) {
	got, err := f.Logs.Volume(ctx, q, step)
	if err == nil || ctx.Err() != nil || !fallsBack(err) || q.Expr != "" {
		return got, err
	}
	other, err2 := f.second.Volume(ctx, q, step)
	if err2 != nil {
		return got, errors.Join(err, err2)
	}
	return other, nil
}
