package ui

import (
	"fmt"
	"slices"
	"strings"

	"quarterdeck/diagnosis"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// How the box of causes is drawn.

func (b *causesBox) lines(m *Model, w, h int) []string {
	foot := &page{w: w}
	foot.hints(m, b.hints(w)...)
	shown := min(len(b.list.ids), max(h/4, 1))
	b.list.setHeight(shown)
	out := []string{b.headLine(m, w)}
	names := 0
	for _, id := range b.list.ids {
		names = max(names, plain.Width(inLine(b.rows[id].about())))
	}
	for i := b.list.offset; i < min(b.list.offset+shown, len(b.list.ids)); i++ {
		out = append(out, b.row(m, b.rows[b.list.ids[i]], i == b.list.index, min(names, 28, w/4), w))
	}
	out = append(out, m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w)))
	b.tall = max(h-len(out)-1-len(foot.lines), 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out = append(out, p.window(b.scroll.at, b.tall)...)
	out = append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)
	return out[:min(h, len(out))]
}

// headLine tells how far the investigation is, and what could not be looked at.
func (b *causesBox) headLine(m *Model, w int) string {
	r := &b.q.report
	var text string
	style := m.st.Muted
	switch {
	case b.q.err != nil:
		text, style = inLine(b.q.err.Error()), m.st.Error
	case !b.q.known:
		text = "looking" + m.st.Signs.Ellipsis
	case len(r.Causes) == 0 && r.Done:
		text, style = inLine(r.Outcome()), m.st.Text
	case len(r.Causes) == 0:
		text = "nothing yet; logs and metrics are being asked" + m.st.Signs.Ellipsis
	default:
		text = count(len(r.Causes), "cause") + ", the likeliest first"
		if slices.ContainsFunc(r.Causes, func(c diagnosis.Cause) bool { return c.EffectOf != "" }) {
			text += ", then effects"
		}
		if open := r.Unexplained(); len(open) > 0 {
			text += "; without a cause: " + diagnosis.Tally(open)
		}
	}
	if b.q.known && b.q.err == nil {
		text += fmt.Sprintf(" · as of %s, %.1f s", m.clock(r.At), r.Took.Seconds())
		if b.q.running {
			text += ", still asking" + m.st.Signs.Ellipsis
		}
	}
	if b.kept {
		text += " · order is of " + m.clock(b.ordered)
	}
	for _, l := range r.Looked {
		if r.Done && l.State != "looked" {
			style = m.st.Warn
			text += " · " + inLine(l.Source) + " " + l.State
		}
	}
	return style.Render(plain.Fit(text, w))
}

// causeStyle is by how sure it is; the figure says the same without colour.
func (m *Model) causeStyle(c *diagnosis.Cause) theme.Style {
	switch {
	case c.EffectOf != "":
		return m.st.Muted
	case c.Confidence >= diagnosis.Confident:
		return m.st.Error
	case c.Confidence >= 0.5:
		return m.st.Warn
	}
	return m.st.Text
}

// row is a row's sentence; the rule's name stands behind it where there is room for both.
func (b *causesBox) row(m *Model, r causeRow, selected bool, names, w int) string {
	head, style, id := "  ?", m.st.Warn, ""
	var text string
	if c := r.cause; c != nil {
		head, style, id = sure(c), m.causeStyle(c), " "+c.ID+" "
		text = inLine(c.Title)
		if c.EffectOf != "" {
			text += "  (an effect of " + inLine(c.EffectOf) + ")"
		}
	} else {
		text = inLine(r.trouble.Words()) + ": no cause found yet"
	}
	text = " " + head + " " + plain.Fit(inLine(r.about()), names) + "  " + text
	if plain.Width(text)+plain.Width(id) > w {
		id = ""
	}
	line := plain.Fit(text, w-plain.Width(id))
	if selected {
		return m.st.Selection.Render(line + id)
	}
	return style.Render(line) + m.st.Muted.Render(id)
}

