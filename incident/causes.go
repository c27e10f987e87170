package incident

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// TopCause is what the diagnosis holds to be behind what is wrong with some services, in a few words; "" where it names nothing.
func (k *Desk) TopCause(ctx context.Context, services []string) string {
	if k.Doctor == nil {
		return ""
	}
	var best *diagnosis.Cause
	own := func(c *diagnosis.Cause) bool { return slices.Contains(services, c.Service) }
	for _, s := range services {
		r, err := k.Doctor.Investigate(ctx, diagnosis.Question{Service: s}, nil)
		if err != nil || len(r.Causes) == 0 {
			continue // without a cause the title is made of the state
		}
		for i := range r.Causes {
			if c := &r.Causes[i]; c.EffectOf == "" && (best == nil || !own(best) && own(c) || own(best) == own(c) && c.Confidence > best.Confidence) {
				best = c
			}
		}
	}
	if best == nil {
		return ""
	}
	if best.Service != "" && !strings.Contains(best.Title, best.Service) {
		return best.Service + ": " + best.Title
	}
	return best.Title
}
