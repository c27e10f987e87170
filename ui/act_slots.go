package ui

import (
	"fmt"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// Columns of a slot's line, in cells.
const slotName, slotNode, slotTask = 8, 12, 14

// slot is a place: the old task beside the new one.
func (b *progressBox) slot(m *Model, p *page, o *actions.Rollout, s *actions.SlotProgress) {
	name := fmt.Sprintf(".%d", s.Slot)
	if s.Slot == 0 {
		name = "."
	}
	left := m.st.Muted.Render(plain.Fit("  "+name, slotName) + plain.Fit(inLine(s.Node), slotNode) + " ")
	now := b.entry.at
	oldText, oldStyle := m.slotTask(s.Old, now, o.Window, false)
	newText, newStyle := m.slotTask(s.New, now, o.Window, true)
	line := left + oldStyle.Render(plain.Fit(oldText, slotTask)) + m.st.Muted.Render(" "+m.st.Signs.Right+" ")
	used := slotName + slotNode + 1 + slotTask + 3
	if s.Failures > 0 {
		newText += " · " + count(s.Failures, "failure")
	}
	if err := slotError(s); err != "" {
		newText += ": " + err
	}
	p.drawn(line + newStyle.Render(plain.Clip(inLine(newText), max(p.w-used, 1))))
}

func slotError(s *actions.SlotProgress) string {
	switch {
	case s.New != nil && s.New.Err != "":
		return s.New.Err
	case s.New == nil && s.Old != nil && s.Old.State != sources.TaskShutdown:
		return s.Old.Err
	}
	return ""
}

// slotTask is a task's state, with what it waits for.
func (m *Model) slotTask(t *sources.Task, now time.Time, window time.Duration, fresh bool) (string, theme.Style) {
	g := m.st.Signs
	switch {
	case t == nil:
		return "–", m.st.Muted
	case t.State == sources.TaskFailed || t.State == sources.TaskRejected:
		return g.Down + " " + string(t.State), m.st.Error
	case t.State.Ended():
		return g.Dot + " " + string(t.State), m.st.Muted
	case t.State == sources.TaskRunning && t.Desired.Ended():
		return g.Updating + " stopping", m.st.Muted
	case t.State == sources.TaskRunning && fresh:
		text := g.OK + " running"
		if held := now.Sub(t.Since); held >= 0 && held < window {
			text += fmt.Sprintf(", stable %d s of %d s", int(held.Seconds()), int(window.Seconds()))
		}
		return text, m.st.OK
	case t.State == sources.TaskRunning:
		return g.OK + " running", m.st.Text
	case t.State == sources.TaskPreparing:
		return g.Updating + " preparing (pulling)", m.st.Updating
	case t.State == sources.TaskStarting:
		return g.Updating + " starting (health)", m.st.Updating
	}
	return g.Updating + " " + string(t.State), m.st.Updating
}