func (b *causesBox) page(m *Model, w int) *page {
	p := &page{w: w}
	r, ok := b.selected()
	switch {
	case ok && r.cause != nil:
		b.aboutCause(m, p, r.cause)
		p.gap()
	case ok:
		b.aboutTrouble(m, p, r.trouble)
		p.gap()
	}
	if !b.q.known {
		return p
	}
	if !ok {
		b.aboutElsewhere(m, p)
	}
	p.add(m.st.Title, "looked at")
	for _, l := range b.q.report.Looked {
		style, sign := m.st.Muted, m.st.Signs.OK
		if l.State != "looked" {
			style, sign = m.st.Warn, m.st.Signs.Warning
		}
		text := l.Source + " " + l.State
		if l.Detail != "" {
			text += ": " + l.Detail
		}
		p.sign(style, " "+sign, text)
	}
	if n := len(b.q.report.Left); n > 0 {
		p.sign(m.st.Warn, " "+m.st.Signs.Warning, fmt.Sprintf("%s not looked at closely, there are too many at once: %s", count(n, "service"), strings.Join(b.q.report.Left, ", ")))
	}
	if ok {
		p.gap()
		b.aboutElsewhere(m, p)
	}
	return p
}

// aboutTrouble tells of what is not well and has no cause.
func (b *causesBox) aboutTrouble(m *Model, p *page, t *diagnosis.Trouble) {
	p.sign(m.st.Warn, m.st.Signs.Warning, t.About()+": "+t.Words())
	if !t.Since.IsZero() {
		p.add(m.st.Muted, "since "+m.clock(t.Since)+", "+age(t.Since, b.q.report.At)+" ago")
	}
	p.add(m.st.Text, b.q.report.WhyNot(t))
}

// aboutElsewhere tells of what is not well and was not asked about.
func (b *causesBox) aboutElsewhere(m *Model, p *page) {
	if stray := b.q.report.Stray(); stray != "" {
		p.sign(m.st.Muted, " "+m.st.Signs.Warning, stray)
		p.gap()
	}
	list := b.q.report.Elsewhere
	if len(list) == 0 {
		return
	}
	p.drawn(m.st.Title.Render("elsewhere, not looked into here") + m.st.HintDesc.Render("  ") + m.st.HintKey.Render("tab") + m.st.HintDesc.Render(" why"))
	for i := range list[:min(len(list), 8)] {
		p.sign(m.st.Warn, " "+m.st.Signs.Warning, list[i].About()+": "+list[i].Words())
	}
	if n := len(list) - 8; n > 0 {
		p.add(m.st.Muted, fmt.Sprintf("   and %d more", n))
	}
	p.gap()
}

func (b *causesBox) aboutCause(m *Model, p *page, c *diagnosis.Cause) {
	p.sign(m.causeStyle(c), sure(c), c.Why)
	if !c.Since.IsZero() {
		p.add(m.st.Muted, "since "+m.clock(c.Since)+", "+age(c.Since, b.q.report.At)+" ago")
	}
	if c.EffectOf != "" {
		p.add(m.st.Text, "it follows from "+c.EffectOf)
	}
	if len(c.Next) > 0 {
		p.gap()
		p.add(m.st.Title, "next")
	}
	for i := range c.Next {
		s := &c.Next[i]
		if s.Command == "" {
			p.hang(m.st.Accent, " "+plain.Fit(nextKey(s), 6), s.Text)
			continue
		}
		p.hang(m.st.Accent, " "+plain.Fit("c", 6), strings.TrimSuffix(s.Text, " "+s.Command))
		p.command(m.st.Text, s.Command)
	}
	p.gap()
	p.add(m.st.Title, "evidence")
	for i := range c.Evidence {
		b.proof(m, p, m.st.Signs.OK, m.st.Text, c.Evidence, i)
	}
	for i := range c.Against {
		b.proof(m, p, m.st.Signs.Warning+" against it:", m.st.Warn, c.Against, i)
	}
	for _, e := range c.Effects {
		p.sign(m.st.Muted, " "+m.st.Signs.Updating, "brings about: "+e)
	}
	for i := range b.q.report.Troubles {
		if t := &b.q.report.Troubles[i]; slices.ContainsFunc(t.Causes, func(at int) bool { return &b.q.report.Causes[at] == c }) {
			word := "explains "
			if t.Perhaps {
				word = "perhaps explains "
			}
			p.sign(m.st.Muted, " "+m.st.Signs.Updating, word+t.About()+": "+t.Words())
		}
	}
}

