package actions

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// PartKind is what a part of a stack is.
type PartKind string

// The parts of a stack beside its services.
const (
	PartNetwork PartKind = "network"
	PartConfig  PartKind = "config"
	PartSecret  PartKind = "secret"
	PartLabel   PartKind = "label" // of a node
)

// StackChange is what a plan makes of a stack beside its services or, where that is taken back, removes.
type StackChange struct {
	Stack string
	// Remove: the parts are taken away, after the services; else they are made, before them.
	Remove bool
	Parts  []StackPart
	// Needs are what nobody has given: the plan is refused for them.
	Needs []StackNeed
}

// StackPart is a network, a config, a secret or the label of a node.
type StackPart struct {
	Kind PartKind
	Name string // of a label KEY=VALUE
	// Node is the one that has the label; "" for all else.
	Node string
	// ID is of one that is there.
	ID       string
	network  sources.NetworkSpec
	material sources.Material
	nodeID   string
}

// About is what the part is, in a few words.
func (x *StackPart) About() string {
	switch {
	case x.Kind == PartLabel:
		return fmt.Sprintf("label %s of the node %s", x.Name, x.Node)
	case x.Kind == PartSecret: // not even its length is told
		return "secret " + x.Name
	case x.Kind == PartConfig:
		return fmt.Sprintf("config %s, %d bytes", x.Name, len(x.material.Data))
	case x.network.Internal:
		return "overlay network " + x.Name + ", internal"
	}
	return "overlay network " + x.Name
}

// PlanApply plans to make what is missing of a stack and to change what differs from its files. What runs under the stack's name and is in no file is left
// alone, and so is what is in the way without being the stack's: the plan is refused then. It is refused as well for what the stack needs and nobody has given, and has that in
// Stack.Needs.
func (d *Deck) PlanApply(ctx context.Context, want *sources.Stack, given Given) (*Plan, error) {
	snap, err := d.Ready(ctx)
	if err != nil {
		return nil, err
	}
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	a := applying{d: d, want: want, given: given, key: key, plan: &Plan{Action: Apply, Harm: Serious, Stack: &StackChange{Stack: want.Name}}, nodes: slices.Clone(snap.Nodes), images: map[string]sources.Image{}}
	if a.running, err = d.Hands.ServiceStates(ctx); err != nil {
		return nil, err
	}
	if a.known, err = d.namesNow(ctx); err != nil {
		return nil, err
	}
	if err := a.parts(ctx); err != nil {
		return nil, err
	}
	a.secrets()
	a.labels()
	a.room = fleet.RoomOf(&fleet.Snapshot{Nodes: a.nodes, Services: snap.Services})
	groups := groupsOf(want.Services)
	for i := range want.Services {
		if err := a.service(ctx, &want.Services[i], groups[want.Services[i].Name]); err != nil {
			return nil, err
		}
	}
	a.others()
	if len(want.Ignored) > 0 {
		a.plan.warn("a swarm has no use for these fields of the files: %s", strings.Join(want.Ignored, ", "))
	}
	p := a.plan
	p.packGroups()
	switch {
	case len(a.refused) > 0:
		p.Refused = strings.Join(a.refused, "; ")
	case len(p.Changes) == 0 && len(p.Stack.Parts) == 0:
		p.Nothing = "the stack " + want.Name + " runs as its files say"
	}
	return d.finish(p), nil
}

// applying is a plan of a stack in the making.
type applying struct {
	d       *Deck
	want    *sources.Stack
	given   Given
	key     []byte
	plan    *Plan
	running []sources.ServiceState
	known   *swarmNames
	room    *fleet.Room
	nodes   []fleet.Node
	images  map[string]sources.Image // by reference
	refused []string
}

func (a *applying) refuse(format string, args ...any) {
	a.refused = append(a.refused, fmt.Sprintf(format, args...))
}

// parts plans the networks and configs that are missing.
func (a *applying) parts(ctx context.Context) error {
	for _, n := range a.want.Networks {
		have, there := a.known.networks[n.Name]
		switch {
		case !there:
			a.add(StackPart{Kind: PartNetwork, Name: n.Name, network: n})
		case !n.Shared && have.Stack != a.want.Name:
			a.refuse("the network %s is there and is not of the stack %s: rename it, or remove it", n.Name, a.want.Name)
		}
	}
	for _, c := range a.want.Configs {
		if a.known.materials[sources.Config][c.Name] == "" {
			a.add(StackPart{Kind: PartConfig, Name: c.Name, material: c})
			continue
		}
		have, err := a.d.Bench.ReadConfig(ctx, c.Name)
		if err != nil {
			return err
		}
		if !bytes.Equal(have.Data, c.Data) {
			a.refuse("the config %s is there and holds something else: remove it, or give the file's another name", c.Name)
		}
	}
	return nil
}

