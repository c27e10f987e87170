package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

func newInvestigateCommand(s *surroundings) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "investigate [SERVICE]",
		Short: "Ranked causes of what is wrong, with their evidence",
		Long: `Looks at a service, or at all that is not well: tasks, updates, nodes, logs, metrics, alerts and what was changed.
Each service in trouble, each update that is stuck and each alert that fires or is pending is listed with its cause, or with what was looked at in vain.
Each cause says how sure it is and why, what proves it and with which query, what speaks against it, and what to do next.
What could not be looked at is listed: it is not the same as nothing found.

EXIT STATUS
  0 done, whether something was found or not; 2 usage; 3 the swarm is unreachable or refuses; 130 interrupted`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := diagnosis.Question{}
			if len(args) > 0 {
				q.Service = args[0]
			}
			var err error
			if q.At, err = moment(at, time.Now()); err != nil {
				return err
			}
			return runInvestigate(cmd.Context(), s, q)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "as of this `time`: 15m, 14:30 or RFC 3339 (default: now)")
	return cmd
}

func runInvestigate(ctx context.Context, s *surroundings, q diagnosis.Question) error {
	p, asJSON, err := s.open("table", "markdown")
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if err := p.fleet.Once(ctx, fleet.Feeds{Swarm: p.swarm, Alerts: p.feeds().Alerts, Metrics: p.feeds().Metrics, Logger: p.log}); err != nil {
		return err
	}
	deck, deckErr := p.deck()
	r, err := p.doctor(deck).Investigate(ctx, q, nil)
	if errors.Is(err, diagnosis.ErrNoService) {
		return &sources.Error{Source: fleet.SwarmName, Kind: sources.BadQuestion, Op: "investigate " + q.Service, Err: diagnosis.ErrNoService, Next: "see `quarterdeck status` for those there are"}
	}
	if err != nil {
		return err
	}
	if deckErr != nil {
		r.Looked = append(r.Looked, diagnosis.Looked{Source: "journal", State: "could not look", Detail: deckErr.Error()})
	}
	switch {
	case asJSON:
		return json.NewEncoder(s.out).Encode(investigationOf(&r))
	case s.flags.Output == "markdown":
		_, err := io.WriteString(s.out, r.Markdown())
		return err
	}
	return writeInvestigation(s.out, &r)
}

type investigationJSON struct {
	Service string      `json:"service"`
	At      time.Time   `json:"at"`
	Took    float64     `json:"took"`
	Causes  []causeJSON `json:"causes"`
	// Troubles are all that is not well, explained or not; Elsewhere those that the question was not about.
	Troubles  []troubleJSON `json:"troubles"`
	Elsewhere []troubleJSON `json:"elsewhere"`
	// Strays are alerts on services that the swarm does not have.
	Strays []troubleJSON `json:"strays"`
	Looked []lookedJSON  `json:"looked"`
	// Subjects were looked at closely; Left should have been, past the bound.
	Subjects []string `json:"subjects"`
	Left     []string `json:"left"`
}

type causeJSON struct {
	ID         string      `json:"id"`
	Title      string      `json:"title"`
	Service    string      `json:"service"`
	Node       string      `json:"node"`
	Confidence float64     `json:"confidence"`
	Grade      string      `json:"grade"`
	Why        string      `json:"why"`
	Since      *time.Time  `json:"since"`
	EffectOf   string      `json:"effect_of"`
	Effects    []string    `json:"effects"`
	Evidence   []proofJSON `json:"evidence"`
	Against    []proofJSON `json:"against"`
	Next       []stepJSON  `json:"next"`
}

type troubleJSON struct {
	Kind    string     `json:"kind"` // service, update, node, alert
	Service string     `json:"service"`
	Node    string     `json:"node"`
	Alert   string     `json:"alert"`
	Pending bool       `json:"pending"` // the alert does not fire yet
	Text    string     `json:"text"`
	Since   *time.Time `json:"since"`
	// Causes are places in causes, from 0, the likeliest first; Explanation is the first in words, or what was looked at in vain.
	// Perhaps: what the alert is about is not known, and they fit by where and when alone.
	Causes      []int  `json:"causes"`
	Perhaps     bool   `json:"perhaps"`
	Explanation string `json:"explanation"`
}

type proofJSON struct {
	Text   string     `json:"text"`
	Source string     `json:"source"`
	Query  string     `json:"query"`
	Time   *time.Time `json:"time"`
}

type stepJSON struct {
	Text   string `json:"text"`
	Action string `json:"action"`
	On     string `json:"on"`
	// Command is what is run elsewhere, whole; it is the end of Text.
	Command string `json:"command"`
}

