package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/autoscale"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

func newAutoscaleCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "autoscale",
		Short: "How many replicas services should have, what a policy would have done, and the agent that does it",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runRecommend(cmd.Context(), s, nil) },
	}
	cmd.Long = `Reads the policies on the services' deploy labels (qd.autoscale.*, docs/autoscale.md) and says how many replicas each
should have now, and why. Without a word after it: recommend.

` + recommendExits
	cmd.AddCommand(newRecommendCommand(s), newReplayCommand(s), newScaleRunCommand(s), newScaleStopCommand(s), newScaleStartCommand(s))
	return cmd
}

const recommendExits = `EXIT STATUS
  0 done; 2 usage; 3 the swarm or Prometheus is not configured, unreachable or refuses; 130 interrupted`

func newRecommendCommand(s *surroundings) *cobra.Command {
	return &cobra.Command{
		Use:   "recommend [SERVICE...]",
		Short: "How many replicas each service should have now, and why",
		Long: `Decides as the agent would that has looked for the last minutes, and changes nothing. Services without a policy are left
out unless they are named.

  quarterdeck autoscale recommend
  quarterdeck autoscale recommend shop_web -o json

` + recommendExits,
		RunE: func(cmd *cobra.Command, args []string) error { return runRecommend(cmd.Context(), s, args) },
	}
}

// measured is what the commands of autoscaling begin with: the swarm as it is, and Prometheus, which answers.
func (s *surroundings) measured(ctx context.Context) (*platform, *fleet.Snapshot, bool, error) {
	p, asJSON, err := s.open("table")
	if err != nil {
		return nil, nil, false, err
	}
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	snap, err := func() (*fleet.Snapshot, error) {
		m, err := p.needMetrics()
		if err != nil {
			return nil, err
		}
		if _, _, err := m.ServiceLabel(once); err != nil && sources.KindOf(err) != sources.NotFound {
			return nil, err
		}
		if err := p.fleet.Once(once, fleet.Feeds{Swarm: p.swarm, Logger: p.log}); err != nil {
			return nil, err
		}
		return p.fleet.Snapshot(), nil
	}()
	if err != nil {
		_ = p.Close()
		return nil, nil, false, err
	}
	return p, snap, asJSON, nil
}

// scaling decides for the console what an autoscaler would do.
func (p *platform) scaling() *autoscale.Feed {
	f := &autoscale.Feed{Fleet: p.fleet.Snapshot, Timeout: p.settings.Timeout, Now: time.Now}
	if p.metrics != nil {
		f.Metrics = p.metrics
	}
	return f
}

func runRecommend(ctx context.Context, s *surroundings, services []string) error {
	p, snap, asJSON, err := s.measured(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := haveServices(snap, services); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	now := time.Now()
	list := autoscale.Recommendations(ctx, snap, p.metrics, now)
	if err := ctx.Err(); err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(d autoscale.Decision) bool {
		if len(services) > 0 {
			return !slices.Contains(services, d.Service) && !slices.Contains(services, d.ID)
		}
		return d.Skip == autoscale.NoPolicy
	})
	if asJSON {
		return json.NewEncoder(s.out).Encode(recommendationsOf(list, now))
	}
	return writeRecommendations(s.out, list)
}

// haveServices tells whether the swarm has the services that were named.
func haveServices(snap *fleet.Snapshot, names []string) error {
	for _, name := range names {
		if snap.Service(name) == nil {
			return &sources.Error{Source: fleet.SwarmName, Kind: sources.BadQuestion, Op: "look at " + name, Err: fmt.Errorf("there is no service %q", name), Next: "see `quarterdeck status` for those there are"}
		}
	}
	return nil
}

// recommendationsJSON is the contract's (COMMANDS.md, "autoscale recommend").
type recommendationsJSON struct {
	Time     time.Time            `json:"time"`
	Services []recommendationJSON `json:"services"`
}

type recommendationJSON struct {
	Service     string          `json:"service"`
	Current     int             `json:"current"`
	Recommended int             `json:"recommended"`
	LimitedBy   autoscale.Limit `json:"limited_by"` // "": nothing
	Metric      string          `json:"metric"`     // "": none decides
	Value       *float64        `json:"value"`
	Target      *float64        `json:"target"`
	Reason      string          `json:"reason"`
	Wanted      int             `json:"wanted"` // by the metrics, before any bound
	Min         int             `json:"min"`
	Max         int             `json:"max"`
	Mode        autoscale.Mode  `json:"mode"`
	Skipped     autoscale.Skip  `json:"skipped"` // "": it is not
}

func recommendationsOf(list []autoscale.Decision, now time.Time) recommendationsJSON {
	out := recommendationsJSON{Time: now.UTC(), Services: []recommendationJSON{}}
	for i := range list {
		d := &list[i]
		x := recommendationJSON{Service: d.Service, Current: d.Current, Recommended: d.Recommended, LimitedBy: d.Limit, Reason: d.Reason, Wanted: d.Wanted,
			Min: d.Min, Max: d.Max, Mode: d.Mode, Skipped: d.Skip}
		if d.Metric != nil {
			x.Metric, x.Value, x.Target = d.Metric.ID(), known(d.Value), known(d.Target)
		}
		out.Services = append(out.Services, x)
	}
	return out
}

func writeRecommendations(out io.Writer, list []autoscale.Decision) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(out, "no service has a policy: set %s=true and %s on deploy labels\n", autoscale.LabelEnable, autoscale.LabelMax)
		return err
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintf(w, "SERVICE\tNOW\tSHOULD\tMIN-MAX\tMODE\tLIMITED BY\tWHY\n")
	for i := range list {
		d := &list[i]
		bounds := fmt.Sprintf("%d-%d", d.Min, d.Max)
		if d.Skip == autoscale.NoPolicy || d.Skip == autoscale.BadPolicy {
			bounds = "-"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", plain.Line(d.Service), d.Current, d.Recommended, bounds, orDash(string(d.Mode)), orDash(string(d.Limit)), plain.Line(d.Reason))
	}
	return w.Flush()
}
