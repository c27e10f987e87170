package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/stages"
	"quarterdeck/ui/plain"
)

func newCheckCommand(s *surroundings) *cobra.Command {
	stage := 0
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Where the team stands on the four stages, by live evidence",
		Long: `Runs the checks of the stages (functional, observable, reliable, scalable) against the swarm, Loki, Prometheus and the backups. A stage's gate is open
when every check that it requires passes; what could not be looked at is unknown, and no failure.

EXIT STATUS
  0 all gates asked for are open; 1 one is shut, or could not be looked at; 2 usage; 3 the swarm is unreachable or refuses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stage < 0 || stage > len(stages.Stages) {
				return &exitStatus{exitUsage, errors.New("--stage is 1, 2, 3 or 4")}
			}
			return runCheck(cmd.Context(), s, stage)
		},
	}
	cmd.Flags().IntVar(&stage, "stage", 0, "only this `stage`, 1 to 4")
	return cmd
}

func runCheck(ctx context.Context, s *surroundings, stage int) error {
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
	from := stages.Sources{Fleet: p.fleet.Snapshot(), Backups: p.saved}
	if p.loki != nil {
		from.Logs = p.loki
	}
	if p.metrics != nil {
		from.Metrics = p.metrics
	}
	if p.saved != nil {
		if err := p.saved.Read(once); err != nil {
			fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(err.Error()))
		}
	}
	settings := stages.Defaults()
	report := stages.Judge(stages.Gather(once, from, time.Now()), &settings)
	if stage > 0 {
		report.Stages = report.Stages[stage-1 : stage]
	}
	if asJSON {
		err = json.NewEncoder(s.out).Encode(checkOf(&report))
	} else {
		err = writeCheck(s.out, &report)
	}
	if err != nil {
		return err
	}
	for i := range report.Stages {
		if report.Stages[i].Gate != stages.Open {
			return &exitStatus{code: exitDegraded}
		}
	}
	return nil
}

// The shapes below are the contract's (COMMANDS.md, "JSON fields that others rely on").

type checkJSON struct {
	Time    time.Time   `json:"time"`
	Reached int         `json:"reached"`
	Stages  []stageJSON `json:"stages"`
}

type stageJSON struct {
	Stage      int          `json:"stage"`
	Name       string       `json:"name"`
	Gate       stages.Gate  `json:"gate"`
	Customised bool         `json:"customised"`
	Checks     []resultJSON `json:"checks"`
}

type resultJSON struct {
	ID         string        `json:"id"`
	State      stages.State  `json:"state"`
	Value      string        `json:"value"`
	Threshold  string        `json:"threshold"`
	Evidence   string        `json:"evidence"`
	Fix        string        `json:"fix"`
	Required   bool          `json:"required"`
	Customised bool          `json:"customised"`
	Reason     string        `json:"reason,omitempty"`
	Question   string        `json:"question"`
	Why        string        `json:"why"`
	Subjects   []subjectJSON `json:"subjects"`
}

type subjectJSON struct {
	Name  string       `json:"name"`
	State stages.State `json:"state"`
	Says  string       `json:"says"`
	Set   string       `json:"set,omitempty"`
}

func checkOf(r *stages.Report) checkJSON {
	out := checkJSON{Time: r.At.UTC(), Reached: r.Reached, Stages: []stageJSON{}}
	for i := range r.Stages {
		st := &r.Stages[i]
		x := stageJSON{Stage: st.Number, Name: st.Name, Gate: st.Gate, Customised: st.Customised, Checks: []resultJSON{}}
		for k := range st.Results {
			c := &st.Results[k]
			j := resultJSON{ID: c.Check.ID, State: c.State, Value: c.Value, Threshold: c.Threshold, Evidence: c.Evidence, Fix: c.Check.Fix, Required: c.Required,
				Customised: c.Customised, Reason: c.Reason, Question: c.Check.Question, Why: c.Check.Why, Subjects: []subjectJSON{}}
			for _, s := range c.Subjects {
				j.Subjects = append(j.Subjects, subjectJSON(s))
			}
			x.Checks = append(x.Checks, j)
		}
		out.Stages = append(out.Stages, x)
	}
	return out
}

// subjectsShown is how many subjects of a check the table names; -o json has all.
const subjectsShown = 3

func writeCheck(out io.Writer, r *stages.Report) error {
	for i := range r.Stages {
		st := &r.Stages[i]
		fmt.Fprintf(out, "stage %d, %s -> %s: %s   gate: %s\n", st.Number, st.From, st.Name, st.Question, st.Gate)
		w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
		for k := range st.Results {
			c := &st.Results[k]
			value := c.Value
			if c.Reason != "" {
				value = c.Reason
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", c.State, c.Check.ID, plain.Line(value))
			for n, x := range c.Subjects {
				if n == subjectsShown {
					fmt.Fprintf(w, "  \t\t… and %d more\n", len(c.Subjects)-n)
					break
				}
				fmt.Fprintf(w, "  \t\t%s %s: %s\n", x.State, plain.Line(x.Name), plain.Line(x.Says))
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if next := r.Next(); next != nil {
		fmt.Fprintf(out, "next: %s %s\n  %s\n  do: %s\n", next.Check.ID, next.Check.Question, next.Check.Why, next.Check.Fix)
	}
	return nil
}
