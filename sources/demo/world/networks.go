package world

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// dnsName is swarmkit's rule for the names of services and networks, a DNS name's component.
var dnsName = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)

const badName = "name must be valid as a DNS name component"

func isName(name string) bool { return len(name) <= 63 && dnsName.MatchString(name) }

// firstFree is the third byte of the first subnet that is given to a network made from outside.
const firstFree = 16

// CreateNetwork makes an overlay network with a subnet of its own and returns its id.
func (w *World) CreateNetwork(spec swarm.NetworkSpec) (string, error) {
	defer w.order()()
	switch name := spec.Name; {
	case !isName(name):
		return "", refused("InvalidArgument", ErrInvalid, badName)
	case slices.ContainsFunc(w.networks, func(n swarm.Network) bool { return n.Spec.Name == name }):
		return "", fmt.Errorf("network with name %s already exists: %w", name, ErrConflict)
	}
	subnet, err := w.freeSubnet()
	if err != nil {
		return "", err
	}
	n := swarm.Network{ID: w.nextID(), Spec: spec}
	if n.Spec.Labels == nil {
		n.Spec.Labels = map[string]string{}
	}
	n.CreatedAt = w.now().UTC()
	n.IPAMOptions = &swarm.IPAMOptions{Driver: swarm.Driver{Name: "default"}, Configs: []swarm.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}}
	n.DriverState = swarm.Driver{Name: "overlay", Options: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": itoa(4096 + int(subnet.Addr().As4()[2]))}}
	w.bump(&n.Meta)
	w.networks = append(slices.Clone(w.networks), n)
	w.event(events.NetworkEventType, events.ActionCreate, n.ID, map[string]string{"name": n.Spec.Name})
	return n.ID, nil
}

// freeSubnet is one that no network has.
func (w *World) freeSubnet() (netip.Prefix, error) {
	for i := firstFree; i < 200; i++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24)
		if !slices.ContainsFunc(w.networks, func(n swarm.Network) bool {
			return n.IPAMOptions != nil && len(n.IPAMOptions.Configs) > 0 && n.IPAMOptions.Configs[0].Subnet.Overlaps(p)
		}) {
			return p, nil
		}
	}
	return netip.Prefix{}, refused("FailedPrecondition", ErrInvalid, "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")
}

// RemoveNetwork takes away a network that no service is on. As in swarmkit, tasks of a service that was removed do not count, though they may still be ending.
func (w *World) RemoveNetwork(ref string) error {
	defer w.order()()
	i := slices.IndexFunc(w.networks, func(n swarm.Network) bool { return n.ID == ref || n.Spec.Name == ref })
	if i < 0 {
		i = slices.IndexFunc(w.networks, func(n swarm.Network) bool { return ref != "" && strings.HasPrefix(n.ID, ref) })
	}
	if i < 0 {
		return fmt.Errorf("network %s %w", ref, ErrNotFound)
	}
	n := w.networks[i]
	if n.Spec.Ingress {
		for _, s := range w.sorted() {
			if slices.ContainsFunc(s.Endpoint.Ports, func(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeIngress }) {
				return refused("FailedPrecondition", ErrInvalid, "ingress network cannot be removed because service %s depends on it", s.ID)
			}
		}
	}
	for _, s := range w.sorted() {
		if attached(&s.Spec, n.ID) || attached(&s.Spec, n.Spec.Name) {
			return refused("FailedPrecondition", ErrInvalid, "network %s is in use by service %s", n.ID, s.ID)
		}
	}
	w.networks = slices.Delete(slices.Clone(w.networks), i, i+1)
	w.event(events.NetworkEventType, events.ActionRemove, n.ID, map[string]string{"name": n.Spec.Name})
	return nil
}

// resolveNetworks writes the ids of networks in place of their names, as the engine does before the swarm has the spec.
func (w *World) resolveNetworks(spec *swarm.ServiceSpec) error {
	if len(spec.TaskTemplate.Networks) == 0 {
		return nil
	}
	out := slices.Clone(spec.TaskTemplate.Networks)
	for i := range out {
		at := slices.IndexFunc(w.networks, func(n swarm.Network) bool { return n.ID == out[i].Target || n.Spec.Name == out[i].Target })
		if at < 0 {
			return fmt.Errorf("network %s %w", out[i].Target, ErrNotFound)
		}
		out[i].Target = w.networks[at].ID
	}
	spec.TaskTemplate.Networks = out
	return nil
}
