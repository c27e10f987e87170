package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
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
	var snapshot, stack, at string
	cmd := &cobra.Command{
		Use:   "drill SERVICE | --stack NAME",
		Short: "Bring a snapshot back into a place that is thrown away, and prove that it is good",
		Long: `The service itself is not touched. A copy of it is started from its own spec on an empty volume, the snapshot is loaded into that, the policy's verify
command is run on it, and all is taken away again. What comes of it is a record: how long it took (RTO) and how much would have been lost (RPO).

With --stack it is a DR day: all services of the stack that have a policy, one after the other in the order in which they depend on each other. One
that fails does not stop the others. -o markdown is its report.

  quarterdeck drill shop_db --yes
  quarterdeck drill shop_db --at '2026-11-24 08:00' --yes
  quarterdeck drill --stack shop --yes -o markdown > dr-day.md
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			when, err := pointInTime(at, snapshot, now)
			switch {
			case err != nil:
				return err
			case stack != "" && (len(args) > 0 || snapshot != ""):
				return &exitStatus{exitUsage, errors.New("a DR day is of a whole stack: drill --stack NAME, with --at or without")}
			case stack != "":
				return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanDay(ctx, stack, when) }, "markdown")
			case len(args) != 1:
				return &exitStatus{exitUsage, errors.New("say what to try: drill SERVICE, or drill --stack NAME")}
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				if !when.IsZero() {
					return d.PlanDrillAt(ctx, args[0], when)
				}
				return d.PlanDrill(ctx, args[0], snapshot)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "the snapshot's `id` or the beginning of it (default the newest)")
	cmd.Flags().StringVar(&stack, "stack", "", "a DR day of this `stack`")
	addAt(cmd, &at)
	return cmd
}

// addAt adds the choice of a moment in place of a snapshot.
func addAt(cmd *cobra.Command, at *string) {
	cmd.Flags().StringVar(at, "at", "", "the newest snapshot at or before this `time`: 3h, 2d, 14:30 or 2026-11-24T08:00:00Z")
}

// pointInTime reads the moment before which a snapshot is taken; zero: none was named.
func pointInTime(at, snapshot string, now time.Time) (time.Time, error) {
	when, err := moment(at, now)
	switch {
	case err != nil || at == "":
		return when, err
	case snapshot != "":
		return when, &exitStatus{exitUsage, errors.New("one of --snapshot and --at")}
	case when.After(now):
		return when, &exitStatus{exitUsage, fmt.Errorf("--at %s is still to come: %s", at, when.UTC().Format(time.RFC3339))}
	}
	return when, nil
}

func newRestoreCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var snapshot, at string
	cmd := &cobra.Command{
		Use:   "restore SERVICE --snapshot ID | --at TIME",
		Short: "Replace a service's data with a snapshot's",
		Long: `The snapshot is tried in a place of its own first, and what is there now is saved, before anything is touched. Then the service is scaled to 0, its data
replaced, and it is scaled back and watched until it is healthy. As long as its data was not touched a failure puts all back as it was; after that the run
stays open, and is gone on with or taken back by resume. The service's name must be typed, or given as --confirm.

  quarterdeck restore shop_db --snapshot latest --confirm shop_db
  quarterdeck restore shop_db --at '2026-11-24 08:00' --confirm shop_db
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("say what to restore: restore SERVICE --snapshot ID, or --at TIME")}
			}
			when, err := pointInTime(at, snapshot, time.Now())
			if err != nil {
				return err
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				if !when.IsZero() {
					return d.PlanRestoreAt(ctx, args[0], when)
				}
				return d.PlanRestore(ctx, args[0], snapshot)
			})
		},
	}
	f.add(cmd)
	addAt(cmd, &at)
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "the snapshot's `id` or the beginning of it, or latest")
	return cmd
}

// writeRecovery says what was saved or brought back, and how long it took.
func writeRecovery(out io.Writer, r *actions.Report) {
	x := r.RecoveryReport
	if x == nil || x.Snapshot == "" {
		return
	}
	fmt.Fprintf(out, "  snapshot %s of %s, %s\n", x.Snapshot[:8], x.Taken.UTC().Format("2006-01-02 15:04:05Z"), chart.Humanize(float64(x.Bytes), "bytes"))
	if x.RTO != nil && x.RPO != nil {
		fmt.Fprintf(out, "  back after %.1f s (RTO); %.1f s of the newest data are not in it (RPO)\n", *x.RTO, *x.RPO)
	}
	if v := x.Verified; v != nil {
		fmt.Fprintf(out, "  verified: %s: exit %d %s\n", plain.Line(v.Command), v.Exit, plain.Line(strings.TrimSpace(v.Output)))
	}
}

// writeDay says what came of each service of a DR day, in order.
func writeDay(out io.Writer, d *recovery.Day) {
	if d == nil {
		return
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  SERVICE\tCAME BACK\tRTO\tALLOWED\tRPO\tSNAPSHOT\tREASON")
	for i := range d.Drills {
		x := &d.Drills[i]
		back, rto, rpo := map[recovery.DayState]string{recovery.DayOK: "yes", recovery.DayFailed: "NO", recovery.DayStarted: "interrupted", recovery.DayWaiting: "not tried"}[x.State], "–", "–"
		if x.Drill != nil && x.Drill.OK {
			rto, rpo = chart.Age(x.Drill.Took().Round(time.Second)), chart.Age(x.Drill.Lost().Round(time.Second))
			if x.Slow() {
				rto += " slow"
			}
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%.8s\t%s\n", plain.Line(x.Service), back, rto, chart.Age(time.Duration(x.Allowed*float64(time.Second))), rpo, plain.Line(x.Snapshot), dash(x.Reason))
	}
	_ = w.Flush() // whoever read has gone
	for _, x := range d.Uncovered() {
		fmt.Fprintf(out, "  ! %s was not tried: %s\n", plain.Line(x.Service), plain.Line(x.Why))
	}
	fmt.Fprintf(out, "  %s\n", d.Verdict())
}
