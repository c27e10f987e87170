package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// actFlags are what all actions take.
type actFlags struct {
	dryRun, yes, wait, takeBack bool
	reason, confirm             string
	deadline                    time.Duration
}

const actExits = `
EXIT STATUS
  0    done, planned or nothing to do
  2    usage
  3    a source that the command needs is unreachable or refuses
  4    refused: read-only, not confirmed, busy, or changed by somebody else meanwhile
  5    the action failed and was taken back
  6    the action failed and was left as the message says
  130  interrupted: what the swarm was told goes on, and the run can be resumed`

func (f *actFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.dryRun, "dry-run", false, "show the plan and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fs.BoolVar(&f.wait, "wait", true, "wait for the verdict; --wait=false ends once the swarm has been told")
	fs.StringVar(&f.reason, "reason", "", "why, for the journal")
	fs.StringVar(&f.confirm, "confirm", "", "the `name` that a protected service or quiet hours ask for")
	fs.DurationVar(&f.deadline, "deadline", 0, "how long a rollout may make no progress (default 3m)")
	fs.BoolVar(&f.takeBack, "take-back", false, "take a rollout that fails back by itself")
}

// planner makes a plan; where somebody else was in between it is called again.
type planner func(context.Context, *actions.Deck) (*actions.Plan, error)

// act makes a plan, shows it, asks, runs it and reports. Where somebody else has changed a service meanwhile and somebody is there to be asked, it
// is planned, shown and asked anew. formats are those that it can be reported in beside table and JSON.
func act(ctx context.Context, s *surroundings, f *actFlags, plan planner, formats ...string) error {
	asJSON, err := s.json(append(formats, "table")...)
	if err != nil {
		return err
	}
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	for {
		err := s.actOnce(ctx, p, d, f, asJSON, plan)
		var changed *actions.Conflict
		if !errors.As(err, &changed) || f.yes || f.confirm != "" || ctx.Err() != nil {
			return err
		}
		fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(changed.Error()))
	}
}

func (s *surroundings) actOnce(ctx context.Context, p *platform, d *actions.Deck, f *actFlags, asJSON bool, plan planner) error {
	planning, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	made, err := plan(planning, d)
	if err != nil {
		return refusal(err)
	}
	made.Deadline, made.TakeBack, made.NoWait, made.Reason = orDuration(f.deadline, made.Deadline), f.takeBack, !f.wait, f.reason
	writePlan(s.errs, made)
	if f.dryRun || made.Refused != "" || made.Nothing != "" {
		return s.planned(made, asJSON)
	}
	if d.Policy.ReadOnly {
		return refusal(actions.ErrReadOnly)
	}
	approval, err := s.ask(made, f)
	if err != nil {
		return refusal(err)
	}
	told := newTeller(s.errs)
	run, err := d.Start(ctx, made, approval, told.wake)
	if err != nil {
		return refusal(err)
	}
	return s.follow(ctx, d, run, told, asJSON)
}

func orDuration(a, b time.Duration) time.Duration {
	if a > 0 {
		return a
	}
	return b
}

// planned reports a plan that is not run.
func (s *surroundings) planned(p *actions.Plan, asJSON bool) error {
	r := p.Report()
	if asJSON {
		if err := json.NewEncoder(s.out).Encode(r); err != nil {
			return err
		}
	}
	if p.Refused != "" {
		return &exitStatus{exitRefused, &actions.Refusal{Why: p.Refused}}
	}
	if !asJSON && p.Nothing != "" {
		fmt.Fprintln(s.out, "nothing to do:", plain.Line(p.Nothing))
	}
	return nil
}

