package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
)

// othersWithin is how long a run of somebody else is taken to be under way where no end of it was heard: whatever it began
// has an end or a deadline by then.
const othersWithin = 6 * time.Hour

// others are the runs under way that are not of this console, the newest first. Those that were interrupted on this machine are told of elsewhere.
func (m *Model) others() []actions.TeamRun {
	var out []actions.TeamRun
	for i := len(m.team) - 1; i >= 0; i-- {
		r := &m.team[i]
		if r.Ended.IsZero() && m.now().Sub(r.Began) < othersWithin && !m.knowsRun(r.Run) {
			out = append(out, *r)
		}
	}
	return out
}

// knowsRun tells whether a run is this console's own, or was interrupted on this machine.
func (m *Model) knowsRun(id string) bool {
	for _, e := range m.hands.runs {
		if e.progress.Run == id {
			return true
		}
	}
	for i := range m.hands.open {
		if m.hands.open[i].Run.ID == id {
			return true
		}
	}
	return false
}

// othersWords are what others do now, in one line: "ada: redeploy shop_web for 12 s, +1". Harmless.
func (m *Model) othersWords() (who, what string) {
	list := m.others()
	if len(list) == 0 {
		return "", ""
	}
	r := &list[0]
	who, what = plain.Clip(shortName(r.Actor), 16), plain.Clip(inLine(r.Action+" "+r.Target), 28)
	if step := inLine(r.Step); step != "" && step != inLine(r.Action+" "+r.Target) {
		what += " (" + plain.Clip(step, 28) + ")"
	}
	what += " for " + shortly(m.now().Sub(r.Began))
	if n := len(list) - 1; n > 0 {
		what += fmt.Sprintf(", +%d", n)
	}
	return who, what
}

// teamPieces tell in the header of the runs that others have under way.
func (m *Model) teamPieces() []piece {
	list := m.others()
	if len(list) == 0 {
		return nil
	}
	r := &list[0]
	more := ""
	if n := len(list) - 1; n > 0 {
		more = fmt.Sprintf(" +%d", n)
	}
	return []piece{{text: "  " + m.st.Signs.Updating + " " + plain.Clip(shortName(r.Actor), 12), style: m.st.Updating, drop: 5},
		{text: ": " + plain.Clip(inLine(r.Action+" "+r.Target), 28), style: m.st.Updating, drop: 5}, {text: more, style: m.st.Updating, drop: 5}}
}

// shortName is who somebody is: of an address what is before the @. Harmless.
func shortName(actor string) string {
	who, _, _ := strings.Cut(actor, "@")
	return inLine(who)
}
