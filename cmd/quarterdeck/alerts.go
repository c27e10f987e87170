package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newAlertsCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Alerts that fire or are pending, and silences",
		Long: `Reads what fires from Alertmanager, and what is pending from Prometheus' rules where it is configured. Without Alertmanager both
come from the rules, and what is silenced is not known.

EXIT STATUS
  0 done; 2 usage; 3 Alertmanager (or Prometheus in its place) is unreachable or refuses; 4 refused: read-only; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAlerts(cmd.Context(), s) },
	}
	cmd.AddCommand(newSilenceCommand(s), newSilencesCommand(s), newExpireCommand(s))
	return cmd
}

const silenceExits = `
EXIT STATUS
  0 done, planned or nothing to do; 2 usage; 3 Alertmanager is unreachable or refuses;
  4 refused: read-only, it would mute every alert, or it touches a protected service and its name was not typed; 6 it has no effect`

func newSilenceCommand(s *surroundings) *cobra.Command {
	var lasts time.Duration
	var comment, confirm string
	var dry bool
	cmd := &cobra.Command{
		Use:   "silence MATCHER...",
		Short: "Silence alerts that match",
		Long: `A matcher is label=value, label!=value, label=~regexp or label!~regexp; all must match. It shows first which alerts of now it
mutes, and is written to the journal, so that the others on call see who did it and why. Where it mutes a protected service the
service's name must be typed, or given by --confirm.

  quarterdeck alerts silence alertname=HighErrorRate swarm_service=shop_web --for 1h --comment "rollback under way"
` + silenceExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSilence(cmd.Context(), s, args, lasts, comment, &actFlags{dryRun: dry, yes: true, confirm: confirm})
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 2*time.Hour, "how long")
	cmd.Flags().StringVar(&comment, "comment", "", "why, for the others on call")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `name` that is asked for where it mutes a protected service's alerts")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show which alerts it would mute, and do nothing")
	return cmd
}

func newExpireCommand(s *surroundings) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "expire ID",
		Short: "End a silence, named by its id or the beginning of it",
		Long:  "It shows first which alerts ring again.\n" + silenceExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return &exitStatus{exitUsage, errors.New("name one silence by its id: see `quarterdeck alerts silences`")}
			}
			return runOnAlerts(cmd.Context(), s, &actFlags{dryRun: dry, yes: true}, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanUnsilence(ctx, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show which alerts would ring again, and do nothing")
	return cmd
}

func newSilencesCommand(s *surroundings) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "silences",
		Short: "Silences that are active or to come, with who made them and why",
		Long: `EXIT STATUS
  0 done; 2 usage; 3 Alertmanager is unreachable or refuses; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSilences(cmd.Context(), s, all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are over, too")
	return cmd
}

func runAlerts(ctx context.Context, s *surroundings) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.needAlerts(); err != nil && p.metrics == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	feeds := p.feeds()
	alerts, err := fleet.ReadAlerts(ctx, feeds.Alerts, feeds.Metrics)
	if err != nil {
		return err
	}
	if asJSON {
		out := struct {
			Alerts []alertFullJSON `json:"alerts"`
		}{Alerts: []alertFullJSON{}}
		for i := range alerts {
			out.Alerts = append(out.Alerts, fullAlert(&alerts[i]))
		}
		return json.NewEncoder(s.out).Encode(out)
	}
	if feeds.Alerts == nil {
		fmt.Fprintln(s.errs, "from Prometheus' rules: no Alertmanager is configured, so what is silenced is not known")
	}
	w := tabwriter.NewWriter(s.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tSEVERITY\tALERT\tSERVICE\tAGE\tSUMMARY")
	for i := range alerts {
		a := &alerts[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.State, plain.Line(a.Severity), plain.Line(a.Name), plain.Line(a.Service), chart.Age(time.Since(a.Since)), plain.Line(a.Summary))
	}
	return w.Flush()
}

type alertFullJSON struct {
	alertJSON
	Summary     string            `json:"summary"`
	Labels      map[string]string `json:"labels"`
	SilencedBy  []string          `json:"silenced_by"`
	InhibitedBy []string          `json:"inhibited_by"`
	Receivers   []string          `json:"receivers"`
	Annotations map[string]string `json:"annotations"`
	Value       string            `json:"value"` // of the rule, as Prometheus has it; "": not known
}

