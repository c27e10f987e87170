package ui

import (
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/theme"
)

// kindSign is how what happens is drawn. Kinds that charts show too have the mark's sign and colour.
type kindSign struct {
	mark   chart.MarkKind
	marked bool
	sign   func(*theme.Signs) string
	style  func(theme.Styles) theme.Style
	bad    func(theme.Styles) theme.Style // nil: as style
}

func onCharts(kind chart.MarkKind) kindSign {
	k := kindSign{mark: kind, marked: true, style: func(st theme.Styles) theme.Style { return chart.MarkStyle(st, kind) }}
	switch kind {
	case chart.MarkDeploy, chart.MarkAction:
		k.bad = errorStyle
	case chart.MarkNode:
		k.bad = warnStyle
	}
	return k
}

func errorStyle(st theme.Styles) theme.Style { return st.Error }
func warnStyle(st theme.Styles) theme.Style  { return st.Warn }
func okStyle(st theme.Styles) theme.Style    { return st.OK }
func accentStyle(st theme.Styles) theme.Style {
	return st.Accent
}

// kindSigns is the one table of signs: the timeline's list, the strip, the charts and the boxes draw from it. Kinds of one family
// share a sign, and no two families have the same, with ASCII too.
var kindSigns = map[string]kindSign{
	fleet.DeployStarted: onCharts(chart.MarkDeploy),
	fleet.DeployDone:    onCharts(chart.MarkDeploy),
	fleet.DeployPaused:  onCharts(chart.MarkDeploy),
	fleet.RolledBack:    onCharts(chart.MarkDeploy),
	fleet.Scaled:        onCharts(chart.MarkDeploy),
	fleet.Created:       onCharts(chart.MarkDeploy),
	fleet.Removed:       onCharts(chart.MarkDeploy),
	fleet.TaskStarted:   onCharts(chart.MarkStart),
	fleet.TaskDied:      onCharts(chart.MarkDeath),
	fleet.AlertFiring:   onCharts(chart.MarkAlert),
	fleet.ActionBegun:   onCharts(chart.MarkAction),
	fleet.ActionEnded:   onCharts(chart.MarkAction),
	fleet.NodeChanged:   onCharts(chart.MarkNode),

	fleet.AlertResolved: {sign: func(s *theme.Signs) string { return s.Resolved }, style: okStyle},
	fleet.SilenceBegun:  {sign: func(s *theme.Signs) string { return s.Paused }, style: accentStyle},
	fleet.SilenceEnded:  {sign: func(s *theme.Signs) string { return s.Paused }, style: accentStyle},
	fleet.IncidentPhase: {sign: func(s *theme.Signs) string { return s.Critical }, style: accentStyle, bad: errorStyle},
	fleet.HealthChanged: {sign: func(s *theme.Signs) string { return s.Mark }, style: okStyle, bad: errorStyle},
	fleet.SourceChanged: {sign: func(s *theme.Signs) string { return s.Gap }, style: func(st theme.Styles) theme.Style { return st.Muted }, bad: warnStyle},
	fleet.SnapshotTaken: {sign: func(s *theme.Signs) string { return s.Backup }, style: okStyle, bad: warnStyle},
	fleet.Drilled:       {sign: func(s *theme.Signs) string { return s.Backup }, style: accentStyle, bad: errorStyle},
	fleet.Restored:      {sign: func(s *theme.Signs) string { return s.Backup }, style: accentStyle, bad: errorStyle},
	fleet.CheckTurned:   {sign: func(s *theme.Signs) string { return s.Check }, style: okStyle, bad: warnStyle},
	fleet.Annotated:     {sign: func(s *theme.Signs) string { return s.Stale }, style: accentStyle},
}

// otherSign is that of kinds that are not in the table.
var otherSign = kindSign{sign: func(s *theme.Signs) string { return s.Dot }, style: func(st theme.Styles) theme.Style { return st.Muted }, bad: warnStyle}

func signOf(kind string) kindSign {
	if k, ok := kindSigns[kind]; ok {
		return k
	}
	return otherSign
}

// kindStyle is a kind's sign, one cell wide, and its colour.
func (m *Model) kindStyle(kind string, bad bool) (string, theme.Style) {
	k := signOf(kind)
	style := k.style
	if bad && k.bad != nil {
		style = k.bad
	}
	if k.marked {
		return chart.MarkSign(m.st, k.mark), style(m.st)
	}
	return k.sign(&m.st.Signs), style(m.st)
}
