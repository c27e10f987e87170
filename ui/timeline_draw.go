package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

// timelineLines is the list of what happened, the newest first.
func (m *Model) timelineLines(r rect) []string {
	t := &m.timeline
	title := t.title("timeline", len(t.rows))
	if t.only {
		title += " · only " + inLine(t.service) + " (a: all)"
	}
	if words := t.past.words(m); words != "" {
		title += " · " + words
	}
	if who, what := m.othersWords(); who != "" {
		title += " · " + m.st.Signs.Updating + " " + who + ": " + what
	}
	lines := []string{m.titleLine(title, r.w, true), m.chipsLine(r.w)}
	foot := m.timelineFoot(r.h)
	h := r.h - len(lines) - foot
	if len(t.byID) == 0 {
		why := "nothing has happened yet that a source told of"
		if len(t.rows) > 0 {
			why = "nothing matches: esc takes the filter off, T shows all kinds, a all services"
		}
		return append(lines, emptyLines(m.st, why, r.w, h)...)
	}
	least := 26
	if r.w >= 100 {
		least = 46
	}
	cols := []column{{title: "TIME", width: 12}, {title: "WHAT", width: 14}, {title: "SERVICE", width: 20, drop: 1}, {title: "NODE", width: 10, drop: 4},
		{title: "", width: least, flex: true}, {title: "SOURCES", width: 23, drop: 3}}
	lines = append(lines, t.draw(m.st, cols, r.w, h, true, func(id string, widths []int) []cell {
		if id == beganRow {
			return m.beganCells()
		}
		return m.timelineCells(t.byID[id], widths[3] == 0)
	})...)
	return append(lines, m.timelineDetail(r.w, foot)...)
}

// timelineFoot is how many lines are for the selected row in full.
func (m *Model) timelineFoot(h int) int {
	if h < 14 || len(m.timeline.byID) == 0 {
		return 0
	}
	return 4
}

// timelineDetail is the selected row in full, in exactly h lines.
func (m *Model) timelineDetail(w, h int) []string {
	if h == 0 {
		return nil
	}
	p := &page{w: w - 2}
	if m.timeline.selected() == beganRow {
		p.add(m.st.Muted, m.timeline.past.before(m))
	} else if o, part := m.selectedOccurrence(); part != nil {
		p.add(m.st.Text, part.Source+": "+part.Text)
	} else if o != nil {
		sign, style := m.kindStyle(o.Kind, o.Bad)
		what := strings.Join(strings.Fields(strings.Join([]string{o.Kind, o.Service, o.Node}, " ")), " ")
		if words := m.occurrenceWords(o); words != "" {
			what += ": " + words
		}
		p.sign(style, sign, what)
		p.add(m.st.Muted, m.clock(o.Time)+" · told by "+strings.Join(o.Sources, ", "))
	}
	lines := []string{m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w))}
	for _, l := range p.exactly(h - 1) {
		lines = append(lines, " "+l+" ")
	}
	return lines
}

func (m *Model) timelineCells(r timelineRow, noNode bool) []cell {
	if r.of == nil {
		return make([]cell, 6)
	}
	if r.part != nil {
		sign, style := m.kindStyle(r.part.Kind, r.part.Bad)
		return []cell{{text: "  " + m.clock(r.part.Time), style: m.st.Muted}, {text: "  " + sign + " " + r.part.Kind, style: style}, {text: r.part.Service, style: m.st.Muted},
			{text: r.part.Node, style: m.st.Muted}, {text: r.part.Text, style: m.st.Muted}, {text: r.part.Source, style: m.st.Muted}}
	}
	o := r.of
	text := m.occurrenceWords(o)
	if noNode && o.Node != "" && o.Service != "" {
		text += " on " + o.Node
	} else if noNode && o.Node != "" {
		text = o.Node + ": " + text
	}
	sign, style := m.kindStyle(o.Kind, o.Bad)
	return []cell{{text: m.clock(o.Time), style: m.st.Muted}, {text: sign + " " + o.Kind, style: style}, {text: o.Service, style: m.st.Text},
		{text: o.Node, style: m.st.Text}, {text: text, style: m.st.Text}, {text: strings.Join(o.Sources, " "), style: m.st.Muted}}
}

// occurrenceWords are a row in a line: what it was, what came of it, by whom, and how often.
func (m *Model) occurrenceWords(o *fleet.Occurrence) string {
	text := m.rowWords(o)
	if o.Count < 2 {
		return text
	}
	fold := "+"
	if m.timeline.open[o.ID] {
		fold = "-"
	}
	if o.Kind == fleet.TaskDied {
		return fmt.Sprintf("%s ×%d %s, last at %s", fold, o.Count, text, m.clock(o.Last))
	}
	return fold + " " + text
}

// rowWords are occurrenceWords without how often it was.
func (m *Model) rowWords(o *fleet.Occurrence) string {
	text := o.Text
	switch happeningSorts[sortOf(o.Kind)].name {
	case "deploys":
		images := strings.Split(text, " → ")
		for i := range images {
			images[i] = shortImage(images[i])
		}
		text = strings.Join(images, " "+m.st.Signs.Right+" ")
		if d := m.timeline.diffs.short[o.ID]; d != "" {
			text = d
		} else if o.Kind == fleet.RolledBack {
			text = withoutRolledBack(text)
		}
		if o.Actor != "" {
			text += " · by " + shortName(o.Actor)
		}
	case "alerts":
		if o.Service != "" { // it has a column of its own, and what is wrong has little room
			text = strings.Replace(text, ": "+o.Service+" ", ": ", 1)
		}
	case "deaths":
		text = strings.Replace(text, "task: ", "", 1) // so Swarm begins what the row says already
	case "silences":
		if o.Actor != "" {
			text = shortName(o.Actor) + ": " + text
		}
	}
	if outcome := m.outcomeWords(o); outcome != "" {
		text += " " + m.st.Signs.Right + " " + outcome
	}
	if o.Within >= time.Minute {
		text += " (within " + shortly(o.Within) + ")"
	}
	return text
}

// outcomeWords are what came of a row, and how long it took, without what its kind says already.
func (m *Model) outcomeWords(o *fleet.Occurrence) string {
	took := ""
	if !o.End.IsZero() && o.End.After(o.Time) {
		took = shortly(o.End.Sub(o.Time))
	}
	if o.Kind == fleet.RolledBack {
		why := strings.TrimPrefix(strings.TrimPrefix(o.Outcome, fleet.RolledBack), ": ")
		if why = withoutRolledBack(why); why == "rollback completed" {
			why = ""
		}
		switch {
		case took != "" && why != "":
			return "back after " + took + ": " + why
		case took != "":
			return "back after " + took
		}
		return why
	}
	if o.Outcome != "" && took != "" {
		return o.Outcome + " in " + took
	}
	return o.Outcome
}

// withoutRolledBack is what the swarm says of a rollback, without that it was one.
func withoutRolledBack(text string) string {
	if text == "update rolled back" {
		return ""
	}
	return strings.TrimPrefix(text, "update rolled back ")
}

// beganCells are the row that parts what the console has seen itself from what others tell of before.
func (m *Model) beganCells() []cell {
	return []cell{{text: m.clock(m.opened), style: m.st.Muted}, {text: m.st.Signs.Rule + m.st.Signs.Rule + " opened", style: m.st.Accent}, {}, {},
		{text: m.timeline.past.before(m), style: m.st.Muted}, {}}
}
