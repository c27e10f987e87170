package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// Bounds of what is read of one run from the team's record.
const (
	findBack = 7 * 24 * time.Hour
	findMost = 1000 // lines
)

// Find is one run, by its whole id: as this machine's journal has it or, of a colleague's, as the team's record in Loki has it.
func (d *Deck) Find(ctx context.Context, run string) (RunRecord, error) {
	runs, err := d.Runs()
	if err != nil {
		return RunRecord{}, err
	}
	if i := slices.IndexFunc(runs, func(r RunRecord) bool { return r.ID == run }); i >= 0 {
		return runs[i], nil
	}
	e := &sources.Error{Source: "journal", Kind: sources.BadQuestion, Op: "find run " + run, Err: errors.New("neither this machine's journal nor the team's record has it")}
	if d.Sink == nil || d.Logs == nil {
		e.Err, e.Next = errors.New("this machine's journal does not have it"), "with Loki configured, the team's runs are found as well"
		return RunRecord{}, e
	}
	page, err := d.Logs.Query(ctx, sources.LogQuery{Expr: fmt.Sprintf("{app=%q} |= %q", AppLabel, run), Since: d.Now().Add(-findBack), Until: d.Now(), Limit: findMost, Forward: true})
	if err != nil {
		return RunRecord{}, err
	}
	var entries []journal.Entry
	for i := range page.Entries {
		var x journal.Entry
		if json.Unmarshal([]byte(page.Entries[i].Line), &x) == nil && x.Hash != "" {
			entries = append(entries, x)
		}
	}
	slices.SortStableFunc(entries, func(a, b journal.Entry) int { return a.Time.Compare(b.Time) })
	f := runFold{}
	for _, x := range entries {
		f.take(x)
	}
	if i := slices.IndexFunc(f.runs, func(r RunRecord) bool { return r.ID == run }); i >= 0 {
		f.runs[i].Elsewhere = true
		return f.runs[i], nil
	}
	return RunRecord{}, e
}

// RunsBetween are the runs that were begun in a stretch of time, the oldest first: this machine's, and with logs the team's. err says that the
// team's record could not be read; what was found without it is given all the same.
func (d *Deck) RunsBetween(ctx context.Context, logs sources.Logs, since, until time.Time) ([]RunRecord, error) {
	all, err := d.Runs()
	if err != nil {
		return nil, err
	}
	within := func(r RunRecord) bool { return !r.Began.Before(since) && !r.Began.After(until) }
	out := slices.DeleteFunc(all, func(r RunRecord) bool { return !within(r) })
	if logs == nil {
		return out, nil
	}
	page, err := logs.Query(ctx, sources.LogQuery{Expr: fmt.Sprintf("{app=%q}", AppLabel), Since: since, Until: until.Add(time.Minute), Limit: 5 * findMost, Forward: true})
	var entries []journal.Entry
	for i := range page.Entries {
		var x journal.Entry
		if json.Unmarshal([]byte(page.Entries[i].Line), &x) == nil && x.Hash != "" {
			entries = append(entries, x)
		}
	}
	slices.SortStableFunc(entries, func(a, b journal.Entry) int { return a.Time.Compare(b.Time) })
	f := runFold{cluster: d.cluster()}
	for _, x := range entries {
		f.take(x)
	}
	for _, r := range f.runs {
		if within(r) && !slices.ContainsFunc(out, func(x RunRecord) bool { return x.ID == r.ID }) {
			r.Elsewhere = true
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b RunRecord) int { return a.Began.Compare(b.Began) })
	return out, err
}

// ServiceFields are the fields of one service that a plan changes, masked.
type ServiceFields struct {
	Service string
	Fields  []sources.FieldChange
}

// ChangesOf are what a run's plan changes. Where this machine does not have the specs, the record's own words are taken.
func (d *Deck) ChangesOf(r *RunRecord) []ServiceFields {
	var out []ServiceFields
	for i := range r.plan.Services {
		s := &r.plan.Services[i]
		fields, err := d.Between(s.Before, s.After)
		if err != nil {
			fields = nil
			for _, f := range s.Fields {
				fields = append(fields, sources.FieldChange{Path: []string{f.Field}, Field: f.Field, Before: exact(f.Before), After: exact(f.After)})
			}
		}
		out = append(out, ServiceFields{s.Name, fields})
	}
	return out
}

// exact is a value of JSON with its number as it was written.
func exact(v any) any {
	if n, ok := v.(float64); ok {
		return json.Number(strconv.FormatFloat(n, 'f', -1, 64))
	}
	return v
}

// Services are the names of the services that the run is about.
func (r *RunRecord) Services() []string { return r.kind().names(r) }

// Warnings are the plan's.
func (r *RunRecord) Warnings() []string { return r.plan.Warnings }

// Touched tells whether the run has changed anything, as far as its steps say.
func (r *RunRecord) Touched() bool { return r.kind().touched(r) }

// StepReports are the steps that were begun, in order. One that has no end is "started".
func (r *RunRecord) StepReports() []StepReport {
	var out []StepReport
	for i := range r.Steps {
		e := &r.Steps[i]
		if e.Phase != phaseStep {
			continue
		}
		at := slices.IndexFunc(out, func(s StepReport) bool { return s.Name == e.Step && s.State == stateStarted })
		if e.State == stateStarted || at < 0 {
			out = append(out, StepReport{Name: e.Step, State: e.State, Started: e.Time, Detail: e.Reason})
			continue
		}
		out[at].State, out[at].Detail, out[at].Took = e.State, e.Reason, e.Time.Sub(out[at].Started).Seconds()
	}
	return out
}

// Verdict is the proof that the run ended with; nil: nothing was verified, or it has no end.
func (r *RunRecord) Verdict() *VerifyReport {
	for i := len(r.Steps) - 1; i >= 0; i-- {
		if e := &r.Steps[i]; e.Phase == phaseEnd && len(e.Detail) > 0 {
			var v *VerifyReport
			if json.Unmarshal(e.Detail, &v) == nil {
				return v
			}
		}
	}
	return nil
}
