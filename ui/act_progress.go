package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// slotsOfServices is up to how many services are shown slot by slot.
const slotsOfServices = 8

// progressBox shows a run: how far each service is, slot by slot, and the verdict.
type progressBox struct {
	entry  *runEntry
	scroll scroller
	tall   int // the least lines, so that it does not jump
}

func newProgressBox(m *Model, e *runEntry) *progressBox {
	tall := 6
	if e.progress.Plan.BySteps() {
		tall += len(e.progress.Plan.Steps()) + 4
	}
	for i := range e.progress.Plan.Changes {
		c := &e.progress.Plan.Changes[i]
		tall++
		if before, ok := c.Before.Replicas(); ok && len(e.progress.Plan.Changes) <= slotsOfServices {
			after, _ := c.After.Replicas()
			tall += int(min(max(before, after), 64)) + 1 //nolint:gosec // bounded
		} else if len(e.progress.Plan.Changes) <= slotsOfServices {
			tall += m.snap.Counts.Nodes
		}
	}
	if e.ended {
		e.read = true
	}
	return &progressBox{entry: e, tall: tall + 1}
}

func (b *progressBox) title() string {
	return inLine(b.entry.progress.Title) + " · run " + b.entry.progress.Run
}
func (b *progressBox) paste(string) {}

func (b *progressBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, max(b.tall, len(b.head(m, w).lines)+len(b.body(m, w).lines)+len(b.foot(m, w).lines))
}

func (b *progressBox) lines(m *Model, w, h int) []string {
	head, body, foot := b.head(m, w), b.body(m, w), b.foot(m, w)
	room := max(h-len(head.lines)-len(foot.lines), 1)
	over := max(len(body.lines)-room, 0)
	out := append(head.lines, body.window(min(b.scroll.at, over), room)...)
	if over > 0 && len(foot.lines) > 0 {
		foot.lines[0] = m.st.Muted.Render(plain.Fit(b.scroll.note(m, over), w))
	}
	out = append(out, foot.lines...)
	return (&page{w: w, lines: out}).exactly(h)
}

// head tells how far the whole run is.
func (b *progressBox) head(m *Model, w int) *page {
	p := &page{w: w}
	pr := &b.entry.progress
	sign, text, style := m.verdict(b.entry)
	took := b.entry.at.Sub(pr.Began)
	if !pr.Ended.IsZero() {
		took = pr.Ended.Sub(pr.Began)
	}
	text += " · " + shortly(took)
	if left := runLeft(pr); left > 0 && !b.entry.ended {
		text += " · about " + shortly(left) + " left"
	}
	p.sign(style, sign, text)
	if done, all := pr.Done(); all > 1 {
		p.drawn(m.bar(style, done, all, min(40, w/2)) + m.st.Text.Render(fmt.Sprintf(" %d/%d services proven well", done, all)))
		p.drawn(m.stateCounts(pr))
	}
	for i := range pr.Steps {
		if s := &pr.Steps[i]; s.State == "failed" && !b.entry.ended && !pr.Plan.BySteps() {
			p.sign(m.st.Error, m.st.Signs.Down, s.Name+": "+s.Detail)
		}
	}
	p.gap()
	return p
}

// runLeft is the longest of what is left.
func runLeft(p *actions.Progress) time.Duration {
	var left time.Duration
	for i := range p.Rollouts {
		left = max(left, p.Rollouts[i].Left)
	}
	return left
}

func (m *Model) stateCounts(p *actions.Progress) string {
	counts, words := map[actions.RolloutState]int{}, map[actions.RolloutState]string{}
	for i := range p.Rollouts {
		o := &p.Rollouts[i]
		counts[o.State]++
		words[o.State] = rolloutWord(p, o)
	}
	var b strings.Builder
	for _, s := range []actions.RolloutState{actions.RolloutFailed, actions.RolloutRolledBack, actions.RolloutOvertaken, actions.RolloutUnseen, actions.RolloutBack,
		actions.RolloutRolling, actions.RolloutSettling, actions.RolloutWaiting, actions.RolloutDone, actions.RolloutGone} {
		if counts[s] > 0 {
			sign, style := m.rolloutSign(s)
			b.WriteString(style.Render(fmt.Sprintf("%s %d %s  ", sign, counts[s], words[s])))
		}
	}
	return b.String()
}

// rolloutWord is where a rollout stands. Of a run that has ended nothing waits any more: what has not begun was not done.
func rolloutWord(p *actions.Progress, o *actions.Rollout) string {
	switch {
	case o.State != actions.RolloutWaiting || p.Result == "":
		return string(o.State)
	case o.Began.IsZero():
		return "not done"
	}
	return "not verified"
}

