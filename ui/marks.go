package ui

import (
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/theme"
)

// markOf is the mark that something that happened gets on charts and on the strip; false: it gets none.
func markOf(h *fleet.Happening) (chart.MarkKind, bool) {
	switch h.Kind {
	case fleet.DeployStarted, fleet.DeployPaused, fleet.RolledBack, fleet.Scaled, fleet.Created:
		return chart.MarkDeploy, true
	case fleet.TaskStarted:
		return chart.MarkStart, true
	case fleet.TaskDied:
		return chart.MarkDeath, true
	case fleet.AlertFiring:
		return chart.MarkAlert, true
	case fleet.ActionBegun:
		return chart.MarkAction, true
	case fleet.NodeChanged:
		return chart.MarkNode, true
	}
	return 0, false
}

// concerns tells whether something that happened is of a service: a node's changes are of all.
func concerns(h *fleet.Happening, service string) bool {
	return h.Service == service || h.Kind == fleet.NodeChanged || h.Kind == fleet.ActionBegun && slices.Contains(strings.Split(h.Service, ","), service)
}

// chartMarks are what happened to a service in a window, as marks on its charts.
func (m *Model) chartMarks(service string, w sources.Window) []chart.Mark {
	var out []chart.Mark
	for i := range m.snap.History {
		h := &m.snap.History[i]
		if h.Time.Before(w.Start) || h.Time.After(w.End) || !concerns(h, service) {
			continue
		}
		if kind, ok := markOf(h); ok {
			text := h.Kind
			if kind != chart.MarkDeploy {
				text = h.Text
			}
			out = append(out, chart.Mark{Time: h.Time, Kind: kind, Label: inLine(text)})
		}
	}
	if a := m.brush.a; !a.IsZero() {
		out = append(out, chart.Mark{Time: a, Kind: chart.MarkMoment, Label: "A"})
	}
	return out
}

// markWords name the marks, in the order of the legend.
var markWords = []struct {
	kind chart.MarkKind
	word string
}{{chart.MarkDeploy, "deploy"}, {chart.MarkStart, "task start"}, {chart.MarkDeath, "task death"}, {chart.MarkAlert, "alert"}, {chart.MarkAction, "action"}, {chart.MarkNode, "node"}}

// legend names the signs of the marks that are there, so that they can be read without colour; "": none is there.
func legend(st theme.Styles, has func(chart.MarkKind) bool) string {
	var words []string
	for _, x := range markWords {
		if has(x.kind) {
			words = append(words, chart.MarkSign(st, x.kind)+" "+x.word)
		}
	}
	return strings.Join(words, " ")
}

// chartLegend names the marks on a service's charts.
func (m *Model) chartLegend(service string, w sources.Window) string {
	marks := m.chartMarks(service, w)
	return legend(m.st, func(k chart.MarkKind) bool {
		return slices.ContainsFunc(marks, func(x chart.Mark) bool { return x.Kind == k })
	})
}
