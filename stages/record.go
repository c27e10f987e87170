package stages

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/markdown"
)

// Record is how the gates and checks stood at a moment, as it is kept for later.
type Record struct {
	At     time.Time        `json:"at"`
	States map[string]State `json:"states"` // by check
	Gates  []Gate           `json:"gates"`  // of the stages, in order
	// Customised are the checks whose thresholds were the team's own.
	Customised []string `json:"customised,omitempty"`
}

// Record is the report as it is kept.
func (r *Report) Record() *Record {
	out := &Record{At: r.At.UTC(), States: map[string]State{}, Gates: []Gate{}}
	for i := range r.Stages {
		out.Gates = append(out.Gates, r.Stages[i].Gate)
		for k := range r.Stages[i].Results {
			x := &r.Stages[i].Results[k]
			out.States[x.Check.ID] = x.State
			if x.Customised {
				out.Customised = append(out.Customised, x.Check.ID)
			}
		}
	}
	return out
}

// Same tells whether two records say the same, whenever they were made.
func (r *Record) Same(o *Record) bool {
	return o != nil && maps.Equal(r.States, o.States) && slices.Equal(r.Gates, o.Gates) && slices.Equal(r.Customised, o.Customised)
}

// Turn is a check that has come to another state.
type Turn struct {
	Check    *Check
	From, To State
}

// Turns are the checks that stand otherwise than before, in their order. What could not be looked at, then or now, has not turned.
func (r *Record) Turns(before *Record) []Turn {
	var out []Turn
	for _, c := range All {
		from, to := before.States[c.ID], r.States[c.ID]
		if from == "" || to == "" || from == Unknown || to == Unknown || from == to {
			continue
		}
		out = append(out, Turn{c, from, to})
	}
	return out
}

