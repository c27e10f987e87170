package ui

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/ui/chart"
)

// askBackup, askDrill and askRestore plan a recovery of a service, to be confirmed like any other action. snapshot is an id, or "latest".
func (m *Model) askBackup(service string) tea.Cmd {
	return m.requestPlan("back up "+service, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanBackup(ctx, service) })
}

func (m *Model) askDrill(service, snapshot string) tea.Cmd {
	return m.requestPlan("drill "+service, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanDrill(ctx, service, snapshot)
	})
}

func (m *Model) askRestore(service, snapshot string) tea.Cmd {
	return m.requestPlan("restore "+service, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanRestore(ctx, service, snapshot)
	})
}

// askDrillAt and askRestoreAt plan the same of the newest snapshot at or before a moment.
func (m *Model) askDrillAt(service string, at time.Time) tea.Cmd {
	return m.requestPlan("drill "+service, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanDrillAt(ctx, service, at)
	})
}

func (m *Model) askRestoreAt(service string, at time.Time) tea.Cmd {
	return m.requestPlan("restore "+service, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanRestoreAt(ctx, service, at)
	})
}

// dayCame says what came of a DR day.
func (p *page) dayCame(m *Model, d *recovery.Day) {
	if d == nil {
		return
	}
	p.gap()
	style, sign := m.st.OK, m.st.Signs.OK
	if ok, all := d.Count(); ok < all || len(d.Uncovered()) > 0 {
		style, sign = m.st.Warn, m.st.Signs.Warning
	}
	p.sign(style, sign, d.Verdict())
	for _, x := range d.Uncovered() {
		p.sign(m.st.Warn, m.st.Signs.Warning, x.Service+" was not tried: "+x.Why)
	}
}

// recovery draws the steps of a recovery: those that are done with the time they took, the one under way with what its job says and how many bytes it has
// moved, and those to come.
func (p *page) recovery(m *Model, pr *actions.Progress) {
	all := pr.Plan.Steps()
	at := -1
	if n := len(pr.Steps); n > 0 {
		at = slices.IndexFunc(all, func(s actions.Step) bool { return s.Name == pr.Steps[n-1].Name })
	}
	first := at - len(pr.Steps) + 1 // those before were done by an earlier process
	for i := range all {
		switch n := i - first; {
		case at < 0 || i > at:
			p.hang(m.st.Faint, fmt.Sprintf("  %s ", m.st.Signs.Idle), all[i].Name)
		case n < 0:
			p.hang(m.st.Muted, fmt.Sprintf("  %s ", m.st.Signs.OK), all[i].Name+" (before)")
		default:
			p.recoveryStep(m, &pr.Steps[n])
		}
	}
}

func (p *page) recoveryStep(m *Model, s *actions.StepReport) {
	moved := ""
	if s.Bytes > 0 {
		moved = " · " + chart.Humanize(float64(s.Bytes), "bytes")
	}
	switch s.State {
	case "done":
		p.hang(m.st.OK, fmt.Sprintf("  %s ", m.st.Signs.OK), s.Name+" · "+shortly(time.Duration(s.Took*float64(time.Second)))+moved)
		return
	case "failed":
		p.hang(m.st.Error, fmt.Sprintf("  %s ", m.st.Signs.Down), s.Name+" · "+s.Detail)
		return
	}
	p.hang(m.st.Updating, fmt.Sprintf("  %s ", m.st.Signs.Updating), s.Name)
	if s.Detail != "" {
		p.hang(m.st.Muted, "    ", s.Detail+moved)
	}
	if s.Total > 0 {
		const cells = 24
		p.drawn("    " + m.bar(m.st.Updating, int(100*min(s.Bytes, s.Total)/s.Total), 100, cells) + m.st.Text.Render(fmt.Sprintf(" %d%% of %s", 100*min(s.Bytes, s.Total)/s.Total, chart.Humanize(float64(s.Total), "bytes"))))
	}
}

// recovered says what came of a recovery: the times that count, and what the verify command said.
func (p *page) recovered(m *Model, r *actions.Report) {
	x := r.RecoveryReport
	if x == nil || r.Result != actions.ResultDone {
		return
	}
	if x.Snapshot != "" {
		p.add(m.st.Text, fmt.Sprintf("snapshot %.8s of %s, %s", x.Snapshot, m.clock(x.Taken), chart.Humanize(float64(x.Bytes), "bytes")))
	}
	if x.RTO != nil && x.RPO != nil {
		seconds := func(v float64) string { return shortly(time.Duration(v * float64(time.Second))) }
		p.add(m.st.Text, fmt.Sprintf("back after %s (RTO) · %s of the newest data are not in it (RPO)", seconds(*x.RTO), seconds(*x.RPO)))
	}
	if v := x.Verified; v != nil {
		p.sign(m.st.OK, m.st.Signs.OK, fmt.Sprintf("verified: %s (exit %d)", v.Command, v.Exit))
	}
}
