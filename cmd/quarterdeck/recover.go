package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
)

func newBackupCommand(s *surroundings) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "backup SERVICE",
		Short: "Save a service's data now, as its policy says",
		Long: `The policy is on the service's deploy labels (qd.backup.*, docs/backups.md). A runner does the work in the swarm: nothing passes through this machine.

  quarterdeck backup shop_db --yes
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("say what to save: backup SERVICE")}
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanBackup(ctx, args[0]) })
		},
	}
	f.add(cmd)
	return cmd
}

func newDrillCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var snapshot string
	cmd := &cobra.Command{
		Use:   "drill SERVICE",
		Short: "Bring a snapshot back into a place that is thrown away, and prove that it is good",
		Long: `The service itself is not touched. A copy of it is started from its own spec on an empty volume, the snapshot is loaded into that, the policy's verify
command is run on it, and all is taken away again. What comes of it is a record: how long it took (RTO) and how much would have been lost (RPO).

  quarterdeck drill shop_db --yes
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("say what to try: drill SERVICE")}
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanDrill(ctx, args[0], snapshot)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "the snapshot's `id` or the beginning of it (default the newest)")
	return cmd
}

func newRestoreCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var snapshot string
	cmd := &cobra.Command{
		Use:   "restore SERVICE --snapshot ID",
		Short: "Replace a service's data with a snapshot's",
		Long: `The snapshot is tried in a place of its own first, and what is there now is saved, before anything is touched. Then the service is scaled to 0, its data
replaced, and it is scaled back and watched until it is healthy. As long as its data was not touched a failure puts all back as it was; after that the run
stays open, and is gone on with or taken back by resume. The service's name must be typed, or given as --confirm.

  quarterdeck restore shop_db --snapshot latest --confirm shop_db
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("say what to restore: restore SERVICE --snapshot ID")}
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanRestore(ctx, args[0], snapshot)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "the snapshot's `id` or the beginning of it, or latest")
	return cmd
}
