package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
)

func newRollbackCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var o actions.RollbackOptions
	var at, stack string
	cmd := &cobra.Command{
		Use:   "rollback SERVICE",
		Short: "Go back to an earlier state of a service or a stack, from our own history",
		Long: `Without --to or --at: to the newest earlier state that differs and did not fail. The states that are known:

  quarterdeck journal --specs SERVICE

--stack takes all services of a stack back, in the order of their dependencies: to --at, or to before the last deploy.
The number of replicas stays what it is, unless --replicas.
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case stack == "" && len(args) != 1:
				return &exitStatus{exitUsage, errors.New("say what goes back: rollback SERVICE, or rollback --stack STACK")}
			case stack != "" && (len(args) > 0 || o.To != ""):
				return &exitStatus{exitUsage, errors.New("--stack goes without a service and without --to")}
			}
			var err error
			if o.At, err = moment(at, time.Now()); err != nil {
				return err
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				if stack != "" {
					return d.PlanRollbackStack(ctx, stack, o)
				}
				return d.PlanRollback(ctx, args[0], o)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&o.To, "to", "", "the state, by its `hash` or the beginning of it")
	cmd.Flags().StringVar(&at, "at", "", "what was wanted at that `time` (15m, 14:30, 2026-11-24T08:00:00Z)")
	cmd.Flags().StringVar(&stack, "stack", "", "all services of this `stack`")
	cmd.Flags().BoolVar(&o.WithReplicas, "replicas", false, "take the number of replicas back too")
	return cmd
}

func newUndoCommand(s *surroundings) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "undo [RUN]",
		Short: "Take a run back; without RUN the last one that changed something",
		Long: `Only what that run has changed is taken back: what others have changed since stays. Where somebody has changed the same field again, it is refused.
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &exitStatus{exitUsage, fmt.Errorf("one run at a time: undo %s", args[0])}
			}
			run := ""
			if len(args) == 1 {
				run = args[0]
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanUndo(ctx, run) })
		},
	}
	f.add(cmd)
	return cmd
}
