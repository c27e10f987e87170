package ui

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/autoscale"
)

// applyAdvice plans the replicas that are recommended for the marked services, or for the one under the cursor. Where none are it says why.
func (m *Model) applyAdvice() tea.Cmd {
	services := m.targets()
	if len(services) == 0 {
		return m.say("this is about no service that runs here")
	}
	if !m.when.live() {
		return m.say("what is recommended is about now: 0 goes back to it")
	}
	if a := m.scaling.advice; a == nil || a.Stale(m.now()) {
		return m.say("nothing was decided lately: what is recommended is not known")
	}
	var list []autoscale.Decision
	for _, name := range services {
		if d, _ := m.advised(m.snap.Service(name)); d != nil && d.Changes() {
			list = append(list, *d)
		}
	}
	if len(list) == 0 {
		m.overlay = m.noAdvice(services)
		return nil
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Service
	}
	return m.requestPlan("scale "+about(names)+" as recommended", func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanRecommended(ctx, list) })
}

// noAdvice says why nothing is recommended for services.
func (m *Model) noAdvice(services []string) *noteBox {
	b := &noteBox{head: "nothing is recommended for " + about(services), under: under(m.overlay)}
	const most = 8
	for i, name := range services {
		if i == most {
			b.parts = append(b.parts, notePart{text: count(len(services)-most, "more service") + ": nothing either"})
			break
		}
		d, p := m.scaling.advice.Of(m.snap.Service(name))
		text := "it has no policy: set " + autoscale.LabelEnable + "=true and " + autoscale.LabelMax + " on its deploy labels"
		if p != nil {
			text, _ = m.scaleSentence(d)
		}
		if len(services) > 1 {
			text = name + ": " + text
		}
		b.parts = append(b.parts, notePart{text: text})
	}
	return b
}

// switchScaling plans to stop all autoscaling or, where that was done, to let it go on.
func (m *Model) switchScaling() tea.Cmd {
	if m.scaling.stop == nil {
		return m.requestPlan("stop all autoscaling", func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanStopScaling(ctx) })
	}
	return m.requestPlan("let autoscaling go on", func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanStartScaling(ctx) })
}

// scaling says what a stop of all autoscaling does, or its end.
func (p *page) scaling(m *Model, c *actions.ScalingChange) {
	with, enforced := 0, 0
	if a := m.scaling.advice; a != nil {
		for _, policy := range a.Policies {
			if !policy.Usable() {
				continue
			}
			with++
			if policy.Mode == autoscale.Enforce {
				enforced++
			}
		}
	}
	if c.Stop {
		p.add(m.st.Text, "The config "+autoscale.StopConfig+" is made in the swarm. Every autoscaler looks for it just before each change, and changes nothing while it is there. Replicas and policies stay as they are, and decisions go on to be told. Somebody who scales by hand is not held up.")
	} else {
		p.add(m.st.Text, "The config "+autoscale.StopConfig+" is removed. An autoscaler that runs changes replicas again, from its next decision on, half a minute at most, where that is enforced.")
	}
	if with > 0 {
		p.add(m.st.Muted, fmt.Sprintf("%s with a policy, %d of them enforced by their labels", count(with, "service"), enforced))
	}
}
