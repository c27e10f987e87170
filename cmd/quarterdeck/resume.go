package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
)

func newResumeCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var back, leave bool
	cmd := &cobra.Command{
		Use:   "resume [RUN]",
		Short: "Go on with a run that was interrupted, or take it back",
		Long: `Without --yes it says where the run stands: at which step it stopped, and what the services are now. With --yes it is finished: what was done is
not done again, what is left is done and watched. With --undo it is taken back. With --leave it is ended as it is, where neither can be done.
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &exitStatus{exitUsage, errors.New("one run at a time")}
			}
			run := ""
			if len(args) == 1 {
				run = args[0]
			}
			if f.yes && back || leave && (f.yes || back) {
				return &exitStatus{exitUsage, errors.New("one of --yes, --undo and --leave")}
			}
			return runResume(cmd.Context(), s, &f, run, back, leave)
		},
	}
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "finish it")
	cmd.Flags().BoolVar(&back, "undo", false, "take it back")
	cmd.Flags().BoolVar(&leave, "leave", false, "end it as it is: nothing is changed, and its services are free again")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the journal (with --undo and --leave)")
	f.wait = true
	return cmd
}

func runResume(ctx context.Context, s *surroundings, f *actFlags, run string, back, leave bool) error {
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if _, err := d.Ready(reading); err != nil {
		return err
	}
	open, err := d.Unfinished()
	if err != nil {
		return err
	}
	one, err := pickRun(open, run)
	if err != nil {
		return err
	}
	if one == nil {
		if one, err = foreignRun(reading, d, run, f.yes || back); err != nil {
			return refusal(err)
		}
	}
	if one == nil {
		fmt.Fprintln(s.errs, "no run of this swarm is unfinished")
		return nil
	}
	if leave {
		return refusal(d.Abandon(*one, f.reason))
	}
	st, err := d.Stand(reading, *one)
	if err != nil {
		return refusal(err)
	}
	if !f.yes && !back {
		writeStanding(s.out, &st)
		return nil
	}
	told := newTeller(s.errs)
	var running *actions.Running
	if back {
		var undo *actions.Plan
		if undo, err = d.PlanUndo(reading, one.ID); err == nil {
			running, err = d.Start(ctx, undo, actions.Approval{Yes: true, Reason: f.reason}, told.wake)
		}
	} else {
		running, err = d.Resume(ctx, st, told.wake)
	}
	if err != nil {
		return refusal(err)
	}
	return s.follow(ctx, d, running, told, asJSON)
}

// pickRun is the run that was named; without a name the only one. nil: there is none.
func pickRun(open []actions.RunRecord, run string) (*actions.RunRecord, error) {
	var hits []*actions.RunRecord
	var ids []string
	for i := range open {
		if strings.HasPrefix(open[i].ID, run) {
			hits = append(hits, &open[i])
			ids = append(ids, open[i].ID)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) > 1:
		return nil, &exitStatus{exitUsage, fmt.Errorf("more than one run is unfinished, name one: %s", strings.Join(ids, ", "))}
	}
	return nil, nil
}

// foreignRun is a recovery that another machine has begun, by the swarm's locks; it is made this machine's if it is to be gone on with.
func foreignRun(ctx context.Context, d *actions.Deck, run string, adopt bool) (*actions.RunRecord, error) {
	foreign, err := d.Foreign(ctx)
	if err != nil {
		return nil, err
	}
	one, err := pickRun(foreign, run)
	switch {
	case err != nil:
		return nil, err
	case one == nil && run != "":
		return nil, &exitStatus{exitUsage, fmt.Errorf("no unfinished run %q: see `quarterdeck journal`", run)}
	case one == nil || !adopt:
		return one, nil
	case run == "":
		return nil, &exitStatus{exitUsage, fmt.Errorf("the only unfinished run is another machine's (%s of %s, by %s): name it, if nobody goes on with it there: %s", one.Action, plain.Line(one.Target), plain.Line(one.Actor), one.ID)}
	}
	own, err := d.Adopt(ctx, *one)
	return &own, err
}

func writeStanding(out io.Writer, st *actions.Standing) {
	r := &st.Run
	fmt.Fprintf(out, "%s %s, run %s, begun %s by %s\n", r.Action, plain.Line(r.Target), r.ID, r.Began.UTC().Format("2006-01-02T15:04:05Z"), plain.Line(r.Actor))
	step := "at the end"
	if st.Step != "" {
		step = "at \"" + st.Step + "\""
	}
	fmt.Fprintf(out, "interrupted %s, after %d of %d steps\n", plain.Line(step), st.Done, st.Of)
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	for _, x := range st.Services {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", plain.Line(x.Service), x.State, x.Health, plain.Line(x.Reason))
	}
	_ = w.Flush() // the reader has gone
	if st.NoFinish != "" {
		fmt.Fprintln(out, "it cannot be finished:", plain.Line(st.NoFinish))
	} else {
		fmt.Fprintf(out, "finish it: quarterdeck resume %s --yes\n", r.ID)
	}
	fmt.Fprintf(out, "take it back: quarterdeck resume %s --undo\n", r.ID)
	if st.NoLeave == "" {
		fmt.Fprintf(out, "leave it as it is: quarterdeck resume %s --leave\n", r.ID)
	}
}
