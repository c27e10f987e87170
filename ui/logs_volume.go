package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// volumePane is the histogram over the lines: how many there were by level, over the whole shown time.
type volumePane struct {
	on         bool
	key        string // what was asked for last
	generation uint64
	asking     bool
	due        bool // live, and old enough to be asked for again
	start, end time.Time
	step       time.Duration
	points     []sources.VolumePoint
	note       string // what is not counted
	err        error
}

const (
	// volumeRows is the histogram with its title and its ruler; volumeRoom the least that the pane must have for it.
	volumeRows = 7
	volumeRoom = 16
	// volumeEvery is how often it is asked for anew while live.
	volumeEvery = 10 * time.Second
)

// volumeMsg is sent when the histogram's counts have come.
type volumeMsg struct {
	generation uint64
	start, end time.Time
	step       time.Duration
	points     []sources.VolumePoint
	err        error
}

// volumeDueMsg is sent when a live histogram is old.
type volumeDueMsg struct{ generation uint64 }

// volumeHeight is how many rows the histogram takes of the log pane; 0: it is not shown.
func (m *Model) volumeHeight(r rect) int {
	if !m.logs.volume.on || r.h < volumeRoom || m.logs.aside != nil {
		return 0
	}
	return volumeRows
}

// wantVolume asks for the counts where what they are of has changed.
func (m *Model) wantVolume() tea.Cmd {
	v := &m.logs.volume
	r := m.layout().logs
	if m.o.Logs == nil || m.logs.key == "" || m.volumeHeight(r) == 0 {
		return nil
	}
	filter := m.logs.view.Filter()
	q, _ := narrowed(m.logs.query, filter)
	start, end := m.when.window(m.o.Now())
	key := fmt.Sprint(m.logs.key, m.when.span, m.when.end, r.w, fmt.Sprintf("%d", q.Levels), q.Regexp, q.Exclude, q.Pattern)
	if key == v.key && (!v.due || !m.when.live() || v.asking) {
		return nil
	}
	v.key, v.asking, v.due = key, true, false
	v.generation++
	v.note = ""
	n := len(filter.Fields) + len(filter.NotPatterns)
	if q.Pattern == "" {
		n += len(filter.Patterns)
	}
	if n > 0 {
		v.note = count(n, "filter") + " by field or pattern not counted in"
	}
	step := (end.Sub(start) / time.Duration(max(r.w, 10))).Truncate(time.Second)
	step = max(step, time.Second)
	start = start.Truncate(step)
	q.Since, q.Until = start, end
	logs, generation := m.o.Logs, v.generation
	ask := func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		points, err := logs.Volume(ctx, q, step)
		return volumeMsg{generation, start, end, step, points, err}
	}
	return ask
}

func (m *Model) applyVolume(msg volumeMsg) tea.Cmd {
	v := &m.logs.volume
	if msg.generation != v.generation {
		return nil
	}
	v.asking, v.err = false, msg.err
	if msg.err == nil {
		v.start, v.end, v.step, v.points = msg.start, msg.end, msg.step, msg.points
	}
	due := volumeDueMsg{v.generation}
	return tea.Tick(volumeEvery, func(time.Time) tea.Msg { return due })
}

// volumeLines draws the histogram: what it counts, the bars, and under them the moment and what of it the lines below show.
func (m *Model) volumeLines(w, h int) []string {
	v, st := &m.logs.volume, m.st
	head := " lines by level"
	switch {
	case v.err != nil:
		text, _ := errorWords(v.err)
		lines := []string{st.Error.Render(plain.Fit(head+": "+inLine(text), w))}
		return fillLines(lines, w, h)
	case v.end.IsZero():
		return fillLines([]string{st.Muted.Render(plain.Fit(head+": counting …", w))}, w, h)
	}
	lines := []string{m.volumeHead(w)}
	lines = append(lines, strings.Split(chart.Levels(v.points, v.start, v.end, w, h-3, st), "\n")...)
	return append(lines, m.volumeRuler(w), m.volumeTimes(w))
}

func fillLines(lines []string, w, h int) []string {
	for len(lines) < h {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines
}

// volumeHead sums up by level.
func (m *Model) volumeHead(w int) string {
	v, st := &m.logs.volume, m.st
	sums := map[sources.Level]float64{}
	most, all := 0.0, 0.0
	for _, p := range v.points {
		n := 0.0
		for l, c := range p.Counts {
			sums[l] += c
			n += c
		}
		most = max(most, n)
		all += n
	}
	ps := []piece{{text: fmt.Sprintf(" %s lines in %s", wholeNumber(all), spanWord(m.when.length())), style: st.Title}}
	for l := sources.LevelFatal; ; l-- {
		if sums[l] > 0 {
			word := l.String()
			if word == "" {
				word = "no level"
			}
			ps = append(ps, piece{text: "  " + word + " " + wholeNumber(sums[l]), style: st.Levels[l], drop: int(sources.LevelFatal - l)})
		}
		if l == sources.LevelUnknown {
			break
		}
	}
	ps = append(ps, piece{text: fmt.Sprintf("  · at most %s in %s", wholeNumber(most), v.step), style: st.Muted, drop: 9})
	if m.byDocker() {
		ps = append(ps, piece{text: "  · of what Docker still keeps: no task that Swarm has forgotten", style: st.Muted, drop: 8})
	}
	if v.note != "" {
		ps = append(ps, piece{text: "  · " + v.note, style: st.Warn, drop: 1})
	}
	return fitPieces(ps, nil, w)
}

// wholeNumber is a count with commas.
func wholeNumber(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// volumeRuler marks the lines on the screen, and the moment.
func (m *Model) volumeRuler(w int) string {
	v, st := &m.logs.volume, m.st
	cells := []rune(strings.Repeat(firstSign(st.Signs.Rule), w))
	column := func(t time.Time) int {
		return int(float64(t.Sub(v.start)) / float64(v.end.Sub(v.start)) * float64(w))
	}
	page, moment := make([]bool, w), -1
	if first, last := m.logs.view.Screen(); !first.IsZero() && !last.Before(v.start) && !first.After(v.end) {
		for x := max(column(first), 0); x <= min(column(last), w-1); x++ {
			page[x] = true
		}
	}
	if at := m.when.at; !m.when.live() && !at.Before(v.start) && !at.After(v.end) {
		moment = min(column(at), w-1)
	}
	mark, here := firstSign(st.Signs.Up), []rune("=")[0]
	var b strings.Builder
	for x := range cells {
		switch {
		case x == moment:
			b.WriteString(st.Moment.Render(mark))
		case page[x]:
			b.WriteString(st.Accent.Render(string(here)))
		default:
			b.WriteString(st.Border.Render(string(cells[x])))
		}
	}
	return b.String()
}

func firstSign(s string) string {
	for _, r := range s {
		return string(r)
	}
	return "-"
}

// volumeTimes tells the ends of the time, and what the marks mean.
func (m *Model) volumeTimes(w int) string {
	v, st := &m.logs.volume, m.st
	left, right := " "+m.clock(v.start), m.clock(v.end)+" "
	middle := "= the lines below"
	if m.when.live() {
		middle += "   < a moment"
	} else {
		middle += "   " + st.Signs.Up + " the moment  < > moves it"
	}
	room := w - plain.Width(left) - plain.Width(right)
	if plain.Width(middle)+2 > room {
		middle = ""
	}
	pad := max(room-plain.Width(middle), 0)
	text := left + strings.Repeat(" ", pad/2) + middle + strings.Repeat(" ", pad-pad/2) + right
	return st.Muted.Render(plain.Fit(ansi.Truncate(text, w, ""), w))
}
