package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
)

// facetTop is how many values of a field are counted.
const facetTop = 20

// facetsBox shows the labels and fields of the lines, with how many lines have each value.
type facetsBox struct {
	generation uint64
	query      sources.LogQuery
	fields     list
	values     list
	inValues   bool // the cursor is in the values
	facets     []sources.Facet
	counts     map[string]*facetCounts
	loading    bool
	here       string // why they are counted in what is loaded; "" : by the source over the whole time
	err        error
	asked      uint64 // rises with each field that the cursor goes to
}

type facetCounts struct {
	values []sources.FacetValue
	err    error
	done   bool
	loaded bool // counted in what is loaded
}

// facetsMsg is sent when labels and fields were listed, or could not be.
type facetsMsg struct {
	box        *facetsBox
	generation uint64
	facets     []sources.Facet
	counts     map[string]*facetCounts // of those in what is loaded
	here       string
	err        error
}

// facetValuesMsg is sent when the values of a field were counted.
type facetValuesMsg struct {
	box    *facetsBox
	name   string
	counts *facetCounts
}

func (m *Model) openFacets() tea.Cmd {
	if m.logs.key == "" {
		return m.say(m.whyNoLogs())
	}
	b := &facetsBox{generation: 1, loading: true, counts: map[string]*facetCounts{}}
	b.query, _ = narrowed(m.logs.shown().query, m.logs.top().Filter())
	b.query.Since, b.query.Until = m.when.window(m.o.Now())
	m.overlay = b
	loaded := m.logs.top().Entries()
	logs, q, generation := m.o.Logs, b.query, b.generation
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		msg := facetsMsg{box: b, generation: generation}
		f, ok := logs.(sources.Faceter)
		if ok {
			msg.facets, msg.err = f.Facets(ctx, q)
		}
		if !ok || msg.err != nil {
			if ok {
				msg.here = "counted in what is loaded: " + msg.err.Error()
			} else {
				msg.here = "counted in what is loaded"
			}
			msg.facets, msg.counts = countLoaded(loaded)
			msg.err = nil
		}
		return msg
	}
}

// countLoaded counts the fields and labels of lines that are there.
func countLoaded(each func(func(*sources.Entry) bool)) ([]sources.Facet, map[string]*facetCounts) {
	values := map[string]map[string]float64{}
	kinds := map[string]sources.FacetKind{}
	const mostValues, mostFields = 2000, 200
	see := func(name, value string, kind sources.FacetKind) {
		if values[name] == nil {
			if len(values) >= mostFields {
				return
			}
			values[name], kinds[name] = map[string]float64{}, kind
		}
		if v := values[name]; len(v) < mostValues || v[value] > 0 {
			v[strings.Clone(value)]++
		}
	}
	each(func(e *sources.Entry) bool {
		for k, v := range e.Stream.Labels {
			see(k, v, sources.FacetLabel)
		}
		if e.Stream.Labels == nil {
			see("service", e.Stream.Service, sources.FacetLabel)
			see("node", e.Stream.Node, sources.FacetLabel)
		}
		if e.Level != sources.LevelUnknown {
			see("level", e.Level.String(), sources.FacetMeta)
		}
		logview.FieldsOf(e.Line, func(k, v string) { see(k, v, sources.FacetField) })
		return true
	})
	counts := map[string]*facetCounts{}
	var facets []sources.Facet
	for name, v := range values {
		c := &facetCounts{done: true, loaded: true}
		for value, n := range v {
			c.values = append(c.values, sources.FacetValue{Value: value, Count: n})
		}
		slices.SortFunc(c.values, func(a, b sources.FacetValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
		})
		facets = append(facets, sources.Facet{Name: name, Kind: kinds[name], Values: len(c.values)})
		c.values = c.values[:min(len(c.values), facetTop)]
		counts[name] = c
	}
	slices.SortFunc(facets, func(a, b sources.Facet) int {
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), strings.Compare(a.Name, b.Name))
	})
	return facets, counts
}

