package ui

import (
	"slices"
	"strings"
	"time"

	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// column is one column of a list.
type column struct {
	title string
	width int // cells; of the flexible column the least
	flex  bool
	right bool // aligned right
	drop  int  // dropped when space is short, the highest first; 0: never
}

// cell is one field of a row. Text is untrusted and made harmless when it is drawn.
type cell struct {
	text  string
	style theme.Style
	// drawn is text that is ready: harmless, styled and of the column's width; it wins over text.
	drawn string
}

// list is the one table that every list of the console is drawn with: a cursor that stays on its row
// while rows come, go and change places, a scroll offset, and columns that make room for each other.
type list struct {
	ids    []string
	cursor string // the id under the cursor
	index  int    // its place, kept when the row goes away
	offset int
	height int // rows shown last, for paging
}

// setRows takes the rows' ids in order. The cursor stays on its id, or else at its place.
func (l *list) setRows(ids []string) {
	l.ids = ids
	if len(ids) == 0 {
		l.index, l.offset = 0, 0
		return
	}
	if l.index < len(ids) && ids[l.index] == l.cursor {
		return
	}
	for i, id := range ids {
		if id == l.cursor {
			l.index = i
			return
		}
	}
	l.index = min(max(l.index, 0), len(ids)-1)
	l.cursor = ids[l.index]
}

// restTime is how long the cursor must have stood still before the rows change places under it.
const restTime = 3 * time.Second

// keepOrder is the order in which rows are shown: that of ids, or, while somebody moves the cursor, the one in which they stand, with what is new
// below. kept tells that it is another one than ids.
func (l *list) keepOrder(ids []string, moved, now time.Time) (order []string, kept bool) {
	if now.Sub(moved) >= restTime {
		return ids, false
	}
	here := make(map[string]bool, len(ids))
	for _, id := range ids {
		here[id] = true
	}
	order = make([]string, 0, len(ids))
	for _, id := range l.ids {
		if here[id] {
			order = append(order, id)
			delete(here, id)
		}
	}
	for _, id := range ids {
		if here[id] {
			order = append(order, id)
		}
	}
	return order, !slices.Equal(order, ids)
}

// selected is the id under the cursor, "" where there is no row.
func (l *list) selected() string {
	if l.index < len(l.ids) {
		return l.ids[l.index]
	}
	return ""
}

func (l *list) moveTo(i int) {
	if len(l.ids) == 0 {
		return
	}
	l.index = min(max(i, 0), len(l.ids)-1)
	l.cursor = l.ids[l.index]
}

// selectID puts the cursor on a row, and tells whether it is there.
func (l *list) selectID(id string) bool {
	for i, x := range l.ids {
		if x == id {
			l.moveTo(i)
			return true
		}
	}
	return false
}

// handle does what a list's key does, and tells whether it was one.
func (l *list) handle(a act) bool {
	page := max(l.height-1, 1)
	switch a {
	case actUp:
		l.moveTo(l.index - 1)
	case actDown:
		l.moveTo(l.index + 1)
	case actPageUp:
		l.moveTo(l.index - page)
	case actPageDown:
		l.moveTo(l.index + page)
	case actHalfUp:
		l.moveTo(l.index - (page+1)/2)
	case actHalfDown:
		l.moveTo(l.index + (page+1)/2)
	case actTop:
		l.moveTo(0)
	case actBottom:
		l.moveTo(len(l.ids) - 1)
	default:
		return false
	}
	return true
}

// setHeight tells how many rows fit, and scrolls as little as keeps the cursor in sight.
func (l *list) setHeight(rows int) {
	l.height = max(rows, 0)
	if l.height == 0 {
		return
	}
	l.offset = min(l.offset, max(len(l.ids)-l.height, 0))
	if l.index < l.offset {
		l.offset = l.index
	}
	if l.index >= l.offset+l.height {
		l.offset = l.index - l.height + 1
	}
}

// rowAt is the index of the row drawn on line y below the heading, -1 where there is none.
func (l *list) rowAt(y int) int {
	if i := l.offset + y; y >= 0 && y < l.height && i < len(l.ids) {
		return i
	}
	return -1
}

// fitColumns drops and widens columns so that they and the gaps between them fill width.
func fitColumns(cols []column, width int) (shown []int, widths []int) {
	kept := make([]bool, len(cols))
	total := 0
	for i, c := range cols {
		if kept[i] = c.width > 0; kept[i] { // one without a width is not there
			total += c.width + 1
		}
	}
	total--
	for total > width {
		worst := -1
		for i, c := range cols {
			if kept[i] && c.drop > 0 && (worst < 0 || c.drop > cols[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			worst = lastKept(kept) // nothing may be dropped any more: what stands last gives way
			if worst == 0 {
				break
			}
		}
		kept[worst] = false
		total -= cols[worst].width + 1
	}
	spare := width - total
	for i, c := range cols {
		if !kept[i] {
			continue
		}
		w := c.width
		if c.flex || spare < 0 && i == lastKept(kept) {
			w = max(w+spare, 1)
		}
		shown, widths = append(shown, i), append(widths, w)
	}
	return shown, widths
}

func lastKept(kept []bool) int {
	for i := len(kept) - 1; i > 0; i-- {
		if kept[i] {
			return i
		}
	}
	return 0
}

// draw is exactly h lines of w cells: a heading, then the rows in sight. row is asked only for those.
func (l *list) draw(st theme.Styles, cols []column, w, h int, focused bool, row func(id string, widths []int) []cell) []string {
	h = max(h, 0)
	lines := make([]string, 0, h)
	shown, widths := fitColumns(cols, w)
	full := make([]int, len(cols)) // 0: dropped
	for k, i := range shown {
		full[i] = widths[k]
	}
	var b strings.Builder
	for k, i := range shown {
		if k > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(align(cols[i].title, widths[k], cols[i].right))
	}
	lines = append(lines, st.TableHeader.Render(plain.Fit(b.String(), w)))
	for i := l.offset; i < len(l.ids) && len(lines) < h; i++ {
		cells := row(l.ids[i], full)
		b.Reset()
		here := i == l.index
		used := 0
		for k, at := range shown {
			if k > 0 {
				b.WriteString(l.paint(st, " ", theme.Style{}, here, focused))
				used++
			}
			c := cells[at]
			used += widths[k]
			if c.drawn != "" && !here {
				b.WriteString(c.drawn)
				continue
			}
			text := c.text
			if c.drawn != "" {
				text = c.drawn
			}
			b.WriteString(l.paint(st, align(text, widths[k], cols[at].right), c.style, here, focused))
		}
		if used < w {
			b.WriteString(l.paint(st, strings.Repeat(" ", w-used), theme.Style{}, here, focused))
		}
		lines = append(lines, b.String())
	}
	for len(lines) < h {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines[:h]
}

// paint renders a piece of a row; the row under the cursor takes the selection's colours, so that
// it reads the same in every theme.
func (l *list) paint(st theme.Styles, text string, style theme.Style, here, focused bool) string {
	switch {
	case here && focused:
		return st.Selection.Render(text)
	case here:
		return st.SelectionBlurred.Render(text)
	}
	return style.Render(text)
}

func align(s string, w int, right bool) string {
	if !right {
		return plain.Fit(s, w)
	}
	s = plain.Clip(s, w)
	if pad := w - plain.Width(s); pad > 0 {
		return strings.Repeat(" ", pad) + s
	}
	return s
}
