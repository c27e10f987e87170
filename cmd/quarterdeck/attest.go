package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
	"quarterdeck/stages"
	"quarterdeck/ui/plain"
)

func newAttestCommand(s *surroundings) *cobra.Command {
	var note, until string
	var dry, withdraw bool
	cmd := &cobra.Command{
		Use:   "attest [CHECK]",
		Short: "A person's word for what no API can show",
		Long: `Some checks of the stages are answered by a person: that nobody deploys by hand, that dashboards are looked at. The word is kept in the swarm, with who
gave it and until when it holds, and every console sees it; each change of it is in the journal. Without CHECK it lists the checks that a person answers.

  quarterdeck attest no-touch-deploy --note "the last 30 deploys came from the pipeline"
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && note == "" && until == "" && !withdraw {
				return listWords(cmd.Context(), s)
			}
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("name one check: see `quarterdeck attest` for those that a person answers")}
			}
			c := stages.Find(args[0])
			if c == nil || c.Attested == 0 {
				return &exitStatus{exitUsage, fmt.Errorf("%q is no check that a person answers: they are %s", args[0], strings.Join(stages.Attestable(), ", "))}
			}
			flags := &actFlags{dryRun: dry, yes: true, wait: true, reason: note}
			if withdraw {
				return act(cmd.Context(), s, flags, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanWithdraw(ctx, c.ID) })
			}
			end, err := untilOf(until, c.Attested, time.Now())
			if err != nil {
				return &exitStatus{exitUsage, err}
			}
			return act(cmd.Context(), s, flags, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanAttest(ctx, sources.Attestation{Check: c.ID, Note: note, Until: end})
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what was seen, for the others")
	cmd.Flags().StringVar(&until, "until", "", "until when it holds: a `day` as 2027-01-31, or days as 30d (default: as long as the check allows, which is also the most)")
	cmd.Flags().BoolVar(&withdraw, "withdraw", false, "take the word for it away")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show the plan and do nothing")
	return cmd
}

// untilOf reads until when a word holds; "" is as long as the check allows, and that is the most: a word that never ends is never looked at again.
func untilOf(text string, most int, now time.Time) (time.Time, error) {
	last := now.AddDate(0, 0, most)
	var end time.Time
	if n, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.Atoi(n)
		if err != nil || days < 1 {
			return end, fmt.Errorf("--until %s is no number of days as 30d", text)
		}
		end = now.AddDate(0, 0, min(days, 10*most))
	} else if text != "" {
		day, err := time.ParseInLocation(time.DateOnly, text, time.Local)
		if err != nil {
			return end, fmt.Errorf("--until %s is neither a day as 2027-01-31 nor days as 30d", text)
		}
		end = day.AddDate(0, 0, 1) // the day itself is in it
	} else {
		return last, nil
	}
	switch {
	case !end.After(now):
		return end, fmt.Errorf("--until %s is over", text)
	case end.After(last.AddDate(0, 0, 1)):
		return end, fmt.Errorf("--until %s is too far: such a word holds for %d days at most", text, most)
	}
	return end, nil
}

// wordJSON is a check that a person answers, with the word for it.
type wordJSON struct {
	Check    string       `json:"check"`
	Question string       `json:"question"`
	Days     int          `json:"days"` // for how long such a word holds
	State    stages.State `json:"state"`
	Who      string       `json:"who,omitempty"`
	At       *time.Time   `json:"at"`
	Until    *time.Time   `json:"until"`
	Note     string       `json:"note,omitempty"`
}

func listWords(ctx context.Context, s *surroundings) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	known, err := p.attestations(ctx)
	if err != nil {
		return err
	}
	out := []wordJSON{}
	for _, id := range stages.Attestable() {
		c := stages.Find(id)
		w := wordJSON{Check: id, Question: c.Question, Days: c.Attested, State: stages.Fail}
		if a, ok := known[id]; ok {
			w.State, w.Who, w.At, w.Until, w.Note = stages.Pass, a.Who, utc(a.At), utc(a.Until), a.Note
			if time.Now().After(a.Until) {
				w.State = stages.Expired
			}
		}
		out = append(out, w)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"attestations": out})
	}
	w := tabwriter.NewWriter(s.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "CHECK\tSTATE\tWHO\tUNTIL\tNOTE")
	for i := range out {
		x := &out[i]
		end := ""
		if x.Until != nil {
			end = x.Until.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Check, x.State, plain.Line(x.Who), end, plain.Line(x.Note))
	}
	return w.Flush()
}

// attestations are the persons' words that the swarm keeps.
func (p *platform) attestations(ctx context.Context) (map[string]sources.Attestation, error) {
	return actions.ReadAttestations(ctx, swarm.NewHands(p.swarm, p.swarm))
}
