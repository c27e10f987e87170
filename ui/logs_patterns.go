package ui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/patterns"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
)

const (
	// mineLines is how many lines are mined where the source finds no patterns, or not the rare ones.
	mineLines = 5000
	// baselineLeast is how long before a deploy is looked at to tell what was there already.
	baselineLeast = time.Hour
	// deployAge is how old a deploy may be for patterns to be held against what was before it.
	deployAge = 24 * time.Hour
	// verified is how many patterns that seem new are looked for in the baseline one by one.
	verified = 12
)

// patternsBox shows what the lines have in common, what is new first.
type patternsBox struct {
	generation uint64
	query      sources.LogQuery
	start, end time.Time
	base       time.Time // until when the baseline goes
	deploy     bool      // which is the last deploy
	list       list
	rows       []patternRow
	found      minedPatterns
	loading    bool
	err        error
}

type patternRow struct {
	sources.Pattern
	new   bool
	share float64
}

// minedPatterns is an answer: patterns, where they come from, and what is new among them.
type minedPatterns struct {
	rows []patternRow
	how  string // in words
	base string // why nothing can be new; "" : the baseline was read
}

// patternsMsg is sent when patterns were found, or could not be.
type patternsMsg struct {
	box        *patternsBox
	generation uint64
	found      minedPatterns
	err        error
}

func (m *Model) openPatterns() tea.Cmd {
	if m.o.Logs == nil || m.logs.key == "" {
		return m.say(m.whyNoLogs())
	}
	b := &patternsBox{query: m.logs.shown().query, loading: true, generation: 1}
	b.start, b.end = m.when.window(m.o.Now())
	b.base = b.start
	if at := m.lastDeploy(b.query.Services); !at.IsZero() && at.Before(b.end) && b.end.Sub(at) < deployAge {
		b.base, b.deploy = at, true
	}
	m.overlay = b
	logs, timeout := m.o.Logs, m.o.Timeout
	q, start, end, base, generation := b.query, b.start, b.end, b.base, b.generation
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 2*timeout) // several queries, one after another
		defer cancel()
		found, err := findPatterns(ctx, logs, q, start, end, base)
		return patternsMsg{b, generation, found, err}
	}
}

// lastDeploy is when one service was last deployed; zero: it is not known, or the lines are of several.
func (m *Model) lastDeploy(services []string) time.Time {
	if len(services) != 1 {
		return time.Time{}
	}
	for i := len(m.snap.History) - 1; i >= 0; i-- {
		if h := &m.snap.History[i]; h.Service == services[0] && (h.Kind == fleet.DeployStarted || h.Kind == fleet.Created) {
			return h.Time
		}
	}
	if v := m.snap.Service(services[0]); v != nil {
		return v.UpdateStarted
	}
	return time.Time{}
}

// findPatterns reads the patterns of a window, and of the time before base, and tells which are new.
func findPatterns(ctx context.Context, logs sources.Logs, q sources.LogQuery, start, end, base time.Time) (minedPatterns, error) {
	var out minedPatterns
	length := max(end.Sub(start), baselineLeast)
	var now, before readPatterns
	var err, baseErr error
	var wg sync.WaitGroup
	wg.Go(func() { now, err = patternsIn(ctx, logs, q, start, end) })
	wg.Go(func() { before, baseErr = patternsIn(ctx, logs, q, base.Add(-length), base) })
	wg.Wait()
	if err != nil {
		return out, err
	}
	out.how = now.how
	fresh := map[string]bool{}
	switch {
	case baseErr != nil:
		out.base = "what was there before could not be read: " + baseErr.Error()
	case before.lines == 0 && len(before.known) == 0:
		out.base = "no line is stored of the time before, so nothing can be called new"
		if logs.Name() == "docker" {
			out.base = "Docker keeps no line of the time before, or not of tasks that Swarm has forgotten: nothing can be called new"
		}
	default:
		candidates := append(patterns.New(before.known, now.known), patterns.New(before.mined, now.mined)...)
		candidates = slices.DeleteFunc(candidates, func(p sources.Pattern) bool { return p.Last.Before(base) })
		for _, p := range verify(ctx, logs, q, candidates, base.Add(-length), base) {
			fresh[p.Level.String()+p.Text] = true
		}
	}
	total := 0
	all := append(slices.Clone(now.known), now.mined...)
	for i := range all {
		total += all[i].Count
	}
	for _, p := range all {
		out.rows = append(out.rows, patternRow{p, fresh[p.Level.String()+p.Text], float64(p.Count) / float64(max(total, 1))})
	}
	orderPatterns(out.rows, start, end)
	return out, nil
}

