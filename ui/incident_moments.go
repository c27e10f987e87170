package ui

import (
	"strings"

	"quarterdeck/incident"
	"quarterdeck/ui/plain"
)

// momentList offers moments at which the impact may have begun: not said, the evidence, and the moment that the console looks at.
type momentList struct {
	rows    []momentRow
	index   int
	picked  bool // somebody has chosen, so nothing else does
	loading bool
	came    grace // since the evidence has moved the cursor
	gaps    []incident.Gap
	err     error
}

type momentRow struct {
	moment incident.Moment
	text   string
	before bool // a change before it, not the impact
}

// newMoments begins with what is known without asking anybody.
func newMoments(m *Model) momentList {
	l := momentList{loading: true, rows: []momentRow{{text: "not set yet"}}}
	if !m.when.live() {
		at := m.when.moment(m.o.Now())
		l.rows = append(l.rows, momentRow{moment: incident.Moment{At: at}, text: "the moment under the cursor"})
	}
	return l
}

// apply takes the evidence in. The first is chosen, where nobody has chosen yet: it is shown with who says so, and enter takes it.
func (l *momentList) apply(m *Model, msg evidenceMsg) {
	l.loading, l.gaps, l.err = false, msg.gaps, msg.err
	first := incident.First(msg.proposed)
	for i := range msg.proposed {
		p := &msg.proposed[i]
		row := momentRow{moment: incident.Moment{At: p.At, By: p.Source + ": " + p.Text, Query: p.Query}, text: p.Source + ": " + p.Text, before: p.Before}
		l.rows = append(l.rows, row)
		if !l.picked && p == first {
			l.index = len(l.rows) - 1
			l.came.restart(m.o.Now())
		}
	}
}

func (l *momentList) move(by int) { l.index, l.picked = min(max(l.index+by, 0), len(l.rows)-1), true }

func (l *momentList) chosen() incident.Moment { return l.rows[l.index].moment }

// wait says why what is chosen cannot be taken yet; "": it can. What somebody has chosen can.
func (l *momentList) wait(m *Model) string {
	switch {
	case l.picked:
		return ""
	case l.loading:
		return "when it began is still being looked for: it is chosen once it stands here, or you choose one"
	case l.came.tooEarly(m.o.Now()):
		return "the moment has just come: enter again takes it, if it is right"
	}
	return ""
}

func (l *momentList) draw(m *Model, p *page) {
	p.add(m.st.Text, "When did the impact begin?")
	for i, r := range l.rows {
		when := "–"
		if r.moment.Known() {
			when = m.clock(r.moment.At)
		}
		text := plain.Fit(when, 13) + inLine(r.text)
		if r.before {
			text = plain.Fit(when, 13) + "(before it) " + inLine(strings.Replace(r.text, " before it:", ":", 1))
		}
		sign, style := "  ", m.st.Text
		if i == l.index {
			sign, style = m.st.Signs.Cursor+" ", m.st.Selection
		}
		p.drawn(style.Render(plain.Fit(sign+text, p.w)))
	}
	switch {
	case l.loading:
		p.add(m.st.Muted, m.st.Signs.Updating+" looking for evidence"+m.st.Signs.Ellipsis)
	case l.err != nil:
		text, _ := errorWords(l.err)
		p.sign(m.st.Warn, m.st.Signs.Warning, "no evidence could be looked for: "+text)
	case len(l.rows) == 1:
		p.add(m.st.Muted, "no evidence says when: look at the moment on a chart first, or set it later (t)")
	}
	for _, g := range l.gaps {
		p.sign(m.st.Muted, m.st.Signs.Unknown, "could not look: "+g.Source+", "+g.What)
	}
}
