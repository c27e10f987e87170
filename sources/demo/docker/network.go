package docker

import (
	"net/http"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

func networkOf(n *swarm.Network) network.Network {
	out := network.Network{
		Name: n.Spec.Name, ID: n.ID, Created: n.CreatedAt, Scope: "swarm", Driver: "overlay", EnableIPv4: true, Ingress: n.Spec.Ingress, Attachable: n.Spec.Attachable,
		Internal: n.Spec.Internal, Options: n.DriverState.Options, Labels: n.Spec.Labels, IPAM: network.IPAM{Driver: "default"},
	}
	if n.IPAMOptions != nil {
		for _, c := range n.IPAMOptions.Configs {
			out.IPAM.Config = append(out.IPAM.Config, network.IPAMConfig{Subnet: c.Subnet, Gateway: c.Gateway})
		}
	}
	return out
}

func (s *Server) networks(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "name", "label", "driver", "scope", "type", "dangling")
	if err != nil {
		return err
	}
	out := []network.Network{}
	for _, n := range s.w.Networks() {
		if f.starts("id", n.ID) && f.starts("name", n.Spec.Name) && f.labels("label", n.Spec.Labels) && f.is("driver", "overlay") && f.is("scope", "swarm") {
			out = append(out, networkOf(&n))
		}
	}
	return answer(rw, out)
}

func (s *Server) network(rw http.ResponseWriter, r *http.Request) error {
	ref := r.PathValue("id")
	for _, n := range s.w.Networks() {
		if n.ID == ref || n.Spec.Name == ref {
			return answer(rw, network.Inspect{Network: networkOf(&n), Containers: map[string]network.EndpointResource{}})
		}
	}
	return problem{http.StatusNotFound, "network " + ref + " not found"}
}

func (s *Server) createNetwork(rw http.ResponseWriter, r *http.Request) error {
	c, err := readBody[network.CreateRequest](r)
	switch {
	case err != nil:
		return err
	case c.Name == "":
		return problem{http.StatusBadRequest, "invalid network name: name is empty"}
	case c.Driver != "overlay":
		return problem{http.StatusNotImplemented, "the demo's engine makes overlay networks alone"}
	}
	id, err := s.w.CreateNetwork(swarm.NetworkSpec{Annotations: swarm.Annotations{Name: c.Name, Labels: c.Labels}, DriverConfiguration: &swarm.Driver{Name: c.Driver, Options: c.Options}, Internal: c.Internal, Attachable: c.Attachable, Scope: "swarm"})
	if err != nil {
		return err
	}
	return answerStatus(rw, http.StatusCreated, network.CreateResponse{ID: id})
}

func (s *Server) removeNetwork(rw http.ResponseWriter, r *http.Request) error {
	if err := s.w.RemoveNetwork(r.PathValue("id")); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}
