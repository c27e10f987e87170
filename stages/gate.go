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
	// OutOfOrder is what is due to a team that has begun with it while the gate of a stage under it is shut; "": it has not, or none is.
	OutOfOrder string
}

// begun is how many of the gate's checks somebody has done something for: they pass, nearly pass, or did.
func (s *StageReport) begun() int {
	n := 0
	for i := range s.Results {
		if x := &s.Results[i]; x.Required && (x.State == Pass || x.State == Warn || x.State == Expired) {
			n++
		}
	}
	return n
}

// early is what a stage comes to that is begun while an earlier one is not passed, by both.
var early = map[[2]int]string{
	{2, 1}: "alerts without health checks and rollback wake somebody for what the swarm would mend by itself",
	{3, 1}: "a restore is practised for a platform that the next deploy takes down again",
	{3, 2}: "recovery without observability begins when a user calls",
	{4, 1}: "auto-scaling without health checks multiplies tasks that serve nobody",
	{4, 2}: "auto-scaling without observability multiplies a fault that nobody sees",
	{4, 3}: "auto-scaling without a restore that was tried grows what nobody can bring back",
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
	for i := range out.Stages {
		s := &out.Stages[i]
		// A gate that could not be looked at may be open: nobody is told off for that.
		if says, n := out.trap(s.Number, func(g Gate) bool { return g == Shut }), s.begun(); says != "" && n > 0 {
			s.OutOfOrder = fmt.Sprintf("it is begun (%d of %d checks), and %s", n, len(s.Results), says)
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
	return r.trap(stage, func(g Gate) bool { return g != Open })
}

// trap is the sentence about the first stage under one whose gate is so; "": none is.
func (r *Report) trap(stage int, is func(Gate) bool) string {
	for i := range r.Stages {
		if s := &r.Stages[i]; s.Number < stage && is(s.Gate) {
			at := slices.IndexFunc(Stages, func(x Stage) bool { return x.Number == stage })
			if at < 0 {
				return ""
			}
			return fmt.Sprintf("the gate of stage %d (%s) is not open. The trap: %s; %s", s.Number, s.Name, Stages[at].Trap, early[[2]int{stage, s.Number}])
		}
	}
	return ""
}
