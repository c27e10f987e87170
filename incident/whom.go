package incident

import (
	"context"
	"slices"
	"sync"

	"quarterdeck/sources/fleet"
)

// What an incident is of, where nobody has named it one by one: proposed from the causes, for whoever starts it to change.

// believed is from how sure a cause on what it is about is taken into an incident.
const believed = 0.5

// causesFor asks the diagnosis about what an opening names, and where that is left to the console about everything at once.
func (k *Desk) causesFor(ctx context.Context, o *Opening) (own, wide []Cause) {
	var wg sync.WaitGroup
	if len(o.Services) > 0 {
		wg.Go(func() { own = k.Causes(ctx, o.Services) })
	}
	if o.Anything || len(o.Services) == 0 {
		wg.Go(func() { wide = k.Causes(ctx, nil) })
	}
	wg.Wait()
	return own, wide
}

// unstack puts in the place of a stack's name those of its services that are not well, have an alert, or are what a likely cause is about; where
// none is, all of them.
func (k *Desk) unstack(ctx context.Context, o *Opening) {
	snap := k.Deck.Fleet.Snapshot()
	var out []string
	var causes []Cause
	asked := false
	for _, name := range o.Services {
		var all, hit []string
		for _, s := range snap.Services {
			if s.Stack != name || snap.Service(name) != nil {
				continue
			}
			if !asked {
				causes, asked = k.Causes(ctx, nil), true
			}
			all = append(all, s.Name)
			if s.Health == fleet.Down || s.Health == fleet.Degraded || s.Firing > 0 || slices.ContainsFunc(causes, func(c Cause) bool { return c.Service == s.Name && c.Confidence >= believed }) {
				hit = append(hit, s.Name)
			}
		}
		switch {
		case len(all) == 0:
			hit = []string{name}
		case len(hit) == 0:
			hit = all
		}
		for _, s := range hit {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	o.Services = out
}

// named is a cause as others name it as what they follow from.
func (c *Cause) named() string { return orElse(c.Service, c.Node) + ": " + c.ID }

// widen takes in what the likeliest cause is about, where the opening names nothing, and the services that it hits: those whose own trouble follows
// from it as the diagnosis has it.
func (o *Opening) widen(wide []Cause) {
	if len(o.Services)+len(o.Nodes) == 0 && len(wide) > 0 && wide[0].Confidence >= believed {
		o.Causes = wide[:1:1]
		for i := range wide[1:] { // what says the same of a node: its alert knows the node alone
			if c := &wide[1+i]; c.Service == "" && c.ID == wide[0].ID && c.Confidence >= believed {
				o.Causes = append(o.Causes, *c)
			}
		}
		if s := wide[0].Service; s != "" {
			o.Services = []string{s}
		}
	}
	if len(o.Causes) == 0 {
		return
	}
	if top := &o.Causes[0]; top.EffectOf != "" { // what it follows from is what it is about
		if i := slices.IndexFunc(wide, func(c Cause) bool { return c.named() == top.EffectOf }); i >= 0 {
			o.Causes = append([]Cause{wide[i]}, o.Causes...)
		}
	}
	root := o.Causes[0].named()
	for i := range wide {
		c := &wide[i]
		if c.EffectOf != root || c.Confidence < believed {
			continue
		}
		if c.Service != "" && !slices.Contains(o.Services, c.Service) {
			o.Services = append(slices.Clone(o.Services), c.Service)
		}
		if !slices.ContainsFunc(o.Causes, func(x Cause) bool { return x.named() == c.named() }) {
			o.Causes = append(o.Causes, *c)
		}
	}
}
