package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

const (
	// historyBeside is from which inner width on list and diff stand side by side.
	historyBeside = 100
	// historyBelow is from which height on the diff stands below the list where it cannot stand beside it.
	historyBelow = 7
)

func (b *historyBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaHistory)
	room := max(h-len(foot.lines), 1)
	var body []string
	switch {
	case !b.loaded:
		body = emptyLines(m.st, "reading the history of "+b.service, w, room)
	case b.err != nil:
		text, next := errorWords(b.err)
		body = emptyLines(m.st, strings.TrimSpace(text+" "+next), w, room)
	case w >= historyBeside:
		left := min(w*52/100, 76)
		body = beside(b.listLines(m, left, room), b.diffLines(m, w-left-3, room), " "+m.st.Border.Render(m.st.Signs.Bar)+" ")
	case room < historyBelow:
		body = b.listLines(m, w, room)
	default:
		top := min(len(b.states)+1, max(room/2-1, 2))
		body = append(b.listLines(m, w, top), m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w)))
		body = append(body, b.diffLines(m, w, room-top-1)...)
	}
	return append(body, foot.lines...)[:h]
}

// listLines are the states, the newest first.
func (b *historyBox) listLines(m *Model, w, h int) []string {
	b.list.setHeight(h - 1)
	by := 14
	if w >= 72 {
		by = 22
	}
	cols := []column{{title: "", width: 1}, {title: "STATE", width: 8}, {title: "BEGAN", width: 12}, {title: "IMAGE", width: 14, flex: true},
		{title: "REPL", width: 4, right: true, drop: 1}, {title: "BY", width: by, drop: 2}}
	at := map[string]int{}
	for i, id := range b.list.ids {
		at[id] = i
	}
	return b.list.draw(m.st, cols, w, h, true, func(id string, _ []int) []cell {
		i := at[id]
		s := &b.states[i]
		sign, word, style := m.stateSign(s)
		mark := " "
		if b.mark == id {
			mark = m.st.Signs.Mark
		}
		return []cell{{text: mark, style: m.st.Accent}, {text: sign + " " + word, style: style}, {text: m.began(s), style: m.st.Muted},
			{text: shortState(s.Image), style: m.st.Text}, {text: replicasOf(s), style: m.st.Text}, {text: whoMade(b.states, i), style: m.st.Muted}}
	})
}

// stateSign is how a state is shown: what is wanted now, one whose rollout failed, or one that was.
func (m *Model) stateSign(s *actions.State) (sign, word string, style theme.Style) {
	switch {
	case s.Bad != "" && s.Now:
		return m.st.Signs.Down, "now, bad", m.st.Error
	case s.Now:
		return m.st.Signs.OK, "now", m.st.OK
	case s.Bad != "":
		return m.st.Signs.Down, "failed", m.st.Error
	}
	return m.st.Signs.Dot, "was", m.st.Muted
}

// began is when a state began.
func (m *Model) began(s *actions.State) string {
	if s.Since.IsZero() {
		return "earlier"
	}
	return m.clock(s.Since)
}

// replicasOf is the number of replicas that a state asks for.
func replicasOf(s *actions.State) string {
	if s.Replicas == nil {
		return noFigure
	}
	return fmt.Sprint(*s.Replicas)
}

// noFigure stands for a number that is not there.
const noFigure = "–"

// shortState is an image by its last name, its tag, and the beginning of its digest.
func shortState(image string) string {
	ref, digest, _ := strings.Cut(image, "@sha256:")
	ref = ref[strings.LastIndexByte(ref, '/')+1:]
	if digest != "" {
		ref += " @" + digest[:min(len(digest), 7)]
	}
	return ref
}