type lookedJSON struct {
	Source string `json:"source"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

func investigationOf(r *diagnosis.Report) investigationJSON {
	out := investigationJSON{Service: r.Service, At: r.At.UTC(), Took: r.Took.Seconds(), Causes: []causeJSON{}, Looked: []lookedJSON{},
		Subjects: append([]string{}, r.Subjects...), Left: append([]string{}, r.Left...)}
	for i := range r.Causes {
		c := &r.Causes[i]
		j := causeJSON{ID: c.ID, Title: c.Title, Service: c.Service, Node: c.Node, Confidence: c.Confidence, Grade: c.Grade.String(), Why: c.Why, Since: utc(c.Since),
			EffectOf: c.EffectOf, Effects: append([]string{}, c.Effects...), Evidence: proofsOf(c.Evidence), Against: proofsOf(c.Against), Next: []stepJSON{}}
		for _, n := range c.Next {
			j.Next = append(j.Next, stepJSON(n))
		}
		out.Causes = append(out.Causes, j)
	}
	for _, l := range r.Looked {
		out.Looked = append(out.Looked, lookedJSON(l))
	}
	out.Troubles, out.Elsewhere, out.Strays = []troubleJSON{}, []troubleJSON{}, []troubleJSON{}
	for i := range r.Strays {
		out.Strays = append(out.Strays, troubleOf(&r.Strays[i]))
	}
	for i := range r.Troubles {
		t := troubleOf(&r.Troubles[i])
		t.Explanation = r.Explanation(&r.Troubles[i])
		out.Troubles = append(out.Troubles, t)
	}
	for i := range r.Elsewhere {
		out.Elsewhere = append(out.Elsewhere, troubleOf(&r.Elsewhere[i]))
	}
	return out
}

func troubleOf(t *diagnosis.Trouble) troubleJSON {
	return troubleJSON{Kind: string(t.Kind), Service: t.Service, Node: t.Node, Alert: t.Alert, Pending: t.Pending, Text: t.Text, Since: utc(t.Since), Causes: append([]int{}, t.Causes...), Perhaps: t.Perhaps}
}

func proofsOf(list []diagnosis.Proof) []proofJSON {
	out := []proofJSON{}
	for _, p := range list {
		out = append(out, proofJSON{p.Text, p.Source, p.Query, utc(p.At)})
	}
	return out
}

// writeInvestigation is the report for people, in a terminal or a pipe.
func writeInvestigation(out io.Writer, r *diagnosis.Report) error {
	var b strings.Builder
	what := "the fleet"
	if r.Service != "" {
		what = r.Service
	}
	fmt.Fprintf(&b, "%s at %s, looked at for %.1f s\n", plain.Line(what), r.At.UTC().Format(time.RFC3339), r.Took.Seconds())
	for i := range r.Causes {
		writeCause(&b, i+1, &r.Causes[i])
	}
	if r.Inconclusive() {
		b.WriteString("\n" + plain.Line(r.Outcome()) + "\n")
	}
	writeTroubles(&b, r)
	b.WriteString("\n")
	for _, l := range r.Looked {
		fmt.Fprintf(&b, "%-12s %s", plain.Line(l.Source), l.State)
		if l.Detail != "" {
			b.WriteString(": " + plain.Line(l.Detail))
		}
		b.WriteString("\n")
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "not looked at closely, there are too many at once: %s\n", plain.Line(strings.Join(r.Left, ", ")))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeTroubles lists all that is not well, each with its cause or with what was looked at in vain, and what is not well elsewhere.
func writeTroubles(b *strings.Builder, r *diagnosis.Report) {
	if len(r.Troubles) > 0 {
		b.WriteString("\nnot well:\n")
	}
	for i := range r.Troubles {
		t := &r.Troubles[i]
		fmt.Fprintf(b, "   %s: %s\n      %s\n", plain.Line(t.About()), plain.Line(t.Words()), plain.Line(r.Explanation(t)))
	}
	if stray := r.Stray(); stray != "" {
		fmt.Fprintf(b, "\n%s\n", plain.Line(stray))
	}
	if len(r.Elsewhere) > 0 {
		fmt.Fprintf(b, "\nelsewhere: %s; `quarterdeck investigate` looks at all\n", diagnosis.Tally(r.Elsewhere))
	}
}

func writeCause(b *strings.Builder, n int, c *diagnosis.Cause) {
	fmt.Fprintf(b, "\n%d. %s  %s: %s (%.0f%%)\n   %s\n", n, c.ID, plain.Line(c.About()), plain.Line(c.Title), 100*c.Confidence, plain.Line(c.Why))
	if c.EffectOf != "" {
		fmt.Fprintf(b, "   an effect of %s\n", plain.Line(c.EffectOf))
	}
	writeProofs(b, "+", c.Evidence)
	writeProofs(b, "-", c.Against)
	for _, e := range c.Effects {
		fmt.Fprintf(b, "   > brings about: %s\n", plain.Line(e))
	}
	for _, s := range c.Next {
		do := ""
		if s.Action != "" {
			do = fmt.Sprintf(" [%s]", strings.TrimSpace(s.Action+" "+s.On))
		}
		fmt.Fprintf(b, "   next: %s%s\n", plain.Line(s.Text), plain.Line(do))
	}
}

// writeProofs writes evidence, with the question that shows the same once for those that follow each other.
func writeProofs(b *strings.Builder, sign string, list []diagnosis.Proof) {
	for i, p := range list {
		when := ""
		if !p.At.IsZero() {
			when = p.At.UTC().Format("15:04:05") + " "
		}
		fmt.Fprintf(b, "   %s %s%s (%s)\n", sign, when, plain.Line(p.Text), plain.Line(p.Source))
		if p.Query != "" && (i+1 == len(list) || list[i+1].Query != p.Query) {
			fmt.Fprintf(b, "       %s\n", plain.Line(p.Query))
		}
	}
}