// orderPatterns puts what is new first, what has grown most of it first: a burst of a harmless line is what one looks for among rare errors. Of what grows
// as much the worse level is first. What is not new is by number.
func orderPatterns(rows []patternRow, start, end time.Time) {
	grown := make(map[string]float64, len(rows))
	key := func(r *patternRow) string { return r.Level.String() + r.Text }
	for i := range rows {
		grown[key(&rows[i])] = patterns.Grown(&rows[i].Pattern, end.Add(-end.Sub(start)/4), start, end)
	}
	slices.SortStableFunc(rows, func(a, b patternRow) int {
		switch {
		case a.new != b.new:
			if a.new {
				return -1
			}
			return 1
		case a.new:
			return cmp.Or(cmp.Compare(grown[key(&b)], grown[key(&a)]), int(b.Level)-int(a.Level), b.Count-a.Count)
		}
		return b.Count - a.Count
	})
}

// verify keeps of patterns that seem new those of which the source has no line before.
func verify(ctx context.Context, logs sources.Logs, q sources.LogQuery, list []sources.Pattern, since, until time.Time) []sources.Pattern {
	known := make([]bool, len(list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range list[:min(len(list), verified)] {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ask := q
			ask.Pattern, ask.Since, ask.Until, ask.Limit = list[i].Text, since, until, 1
			page, err := logs.Query(ctx, ask)
			known[i] = err == nil && len(page.Entries) > 0
		})
	}
	wg.Wait()
	var out []sources.Pattern
	for i := range list {
		if !known[i] {
			out = append(out, list[i])
		}
	}
	return out
}

// readPatterns are the source's own patterns and those that were mined here, each line in one of them.
type readPatterns struct {
	known, mined []sources.Pattern
	lines        int // that were mined
	how          string
}

// patternsIn asks the source for patterns; where it has none all lines are mined here, else those of warn and above, since
// a source tells only of frequent ones.
func patternsIn(ctx context.Context, logs sources.Logs, q sources.LogQuery, start, end time.Time) (readPatterns, error) {
	var out readPatterns
	step := max((end.Sub(start) / 40).Truncate(10*time.Second), 10*time.Second)
	own, err := sources.Patterner(nil), error(nil)
	if p, ok := logs.(sources.Patterner); ok && q.Expr == "" {
		own = p
		ask := q
		ask.Since, ask.Until = start, end
		if out.known, err = p.Patterns(ctx, ask, step); err != nil {
			own, out.known = nil, nil
			if k := sources.KindOf(err); k != sources.NotFound && k != sources.BadQuestion {
				return out, err
			}
		}
	}
	ask := q
	ask.Since, ask.Until, ask.Limit = start, end, mineLines
	if own != nil {
		ask.Levels = []sources.Level{sources.LevelWarn, sources.LevelError, sources.LevelFatal}
	}
	page, err := logs.Query(ctx, ask)
	if err != nil && len(page.Entries) == 0 {
		if own != nil {
			out.how = logs.Name() + "'s own; rare ones could not be read"
			return out, nil
		}
		return out, err
	}
	m := patterns.NewMiner(patterns.Options{From: start.Truncate(step), Step: step})
	for i := range page.Entries {
		m.Add(&page.Entries[i])
	}
	out.lines = m.Lines()
	for _, p := range m.Patterns() {
		if !slices.ContainsFunc(out.known, func(k sources.Pattern) bool { return k.Level == p.Level && patterns.Match(k.Text, p.Sample) }) {
			out.mined = append(out.mined, p)
		}
	}
	cut := ""
	if page.More {
		cut = ", the newest of more"
	}
	switch {
	case own != nil:
		out.how = fmt.Sprintf("%s's own, and rare ones of level warn and above mined from %s%s", logs.Name(), count(out.lines, "line"), cut)
	default:
		out.how = "mined from " + count(out.lines, "line") + cut
	}
	return out, nil
}

func (b *patternsBox) apply(_ *Model, msg patternsMsg) {
	if msg.generation != b.generation {
		return
	}
	b.loading, b.err, b.found, b.rows = false, msg.err, msg.found, msg.found.rows
	ids := make([]string, len(b.rows))
	for i := range b.rows {
		ids[i] = fmt.Sprint(i)
	}
	b.list.setRows(ids)
	b.list.moveTo(0)
}

func (b *patternsBox) title() string {
	n := 0
	for i := range b.rows {
		if b.rows[i].new {
			n++
		}
	}
	t := "patterns"
	if len(b.rows) > 0 {
		t += fmt.Sprintf(" · %d, %d new", len(b.rows), n)
	}
	return t
}

