package swarm

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	compose "github.com/docker/cli/cli/compose/types"
	"github.com/moby/moby/api/types/mount"

	"quarterdeck/sources"
)

// defaultNetwork is the network of the services that name none.
const defaultNetwork = "default"

// StackOf gives all that `docker stack deploy` would make of stack files: services, networks, and the configs whose contents others has by the names
// that the files have for them. A network that the files call external is shared, and made attachable where it is missing: what is to be on it is not
// for one stack to say.
func StackOf(stack string, others map[string][]byte, files ...[]byte) (*sources.Stack, error) {
	c, err := loadStack(stack, files)
	if err != nil {
		return nil, err
	}
	out := &sources.Stack{Name: stack}
	if out.Services, err = servicesOf(stack, c); err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for i := range c.Services {
		for k := range networksOf(&c.Services[i]) {
			used[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(used)) {
		n, err := networkSpecOf(stack, k, c.Networks[k])
		if err != nil {
			return nil, err
		}
		out.Networks = append(out.Networks, n)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Configs)) {
		x := c.Configs[k]
		if x.External.External {
			continue
		}
		data, ok := others[path.Base(x.File)]
		if !ok || x.TemplateDriver != "" || x.Driver != "" {
			return nil, fmt.Errorf("the config %s of the stack %s: its contents are not known here", k, stack)
		}
		out.Configs = append(out.Configs, sources.Material{Name: named(stack, k, x.Name), Labels: labelled(stack, x.Labels), Data: data})
	}
	for k, x := range c.Secrets {
		if !x.External.External {
			return nil, fmt.Errorf("the secret %s of the stack %s: only secrets that are in the swarm already are taken", k, stack)
		}
	}
	return out, nil
}

// labelled are labels with the stack's own.
func labelled(stack string, labels map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	out[stackLabel] = stack
	return out
}

// networksOf are the networks that a service is on.
func networksOf(s *compose.ServiceConfig) map[string]*compose.ServiceNetworkConfig {
	if len(s.Networks) == 0 {
		return map[string]*compose.ServiceNetworkConfig{defaultNetwork: nil}
	}
	return s.Networks
}

func networkSpecOf(stack, key string, n compose.NetworkConfig) (out sources.NetworkSpec, err error) {
	out.Name = named(stack, key, n.Name)
	switch {
	case n.External.External:
		out.Shared, out.Attachable = true, true
	case n.Driver != "" && n.Driver != "overlay", n.Ipam.Driver != "", len(n.Ipam.Config) > 0:
		err = fmt.Errorf("the network %s of the stack %s: only overlay networks whose addresses the swarm chooses are made", key, stack)
	default:
		out.Labels, out.Options, out.Attachable, out.Internal = labelled(stack, n.Labels), n.DriverOpts, n.Attachable, n.Internal
	}
	return out, err
}

// mountOf is what a service mounts.
func mountOf(stack string, v *compose.ServiceVolumeConfig, c *compose.Config) (mount.Mount, error) {
	m := mount.Mount{Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
	switch {
	case v.Consistency != "", v.Bind != nil, v.Volume != nil, v.Tmpfs != nil, v.Cluster != nil, v.Image != nil:
		return m, errors.New("it has options of a mount that are not known here: at " + v.Target)
	case v.Type == "bind" || v.Type == "tmpfs":
		return m, nil
	case v.Type != "volume":
		return m, errors.New("it has a mount of a kind that is not known here: " + v.Type)
	case v.Source == "":
		return m, nil
	}
	of := c.Volumes[v.Source]
	m.Source = named(stack, v.Source, of.Name)
	m.VolumeOptions = &mount.VolumeOptions{}
	if of.External.External {
		return m, nil
	}
	m.VolumeOptions.Labels = labelled(stack, of.Labels)
	if of.Driver != "" || of.DriverOpts != nil {
		m.VolumeOptions.DriverConfig = &mount.Driver{Name: of.Driver, Options: of.DriverOpts}
	}
	return m, nil
}
