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
	"quarterdeck/actions/journal"
	"quarterdeck/ui/plain"
)

type journalOptions struct {
	since, service, actor, run, specs string
	follow, all, markdown             bool
}

func newJournalCommand(s *surroundings) *cobra.Command {
	var o journalOptions
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "What was done: by whom, when, why, and what came of it",
		Long: `Reads the journal of this machine; no server is asked, but for --specs and --markdown.

  quarterdeck journal --since 12h
  quarterdeck journal --specs SERVICE          the states that the service can go back to
  quarterdeck journal --markdown --since 12h   the handover for whoever takes over

EXIT STATUS
  0 done; 1 verify found a fault; 2 usage; 3 the journal cannot be read, or the swarm where it is needed`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runJournal(cmd.Context(), s, &o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "from this `time` on (12h, 2d, 14:30, 2026-11-24T08:00:00Z)")
	f.StringVar(&o.service, "service", "", "only of this `service`")
	f.StringVar(&o.actor, "actor", "", "only by this `actor`")
	f.StringVar(&o.run, "run", "", "only of this `run`, with each of its steps")
	f.StringVar(&o.specs, "specs", "", "the known states of a `service`, the newest first, each with what it changed")
	f.BoolVar(&o.follow, "follow", false, "stay, and show what is written from now on")
	f.BoolVar(&o.all, "all", false, "each step, and specs that were seen, too")
	f.BoolVar(&o.markdown, "markdown", false, "the handover, in Markdown")
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Check the journal's chain: nothing changed, nothing missing",
		Long: `A torn last line, as a crash leaves it, is mended: it is cut off, kept beside the journal, and an entry says so. A line that was changed is named.

EXIT STATUS
  0 whole, or mended; 1 a line was changed or is missing; 2 usage; 3 it cannot be read`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return runVerify(s) },
	}
	cmd.AddCommand(verify)
	return cmd
}

func runJournal(ctx context.Context, s *surroundings, o *journalOptions) error {
	asJSON, err := s.json("table", "markdown")
	if err != nil {
		return err
	}
	since, err := moment(o.since, time.Now())
	if err != nil {
		return err
	}
	switch {
	case o.specs != "":
		return runSpecs(ctx, s, o.specs, asJSON)
	case o.markdown || s.flags.Output == "markdown":
		return runHandover(ctx, s, actions.HandoverOptions{Since: since, Service: o.service, Actor: o.actor})
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	j, err := journal.Open(set.StateDir)
	if err != nil {
		return err
	}
	show := lineWriter(s.out, asJSON)
	last := uint64(0)
	var kept []journal.Entry
	if err := j.Read(func(e journal.Entry) bool {
		last = e.Seq
		if o.wants(&e, since) {
			kept = append(kept, e)
		}
		return true
	}); err != nil {
		return err
	}
	if n := j.Broken(); n > 0 {
		fmt.Fprintf(s.errs, "quarterdeck: %d lines of the journal are broken or were changed: see `quarterdeck journal verify`\n", n)
	}
	switch {
	case !o.follow && asJSON:
		out := make([]entryJSON, 0, len(kept))
		for i := range kept {
			out = append(out, entryOf(&kept[i]))
		}
		return json.NewEncoder(s.out).Encode(out)
	case !o.follow:
		return writeJournal(s.out, kept)
	}
	for i := range kept {
		show(&kept[i])
	}
	err = j.Follow(ctx, last, func(e journal.Entry) {
		if o.wants(&e, since) {
			show(&e)
		}
	})
	if ctx.Err() != nil {
		return &exitStatus{code: exitInterrupted}
	}
	return err
}

// wants tells whether an entry was asked for. What was only seen, and single steps, are asked for with --all or --run.
func (o *journalOptions) wants(e *journal.Entry, since time.Time) bool {
	switch {
	case e.Time.Before(since):
		return false
	case o.service != "" && !slices.Contains(strings.Split(e.Target, ","), o.service):
		return false
	case o.actor != "" && e.Actor != o.actor:
		return false
	case o.run != "":
		return strings.HasPrefix(e.Run, o.run)
	}
	return o.all || e.Phase != "step" && e.Phase != "observe"
}

// lineWriter writes an entry a line.
func lineWriter(out io.Writer, asJSON bool) func(*journal.Entry) {
	if asJSON {
		enc := json.NewEncoder(out)
		return func(e *journal.Entry) { _ = enc.Encode(entryOf(e)) } // whoever read has gone
	}
	return func(e *journal.Entry) {
		fmt.Fprintf(out, "%s  %s  %s %s  %s\n", e.Time.UTC().Format(time.RFC3339), plain.Line(e.Actor), e.Action, plain.Line(e.Target), plain.Line(wordsOf(e)))
	}
}

// entryJSON is the contract's shape; fields that an entry does not have are null or "".
type entryJSON struct {
	journal.Entry
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Result string          `json:"result"`
	Reason string          `json:"reason"`
}

func entryOf(e *journal.Entry) entryJSON {
	null := func(r json.RawMessage) json.RawMessage {
		if len(r) == 0 {
			return json.RawMessage("null")
		}
		return r
	}
	return entryJSON{Entry: *e, Before: null(e.Before), After: null(e.After), Result: e.Result, Reason: e.Reason}
}

func wordsOf(e *journal.Entry) string {
	parts := []string{e.Phase}
	for _, x := range []string{e.Step, e.State, e.Result, e.Reason} {
		if x != "" {
			parts = append(parts, x)
		}
	}
	return strings.Join(parts, " ")
}

func writeJournal(out io.Writer, entries []journal.Entry) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tRUN\tACTOR\tACTION\tTARGET\tWHAT")
	for i := range entries {
		e := &entries[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.UTC().Format(time.RFC3339), plain.Line(orDash(e.Run)), plain.Line(e.Actor), e.Action, plain.Line(e.Target), plain.Line(wordsOf(e)))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func runVerify(s *surroundings) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	report, err := journal.Verify(set.StateDir)
	if err != nil {
		return err
	}
	mended := 0
	if report.Torn > 0 && len(report.Faults) == 0 {
		j, err := journal.Open(set.StateDir)
		if err != nil {
			return err
		}
		if mended, err = j.Mend(); err != nil {
			return err
		}
	}
	if asJSON {
		if err := json.NewEncoder(s.out).Encode(struct {
			journal.Report
			Mended int `json:"mended"` // bytes
		}{report, mended}); err != nil {
			return err
		}
	} else {
		writeVerify(s.out, &report, mended)
	}
	if len(report.Faults)+len(report.SpecFaults)+report.More > 0 {
		return &exitStatus{code: exitDegraded}
	}
	return nil
}

func writeVerify(out io.Writer, r *journal.Report, mended int) {
	fmt.Fprintf(out, "%d entries, %d specs\n", r.Entries, r.Specs)
	for _, f := range r.Faults {
		fmt.Fprintf(out, "line %d (seq %d): %s\n", f.Line, f.Seq, plain.Line(f.What))
	}
	if r.More > 0 {
		fmt.Fprintf(out, "and %d more\n", r.More)
	}
	for _, f := range r.SpecFaults {
		fmt.Fprintf(out, "spec %s: %s\n", f.Hash, plain.Line(f.What))
	}
	switch {
	case mended > 0:
		fmt.Fprintf(out, "a torn last line of %d bytes was cut off and kept beside the journal\n", mended)
	case r.Torn > 0:
		fmt.Fprintf(out, "the last line is torn (%d bytes); it is left as it is, because of the faults above\n", r.Torn)
	case len(r.Faults)+len(r.SpecFaults) == 0:
		fmt.Fprintln(out, "the chain is whole")
	}
}

// runSpecs lists the states that a service can go back to.
func runSpecs(ctx context.Context, s *surroundings, service string, asJSON bool) error {
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if _, err := d.Ready(ctx); err != nil {
		return err
	}
	st, states, err := d.States(ctx, service)
	if err != nil {
		return err
	}
	out := make([]specJSON, 0, len(states))
	for i := range states {
		x := specJSON{Spec: states[i].Spec, Since: utc(states[i].Since), Image: states[i].Image, Replicas: states[i].Replicas, Run: states[i].Run, Action: states[i].Action,
			Actor: states[i].Actor, Known: states[i].Was, Failed: states[i].Bad, Now: states[i].Now, Changes: []actions.FieldReport{}}
		if i+1 < len(states) {
			fields, err := d.Between(states[i+1].Spec, states[i].Spec)
			if err != nil {
				return err
			}
			for _, f := range fields {
				x.Changes = append(x.Changes, actions.FieldReport{Service: st.Name, Field: f.Field, Before: f.Before, After: f.After})
				before, after := f.Text()
				x.lines = append(x.lines, fmt.Sprintf("%s: %s → %s", f.Field, before, after))
			}
		}
		out = append(out, x)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"service": st.Name, "states": out})
	}
	for _, x := range out {
		writeState(s.out, &x)
	}
	return nil
}

