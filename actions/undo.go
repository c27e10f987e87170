package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// RunRecord is a run as the journal tells it.
type RunRecord struct {
	ID, Action, Target, Actor, Host, Context string
	Cluster                                  string
	Began, Ended                             time.Time // Ended zero: it has no end
	Result, Reason, Why                      string    // Why is the reason given when it began
	Before, After                            []SpecRef
	Steps                                    []journal.Entry
	Of                                       string // the run that it takes back
	UndoneBy                                 string // the run that has taken it back
	Elsewhere                                bool   // it is known from the team's record alone, and can be taken back where it was made
	plan                                     recordedPlan
	silent                                   uint64 // version of its lock at which nobody has it in hand any more; 0: that is not known
}

// Runs are the runs of this swarm, the oldest first.
func (d *Deck) Runs() ([]RunRecord, error) {
	return ReadRuns(d.Journal, d.cluster())
}

// ReadRuns are the runs that a journal tells of; cluster "": of all swarms.
func ReadRuns(j *journal.Journal, cluster string) ([]RunRecord, error) {
	f := runFold{cluster: cluster}
	err := j.Read(func(e journal.Entry) bool { f.take(e); return true })
	return f.runs, err
}

// runFold makes runs of entries that come in order.
type runFold struct {
	cluster string // "": all swarms'
	runs    []RunRecord
	at      map[string]int // by run id
}

func (f *runFold) take(e journal.Entry) {
	if e.Run == "" || f.cluster != "" && e.Cluster != "" && e.Cluster != f.cluster {
		return
	}
	if f.at == nil {
		f.at = map[string]int{}
	}
	i, known := f.at[e.Run]
	if !known {
		if e.Phase != phaseBegin {
			return
		}
		r := RunRecord{ID: e.Run, Action: e.Action, Target: e.Target, Actor: e.Actor, Host: e.Host, Context: e.Context, Cluster: e.Cluster, Began: e.Time, Why: e.Reason, Before: refsOf(e.Before), After: refsOf(e.After)}
		_ = json.Unmarshal(e.Detail, &r.plan) // what cannot be read cannot be resumed, and is said there
		r.Of = r.plan.Of
		f.at[e.Run] = len(f.runs)
		f.runs = append(f.runs, r)
		return
	}
	r := &f.runs[i]
	r.Steps = append(r.Steps, e)
	if e.Phase == phaseEnd {
		r.Ended, r.Result, r.Reason = e.Time, e.Result, e.Reason
		if of, ok := f.at[r.Of]; ok && r.Result == ResultDone {
			f.runs[of].UndoneBy = r.ID
		}
	}
}

// applied are the specs that the run's updates really made, by service id.
func (r *RunRecord) applied() map[string]SpecRef {
	out := map[string]SpecRef{}
	for i := range r.Steps {
		e := &r.Steps[i]
		if e.Phase == phaseStep && e.State == stateDone && (strings.HasPrefix(e.Step, "update ") || strings.HasPrefix(e.Step, "call ") || strings.HasPrefix(e.Step, makeStep)) {
			for _, ref := range refsOf(e.After) {
				out[ref.ID] = ref
			}
		}
	}
	return out
}

// PlanUndo plans to take a run back: "" is the last one that changed something and was not taken back yet. Only what that run changed is taken back;
// what others have changed since stays. Where a field that the run changed was changed again, the plan is refused and names it.
func (d *Deck) PlanUndo(ctx context.Context, run string) (*Plan, error) {
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	r, err := d.findRun(run)
	if err != nil {
		return nil, err
	}
	return d.planUndo(ctx, r)
}

func (d *Deck) findRun(run string) (*RunRecord, error) {
	runs, err := d.Runs()
	if err != nil {
		return nil, err
	}
	var found *RunRecord
	for i := len(runs) - 1; i >= 0; i-- {
		r := &runs[i]
		switch {
		case run != "" && strings.HasPrefix(r.ID, run):
			if found != nil {
				return nil, &Refusal{fmt.Sprintf("%q is the beginning of more than one run's id", run)}
			}
			found = r
		case run == "" && r.UndoneBy == "" && r.Action != Undo && r.Result != ResultTakenBack && r.kind().offered(r) && !d.Journal.Held(r.ID):
			return r, nil
		}
	}
	switch {
	case found != nil:
		return found, nil
	case run == "":
		return nil, &Refusal{"no run of this swarm is in the journal that could be taken back"}
	}
	return nil, &sources.Error{Source: "journal", Kind: sources.BadQuestion, Op: "find run " + run, Next: "see `quarterdeck journal` for the runs there are"}
}