func (m *Model) rolloutSign(s actions.RolloutState) (string, theme.Style) {
	g := m.st.Signs
	switch s {
	case actions.RolloutDone, actions.RolloutGone:
		return g.OK, m.st.OK
	case actions.RolloutFailed, actions.RolloutRolledBack:
		return g.Down, m.st.Error
	case actions.RolloutOvertaken, actions.RolloutBack:
		return g.Degraded, m.st.Warn
	case actions.RolloutUnseen:
		return g.Unknown, m.st.Unknown
	case actions.RolloutWaiting:
		return g.Idle, m.st.Muted
	}
	return g.Updating, m.st.Updating
}

// verdict is a run in a few words.
func (m *Model) verdict(e *runEntry) (sign, text string, style theme.Style) {
	g, st := m.st.Signs, m.st
	p := &e.progress
	switch p.Result {
	case "":
		if p.TakingBack {
			return g.Degraded, "it has failed and is being taken back", st.Warn
		}
		return g.Updating, "under way" + underWay(p), st.Updating
	case actions.ResultDone:
		if v := e.report.Verify; v != nil && v.StableFor > 0 {
			return g.OK, "converged, stable for " + shortly(time.Duration(v.StableFor*float64(time.Second))), st.OK
		}
		return g.OK, "done", st.OK
	case actions.ResultNothing:
		return g.Idle, "nothing to do: " + p.Reason, st.Muted
	case actions.ResultTakenBack:
		return g.Degraded, "failed and taken back: " + p.Reason, st.Warn
	case actions.ResultInterrupted:
		return g.Unknown, "unfinished: " + p.Reason, st.Warn
	}
	return g.Down, "failed: " + p.Reason, st.Error
}

// underWay is the step that a run is at.
func underWay(p *actions.Progress) string {
	n := len(p.Steps)
	if n == 0 {
		return ""
	}
	name, all := p.Steps[n-1].Name, p.Plan.Steps()
	if at := slices.IndexFunc(all, func(s actions.Step) bool { return s.Name == name }); at >= 0 && len(all) > 2 { // a run that was resumed does not begin at the first
		return fmt.Sprintf(": step %d of %d, %s", at+1, len(all), name)
	}
	return ": " + name
}

// bar is a bar of done of all in w cells.
func (m *Model) bar(style theme.Style, done, all, w int) string {
	full := 0
	if all > 0 {
		full = min(done*w/all, w)
	}
	on, off := "█", "░"
	if m.st.ASCII {
		on, off = "#", "."
	}
	return style.Render(strings.Repeat(on, full)) + m.st.Faint.Render(strings.Repeat(off, w-full))
}