type specJSON struct {
	Spec     string                `json:"spec"`
	Since    *time.Time            `json:"since"` // null: before anything that was seen
	Image    string                `json:"image"`
	Replicas *uint64               `json:"replicas"`
	Run      string                `json:"run"`
	Action   string                `json:"action"`
	Actor    string                `json:"actor"`
	Known    string                `json:"known"`
	Failed   string                `json:"failed"`
	Now      bool                  `json:"now"`
	Changes  []actions.FieldReport `json:"changes"`
	lines    []string
}

func writeState(out io.Writer, x *specJSON) {
	since, by := "earlier", "seen"
	if x.Since != nil {
		since = x.Since.Format(time.RFC3339)
	}
	switch {
	case x.Run != "":
		by = x.Action + " by " + x.Actor + ", run " + x.Run
	case x.Known == "engine":
		by = "the engine's previous spec"
	}
	now := ""
	if x.Now {
		now = "  (now)"
	}
	fmt.Fprintf(out, "%.12s  %s  %s%s\n", x.Spec, since, plain.Line(by), now)
	if x.Failed != "" {
		fmt.Fprintf(out, "    failed: %s\n", plain.Line(x.Failed))
	}
	for _, l := range x.lines {
		fmt.Fprintf(out, "    %s\n", plain.Line(l))
	}
}

func runHandover(ctx context.Context, s *surroundings, o actions.HandoverOptions) error {
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	if _, err := d.Ready(ctx); err != nil { // the record is worth having without it, and says so
		fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(err.Error()))
	}
	h, err := d.Handover(ctx, o)
	if err != nil {
		return err
	}
	return h.Markdown(s.out)
}

// openDeck is what commands that read and act begin with; end closes all.
func (s *surroundings) openDeck(ctx context.Context) (*platform, *actions.Deck, func(), error) {
	p, _, err := s.open("table", "markdown")
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := p.deck()
	if err != nil {
		return nil, nil, nil, errors.Join(err, p.Close())
	}
	stop := p.watchSwarm(ctx)
	return p, d, func() {
		stop()
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		_ = d.Close(flush) // what failed was told by Flush
		_ = p.Close()      // only connections
	}, nil
}