// Markdown writes the report for a team's wiki; before is how it stood earlier, or nil: then nothing is said of it.
func (r *Report) Markdown(w io.Writer, of string, before *Record) error {
	var out strings.Builder
	if of == "" {
		of = "the platform"
	}
	fmt.Fprintf(&out, "# The four stages: %s\n\nMade %s from live evidence: `quarterdeck check -o markdown`. All times are UTC.\n", markdown.Text(of), r.At.UTC().Format("2006-01-02 15:04"))
	r.writeGates(&out, before)
	r.writeTurns(&out, before)
	if next := r.Next(); next != nil {
		fmt.Fprintf(&out, "\n## Next\n\n**%s**: %s %s\n\n%s\n\nDo: %s\n", next.Check.ID, markdown.Text(next.Check.Question), markdown.Text(valueOf(next)), markdown.Text(next.Check.Why), next.Check.Fix)
	}
	for i := range r.Stages {
		r.Stages[i].write(&out, before)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Report) writeGates(out *strings.Builder, before *Record) {
	head := []string{"Stage", "Question", "Gate", "Pass", "Not yet", "Could not look"}
	if before != nil {
		head = append(head, "Gate on "+day(before.At))
	}
	var rows [][]string
	for i := range r.Stages {
		s := &r.Stages[i]
		gate := string(s.Gate)
		if s.Customised {
			gate += " (customised)"
		}
		row := []string{fmt.Sprintf("%d %s", s.Number, s.Name), markdown.Text(s.Question), gate, fmt.Sprint(s.Counts[Pass] + s.Counts[NA]), fmt.Sprint(s.Counts[Fail] + s.Counts[Warn] + s.Counts[Expired]), fmt.Sprint(s.Counts[Unknown])}
		if before != nil {
			then := "not known"
			if n := s.Number - 1; n < len(before.Gates) {
				then = string(before.Gates[n])
			}
			row = append(row, markdown.Text(then))
		}
		rows = append(rows, row)
	}
	out.WriteString("\n")
	markdown.Table(out, head, rows)
}

func (r *Report) writeTurns(out *strings.Builder, before *Record) {
	if before == nil {
		return
	}
	fmt.Fprintf(out, "\n## Since %s\n\n", day(before.At))
	turns := r.Record().Turns(before)
	if len(turns) == 0 {
		out.WriteString("No check has turned.\n")
	}
	for _, t := range turns {
		fmt.Fprintf(out, "- %s: %s, it was %s\n", t.Check.ID, t.To, t.From)
	}
}

func (s *StageReport) write(out *strings.Builder, before *Record) {
	fmt.Fprintf(out, "\n## Stage %d: %s\n\n%s The trap: %s. Done when %s.\n\n", s.Number, s.Name, markdown.Text(upper(s.Question)), markdown.Text(s.Trap), markdown.Text(s.Done))
	if s.OutOfOrder != "" {
		fmt.Fprintf(out, "**Out of order:** %s.\n\n", markdown.Text(s.OutOfOrder))
	}
	head := []string{"Check", "State", "Measured", "Threshold"}
	if before != nil {
		head = append(head, "Before")
	}
	var rows [][]string
	for i := range s.Results {
		x := &s.Results[i]
		state := string(x.State)
		if !x.Required {
			state += " (not required)"
		}
		threshold := markdown.Text(x.Threshold)
		if x.Customised && x.Required {
			threshold += " (customised)"
		}
		row := []string{x.Check.ID, state, markdown.Text(valueOf(x)), threshold}
		if before != nil {
			row = append(row, markdown.Text(string(before.States[x.Check.ID])))
		}
		rows = append(rows, row)
	}
	markdown.Table(out, head, rows)
	for i := range s.Results {
		s.Results[i].writeSubjects(out)
	}
}

// Markdown is all that there is to be said of a stage and its checks.
func (s *StageReport) Markdown() string {
	var out strings.Builder
	s.write(&out, nil)
	return strings.TrimLeft(out.String(), "\n")
}

// Markdown is all that there is to be said of a check.
func (x *Result) Markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s: %s\n\n%s\n\n", x.Check.ID, x.State, markdown.Text(upper(x.Check.Question)))
	if v := valueOf(x); v != "" {
		fmt.Fprintf(&out, "Measured: %s\n\n", markdown.Text(v))
	}
	fmt.Fprintf(&out, "Passes: %s\n\n%s\n\nDo: %s\n\nSee it yourself: %s\n", markdown.Text(x.Threshold), markdown.Text(x.Check.Why), x.Check.Fix, markdown.Code(x.Evidence))
	if x.Check.Stack != "" {
		fmt.Fprintf(&out, "\nThe blueprint has a stack that answers it: `quarterdeck blueprint apply %s`\n", x.Check.Stack)
	}
	x.listSubjects(&out, len(x.Subjects))
	return out.String()
}

// subjectsWritten bounds what is written of one check: a list of a thousand helps nobody.
const subjectsWritten = 20

func (x *Result) writeSubjects(out *strings.Builder) {
	if len(x.Subjects) == 0 {
		return
	}
	fmt.Fprintf(out, "\n**%s** (do: %s)\n", x.Check.ID, x.Check.Fix)
	x.listSubjects(out, subjectsWritten)
}

// listSubjects writes up to so many subjects.
func (x *Result) listSubjects(out *strings.Builder, most int) {
	if len(x.Subjects) > 0 {
		out.WriteString("\n")
	}
	for i, s := range x.Subjects {
		if i == most {
			fmt.Fprintf(out, "- and %d more\n", len(x.Subjects)-i)
			break
		}
		fmt.Fprintf(out, "- %s %s: %s", s.State, markdown.Text(s.Name), markdown.Text(s.Says))
		if s.Set != "" {
			fmt.Fprintf(out, "; set %s", markdown.Code(s.Set))
		}
		out.WriteString("\n")
	}
}

// valueOf is what was measured, or why nothing could be.
func valueOf(x *Result) string {
	if x.Reason != "" {
		return x.Reason
	}
	return x.Value
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
