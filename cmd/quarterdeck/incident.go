package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/incident"
	"quarterdeck/ui/plain"
)

const incidentExits = `
EXIT STATUS
  0 done; 2 usage, or there is no such incident; 3 the record cannot be written; 4 refused: read-only, or its state does not allow it`

func newIncidentCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incident",
		Short: "Declare an incident, keep its record, write its report",
		Long: `An incident is written into the journal, so that it is chained and on the disk, and into the team's
record in Loki, so that colleagues see it live and can write to it from their own consoles.

  quarterdeck incident start shop_api --title "checkout answers with 5xx" --impact first
  quarterdeck incident ack
  quarterdeck incident note "action: add an alert on the pool's size"
  quarterdeck incident mitigate "rolled back"
  quarterdeck incident resolve
  quarterdeck incident report >report.md

Without --incident the one that is open is meant.
` + incidentExits,
		Args: noArgs,
	}
	cmd.AddCommand(newIncidentStart(s), newIncidentNote(s), newIncidentImpact(s),
		newIncidentPhase(s, incident.Acknowledge, "ack [WORDS...]", "Say that you look after it"),
		newIncidentPhase(s, incident.Mitigate, "mitigate [WORDS...]", "Say that users are not hit any more"),
		newIncidentPhase(s, incident.Resolve, "resolve [WORDS...]", "Say that it is over"),
		newIncidentPhase(s, incident.Reopen, "reopen [WORDS...]", "Say that it is not over after all"),
		newIncidentList(s), newIncidentReport(s))
	return cmd
}

// desk is what the commands and the console keep incidents at.
func (p *platform) desk(d *actions.Deck) *incident.Desk {
	k := &incident.Desk{Deck: d, Logs: p.logs, Doctor: p.doctor(d)}
	if p.metrics != nil {
		k.Metrics = p.metrics
	}
	if p.alerts != nil {
		k.Alerts = p.alerts
	}
	if p.loki != nil {
		k.Team = p.loki
	}
	k.Listen()
	return k
}

// deskOfConsole is the desk with what this machine's journal knows, so that an incident that is open stands on the first frame. What cannot be read is read
// again by those that follow the journal.
func (p *platform) deskOfConsole(d *actions.Deck) *incident.Desk {
	k := p.desk(d)
	if err := k.Load(); err != nil {
		p.log.Warn("the journal's incidents", "error", err)
	}
	return k
}

// followIncidents reads what the team has written in the weeks before, until stop is called.
func (p *platform) followIncidents(ctx context.Context, k *incident.Desk) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Follow(ctx)
	}()
	return func() { cancel(); <-done }
}

// openDesk is what a command begins with; all: every source is read once, else only the swarm.
func (s *surroundings) openDesk(ctx context.Context, all bool, formats ...string) (k *incident.Desk, swarm error, end func(), err error) {
	p, _, err := s.open(formats...)
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := p.deck()
	if err != nil {
		return nil, nil, nil, errors.Join(err, p.Close())
	}
	k = p.desk(d)
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	feeds := p.feeds()
	if !all {
		feeds.Logs, feeds.Metrics, feeds.Alerts = nil, nil, nil
	}
	swarm = p.fleet.Once(once, feeds) // an incident can be that the swarm is away: its record is kept all the same
	if swarm != nil {
		fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(swarm.Error()))
	}
	if err := k.Load(); err != nil {
		return nil, nil, nil, errors.Join(err, p.Close())
	}
	if err := k.LoadTeam(once); err != nil {
		fmt.Fprintln(s.errs, "quarterdeck: the team's record could not be read:", plain.Line(err.Error()))
	}
	return k, swarm, func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		if err := d.Close(flush); err != nil {
			fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(err.Error()))
		}
		_ = p.Close() // only connections
	}, nil
}

// refusedIncident gives what is refused its exit code.
func refusedIncident(err error) error {
	var taken *incident.Taken
	var no *incident.NotAllowed
	if errors.As(err, &taken) || errors.As(err, &no) {
		return &exitStatus{exitRefused, err}
	}
	return refusal(err)
}

func newIncidentStart(s *surroundings) *cobra.Command {
	var title, severity, impact, at, node string
	var also bool
	cmd := &cobra.Command{
		Use:   "start [SERVICE|STACK...]",
		Short: "Declare an incident of services, of a stack, or of a node",
		Long: `Without a name it is of what the likeliest cause of all is about, and of the services that it hits; of a stack it
is of those of its services that are in trouble. Where the likeliest cause is a node, or with --node, it is of that node, and of the services that had tasks there.
Without --title it is the worst service's state. --impact sets when the impact began: a time, or "first" for
the earliest evidence (an alert, a bad verdict, a dead task, a jump of errors). Without it the evidence is
shown and nothing is set.
` + incidentExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			began, err := moment(at, time.Now())
			if err != nil {
				return err
			}
			o := incident.Opening{Title: title, Severity: severity, Services: args, Anything: len(args) == 0 && node == "", Also: also, At: began}
			if node != "" {
				o.Nodes = []string{node}
			}
			return startIncident(cmd.Context(), s, o, impact)
		},
	}
	f := cmd.Flags()
	f.StringVar(&title, "title", "", "what is wrong, in a few `words`")
	f.StringVar(&node, "node", "", "of this node, by `name`")
	f.StringVar(&severity, "severity", "", "how bad: a `word` of your own; critical, warning")
	f.StringVar(&impact, "impact", "", "`when` the impact began: 15m, 14:30, RFC 3339, or \"first\"")
	f.StringVar(&at, "at", "", "`when` it was declared, where that is not now")
	f.BoolVar(&also, "also", false, "although another incident of the service is open")
	return cmd
}

