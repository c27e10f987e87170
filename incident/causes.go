package incident

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/fleet"
)

// reportWaits is how long a report waits for the sources of the diagnosis: nobody looks at a screen that it holds up.
const reportWaits = 15 * time.Second

// investigate asks the diagnosis how things stood when the incident was declared, or at the report's end.
func (g *gatherer) investigate(ctx context.Context, service string, within time.Duration) {
	if g.Doctor == nil {
		return
	}
	at := g.r.Until
	if g.x != nil {
		at = g.x.Started.At
	}
	r, err := g.Doctor.Investigate(ctx, diagnosis.Question{Service: service, At: at, Within: within}, nil)
	if err != nil {
		if errors.Is(err, diagnosis.ErrNoService) { // said already
			return
		}
		g.gap("diagnosis", strings.TrimSpace("causes of what is wrong with "+orElse(service, "the fleet")), why(err))
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
	if !c.Since.IsZero() {
		since := c.Since.UTC()
		out.Since = &since
	}
	for _, p := range c.Evidence {
		if d := p.Change; d != nil && out.Change == nil {
			out.Change = &Deploy{Service: c.Service, At: d.At.UTC(), Run: d.Run, Actor: d.Actor, How: "named by the cause", Fields: g.fields(c.Service, d.Fields)}
		}
	}
	for _, s := range c.Next {
		out.Next = append(out.Next, s.Text)
		out.Steps = append(out.Steps, Step{s.Text, s.Action, s.On})
	}
	return out
}

// proofs are pieces of evidence without credentials. Of those that say the same but for figures and ids the first stands for all.
func (g *gatherer) proofs(list []diagnosis.Proof) []Proof {
	out := []Proof{}
	kinds := map[string]int{}
	for _, p := range list {
		x := Proof{Text: g.redact("causes", p.Text), Source: p.Source, Query: p.Query}
		if !p.At.IsZero() {
			at := p.At.UTC()
			x.At = &at
		}
		if p.Source == fleet.LokiName && x.At != nil && slices.ContainsFunc(out, func(o Proof) bool {
			return o.Source == p.Source && o.Query == p.Query && o.At != nil && o.At.Equal(*x.At)
		}) {
			continue // the same lines, told of in other words
		}
		kind := p.Source + "\x00" + alike(x.Text)
		if i, ok := kinds[kind]; ok {
			out[i].More++
			continue
		}
		kinds[kind] = len(out)
		out = append(out, x)
	}
	return out
}

// varying is what differs between two sentences or lines that say the same: figures, ids, the path of a request.
var varying = regexp.MustCompile(`(?:path|url|uri)=\S+|[0-9a-f]*[0-9][0-9a-f.:TZ-]*\w*`)

// alike is a text without what varies.
func alike(text string) string { return varying.ReplaceAllString(text, "#") }

// asked are what the diagnosis is asked about: each service, or "", all at once, where the incident is a node's.
func (g *gatherer) asked() []string {
	if len(g.r.Services) == 0 || len(g.r.Nodes) > 0 {
		return []string{""}
	}
	return g.r.Services
}

// Causes are what the diagnosis holds to be behind what is wrong with some services now, those about the services themselves first; no services:
// with all. nil where it names none or cannot look.
func (k *Desk) Causes(ctx context.Context, services []string) []Cause {
	if k.Doctor == nil {
		return nil
	}
	g := newGatherer(k)
	now := k.Deck.Now()
	if err := g.open(Asked{Services: services, Since: now.Add(-lookBack), Until: now}); err != nil {
		return nil
	}
	asked := g.asked()
	var wg sync.WaitGroup
	for _, s := range asked {
		wg.Go(func() { g.investigate(ctx, s, 0) })
	}
	wg.Wait()
	for _, s := range asked {
		g.addCauses(s)
	}
	g.sortCauses()
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		c.Evidence, c.Against = c.Evidence[:min(len(c.Evidence), maxProofs)], c.Against[:min(len(c.Against), maxProofs)]
	}
	return g.r.Causes
}

// sure tells whether the cause is an explicit signature, believed, no effect of another, and known since when.
func (c *Cause) sure() bool {
	return c.Grade == diagnosis.Signature.String() && c.Confidence >= diagnosis.Confident && c.EffectOf == "" && c.Since != nil
}

// origin is what tells of a cause first, and what proves it.
func (c *Cause) origin() (source, query string) {
	for _, p := range c.Evidence {
		if p.Query != "" {
			return p.Source, p.Query
		}
	}
	return "diagnosis", "quarterdeck investigate " + c.Service
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

// ownBonus is by how much a cause about the incident's own services may be less sure than one about another, and stand before it.
const ownBonus = 0.1

// sortCauses puts effects behind what they follow from, then the surest first, those about the services themselves before others that are as sure.
func (g *gatherer) sortCauses() {
	weight := func(c *Cause) float64 {
		if c.Service != "" && g.about(c.Service) {
			return c.Confidence + ownBonus
		}
		return c.Confidence
	}
	slices.SortStableFunc(g.r.Causes, func(a, b Cause) int {
		return cmp.Or(compareBool(a.EffectOf != "", b.EffectOf != ""), cmp.Compare(weight(&b), weight(&a)))
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
