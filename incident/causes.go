package incident

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/diagnosis"
)

// investigate asks the diagnosis how things stood when the incident was declared, or at the report's end.
func (g *gatherer) investigate(ctx context.Context, service string) {
	if g.Doctor == nil {
		return
	}
	at := g.r.Until
	if g.x != nil {
		at = g.x.Started.At
	}
	r, err := g.Doctor.Investigate(ctx, diagnosis.Question{Service: service, At: at}, nil)
	if err != nil {
		if errors.Is(err, diagnosis.ErrNoService) { // said already
			return
		}
		g.gap("diagnosis", "causes of what is wrong with "+service, why(err))
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.found[service] = r
}

// addCauses takes in what was found about a service. What two services have in common is told once.
func (g *gatherer) addCauses(service string) {
	f, ok := g.found[service]
	if !ok {
		return
	}
	for i := range f.Causes {
		c := g.cause(&f.Causes[i], f.At)
		if !slices.ContainsFunc(g.r.Causes, func(o Cause) bool { return o.ID == c.ID && o.Service == c.Service && o.Node == c.Node }) {
			g.r.Causes = append(g.r.Causes, c)
		}
	}
	for _, l := range f.Looked {
		x := Look{l.Source, l.State, g.redact("causes", l.Detail)}
		if !slices.ContainsFunc(g.r.Looked, func(o Look) bool { return o.Source == x.Source && o.State == x.State }) {
			g.r.Looked = append(g.r.Looked, x)
		}
	}
}

func (g *gatherer) cause(c *diagnosis.Cause, at time.Time) Cause {
	out := Cause{ID: c.ID, Title: g.redact("causes", c.Title), Service: c.Service, Node: c.Node, Confidence: c.Confidence, Grade: c.Grade.String(), Why: g.redact("causes", c.Why),
		EffectOf: c.EffectOf, At: at.UTC(), Evidence: g.proofs(c.Evidence), Against: g.proofs(c.Against), Next: []string{}}
	for _, s := range c.Next {
		out.Next = append(out.Next, s.Text)
	}
	return out
}

func (g *gatherer) proofs(list []diagnosis.Proof) []Proof {
	out := []Proof{}
	for _, p := range list {
		out = append(out, Proof{g.redact("causes", p.Text), p.Source, p.Query})
	}
	return out
}

// Causes are what the diagnosis holds to be behind what is wrong with some services now, those about the services themselves first; nil where
// it names none or cannot look.
func (k *Desk) Causes(ctx context.Context, services []string) []Cause {
	if k.Doctor == nil || len(services) == 0 {
		return nil
	}
	g := newGatherer(k)
	now := k.Deck.Now()
	if err := g.open(Asked{Services: services, Since: now.Add(-lookBack), Until: now}); err != nil {
		return nil
	}
	var wg sync.WaitGroup
	for _, s := range g.r.Services {
		wg.Go(func() { g.investigate(ctx, s) })
	}
	wg.Wait()
	for _, s := range g.r.Services {
		g.addCauses(s)
	}
	g.sortCauses()
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		c.Evidence, c.Against = c.Evidence[:min(len(c.Evidence), maxProofs)], c.Against[:min(len(c.Against), maxProofs)]
	}
	return g.r.Causes
}

// maxProofs bounds what is kept of one cause with an incident.
const maxProofs = 6

// words are a cause as a title.
func (c *Cause) words() string {
	if c.Service != "" && !strings.Contains(c.Title, c.Service) {
		return c.Service + ": " + c.Title
	}
	return c.Title
}

// sortCauses puts what is about the services themselves first, effects behind what they follow from, then the surest.
func (g *gatherer) sortCauses() {
	slices.SortStableFunc(g.r.Causes, func(a, b Cause) int {
		return cmp.Or(compareBool(a.EffectOf != "", b.EffectOf != ""), compareBool(!g.about(a.Service), !g.about(b.Service)), cmp.Compare(b.Confidence, a.Confidence))
	})
}

// keptCauses are those that were kept when the incident was declared.
func (g *gatherer) keptCauses() {
	if g.x == nil {
		return
	}
	for i := range g.x.Entries {
		for _, c := range g.x.Entries[i].causes {
			c.Evidence, c.Against, c.Next = append([]Proof{}, c.Evidence...), append([]Proof{}, c.Against...), append([]string{}, c.Next...)
			g.r.Causes = append(g.r.Causes, c)
		}
	}
}
