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

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/stages"
	"quarterdeck/ui/plain"
)

func newCheckCommand(s *surroundings) *cobra.Command {
	stage := 0
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Where the team stands on the four stages, by live evidence",
		Long: `Runs the checks of the stages (functional, observable, reliable, scalable) against the swarm, Loki, Prometheus and the backups. A stage's gate is open
when every check that it requires passes; what could not be looked at is unknown, and no failure. Thresholds of your own, and checks that no gate asks for, are in the config
(stages). How the gates stand is written to the journal when it changes; -o markdown sets last month beside today, for a wiki.

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
	p, asJSON, err := s.open("table", "markdown")
	if err != nil {
		return err
	}
	defer p.Close()
	settings, err := p.stageSettings()
	if err != nil {
		return &exitStatus{exitUsage, fmt.Errorf("config: stages: %w", err)}
	}
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.fleet.Once(once, p.feeds()); err != nil {
		return err
	}
	images, err := p.registry()
	if err != nil {
		return err
	}
	defer func() { _ = images.Close() }() // only connections
	from := p.stageSources(images, 0)
	from.Fleet = p.fleet.Snapshot()
	if p.saved != nil {
		if err := p.saved.Read(once); err != nil {
			fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(err.Error()))
		}
	}
	before := s.remembered(p, &from)
	report := stages.Judge(stages.Gather(once, from, time.Now()), &settings)
	before.keep(s, &report)
	if stage > 0 {
		report.Stages = report.Stages[stage-1 : stage]
	}
	switch {
	case asJSON:
		err = json.NewEncoder(s.out).Encode(checkOf(&report))
	case s.flags.Output == "markdown":
		if before.then == nil {
			fmt.Fprintln(s.errs, "quarterdeck: how it stood a month ago is not known: nothing of it is in this machine's journal")
		}
		err = report.Markdown(s.out, p.settings.Name, before.then)
	default:
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

// past is how the gates stood, by this machine's journal.
type past struct {
	deck       *actions.Deck // nil: the journal could not be opened
	last, then *stages.Record
}

// monthAgo is how far back a report looks for what to stand beside.
const monthAgo = 30 * 24 * time.Hour

// remembered reads what the journal knows. Where it cannot be read the checks are judged without it, and that is said.
func (s *surroundings) remembered(p *platform, from *stages.Sources) *past {
	out := &past{}
	d, err := p.deck()
	if err == nil {
		k := p.desk(d)
		if err = k.Load(); err == nil {
			from.Detect = func() stages.Detection { return detectionOf(k, time.Now()) }
			out.last, out.then, err = stagesRecords(d.Journal, from.Fleet.Engine.ClusterID, time.Now().Add(-monthAgo))
			out.deck = d
		}
	}
	if err != nil {
		fmt.Fprintln(s.errs, "quarterdeck: how the gates stood before is not known:", plain.Line(err.Error()))
	}
	return out
}

// keep writes down how the gates stand now. That it cannot be written is said, and changes no answer.
func (h *past) keep(s *surroundings, r *stages.Report) {
	if h.deck == nil {
		return
	}
	e := journal.Entry{Actor: h.deck.Policy.Actor, Host: h.deck.Policy.Host, Context: h.deck.Policy.Context, Cluster: h.deck.Fleet.Snapshot().Engine.ClusterID}
	if err := keepStages(h.deck.Journal, e, r.Record(), h.last); err != nil {
		fmt.Fprintln(s.errs, "quarterdeck: how the gates stand could not be written down:", plain.Line(err.Error()))
	}
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
	Trap       string       `json:"trap"`
	OutOfOrder string       `json:"out_of_order,omitempty"`
	Checks     []resultJSON `json:"checks"`
}

type resultJSON struct {
	ID         string        `json:"id"`
	State      stages.State  `json:"state"`
	Value      string        `json:"value"`
	Threshold  string        `json:"threshold"`
	Evidence   string        `json:"evidence"`
	Fix        string        `json:"fix"`
	Stack      string        `json:"stack,omitempty"` // of the blueprint, which answers it
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
		x := stageJSON{Stage: st.Number, Name: st.Name, Gate: st.Gate, Customised: st.Customised, Trap: st.Trap, OutOfOrder: st.OutOfOrder, Checks: []resultJSON{}}
		for k := range st.Results {
			c := &st.Results[k]
			j := resultJSON{ID: c.Check.ID, State: c.State, Value: c.Value, Threshold: c.Threshold, Evidence: c.Evidence, Fix: c.Check.Fix, Stack: c.Check.Stack, Required: c.Required,
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
		if st.OutOfOrder != "" {
			fmt.Fprintf(out, "  out of order: %s\n", st.OutOfOrder)
		}
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
		if next.Check.Stack != "" {
			fmt.Fprintf(out, "  or: quarterdeck blueprint apply %s\n", next.Check.Stack)
		}
	}
	return nil
}
