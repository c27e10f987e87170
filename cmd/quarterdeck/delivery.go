package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/delivery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

func newDeliveryCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delivery [SERVICE]",
		Short: "How far the newest change to each service has come, and where it is stuck",
		Long: `Follows a change: commit, pipeline, image and its scan, deploy, healthy. The repository of a service is named by its label qd.repository or by bitbucket.repositories
in the config; the commit that runs by the image's label org.opencontainers.image.revision or by the service's label qd.commit; how its stack is
deployed is Portainer's word, where portainer.address is in the config. What is not configured, or could not be looked at, says so and is no fault.

EXIT STATUS
  0 nothing is stuck; 1 something is; 2 usage; 3 the swarm is unreachable or refuses`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDelivery(cmd.Context(), s, strings.Join(args, ""))
		},
	}
	cmd.AddCommand(newDeliveryStartCommand(s))
	return cmd
}

func runDelivery(ctx context.Context, s *surroundings, service string) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.fleet.Once(once, p.feeds()); err != nil {
		return err
	}
	services, err := deliverable(p.fleet.Snapshot(), service)
	if err != nil {
		return err
	}
	images, err := p.registry()
	if err != nil {
		return err
	}
	defer func() { _ = images.Close() }() // only connections
	looking, stop := context.WithTimeout(ctx, 2*p.settings.Timeout)
	defer stop()
	from := p.systems.deliveries(images)
	from.Swarm = p.fleet.Snapshot().Engine.ClusterID
	all := delivery.Follow(looking, from, services)
	if asJSON {
		err = json.NewEncoder(s.out).Encode(deliveryOf(time.Now(), all))
	} else {
		err = writeDelivery(s.out, all, service != "")
	}
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Stuck != "" {
			return &exitStatus{code: exitDegraded}
		}
	}
	return nil
}

// deliveries are what a delivery is followed in.
func (x *systems) deliveries(images sources.Images) delivery.Sources {
	from := delivery.Sources{Builds: x.builds(0), Images: images}
	if x.scans != nil {
		from.Scans = x.scans
	}
	if x.stacks != nil {
		from.Stacks = x.stacks
	}
	return from
}

// deliveryOf follows the newest change to one service, for the console.
func (p *platform) deliveryOf() (func(context.Context, *fleet.Service) delivery.Delivery, error) {
	images, err := p.registry()
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, images)
	from := p.systems.deliveries(images)
	return func(ctx context.Context, v *fleet.Service) delivery.Delivery {
		here := from
		here.Swarm = p.fleet.Snapshot().Engine.ClusterID
		return delivery.Follow(ctx, here, []*fleet.Service{v})[0]
	}, nil
}

// deliverable are the services that are delivered: all that are meant to stay, or the one that is named.
func deliverable(snap *fleet.Snapshot, name string) ([]*fleet.Service, error) {
	var out []*fleet.Service
	for _, v := range snap.Services {
		switch {
		case name != "" && v.Name != name:
		case name == "" && (v.Mode.Job() || v.Labels[sources.LabelRun] != ""):
		default:
			out = append(out, v)
		}
	}
	if name != "" && len(out) == 0 {
		return nil, &exitStatus{exitUsage, fmt.Errorf("there is no service %q", name)}
	}
	return out, nil
}

type deliveriesJSON struct {
	Time     time.Time      `json:"time"`
	Services []deliveryJSON `json:"services"`
}

type deliveryJSON struct {
	Service    string             `json:"service"`
	Repository string             `json:"repository"`
	Commit     string             `json:"commit"`
	Runs       string             `json:"runs"`
	Lead       *float64           `json:"lead"` // seconds; null: not known
	Stuck      string             `json:"stuck"`
	Next       string             `json:"next"`
	Steps      []deliveryStepJSON `json:"steps"`
	Stack      *deliveryStackJSON `json:"stack"` // null: nobody was asked how it is deployed
}

