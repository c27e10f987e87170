package swarm

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

func TestChangedWords(t *testing.T) {
	spec := func(change func(*swarm.ServiceSpec)) *swarm.ServiceSpec {
		two := uint64(2)
		s := &swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}}}
		s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "shop/cart:1@sha256:aa", Env: []string{"LEVEL=info", "TOKEN=hunter2"}, Args: []string{"--key=hunter2"}}
		change(s)
		return s
	}
	none := uint64(0)
	for want, change := range map[string]func(*swarm.ServiceSpec){
		"":                                   func(*swarm.ServiceSpec) {},
		"replicas 2 → 0":                     func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &none },
		"image shop/cart:1 → shop/cart:2":    func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "shop/cart:2@sha256:bb" },
		"image shop/cart:1 has a new digest": func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "shop/cart:1@sha256:bb" },
		"env TOKEN changed":                  func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"LEVEL=info", "TOKEN=hunter3"} },
		"env TOKEN taken away":               func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"LEVEL=info"} },
		"command changed":                    func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"--key=hunter3"} },
		"constraint node.labels.ssd==true added": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.ssd==true"}}
		},
		"memory limit none → 64MiB": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 64 << 20}}
		},
		"started anew by force, no setting was changed": func(s *swarm.ServiceSpec) { s.TaskTemplate.ForceUpdate = 1 },
	} {
		got := changedWords(spec(func(*swarm.ServiceSpec) {}), spec(change))
		if got != want || strings.Contains(got, "hunter") {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if got := changedWords(nil, spec(func(*swarm.ServiceSpec) {})); got != "" {
		t.Errorf("without a spec before it: %q", got)
	}
}
