package world

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// roomy is the longest prefix that the demo takes as without end: its fleets share one /24.
const roomy = 24

// address tells whether the allocator has an address for a task in each of its networks. As in swarmkit
// (manager/allocator), a network gives one to its gateway, one to each service with a virtual IP, one to each node with
// tasks of it for the load balancer, and one to each task.
func (w *World) address(t *Task) bool {
	for _, a := range t.Spec.Networks {
		if n := w.network(a.Target); n != nil && n.small() && w.free(n) <= 0 {
			return false
		}
	}
	t.addressed = true
	return true
}

func (w *World) network(id string) *smallNetwork {
	i := slices.IndexFunc(w.networks, func(n swarm.Network) bool { return n.ID == id })
	if i < 0 || w.networks[i].IPAMOptions == nil || len(w.networks[i].IPAMOptions.Configs) == 0 {
		return nil
	}
	return &smallNetwork{id: id, subnet: w.networks[i].IPAMOptions.Configs[0].Subnet}
}

type smallNetwork struct {
	id     string
	subnet netip.Prefix
}

func (n *smallNetwork) small() bool { return n.subnet.Bits() > roomy }

// hosts is the addresses that are for services, tasks and load balancers.
func (n *smallNetwork) hosts() int { return 1<<(32-n.subnet.Bits()) - 3 }

// free is the addresses that are left.
func (w *World) free(n *smallNetwork) int {
	left := n.hosts()
	for _, s := range w.services {
		if !attached(&s.Spec, n.id) {
			continue
		}
		left--
		balancers := map[*Node]bool{}
		for _, tasks := range s.slots {
			for _, t := range tasks {
				if t.addressed && !ended(t.Status.State) {
					left--
					if t.node != nil {
						balancers[t.node] = true
					}
				}
			}
		}
		left -= len(balancers)
	}
	return left
}

func attached(spec *swarm.ServiceSpec, network string) bool {
	return slices.ContainsFunc(spec.TaskTemplate.Networks, func(a swarm.NetworkAttachmentConfig) bool { return a.Target == network })
}

// joinSmall puts a service into a network of its own that has room for its present tasks and hardly more, as if it had
// been there since its founding. detach takes both back.
func (w *World) joinSmall(s *Service) (n *smallNetwork, detach func()) {
	nodes := map[*Node]bool{}
	tasks := w.atWork(s)
	for _, t := range tasks {
		nodes[t.node] = true
	}
	bits := 29
	for n := (smallNetwork{subnet: netip.PrefixFrom(netip.MustParseAddr("10.0.200.0"), bits)}); bits > roomy+1 && n.hosts() < 1+len(nodes)+len(tasks); n.subnet = netip.PrefixFrom(n.subnet.Addr(), bits) {
		bits--
	}
	stack, short, _ := strings.Cut(s.Spec.Name, "_")
	w.turn++
	id := swarmID(w.seed + w.turn)
	subnet := netip.PrefixFrom(netip.MustParseAddr("10.0.200.0"), bits)
	ipam := &swarm.IPAMOptions{Driver: swarm.Driver{Name: "default"}, Configs: []swarm.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}}
	w.index++
	w.networks = append(slices.Clone(w.networks), swarm.Network{
		ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: w.index}, CreatedAt: s.CreatedAt, UpdatedAt: s.CreatedAt},
		Spec:        swarm.NetworkSpec{Annotations: swarm.Annotations{Name: stack + "_" + short + "s", Labels: map[string]string{"com.docker.stack.namespace": stack}}, DriverConfiguration: &swarm.Driver{Name: "overlay"}, IPAMOptions: ipam, Scope: "swarm"},
		DriverState: swarm.Driver{Name: "overlay", Options: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4196"}}, IPAMOptions: ipam,
	})
	spec := cloned(&s.Spec)
	spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: id, Aliases: []string{short}})
	w.rewrite(s, spec)
	for _, t := range tasks {
		t.addressed = true
	}
	return w.network(id), func() {
		gone := func(a swarm.NetworkAttachmentConfig) bool { return a.Target == id }
		spec := cloned(&s.Spec)
		spec.TaskTemplate.Networks = slices.DeleteFunc(spec.TaskTemplate.Networks, gone)
		w.rewrite(s, spec)
		if s.PreviousSpec != nil {
			previous := cloned(s.PreviousSpec)
			previous.TaskTemplate.Networks = slices.DeleteFunc(previous.TaskTemplate.Networks, gone)
			s.PreviousSpec = &previous
		}
		w.networks = slices.DeleteFunc(slices.Clone(w.networks), func(n swarm.Network) bool { return n.ID == id })
	}
}

// fits is how many tasks of its one service a network has room for now, those that run among them.
func (w *World) fits(n *smallNetwork) int {
	had := 0
	for _, s := range w.services {
		if attached(&s.Spec, n.id) {
			had += len(w.atWork(s))
		}
	}
	return had + max(w.free(n), 0)
}
