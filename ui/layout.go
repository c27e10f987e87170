package ui

import (
	"fmt"
	"strings"

	"quarterdeck/ui/plain"
)

// The smallest terminal that is drawn on; below it the console says so and waits.
const (
	leastWidth  = 40
	leastHeight = 10
	// wideWidth is from where panes stand side by side.
	wideWidth = 120
)

// rect is a place on the screen, in cells. h 0: not shown. The first line is the pane's title.
type rect struct{ x, y, w, h int }

func (r rect) holds(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// rects are the panes' places.
//
//	wide                                narrow (the focused one of the three)
//	+ header, tabs and sources -------+ + header -----------+
//	| table         | about           | | tabs and sources  |
//	|               | metrics         | | table, metrics or |
//	| alerts        | logs            | | logs              |
//	| timeline strip                  | |                   |
//	| what is wrong with a source     | | the same          |
//	+ hints --------------------------+ + hints ------------+
type rects struct {
	header, about, table, alerts, metrics, logs, strip rect
	wide                                               bool
}

// layout says where the panes are: a function of size, view, focus and zoom, and of how many rows there are.
func (m *Model) layout() rects {
	r := rects{header: rect{0, 0, m.w, 2}, wide: m.w >= wideWidth && m.h >= 20}
	body := rect{0, 2, m.w, max(m.h-3-len(m.troubleText()), 0)}
	switch {
	case m.view == viewLogs, m.zoom && m.focus == paneLogs:
		r.logs = body
	case m.view == viewMetrics, m.zoom && m.focus == paneMetrics:
		r.metrics = body
	case m.view == viewOverview && m.zoom:
		r.table = body
	case m.view == viewOverview && r.wide:
		m.layoutWide(&r, body)
	case m.view == viewOverview:
		m.layoutNarrow(&r, body)
	case m.view == viewTasks && r.wide:
		left := max(m.w*55/100, 70)
		r.table = rect{0, body.y, left, body.h}
		r.logs = rect{left + 1, body.y, m.w - left - 1, body.h}
	case m.view == viewTasks:
		if m.focus == paneLogs {
			r.logs = body
		} else {
			r.table = body
		}
	case m.view == viewNodes && body.h >= 12:
		r.table = rect{0, body.y, body.w, min(len(m.nodes.ids)+2, body.h/2)}
		r.about = rect{0, body.y + r.table.h, body.w, body.h - r.table.h}
	case m.view == viewStages && m.stagesBeside():
		left := max(m.w*45/100, 60)
		r.table = rect{0, body.y, left, body.h}
		r.about = rect{left + 1, body.y, m.w - left - 1, body.h}
	case m.view == viewStages:
		n := max(body.h*9/20, min(body.h, 6))
		r.table = rect{0, body.y, body.w, n}
		r.about = rect{0, body.y + n, body.w, body.h - n}
	case m.view == viewBackups && body.h >= 26:
		r.table = rect{0, body.y, body.w, min(max(len(m.backups.ids)+2, 8), body.h/2)}
		r.about = rect{0, body.y + r.table.h, body.w, body.h - r.table.h}
	case m.view == viewServices && body.h >= 14:
		m.withAbout(&r, body)
	default:
		r.table = body
	}
	return r
}

// withAbout is the table with what is to be told of the selection below it: the reason is what the eye looks for at night.
func (m *Model) withAbout(r *rects, body rect) {
	n := m.aboutHeight(body.h, body.w)
	r.table = rect{0, body.y, body.w, body.h - n}
	r.about = rect{0, body.y + body.h - n, body.w, n}
}

// aboutHeight is how many lines of a body's height tell of the selected service: more where it is not well, where its reason does not fit in one, and where it has a policy.
func (m *Model) aboutHeight(height, w int) int {
	n := 3
	if height < 14 {
		return n
	}
	if m.ailing() != nil {
		n += causeHeight
	}
	v := m.then().Service(m.services.selected())
	if v != nil && plain.Width(inLine(m.whyOf(v))) > w-3 {
		n++
	}
	if _, policy := m.advised(v); policy != nil {
		n++
	}
	return n
}

func (m *Model) layoutWide(r *rects, body rect) {
	stripHeight := 5
	if body.h < 28 {
		stripHeight = 3
	}
	top := body.h - stripHeight
	r.strip = rect{0, body.y + top, m.w, stripHeight}
	left := min(max(m.w*49/100, 58), 100)
	x := left + 1
	right := m.w - x
	r.table = rect{0, body.y, left, top}
	// What the services leave free is for the alerts: a title, and a line each.
	n := min(len(m.then().Alerts)+1, 9, top-len(m.services.ids)-4)
	if n < 2 { // a line at least, of those that fire
		n = min(m.then().Counts.Firing, 1)
	}
	if len(m.then().Alerts) > 0 && n > 0 {
		r.table.h -= n
		r.alerts = rect{0, body.y + r.table.h, left, n}
	}
	about := m.aboutHeight(body.h, right)
	r.about = rect{x, body.y, right, about}
	metrics := min(max(top*32/100, 8), 14)
	r.metrics = rect{x, body.y + about, right, metrics}
	r.logs = rect{x, body.y + about + metrics, right, top - about - metrics}
}

func (m *Model) layoutNarrow(r *rects, body rect) {
	switch m.focus {
	case paneMetrics:
		r.metrics = body
	case paneLogs:
		r.logs = body
	default:
		m.withAbout(r, body)
		if m.then().Counts.Firing > 0 && r.table.h > 5 {
			r.table.h--
			r.alerts = rect{0, r.table.y + r.table.h, m.w, 1}
		}
	}
}

// lineMost is more cells than any text takes that is shown in one line, or wrapped into a few.
const lineMost = 4096

// inLine is plain.Line(s), of a megabyte no more than can be shown: a frame must not take longer for it.
func inLine(s string) string { return plain.LineN(s, lineMost) }

func (m *Model) tooSmall() string {
	words := wrapText(fmt.Sprintf("quarterdeck needs %d×%d, this is %d×%d: make it larger", leastWidth, leastHeight, m.w, m.h), max(m.w, 1))
	lines := make([]string, m.h)
	for i := range lines {
		text := ""
		if i < len(words) {
			text = words[i]
		}
		lines[i] = plain.Fit(text, m.w)
	}
	return strings.Join(lines, "\n")
}

// titleLine is a pane's first line: its title on a rule, bright where it has the focus.
func (m *Model) titleLine(title string, w int, focused bool) string {
	rule := m.st.Border
	if focused {
		rule = m.st.BorderFocused
	}
	text := plain.Clip(title, max(w-5, 1))
	line := m.titleStart(text, focused)
	if used := 3 + plain.Width(text) + 1; used < w {
		line += rule.Render(strings.Repeat(m.st.Signs.Rule, w-used))
	}
	return line
}

// titleStart is the part of a title line up to the title's end and a space.
func (m *Model) titleStart(text string, focused bool) string {
	st, rule := m.st.PaneTitle, m.st.Border
	if focused {
		st, rule = m.st.PaneTitleFocused, m.st.BorderFocused
	}
	return rule.Render(m.st.Signs.Rule+m.st.Signs.Rule+" ") + st.Render(text) + " "
}