// follow waits for a run's end, tells of it on the way, and reports.
func (s *surroundings) follow(ctx context.Context, d *actions.Deck, run *actions.Running, told *teller, asJSON bool) error {
	told.follow(run)
	report, err := run.Report()
	told.last(run)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if ferr := d.Flush(flush); ferr != nil {
		fmt.Fprintln(s.errs, "quarterdeck:", plain.Line(ferr.Error()))
	}
	var conflict *actions.Conflict
	if errors.As(err, &conflict) && report.Undo == "" && !asJSON {
		return refusal(err)
	}
	if asJSON {
		if jerr := json.NewEncoder(s.out).Encode(report); jerr != nil {
			return jerr
		}
	} else if report.Day != nil && s.flags.Output == "markdown" {
		if merr := report.Day.Markdown(s.out); merr != nil {
			return merr
		}
	} else {
		writeReport(s.out, &report)
	}
	switch report.Result {
	case actions.ResultDone, actions.ResultNothing:
		return nil
	case actions.ResultTakenBack:
		return &exitStatus{exitTakenBack, errors.New("the action failed and was taken back: " + report.Reason)}
	case actions.ResultInterrupted:
		if sources.KindOf(err) != 0 {
			return &exitStatus{exitUnreachable, err}
		}
		fmt.Fprintf(s.errs, "quarterdeck: run %s is unfinished; what the swarm was told goes on. See `quarterdeck resume %s`\n", report.Run, report.Run)
		return &exitStatus{code: exitInterrupted}
	}
	if conflict != nil && report.Undo == "" {
		return refusal(err)
	}
	if report.Undo != "" {
		return &exitStatus{exitLeft, fmt.Errorf("the action failed and was left as it is: %s (take it back: %s)", report.Reason, report.Undo)}
	}
	if sources.KindOf(err) != 0 {
		return err
	}
	return &exitStatus{exitLeft, errors.New("the action failed: " + report.Reason)}
}

// refusal gives what is refused its exit code.
func refusal(err error) error {
	var r *actions.Refusal
	var b *actions.Busy
	var c *actions.Conflict
	switch {
	case errors.As(err, &r), errors.As(err, &b), errors.As(err, &c), errors.Is(err, actions.ErrReadOnly), errors.Is(err, actions.ErrNotConfirmed), errors.Is(err, actions.ErrNoReason):
		return &exitStatus{exitRefused, err}
	}
	return err
}

// ask gets the yes: from flags, or from whoever sits at the terminal. What was typed before the question does not count.
func (s *surroundings) ask(p *actions.Plan, f *actFlags) (actions.Approval, error) {
	a := actions.Approval{Yes: f.yes, Typed: f.confirm, Reason: f.reason}
	if f.yes && p.Harm != actions.Guarded || p.Harm == actions.Guarded && f.confirm != "" {
		return a, nil
	}
	in, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(in.Fd()) {
		if p.Harm == actions.Guarded {
			return a, &actions.Refusal{Why: p.Why + ": confirm with --confirm " + p.Word()}
		}
		return a, fmt.Errorf("%w: there is no terminal to ask at, so say --yes", actions.ErrNotConfirmed)
	}
	lines := bufio.NewReader(in)
	if p.Harm == actions.Guarded {
		a.Typed = s.question(in, lines, fmt.Sprintf("%s. Type %q to go on: ", plain.Line(p.Why), p.Word()))
		return a, nil
	}
	a.Yes = yes(s.question(in, lines, "Go on? [y/N] "))
	if a.Yes && p.Harm == actions.Grave {
		a.Yes = yes(s.question(in, lines, "It will not run at all. Really? [y/N] "))
	}
	return a, nil
}

func yes(line string) bool { return strings.EqualFold(line, "y") || strings.EqualFold(line, "yes") }

func (s *surroundings) question(in *os.File, lines *bufio.Reader, text string) string {
	dropTypedAhead(in)
	lines.Reset(in)
	fmt.Fprint(s.errs, text)
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return strings.TrimSpace(line)
}