func fullAlert(a *sources.Alert) alertFullJSON {
	return alertFullJSON{alertOf(a), a.Summary, a.Labels, orEmpty(a.SilencedBy), orEmpty(a.InhibitedBy), orEmpty(a.Receivers), a.Annotations, a.Value}
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

type silenceJSON struct {
	ID       string   `json:"id"`
	State    string   `json:"state"`
	Author   string   `json:"author"`
	Comment  string   `json:"comment"`
	Matchers []string `json:"matchers"`
	Starts   string   `json:"starts"`
	Ends     string   `json:"ends"`
	Left     float64  `json:"left"` // seconds; 0: it is over
}

func runSilences(ctx context.Context, s *surroundings, all bool) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	from, err := p.needAlerts()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	silences, err := from.Silences(ctx)
	if err != nil {
		return err
	}
	if !all {
		silences = slices.DeleteFunc(silences, func(x sources.Silence) bool { return x.State == "expired" })
	}
	now := time.Now()
	if asJSON {
		out := struct {
			Silences []silenceJSON `json:"silences"`
		}{Silences: []silenceJSON{}}
		for i := range silences {
			x := &silences[i]
			j := silenceJSON{ID: x.ID, State: x.State, Author: x.Author, Comment: x.Comment, Matchers: []string{}, Starts: x.Starts.UTC().Format(time.RFC3339), Ends: x.Ends.UTC().Format(time.RFC3339), Left: max(x.Ends.Sub(now), 0).Seconds()}
			for _, m := range x.Matchers {
				j.Matchers = append(j.Matchers, m.String())
			}
			out.Silences = append(out.Silences, j)
		}
		return json.NewEncoder(s.out).Encode(out)
	}
	w := tabwriter.NewWriter(s.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tLEFT\tAUTHOR\tMATCHERS\tCOMMENT")
	for i := range silences {
		x := &silences[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", plain.Line(x.ID), x.State, chart.Age(max(x.Ends.Sub(now), 0)), plain.Line(x.Author), plain.Line(fleet.MatchersText(x.Matchers)), plain.Line(x.Comment))
	}
	return w.Flush()
}

func runSilence(ctx context.Context, s *surroundings, args []string, lasts time.Duration, comment string, f *actFlags) error {
	if len(args) == 0 || strings.TrimSpace(comment) == "" || lasts <= 0 {
		return &exitStatus{exitUsage, errors.New("say what and why: alerts silence alertname=X --for 2h --comment \"…\"")}
	}
	silence := sources.Silence{Comment: comment}
	for _, a := range args {
		m, err := sources.ParseMatcher(a)
		if err != nil {
			return &exitStatus{exitUsage, err}
		}
		silence.Matchers = append(silence.Matchers, m)
	}
	return runOnAlerts(ctx, s, f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		silence.Ends = time.Now().Add(lasts)
		return d.PlanSilence(ctx, silence)
	})
}

// runOnAlerts carries a plan about silences out, and tells what came of it. It says yes by being written out; the word that guards a protected service is
// a person's to type. The swarm is not asked, which may be what is down.
func runOnAlerts(ctx context.Context, s *surroundings, f *actFlags, plan planner) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.needAlerts(); err != nil {
		return err
	}
	d, err := p.deck()
	if err != nil {
		return err
	}
	planning, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	made, err := plan(planning, d)
	if err != nil {
		return refusal(err)
	}
	tellSilence(s.errs, made)
	if f.dryRun || made.Refused != "" || made.Nothing != "" {
		return s.planned(made, asJSON)
	}
	if d.Policy.ReadOnly {
		return refusal(actions.ErrReadOnly)
	}
	f.reason = made.Reason
	approval, err := s.ask(made, f)
	if err != nil {
		return refusal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, p.settings.Timeout+flushWithin) // from now on: a person may have taken their time to type
	defer cancel()
	run, err := d.Start(ctx, made, approval, nil)
	if err != nil {
		return refusal(err)
	}
	report, err := run.Report()
	if cerr := d.Close(ctx); cerr != nil {
		fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(cerr.Error()))
	}
	if report.Result != actions.ResultDone {
		if sources.KindOf(err) != 0 {
			return err
		}
		return &exitStatus{exitLeft, errors.New(report.Reason)}
	}
	c := made.Silence
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"id": report.Verify.Silence, "ends": c.Silence.Ends.UTC(), "run": report.Run, "changes": report.Plan.Changes})
	}
	if c.End {
		_, err = fmt.Fprintf(s.out, "ended: %s\n", report.Verify.Silence)
	} else {
		_, err = fmt.Fprintf(s.out, "silenced until %s: %s\n", c.Silence.Ends.Format(time.RFC3339), report.Verify.Silence)
	}
	return err
}

// tellSilence shows what a plan mutes, or lets ring again.
func tellSilence(out io.Writer, p *actions.Plan) {
	fmt.Fprintln(out, plain.Line(p.Title()))
	verb := "mutes"
	if p.Silence.End {
		verb = "rings again:"
	}
	for i := range p.Silence.Alerts {
		a := &p.Silence.Alerts[i]
		fmt.Fprintf(out, "  %s %s\n", verb, plain.Line(strings.TrimSpace(fmt.Sprintf("%s %s %s (%s)", a.Severity, a.Name, a.Service, a.State))))
	}
	for _, x := range p.Warnings {
		fmt.Fprintln(out, "  !", plain.Line(x))
	}
	if p.Why != "" {
		fmt.Fprintln(out, "  !", plain.Line(p.Why))
	}
}
