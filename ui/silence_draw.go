package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/textinput"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

func (b *silenceBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *silenceBox) lines(m *Model, w, h int) []string {
	p := b.page(m, w)
	return p.window(min(b.at, max(len(p.lines)-h, 0)), h)
}

func (b *silenceBox) page(m *Model, w int) *page {
	p := &page{w: w}
	for i, l := range b.matchers {
		box := "[ ] "
		style := m.st.Muted
		if l.on {
			box, style = "[x] ", m.st.Text
		}
		text := plain.Fit(" "+box+inLine(l.matcher.String()), w)
		if i == b.at {
			p.drawn(m.st.Selection.Render(text))
		} else {
			p.drawn(style.Render(text))
		}
	}
	for _, in := range []*textinput.Model{&b.add, &b.typed, &b.why} {
		in.SetWidth(max(w-8, 8))
	}
	if b.typed.Value() == "" {
		b.typed.SetWidth(10)
	}
	p.drawn(" " + b.add.View())
	p.drawn(" " + b.timeLine(m))
	p.drawn(" " + b.why.View())
	p.gap()
	b.effect(m, p)
	if b.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	}
	switch b.field() {
	case -1:
		p.hints(m, "space", "on, off", "e", "change it", "up/down tab", "move", "enter", "to the plan", "esc", "back")
	case fieldAdd:
		p.hints(m, "enter", "adds a matcher: job=~\"a|b\"", "up/down tab", "move", "esc", "back")
	case fieldTime:
		p.hints(m, "left/right", "choose", "0-9", "type one: 90m 3d 08:00", "enter", "to the plan", "esc", "back")
	default:
		p.hints(m, "enter", "to the plan", "up/down tab", "move: length, matchers", "esc", "back")
	}
	return p
}

func (b *silenceBox) timeLine(m *Model) string {
	var s strings.Builder
	s.WriteString(b.typed.View() + " ")
	for i, t := range silenceTimes {
		text := " " + t + " "
		switch {
		case i == b.time && b.field() == fieldTime:
			s.WriteString(m.st.Selection.Render("[" + t + "]"))
		case i == b.time:
			s.WriteString(m.st.Accent.Render("[" + t + "]"))
		default:
			s.WriteString(m.st.Muted.Render(text))
		}
	}
	if d, err := b.lasts(m); err == nil {
		s.WriteString(m.st.Muted.Render("  until " + m.clock(m.now().Add(d))))
	}
	return s.String()
}

// effect tells which alerts of now the matchers mute, as far as is known here; the plan asks Alertmanager itself.
func (b *silenceBox) effect(m *Model, p *page) {
	ms := b.chosen()
	mute, err := sources.NewMuter(ms)
	if err != nil {
		p.sign(m.st.Error, m.st.Signs.Down, err.Error())
		return
	}
	if len(ms) == 0 || mute.Everything() {
		p.sign(m.st.Error, m.st.Signs.Down, "this names nothing: it would mute every alert")
		return
	}
	var names []string
	for i := range m.snap.Alerts {
		if a := &m.snap.Alerts[i]; a.State != sources.Suppressed && mute.Mutes(a.Labels) {
			names = append(names, strings.TrimSpace(a.Name+" "+a.Service+" ("+string(a.State)+")"))
		}
	}
	if st := m.snap.AlertStatus(); !st.OK() {
		p.sign(m.st.Warn, m.st.Signs.Unknown, "which alerts of now it mutes is not known: "+st.Name+" is "+string(st.State))
	}
	if len(names) == 0 && m.snap.AlertStatus().OK() {
		p.sign(m.st.Muted, m.st.Signs.Idle, "no alert of now matches: it would mute only what comes")
	}
	if len(names) == 0 {
		return
	}
	more := ""
	if n := len(names); n > 6 {
		names, more = names[:6], fmt.Sprintf(" and %d more", n-6)
	}
	p.sign(m.st.Text, m.st.Signs.Paused, "mutes "+strings.Join(names, ", ")+more)
}

// silence is what a plan mutes, or lets ring again.
func (p *page) silence(m *Model, c *actions.SilenceChange) {
	s := &c.Silence
	p.add(m.st.Title, fleet.MatchersText(s.Matchers))
	if c.End {
		p.add(m.st.Muted, fmt.Sprintf("made by %s: %s", s.Author, s.Comment))
		p.add(m.st.Muted, "it would have lasted until "+m.clock(s.Ends))
	} else {
		p.add(m.st.Text, fmt.Sprintf("until %s, by %s: %s", m.clock(s.Ends), s.Author, s.Comment))
	}
	p.gap()
	verb := "mutes now"
	if c.End {
		verb = "rings again"
	}
	if len(c.Alerts) == 0 {
		p.add(m.st.Muted, verb+": no alert")
		return
	}
	p.add(m.st.Text, verb+": "+count(len(c.Alerts), "alert"))
	const most = 12
	for i := range c.Alerts {
		if i == most {
			p.add(m.st.Muted, fmt.Sprintf("  and %d more", len(c.Alerts)-most))
			break
		}
		a := &c.Alerts[i]
		sign, _, style := m.st.Alert(string(a.State), a.Severity)
		p.hang(style, "  "+sign+" ", strings.TrimSpace(strings.Join([]string{string(a.State), a.Severity, a.Name, a.Service, a.Summary}, "  ")))
	}
}
