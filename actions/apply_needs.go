package actions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Given is what a stack needs and its files do not have. The zero value gives nothing: what is missing is then named in the plan.
type Given struct {
	// Secrets are the values of secrets that are missing, by their names. They are never shown or written down.
	Secrets map[string][]byte
	// Labels are the nodes, by name or id, that are to have labels that no node has, by KEY=VALUE.
	Labels map[string]string
	// On is the node for those that are not in Labels; "": none.
	On string
}

// StackNeed is something that a stack needs and that nobody has given.
type StackNeed struct {
	Kind PartKind // PartSecret or PartLabel
	// Name is the secret's, or the label's KEY=VALUE.
	Name string
	// Text is what it is.
	Text string
}

// secrets plans those that are missing with the values that were given, and refuses the plan where there is none.
func (a *applying) secrets() {
	asked := map[string]bool{}
	for i := range a.want.Services {
		for _, x := range a.want.Services[i].Spec.Materials(sources.Secret) {
			if asked[x.Name] || a.known.materials[sources.Secret][x.Name] != "" {
				continue
			}
			asked[x.Name] = true
			holds := orWords(a.want.Holds[x.Name], "its value is in no file")
			m := sources.Material{Name: x.Name}
			value, given := a.given.Secrets[x.Name]
			if at := slices.IndexFunc(a.want.Secrets, func(m sources.Material) bool { return m.Name == x.Name }); at >= 0 && !given {
				m, value, given = a.want.Secrets[at], a.want.Secrets[at].Data, true
			}
			switch {
			case !given:
				a.need(StackNeed{PartSecret, x.Name, holds}, "the secret %s is missing (%s): docker secret create %s -", x.Name, holds, x.Name)
			case len(value) == 0 || len(value) > MaxSecret:
				a.refuse("the value given for the secret %s has %d bytes: a secret has 1 to %d", x.Name, len(value), MaxSecret)
			default:
				m.Data = value
				a.add(StackPart{Kind: PartSecret, Name: x.Name, material: m})
			}
		}
	}
}

// labels plans the labels that services ask for and no node has, on the nodes that were named. The services' places are looked for with them.
func (a *applying) labels() {
	for i := range a.want.Services {
		if slices.ContainsFunc(a.running, func(s sources.ServiceState) bool { return s.Name == a.want.Services[i].Name }) {
			continue // it is there, wherever it runs
		}
		for _, c := range a.want.Services[i].Constraints {
			label := labelWanted(c)
			key, value, _ := strings.Cut(label, "=")
			if label == "" || slices.ContainsFunc(a.nodes, func(n fleet.Node) bool { return n.Labels[key] == value }) {
				continue
			}
			on := orWords(a.given.Labels[label], a.given.On)
			at := slices.IndexFunc(a.nodes, func(n fleet.Node) bool { return on != "" && (n.Name == on || n.ID == on) })
			switch {
			case on == "":
				if !slices.ContainsFunc(a.plan.Stack.Needs, func(n StackNeed) bool { return n.Name == label }) {
					a.need(StackNeed{PartLabel, label, "where " + a.want.Services[i].Name + " runs"}, "%s has no place: no node has the label %s: docker node update --label-add %s NODE", a.want.Services[i].Name, label, label)
				}
			case at < 0:
				a.refuse("there is no node %s for the label %s", on, label)
				return
			default:
				n := &a.nodes[at]
				n.Labels = maps.Clone(n.Labels)
				if n.Labels == nil {
					n.Labels = map[string]string{}
				}
				n.Labels[key] = value
				a.add(StackPart{Kind: PartLabel, Name: label, Node: n.Name, nodeID: n.ID})
			}
		}
	}
}

// labelWanted is the label of a node that a constraint asks for, as KEY=VALUE; "": it asks for none.
func labelWanted(constraint string) string {
	name, value, equal := strings.Cut(strings.ReplaceAll(constraint, " ", ""), "==")
	label, ok := strings.CutPrefix(name, "node.labels.")
	if !ok || !equal {
		return ""
	}
	return label + "=" + value
}

func (a *applying) add(p StackPart) { a.plan.Stack.Parts = append(a.plan.Stack.Parts, p) }

// need refuses the plan for something that could be given.
func (a *applying) need(n StackNeed, format string, args ...any) {
	a.plan.Stack.Needs = append(a.plan.Stack.Needs, n)
	a.refuse(format, args...)
}

// label gives a node the label of a part or, where on is false, takes it away, and gives the node's id. What a node has of that key already, and is not this, is
// somebody else's.
func (r *Running) label(ctx context.Context, x *StackPart, on bool) (id string, err error) {
	key, value, _ := strings.Cut(x.Name, "=")
	to := &value
	if !on {
		to = nil
	}
	err = persist(ctx, func() error {
		for try := 0; ; try++ {
			st, err := r.d.Hands.NodeState(ctx, orWords(x.nodeID, x.Node))
			if err != nil {
				return err
			}
			id = st.ID
			have, there := st.Labels[key]
			switch {
			case there == on && (!on || have == value):
				return nil
			case there && have != value:
				return &Conflict{Service: nodeTarget(x.Node), Changed: []string{fmt.Sprintf("its label %s is %s now", key, have)}}
			}
			err = r.d.Hands.LabelNode(ctx, st.ID, st.Version, key, to)
			if sources.KindOf(err) != sources.Conflict || try >= sequenceTries {
				return err
			}
		}
	})
	return id, err
}

// findLabel is the id of the node that has the label of a part; "": it has it no more.
func (d *Deck) findLabel(ctx context.Context, x *StackPart) (id string, err error) {
	st, err := d.Hands.NodeState(ctx, orWords(x.nodeID, x.Node))
	key, value, _ := strings.Cut(x.Name, "=")
	switch {
	case sources.KindOf(err) == sources.NotFound:
		return "", nil
	case err != nil || st.Labels[key] != value:
		return "", err
	}
	return st.ID, nil
}
