package main

import (
	"context"
	"fmt"
	"time"

	"quarterdeck/actions"
	"quarterdeck/diagnosis"
)

// doctor makes what investigates. d may be nil: then nothing is known of what people have changed.
func (p *platform) doctor(d *actions.Deck) *diagnosis.Doctor {
	out := &diagnosis.Doctor{Fleet: p.fleet, Logs: p.logs, Now: time.Now, Logger: p.log}
	if p.metrics != nil {
		out.Metrics = p.metrics
	}
	if p.loki != nil {
		out.Explain = p.loki.Explain
	}
	if d != nil {
		out.Record = deckRecord{d}
	}
	return out
}

// deckRecord tells the diagnosis what the deck knows of changes.
type deckRecord struct{ d *actions.Deck }

// Changes makes a change of each two states of a service that follow each other.
func (r deckRecord) Changes(ctx context.Context, service string) ([]diagnosis.Change, error) {
	_, states, err := r.d.States(ctx, service)
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
		if !c.First {
			if c.Fields, err = r.d.Between(states[i+1].Spec, s.Spec); err != nil {
				return nil, fmt.Errorf("compare two states of %s: %w", service, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// Dependencies are those that labels, or else the services' environment and arguments, tell of.
func (r deckRecord) Dependencies(ctx context.Context) (map[string][]diagnosis.Link, error) {
	needs, err := r.d.Dependencies(ctx)
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