func (b *facetsBox) apply(m *Model, msg facetsMsg) tea.Cmd {
	if msg.generation != b.generation {
		return nil
	}
	b.loading, b.err, b.facets, b.here = false, msg.err, msg.facets, msg.here
	if msg.counts != nil {
		b.counts = msg.counts
	}
	ids := make([]string, len(b.facets))
	for i := range b.facets {
		ids[i] = b.facets[i].Name
	}
	b.fields.setRows(ids)
	names := make([]string, len(b.facets))
	for i := range b.facets {
		names[i] = columnKey(&b.facets[i])
	}
	m.logs.top().KnowFields(names)
	return b.wantValues(m)
}

func (b *facetsBox) facet() *sources.Facet {
	for i := range b.facets {
		if b.facets[i].Name == b.fields.selected() {
			return &b.facets[i]
		}
	}
	return nil
}

// wantValues counts the values of the field under the cursor, when it stands still.
func (b *facetsBox) wantValues(m *Model) tea.Cmd {
	f := b.facet()
	if f == nil {
		return nil
	}
	if c := b.counts[f.Name]; c != nil {
		b.setValues(c)
		return nil
	}
	b.values.setRows(nil)
	b.asked++
	asked, facet, logs, q := b.asked, *f, m.o.Logs, b.query
	source, ok := logs.(sources.Faceter)
	if !ok {
		return nil
	}
	return func() tea.Msg {
		time.Sleep(SettleTime) // in a command: the interface goes on
		if asked != b.asked {
			return nil
		}
		ctx, cancel := m.queryContext()
		defer cancel()
		c := &facetCounts{done: true}
		c.values, c.err = source.FacetValues(ctx, q, facet, facetTop)
		return facetValuesMsg{b, facet.Name, c}
	}
}

func (b *facetsBox) applyValues(msg facetValuesMsg) {
	b.counts[msg.name] = msg.counts
	if b.fields.selected() == msg.name {
		b.setValues(msg.counts)
	}
}

func (b *facetsBox) setValues(c *facetCounts) {
	ids := make([]string, len(c.values))
	for i := range c.values {
		ids[i] = c.values[i].Value
	}
	b.values.setRows(ids)
}

func (b *facetsBox) title() string            { return "fields" }
func (b *facetsBox) paste(string)             {}
func (b *facetsBox) size(m *Model) (w, h int) { return min(m.w-4, 130), m.h - 4 }

func (b *facetsBox) lines(m *Model, w, h int) []string {
	foot := &page{w: w}
	if b.inValues {
		foot.hints(m, "enter", "only these lines", "!", "without them", "←", "fields", "esc", "back")
	} else {
		foot.hints(m, "enter →", "values", "space", "as a column", "esc", "back")
	}
	room := h - len(foot.lines) - 1
	words := "over " + spanWord(b.query.Until.Sub(b.query.Since)) + ", all lines that the filter lets pass as far as the source can tell"
	if b.here != "" {
		words = b.here
	}
	head := []string{m.st.Muted.Render(plain.Fit(" "+inLine(words), w))}
	if b.loading {
		return slices.Concat(head, emptyLines(m.st, "looking for fields", w, room), foot.lines)
	}
	if len(b.facets) == 0 {
		return slices.Concat(head, emptyLines(m.st, "no line in this time", w, room), foot.lines)
	}
	if w < 70 {
		body := b.fieldLines(m, w, room)
		if b.inValues {
			body = b.valueLines(m, w, room)
		}
		return slices.Concat(head, body, foot.lines)
	}
	left := w * 42 / 100
	body := beside(b.fieldLines(m, left, room), b.valueLines(m, w-left-3, room), " "+m.st.Border.Render(m.st.Signs.Bar)+" ")
	return slices.Concat(head, body, foot.lines)
}

