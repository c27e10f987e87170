package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
)

func newRightsizeCommand(s *surroundings) *cobra.Command {
	var f actFlags
	since := ""
	cmd := &cobra.Command{
		Use:   "rightsize [SERVICE...]",
		Short: "Make reservations fit what services use",
		Long: `A task's reservation becomes the p95 of what a task used over --since, and a fifth above it: never less, and never more than its limit. What is not reserved
stays so, and what is off by less than a tenth is left. Services that are named are changed whether that saves or costs; without a name all those of which it
saves, but those that are scaled by what they reserve. Their tasks are replaced, one service after the other.

  quarterdeck rightsize --dry-run
  quarterdeck rightsize shop_web --since 14d
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			from, err := moment(since, now)
			if err != nil {
				return err
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanRightsize(ctx, args, now.Sub(from))
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&since, "since", "7d", "by what was used over this `time`: 1d to 90d")
	return cmd
}
