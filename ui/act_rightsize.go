package ui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// rightsizeSpan is what is looked at for what services use.
const rightsizeSpan = 7 * 24 * time.Hour

// rightsizeCommands are the palette's commands that make reservations fit: of the services under the cursor or marked, or of all of which it saves.
func (m *Model) rightsizeCommands() []command {
	out := []command{{name: "rightsize all services of which it saves", run: func(m *Model) tea.Cmd { return m.askRightsize(nil) }}}
	if services := m.targets(); len(services) > 0 {
		out = append(out, command{name: "rightsize " + about(services), run: func(m *Model) tea.Cmd { return m.askRightsize(services) }})
	}
	return out
}

func (m *Model) askRightsize(services []string) tea.Cmd {
	what := "rightsize all services"
	if len(services) > 0 {
		what = "rightsize " + about(services)
	}
	return m.requestPlan(what, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanRightsize(ctx, services, rightsizeSpan)
	})
}
