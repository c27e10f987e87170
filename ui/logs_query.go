package ui

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

const (
	// offersShown is how many offers are seen at once.
	offersShown = 10
	// queriesKept bounds the history of queries in a session.
	queriesKept = 100
	logQL       = "logql"
)

// queryBox takes LogQL by hand, with offers of what may stand at the cursor.
type queryBox struct {
	input   textinput.Model
	asked   uint64 // rises with each change: older offers are stale
	offers  sources.Completion
	waiting bool
	list    list
	picked  bool // the cursor is among the offers
	trying  uint64
	err     string // the source's own words
	at      int    // where in the query, from 0; -1: not told
	past    []string
	pastAt  int
	draft   string
}

// offersMsg is sent when a completion has come.
type offersMsg struct {
	box   *queryBox
	asked uint64
	offer sources.Completion
	err   error
}

// tryMsg is sent when a query was tried.
type tryMsg struct {
	box    *queryBox
	trying uint64
	expr   string
	past   []string
	err    error
}

func (m *Model) openLogQuery() tea.Cmd {
	if m.o.Logs == nil {
		return m.say(m.whyNoLogs())
	}
	if m.byDocker() {
		return m.say("the lines are Docker's own, and LogQL is Loki's: --loki or LOKI_ADDR; / filters what is here")
	}
	b := &queryBox{input: newInput(m.st, ""), at: -1}
	text := m.logs.expr
	if x, ok := m.o.Logs.(interface{ Explain(sources.LogQuery) string }); text == "" && ok && m.logs.key != "" {
		q, _ := narrowed(m.logs.query, m.logs.view.Filter())
		text = x.Explain(q)
	}
	b.input.SetValue(text)
	b.input.CursorEnd()
	b.past = slices.Clone(m.logs.queries)
	b.pastAt = len(b.past)
	m.overlay = b
	return tea.Batch(b.want(m), b.readPast(m))
}

// readPast brings in what was asked in earlier sessions.
func (b *queryBox) readPast(m *Model) tea.Cmd {
	keeper := m.o.Keeper
	if keeper == nil {
		return nil
	}
	return func() tea.Msg {
		past, err := keeper.Past(logQL)
		if err != nil || len(past) == 0 {
			return nil
		}
		return tryMsg{box: b, past: past}
	}
}

// want asks what may stand at the cursor, when typing pauses.
func (b *queryBox) want(m *Model) tea.Cmd {
	c, ok := m.o.Logs.(sources.LogCompleter)
	if !ok {
		return nil
	}
	b.asked++
	b.waiting = true
	asked, query, at := b.asked, b.input.Value(), byteAt(b.input.Value(), b.input.Position())
	since, until := m.when.window(m.o.Now())
	ask := func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		offer, err := c.Complete(ctx, query, at, since, until)
		return offersMsg{b, asked, offer, err}
	}
	return ask
}

// byteAt is the place in bytes of a place in characters.
func byteAt(s string, runes int) int {
	for i := range s {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s)
}

func (b *queryBox) apply(msg offersMsg) {
	if msg.asked != b.asked {
		return
	}
	b.waiting, b.offers, b.picked = false, msg.offer, false
	ids := make([]string, len(msg.offer.Offers))
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	b.list.setRows(ids)
	b.list.moveTo(0)
}

// take puts the offer under the cursor into the query.
func (b *queryBox) take() bool {
	i := b.list.index
	if i >= len(b.offers.Offers) {
		return false
	}
	o, text := b.offers.Offers[i], b.input.Value()
	from, to := min(b.offers.From, len(text)), min(b.offers.To, len(text))
	put := inLine(o.Text)
	if rest := text[to:]; o.Back > 0 && strings.HasPrefix(rest, put[len(put)-min(o.Back, len(put)):]) {
		put = put[:len(put)-o.Back] // what would stand behind the cursor is there already
		o.Back = 0
	}
	b.input.SetValue(text[:from] + put + text[to:])
	b.input.SetCursor(len([]rune(text[:from] + put[:max(len(put)-o.Back, 0)])))
	b.err, b.at = "", -1
	return true
}

func (b *queryBox) title() string            { return "LogQL" }
func (b *queryBox) size(m *Model) (w, h int) { return m.w - 4, min(offersShown+7, m.h-4) }
func (b *queryBox) paste(text string)        { pasteInto(&b.input, text) }

func (b *queryBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		if b.picked {
			b.picked = false
			return nil, false
		}
		b.asked++
		b.trying++
		return nil, true
	case "tab", "ctrl+space":
		if b.take() {
			return b.want(m), false
		}
		return nil, false
	case "enter":
		if b.picked && b.take() {
			return b.want(m), false
		}
		return b.try(m), false
	case "down", "ctrl+n", "pgdown":
		if !b.picked {
			b.picked = len(b.list.ids) > 0
			return nil, false
		}
		b.list.handle(map[bool]act{true: actPageDown, false: actDown}[k.String() == "pgdown"])
		return nil, false
	case "up", "pgup":
		if b.picked {
			if b.list.index == 0 {
				b.picked = false
			}
			b.list.handle(map[bool]act{true: actPageUp, false: actUp}[k.String() == "pgup"])
			return nil, false
		}
		return b.recall(m, -1), false
	case "ctrl+p":
		return b.recall(m, -1), false
	case "ctrl+o":
		return b.recall(m, 1), false
	}
	before, at := b.input.Value(), b.input.Position()
	b.input, _ = b.input.Update(k)
	if b.input.Value() == before && b.input.Position() == at {
		return nil, false
	}
	if b.input.Value() != before {
		b.err, b.at = "", -1
	}
	b.picked = false
	return b.want(m), false
}

