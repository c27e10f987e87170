package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

// RollbackOptions say where to.
type RollbackOptions struct {
	// To is the hash of a state, or its beginning; "": the newest earlier state whose tasks differ from those of now.
	To string
	// At is a moment: what was wanted then. Zero: not asked.
	At time.Time
	// WithReplicas takes the number of replicas back too; else it stays what it is now.
	WithReplicas bool
	// Only are the services of a stack that go back; nil: all. Of a single service it means nothing.
	Only []string
}

// PlanRollback plans the way back to an earlier state of a service, from our own history: the engine's one previous spec is overwritten by every
// update, scaling too, and an automatic rollback clears it.
func (d *Deck) PlanRollback(ctx context.Context, service string, o RollbackOptions) (*Plan, error) {
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	p := &Plan{Action: Rollback, Harm: Serious}
	st, states, err := d.States(ctx, service)
	if err != nil {
		return nil, err
	}
	if st.Mode.Job() {
		p.Refused = st.Name + " is a job: going back would run it once more"
		return d.finish(p), nil
	}
	target, err := d.pickState(&st, states, o)
	if err != nil {
		return nil, err
	}
	if err := d.goBack(ctx, p, &st, target, o.WithReplicas, 0); err != nil {
		return nil, err
	}
	return d.finish(p), nil
}

// goBack adds a service's way back to a state to a plan.
func (d *Deck) goBack(ctx context.Context, p *Plan, st *sources.ServiceState, to State, withReplicas bool, group int) error {
	key, err := d.key()
	if err != nil {
		return err
	}
	earlier, err := d.Spec(to.Spec)
	if err != nil {
		return err
	}
	full, changed, lost := earlier.Unmasked(st.Spec, key)
	if len(lost) > 0 {
		p.Refused = fmt.Sprintf("%s: the earlier state has values that are never written down and are no longer in force: %s; set them first", st.Name, strings.Join(lost, ", "))
		return nil
	}
	if len(changed) > 0 {
		p.warn("%s: %s changed since; the value of today is kept, for the earlier one was never written down", st.Name, strings.Join(changed, ", "))
	}
	after := sources.Restored(st.Spec, full, withReplicas)
	if sources.Same(after, st.Spec) {
		return nil
	}
	if missing := d.missingMaterial(ctx, after); missing != "" {
		p.Refused = fmt.Sprintf("%s: the earlier state refers to %s, which is gone: make it anew first", st.Name, missing)
		return nil
	}
	c := d.change(st, after, key)
	c.Group = group
	p.Changes = append(p.Changes, c)
	if to.Bad != "" {
		p.warn("%s: the rollout to that state failed: %s", st.Name, to.Bad)
	}
	d.rolloutWarnings(p, &st.Service, &c)
	return nil
}

// missingMaterial names the first secret or config that a spec refers to and that is not there; "" where they cannot be listed: the engine
// will say.
func (d *Deck) missingMaterial(ctx context.Context, spec sources.Spec) string {
	for _, kind := range []sources.MaterialKind{sources.Secret, sources.Config} {
		refs := spec.Materials(kind)
		if len(refs) == 0 {
			continue
		}
		list, err := d.Hands.Materials(ctx, kind)
		if err != nil {
			continue
		}
		there := map[string]bool{}
		for _, r := range list {
			there[r.ID] = true
		}
		for _, ref := range refs {
			if !there[ref.ID] {
				return string(kind) + " " + ref.Name
			}
		}
	}
	return ""
}

func (d *Deck) pickState(st *sources.ServiceState, states []State, o RollbackOptions) (State, error) {
	none := func(why string) error {
		return &Refusal{fmt.Sprintf("%s: %s (see `quarterdeck journal --specs %s`)", st.Name, why, st.Name)}
	}
	switch {
	case o.To != "":
		var hits []State
		for _, s := range states {
			if strings.HasPrefix(s.Spec, o.To) {
				hits = append(hits, s)
			}
		}
		for _, s := range hits {
			if s.Spec != hits[0].Spec {
				return State{}, none(fmt.Sprintf("%q is the beginning of more than one state's hash", o.To))
			}
		}
		if len(hits) == 0 {
			return State{}, none(fmt.Sprintf("no state %q is known", o.To))
		}
		return hits[0], nil
	case !o.At.IsZero():
		if s, ok := stateAt(states, o.At); ok {
			return s, nil
		}
		return State{}, none("nothing is known of what was wanted at " + o.At.UTC().Format(time.RFC3339))
	}
	now, err := d.Spec(states[0].Spec)
	if err != nil {
		return State{}, err
	}
	for _, s := range states[1:] {
		earlier, err := d.Spec(s.Spec)
		if err != nil {
			continue // a state that cannot be read cannot be gone back to; the next older one may
		}
		if s.Bad == "" && !sources.Same(sources.Restored(now, earlier, false), now) {
			return s, nil
		}
	}
	return State{}, none("no earlier state that differs is known")
}

