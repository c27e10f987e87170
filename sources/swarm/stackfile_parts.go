package swarm

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
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
	return stackOf(stack, stackDir{path: "/"}, files, func(file string) ([]byte, error) {
		data, ok := others[path.Base(file)]
		if !ok {
			return nil, errors.New("its contents are not known here")
		}
		return data, nil
	})
}

// maxStackFile bounds a stack file and each file that it refers to, in bytes: a config has 1,000 KiB at most (swarmkit, manager/controlapi/config.go, MaxConfigSize).
const maxStackFile = 1 << 20

// StackFrom is the same of stack files of this machine, which are merged in their order: what they refer to is read beside the first of them, and variables are of env,
// as the docker command takes them from its environment.
func StackFrom(stack string, env map[string]string, files ...string) (*sources.Stack, error) {
	var bodies [][]byte
	for _, f := range files {
		body, err := readBounded(f)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	dir, err := filepath.Abs(filepath.Dir(files[0]))
	if err != nil {
		return nil, err
	}
	return stackOf(stack, stackDir{dir, env}, bodies, readBounded)
}

func readBounded(file string) ([]byte, error) { return sources.ReadFile(file, maxStackFile) }

func stackOf(stack string, dir stackDir, files [][]byte, read func(file string) ([]byte, error)) (*sources.Stack, error) {
	c, ignored, err := loadStack(stack, dir, files)
	if err != nil {
		return nil, err
	}
	out := &sources.Stack{Name: stack, Ignored: ignored}
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
		if out.Configs, err = materialOf(stack, "config", k, compose.FileObjectConfig(c.Configs[k]), read, out.Configs); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c.Secrets)) {
		if out.Secrets, err = materialOf(stack, "secret", k, compose.FileObjectConfig(c.Secrets[k]), read, out.Secrets); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// materialOf adds a config or a secret whose contents are in a file. One that the files call external is in the swarm, or is not.
func materialOf(stack, kind, key string, x compose.FileObjectConfig, read func(file string) ([]byte, error), to []sources.Material) ([]sources.Material, error) {
	if x.External.External {
		return to, nil
	}
	if x.TemplateDriver != "" || x.Driver != "" {
		return nil, fmt.Errorf("the %s %s of the stack %s: drivers are not known here", kind, key, stack)
	}
	data, err := read(x.File)
	if err != nil {
		return nil, fmt.Errorf("the %s %s of the stack %s: %w", kind, key, stack, err)
	}
	return append(to, sources.Material{Name: named(stack, key, x.Name), Labels: labelled(stack, x.Labels), Data: data}), nil
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