// service plans one service of the stack.
func (a *applying) service(ctx context.Context, want *sources.ServiceState, group int) error {
	file := a.known.named(want.Spec)
	at := slices.IndexFunc(a.running, func(s sources.ServiceState) bool { return s.Name == want.Name })
	if at < 0 {
		return a.missing(ctx, want, file, group)
	}
	st := &a.running[at]
	switch {
	case st.Stack != a.want.Name:
		a.refuse("%s runs already and is not of the stack %s: rename it, or remove it", st.Name, a.want.Name)
		return nil
	case st.Spec.ModeName() != file.ModeName():
		a.refuse("%s runs as %s and the file has it %s, which the swarm changes of no service: remove it first", st.Name, st.Spec.ModeName(), file.ModeName())
		return nil
	}
	fields := sources.FileDiff(st.Spec, file)
	if len(fields) == 0 {
		return nil
	}
	after := st.Spec.Changed(fields)
	if after.Image() != st.Spec.Image() {
		var err error
		if after, err = a.pinned(ctx, want.Name, after); err != nil {
			return err
		}
	}
	c := a.d.change(st, after, a.key)
	c.Group = group
	a.plan.Changes = append(a.plan.Changes, c)
	a.d.rolloutWarnings(a.plan, &st.Service, &c)
	switch st.UpdateState {
	case "updating":
		a.plan.warn("%s: an update is on its way and will be overtaken", st.Name)
	case "paused", "rollback_paused":
		a.plan.warn("%s: its update is paused (%s): this begins a new one", st.Name, orWords(st.UpdateMessage, st.UpdateState))
	}
	if n, replicated := after.Replicas(); replicated && n == 0 {
		a.plan.raise(Grave, "")
	}
	return nil
}

// missing plans a service that is not there.
func (a *applying) missing(ctx context.Context, want *sources.ServiceState, file sources.Spec, group int) error {
	if why := a.noPlace(want); why != "" && !a.needsLabel(want) {
		a.refuse("%s has no place: %s", want.Name, why)
		return nil
	}
	after, err := a.pinned(ctx, want.Name, file)
	if err != nil {
		return err
	}
	a.plan.Changes = append(a.plan.Changes, Change{Service: want.Name, Stack: a.want.Name, Make: true, After: after, Fields: sources.Diff(sources.Spec{}, after.Masked(a.key)), Policy: want.Update, Group: group})
	return nil
}

// noPlace tells why no node would run any task of a new service; where some would, but not all, the plan is told.
func (a *applying) noPlace(want *sources.ServiceState) string {
	s := want.Service
	s.ID = want.Name // it has none yet, and is not to be taken for another that has none
	n := s.Desired
	if s.Mode == sources.Global {
		n = 1
	}
	placed, why := a.room.Place(&s, n)
	switch {
	case placed == n:
		return ""
	case placed > 0:
		a.plan.warn("%s: %d of its %d replicas have no place now: %s", want.Name, n-placed, n, why)
		return ""
	}
	return why
}

// needsLabel tells whether the plan was refused already because a label is missing that the service asks for.
func (a *applying) needsLabel(want *sources.ServiceState) bool {
	return slices.ContainsFunc(want.Constraints, func(c string) bool {
		return slices.ContainsFunc(a.plan.Stack.Needs, func(n StackNeed) bool { return n.Kind == PartLabel && n.Name == labelWanted(c) })
	})
}

// pinned is a spec whose image has the digest that its registry has now. An image that has one keeps it.
func (a *applying) pinned(ctx context.Context, service string, s sources.Spec) (sources.Spec, error) {
	ref := s.Image()
	if strings.Contains(ref, "@") {
		return s, nil
	}
	image, known := a.images[ref]
	if !known {
		var err error
		if image, err = a.d.resolveImage(ctx, ref); err != nil {
			return s, fmt.Errorf("%s is not applied, because its image's digest could not be resolved: %w", service, err)
		}
		a.images[ref] = image
	}
	return s.WithImage(image.Pinned(), image.Platforms), nil
}

// others tells of what runs under the stack's name and is in no file.
func (a *applying) others() {
	for i := range a.running {
		s := &a.running[i]
		if s.Stack == a.want.Name && !slices.ContainsFunc(a.want.Services, func(w sources.ServiceState) bool { return w.Name == s.Name }) {
			a.plan.warn("%s is of the stack and in none of its files: it is left alone", s.Name)
		}
	}
}

// swarmNames are the ids of what services refer to.
type swarmNames struct {
	networks  map[string]sources.Network                 // by name
	materials map[sources.MaterialKind]map[string]string // ids by name
}

// namesNow reads them.
func (d *Deck) namesNow(ctx context.Context) (*swarmNames, error) {
	networks, err := d.Bench.Networks(ctx)
	if err != nil {
		return nil, err
	}
	out := &swarmNames{networks: map[string]sources.Network{}, materials: map[sources.MaterialKind]map[string]string{}}
	for _, n := range networks {
		out.networks[n.Name] = n
	}
	for _, kind := range []sources.MaterialKind{sources.Secret, sources.Config} {
		list, err := d.Hands.Materials(ctx, kind)
		if err != nil {
			return nil, err
		}
		out.materials[kind] = map[string]string{}
		for i := range list {
			out.materials[kind][list[i].Name] = list[i].ID
		}
	}
	return out, nil
}

// named is a spec with the ids of what it refers to by name. What is not there yet stays by its name, and a config or secret has pendingID.
func (k *swarmNames) named(s sources.Spec) sources.Spec {
	for _, target := range s.NetworkTargets() {
		if n, ok := k.networks[target]; ok {
			s = s.WithNetwork(target, n.ID)
		}
	}
	for _, kind := range []sources.MaterialKind{sources.Secret, sources.Config} {
		for _, ref := range s.Materials(kind) {
			s, _ = s.WithMaterial(kind, ref.Name, orWords(k.materials[kind][ref.Name], pendingID), ref.Name)
		}
	}
	return s
}