// proof is one piece of evidence, and below it the question that shows the same: once for those that follow each other.
func (b *causesBox) proof(m *Model, p *page, sign string, style theme.Style, list []diagnosis.Proof, i int) {
	x := &list[i]
	when := ""
	if !x.At.IsZero() {
		when = m.clock(x.At) + "  "
	}
	p.sign(style, " "+sign, when+x.Text)
	if x.Query != "" && (i+1 == len(list) || list[i+1].Query != x.Query) {
		if head := "   " + x.Source + ": "; plain.Width(head)+plain.Width(inLine(x.Query)) <= p.w {
			p.hang(m.st.Muted, head, x.Query)
			return
		}
		p.add(m.st.Muted, "   "+x.Source+":")
		p.command(m.st.Muted, x.Query)
	}
}

// stepActs are the keys for what a cause names next, in the order of the hints.
var stepActs = map[string]act{"tasks": actTasks, "logs": actOpenLogs, "metrics": actOpenMetrics, "change": actChange, "rollback": actHistory, "undo": actUndo, "scale": actScale,
	"redeploy": actRedeploy, "nodes": actNodes, "alerts": actAlerts}

// hints are the keys that help with what is shown, and what they do: the way to what is not well first where nothing is here, else what the row under
// the cursor names next; the rest is told by ?.
func (b *causesBox) hints(w int) []string {
	r, ok := b.selected()
	one := b.q.question.Service != ""
	var tab, out []string
	switch elsewhere := b.q.report.Elsewhere; {
	case one && len(elsewhere) > 0:
		tab = []string{"tab", "all: " + diagnosis.Tally(elsewhere)}
	case one:
		tab = []string{"tab", "all"}
	case ok && r.service() != "" || b.from != "":
		tab = []string{"tab", "one service alone"}
	}
	if !ok {
		out = append(out, tab...)
	} else {
		if hint := b.enterHint(r); hint != "" {
			out = append(out, "enter", hint)
		}
		n := 2
		for _, step := range stepsOf(r) {
			if a, known := stepActs[step]; known && n > 0 {
				h := helpOf(a, areaCauses)
				out = append(out, h.Key, h.Desc)
				n--
			}
		}
		out = append(out, tab...)
	}
	if len(commandsOf(b.cause())) > 0 {
		out = append(out, "c", "copy the command")
	}
	again := helpOf(actRefresh, areaCauses)
	out = append(out, again.Key, again.Desc)
	if w >= 100 {
		save := helpOf(actSave, areaCauses)
		out = append(out, save.Key, save.Desc)
	}
	back := "close"
	if len(b.back) > 0 {
		back = "back"
	}
	return append(out, "?", "all keys", "esc", back)
}

// stepsOf are the actions that a row names next, each once; of what has no cause, where one looks for it.
func stepsOf(r causeRow) []string {
	if r.cause == nil {
		return []string{"logs", "metrics"}
	}
	var out []string
	for i := range r.cause.Next {
		if a := r.cause.Next[i].Action; !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// enterHint is what enter does with a row; "": nothing. See [causesBox.first].
func (b *causesBox) enterHint(r causeRow) string {
	switch {
	case r.cause != nil && !slices.ContainsFunc(r.cause.Next, func(s diagnosis.Step) bool { return s.Action != "" }):
		return ""
	case r.cause != nil:
		return "do what is next"
	case r.trouble.Service != "" && r.trouble.Service != b.q.question.Service:
		return "look into " + inLine(r.trouble.Service)
	case r.trouble.Alert != "":
		return "the alerts"
	case r.trouble.Kind == diagnosis.TroubledNode:
		return "the nodes"
	}
	return "its tasks"
}
