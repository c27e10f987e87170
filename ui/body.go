package ui

import (
	"fmt"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// bodyLines draws everything between header and last line.
func (m *Model) bodyLines(r rects) []string {
	switch {
	case r.table.h == 0 && r.logs.h > 0:
		return m.logsLines(r.logs, true)
	case r.table.h == 0 && r.metrics.h > 0:
		return m.metricsLines(r.metrics)
	}
	switch m.view {
	case viewOverview:
		return m.overviewLines(r)
	case viewServices:
		table := m.servicesLines(r.table, true, true)
		return append(table, m.aboutLines(r.about)...)
	case viewTasks:
		return m.tasksLines(r)
	case viewAlerts:
		return m.alertsLines(r.table)
	case viewTimeline:
		return m.timelineLines(r.table)
	case viewStages:
		return m.stagesLines(r)
	case viewBackups:
		return m.backupsLines(r)
	case viewNodes:
		nodes := m.nodesLines(r.table)
		if r.about.h == 0 {
			return nodes
		}
		return append(nodes, m.nodeTasks(r.about)...)
	}
	return blankLines(m.w, m.h-3)
}

func (m *Model) paneLines(title string, r rect, focused bool, body []string) []string {
	return append([]string{m.titleLine(title, r.w, focused)}, body...)
}

func (m *Model) overviewLines(r rects) []string {
	table := m.servicesLines(r.table, m.focus == paneTable, false)
	if !r.wide || m.zoom {
		if r.about.h == 0 {
			return table
		}
		if r.alerts.h > 0 {
			table = append(table, m.firingLine(r.alerts.w))
		}
		return append(table, m.aboutLines(r.about)...)
	}
	if r.alerts.h > 0 {
		table = append(table, m.alertsBelow(r.alerts)...)
	}
	right := m.aboutLines(r.about)
	right = append(right, m.metricsLines(r.metrics)...)
	right = append(right, m.logsLines(r.logs, m.focus == paneLogs)...)
	lines := beside(table, right, m.st.Border.Render(m.st.Signs.Bar))
	return append(lines, m.stripLines(r.strip)...)
}

func (m *Model) metricsLines(r rect) []string {
	service := m.subject()
	title := m.metrics.title(m, service)
	focused := m.focus == paneMetrics
	if m.view == viewMetrics || m.zoom {
		return m.paneLines(title, r, true, m.metrics.fullLines(m, service, r.w, r.h-1))
	}
	return m.paneLines(title, r, focused, m.metrics.overviewLines(m, service, r.w, r.h-1))
}

// aboutLines tells of the selected service in three lines: what it is, how it stands and why, what runs.
func (m *Model) aboutLines(r rect) []string {
	then := m.then()
	v := then.Service(m.services.selected())
	st := m.st
	if v == nil {
		return blankLines(r.w, r.h)
	}
	sign, word, style := st.Health(string(v.Health))
	if stopped(then, v) {
		sign, word, style = stoppedWords(st)
	} else if urgency(then, v) == urgentLook {
		sign, word, style = st.Signs.Look, word+", needs a look", st.Warn
	}
	head := style.Render(" " + sign + " " + word)
	used := 3 + plain.Width(word)
	if !v.HealthSince.IsZero() {
		since := " for " + age(v.HealthSince, then.At)
		head += st.Muted.Render(since)
		used += plain.Width(since)
	}
	head += st.Title.Render(plain.Fit("  "+inLine(v.Name), max(r.w-used, 0)))
	reason := m.whyOf(v)
	if reason == "" {
		reason = "all that should run does, and is stable"
		if v.Health == fleet.Idle {
			reason = "scaled to 0"
		}
	}
	reasonStyle := st.Text
	if inTrouble(then, v) {
		reasonStyle = stateCell(st, then, v, 12).style
	}
	lines := []string{head}
	room, causes := 3, false
	_, policy := m.advised(v)
	if policy != nil && r.h > room {
		room++
	}
	if r.h >= room+causeHeight && m.ailing() != nil {
		room, causes = room+causeHeight, true
	}
	for _, l := range wrapMost(inLine(reason), r.w-3, 1+min(max(r.h-room, 0), 1)) {
		lines = append(lines, reasonStyle.Render(plain.Fit("   "+l, r.w)))
	}
	if causes {
		lines = append(lines, m.causeLines(r.w)...)
	}
	if policy != nil && r.h > 3 {
		lines = append(lines, m.scaleLine(v, r.w))
	}
	lines = append(lines, st.Muted.Render(plain.Fit("   "+serviceFacts(v, shortImage(v.Image)), r.w)))
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines[:r.h]
}

// wrapMost breaks harmless text into at most so many lines; the last has all that is left, for its end to be cut.
func wrapMost(text string, w, most int) []string {
	lines := wrapText(text, max(w, 1))
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most-1:most-1], strings.Join(lines[most-1:], " "))
}

// serviceFacts are a service's settings in one line, the most asked for first. Harmless.
func serviceFacts(v *fleet.Service, image string) string {
	parts := []string{inLine(image)}
	if v.Digest == "" {
		parts = append(parts, "no digest")
	} else {
		parts = append(parts, plain.Clip(inLine(strings.TrimPrefix(v.Digest, "sha256:")), 12))
	}
	parts = append(parts, string(v.Mode))
	if v.Update.Order != "" && !v.Mode.Job() {
		parts = append(parts, v.Update.Order+", on failure "+v.Update.FailureAction)
	}
	if v.UpdateState != "" {
		parts = append(parts, "update "+v.UpdateState)
	}
	return strings.Join(parts, " · ")
}

// shortImage is an image without its registry, which is the same for most and hides the name and tag. What comes
// before the first slash is a registry where it has a dot or a colon, or is localhost (distribution/reference, splitDockerDomain).
func shortImage(image string) string {
	if host, rest, ok := strings.Cut(image, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return rest
	}
	return image
}

// whyNoServices is what the empty table says.
func (m *Model) whyNoServices() string {
	s := m.snap.Source(fleet.SwarmName)
	switch {
	case !m.snap.Ready() && s.Detail != "":
		return string(s.State) + ": " + s.Detail
	case !m.snap.Ready():
		return "asking the swarm for its services"
	case m.services.total > 0:
		return fmt.Sprintf("none of %d services matches: esc takes the filter off", m.services.total)
	case s.State == sources.Live || s.State == sources.Polling:
		return "this swarm runs no service"
	}
	return string(s.State) + ": " + s.Detail
}
