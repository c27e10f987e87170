package actions

import (
	"context"
	"encoding/json"
)

// kind is what is changed by a plan: services, or one of the other things. Whatever is planned, run, resumed, taken back, found or reported asks the plan's kind, and
// does not look which it is; a new kind is a type that answers all of this, a field in Plan and in recordedPlan, and a line in each of the three functions below.
// What only some can do is in the small interfaces after it.
type kind interface {
	// Of a plan.

	subject(p *Plan) subject
	// steps are what a run does, in order; none: nothing would change.
	steps(p *Plan) []Step
	// report adds to a plan's report what would change beside fields of services.
	report(p *Plan, report *Report)

	// Of a run.

	// do does a step. What it came to is written down even where it failed.
	do(ctx context.Context, r *Running, s Step) (stepped, error)
	// takeBack takes back at once what a failed run has done so far. did: there was something.
	takeBack(ctx context.Context, r *Running) (did bool, err error)
	// finish adds to a run's report what came of it, and whether an undo is offered.
	finish(r *Running, report *Report)

	// Of a run as the journal tells it.

	// names are the services that it is about.
	names(run *RunRecord) []string
	// touched tells whether it has changed anything or, where it was interrupted in the middle, may have.
	touched(run *RunRecord) bool
	// offered tells whether an undo that names no run may mean this one.
	offered(run *RunRecord) bool
	// undo plans to take it back.
	undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error)
	// stand looks where it was interrupted, and whether it can be gone on with.
	stand(ctx context.Context, d *Deck, s *Standing) error
	// resume gives a process that goes on with it what the earlier one knew, beside the services that were changed.
	resume(ctx context.Context, r *Running, s *Standing) error
}

// opening is a kind that has something to do around its steps.
type opening interface {
	// open is called before the first step that this process does, shut once all is over.
	open(ctx context.Context, r *Running) (shut func(), err error)
}

// lenient is a kind whose run goes on after a step that has failed.
type lenient interface {
	// verdict is why a run that came to its end is no success; nil: it is one.
	verdict(r *Running) error
}

// locking is a kind that has its service's lock in the swarm while it runs.
type locking interface {
	// prepare is called when the run is made, before it begins.
	prepare(r *Running)
	// failed ends a run that has failed, as its lock demands.
	failed(ctx context.Context, r *Running, err error)
	// leave says why an interrupted run cannot be left as it is; nil: it can.
	leave() error
}

// subject is what a plan is about. What is empty is as it is for most.
type subject struct {
	title  string // the plan in a line
	target string // what the journal calls it
	word   string // what is typed to confirm it; "": the name of what it touches
	// touches are the services that it is about beside those that it changes; inHand are targets that no other run may have meanwhile, beside those.
	touches, inHand []string
	// harmless: it changes nothing that runs, and is what a bad night wants: quiet hours do not guard it.
	harmless bool
	// bySteps: a run is watched step by step, and not service by service.
	bySteps bool
	// before and after are what the journal has of it where that is no service's spec.
	before, after any
}

// stepped is what a step came to: the specs that it made, and what else the journal keeps of it.
type stepped struct {
	after  []SpecRef
	detail json.RawMessage
}

func (p *Plan) subject() subject { return p.kind().subject(p) }

// kind is the plan's: it has one.
func (p *Plan) kind() kind {
	switch {
	case p.Silence != nil:
		return p.Silence
	case p.Recovery != nil:
		return p.Recovery
	case p.Day != nil:
		return p.Day
	case p.Attest != nil:
		return p.Attest
	case p.Stack != nil:
		return stackOf{c: p.Stack}
	case p.Scaling != nil:
		return p.Scaling
	case p.Node != nil:
		return p.Node
	case p.Material != nil:
		return rotation{c: p.Material}
	}
	return services{}
}

// recorded is what the journal keeps of what the plan is about.
func (p *Plan) recorded() recordedPlan {
	return recordedPlan{Material: p.Material.recorded(), Silence: p.Silence.recorded(), Recovery: p.Recovery, Day: p.Day, Attest: p.Attest, Stack: p.Stack.recorded(), Scaling: p.Scaling, Node: p.Node}
}

// about is a plan of the same kind, with what the journal has kept of it.
func (r *recordedPlan) about() *Plan {
	return &Plan{Material: r.Material.change(), Silence: r.Silence.change(), Recovery: r.Recovery, Day: r.Day, Attest: r.Attest, Stack: r.Stack.change(), Scaling: r.Scaling, Node: r.Node}
}

func (r *RunRecord) kind() kind { return r.plan.about().kind() }
