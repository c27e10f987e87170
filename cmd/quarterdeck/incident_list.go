package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/incident"
	"quarterdeck/ui/plain"
)

func (s *surroundings) showIncident(x *incident.Incident, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(s.out).Encode(incidentOf(x, incident.TimesOf(x, nil)))
	}
	_, err := fmt.Fprintf(s.out, "%s  %s  %s  %s\n", x.ID, x.State, plain.Line(x.Of()), plain.Line(x.Title))
	return err
}

// incidentJSON is an incident in JSON; what is not known is null.
type incidentJSON struct {
	ID           string         `json:"id"`
	Also         []string       `json:"also"`
	Services     []string       `json:"services"`
	Nodes        []string       `json:"nodes"`
	Title        string         `json:"title"`
	Severity     string         `json:"severity"`
	State        string         `json:"state"`
	Owner        string         `json:"owner"`
	By           string         `json:"by"`
	Started      *time.Time     `json:"started"`
	Impact       *time.Time     `json:"impact"`
	Detected     *time.Time     `json:"detected"`
	DetectedBy   string         `json:"detected_by"`
	Acknowledged *time.Time     `json:"acknowledged"`
	Mitigated    *time.Time     `json:"mitigated"`
	Resolved     *time.Time     `json:"resolved"`
	Reopened     int            `json:"reopened"`
	Times        incident.Times `json:"times"`
	Entries      []phaseJSON    `json:"entries"`
}

type phaseJSON struct {
	Phase   string    `json:"phase"`
	At      time.Time `json:"at"`
	Written time.Time `json:"written"`
	Actor   string    `json:"actor"`
	Host    string    `json:"host"`
	Text    string    `json:"text"`
	Section string    `json:"section"`
}

func incidentOf(x *incident.Incident, t incident.Times) incidentJSON {
	out := incidentJSON{ID: x.ID, Also: orEmpty(x.Also), Services: orEmpty(x.Services), Nodes: orEmpty(x.Nodes), Title: x.Title, Severity: x.Severity, State: string(x.State), Owner: x.Owner, By: x.Started.By,
		Started: utc(x.Started.At), Impact: utc(x.Impact.At), Detected: utc(x.Detected.At), DetectedBy: x.Detected.By, Acknowledged: utc(x.Acknowledged.At), Mitigated: utc(x.Mitigated.At), Resolved: utc(x.Resolved.At),
		Reopened: x.Reopened, Times: t, Entries: []phaseJSON{}}
	for i := range x.Entries {
		e := &x.Entries[i]
		out.Entries = append(out.Entries, phaseJSON{string(e.Phase), e.At.UTC(), e.Written.UTC(), e.Actor, e.Host, e.Text, string(e.Section)})
	}
	return out
}

func newIncidentList(s *surroundings) *cobra.Command {
	var since, service string
	var open bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Incidents, the newest first, with the medians of their times",
		Long: `What a time could not be had for is a dash and is not counted; n says of how many a median is.
` + incidentExits,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := moment(since, time.Now())
			if err != nil {
				return err
			}
			return listIncidents(cmd.Context(), s, from, service, open)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "those that were declared from this `time` on")
	cmd.Flags().StringVar(&service, "service", "", "only of this `service`")
	cmd.Flags().BoolVar(&open, "open", false, "only those that are not resolved")
	return cmd
}

func listIncidents(ctx context.Context, s *surroundings, since time.Time, service string, open bool) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	k, _, end, err := s.openDesk(ctx, false, "table")
	if err != nil {
		return err
	}
	defer end()
	var list []incident.Incident
	for _, x := range k.All() {
		if !x.Started.At.Before(since) && (!open || x.Ongoing()) && (service == "" || x.About(service)) {
			list = append(list, x)
		}
	}
	times, err := k.TimesWith(list)
	if err != nil {
		return err
	}
	out := make([]incidentJSON, len(list))
	for i := range list {
		out[i] = incidentOf(&list[i], times[i])
	}
	medians := incident.MediansOf(times)
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"incidents": out, "medians": medians})
	}
	return writeIncidents(s.out, out, medians)
}

func writeIncidents(out io.Writer, list []incidentJSON, m incident.Medians) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no incident is recorded")
		return err
	}
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTARTED\tSTATE\tSERVICES\tOWNER\tDETECT\tACK\tMITIGATE\tRESOLVE\tTITLE")
	for i := range list {
		x := &list[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Started.Format(time.RFC3339), x.State, plain.Line(strings.Join(slices.Concat(x.Nodes, x.Services), ",")), plain.Line(orDash(x.Owner)),
			seconds(x.Times.Detect.Seconds), seconds(x.Times.Acknowledge.Seconds), seconds(x.Times.Mitigate.Seconds), seconds(x.Times.Resolve.Seconds), plain.Line(x.Title))
	}
	fmt.Fprintf(w, "median\t\t\t\t\t%s\t%s\t%s\t%s\t\n", medianOf(m.Detect), medianOf(m.Acknowledge), medianOf(m.Mitigate), medianOf(m.Resolve))
	return w.Flush()
}

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return (time.Duration(*s * float64(time.Second))).Round(time.Second).String()
}

func medianOf(m incident.Median) string { return fmt.Sprintf("%s (n=%d)", seconds(m.Seconds), m.N) }
