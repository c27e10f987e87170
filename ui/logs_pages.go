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
	// PageLimit is how many lines a page of older or newer ones has; around a moment, half on each side.
	PageLimit = 1000
	// OlderSpan is how far before the oldest line is looked at first; each empty stretch is followed by one three times
	// as long, up to longestSpan, which is below what Loki answers at once (30 days and an hour).
	OlderSpan   = 24 * time.Hour
	longestSpan = 30 * 24 * time.Hour
	// oldest is how far back is asked at all: the most that Loki's users are known to keep, and a little.
	farthestBack = 400 * 24 * time.Hour
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

// older reads the newest page before a moment, looking further and further back where there is nothing.
func older(ctx context.Context, logs sources.Logs, q sources.LogQuery, before time.Time) (page sources.LogPage, back time.Time, err error) {
	end, span := before, OlderSpan
	for back = before; before.Sub(back) < farthestBack; {
		back = end.Add(-span)
		q.Since, q.Until, q.Forward = back, end, false
		if q.Limit == 0 {
			q.Limit = PageLimit
		}
		page, err = logs.Query(ctx, q)
		if err != nil || len(page.Entries) > 0 {
			return whole(page, false), back, err
		}
		end, span = back, min(3*span, longestSpan)
	}
	return page, back, nil
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

// around reads half a page on each side of a moment, which belongs to the first.
func around(ctx context.Context, logs sources.Logs, q sources.LogQuery, at, now time.Time) (before, after sources.LogPage, back time.Time, err error) {
	var wg sync.WaitGroup
	var err2 error
	q.Limit = PageLimit / 2
	wg.Go(func() { before, back, err = older(ctx, logs, q, at.Add(1)) })
	wg.Go(func() { after, err2 = newer(ctx, logs, q, at.Add(1), now) })
	wg.Wait()
	if err == nil {
		err = err2
	}
	return before, after, back, err
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
	logs, generation := m.o.Logs, r.generation
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		page, back, err := older(ctx, logs, q, before)
		return pageMsg{reach: r, generation: generation, page: page, narrowed: narrow, passing: passing, before: before, back: back, err: err}
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
		return m.say("older lines: " + inLine(msg.err.Error()))
	case len(msg.page.Entries) == 0:
		r.begin = true
		what := "no line before "
		if msg.narrowed {
			what = "no line that passes the filter before "
		}
		return m.say(what + m.clock(msg.before) + ": asked back to " + msg.back.In(m.o.Location).Format("2006-01-02"))
	}
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
		r.passing, r.stuck, r.older = now, false, false
	}
	if filter.Zero() || !m.inLogs() || r.stuck || r.view.Input() != logview.InputNone || !r.view.Sparse() || r.view.InContext() {
		return nil
	}
	return m.wantOlder(r)
}
