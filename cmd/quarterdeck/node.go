package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
)

func newNodeCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Drain a node, let it take tasks again, make it a manager or a worker",
		Long: `NODE is a node's name or id. Each is an action as the others are: a plan, a proof, a record, a way back (docs/actions.md).
` + actExits,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newNodeActionCommand(s, actions.Drain, "Have all tasks leave a node", `The plan says by the scheduler's own rules where each task would go, and which would find no place; where that is so, or where a volume would
stay behind, the node's name must be typed (--confirm NODE). It is done when nothing runs on the node any more, and what ran there is well elsewhere.
The node stays in the swarm, and a manager stays a manager.

  quarterdeck node drain node3 --dry-run
  quarterdeck node drain node3 --reason "new memory"
`),
		newNodeActionCommand(s, actions.Activate, "Let a drained or paused node take tasks again", `Nothing moves back by itself: tasks that are made from now on may be placed there.
`),
		newNodeActionCommand(s, actions.Promote, "Make a worker a manager", `It is done when the new manager answers.
`),
		newNodeActionCommand(s, actions.Demote, "Make a manager a worker", `Refused where the managers that are left would be no majority, and for the manager that this program talks to.
`))
	return cmd
}

func newNodeActionCommand(s *surroundings, action, short, long string) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   action + " NODE",
		Short: short,
		Long:  long + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("name one node: node " + action + " NODE")}
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanNode(ctx, action, args[0])
			})
		},
	}
	f.add(cmd)
	return cmd
}

// writeNodePlan shows what is wanted of a node, and where its tasks would go.
func writeNodePlan(out io.Writer, c *actions.NodeChange) {
	name, before, after := c.Field()
	if before != after {
		fmt.Fprintf(out, "  %s  %s → %s\n", name, before, after)
	}
	if len(c.Moves) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  SERVICE\tTASKS\tGO TO\tSTAY BEHIND")
	for i := range c.Moves {
		m := &c.Moves[i]
		var to []string
		for _, n := range slices.Sorted(maps.Keys(m.On)) {
			to = append(to, fmt.Sprintf("%s %d", plain.Line(n), m.On[n]))
		}
		if m.Placed < m.Tasks {
			to = append(to, fmt.Sprintf("nowhere %d", m.Tasks-m.Placed))
		}
		behind := ""
		if len(m.Volumes) > 0 {
			behind = "volume " + strings.Join(m.Volumes, ", ")
		}
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\n", plain.Line(m.Service), m.Tasks, strings.Join(to, ", "), dash(behind))
	}
	_ = w.Flush() // the terminal has gone: the run's own output will tell
}
