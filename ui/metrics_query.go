package ui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// Bounds of a query by hand.
const (
	querySeries = 12  // drawn; the rest is counted
	queryRows   = 500 // of a table
	// queryMost is how many series are read whole; of more, the highest alone are asked for.
	queryMost = 200
	// completeWait is how long typing rests before names are asked for, completeMost how long an answer may take.
	completeWait = 60 * time.Millisecond
	completeMost = 5 * time.Second
)

// queryPane is PromQL by hand: the line it is written in, what may stand at the cursor, and what it gave.
type queryPane struct {
	input   textinput.Model
	editing bool
	query   string // that is asked; "": none yet
	table   bool
	answer  queryAnswer
	scroll  int
	rows    int // of the legend or the table, as drawn last

	typed  uint64 // rises with each change of the line
	offers sources.Completion
	from   uint64 // the change that the offers are for
	chosen int    // -1: none
	hasty  uint64 // the change for which the first offer is taken as soon as it comes: tab was faster
	past   []string
	place  int    // in the past; len(past): the line that is being written
	draft  string // that line
}

// queryAnswer is what a query gave.
type queryAnswer struct {
	query, filled string // as written, and as asked
	table         bool
	window        sources.Window
	series        []sources.Series
	all           int // series there were
	past          pastSeries
	warnings      []string
	took          time.Duration
	err           error
}

// queryMsg is sent when a query by hand was answered.
type queryMsg struct {
	generation uint64
	answer     queryAnswer
}

// completeMsg is sent when typing has rested, completedMsg when names have come.
type (
	completeMsg  struct{ typed uint64 }
	completedMsg struct {
		typed  uint64
		offers sources.Completion
	}
)

// pastQueriesMsg is sent when the past queries were read.
type pastQueriesMsg struct{ past []string }

// openQuery begins to write, or goes on with, a query by hand.
func (m *Model) openQuery() tea.Cmd {
	if m.o.Metrics == nil {
		return m.say("no Prometheus is configured: --prometheus or PROMETHEUS_URL")
	}
	if m.view != viewMetrics {
		m.open(viewMetrics)
	}
	p := &m.metrics
	if p.query != nil {
		p.query.editing = true
		return p.query.changed(m)
	}
	p.query = &queryPane{input: newInput(m.st, "› "), editing: true, chosen: -1}
	if m.st.ASCII {
		p.query.input.Prompt = "> "
	}
	load := p.query.changed(m)
	if m.o.Keeper == nil {
		return load
	}
	keeper := m.o.Keeper
	return tea.Batch(load, func() tea.Msg {
		past, err := keeper.Past("promql")
		if err != nil {
			past = nil // a history that cannot be read is none: the queries still work
		}
		return pastQueriesMsg{past}
	})
}

func (msg pastQueriesMsg) apply(m *Model) tea.Cmd {
	if q := m.metrics.query; q != nil {
		q.past = append(msg.past, q.past...)
		q.place = len(q.past)
		return q.changed(m)
	}
	return nil
}

// queryKey is what of a query by hand makes a new question.
func (p *metricsPane) queryKey(m *Model) string {
	if p.query == nil || p.query.query == "" || m.view != viewMetrics {
		return ""
	}
	return fmt.Sprint(p.query.query, "\x00", p.query.table, "\x00", m.when.at.UnixNano())
}

// request asks the query, for the shown time or at the moment.
func (q *queryPane) request(m *Model, service string) tea.Cmd {
	stack := ""
	if v := m.snap.Service(service); v != nil {
		stack = v.Stack
	}
	metrics, generation, now, timeout := m.o.Metrics, m.metrics.generation, m.o.Now, m.o.Timeout
	when, points, compare := m.when, m.chartPoints(), m.metrics.compare
	a := queryAnswer{query: q.query, filled: sources.FillService(q.query, service, stack), table: q.table}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		at := now()
		a.window.Start, a.window.End = when.window(at)
		a.window.Points = points
		if a.table {
			a.readTable(ctx, metrics, when.moment(at))
		} else {
			a.readRange(ctx, metrics)
			if a.err == nil {
				a.past.read(ctx, metrics, compare, a.filled, a.window, a.series)
			}
		}
		a.took = now().Sub(at)
		return queryMsg{generation, a}
	}
}

