package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func newAlertsCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Alerts that fire or are pending",
		Long: `Reads what fires from Alertmanager, and what is pending from Prometheus' rules where it is configured.

EXIT STATUS
  0 done; 2 usage; 3 Alertmanager is unreachable or refuses; 4 refused: read-only; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAlerts(cmd.Context(), s) },
	}
	var lasts time.Duration
	var comment string
	silence := &cobra.Command{
		Use:   "silence MATCHER...",
		Short: "Silence alerts that match",
		Long: `A matcher is label=value, label!=value, label=~regexp or label!~regexp; all must match.

EXIT STATUS
  0 done; 2 usage; 3 Alertmanager is unreachable or refuses; 4 refused: read-only`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSilence(cmd.Context(), s, args, lasts, comment)
		},
	}
	silence.Flags().DurationVar(&lasts, "for", 2*time.Hour, "how long")
	silence.Flags().StringVar(&comment, "comment", "", "why, for the others on call")
	cmd.AddCommand(silence)
	return cmd
}

func runAlerts(ctx context.Context, s *surroundings) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.needAlerts(); err != nil {
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
			out.Alerts = append(out.Alerts, alertFullJSON{alertOf(&alerts[i]), alerts[i].Summary, alerts[i].Labels, orEmpty(alerts[i].SilencedBy)})
		}
		return json.NewEncoder(s.out).Encode(out)
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
	Summary    string            `json:"summary"`
	Labels     map[string]string `json:"labels"`
	SilencedBy []string          `json:"silenced_by"`
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

var matcherForm = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)(.*)$`)

func runSilence(ctx context.Context, s *surroundings, args []string, lasts time.Duration, comment string) error {
	if len(args) == 0 || comment == "" || lasts <= 0 {
		return &exitStatus{exitUsage, errors.New("say what and why: alerts silence alertname=X --for 2h --comment \"…\"")}
	}
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	if p.settings.ReadOnly {
		return &exitStatus{exitRefused, errors.New("refused: read-only is set")}
	}
	now := time.Now()
	silence := sources.Silence{Author: userName(s.getenv), Comment: comment, Starts: now, Ends: now.Add(lasts)}
	for _, a := range args {
		m := matcherForm.FindStringSubmatch(a)
		if m == nil {
			return &exitStatus{exitUsage, fmt.Errorf("%q is no matcher such as service=web or alertname=~\"High.*\"", a)}
		}
		silence.Matchers = append(silence.Matchers, sources.Matcher{Name: m[1], Value: m[3], Regexp: m[2] == "=~" || m[2] == "!~", Negative: m[2][0] == '!'})
	}
	alerts, err := p.needAlerts()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	id, err := alerts.Silence(ctx, silence)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"id": id, "ends": silence.Ends.UTC()})
	}
	_, err = fmt.Fprintf(s.out, "silenced until %s: %s\n", silence.Ends.Format(time.RFC3339), id)
	return err
}

// userName is who acts, as the environment has it.
func userName(getenv func(string) string) string {
	for _, name := range []string{"QUARTERDECK_ACTOR", "USER", "LOGNAME"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return "quarterdeck"
}
