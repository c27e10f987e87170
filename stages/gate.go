package stages

import (
	"fmt"
	"slices"
	"time"
)

// Stage is one of the four, with what it asks.
type Stage struct {
	Number               int
	Name, From           string
	Question, Trap, Done string
}

// Stages are the four (STAGES.md).
var Stages = []Stage{
	{1, "functional", "chaos", "can we deploy without downtime?", "CI/CD before the foundation: it deploys a broken system faster",
		"you deploy without touching production directly, certificates renew on their own, no credential is in any git repository"},
	{2, "observable", "functional", "can we see problems before users report them?", "too many alerts too soon",
		"mean time to detect < 5 minutes, problems are investigated without touching servers, the team checks dashboards as a habit"},
	{3, "reliable", "observable", "can we recover without human intervention?", "a pipeline that only one person understands",
		"any single service recovers in < 15 minutes, deployments are one key or automatic, a database restore was practised"},
	{4, "scalable", "reliable", "can we handle 10x traffic without 10x the team?", "this is where most want to start",
		"spikes are handled automatically, a new service takes < 2 hours, the infrastructure team is never the bottleneck"},
}

// Gate is how a stage's gate stands.
type Gate string

// The gates. Blind: nothing that was looked at keeps it shut, but not all could be looked at.
const (
	Open  Gate = "open"
	Shut  Gate = "shut"
	Blind Gate = "could not look"
)

// StageReport is a stage with its checks.
type StageReport struct {
	Stage
	Gate       Gate
	Customised bool
	Results    []Result
	// Counts are how many checks are in each state.
	Counts map[State]int
}

// Report is where a team stands.
type Report struct {
	At     time.Time
	Stages []StageReport
	// Reached is the last stage whose gate, and all before it, are open; 0: none.
	Reached int
}

// Judge runs all checks. It is a pure function: the same evidence gives the same report.
func Judge(e *Evidence, s *Settings) Report {
	out := Report{At: e.Now}
	open := true
	for _, st := range Stages {
		r := StageReport{Stage: st, Gate: Open, Counts: map[State]int{}}
		for _, c := range All {
			if c.Stage != st.Number {
				continue
			}
			x := c.run(e, s)
			r.Results = append(r.Results, x)
			r.Counts[x.State]++
			r.Customised = r.Customised || x.Customised
			switch {
			case !x.Required || x.State == Pass || x.State == NA:
			case x.State == Unknown && r.Gate == Open:
				r.Gate = Blind
			case x.State != Unknown:
				r.Gate = Shut
			}
		}
		out.Stages = append(out.Stages, r)
		if open = open && r.Gate == Open; open {
			out.Reached = st.Number
		}
	}
	return out
}

// Next is the check that is to be worked on next: the first, by stage and by how bad it is, that keeps a gate shut; nil: none does.
func (r *Report) Next() *Result {
	for i := range r.Stages {
		var best *Result
		for k := range r.Stages[i].Results {
			x := &r.Stages[i].Results[k]
			if !x.Required || x.State == Pass || x.State == NA {
				continue
			}
			if best == nil || x.State.rank() < best.State.rank() {
				best = x
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// TooEarly is the sentence that is due to somebody who works on a stage before those under it are passed; "": all are.
func (r *Report) TooEarly(stage int) string {
	for i := range r.Stages {
		if s := &r.Stages[i]; s.Number < stage && s.Gate != Open {
			at := slices.IndexFunc(Stages, func(x Stage) bool { return x.Number == stage })
			if at < 0 {
				return ""
			}
			return fmt.Sprintf("the gate of stage %d (%s) is not open. The trap: %s", s.Number, s.Name, Stages[at].Trap)
		}
	}
	return ""
}
