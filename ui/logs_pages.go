package ui

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/logview"
)

const (
	// PageLimit is how many lines a page of older or newer ones has.
	PageLimit = 1000
	// sideLimit is how many are read on each side of a moment: some screens full, as whoever moves on does not read them.
	sideLimit = 200
	// OlderSpan is how far before the oldest line is looked at first; each empty stretch is followed by one three times
	// as long, up to longestSpan, which is below what Loki answers at once (30 days and an hour).
	OlderSpan   = 24 * time.Hour
	longestSpan = 30 * 24 * time.Hour
	// farthestBack is how far back is asked where the source's horizon is not known: the most that Loki's users are known to keep, and a little.
	farthestBack = 400 * 24 * time.Hour
	// mostStretches is how many stretches without a line are read for one press; the next goes on where it stopped. It is more than
	// two years: 24 h, 3 and 9 days, and 30 days each.
	mostStretches = 30
)

// reach is how far the lines of a view reach, and what is being asked to make them reach further.
type reach struct {
	view         *logview.Pane
	query        sources.LogQuery
	generation   uint64 // rises when the view is emptied: what was asked before is stale
	older, newer bool   // under way
	begin, end   bool   // nothing is before, or behind, what is loaded
	// sparse is from where on, backwards, only lines that pass the filter were read; zero: nowhere. It holds for passing.
	sparse  time.Time
	passing string // the filter
	stuck   bool   // asking failed: not asked again by itself
	// bare is down to where, before the oldest line, no line was found, the source having more; zero: it was not looked yet.
	bare time.Time
	why  string // with begin: why nothing is before
}

func (r *reach) reset(q sources.LogQuery) {
	generation := r.generation + 1
	*r = reach{view: r.view, query: q, generation: generation}
	r.view.Reset()
}

// pageMsg is sent when a page of older or newer lines has come.
type pageMsg struct {
	reach      *reach
	generation uint64
	newer      bool
	page       sources.LogPage
	narrowed   bool
	passing    string    // the filter then
	before     time.Time // what was asked: up to here, or from here on
	back       time.Time // how far back was asked
	end        string    // why there is nothing further back; "": there may be
	err        error
}

// narrowed is a query for no more than what passes a filter, as far as a query can say it.
func narrowed(q sources.LogQuery, f logview.Filter) (sources.LogQuery, bool) {
	some := false
	if len(f.Levels) > 0 && len(q.Levels) == 0 {
		q.Levels, some = f.Levels, true
	}
	if q.Regexp == "" {
		best := ""
		for _, t := range f.Include {
			if e := termExpr(t); len(e) > len(best) {
				best = e
			}
		}
		q.Regexp = best
		some = some || best != ""
	}
	if q.Pattern == "" && len(f.Patterns) == 1 {
		q.Pattern, some = f.Patterns[0], true
	}
	if q.Exclude == "" && len(f.Exclude) > 0 {
		var all []string
		for _, t := range f.Exclude {
			all = append(all, termExpr(t))
		}
		q.Exclude, some = strings.Join(all, "|"), true
	}
	return q, some
}

// termExpr is a term as RE2, without case where it has no capital letter.
func termExpr(t logview.Term) string {
	expr := t.Text
	if !t.Regexp {
		expr = regexp.QuoteMeta(expr)
	}
	if strings.ContainsFunc(t.Text, unicode.IsUpper) {
		return "(?:" + expr + ")"
	}
	return "(?i:" + expr + ")"
}

// filterText names a filter.
func filterText(f logview.Filter) string { return fmt.Sprint(f) }

// lookedBack is what a look for older lines gave.
type lookedBack struct {
	page sources.LogPage
	back time.Time // how far back was asked, and answered
	end  string    // no line was found, and why none is further back; "": there may be some
}

