package actions

import (
	"context"
	"strings"
)

var _ interface {
	kind
	opening
	lenient
} = (*DayPlan)(nil)

func (p *DayPlan) subject(*Plan) subject {
	return subject{title: "DR day of " + p.Stack, target: dayTarget(p.Stack), word: p.Stack, touches: p.services(), inHand: []string{dayTarget(p.Stack)}, bySteps: true}
}

func (p *DayPlan) report(_ *Plan, report *Report) { report.Service = strings.Join(p.services(), ",") }

// open takes up the day's record.
func (p *DayPlan) open(ctx context.Context, r *Running) (shut func(), err error) {
	return func() {}, r.beginDay(ctx)
}

func (p *DayPlan) do(ctx context.Context, r *Running, s Step) (stepped, error) {
	switch s.Kind {
	case StepDrill:
		return stepped{}, r.drillOfDay(ctx, s.At)
	case StepDay:
		return stepped{}, r.endDay(ctx)
	}
	return stepped{}, unknownStep(s)
}

// takeBack: a day changes nothing by itself, and each drill cleans up after itself.
func (p *DayPlan) takeBack(context.Context, *Running) (did bool, err error) { return false, nil }

func (p *DayPlan) finish(r *Running, report *Report) { report.Day = r.dayNow() }

func (p *DayPlan) names(*RunRecord) []string { return p.services() }

func (p *DayPlan) touched(*RunRecord) bool { return false }
func (p *DayPlan) offered(*RunRecord) bool { return false }

func (p *DayPlan) undo(_ context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	return d.finish(&Plan{Action: Undo, Of: run.ID, Harm: Serious, Nothing: "run " + run.ID + " has changed nothing"}), nil
}

// resume: what the earlier process knew is in the day's record, which open reads.
func (p *DayPlan) resume(context.Context, *Running, *Standing) error { return nil }
