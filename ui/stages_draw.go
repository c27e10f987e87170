package ui

import (
	"fmt"
	"strings"

	"quarterdeck/stages"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// whyNoStages is why there is no report.
func (m *Model) whyNoStages() string {
	switch {
	case m.o.Stages == nil:
		return "the stages are not looked at here"
	case !m.snap.Ready():
		return "the swarm has not been read yet: " + m.whyNoServices()
	}
	return "looking: the checks ask the swarm, Loki, Prometheus, the backups and the registries"
}

// checkLook is how a check's state is shown.
func checkLook(st theme.Styles, s stages.State) (sign, word string, style theme.Style) {
	switch s {
	case stages.Pass:
		return st.Signs.OK, "pass", st.OK
	case stages.Warn:
		return st.Signs.Warning, "warn", st.Warn
	case stages.Fail:
		return st.Signs.Down, "fail", st.Error
	case stages.Expired:
		return st.Signs.Stale, "expired", st.Error
	case stages.NA:
		return st.Signs.Idle, "n/a", st.Muted
	}
	return st.Signs.Unknown, "unknown", st.Unknown
}

// gateLook is how a gate is shown.
func gateLook(st theme.Styles, g stages.Gate) (sign string, style theme.Style) {
	switch g {
	case stages.Open:
		return st.Signs.OK, st.OK
	case stages.Shut:
		return st.Signs.Down, st.Error
	}
	return st.Signs.Unknown, st.Unknown
}

// stagesLines draws the stages: where the team stands, the checks, and what there is to be said of the one under the cursor.
func (m *Model) stagesLines(r rects) []string {
	p := &m.stages
	if p.report == nil || len(p.ids) == 0 {
		why := m.whyNoStages()
		if p.report != nil {
			why = "no check matches: esc takes the filter off"
		}
		body := rect{r.table.x, r.table.y, m.w, r.table.h}
		if !m.stagesBeside() {
			body.h += r.about.h
		}
		return m.paneLines("stages", body, true, emptyLines(m.st, why, body.w, body.h-1))
	}
	head := m.standing(r.table.w)
	table := m.paneLines(m.stagesTitle(), r.table, true, append(head, m.stageRows(r.table.w, r.table.h-1-len(head))...))
	about := m.stageAbout(r.about)
	if m.stagesBeside() {
		return beside(table, about, m.st.Border.Render(m.st.Signs.Bar))
	}
	return append(table, about...)
}

// stagesTitle tells how many checks are shown, and when they were judged.
func (m *Model) stagesTitle() string {
	p, shown := &m.stages, 0
	for _, id := range p.ids {
		if p.rows[id].check != nil {
			shown++
		}
	}
	title := "stages · " + count(shown, "check")
	if p.filter != "" {
		title = fmt.Sprintf("stages · %d of %s · /%s", shown, count(len(p.rows)-len(p.report.Stages), "check"), inLine(p.filter))
	}
	return title + " · judged " + m.clock(p.report.At)
}

// stagesBeside tells whether list and detail stand side by side.
func (m *Model) stagesBeside() bool { return m.w >= 110 }

// standing says in a line where the team stands.
func (m *Model) standing(w int) []string {
	st, r := m.st, m.stages.report
	text, style := "all gates are open", st.OK
	if next := r.Next(); next != nil {
		at := "no gate is open yet"
		if r.Reached > 0 {
			at = fmt.Sprintf("stage %d passed", r.Reached)
		}
		text, style = at+" · next: "+next.Check.ID+": "+next.Check.Question, st.Text
	}
	return []string{style.Render(plain.Fit(" "+text, w))}
}

// Columns of the checks, by their place.
const (
	stageName = iota
	stageState
	stageValue
)

func (m *Model) stageRows(w, h int) []string {
	cols := []column{stageName: {title: "CHECK", width: 24}, stageState: {title: "STATE", width: 11}, stageValue: {title: "MEASURED", width: 12, flex: true, drop: 1}}
	return m.stages.draw(m.st, cols, w, h, true, func(id string, _ []int) []cell {
		row := m.stages.rows[id]
		if row.check == nil {
			return m.stageCells(row.stage)
		}
		x := row.check
		sign, word, style := checkLook(m.st, x.State)
		value := x.Value
		if x.Reason != "" {
			value = x.Reason
		}
		name := "  " + x.Check.ID
		if !x.Required {
			value = "not required · " + value
		}
		return []cell{{text: name, style: m.st.Text}, {text: sign + " " + word, style: style}, {text: value, style: m.st.Muted}}
	})
}

func (m *Model) stageCells(s *stages.StageReport) []cell {
	sign, style := gateLook(m.st, s.Gate)
	word := map[stages.Gate]string{stages.Open: "open", stages.Shut: "shut", stages.Blind: "not seen"}[s.Gate]
	counts := fmt.Sprintf("%d of %d pass", s.Counts[stages.Pass]+s.Counts[stages.NA], len(s.Results))
	if n := s.Counts[stages.Unknown]; n > 0 {
		counts += fmt.Sprintf(", %d unknown", n)
	}
	if s.Customised {
		counts += " · customised"
	}
	if s.OutOfOrder != "" {
		counts = m.st.Signs.Look + " " + counts
	}
	return []cell{{text: fmt.Sprintf("%d %s", s.Number, strings.ToUpper(s.Name)), style: m.st.Title}, {text: sign + " " + word, style: style}, {text: counts, style: m.st.Title}}
}

// stageAbout draws what there is to be said of what is under the cursor.
func (m *Model) stageAbout(r rect) []string {
	row := m.selectedStage()
	if row.stage == nil || r.h < 2 {
		return blankLines(r.w, r.h)
	}
	p := &page{w: max(r.w-2, 10)}
	title := fmt.Sprintf("stage %d, %s", row.stage.Number, row.stage.Name)
	if row.check == nil {
		m.aboutStage(p, row.stage)
	} else {
		title = row.check.Check.ID + " · " + title
		m.aboutCheck(p, row, r.h-1)
	}
	lines := p.exactly(r.h - 1)
	for i, l := range lines {
		lines[i] = " " + l + " "
	}
	return append([]string{m.titleLine(title, r.w, false)}, lines...)
}

func (m *Model) aboutStage(p *page, s *stages.StageReport) {
	st := m.st
	sign, style := gateLook(st, s.Gate)
	p.add(st.Title, s.Question)
	p.sign(style, sign, "gate: "+string(s.Gate))
	p.gap()
	p.add(st.Text, "Done when "+s.Done+".")
	p.gap()
	p.add(st.Warn, "The trap: "+s.Trap+".")
	m.tooEarly(p, s)
}

// tooEarly says so where somebody looks at a stage whose foundations are not there.
func (m *Model) tooEarly(p *page, s *stages.StageReport) {
	says := s.OutOfOrder
	if says == "" {
		says = m.stages.report.TooEarly(s.Number)
	}
	if says != "" {
		p.gap()
		p.sign(m.st.Warn, m.st.Signs.Look, says)
	}
}

// aboutCheck says of a check what it asks, what was found, what keeps it from passing, and what to do. What is most asked for stands first: the room may be
// small.
func (m *Model) aboutCheck(p *page, row stageRow, h int) {
	st, x := m.st, row.check
	sign, word, style := checkLook(st, x.State)
	p.add(st.Title, x.Check.Question)
	found := word
	if v := x.Value; v != "" {
		found += ": " + v
	}
	if x.Reason != "" {
		found += ": " + x.Reason
	}
	p.sign(style, sign, found)
	threshold := "passes: " + x.Threshold
	if x.Customised && x.Required {
		threshold += " (your own)"
	}
	p.add(st.Muted, threshold)
	if x.State != stages.Pass && x.State != stages.NA {
		do := "do: " + x.Check.Fix
		if x.Check.Attested > 0 {
			do = "do: a, or " + x.Check.Fix
		}
		p.add(st.Accent, do)
		if stack := m.stackOfCheck(); stack != nil && m.o.Stack != nil {
			p.add(st.Accent, "or: A applies the blueprint's stack "+stack.Name)
		}
	}
	rest := &page{w: p.w}
	m.tooEarly(rest, row.stage)
	rest.gap()
	rest.add(st.Text, x.Check.Why)
	rest.gap()
	rest.add(st.Faint, "see it yourself: "+x.Evidence)
	m.checkSubjects(p, x, max(h-len(p.lines)-len(rest.lines), min(h-len(p.lines), 6)))
	p.lines = append(p.lines, rest.lines...)
}

// checkSubjects adds what keeps a check from passing, in so many lines at most.
func (m *Model) checkSubjects(p *page, x *stages.Result, most int) {
	if len(x.Subjects) == 0 || most < 2 {
		return
	}
	st, from := m.st, len(p.lines)
	p.gap()
	for i, s := range x.Subjects {
		sign, _, style := checkLook(st, s.State)
		one := &page{w: p.w}
		one.sign(style, sign, s.Name+": "+s.Says)
		if s.Set != "" {
			one.hang(st.Muted, "    set ", s.Set)
		}
		left := len(x.Subjects) - i
		if len(p.lines)-from+len(one.lines) > most-min(left-1, 1) && i > 0 {
			p.add(st.Muted, fmt.Sprintf("and %d more: quarterdeck check -o json", left))
			return
		}
		p.lines = append(p.lines, one.lines...)
	}
}