// older reads the newest page before a moment, looking further and further back where there is nothing: to the source's horizon, or as far as
// one look goes. Nothing is asked about the horizon while there are lines.
func older(ctx context.Context, logs sources.Logs, q sources.LogQuery, before time.Time) (l lookedBack, err error) {
	end, span := before, OlderSpan
	if q.Limit == 0 {
		q.Limit = PageLimit
	}
	var h sources.Horizon
	for n := range mostStretches {
		l.back = end.Add(-span)
		if l.back.Before(h.Oldest) {
			l.back = h.Oldest
		}
		q.Since, q.Until, q.Forward = l.back, end, false
		l.page, err = logs.Query(ctx, q)
		if err != nil {
			l.back = end // what was looked through is not looked through again
			return l, err
		}
		if len(l.page.Entries) > 0 {
			l.page = whole(l.page, false)
			return l, nil
		}
		if n == 0 || len(l.page.Gaps) > 0 { // a gap may be a refusal that told of the horizon
			h = horizonOf(ctx, logs)
		}
		if !h.Oldest.IsZero() && !l.back.After(h.Oldest) || h.Oldest.IsZero() && before.Sub(l.back) >= farthestBack {
			l.end = h.Why
			return l, nil
		}
		end, span = l.back, min(3*span, longestSpan)
	}
	return l, nil
}

// horizonOf is how far back a source can be asked, with words why in every case.
func horizonOf(ctx context.Context, logs sources.Logs) sources.Horizon {
	var h sources.Horizon
	if s, ok := logs.(sources.Horizoner); ok {
		h = s.Horizon(ctx)
	}
	if h.Why == "" {
		h.Why = "could not ask how far back: " + logs.Name() + " does not tell"
	}
	return h
}

// whole leaves away what the page has of its last moment, where the limit cut within it: the next page has it all.
func whole(page sources.LogPage, forward bool) sources.LogPage {
	n := len(page.Entries)
	if !page.More || n < 2 {
		return page
	}
	if forward {
		last := page.Entries[n-1].Time
		for n > 0 && page.Entries[n-1].Time.Equal(last) {
			n--
		}
		if n > 0 {
			page.Entries = page.Entries[:n]
		}
		return page
	}
	first, i := page.Entries[0].Time, 0
	for i < n && page.Entries[i].Time.Equal(first) {
		i++
	}
	if i < n {
		page.Entries = page.Entries[i:]
	}
	return page
}

// newer reads the oldest page from a moment on.
func newer(ctx context.Context, logs sources.Logs, q sources.LogQuery, from, now time.Time) (sources.LogPage, error) {
	q.Since, q.Until, q.Forward = from, now, true
	if q.Limit == 0 {
		q.Limit = PageLimit
	}
	if !q.Since.Before(q.Until) {
		return sources.LogPage{}, nil
	}
	page, err := logs.Query(ctx, q)
	return whole(page, true), err
}

// around reads the lines on each side of a moment, which belongs to the first.
func around(ctx context.Context, logs sources.Logs, q sources.LogQuery, at, now time.Time) (before lookedBack, after sources.LogPage, err error) {
	var wg sync.WaitGroup
	var err2 error
	q.Limit = sideLimit
	wg.Go(func() { before, err = older(ctx, logs, q, at.Add(1)) })
	wg.Go(func() { after, err2 = newer(ctx, logs, q, at.Add(1), now) })
	wg.Wait()
	if err == nil {
		err = err2
	}
	return before, after, err
}

// wantPages reads what is before or behind the lines that are loaded, where one has come to their end.
func (m *Model) wantPages() tea.Cmd {
	r := m.logs.shown()
	return tea.Batch(m.wantOlder(r), m.wantNewer(r))
}

func (m *Model) wantOlder(r *reach) tea.Cmd {
	if m.o.Logs == nil || r.older || r.begin || !r.view.AtTop() {
		return nil
	}
	before := r.view.Oldest()
	if before.IsZero() {
		return nil
	}
	r.older = true
	filter := r.view.Filter()
	q, narrow := narrowed(r.query, filter)
	passing := filterText(filter)
	r.passing = passing
	logs, generation, from := m.o.Logs, r.generation, before
	if !r.bare.IsZero() {
		from = r.bare
	}
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		l, err := older(ctx, logs, q, from)
		return pageMsg{reach: r, generation: generation, page: l.page, narrowed: narrow, passing: passing, before: before, back: l.back, end: l.end, err: err}
	}
}