// deliveryStackJSON is how the service's stack is deployed; state is null where the manager has none of that name, or could not be asked.
type deliveryStackJSON struct {
	Name       string              `json:"name"`
	Manager    string              `json:"manager"`
	Reason     string              `json:"reason"`
	State      *sources.StackState `json:"state"`
	Says       string              `json:"says"`
	Repository string              `json:"repository"`
	Branch     string              `json:"branch"`
	File       string              `json:"file"`
	Commit     string              `json:"commit"`
	Every      *float64            `json:"every"` // seconds; null: the repository is not looked at by itself
	Webhook    bool                `json:"webhook"`
	Force      bool                `json:"force"`
	Pull       bool                `json:"pull"`
	Updated    *time.Time          `json:"updated"`
	UpdatedBy  string              `json:"updated_by"`
}

func stackOf(s *delivery.Stack) *deliveryStackJSON {
	if s == nil {
		return nil
	}
	out := &deliveryStackJSON{Name: s.Name, Manager: s.Manager, Reason: s.NotRead}
	if m := s.Managed; m != nil {
		out.State, out.Says, out.Repository, out.Branch, out.File, out.Commit = &m.State, m.Says, m.Repository, m.Branch, m.File, m.Commit
		out.Webhook, out.Force, out.Pull, out.UpdatedBy = m.Webhook, m.Force, m.Pull, m.UpdatedBy
		if m.Every > 0 {
			every := m.Every.Seconds()
			out.Every = &every
		}
		if !m.Updated.IsZero() {
			at := m.Updated.UTC()
			out.Updated = &at
		}
	}
	return out
}

type deliveryStepJSON struct {
	Name  string         `json:"name"`
	State delivery.State `json:"state"`
	At    *time.Time     `json:"at"`
	Says  string         `json:"says"`
}

func deliveryOf(at time.Time, all []delivery.Delivery) deliveriesJSON {
	out := deliveriesJSON{Time: at.UTC(), Services: []deliveryJSON{}}
	for i := range all {
		d := &all[i]
		x := deliveryJSON{Service: d.Service, Repository: d.Repository, Commit: d.Commit, Runs: d.Runs, Stuck: d.Stuck, Next: d.Next, Steps: []deliveryStepJSON{}, Stack: stackOf(d.Stack)}
		if d.Lead > 0 {
			seconds := d.Lead.Seconds()
			x.Lead = &seconds
		}
		for _, s := range d.Steps {
			step := deliveryStepJSON{Name: s.Name, State: s.State, Says: s.Says}
			if !s.At.IsZero() {
				at := s.At.UTC()
				step.At = &at
			}
			x.Steps = append(x.Steps, step)
		}
		out.Services = append(out.Services, x)
	}
	return out
}

// writeDelivery is a row a service, or for one alone a row a step.
func writeDelivery(out io.Writer, all []delivery.Delivery, one bool) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	if !one {
		fmt.Fprintln(w, "SERVICE\tCOMMIT\tPIPELINE\tIMAGE\tSCAN\tDEPLOY\tHEALTHY\tLEAD\tSTUCK")
	}
	for i := range all {
		d := &all[i]
		lead := "-"
		if d.Lead > 0 {
			lead = d.Lead.Round(time.Second).String()
		}
		if one {
			for _, s := range d.Steps {
				at := "-"
				if !s.At.IsZero() {
					at = s.At.UTC().Format("2006-01-02 15:04:05Z")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, s.State, at, plain.Line(s.Says))
			}
			fmt.Fprintf(w, "lead\t\t\t%s\n", lead)
			if d.Stack != nil {
				fmt.Fprintf(w, "stack\t\t\t%s\n", plain.Line(d.Stack.Words()))
			}
			if d.Stuck != "" {
				fmt.Fprintf(w, "stuck\t%s\t\tdo: %s\n", d.Stuck, plain.Line(d.Next))
			}
			continue
		}
		fmt.Fprintf(w, "%s", plain.Line(d.Service))
		for _, s := range d.Steps {
			fmt.Fprintf(w, "\t%s", s.State)
		}
		stuck := "-"
		if d.Stuck != "" {
			stuck = d.Stuck + ": " + d.Next
		}
		fmt.Fprintf(w, "\t%s\t%s\n", lead, plain.Line(stuck))
	}
	return w.Flush()
}
