package ui

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// markedAt are the moments of a row: that at which it began, or each of those that were folded into it.
func markedAt(o *fleet.Occurrence) iter.Seq2[time.Time, *fleet.Happening] {
	return func(yield func(time.Time, *fleet.Happening) bool) {
		if o.Count < 2 {
			yield(o.Time, nil)
			return
		}
		for _, x := range o.Parts {
			if !yield(x.Time, x) {
				return
			}
		}
	}
}

// chartMarks are what happened to a service in a window, as marks on its charts. A node's changes are of all services.
func (m *Model) chartMarks(service string, w sources.Window) []chart.Mark {
	var out []chart.Mark
	for i := range m.timeline.rows {
		o := &m.timeline.rows[i]
		k := signOf(o.Kind)
		if !k.marked || !concerns(o, service) {
			continue
		}
		for t, part := range markedAt(o) {
			if t.Before(w.Start) || t.After(w.End) {
				continue
			}
			text := o.Text
			if part != nil {
				text = part.Text
			}
			if k.mark == chart.MarkDeploy {
				text = o.Kind
			}
			out = append(out, chart.Mark{Time: t, Kind: k.mark, Label: inLine(text)})
		}
	}
	if a := m.brush.a; !a.IsZero() {
		out = append(out, chart.Mark{Time: a, Kind: chart.MarkMoment, Label: "A"})
	}
	return out
}

// concerns tells whether a row is to be seen with a service.
func concerns(o *fleet.Occurrence, service string) bool {
	return o.Kind == fleet.NodeChanged || aboutService(o, service)
}

// standing is the mark that the moment stands on; row nil: on none. part is which of those that were folded into the row.
type standing struct {
	row  *fleet.Occurrence
	part *fleet.Happening
	at   time.Time
}

// markUnder is the mark on the cell that the moment is in, or on one beside it: the nearest, and of one cell the one that matters most,
// which is the one that is drawn. service narrows it to what concerns one; nil: all.
func (m *Model) markUnder(start, end time.Time, width int, service *string) standing {
	var best standing
	if m.when.live() || width < 1 {
		return best
	}
	here := cellOf(m.when.at, start, end, width)
	away, rank := 2, 0
	for i := range m.timeline.rows {
		o := &m.timeline.rows[i]
		k := signOf(o.Kind)
		if !k.marked || service != nil && !concerns(o, *service) {
			continue
		}
		for t, part := range markedAt(o) {
			if t.Before(start) || t.After(end) {
				continue
			}
			d := cellOf(t, start, end, width) - here
			d = max(d, -d)
			nearer := d < away || d == away && (int(k.mark) > rank || int(k.mark) == rank && t.Sub(m.when.at).Abs() < best.at.Sub(m.when.at).Abs())
			if d < 2 && nearer {
				away, rank, best = d, int(k.mark), standing{o, part, t}
			}
		}
	}
	return best
}

// markText is a mark's sign and text in a line, untrusted text made harmless; "": the moment stands on none.
func (m *Model) markText(on standing) string {
	if on.row == nil {
		return ""
	}
	sign, _ := m.kindStyle(on.row.Kind, on.row.Bad)
	return sign + " " + m.clock(on.at) + " " + inLine(on.row.Kind) + " " + inLine(strings.TrimSpace(rowPlace(on.row, on.part)+" "+m.standingWords(on)))
}

func (m *Model) standingWords(on standing) string {
	if on.part != nil {
		return on.part.Text
	}
	return m.rowWords(on.row)
}

// rowPlace is the service of a row, or else its node.
func rowPlace(o *fleet.Occurrence, part *fleet.Happening) string {
	switch {
	case o.Service != "":
		return o.Service
	case part != nil:
		return part.Node
	}
	return o.Node
}

// markLine is the mark that the moment stands on, as a line of its own: the cursor's sign stands before it.
func (m *Model) markLine(on standing, w int) string {
	sign, style := m.kindStyle(on.row.Kind, on.row.Bad)
	return m.lineOf(m.st.Cursor.Render(m.st.Signs.Bar)+m.st.Text.Render(m.clock(on.at)+" "), sign, style, on.row, rowPlace(on.row, on.part), m.standingWords(on), w)
}

