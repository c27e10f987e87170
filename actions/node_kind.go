package actions

import (
	"context"
	"fmt"
	"slices"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// subject: the services whose tasks leave the node are in hand as well, so that a run of theirs is to end first.
func (c *NodeChange) subject(*Plan) subject {
	s := subject{title: c.Title(), target: nodeTarget(c.Node), word: c.Node, inHand: []string{nodeTarget(c.Node)}, bySteps: true, before: c.Before, after: c.After}
	for i := range c.Moves {
		s.touches = append(s.touches, c.Moves[i].Service)
	}
	s.inHand = append(s.inHand, s.touches...)
	return s
}

func (c *NodeChange) steps(p *Plan) []Step {
	out := []Step{{Name: c.Title(), Kind: StepNode}}
	if !p.NoWait {
		out = append(out, Step{Name: c.verifyName(), Kind: StepNodeSo})
	}
	return out
}

func (c *NodeChange) report(_ *Plan, report *Report) {
	report.Node, report.Plan.Moves = c.Node, c.Moves
	if name, before, after := c.Field(); before != after {
		report.Plan.Changes = append(report.Plan.Changes, FieldReport{"", name, before, after})
	}
}

func (c *NodeChange) do(ctx context.Context, r *Running, s Step) (stepped, error) {
	switch s.Kind {
	case StepNode:
		return stepped{}, r.setNode(ctx)
	case StepNodeSo:
		return stepped{}, r.nodeSo(ctx)
	case StepNodeBack:
		return stepped{}, r.resetNode(ctx)
	}
	return stepped{}, unknownStep(s)
}

// takeBack wants of the node what it was.
func (c *NodeChange) takeBack(ctx context.Context, r *Running) (did bool, err error) {
	if !r.nodeSet {
		return false, nil
	}
	r.set(func(p *Progress) { p.TakingBack = true })
	return true, r.step(ctx, Step{Name: "take back " + c.Title(), Kind: StepNodeBack})
}

func (c *NodeChange) finish(r *Running, report *Report) { r.offerUndo(report, r.nodeSet) }

// names: a node is no service.
func (c *NodeChange) names(*RunRecord) []string { return nil }

func (c *NodeChange) touched(run *RunRecord) bool {
	return slices.ContainsFunc(run.Steps, func(e journal.Entry) bool {
		return e.Phase == phaseStep && (e.State == stateDone || run.Ended.IsZero())
	})
}

func (c *NodeChange) offered(run *RunRecord) bool { return c.touched(run) }

// undo plans to want of the node again what was wanted before.
func (c *NodeChange) undo(ctx context.Context, d *Deck, run *RunRecord) (*Plan, error) {
	p := &Plan{Action: Undo, Of: run.ID}
	if !c.touched(run) {
		p.Nothing = "run " + run.ID + " has changed nothing"
		return d.finish(p), nil
	}
	st, err := d.Hands.NodeState(ctx, c.ID)
	switch now := st.Want(); {
	case sources.KindOf(err) == sources.NotFound:
		p.Refused = c.Node + " is gone"
	case err != nil:
		return nil, err
	case now != c.Before && now != c.After:
		p.Refused = fmt.Sprintf("%s was changed again since: it is a %s, %s", st.Name, st.Role, st.Availability)
	default:
		return d.planNode(ctx, p, d.Fleet.Snapshot(), &st, c.Before)
	}
	return d.finish(p), nil
}

func (c *NodeChange) stand(ctx context.Context, d *Deck, s *Standing) error {
	one := ServiceStanding{Service: nodeTarget(c.Node)}
	st, err := d.Hands.NodeState(ctx, c.ID)
	switch now := st.Want(); {
	case sources.KindOf(err) == sources.NotFound:
		one.State, s.NoFinish = "gone", c.Node+" is gone"
	case err != nil:
		return err
	case now == c.After:
		one.State = "changed"
	case now == c.Before:
		one.State, s.AllMade = "as before", false
	default:
		one.State, s.NoFinish = "changed by somebody else", c.Node+" was changed by somebody else meanwhile"
	}
	s.Services = append(s.Services, one)
	return nil
}

func (c *NodeChange) resume(_ context.Context, r *Running, s *Standing) error {
	r.nodeSet = s.Done > 0
	return nil
}