// writePlan shows what would happen.
func writePlan(out io.Writer, p *actions.Plan) {
	fmt.Fprintln(out, plain.Line(p.Title()))
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	if st := p.Stack; st != nil {
		verb := map[bool]string{true: "removed", false: "made"}[st.Remove]
		for i := range st.Parts {
			fmt.Fprintf(out, "  %s is %s\n", plain.Line(st.Parts[i].About()), verb)
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		for _, f := range c.Fields {
			before, after := f.Text()
			fmt.Fprintf(w, "  %s\t%s\t%s\t→ %s\n", plain.Line(c.Service), plain.Line(f.Field), plain.Line(before), plain.Line(after))
		}
	}
	_ = w.Flush() // the terminal has gone: the run's own output will tell
	if p.Node != nil {
		writeNodePlan(out, p.Node)
	}
	if text := p.SavesText(); text != "" {
		fmt.Fprintln(out, " ", text)
	}
	if p.Recovery != nil || p.Day != nil || p.Stack != nil {
		for i, x := range p.Steps() {
			fmt.Fprintf(out, "  %d. %s\n", i+1, plain.Line(x.Name))
		}
	}
	for _, x := range p.Warnings {
		fmt.Fprintln(out, "  !", plain.Line(x))
	}
	if p.Why != "" {
		fmt.Fprintln(out, "  !", plain.Line(p.Why))
	}
}

func writeReport(out io.Writer, r *actions.Report) {
	fmt.Fprintf(out, "%s: %s", strings.TrimSpace(r.Action+" "+plain.Line(r.Service+r.Node)), r.Result)
	if r.Reason != "" {
		fmt.Fprintf(out, ": %s", plain.Line(r.Reason))
	}
	fmt.Fprintln(out)
	if r.Verify != nil {
		for _, c := range r.Verify.Checks {
			sign := "ok  "
			if !c.OK {
				sign = "FAIL"
			}
			fmt.Fprintf(out, "  %s %s: %s\n", sign, strings.TrimSpace(plain.Line(c.Service)+" "+c.Name), plain.Line(c.Detail))
		}
		if r.Verify.Converged && r.Verify.StableFor > 0 {
			fmt.Fprintf(out, "  stable for %.0f s\n", r.Verify.StableFor)
		}
	}
	writeRecovery(out, r)
	writeDay(out, r.Day)
	if r.Undo != "" {
		fmt.Fprintf(out, "  undo: %s\n", r.Undo)
	}
}

// teller writes a run's progress as lines, each when it differs and at most once a second for a service.
type teller struct {
	out   io.Writer
	news  chan struct{}
	shown map[string]string
	at    map[string]time.Time
	steps int
}

func newTeller(out io.Writer) *teller {
	return &teller{out: out, news: make(chan struct{}, 1), shown: map[string]string{}, at: map[string]time.Time{}}
}

func (t *teller) wake() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

func (t *teller) follow(run *actions.Running) {
	for {
		select {
		case <-run.Done():
			return
		case <-t.news:
			t.tell(run.Progress(), false)
		}
	}
}

// last tells how it ended, and what the tasks that died have said.
func (t *teller) last(run *actions.Running) {
	p := run.Progress()
	t.tell(p, true)
	for i := range p.Rollouts {
		for j := range p.Rollouts[i].Lines {
			e := &p.Rollouts[i].Lines[j]
			fmt.Fprintf(t.out, "  | %s %s\n", plain.Line(p.Rollouts[i].Service), plain.Line(e.Line))
		}
	}
}

func (t *teller) tell(p actions.Progress, all bool) {
	for ; t.steps < len(p.Steps); t.steps++ {
		fmt.Fprintln(t.out, "·", plain.Line(p.Steps[t.steps].Name))
	}
	if n := len(p.Steps); n > 0 && p.Plan != nil && p.Plan.BySteps() {
		if text := stepText(&p.Steps[n-1]); text != "" {
			t.line("step", "  "+text, all)
		}
	}
	if len(p.Rollouts) > manyRollouts {
		done, of := p.Done()
		t.line("", fmt.Sprintf("  %d of %d services converged", done, of), all)
		return
	}
	for i := range p.Rollouts {
		o := &p.Rollouts[i]
		if o.Began.IsZero() {
			continue
		}
		text := fmt.Sprintf("  %s %s %d/%d", o.Service, o.State, o.Fresh, o.Want)
		if o.Reason != "" {
			text += ": " + o.Reason
		}
		t.line(o.Service, text, all)
	}
}

// stepText is how far a job's step is.
func stepText(s *actions.StepReport) string {
	text := s.Detail
	switch {
	case s.Total > 0:
		text += fmt.Sprintf(" %s of %s", chart.Humanize(float64(s.Bytes), "bytes"), chart.Humanize(float64(s.Total), "bytes"))
	case s.Bytes > 0:
		text += " " + chart.Humanize(float64(s.Bytes), "bytes")
	}
	return strings.TrimSpace(text)
}

// manyRollouts is from how many on they are told of in one line.
const manyRollouts = 12

func (t *teller) line(key, text string, now bool) {
	if t.shown[key] == text || !now && time.Since(t.at[key]) < time.Second {
		return
	}
	t.shown[key], t.at[key] = text, time.Now()
	fmt.Fprintln(t.out, plain.Line(text))
}
