package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/incident"
)

func newIncidentReport(s *surroundings) *cobra.Command {
	var id, since, until, service string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "The incident's report",
		Long: `Markdown, or with -o json the same as JSON. Without flags it is of the incident that is open, or of the newest one.
With --since, --until or --service it is of that time and that service, and of the incident in it if there is
just one; none need have been declared. What could not be looked at is said under Gaps; credentials are
taken out, and listed by kind under Redactions.

EXIT STATUS
  0 written; 2 usage, or there is no such incident; 3 written, but the swarm could not be read`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a := incident.Asked{ID: id}
			var err error
			if a.Since, err = moment(since, time.Now()); err != nil {
				return err
			}
			if a.Until, err = moment(until, time.Now()); err != nil {
				return err
			}
			if service != "" {
				a.Services = []string{service}
			}
			return reportIncident(cmd.Context(), s, a)
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this `time` on: 1h, 2d, 14:30 or RFC 3339")
	f.StringVar(&until, "until", "", "up to this `time`")
	f.StringVar(&service, "service", "", "of this `service`")
	f.StringVar(&id, "incident", "", "of the incident with this `id`, or the beginning of it")
	return cmd
}

func reportIncident(ctx context.Context, s *surroundings, a incident.Asked) error {
	asJSON, err := s.json("markdown", "table")
	if err != nil {
		return err
	}
	k, swarm, end, err := s.openDesk(ctx, true, "markdown", "table")
	if err != nil {
		return err
	}
	defer end()
	if a, err = k.Choose(a); err != nil {
		return err
	}
	r, err := k.Report(ctx, a)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(s.out).Encode(r)
	} else {
		err = r.Markdown(s.out)
	}
	return errors.Join(err, swarm)
}
