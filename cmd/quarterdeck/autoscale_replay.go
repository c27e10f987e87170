package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/autoscale"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

type replayOptions struct {
	since    string
	policies []string
}

// Bounds on what is replayed at once.
const (
	mostReplayed = 20
	mostPolicies = 8
	longestPast  = 90 * 24 * time.Hour
)

func newReplayCommand(s *surroundings) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay [SERVICE...]",
		Short: "What policies would have done, on what Prometheus remembers",
		Long: `Runs the same decisions as the agent over the past: how many replicas there would have been, for how long they would have
been at their target, what they would have used, and how often they would have gone to and fro. The policy on the service's labels comes first;
each --policy stands beside it. It is assumed that replicas share the work: a load that the replicas of then could not carry is not known in full.

  quarterdeck autoscale replay shop_web --since 7d
  quarterdeck autoscale replay shop_web --policy min=2,max=10,cpu=60 --policy min=4,max=8,cpu=80

` + recommendExits,
		RunE: func(cmd *cobra.Command, args []string) error { return runReplay(cmd.Context(), s, &o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "7d", "from this `time` on: 12h, 7d, or RFC 3339")
	f.StringArrayVar(&o.policies, "policy", nil, "a `policy` to try, as labels without qd.autoscale.: min=2,max=10,cpu=60; several times for several")
	return cmd
}

// replayed is one service with what each policy would have done.
type replayed struct {
	service  string
	past     *autoscale.Past
	names    []string
	policies []*autoscale.Policy
	outcomes []autoscale.Outcome
}