func (b *patternsBox) paste(string)             {}
func (b *patternsBox) size(m *Model) (w, h int) { return m.w - 4, m.h - 4 }

// since says what new means.
func (b *patternsBox) since(m *Model) string {
	what := "new: not in the " + spanWord(max(b.end.Sub(b.start), baselineLeast)) + " before "
	if b.deploy {
		return what + "the deploy at " + m.clock(b.base)
	}
	return what + m.clock(b.base)
}

func (b *patternsBox) lines(m *Model, w, h int) []string {
	foot := &page{w: w}
	foot.hints(m, "enter", "only these lines", "x", "hide them", "c", "copy", "esc", "back")
	head := &page{w: w}
	switch {
	case b.loading:
		return append(emptyLines(m.st, "looking for patterns", w, h-len(foot.lines)), foot.lines...)
	case b.err != nil:
		text, next := errorWords(b.err)
		return append(emptyLines(m.st, text+" "+next, w, h-len(foot.lines)), foot.lines...)
	}
	words := b.since(m)
	if b.found.base != "" {
		words = b.found.base
	}
	head.drawn(m.st.Muted.Render(plain.Fit(" "+inLine(words), w)))
	head.drawn(m.st.Muted.Render(plain.Fit(" "+inLine(b.found.how), w)))
	room := h - len(head.lines) - len(foot.lines)
	if len(b.rows) == 0 {
		head.lines = append(head.lines, emptyLines(m.st, "no line in this time", w, room)...)
		return append(head.lines, foot.lines...)
	}
	about := b.sampleLines(m, w, 2)
	b.list.setHeight(room - 1 - len(about))
	cols := []column{{title: "", width: 3}, {title: "LEVEL", width: 5}, {title: "LINES", width: 7, right: true}, {title: "SHARE", width: 5, right: true, drop: 2},
		{title: "OVER TIME", width: 16, drop: 3}, {title: "FIRST", width: 12, drop: 1}, {title: "PATTERN", width: 20, flex: true}}
	table := b.list.draw(m.st, cols, w, room-len(about), true, func(id string, wide []int) []cell { return b.cells(m, id, wide) })
	return slices.Concat(head.lines, table, about, foot.lines)
}

func (b *patternsBox) cells(m *Model, id string, wide []int) []cell {
	r := b.row(id)
	st := m.st
	mark := cell{}
	if r.new {
		mark = cell{text: "NEW", style: st.Warn}
	}
	var points []sources.Point
	for _, p := range r.Points {
		points = append(points, sources.Point{T: p.Time, V: float64(p.Count)})
	}
	over := chart.Spark(points, b.start, b.end, wide[4], 0, st.ASCII)
	first := m.clock(r.First)
	if r.First.IsZero() {
		first = noFigure
	}
	return []cell{mark, {text: r.Level.String(), style: st.Levels[r.Level]}, {text: wholeNumber(float64(r.Count)), style: st.Text},
		{text: shareWord(r.share), style: st.Muted}, {text: over, style: st.Accent}, {text: first, style: st.Muted}, {text: inLine(patternGist(r.Text)), style: st.Text}}
}

// patternGist is a pattern as its lines are shown: of structured ones the message first.
func patternGist(text string) string {
	return logview.Gist(strings.ReplaceAll(text, ":"+patterns.Wildcard, `:"`+patterns.Wildcard+`"`)) // a number's place, too, is JSON then
}

func shareWord(f float64) string {
	if f > 0 && f < 0.01 {
		return "<1%"
	}
	return fmt.Sprintf("%.0f%%", 100*f)
}

func (b *patternsBox) row(id string) *patternRow {
	i := 0
	_, _ = fmt.Sscan(id, &i)
	return &b.rows[i]
}

// sampleLines show the selected pattern whole.
func (b *patternsBox) sampleLines(m *Model, w, most int) []string {
	id := b.list.selected()
	if id == "" {
		return nil
	}
	p := &page{w: w}
	p.hang(m.st.Accent, " ", b.row(id).Text)
	return p.exactly(most)
}

func (b *patternsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	id := b.list.selected()
	switch k.String() {
	case "esc", "ctrl+c", "q", "P":
		b.generation++
		return nil, true
	case "enter", "x", "!":
		if id == "" {
			return nil, false
		}
		hide := k.String() != "enter"
		if err := m.logs.top().AddPattern(b.row(id).Text, hide); err != nil {
			return m.say(inLine(err.Error())), false
		}
		return nil, !hide
	case "c":
		if id == "" {
			return nil, false
		}
		return tea.Batch(tea.SetClipboard(b.row(id).Text), m.say("copied the pattern")), false
	}
	b.list.handle(lookup(k, areaList))
	return nil, false
}