// stateAt is what was wanted at a moment: the newest state that began before it, or else what was there before anything that was seen.
func stateAt(states []State, at time.Time) (State, bool) {
	for _, s := range states {
		if !s.Since.After(at) {
			return s, true
		}
	}
	return State{}, false
}

// burst is how long the services of one stack may take to be deployed one after the other.
const burst = 2 * time.Minute

// PlanRollbackStack plans the way back of all services of a stack, in the order of their dependencies: to what was wanted at o.At, or
// else before its last deploy.
func (d *Deck) PlanRollbackStack(ctx context.Context, stack string, o RollbackOptions) (*Plan, error) {
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	all, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	var of []sources.ServiceState
	for _, st := range all {
		if st.Stack == stack && !st.Mode.Job() && (o.Only == nil || slices.Contains(o.Only, st.Name)) {
			of = append(of, st)
		}
	}
	if len(of) == 0 {
		return nil, &sources.Error{Source: "swarm", Kind: sources.BadQuestion, Op: "find stack " + stack, Next: "see `quarterdeck status` for the stacks there are"}
	}
	known := make([][]State, len(of))
	for i := range of {
		if known[i], err = d.statesOf(&of[i]); err != nil {
			return nil, err
		}
	}
	at := o.At
	if at.IsZero() {
		at = d.beforeLastDeploy(known)
	}
	p := &Plan{Action: Rollback, Harm: Serious}
	if at.IsZero() {
		p.Nothing = "no earlier state of a service of " + stack + " is known"
		return d.finish(p), nil
	}
	groups := groupsOf(of)
	for i := range of {
		to, ok := stateAt(known[i], at)
		if !ok {
			p.warn("%s: nothing is known of it from before %s: it stays as it is", of[i].Name, at.UTC().Format(time.RFC3339))
			continue
		}
		if err := d.goBack(ctx, p, &of[i], to, o.WithReplicas, groups[of[i].Name]); err != nil {
			return nil, err
		}
	}
	p.packGroups()
	return d.finish(p), nil
}

// beforeLastDeploy is the moment just before the newest burst of changes of a stack's services; zero: there is none.
// A change of the number of replicas alone is no deploy.
func (d *Deck) beforeLastDeploy(known [][]State) time.Time {
	var times []time.Time
	for _, states := range known {
		for i := range len(states) - 1 { // the oldest that is known is not a change
			if d.deployed(states[i+1], states[i]) {
				times = append(times, states[i].Since)
			}
		}
	}
	var newest time.Time
	for _, t := range times {
		if t.After(newest) {
			newest = t
		}
	}
	if newest.IsZero() {
		return newest
	}
	first := newest
	for again := true; again; {
		again = false
		for _, t := range times {
			if t.Before(first) && first.Sub(t) <= burst {
				first, again = t, true
			}
		}
	}
	return first.Add(-time.Nanosecond)
}

// deployed tells whether more than the number of replicas differs. What cannot be read counts.
func (d *Deck) deployed(before, after State) bool {
	a, errA := d.Spec(before.Spec)
	b, errB := d.Spec(after.Spec)
	return errA != nil || errB != nil || !sources.Same(sources.Restored(b, a, false), b)
}

// packGroups numbers the groups that are left from 0 without holes.
func (p *Plan) packGroups() {
	used := map[int]bool{}
	most := 0
	for i := range p.Changes {
		used[p.Changes[i].Group] = true
		most = max(most, p.Changes[i].Group)
	}
	number, next := map[int]int{}, 0
	for g := 0; g <= most; g++ {
		if used[g] {
			number[g] = next
			next++
		}
	}
	for i := range p.Changes {
		p.Changes[i].Group = number[p.Changes[i].Group]
	}
}