func runReplay(ctx context.Context, s *surroundings, o *replayOptions, services []string) error {
	now := time.Now()
	since, err := moment(o.since, now)
	if err != nil {
		return err
	}
	if span := now.Sub(since); span < 10*time.Minute || span > longestPast {
		return &exitStatus{exitUsage, errors.New("--since is from 10m to 90d ago")}
	}
	given, err := policiesOf(o.policies)
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	p, snap, asJSON, err := s.measured(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := haveServices(snap, services); err != nil {
		return err
	}
	chosen, err := toReplay(snap, services, given)
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	var list []replayed
	for _, v := range chosen {
		r, err := replay(ctx, p, v, o.policies, given, since, now)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(replaysOf(list, since, now))
	}
	for i := range list {
		if err := writeReplay(s.out, &list[i], since, now); err != nil {
			return err
		}
	}
	return nil
}

func policiesOf(texts []string) ([]*autoscale.Policy, error) {
	if len(texts) > mostPolicies {
		return nil, fmt.Errorf("--policy may be given %d times", mostPolicies)
	}
	var out []*autoscale.Policy
	for _, text := range texts {
		p, err := autoscale.ParseText(text)
		if err != nil {
			return nil, fmt.Errorf("--policy: %w", err)
		}
		out = append(out, &p)
	}
	return out, nil
}

// toReplay are the services that are meant: those named, else those that have a policy.
func toReplay(snap *fleet.Snapshot, names []string, given []*autoscale.Policy) ([]*fleet.Service, error) {
	var out []*fleet.Service
	for _, name := range names {
		out = append(out, snap.Service(name))
	}
	if len(names) == 0 {
		for _, v := range snap.Services {
			if p := autoscale.ParsePolicy(&v.Service); p.Usable() {
				out = append(out, v)
			}
		}
	}
	switch {
	case len(out) == 0:
		return nil, errors.New("no service has a policy that can be followed: name one, with --policy")
	case len(out) > mostReplayed:
		return nil, fmt.Errorf("%d services have a policy: name up to %d", len(out), mostReplayed)
	}
	for _, v := range out {
		if p := autoscale.ParsePolicy(&v.Service); !p.Usable() && len(given) == 0 {
			return nil, fmt.Errorf("%s: %s; or try one with --policy", v.Name, plain.Line(p.Why()))
		}
	}
	return out, nil
}

func replay(ctx context.Context, p *platform, v *fleet.Service, texts []string, given []*autoscale.Policy, since, now time.Time) (replayed, error) {
	r := replayed{service: v.Name}
	if own := autoscale.ParsePolicy(&v.Service); own.Usable() {
		r.names, r.policies = append(r.names, "its labels"), append(r.policies, &own)
	}
	r.names, r.policies = append(r.names, texts...), append(r.policies, given...)
	ctx, cancel := context.WithTimeout(ctx, 4*p.settings.Timeout)
	defer cancel()
	var err error
	if r.past, err = autoscale.ReadPast(ctx, p.metrics, &v.Service, r.policies, since, now); err != nil {
		return r, err
	}
	for _, x := range r.policies {
		r.outcomes = append(r.outcomes, autoscale.Replay(x, r.past.Load(x)))
	}
	return r, nil
}

type replaysJSON struct {
	Time     time.Time    `json:"time"`
	Since    time.Time    `json:"since"`
	Services []replayJSON `json:"services"`
}

type replayJSON struct {
	Service  string            `json:"service"`
	Step     float64           `json:"step"`
	Missing  map[string]string `json:"missing"` // why a metric is not known, by its name
	Replicas []pointJSON       `json:"replicas"`
	Policies []outcomeJSON     `json:"policies"`
}

type outcomeJSON struct {
	Policy string `json:"policy"`
	Least  int    `json:"least"`
	Most   int    `json:"most"`
	// Seconds.
	UnderTarget    float64        `json:"under_target"`
	OverTarget     float64        `json:"over_target"`
	Unmeasured     float64        `json:"unmeasured"`
	AtMax          float64        `json:"at_max"`
	RealOverTarget float64        `json:"real_over_target"`
	TaskHours      float64        `json:"task_hours"`
	RealTaskHours  *float64       `json:"real_task_hours"`
	RealHours      float64        `json:"real_hours"` // for how long the real number is known
	Changes        int            `json:"changes"`
	Flaps          int            `json:"flaps"`
	Replicas       []pointJSON    `json:"replicas"`
	Decisions      []decisionJSON `json:"decisions"` // those that change the number
}

type decisionJSON struct {
	Time      time.Time       `json:"time"`
	From      int             `json:"from"`
	To        int             `json:"to"`
	LimitedBy autoscale.Limit `json:"limited_by"`
	Reason    string          `json:"reason"`
}

// shownPoints is how many points of a replay JSON has at most; decisions are all there.
const shownPoints = 500

func replaysOf(list []replayed, since, now time.Time) replaysJSON {
	out := replaysJSON{Time: now.UTC(), Since: since.UTC(), Services: []replayJSON{}}
	for i := range list {
		r := &list[i]
		x := replayJSON{Service: r.service, Step: r.past.Step.Seconds(), Missing: r.past.Missing, Policies: []outcomeJSON{}}
		x.Replicas, _ = pointsJSON(thinned(r.real()))
		for k := range r.outcomes {
			x.Policies = append(x.Policies, outcomeOf(r.names[k], &r.outcomes[k]))
		}
		out.Services = append(out.Services, x)
	}
	return out
}

func outcomeOf(name string, o *autoscale.Outcome) outcomeJSON {
	x := outcomeJSON{Policy: name, Least: o.Least, Most: o.Most, UnderTarget: o.UnderTarget.Seconds(), OverTarget: o.OverTarget.Seconds(), Unmeasured: o.Unmeasured.Seconds(), AtMax: o.AtMax.Seconds(),
		RealOverTarget: o.RealOver.Seconds(), TaskHours: o.TaskHours, RealHours: o.RealHours.Hours(), Changes: o.Ups + o.Downs, Flaps: o.Flaps, Decisions: []decisionJSON{}}
	if o.RealHours > 0 {
		x.RealTaskHours = &o.RealTaskHours
	}
	x.Replicas, _ = pointsJSON(thinned(replicasOf(o)))
	for i := range o.Moments {
		if d := &o.Moments[i].Decision; d.Changes() {
			x.Decisions = append(x.Decisions, decisionJSON{d.At.UTC(), d.Current, d.Recommended, d.Limit, d.Reason})
		}
	}
	return x
}

// real is how many replicas there were.
func (r *replayed) real() []sources.Point {
	out := make([]sources.Point, len(r.past.Replicas))
	for i, v := range r.past.Replicas {
		out[i] = sources.Point{T: r.past.Start.Add(time.Duration(i) * r.past.Step), V: v}
	}
	return out
}

func replicasOf(o *autoscale.Outcome) []sources.Point {
	out := make([]sources.Point, len(o.Moments))
	for i := range o.Moments {
		out[i] = sources.Point{T: o.Moments[i].T, V: float64(o.Moments[i].Replicas)}
	}
	return out
}

// thinned is the largest point of each stretch, of so many that the rest is readable.
func thinned(points []sources.Point) []sources.Point {
	each := (len(points) + shownPoints - 1) / shownPoints
	if each <= 1 {
		return points
	}
	var out []sources.Point
	for i := 0; i < len(points); i += each {
		best := points[i]
		for _, p := range points[i:min(i+each, len(points))] {
			if math.IsNaN(best.V) || p.V > best.V {
				best = p
			}
		}
		out = append(out, best)
	}
	return out
}

func writeReplay(out io.Writer, r *replayed, since, now time.Time) error {
	styles, err := theme.New("none", true)
	if err != nil {
		return err
	}
	spec := chart.Spec{Width: 100, Height: 14, Start: since, End: now, Unit: "1", Min0: true, Styles: styles, LegendLines: 4, ASCII: styles.ASCII,
		Series: []chart.Series{{Name: "really", Points: r.real(), Then: true}}, Empty: "nothing is known of it"}
	for i := range r.outcomes {
		spec.Series = append(spec.Series, chart.Series{Name: r.names[i], Points: replicasOf(&r.outcomes[i])})
	}
	fmt.Fprintf(out, "%s: replicas since %s\n%s\n\n", plain.Line(r.service), since.UTC().Format(time.RFC3339), chart.Line(spec))
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintf(w, "POLICY\tREPLICAS\tAT TARGET\tOVER\tAT MAX\tTASK-HOURS\tREALLY\tCHANGES\tFLAPS\n")
	for i := range r.outcomes {
		o := &r.outcomes[i]
		really := "-"
		if o.RealHours > 0 {
			really = fmt.Sprintf("%.0f", o.RealTaskHours)
		}
		share := "-"
		if all := o.UnderTarget + o.OverTarget; all > 0 {
			share = fmt.Sprintf("%.1f%%", 100*o.UnderTarget.Seconds()/all.Seconds())
		}
		fmt.Fprintf(w, "%s\t%d-%d\t%s\t%s\t%s\t%.0f\t%s\t%d\t%d\n", plain.Line(r.names[i]), o.Least, o.Most, share, minutes(o.OverTarget), minutes(o.AtMax), o.TaskHours, really, o.Ups+o.Downs, o.Flaps)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if o := &r.outcomes[0]; o.RealOver > 0 {
		fmt.Fprintf(out, "really it was over the target of %s for %s, and then asked for more than is known here\n", plain.Line(r.names[0]), minutes(o.RealOver))
	}
	if o := &r.outcomes[0]; o.Unmeasured > 0 {
		fmt.Fprintf(out, "for %s nothing was measured\n", minutes(o.Unmeasured))
	}
	for id, why := range r.past.Missing {
		fmt.Fprintf(out, "%s is not known: %s\n", plain.Line(id), plain.Line(why))
	}
	_, err = fmt.Fprintln(out)
	return err
}

func minutes(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return chart.Age(d)
}
