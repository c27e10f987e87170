package chart

import (
	"quarterdeck/ui/theme"
)

// fewMarks is up to how many moments get a line through the plot: more would hide it.
const fewMarks = 6

// drawMarks draws thin lines where the marks are; without a rule below the plot, also their signs.
func (p *drawing) drawMarks() {
	byColumn := p.marksByColumn()
	pens := p.markPens(p.c)
	for col, m := range byColumn {
		pen := pens[m.Kind]
		if !p.rule {
			p.c.force(col, p.c.h-1, firstRune(p.markSign(m.Kind)), pen)
		}
		if len(byColumn) > fewMarks {
			continue
		}
		line := '┊'
		if p.ASCII {
			line = ':'
		}
		for row := range p.c.h {
			p.c.put(col, row, line, pen)
		}
	}
}

func (p *drawing) markPens(c *canvas) (pens [MarkMoment + 1]uint8) {
	if len(p.Marks) == 0 {
		return pens
	}
	for k := range pens {
		pens[k] = c.addPen(p.markStyle(MarkKind(k)).Pen())
	}
	return pens
}

// marksByColumn keeps, of the marks that share a cell, the one that matters most.
func (p *drawing) marksByColumn() map[int]Mark {
	out := map[int]Mark{}
	for _, m := range p.Marks {
		x := p.column(m.Time, 2*p.c.w)
		if x < 0 {
			continue
		}
		m.Kind = min(max(m.Kind, MarkStart), MarkMoment)
		if old, ok := out[x/2]; !ok || m.Kind > old.Kind {
			out[x/2] = m
		}
	}
	return out
}

func (p *drawing) markStyle(k MarkKind) theme.Style { return MarkStyle(p.Styles, k) }

func (p *drawing) markSign(k MarkKind) string { return MarkSign(p.Styles, k) }

// MarkStyle is how a kind of mark is drawn.
func MarkStyle(st theme.Styles, k MarkKind) theme.Style {
	switch k {
	case MarkDeploy:
		return st.MarkDeploy
	case MarkAlert:
		return st.MarkAlert
	case MarkDeath:
		return st.MarkDeath
	case MarkAction:
		return st.Accent
	case MarkNode:
		return st.Warn
	case MarkMoment:
		return st.Cursor
	}
	return st.MarkStart
}

// MarkSign is a kind of mark's sign, one cell wide; no two kinds have the same.
func MarkSign(st theme.Styles, k MarkKind) string {
	switch k {
	case MarkDeploy:
		return st.Signs.Deploy
	case MarkAlert:
		return st.Signs.Alert
	case MarkDeath:
		return st.Signs.Death
	case MarkAction:
		return st.Signs.Action
	case MarkNode:
		return st.Signs.Node
	case MarkMoment:
		return "A"
	}
	return st.Signs.Start
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return ' '
}