// recall goes through the queries of before.
func (b *queryBox) recall(m *Model, step int) tea.Cmd {
	to := b.pastAt + step
	if to < 0 || to > len(b.past) {
		return nil
	}
	if b.pastAt == len(b.past) {
		b.draft = b.input.Value()
	}
	b.pastAt = to
	text := b.draft
	if to < len(b.past) {
		text = b.past[to]
	}
	b.input.SetValue(oneLine(text))
	b.input.CursorEnd()
	b.err, b.at = "", -1
	return b.want(m)
}

// try asks for one line: what is wrong with a query the source says best.
func (b *queryBox) try(m *Model) tea.Cmd {
	expr := strings.TrimSpace(b.input.Value())
	if expr == "" {
		m.logs.expr = ""
		m.overlay = nil
		return nil
	}
	b.trying++
	b.err, b.at = "asking …", -1
	trying, logs, keeper := b.trying, m.o.Logs, m.o.Keeper
	q := sources.LogQuery{Expr: expr, Limit: 1}
	q.Since, q.Until = m.when.window(m.o.Now())
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		_, err := logs.Query(ctx, q)
		if err == nil && keeper != nil {
			_ = keeper.Remember(logQL, expr) // a history that cannot be kept is no reason not to answer
		}
		return tryMsg{box: b, trying: trying, expr: expr, err: err}
	}
}

var errorPlace = regexp.MustCompile(`line (\d+), col (\d+)`)

func (b *queryBox) applyTry(m *Model, msg tryMsg) tea.Cmd {
	if msg.past != nil {
		b.past = append(slices.DeleteFunc(msg.past, func(s string) bool { return slices.Contains(b.past, s) }), b.past...)
		if b.draft == "" {
			b.pastAt = len(b.past)
		}
		return nil
	}
	if msg.trying != b.trying || m.overlay != overlay(b) {
		return nil
	}
	if msg.err != nil {
		b.err, b.at = msg.err.Error(), -1
		if p := errorPlace.FindStringSubmatch(b.err); p != nil {
			line, _ := strconv.Atoi(p[1])
			col, _ := strconv.Atoi(p[2])
			if line == 1 {
				b.at = col - 1
			}
		}
		return nil
	}
	m.logs.queries = append(slices.DeleteFunc(m.logs.queries, func(s string) bool { return s == msg.expr }), msg.expr)
	if n := len(m.logs.queries); n > queriesKept {
		m.logs.queries = m.logs.queries[n-queriesKept:]
	}
	m.overlay = nil
	m.logs.expr = msg.expr
	m.open(viewLogs)
	m.focus = paneLogs
	return nil
}

func (b *queryBox) lines(m *Model, w, h int) []string {
	st := m.st
	b.input.SetWidth(w - 2)
	p := &page{w: w}
	p.drawn(b.input.View())
	switch {
	case b.at >= 0:
		p.drawn(st.Error.Render(strings.Repeat(" ", min(b.at, w-2)) + "^"))
		p.add(st.Error, b.err)
	case b.err != "":
		p.drawn("")
		p.add(st.Warn, b.err)
	case b.offers.Reason != "":
		p.drawn("")
		p.add(st.Muted, b.offers.Reason)
	default:
		p.drawn("")
	}
	foot := &page{w: w}
	if b.picked {
		foot.hints(m, "enter", "takes the offer", "↑↓", "others", "esc", "back to the query")
	} else {
		foot.hints(m, "enter", "asks", "tab", "takes the first offer", "↓", "offers", "↑", "earlier queries", "esc", "back")
	}
	room := h - len(p.lines) - len(foot.lines)
	if room > 0 {
		p.lines = append(p.lines, b.offerLines(m, w, room)...)
	}
	return append(p.exactly(h-len(foot.lines)), foot.lines...)
}

// offerLines are the offers: text, what it is.
func (b *queryBox) offerLines(m *Model, w, h int) []string {
	st := m.st
	b.list.setHeight(h)
	var out []string
	for i := b.list.offset; i < len(b.offers.Offers) && len(out) < h; i++ {
		o := b.offers.Offers[i]
		note := o.Note
		if note == "" {
			note = string(o.Kind)
		}
		left := plain.Fit("  "+inLine(o.Text), w*60/100)
		right := plain.Fit(" "+inLine(note), w-plain.Width(left))
		if i == b.list.index && b.picked {
			out = append(out, st.Selection.Render(left+right))
			continue
		}
		style := st.Text
		if i == 0 && !b.picked {
			style = st.Accent
		}
		out = append(out, style.Render(left)+st.Muted.Render(right))
	}
	if n := b.offers.More; n > 0 && len(out) == h && h > 1 {
		out[h-1] = st.Muted.Render(plain.Fit("  and "+count(n, "other")+": type more", w))
	}
	return out
}
