package ui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
)

// nodeActions are what the keys of the nodes do.
var nodeActions = map[act]string{actDrain: actions.Drain, actActivate: actions.Activate, actPromote: actions.Promote, actDemote: actions.Demote}

// askNode plans something that is done to the node under the cursor.
func (m *Model) askNode(a act) tea.Cmd {
	n := m.snap.Node(m.nodes.selected())
	if n == nil {
		return m.say("no node is selected")
	}
	action, id := nodeActions[a], n.ID
	return m.requestPlan(action+" "+inLine(n.Name), func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanNode(ctx, action, id) })
}

// movesShown is how many services are named that leave a node; the others are counted. Those that find no place come first.
const movesShown = 10

// node is what is wanted of a node, and where its tasks would go.
func (p *page) node(m *Model, c *actions.NodeChange) {
	st := m.st
	if name, before, after := c.Field(); before != after {
		p.drawn(st.Title.Render(inLine(c.Node)) + st.Muted.Render("  "+name+"  "+inLine(before)) + " " + st.Accent.Render(st.Signs.Right) + " " + st.Title.Render(inLine(after)))
	}
	moves := slices.Clone(c.Moves)
	slices.SortStableFunc(moves, func(a, b actions.NodeMove) int { return (b.Tasks - b.Placed) - (a.Tasks - a.Placed) })
	names := 0
	for i := range moves {
		names = max(names, plain.Width(inLine(moves[i].Service)))
	}
	for i := range moves {
		if i == movesShown {
			p.add(st.Muted, fmt.Sprintf("  %s and %s more", st.Signs.Ellipsis, count(len(moves)-i, "service")))
			return
		}
		move := &moves[i]
		var to []string
		for _, name := range slices.Sorted(maps.Keys(move.On)) {
			to = append(to, fmt.Sprintf("%s %d", name, move.On[name]))
		}
		style := st.Text
		if stuck := move.Tasks - move.Placed; stuck > 0 {
			style = st.Warn
			to = append(to, fmt.Sprintf("no place for %d", stuck))
		}
		p.hang(style, "  "+plain.Fit(inLine(move.Service), min(names, p.w/3))+"  ", fmt.Sprintf("%s %s %s", count(move.Tasks, "task"), st.Signs.Right, strings.Join(to, ", ")))
	}
}
