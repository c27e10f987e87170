package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

type logsOptions struct {
	since, until, grep, exclude, query string
	stack                              string
	levels                             []string
	limit                              int
	follow                             bool
}

func newLogsCommand(s *surroundings) *cobra.Command {
	o := logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs [SERVICE...]",
		Short: "Merged logs of services, in time order",
		Long: `Reads the logs of the services named, or of all, from Loki, or from Docker where Loki is
absent. Lines come in true time order; what is known to be missing is said as a gap.

EXIT STATUS
  0 done; 2 usage; 3 the source is unreachable or refuses; 130 interrupted`,
		RunE: func(cmd *cobra.Command, args []string) error { return runLogs(cmd.Context(), s, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "1h", "from this `time` on: 15m, 2d, 14:30 or RFC 3339")
	f.StringVar(&o.until, "until", "", "up to this `time`")
	f.StringVar(&o.grep, "grep", "", "only lines that match this `regexp` (RE2)")
	f.StringVar(&o.exclude, "exclude", "", "no lines that match this `regexp` (RE2)")
	f.StringSliceVar(&o.levels, "level", nil, "only these `levels`: trace, debug, info, warn, error, fatal")
	f.StringVar(&o.stack, "stack", "", "all services of this `stack`")
	f.StringVar(&o.query, "query", "", "`LogQL` by hand, in place of the above")
	f.IntVar(&o.limit, "limit", 1000, "at most so many lines, the newest")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with new lines")
	return cmd
}

func runLogs(ctx context.Context, s *surroundings, o logsOptions, services []string) error {
	q, err := o.logQuery(services, time.Now())
	if err != nil {
		return err
	}
	p, asJSON, err := s.open("text", "table")
	if err != nil {
		return err
	}
	defer p.Close()
	if o.follow {
		return followLogs(ctx, s, p, q, asJSON)
	}
	once, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	page, err := p.logs.Query(once, q)
	if err != nil && len(page.Entries) == 0 {
		return err
	}
	if asJSON {
		if err := json.NewEncoder(s.out).Encode(pageJSON(page)); err != nil {
			return err
		}
	} else {
		if err := writeText(s.out, page.Entries, page.Gaps); err != nil {
			return err
		}
	}
	if page.More {
		fmt.Fprintf(s.errs, "quarterdeck: there are more lines than --limit %d\n", q.Limit)
	}
	if len(page.Entries) == 0 {
		fmt.Fprintln(s.errs, "quarterdeck: no line matches in this time")
	}
	return err
}

// logQuery is the question that the flags ask.
func (o logsOptions) logQuery(services []string, now time.Time) (sources.LogQuery, error) {
	q := sources.LogQuery{Services: services, Stack: o.stack, Expr: o.query, Regexp: o.grep, Exclude: o.exclude, Limit: o.limit}
	var err error
	if q.Since, err = moment(o.since, now); err != nil {
		return q, err
	}
	if q.Until, err = moment(o.until, now); err != nil {
		return q, err
	}
	if o.limit <= 0 {
		return q, &exitStatus{exitUsage, errors.New("--limit must be above 0")}
	}
	if !q.Until.IsZero() && !q.Until.After(q.Since) {
		return q, &exitStatus{exitUsage, errors.New("--until is not after --since")}
	}
	if o.follow && !q.Until.IsZero() {
		return q, &exitStatus{exitUsage, errors.New("--follow has no end: leave --until out")}
	}
	for _, name := range o.levels {
		l, ok := levelNamed(name)
		if !ok {
			return q, &exitStatus{exitUsage, fmt.Errorf("--level %q is none of trace, debug, info, warn, error, fatal", name)}
		}
		q.Levels = append(q.Levels, l)
	}
	return q, nil
}

func levelNamed(name string) (sources.Level, bool) {
	for l := sources.LevelTrace; l <= sources.LevelFatal; l++ {
		if strings.EqualFold(name, l.String()) {
			return l, true
		}
	}
	return 0, false
}

// followLogs reads the past, then goes on; each line once.
func followLogs(ctx context.Context, s *surroundings, p *platform, q sources.LogQuery, asJSON bool) error {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	var broken error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = p.logs.Follow(ctx, q, func(b sources.LogBatch) { // returns only ctx's error
		var gaps []sources.Gap
		if b.Gap != nil {
			gaps = append(gaps, *b.Gap)
		}
		if b.Status != nil && !b.Status.OK() {
			fmt.Fprintf(s.errs, "quarterdeck: %s %s: %s\n", b.Status.Name, b.Status.State, plain.Line(b.Status.Detail))
		}
		if !asJSON {
			broken = errors.Join(broken, writeText(s.out, b.Entries, gaps))
		} else {
			for i := range b.Entries {
				broken = errors.Join(broken, enc.Encode(lineOf(&b.Entries[i])))
			}
			for i := range gaps {
				broken = errors.Join(broken, enc.Encode(gapOf(&gaps[i])))
			}
		}
		if broken != nil { // the reader of the pipe is gone
			cancel()
		}
	})
	if broken != nil {
		return broken
	}
	return &exitStatus{code: exitInterrupted}
}

// lineJSON is the contract's shape of a line.
type lineJSON struct {
	Time    time.Time         `json:"time"`
	Service string            `json:"service"`
	Task    string            `json:"task"`
	Node    string            `json:"node"`
	Level   string            `json:"level"`
	Source  string            `json:"source"`
	Line    string            `json:"line"`
	Labels  map[string]string `json:"labels"`
}

type gapJSON struct {
	Gap gapBody `json:"gap"`
}

type gapBody struct {
	From   *time.Time `json:"from"`
	To     *time.Time `json:"to"`
	Reason string     `json:"reason"`
	Lost   *int       `json:"lost"` // null: not known
}

func lineOf(e *sources.Entry) lineJSON {
	out := lineJSON{Time: e.Time.UTC(), Level: e.Level.String(), Line: e.Line, Labels: map[string]string{}}
	if st := e.Stream; st != nil {
		out.Service, out.Task, out.Node, out.Source = st.Service, st.Task, st.Node, st.Source
		if st.Labels != nil {
			out.Labels = st.Labels
		}
	}
	return out
}

func gapOf(g *sources.Gap) gapJSON {
	out := gapJSON{gapBody{From: utc(g.From), To: utc(g.To), Reason: g.Reason}}
	if g.Lost > 0 {
		out.Gap.Lost = &g.Lost
	}
	return out
}

// pageJSON is one document: lines and gaps in time order.
func pageJSON(page sources.LogPage) []any {
	out := make([]any, 0, len(page.Entries)+len(page.Gaps))
	gaps := slices.Clone(page.Gaps)
	slices.SortStableFunc(gaps, func(a, b sources.Gap) int { return a.From.Compare(b.From) })
	for i := range page.Entries {
		for len(gaps) > 0 && gaps[0].From.Before(page.Entries[i].Time) {
			out = append(out, gapOf(&gaps[0]))
			gaps = gaps[1:]
		}
		out = append(out, lineOf(&page.Entries[i]))
	}
	for i := range gaps {
		out = append(out, gapOf(&gaps[i]))
	}
	return out
}

// whoMost is how many cells a service and its node take at most before a line: no honest name takes as many.
const whoMost = 200

// writeText writes lines for people: harmless, one a line.
func writeText(out io.Writer, entries []sources.Entry, gaps []sources.Gap) error {
	var b strings.Builder
	for i := range entries {
		e := &entries[i]
		who := ""
		if e.Stream != nil {
			who = e.Stream.Service
			if e.Stream.Node != "" {
				who += "@" + e.Stream.Node
			}
		}
		fmt.Fprintf(&b, "%s %s %-5s %s\n", e.Time.Local().Format("2006-01-02T15:04:05.000"), plain.Clip(who, whoMost), e.Level, plain.Line(e.Line))
	}
	for i := range gaps {
		fmt.Fprintf(&b, "-- gap %s to %s: %s\n", gaps[i].From.Local().Format(time.TimeOnly), gaps[i].To.Local().Format(time.TimeOnly), plain.Line(gaps[i].Reason))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