func (d *Deck) planUndo(ctx context.Context, r *RunRecord) (*Plan, error) {
	p := &Plan{Action: Undo, Of: r.ID, Harm: Serious}
	switch {
	case r.UndoneBy != "":
		p.Nothing = fmt.Sprintf("run %s was taken back already, by run %s", r.ID, r.UndoneBy)
	case r.Ended.IsZero() && d.Journal.Held(r.ID):
		p.Refused = "run " + r.ID + " is still under way"
	default:
		return r.kind().undo(ctx, d, r)
	}
	return d.finish(p), nil
}

// didStep tells whether a step of the run is done.
func (r *RunRecord) didStep() bool {
	return slices.ContainsFunc(r.Steps, func(e journal.Entry) bool { return e.Phase == phaseStep && e.State == stateDone })
}

// takeServicesBack adds the services that a run has changed to the plan that takes it back, the last group first.
func (d *Deck) takeServicesBack(ctx context.Context, p *Plan, r *RunRecord) error {
	applied, most := r.touched(), r.lastGroup()
	for _, s := range r.plan.Services {
		if ref, done := applied[s.ID]; done {
			if err := d.takeBack(ctx, p, s, ref, most-s.Group); err != nil {
				return err
			}
		}
	}
	p.packGroups()
	return nil
}

// lastGroup is the number of the last group of services that the run has changed.
func (r *RunRecord) lastGroup() int {
	most := 0
	for _, s := range r.plan.Services {
		most = max(most, s.Group)
	}
	return most
}

// touched are the specs that the run's updates made or, of a run that was interrupted in the middle of one, may have made.
func (r *RunRecord) touched() map[string]SpecRef {
	out := r.applied()
	if !r.Ended.IsZero() {
		return out
	}
	for i := range r.Steps {
		for _, s := range r.plan.Services {
			if _, known := out[s.ID]; !known && s.ID != "" && r.Steps[i].Phase == phaseStep && (r.Steps[i].Step == "update "+s.Name || strings.HasPrefix(r.Steps[i].Step, "call ")) {
				out[s.ID] = SpecRef{Service: s.Name, ID: s.ID, Spec: s.After}
			}
		}
	}
	return out
}

// takeBack adds one service of a run to the plan that takes it back.
func (d *Deck) takeBack(ctx context.Context, p *Plan, s recordedService, applied SpecRef, group int) error {
	st, err := d.Hands.ServiceState(ctx, s.ID)
	if sources.KindOf(err) == sources.NotFound {
		p.warn("%s is gone", s.Name)
		return nil
	}
	if err != nil {
		return err
	}
	key, err := d.key()
	if err != nil {
		return err
	}
	before, err := d.Spec(s.Before)
	if err != nil {
		return err
	}
	after, err := d.Spec(applied.Spec)
	if err != nil {
		return err
	}
	masked, conflicts := sources.Revert(st.Spec.Masked(key), before, after)
	if len(conflicts) > 0 {
		var names []string
		for _, c := range conflicts {
			was, is := c.Text()
			names = append(names, fmt.Sprintf("%s (now %s, would be %s)", c.Field, is, was))
		}
		p.Refused = fmt.Sprintf("%s was changed again since: %s; roll back to a state by its hash instead", st.Name, strings.Join(names, ", "))
		return nil
	}
	full, changed, lost := masked.Unmasked(st.Spec, key)
	if len(changed)+len(lost) > 0 {
		p.Refused = fmt.Sprintf("%s: the run changed values that are never written down: %s; set them by hand", st.Name, strings.Join(append(changed, lost...), ", "))
		return nil
	}
	if sources.Same(full, st.Spec) {
		return nil
	}
	if n, replicated := full.Replicas(); replicated {
		if now, _ := st.Spec.Replicas(); n != now {
			if why := whyBusy(&st.Service); why != "" {
				p.Refused = st.Name + ": " + why
				return nil
			}
			if n == 0 {
				p.raise(Grave, "")
			}
		}
	}
	if missing := d.missingMaterial(ctx, full); missing != "" {
		p.Refused = fmt.Sprintf("%s: the state before refers to %s, which is gone", st.Name, missing)
		return nil
	}
	c := d.change(&st, full, key)
	c.Group = group
	p.Changes = append(p.Changes, c)
	d.rolloutWarnings(p, &st.Service, &c)
	return nil
}