func (m *Model) wantNewer(r *reach) tea.Cmd {
	if m.o.Logs == nil || !r.view.Static() || r.newer || r.end || !r.view.AtBottom() {
		return nil
	}
	newest := r.view.Newest()
	if newest.IsZero() {
		return nil
	}
	r.newer = true
	q, logs, generation, now := r.query, m.o.Logs, r.generation, m.o.Now()
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		page, err := newer(ctx, logs, q, newest.Add(1), now)
		return pageMsg{reach: r, generation: generation, newer: true, page: page, before: newest, err: err}
	}
}

func (m *Model) applyPage(msg pageMsg) tea.Cmd {
	r := msg.reach
	if msg.generation != r.generation {
		return nil
	}
	if msg.newer {
		return m.applyNewer(r, msg)
	}
	if msg.passing != filterText(r.view.Filter()) {
		return nil // asked through another filter: the one that is now asks for itself
	}
	r.older = false
	switch {
	case msg.err != nil:
		r.stuck = true
		if !msg.back.IsZero() && msg.back.Before(msg.before) {
			r.bare = msg.back
			return m.say("older lines: asked back to " + m.day(msg.back) + ", then " + inLine(msg.err.Error()) + "; the next press goes on from there")
		}
		return m.say("older lines: " + inLine(msg.err.Error()))
	case len(msg.page.Entries) == 0:
		return m.noOlder(r, msg)
	}
	r.bare, r.why = time.Time{}, ""
	if msg.narrowed && r.sparse.IsZero() {
		r.sparse = msg.before
		msg.page.Gaps = append(msg.page.Gaps, sources.Gap{From: msg.before.Add(-1), Reason: "further back only those that pass the filter are read"})
	}
	if r.view.Prepend(msg.page) == 0 {
		r.begin = true
		return m.say("the pane is full: its memory is bounded by log-memory; { } [ ] go to another time")
	}
	return nil
}

// noOlder says why nothing older came: it is the end, or one look went no further.
func (m *Model) noOlder(r *reach, msg pageMsg) tea.Cmd {
	what := "no line before "
	if msg.narrowed {
		what = "no line that passes the filter before "
	}
	what += m.clock(msg.before) + ": "
	if msg.end == "" {
		r.bare, r.stuck = msg.back, true
		return m.say(what + "asked back to " + m.day(msg.back) + ", further with the next press")
	}
	r.begin, r.why = true, what+inLine(msg.end)+"; asked back to "+m.day(msg.back)
	return m.say(r.why)
}

// day writes a moment's date.
func (m *Model) day(t time.Time) string { return t.In(m.o.Location).Format(time.DateOnly) }

func (m *Model) applyNewer(r *reach, msg pageMsg) tea.Cmd {
	r.newer = false
	if msg.err != nil {
		return m.say("newer lines: " + inLine(msg.err.Error()))
	}
	if len(msg.page.Entries) == 0 {
		r.end = true
		if r == &m.logs.reach {
			return m.say("no newer line: 0 goes back to live")
		}
		return m.say("no newer line of it")
	}
	r.view.Extend(msg.page)
	return nil
}

// minded brings what is loaded in line with the filter: a stretch that was read through another one goes, and a screen
// that is not full is filled from further back.
func (m *Model) minded(r *reach) tea.Cmd {
	filter := r.view.Filter()
	if now := filterText(filter); now != r.passing {
		if !r.sparse.IsZero() {
			r.view.CutBefore(r.sparse)
			r.sparse, r.begin = time.Time{}, false
		}
		if r.passing != "" {
			r.begin = false
		}
		r.bare = time.Time{}
		r.passing, r.stuck, r.older = now, false, false
	}
	if filter.Zero() || !m.inLogs() || r.stuck || r.view.Input() != logview.InputNone || !r.view.Sparse() || r.view.InContext() {
		return nil
	}
	return m.wantOlder(r)
}