// lineOf draws something that happened in one line of w cells, after its date.
func (m *Model) lineOf(head, sign string, style theme.Style, o *fleet.Occurrence, place, words string, w int) string {
	what := plain.Fit(sign+" "+inLine(o.Kind), 14)
	rest := max(w-ansi.StringWidth(head)-14, 0)
	return head + style.Render(what) + m.st.Text.Render(plain.Fit(inLine(strings.TrimSpace(place+"  "+words)), rest))
}

// rowLine draws a row in one line, as it was known at a moment: dated by the last of what was folded into it, without what came of it later.
func (m *Model) rowLine(o *fleet.Occurrence, at time.Time, w int) string {
	x := *o
	n, last := untilOf(o, at)
	if !x.End.IsZero() && x.End.After(at) && x.Count < 2 {
		x.Outcome, x.End, x.Bad, x.Kind = "", time.Time{}, o.Parts[0].Bad, o.Parts[0].Kind
	}
	words := m.rowWords(&x)
	since := ""
	if last.Sub(o.Time) >= time.Second {
		since = " since " + m.clock(o.Time)
	}
	switch {
	case n > 1 && x.Kind == fleet.TaskDied:
		words = fmt.Sprintf("×%d%s: %s", n, since, words)
	case n > 1:
		words = fmt.Sprintf("%d tasks%s", n, since)
	case x.Count > 1:
		words = o.Parts[0].Text
	}
	sign, style := m.kindStyle(x.Kind, x.Bad)
	return m.lineOf(m.st.Muted.Render(" "+m.clock(last)+" "), sign, style, &x, rowPlace(&x, nil), words, w)
}

// untilOf is how much of a row had happened by a moment, and when the last of it; 0: nothing.
func untilOf(o *fleet.Occurrence, at time.Time) (n int, last time.Time) {
	seen := ""
	for t, part := range markedAt(o) {
		if t.After(at) {
			continue
		}
		if part == nil || part.Ref == "" || part.Ref != seen { // several may tell of one task
			n++
		}
		if part != nil {
			seen = part.Ref
		}
		if t.After(last) {
			last = t
		}
	}
	return n, last
}

// recent are the rows of which something happened last before a moment, at most so many, the newest first, without the one that is shown
// above them.
func (m *Model) recent(start, at time.Time, most int, on standing) []*fleet.Occurrence {
	var out []*fleet.Occurrence
	var dates []time.Time
	for i := range m.timeline.rows {
		o := &m.timeline.rows[i]
		n, last := untilOf(o, at)
		if n == 0 || last.Before(start) || o == on.row && o.Count < 2 {
			continue
		}
		to := sort.Search(len(dates), func(k int) bool { return !dates[k].After(last) })
		if to >= most {
			continue
		}
		out, dates = slices.Insert(out, to, o), slices.Insert(dates, to, last)
		if len(out) > most {
			out, dates = out[:most], dates[:most]
		}
	}
	return out
}

// markWords name the marks, in the order of the legend.
var markWords = []struct {
	kind chart.MarkKind
	word string
}{{chart.MarkDeploy, "deploy"}, {chart.MarkStart, "task start"}, {chart.MarkDeath, "task death"}, {chart.MarkAlert, "alert"}, {chart.MarkAction, "action"}, {chart.MarkNode, "node"}}

// legend names the signs of the marks that are there, so that they can be read without colour; "": none is there.
func legend(st theme.Styles, has func(chart.MarkKind) bool) string {
	var words []string
	for _, x := range markWords {
		if has(x.kind) {
			words = append(words, chart.MarkSign(st, x.kind)+" "+x.word)
		}
	}
	return strings.Join(words, " ")
}

// chartLegend names the marks on a service's charts.
func (m *Model) chartLegend(service string, w sources.Window) string {
	marks := m.chartMarks(service, w)
	return legend(m.st, func(k chart.MarkKind) bool {
		return slices.ContainsFunc(marks, func(x chart.Mark) bool { return x.Kind == k })
	})
}