func (a *queryAnswer) readTable(ctx context.Context, metrics sources.Metrics, at time.Time) {
	got, err := metrics.Instant(ctx, a.filled, at)
	a.take(got, err, queryRows)
}

// readRange counts first: the series of a careless query can be more than a console should read.
func (a *queryAnswer) readRange(ctx context.Context, metrics sources.Metrics) {
	query, many := a.filled, 0
	if count, err := metrics.Instant(ctx, "count(\n"+query+"\n)", a.window.End); err == nil && len(count.Series) == 1 && len(count.Series[0].Points) == 1 {
		many = int(count.Series[0].Points[0].V)
	}
	if many > queryMost {
		query = fmt.Sprintf("topk(%d,\n%s\n)", querySeries, query)
	}
	got, err := metrics.Range(ctx, query, a.window)
	a.take(got, err, querySeries)
	if many > queryMost {
		a.all = max(a.all, many)
		a.warnings = append(a.warnings, fmt.Sprintf("%d series are too many to read: only the highest of each step are asked for", many))
	}
}

func (a *queryAnswer) take(got sources.MetricsAnswer, err error, most int) {
	a.err, a.warnings, a.all = err, got.Warnings, len(got.Series)
	if got.Query != "" {
		a.filled = got.Query
	}
	a.series = topSeries(got.Series, most)
}

func (msg queryMsg) apply(m *Model) tea.Cmd {
	p := &m.metrics
	if p.stale(msg.generation) || p.query == nil {
		return nil
	}
	p.loading = false
	p.query.answer = msg.answer
	if p.query.answer.err != nil && !p.query.editing && p.query.query == p.query.input.Value() {
		p.query.editing = true // the mistake is put right where it is
	}
	return p.again(m, msg.answer.window, msg.answer.err)
}

// run asks what is written.
func (q *queryPane) run(m *Model) tea.Cmd {
	text := strings.TrimSpace(q.input.Value())
	if text == "" {
		return m.say("an empty query asks nothing: esc leads back to the charts")
	}
	q.input.SetValue(text)
	q.query, q.editing, q.scroll = text, false, 0
	q.offers, q.chosen = sources.Completion{}, -1
	m.metrics.asked = "" // the same query may be asked again
	q.past = append(slices.DeleteFunc(q.past, func(o string) bool { return o == text }), text)
	q.place = len(q.past)
	if m.o.Keeper == nil {
		return nil
	}
	keeper := m.o.Keeper
	return func() tea.Msg {
		_ = keeper.Remember("promql", text) // the query itself is what matters
		return nil
	}
}

// changed plans a completion of what is written now.
func (q *queryPane) changed(m *Model) tea.Cmd {
	q.typed++
	q.chosen = -1
	if q.input.Value() == "" {
		q.offers, q.from = q.starts(m), q.typed
		return nil
	}
	typed := q.typed
	return tea.Tick(completeWait, func(time.Time) tea.Msg { return completeMsg{typed} })
}

// starts are what an empty line offers: past queries, the newest first, and those of the charts.
func (q *queryPane) starts(m *Model) sources.Completion {
	var c sources.Completion
	for i := len(q.past) - 1; i >= 0 && len(c.Offers) < sources.MaxOffers/2; i-- {
		c.Offers = append(c.Offers, sources.Offer{Text: q.past[i], Kind: "past"})
	}
	for _, r := range m.metrics.readings {
		if r.Answer.Query != "" {
			c.Offers = append(c.Offers, sources.Offer{Text: r.Answer.Query, Kind: "chart", Note: r.Name})
		}
	}
	return c
}

func (msg completeMsg) apply(m *Model) tea.Cmd {
	q := m.metrics.query
	if q == nil || !q.editing || q.typed != msg.typed {
		return nil
	}
	metrics, text, at := m.o.Metrics, q.input.Value(), q.cursor()
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), completeMost)
		defer cancel()
		c, _ := metrics.Complete(ctx, text, at) // the completion carries why it is less
		return completedMsg{msg.typed, c}
	}
}

