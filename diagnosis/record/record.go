// Package record is where the diagnosis meets the record of actions: the one place that knows both, so that neither imports the other. In: a
// deck. Out: what it knows of changes and dependencies, as the diagnosis wants it.
package record

import (
	"context"
	"fmt"

	"quarterdeck/actions"
	"quarterdeck/diagnosis"
)

// Deck tells the diagnosis what a deck knows of changes. Safe for concurrent use.
type Deck struct{ *actions.Deck }

// Changes makes a change of each two states of a service that follow each other.
func (r Deck) Changes(ctx context.Context, service string) ([]diagnosis.Change, error) {
	_, states, err := r.States(ctx, service)
	if err != nil {
		return nil, err
	}
	var out []diagnosis.Change
	for i := range states {
		s := &states[i]
		c := diagnosis.Change{At: s.Since, Actor: s.Actor, Run: s.Run, Text: "the service was changed", First: i == len(states)-1}
		if s.Action != "" {
			c.Text = s.Action
		}
		if s.Since.IsZero() {
			continue
		}
		c.Back = i+2 < len(states) && states[i+2].Spec == s.Spec
		if !c.First {
			if c.Fields, err = r.Between(states[i+1].Spec, s.Spec); err != nil {
				return nil, fmt.Errorf("compare two states of %s: %w", service, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// Dependencies are those that labels, or else the services' environment and arguments, tell of.
func (r Deck) Dependencies(ctx context.Context) (map[string][]diagnosis.Link, error) {
	needs, err := r.Deck.Dependencies(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]diagnosis.Link, len(needs))
	for name, list := range needs {
		for _, n := range list {
			out[name] = append(out[name], diagnosis.Link{Service: n.Service, How: n.How})
		}
	}
	return out, nil
}
