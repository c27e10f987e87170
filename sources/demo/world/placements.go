package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

func constraintUnsatisfied(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "batch_worker", "shop_cart")
	if err != nil {
		return err
	}
	const constraint = "node.labels.gpu==true"
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			p := placementOf(spec)
			p.Constraints = append(p.Constraints, constraint)
		},
		func(spec *swarm.ServiceSpec) bool {
			return slices.Contains(constraintsOf(&spec.TaskTemplate), constraint) && !slices.ContainsFunc(w.nodes, func(n *Node) bool { return meets(n, []string{constraint}) })
		},
		func(spec, before *swarm.ServiceSpec) { spec.TaskTemplate.Placement = before.TaskTemplate.Placement })
}

func placementOf(spec *swarm.ServiceSpec) *swarm.Placement {
	if spec.TaskTemplate.Placement == nil {
		spec.TaskTemplate.Placement = &swarm.Placement{}
	}
	return spec.TaskTemplate.Placement
}

func insufficientResources(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "shop_cart", "batch_worker")
	if err != nil {
		return err
	}
	var largest int64
	for _, n := range w.nodes {
		largest = max(largest, n.Description.Resources.MemoryBytes)
	}
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			r := spec.TaskTemplate.Resources
			if r == nil {
				r = &swarm.ResourceRequirements{}
			}
			if r.Reservations == nil {
				r.Reservations = &swarm.Resources{}
			}
			if r.Limits == nil {
				r.Limits = &swarm.Limit{}
			}
			r.Reservations.MemoryBytes, r.Limits.MemoryBytes = largest, largest // more than a node that runs anything has left
			spec.TaskTemplate.Resources = r
		},
		func(spec *swarm.ServiceSpec) bool {
			_, mem := reserved(&spec.TaskTemplate)
			return mem >= largest
		},
		func(spec, before *swarm.ServiceSpec) { spec.TaskTemplate.Resources = before.TaskTemplate.Resources })
}

func portConflict(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "shop_cart", "batch_worker")
	if err != nil {
		return err
	}
	const port = 8080 // platform_agent's
	conflicts := func(spec *swarm.ServiceSpec) bool {
		return spec.EndpointSpec != nil && slices.ContainsFunc(spec.EndpointSpec.Ports, func(p swarm.PortConfig) bool {
			return p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort == port
		})
	}
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			if spec.EndpointSpec == nil {
				spec.EndpointSpec = &swarm.EndpointSpec{}
			}
			spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, swarm.PortConfig{Protocol: network.TCP, TargetPort: port, PublishedPort: port, PublishMode: swarm.PortConfigPublishModeHost})
			if w.big { // no agent holds it there: it takes more replicas than nodes
				more := uint64(len(w.nodes)) + 2
				spec.Mode.Replicated.Replicas = &more
			}
		},
		conflicts,
		func(spec, before *swarm.ServiceSpec) {
			spec.EndpointSpec, spec.Mode = before.EndpointSpec, before.Mode
		})
}

// spare is a node that can be lost: the last that is there and is no manager of the demo's.
func (w *World) spare() (*Node, error) {
	for _, n := range slices.Backward(w.nodes) {
		if n.ordinal >= w.managers && n.Status.State == swarm.NodeStateReady {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no node is left that could be lost: %w", ErrInvalid)
}

func nodeDown(w *World, in *incident) error { return w.without(in, w.killNode) }

func nodePaused(w *World, in *incident) error { return w.without(in, w.freezeNode) }

func (w *World) without(in *incident, lose func(name string) error) error {
	n, err := w.spare()
	if err != nil {
		return err
	}
	name := n.Description.Hostname
	in.over = func() bool { return n.Status.State == swarm.NodeStateReady }
	in.undo = append(in.undo, func() {
		if err := w.reviveNode(name); err != nil {
			w.log.Warn("revive", "node", name, "err", err)
		}
	})
	return lose(name)
}

// labelChanged takes off the label by which a service has its node.
func labelChanged(w *World, in *incident) error {
	pinned := func(s *Service) bool { return runs(s) && labelOf(s) != "" }
	if w.big { // none is, of the stateless kinds: one is made so that has been, as far as anybody can tell
		s, err := w.subject(&incident{}, stopsFirst)
		if err != nil {
			return err
		}
		w.pin(s)
	}
	s, err := w.subject(in, pinned, "shop_store")
	if err != nil {
		return err
	}
	label, kept := labelOf(s), map[*Node]string{}
	for _, n := range w.nodes {
		if v, there := n.Spec.Labels[label]; there && meets(n, constraintsOf(&s.Spec.TaskTemplate)) {
			kept[n] = v
			spec := n.Spec
			spec.Labels = maps.Clone(spec.Labels)
			delete(spec.Labels, label)
			w.changeNode(n, spec)
		}
	}
	in.over = func() bool {
		return w.services[s.ID] != s || slices.ContainsFunc(w.nodes, func(n *Node) bool { return meets(n, constraintsOf(&s.Spec.TaskTemplate)) })
	}
	in.undo = append(in.undo, func() {
		for _, n := range w.nodes {
			if v, ours := kept[n]; ours && n.Spec.Labels[label] == "" {
				spec := n.Spec
				spec.Labels = maps.Clone(spec.Labels)
				spec.Labels[label] = v
				w.changeNode(n, spec)
			}
		}
	})
	return nil
}

// labelOf is the node label that a service's tasks must find, or "".
func labelOf(s *Service) string {
	for _, c := range constraintsOf(&s.Spec.TaskTemplate) {
		if key, _, equal := strings.Cut(c, "=="); equal {
			if label, is := strings.CutPrefix(strings.TrimSpace(key), "node.labels."); is {
				return label
			}
		}
	}
	return ""
}

// pin gives a service of a generated fleet a constraint that it has always had, and all nodes the label that it asks for.
func (w *World) pin(s *Service) {
	for _, n := range w.nodes {
		n.Spec.Labels = maps.Clone(n.Spec.Labels)
		n.Spec.Labels["tier"] = "front"
	}
	spec := cloned(&s.Spec)
	p := placementOf(&spec)
	p.Constraints = append(p.Constraints, "node.labels.tier==front")
	w.rewrite(s, spec)
}

// rewrite gives a service a spec as if it had never had another one: its tasks are of it and no update begins.
func (w *World) rewrite(s *Service, spec swarm.ServiceSpec) {
	s.Spec = spec
	s.Endpoint = endpointOf(w, &spec)
	s.known = nil
	w.bump(&s.Meta)
	for _, name := range s.slotNames() {
		for _, t := range s.slots[name] {
			if t.spec == s.gen {
				t.Spec = spec.TaskTemplate
				w.bump(&t.Meta)
			}
		}
	}
}