func (msg completedMsg) apply(m *Model) tea.Cmd {
	if q := m.metrics.query; q != nil && q.typed == msg.typed {
		q.offers, q.from, q.chosen = msg.offers, msg.typed, -1
		selected := m.subject() // the likeliest of all values
		slices.SortStableFunc(q.offers.Offers, func(a, b sources.Offer) int {
			return cmp.Compare(offerRank(a, selected), offerRank(b, selected))
		})
		if q.hasty == q.typed && len(q.offers.Offers) > 0 {
			return q.accept(m, q.offers.Offers[0])
		}
	}
	return nil
}

func offerRank(o sources.Offer, selected string) int {
	if o.Kind == sources.OfferValue && strings.Trim(o.Text, `"`) == selected {
		return 0
	}
	return 1
}

// cursor is the byte of the line that the cursor is before.
func (q *queryPane) cursor() int {
	value := []rune(q.input.Value())
	return len(string(value[:min(q.input.Position(), len(value))]))
}

// fresh are the offers, if they are for the line as it is and would change it.
func (q *queryPane) fresh() []sources.Offer {
	offers, text := q.offers.Offers, q.input.Value()
	if q.from != q.typed || len(offers) == 1 && q.offers.To <= len(text) && offers[0].Text == text[q.offers.From:q.offers.To] {
		return nil
	}
	return offers
}

// accept puts an offer into the line.
func (q *queryPane) accept(m *Model, o sources.Offer) tea.Cmd {
	text := q.input.Value()
	from, to := min(q.offers.From, len(text)), min(q.offers.To, len(text))
	if o.Kind == "past" || o.Kind == "chart" {
		from, to = 0, len(text)
	}
	put := inLine(o.Text)
	cursor := len([]rune(text[:from])) + len([]rune(put)) - min(o.Back, len(put))
	q.input.SetValue(text[:from] + put + text[to:])
	q.input.SetCursor(cursor)
	return q.changed(m)
}

// queryInputKey gives a key to the line that a query is written in.
func (m *Model) queryInputKey(k tea.KeyPressMsg) tea.Cmd {
	q := m.metrics.query
	offers := q.fresh()
	switch k.String() {
	case "ctrl+c", "esc":
		if len(offers) > 0 && q.input.Value() != "" && k.String() == "esc" {
			q.offers = sources.Completion{}
			return nil
		}
		q.editing = false
		if q.query == "" {
			m.metrics.query = nil
		}
		return nil
	case "enter":
		if q.chosen >= 0 && q.chosen < len(offers) {
			return q.accept(m, offers[q.chosen])
		}
		return q.run(m)
	case "tab":
		if len(offers) > 0 {
			return q.accept(m, offers[max(q.chosen, 0)])
		}
		if q.from != q.typed {
			q.hasty = q.typed
		}
		return nil
	case "down":
		if q.place < len(q.past) {
			return q.recall(m, q.place+1)
		}
		q.chosen = min(q.chosen+1, len(offers)-1)
		return nil
	case "up":
		if q.chosen >= 0 {
			q.chosen--
			return nil
		}
		return q.recall(m, q.place-1)
	case "ctrl+p":
		return q.recall(m, q.place-1)
	case "ctrl+n":
		return q.recall(m, q.place+1)
	}
	before, at := q.input.Value(), q.input.Position()
	q.input, _ = q.input.Update(k)
	if q.input.Value() != before {
		q.place = len(q.past)
	}
	if q.input.Value() != before || q.input.Position() != at {
		return q.changed(m)
	}
	return nil
}

// recall puts a past query into the line; past the newest it is the one that was being written.
func (q *queryPane) recall(m *Model, to int) tea.Cmd {
	if to < 0 || to > len(q.past) {
		return nil
	}
	if q.place == len(q.past) {
		q.draft = q.input.Value()
	}
	q.place = to
	if to == len(q.past) {
		q.input.SetValue(q.draft)
	} else {
		q.input.SetValue(inLine(q.past[to]))
	}
	q.input.CursorEnd()
	cmd := q.changed(m)
	return cmd
}

// pasteQuery takes pasted text into the line.
func (m *Model) pasteQuery(text string) tea.Cmd {
	q := m.metrics.query
	pasteInto(&q.input, strings.Join(strings.Fields(text), " "))
	q.place = len(q.past)
	return q.changed(m)
}

// editingQuery tells whether keys go to the line that a query is written in.
func (m *Model) editingQuery() bool {
	return m.view == viewMetrics && m.metrics.query != nil && m.metrics.query.editing
}
