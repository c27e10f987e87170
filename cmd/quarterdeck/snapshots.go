package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/recovery"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newSnapshotsCommand(s *surroundings) *cobra.Command {
	return &cobra.Command{
		Use:   "snapshots [SERVICE]",
		Short: "What was saved, and what drills have shown",
		Long: `Lists the snapshots and drills that the object store has records of, the newest first. It asks
the object store alone: the swarm may be what is gone.

EXIT STATUS
  0 done, though there may be none; 2 usage; 3 the object store is not configured, unreachable or refuses`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &exitStatus{exitUsage, fmt.Errorf("one service at most: see %s --help", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			service := ""
			if len(args) > 0 {
				service = args[0]
			}
			return runSnapshots(cmd.Context(), s, service)
		},
	}
}

// snapshotJSON is a snapshot's record, with its age in seconds.
type snapshotJSON struct {
	recovery.Snapshot
	Age float64 `json:"age"`
}

type snapshotsJSON struct {
	Time       time.Time        `json:"time"`
	Snapshots  []snapshotJSON   `json:"snapshots"`
	Drills     []recovery.Drill `json:"drills"`
	Unreadable []string         `json:"unreadable"`
}

func runSnapshots(ctx context.Context, s *surroundings, service string) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	objects, err := p.needObjects()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	catalogue := recovery.Catalogue{Objects: objects}
	c, err := catalogue.Read(ctx)
	if err != nil {
		return err
	}
	out := listSnapshots(c, service, time.Now())
	if n := len(out.Unreadable); n > 0 {
		fmt.Fprintf(s.errs, "quarterdeck: %d records in the object store are none: the first is %s\n", n, plain.Line(out.Unreadable[0]))
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(out)
	}
	if len(out.Snapshots)+len(out.Drills) == 0 {
		fmt.Fprintln(s.errs, "quarterdeck: no snapshot"+ofService(service)+" is recorded in "+plain.Line(p.backups.Address().String()))
	}
	return writeSnapshots(s.out, out)
}

func ofService(name string) string {
	if name == "" {
		return ""
	}
	return " of " + plain.Line(name)
}

// listSnapshots are the records of one service, or of all by name.
func listSnapshots(c *recovery.Contents, service string, now time.Time) snapshotsJSON {
	out := snapshotsJSON{Time: now.UTC(), Snapshots: []snapshotJSON{}, Drills: []recovery.Drill{}, Unreadable: orEmpty(c.Unreadable)}
	for _, name := range slices.Sorted(maps.Keys(c.Snapshots)) {
		for _, x := range c.Snapshots[name] {
			if service == "" || name == service {
				out.Snapshots = append(out.Snapshots, snapshotJSON{x, max(now.Sub(x.Taken).Seconds(), 0)})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Drills)) {
		if service == "" || name == service {
			out.Drills = append(out.Drills, c.Drills[name]...)
		}
	}
	return out
}

func writeSnapshots(out io.Writer, list snapshotsJSON) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	if len(list.Snapshots) > 0 {
		fmt.Fprintln(w, "SERVICE\tID\tTAKEN\tAGE\tORIGIN\tENGINE\tSIZE\tADDED\tSERVER\tNODE\tREAD BACK")
	}
	for i := range list.Snapshots {
		x := &list.Snapshots[i]
		back := "yes"
		if !x.Verified {
			back = "NO"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain.Line(x.Service), x.Short(), x.Taken.UTC().Format(time.RFC3339), chart.Age(time.Duration(x.Age*float64(time.Second))),
			plain.Line(string(x.Origin)), plain.Line(string(x.Engine)), chart.Humanize(float64(x.Size), "bytes"), chart.Humanize(float64(x.Added), "bytes"), dash(x.Server), dash(x.Node), back)
	}
	if err := w.Flush(); err != nil || len(list.Drills) == 0 {
		return err
	}
	if len(list.Snapshots) > 0 {
		fmt.Fprintln(out)
	}
	fmt.Fprintln(w, "SERVICE\tDRILL\tBEGAN\tSNAPSHOT\tRESULT\tRTO\tRPO\tBY\tREASON")
	for i := range list.Drills {
		d := &list.Drills[i]
		who, _, _ := strings.Cut(d.Actor, "@")
		what, result, rto, rpo := "drill", "ok", chart.Age(d.Took().Round(time.Second)), chart.Age(d.Lost().Round(time.Second))
		if d.Real {
			what = "restore"
		}
		if !d.OK {
			result, rto, rpo = "FAILED", "–", "–"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain.Line(d.Service), what, d.Began.UTC().Format(time.RFC3339), plain.Line(d.Short()), result, rto, rpo, dash(who), dash(d.Reason))
	}
	return w.Flush()
}

func dash(text string) string { return cmp.Or(plain.Line(text), "–") }