func (b *facetsBox) fieldLines(m *Model, w, h int) []string {
	b.fields.setHeight(h - 1)
	at := map[string]*sources.Facet{}
	for i := range b.facets {
		at[b.facets[i].Name] = &b.facets[i]
	}
	columns := m.logs.top().FieldColumns()
	cols := []column{{title: "", width: 1}, {title: "FIELD", width: 14, flex: true}, {title: "OF", width: 5, drop: 1}, {title: "TYPE", width: 8, drop: 2}, {title: "VALUES", width: 6, right: true}}
	return b.fields.draw(m.st, cols, w, h, !b.inValues, func(id string, _ []int) []cell {
		f := at[id]
		mark := ""
		if slices.Contains(columns, columnKey(f)) {
			mark = m.st.Signs.Mark
		}
		return []cell{{text: mark, style: m.st.Accent}, {text: inLine(f.Name), style: m.st.Text}, {text: string(f.Kind), style: m.st.Muted},
			{text: inLine(f.Type), style: m.st.Muted}, {text: fmt.Sprint(f.Values), style: m.st.Text}}
	})
}

func (b *facetsBox) valueLines(m *Model, w, h int) []string {
	f := b.facet()
	c := b.counts[f.Name]
	switch {
	case c == nil:
		return emptyLines(m.st, "counting "+f.Name, w, h)
	case c.err != nil:
		text, next := errorWords(c.err)
		return emptyLines(m.st, strings.TrimSpace(text+" "+next), w, h)
	case len(c.values) == 0:
		return emptyLines(m.st, "no line of this time has "+f.Name, w, h)
	}
	b.values.setHeight(h - 1)
	total, most := 0.0, 0.0
	by := map[string]float64{}
	for _, v := range c.values {
		total += v.Count
		most = max(most, v.Count)
		by[v.Value] = v.Count
	}
	const bar = 12
	cols := []column{{title: "LINES", width: 9, right: true}, {title: "SHARE", width: 5, right: true, drop: 2}, {title: "", width: bar, drop: 1}, {title: "VALUE OF " + inLine(f.Name), width: 12, flex: true}}
	return b.values.draw(m.st, cols, w, h, b.inValues, func(id string, _ []int) []cell {
		n := by[id]
		return []cell{{text: wholeNumber(n), style: m.st.Text}, {text: shareWord(n / total), style: m.st.Muted},
			{text: strings.Repeat(m.st.Signs.Rule, max(int(n/most*bar+0.5), 1)), style: m.st.Accent}, {text: inLine(id), style: m.st.Text}}
	})
}

// columnKey is under which name a facet's value is found in a line.
func columnKey(f *sources.Facet) string {
	if f.Name == "detected_level" {
		return "level"
	}
	return f.Name
}

func (b *facetsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	f := b.facet()
	switch s := k.String(); {
	case s == "esc" && b.inValues, b.inValues && (s == "left" || s == "h" || s == "shift+tab" || s == "tab"):
		b.inValues = false
		return nil, false
	case s == "esc", s == "ctrl+c", s == "q", s == "T":
		b.generation++
		return nil, true
	case f == nil:
		return nil, false
	case !b.inValues && (s == "enter" || s == "right" || s == "l" || s == "tab"):
		b.inValues = len(b.values.ids) > 0
		return nil, false
	case s == "space":
		return b.toggleColumn(m, columnKey(f)), false
	case b.inValues && (s == "enter" || s == "!"):
		term := logview.FieldTerm{Key: columnKey(f), Op: "=", Value: b.values.selected()}
		if s == "!" {
			term.Op = "!="
		}
		if err := m.logs.top().Add(term); err != nil {
			return m.say(inLine(err.Error())), false
		}
		return nil, s == "enter"
	}
	if b.inValues {
		b.values.handle(lookup(k, areaList))
		return nil, false
	}
	if b.fields.handle(lookup(k, areaList)) {
		return b.wantValues(m), false
	}
	return nil, false
}

// toggleColumn makes a field a column of the lines, or no more.
func (b *facetsBox) toggleColumn(m *Model, key string) tea.Cmd {
	v := m.logs.top()
	now := v.FieldColumns()
	if i := slices.Index(now, key); i >= 0 {
		v.SetFieldColumns(slices.Delete(now, i, i+1))
		return nil
	}
	v.SetFieldColumns(append(now, key))
	if len(v.FieldColumns()) == len(now) {
		return m.say("six columns are the most")
	}
	return nil
}