func startIncident(ctx context.Context, s *surroundings, o incident.Opening, impact string) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	k, _, end, err := s.openDesk(ctx, true, "table")
	if err != nil {
		return err
	}
	defer end()
	o = k.Prefill(ctx, o)
	if len(o.Services)+len(o.Nodes) == 0 {
		return &exitStatus{exitUsage, errors.New("no cause names what it is of: say of which service or node: incident start SERVICE, or --node NAME")}
	}
	if impact != "" || !asJSON {
		list, _, err := k.Evidence(ctx, o)
		if err != nil {
			return err
		}
		if o.Impact, err = impactOf(impact, list); err != nil {
			return err
		}
		if impact == "" {
			writeProposals(s.errs, list)
		}
	}
	x, err := k.Start(o)
	if err != nil {
		return refusedIncident(err)
	}
	return s.showIncident(&x, asJSON)
}

// impactOf is when the impact began: as written, or the earliest evidence.
func impactOf(text string, list []incident.Proposal) (incident.Moment, error) {
	if text == "" {
		return incident.Moment{}, nil
	}
	if text == "first" {
		if p := incident.First(list); p != nil {
			return incident.Moment{At: p.At, By: p.Source + ": " + p.Text, Query: p.Query}, nil
		}
		return incident.Moment{}, &exitStatus{exitUsage, errors.New("no evidence says when the impact began: give a time")}
	}
	at, err := moment(text, time.Now())
	return incident.Moment{At: at}, err
}

func writeProposals(out io.Writer, list []incident.Proposal) {
	if len(list) == 0 {
		fmt.Fprintln(out, "no evidence says when the impact began; `quarterdeck incident impact TIME` sets it")
		return
	}
	fmt.Fprintln(out, "when the impact may have begun (`quarterdeck incident impact TIME` sets it):")
	for _, p := range list {
		sign := " "
		if p.Before {
			sign = "<"
		}
		fmt.Fprintf(out, "  %s %s  %s: %s\n", sign, p.At.Format(time.RFC3339), plain.Line(p.Source), plain.Line(p.Text))
	}
}

// onIncident is a command that writes a phase.
func onIncident(ctx context.Context, s *surroundings, id string, e incident.Entry) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	k, _, end, err := s.openDesk(ctx, false, "table")
	if err != nil {
		return err
	}
	defer end()
	x, err := k.Do(id, e)
	if err != nil {
		return refusedIncident(err)
	}
	return s.showIncident(&x, asJSON)
}

func newIncidentPhase(s *surroundings, p incident.Phase, use, short string) *cobra.Command {
	var id, at string
	cmd := &cobra.Command{Use: use, Short: short, Long: short + ".\n" + incidentExits, RunE: func(cmd *cobra.Command, args []string) error {
		when, err := moment(at, time.Now())
		if err != nil {
			return err
		}
		return onIncident(cmd.Context(), s, id, incident.Entry{Phase: p, At: when, Text: strings.Join(args, " ")})
	}}
	cmd.Flags().StringVar(&id, "incident", "", "its `id`, or the beginning of it")
	cmd.Flags().StringVar(&at, "at", "", "`when` it was, where that is not now: 5m, 14:30, RFC 3339")
	return cmd
}

func newIncidentNote(s *surroundings) *cobra.Command {
	var id, at, section string
	var names []string
	for _, x := range incident.Sections() {
		names = append(names, string(x))
	}
	cmd := &cobra.Command{
		Use:   "note WORDS...",
		Short: "Write something down",
		Long: `A note stands on the timeline. One that begins with the name of a section of the report and a colon goes there
too: ` + strings.Join(names, ", ") + `.
` + incidentExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := moment(at, time.Now())
			if err != nil {
				return err
			}
			of, text := incident.SplitNote(strings.Join(args, " "))
			if section != "" {
				if of = incident.Section(section); !strings.Contains(" "+strings.Join(names, " ")+" ", " "+section+" ") {
					return &exitStatus{exitUsage, fmt.Errorf("--for %q is none of %s", section, strings.Join(names, ", "))}
				}
				text = strings.Join(args, " ")
			}
			return onIncident(cmd.Context(), s, id, incident.Entry{Phase: incident.Note, At: when, Text: text, Section: of})
		},
	}
	cmd.Flags().StringVar(&id, "incident", "", "its `id`, or the beginning of it")
	cmd.Flags().StringVar(&at, "at", "", "`when` it was, where that is not now: 5m, 14:30, RFC 3339")
	cmd.Flags().StringVar(&section, "for", "", "the `section` of the report that it is for")
	return cmd
}

func newIncidentImpact(s *surroundings) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "impact TIME|first",
		Short: "Set when the impact began",
		Long:  "TIME is 15m, 14:30 or RFC 3339; \"first\" is the earliest evidence.\n" + incidentExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("say when: incident impact TIME, or first")}
			}
			ctx := cmd.Context()
			k, _, end, err := s.openDesk(ctx, args[0] == "first", "table")
			if err != nil {
				return err
			}
			defer end()
			asJSON, err := s.json("table")
			if err != nil {
				return err
			}
			x, err := k.Find(id)
			if err != nil {
				return err
			}
			var list []incident.Proposal
			if args[0] == "first" {
				if list, err = k.EvidenceOf(ctx, &x); err != nil {
					return err
				}
			}
			m, err := impactOf(args[0], list)
			if err != nil {
				return err
			}
			if x, err = k.Do(x.ID, incident.Entry{Phase: incident.Impact, At: m.At, By: m.By, Query: m.Query}); err != nil {
				return refusedIncident(err)
			}
			return s.showIncident(&x, asJSON)
		},
	}
	cmd.Flags().StringVar(&id, "incident", "", "its `id`, or the beginning of it")
	return cmd
}
