package incident

import (
	"context"
	"slices"

	"quarterdeck/actions"
	"quarterdeck/sources/fleet"
)

// readChanges takes in how the services' specs were changed.
func (g *gatherer) readChanges(ctx context.Context) {
	for _, s := range g.r.Services {
		_, states, err := g.Deck.States(ctx, s)
		if err != nil {
			g.gap(fleet.SwarmName, "changes of "+s, err.Error())
			continue
		}
		for i := range states {
			if i+1 < len(states) && between(states[i].Since, g.from(), g.r.Until) {
				g.deploy(s, &states[i], &states[i+1])
			}
		}
	}
	slices.SortStableFunc(g.r.Deploys, func(a, b Deploy) int { return a.At.Compare(b.At) })
}

func (g *gatherer) deploy(service string, now, before *actions.State) {
	fields, err := g.Deck.Between(before.Spec, now.Spec)
	if err != nil {
		g.gap("journal", "change of "+service+" at "+clockOf(now.Since), err.Error())
		return
	}
	if len(fields) == 0 {
		return
	}
	how := map[string]string{"run": "run of quarterdeck", "seen": "seen in the swarm", "engine": "the engine's previous spec"}[now.Was]
	d := Deploy{Service: service, At: now.Since.UTC(), Run: now.Run, Actor: now.Actor, How: how, Failed: g.redact("runs", now.Bad), Fields: g.fields(service, fields)}
	g.r.Deploys = append(g.r.Deploys, d)
}