// order is the rollouts as they are shown: the failed first, then those that go on, then the others in their own order.
func (b *progressBox) order() []*actions.Rollout {
	rank := func(s actions.RolloutState) int {
		switch s {
		case actions.RolloutFailed, actions.RolloutRolledBack, actions.RolloutOvertaken, actions.RolloutUnseen:
			return 0
		case actions.RolloutWaiting:
			return 2
		case actions.RolloutDone, actions.RolloutGone:
			return 3
		}
		return 1
	}
	all := b.entry.progress.Rollouts
	out := make([]*actions.Rollout, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	if len(all) > slotsOfServices { // few stay where they are
		slices.SortStableFunc(out, func(x, y *actions.Rollout) int { return rank(x.State) - rank(y.State) })
	}
	return out
}

func (b *progressBox) body(m *Model, w int) *page {
	p := &page{w: w}
	if v := b.entry.report.Verify; (b.entry.progress.Plan.Silence != nil || b.entry.progress.Plan.Scaling != nil || b.entry.progress.Plan.Node != nil) && v != nil {
		for i := range v.Checks {
			sign, style := m.st.Signs.OK, m.st.OK
			if !v.Checks[i].OK {
				sign, style = m.st.Signs.Down, m.st.Error
			}
			p.sign(style, "  "+sign, strings.TrimSpace(v.Checks[i].Service+" "+v.Checks[i].Name)+": "+v.Checks[i].Detail)
		}
	}
	if b.entry.progress.Plan.BySteps() {
		p.recovery(m, &b.entry.progress)
		p.recovered(m, &b.entry.report)
		p.dayCame(m, b.entry.report.Day)
		p.gap()
	}
	rollouts := b.order()
	names := 0
	for _, o := range rollouts {
		names = max(names, plain.Width(inLine(o.Service)))
	}
	for _, o := range rollouts {
		b.service(m, p, o, min(names, w/3))
		if len(rollouts) > slotsOfServices {
			continue
		}
		for i := range o.Slots {
			b.slot(m, p, o, &o.Slots[i])
		}
		b.last(m, p, o)
	}
	return p
}

// service is a rollout in a line, and its reason in another.
func (b *progressBox) service(m *Model, p *page, o *actions.Rollout, names int) {
	sign, style := m.rolloutSign(o.State)
	head := m.st.Title.Render(plain.Fit(inLine(o.Service), names)) + " " + style.Render(plain.Fit(sign+" "+rolloutWord(&b.entry.progress, o), 14))
	switch {
	case o.Began.IsZero(), o.State == actions.RolloutGone:
	case o.State == actions.RolloutWaiting && o.Want == 0:
		if b.entry.progress.Result == "" {
			head += m.st.Muted.Render(" changed, not looked at yet")
		}
	default:
		head += " " + m.bar(style, o.Well, o.Want, 12) + m.st.Text.Render(fmt.Sprintf(" %d/%d well", o.Well, o.Want))
		until := b.entry.at
		if !o.Converged.IsZero() {
			until = o.Converged
		} else if !b.entry.progress.Ended.IsZero() {
			until = b.entry.progress.Ended
		}
		times := " · " + shortly(until.Sub(o.Began))
		if o.Left > 0 && !o.State.Ended() {
			times += " · about " + shortly(o.Left) + " left"
		}
		if stable := b.stable(o); stable != "" {
			times += " · " + stable
		}
		head += m.st.Muted.Render(times)
	}
	p.drawn(head)
	if said := b.entry.progress.Result != "" && len(b.entry.progress.Rollouts) == 1; o.Reason != "" && o.State != actions.RolloutDone && !said {
		if !o.State.Ended() {
			style = m.st.Muted
		}
		p.hang(style, "  ", o.Reason)
	}
}

// stable is how much of the window the youngest task has held.
func (b *progressBox) stable(o *actions.Rollout) string {
	if o.State != actions.RolloutSettling || o.Window <= 0 {
		return ""
	}
	held := o.Window
	for i := range o.Slots {
		if t := o.Slots[i].New; t != nil && t.State == sources.TaskRunning {
			held = min(held, max(b.entry.at.Sub(t.Since), 0))
		}
	}
	return fmt.Sprintf("stable %d s of %d s", int(held.Seconds()), int(o.Window.Seconds()))
}

// last are the last lines of the task that died.
func (b *progressBox) last(m *Model, p *page, o *actions.Rollout) {
	if len(o.Lines) == 0 || o.State == actions.RolloutDone {
		return
	}
	p.add(m.st.Muted, "  the last lines of the task that died:")
	for i := range o.Lines {
		e := &o.Lines[i]
		p.drawn(m.st.Muted.Render("  "+m.st.Signs.Bar+" "+m.clock(e.Time)+" ") + m.st.Level(e.Level).Render(plain.Clip(inLine(logview.Gist(e.Line)), max(p.w-14, 1))))
	}
}

func (b *progressBox) foot(m *Model, w int) *page {
	p := &page{w: w}
	p.gap()
	switch {
	case !b.entry.ended:
		p.hints(m, "esc", "leaves it running", "l", "logs", "R", "runs")
	case b.entry.report.Day != nil:
		p.hints(m, "e", "report", "w enter", "close")
	case b.entry.report.Undo != "":
		p.hints(m, "u", "take back", "l", "logs", "w enter", "close")
	default:
		p.hints(m, "l", "logs", "w enter", "close")
	}
	return p
}

func (b *progressBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "ctrl+c":
		return m.quit(), false
	case "esc", "enter", "w", "q":
		return nil, true
	case "l":
		m.openLogsFor(b.entry.progress.Rollouts)
		return nil, true
	case "R":
		return m.openRuns(), false
	case "e":
		if d := b.entry.report.Day; d != nil {
			return m.openDay(d, b), false
		}
		return nil, false
	case "u":
		switch {
		case !b.entry.ended:
			return m.say("it is under way: it can be taken back once it has ended"), false
		case b.entry.report.Undo == "":
			return m.say("there is nothing of this run to be taken back"), false
		}
		return m.requestUndo(b.entry.progress.Run, b.entry.progress.Title), false
	}
	w := boxWidth(m)
	_, tall := b.size(m)
	room := max(min(tall, m.h-4)-len(b.head(m, w).lines)-len(b.foot(m, w).lines), 1)
	b.scroll.handle(lookup(k, areaList), len(b.body(m, w).lines)-room, room)
	return nil, false
}

// openLogsFor shows the logs of a run's services.
func (m *Model) openLogsFor(rollouts []actions.Rollout) {
	m.scope = []string{}
	for i := range rollouts {
		m.scope = append(m.scope, rollouts[i].Service)
	}
	if len(m.scope) == 1 && m.snap.Service(m.scope[0]) != nil {
		m.gotoService(m.scope[0])
		m.scope = nil
	}
	m.open(viewLogs)
}

// shortly is a duration in whole seconds: "8 s", "3 min 20 s".
func shortly(d time.Duration) string {
	s := int(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600 && s%60 != 0:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
}