// diffLines tell of the state under the cursor, and of what differs.
func (b *historyBox) diffLines(m *Model, w, h int) []string {
	p := b.diffPage(m, w)
	b.tall, b.over = h, max(len(p.lines)-h, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	lines := p.window(b.scroll.at, h)
	if left := b.over - b.scroll.at; left > 0 && h > 1 {
		lines[h-1] = m.st.Muted.Render(plain.Fit(fmt.Sprintf("%s %d more lines", m.st.Signs.DownArrow, left+1), w))
	}
	return lines
}

func (b *historyBox) diffPage(m *Model, w int) *page {
	p := &page{w: w}
	i := b.selected()
	if i < 0 {
		return p
	}
	p.stateHead(m, b.states, i)
	p.gap()
	pair, what := b.pair()
	if k := b.marked(); k >= 0 && k != i {
		p.add(m.st.Accent, fmt.Sprintf("%s: %s and %s", what, plain.Clip(b.states[max(i, k)].Spec, hashShown), plain.Clip(b.states[min(i, k)].Spec, hashShown)))
	} else {
		p.add(m.st.Accent, what)
	}
	switch {
	case b.back && i == 0:
		p.add(m.st.Muted, " nothing: it is what is wanted now")
		return p
	case pair.after == "":
		p.add(m.st.Muted, " "+b.whyOldest(m))
		return p
	}
	p.answerOf(m, b.diffs, pair)
	if b.back && b.marked() < 0 {
		b.replicasNote(m, p, i)
	}
	return p
}

// replicasNote says what becomes of the number of replicas.
func (b *historyBox) replicasNote(m *Model, p *page, i int) {
	now, then := b.states[0].Replicas, b.states[i].Replicas
	if now == nil || then == nil || *now == *then {
		return
	}
	if b.replicas {
		p.add(m.st.Muted, fmt.Sprintf(" the number of replicas goes back too: r keeps %d", *now))
	} else {
		p.add(m.st.Muted, fmt.Sprintf(" the number of replicas stays %d: r takes it back to %d", *now, *then))
	}
}

// whyOldest says why there is nothing before the oldest state.
func (b *historyBox) whyOldest(m *Model) string {
	if len(b.states) > 1 {
		return "nothing is known of what was before it"
	}
	since := b.states[0].Since
	if since.IsZero() {
		return "no earlier state is known, and the engine remembers none"
	}
	return "no earlier state is known, and the engine remembers none: the history is kept from when it was first looked at; this state is of " + m.began(&b.states[0])
}

// hashShown is how much of a spec's hash is shown: enough for `quarterdeck rollback --to`.
const hashShown = 12

// stateHead tells of a state: what it is, who made it, and whether it was well.
func (p *page) stateHead(m *Model, states []actions.State, i int) {
	s := &states[i]
	sign, word, style := m.stateSign(s)
	p.drawn(style.Render(sign+" "+word) + m.st.Title.Render(plain.Fit("  "+m.lasted(states, i), max(p.w-plain.Width(sign+" "+word), 0))))
	p.hang(m.st.Text, "  ", shortDigest(s.Image))
	p.hang(m.st.Muted, "  ", "state "+s.Spec[:min(len(s.Spec), hashShown)]+", "+replicasOf(s)+" replicas")
	p.hang(m.st.Muted, "  ", madeWords(states, i))
	if s.Bad != "" {
		p.sign(m.st.Error, m.st.Signs.Down, s.Bad)
	}
}

// lasted is from when to when a state was wanted.
func (m *Model) lasted(states []actions.State, i int) string {
	s := &states[i]
	from := "since " + m.began(s)
	if s.Since.IsZero() {
		from = "from before"
	}
	if i == 0 {
		return from
	}
	until := states[i-1].Since
	if until.IsZero() {
		return from
	}
	if s.Since.IsZero() {
		return "until " + m.clock(until)
	}
	return "from " + m.clock(s.Since) + " for " + shortly(until.Sub(s.Since).Round(time.Second))
}

// boxHints are the keys of a box, from the keymap.
func boxHints(m *Model, w int, areas ...area) *page {
	var pairs []string
	for _, a := range areas {
		for _, b := range hintsOf(a) {
			pairs = append(pairs, b.Key, b.Desc)
		}
	}
	p := &page{w: w}
	p.hints(m, append(pairs, "esc", "back")...)
	return p
}
