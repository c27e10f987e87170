package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newStatusCommand(s *surroundings) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "The fleet's health",
		Long: `Reads each source once and tells the health of every service. With --watch it goes on,
one JSON object a line (or one table after the other) each time something changes.

EXIT STATUS
  0 healthy; 1 a service is degraded or down; 2 usage; 3 the swarm is unreachable or refuses; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), s, watch) },
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, and tell each change")
	return cmd
}

func runStatus(ctx context.Context, s *surroundings, watch bool) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	show := func(snap *fleet.Snapshot) error {
		if asJSON {
			return json.NewEncoder(s.out).Encode(statusOf(p.settings.Name, snap))
		}
		return writeStatus(s.out, snap)
	}
	if watch {
		return watchStatus(ctx, p, show)
	}
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.fleet.Once(once, p.feeds()); err != nil {
		return err
	}
	snap := p.fleet.Snapshot()
	if err := show(snap); err != nil {
		return err
	}
	return healthStatus(snap)
}

func healthStatus(snap *fleet.Snapshot) error {
	if snap.Counts.Bad() > 0 {
		return &exitStatus{code: exitDegraded}
	}
	return nil
}

// watchStatus shows the fleet each time it changes, at most once a second.
func watchStatus(ctx context.Context, p *platform, show func(*fleet.Snapshot) error) error {
	defer p.watch(ctx)()
	for {
		select {
		case <-ctx.Done():
			return &exitStatus{code: exitInterrupted}
		case <-p.fleet.Changed():
		}
		snap := p.fleet.Snapshot()
		if snap.Ready() || snap.Source(fleet.SwarmName).State != sources.Connecting {
			if err := show(snap); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return &exitStatus{code: exitInterrupted}
		case <-time.After(time.Second):
		}
	}
}

// The shapes below are the contract's (COMMANDS.md, "JSON fields that others rely on").

type statusJSON struct {
	Time     time.Time     `json:"time"`
	Context  string        `json:"context"`
	Engine   engineJSON    `json:"engine"`
	Sources  []sourceJSON  `json:"sources"`
	Nodes    []nodeJSON    `json:"nodes"`
	Services []serviceJSON `json:"services"`
	Alerts   []alertJSON   `json:"alerts"`
}

type engineJSON struct {
	Version string `json:"version"`
	API     string `json:"api"`
}

type sourceJSON struct {
	Name   string     `json:"name"`
	State  string     `json:"state"`
	Since  *time.Time `json:"since"`
	Detail string     `json:"detail"`
}

type nodeJSON struct {
	Name         string `json:"name"`
	Role         string `json:"role"`
	State        string `json:"state"`
	Availability string `json:"availability"`
	Leader       bool   `json:"leader"`
}

type serviceJSON struct {
	Name        string     `json:"name"`
	Stack       string     `json:"stack"`
	Mode        string     `json:"mode"`
	Desired     int        `json:"desired"`
	Running     *int       `json:"running"` // null where the tasks cannot be read; reason says so
	Healthy     *int       `json:"healthy"`
	State       string     `json:"state"`
	Reason      string     `json:"reason"`
	Image       string     `json:"image"`
	Digest      string     `json:"digest"`
	UpdateState string     `json:"update_state"`
	Updated     *time.Time `json:"updated"`
}

type alertJSON struct {
	Name     string     `json:"name"`
	Severity string     `json:"severity"`
	Service  string     `json:"service"`
	Since    *time.Time `json:"since"`
	State    string     `json:"state"`
}

func statusOf(name string, snap *fleet.Snapshot) statusJSON {
	out := statusJSON{Time: snap.At.UTC(), Context: name, Engine: engineJSON{snap.Engine.Version, snap.Engine.API},
		Sources: []sourceJSON{}, Nodes: []nodeJSON{}, Services: []serviceJSON{}, Alerts: []alertJSON{}}
	for _, x := range snap.Sources {
		out.Sources = append(out.Sources, sourceJSON{x.Name, string(x.State), utc(x.Since), x.Detail})
	}
	for i := range snap.Nodes {
		n := &snap.Nodes[i]
		out.Nodes = append(out.Nodes, nodeJSON{n.Name, n.Role, n.State, n.Availability, n.Leader})
	}
	for _, v := range snap.Services {
		out.Services = append(out.Services, serviceJSON{v.Name, v.Stack, string(v.Mode), v.Want, counted(v, v.Running), counted(v, v.Well), string(v.Health), v.Reason, v.Image, v.Digest, v.UpdateState, utc(v.Updated)})
	}
	for i := range snap.Alerts {
		out.Alerts = append(out.Alerts, alertOf(&snap.Alerts[i]))
	}
	return out
}

// counted is a count of tasks for JSON: null where they could not be read.
func counted(v *fleet.Service, n int) *int {
	if v.Unread {
		return nil
	}
	return &n
}

func alertOf(a *sources.Alert) alertJSON {
	return alertJSON{a.Name, a.Severity, a.Service, utc(a.Since), string(a.State)}
}

// utc is a time for JSON: RFC 3339 in UTC, null where it is not known.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func writeStatus(out io.Writer, snap *fleet.Snapshot) error {
	c := snap.Counts
	firing := fmt.Sprint(c.Firing)
	if !snap.AlertStatus().OK() {
		firing = "?" // nobody looked
	}
	fmt.Fprintf(out, "nodes %d/%d up, services %d: %d healthy, %d updating, %d degraded, %d down, %d idle, %d unknown; alerts %s firing\n",
		c.NodesUp, c.Nodes, c.Services, c.Healthy, c.Updating, c.Degraded, c.Down, c.Idle, c.Unknown, firing)
	for _, s := range snap.Sources {
		switch {
		case s.OK():
		case s.Detail == "":
			fmt.Fprintf(out, "%s %s\n", s.Name, s.State)
		default:
			fmt.Fprintf(out, "%s %s: %s\n", s.Name, s.State, plain.Line(s.Detail))
		}
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tSTATE\tRUN\tCPU\tMEMORY\tUPDATED\tIMAGE\tREASON")
	for _, v := range snap.Services {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", plain.Line(v.Name), v.Health, v.Run(),
			figure(v.CPUNow, "cores"), figure(v.MemoryNow, "bytes"), chart.Age(snap.At.Sub(v.Updated)), plain.Line(v.Image), plain.Line(v.Reason))
	}
	return w.Flush()
}
