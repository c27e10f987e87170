package actions

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// runbookLabel is the team's own page about a service.
const runbookLabel = "qd.runbook"

// RunbookOptions choose what a runbook is about.
type RunbookOptions struct {
	Services []string // none: all
	Stack    string   // "": all
}

func (o *RunbookOptions) wants(service, stack string) bool {
	return (len(o.Services) == 0 || slices.Contains(o.Services, service)) && (o.Stack == "" || o.Stack == stack)
}

// Runbook writes down how services are brought back: from the swarm's labels and the object store's records, or from the records alone where the swarm is gone.
func (d *Deck) Runbook(ctx context.Context, o RunbookOptions) (*recovery.Runbook, error) {
	s := &recovery.Sheet{Now: d.Now(), Context: d.Policy.Context, Of: strings.Join(o.Services, ", "), Store: d.Recovery.Store, Image: d.Recovery.Image, Repository: orWords(d.Recovery.Repository, DefaultRepository)}
	if o.Stack != "" {
		s.Of = strings.TrimSuffix("stack "+o.Stack+", "+s.Of, ", ")
	}
	contents, storeErr := d.contents(ctx)
	states, swarmErr := d.Hands.ServiceStates(ctx)
	switch {
	case swarmErr != nil && storeErr != nil:
		return nil, swarmErr
	case swarmErr != nil:
		s.NoSwarm = swarmErr.Error()
		s.Services = recovery.FromRecords(contents, s.Now, func(r *recovery.Recoverable) []recovery.Step { return restoreSteps(&r.Coverage, r.Stack, 1) })
	default:
		if storeErr != nil {
			s.NoStore = storeErr.Error()
		}
		d.fillSheet(s, states, contents, storeErr)
	}
	s.Services = slices.DeleteFunc(s.Services, func(r recovery.Recoverable) bool { return !o.wants(r.Service, r.Stack) })
	if len(o.Services) > 0 {
		for _, name := range o.Services {
			if !slices.ContainsFunc(s.Services, func(r recovery.Recoverable) bool { return r.Service == name }) && !slices.ContainsFunc(s.Uncovered, func(c recovery.Coverage) bool { return c.Service == name }) {
				return nil, d.noRunbook(name, states)
			}
		}
	}
	stackOf := map[string]string{}
	for i := range states {
		stackOf[states[i].Name] = states[i].Stack
	}
	s.Uncovered = slices.DeleteFunc(s.Uncovered, func(c recovery.Coverage) bool {
		if c.Service != "" {
			return !o.wants(c.Service, stackOf[c.Service])
		}
		return !slices.ContainsFunc(c.Mounts, func(name string) bool { return o.wants(name, stackOf[name]) })
	})
	s.Days = lastDays(s.Services, contents)
	return recovery.MakeRunbook(s, contents), nil
}

// noRunbook says why a service that was named has none.
func (d *Deck) noRunbook(name string, states []sources.ServiceState) error {
	i := slices.IndexFunc(states, func(s sources.ServiceState) bool { return s.Name == name })
	if i < 0 {
		return &sources.Error{Source: "backups", Kind: sources.BadQuestion, Op: "write the runbook of " + name, Next: "see `quarterdeck status` and `quarterdeck snapshots` for the names there are"}
	}
	p := recovery.ParsePolicy(&states[i].Service)
	return &Refusal{name + ": " + orWords(p.Why(), "it has nothing that could be brought back")}
}

// contents are the object store's records.
func (d *Deck) contents(ctx context.Context) (*recovery.Contents, error) {
	if d.Objects == nil {
		return nil, noObjects("read the catalogue")
	}
	d.mu.Lock()
	if d.catalogue == nil {
		d.catalogue = &recovery.Catalogue{Objects: d.Objects}
	}
	catalogue := d.catalogue
	d.mu.Unlock()
	return catalogue.Read(ctx)
}

// fillSheet takes what the swarm says of its services.
func (d *Deck) fillSheet(s *recovery.Sheet, states []sources.ServiceState, contents *recovery.Contents, storeErr error) {
	byName := map[string]*sources.ServiceState{}
	for i := range states {
		byName[states[i].Name] = &states[i]
	}
	needs := needsOf(states)
	for _, c := range coverOf(states, contents, storeErr, s.Now) {
		st := byName[c.Service]
		switch {
		case c.State == recovery.CoverExempt || c.By != "":
		case st == nil || !c.Policy.Declared:
			s.Uncovered = append(s.Uncovered, c)
		default:
			replicas, _ := st.Spec.Replicas()
			r := recovery.Recoverable{Coverage: c, Stack: st.Stack, Place: st.Constraints, Link: st.Labels[runbookLabel], Steps: restoreSteps(&c, st.Stack, max(replicas, 1))}
			for _, n := range needs[c.Service] {
				r.Needs = append(r.Needs, n.Service)
			}
			s.Services = append(s.Services, r)
		}
	}
	names := map[string][]string{}
	for service, list := range needs {
		for _, n := range list {
			names[service] = append(names[service], n.Service)
		}
	}
	depth := depths(names)
	slices.SortStableFunc(s.Services, func(a, b recovery.Recoverable) int {
		return cmp.Or(depth[a.Service]-depth[b.Service], strings.Compare(a.Stack, b.Stack), strings.Compare(a.Service, b.Service))
	})
}

// coverOf holds services against what was saved.
func coverOf(states []sources.ServiceState, contents *recovery.Contents, storeErr error, now time.Time) []recovery.Coverage {
	snap := &fleet.Snapshot{Sources: []sources.Status{{Name: fleet.BackupsName, State: sources.Live}}}
	if storeErr != nil {
		snap.Sources[0] = sources.Status{Name: fleet.BackupsName, State: sources.StateOf(storeErr), Detail: storeErr.Error()}
	}
	for i := range states {
		snap.Services = append(snap.Services, &fleet.Service{Service: states[i].Service})
	}
	return recovery.Cover(snap, contents, now)
}

// restoreSteps are the steps of a restore of the newest snapshot of a service, as they are planned while its server answers.
func restoreSteps(c *recovery.Coverage, stack string, replicas uint64) []recovery.Step {
	if c.Newest == nil {
		return nil
	}
	p := &Plan{Action: Restore, Recovery: &RecoveryChange{Service: c.Service, Stack: stack, Policy: c.Policy, Snapshot: c.Newest, Replicas: replicas, Alive: true}}
	var out []recovery.Step
	for _, s := range p.Steps() {
		out = append(out, recovery.Step{Name: s.Name, Kind: s.kind()})
	}
	return out
}

// lastDays are the last DR days of the stacks that the services are of.
func lastDays(services []recovery.Recoverable, contents *recovery.Contents) []recovery.Day {
	var out []recovery.Day
	if contents == nil {
		return nil
	}
	for i := range services {
		days := contents.Days[services[i].Stack]
		if len(days) > 0 && !slices.ContainsFunc(out, func(x recovery.Day) bool { return x.Stack == days[0].Stack }) {
			out = append(out, days[0].Completed(contents))
		}
	}
	return out
}
