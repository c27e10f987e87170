package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/compose/loader"
	compose "github.com/docker/cli/cli/compose/types"
	"github.com/docker/cli/opts"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
)

// ReadStack gives the services that `docker stack deploy` would make of stack files, which are merged in their order, with nothing in its
// environment. They are read by its own loader. What this program does not take over from a file is an error, so that nothing is missed in
// silence; ids are not known, so that references to secrets, configs and networks have names alone.
func ReadStack(stack string, files ...[]byte) ([]sources.ServiceState, error) {
	c, _, err := loadStack(stack, stackDir{path: "/"}, files)
	if err != nil {
		return nil, err
	}
	return servicesOf(stack, c)
}

// stackDir is where stack files are: the directory that their paths begin at, and the environment that their variables are of.
type stackDir struct {
	path string
	env  map[string]string
}

// loadStack reads stack files by the loader of the docker command, and gives the fields that it would pass over.
func loadStack(stack string, dir stackDir, files [][]byte) (c *compose.Config, ignored []string, err error) {
	details := compose.ConfigDetails{WorkingDir: dir.path, Environment: dir.env}
	if dir.env == nil {
		details.Environment = map[string]string{}
	}
	var all []map[string]any
	for i, body := range files {
		dict, err := loader.ParseYAML(body)
		if err != nil {
			return nil, nil, fmt.Errorf("stack file %d of %s: %w", i+1, stack, err)
		}
		all = append(all, dict)
		details.ConfigFiles = append(details.ConfigFiles, compose.ConfigFile{Filename: fmt.Sprint(stack, " ", i+1), Config: dict})
	}
	if c, err = loader.Load(details); err != nil {
		return nil, nil, fmt.Errorf("the stack %s: %w", stack, err)
	}
	ignored = append(loader.GetUnsupportedProperties(all...), slices.Sorted(maps.Keys(loader.GetDeprecatedProperties(all...)))...)
	ignored = slices.DeleteFunc(ignored, func(f string) bool { return f == "restart" }) // it is taken where the deployment has no policy
	if slices.ContainsFunc(c.Services, func(s compose.ServiceConfig) bool { return len(s.DependsOn) > 0 }) {
		ignored = append(ignored, "depends_on")
	}
	return c, ignored, nil
}

func servicesOf(stack string, c *compose.Config) ([]sources.ServiceState, error) {
	var out []sources.ServiceState
	for i := range c.Services {
		v := swarm.Service{}
		var err error
		if v.Spec, err = specOfService(stack, &c.Services[i], c); err != nil {
			return nil, fmt.Errorf("the service %s of the stack %s: %w", c.Services[i].Name, stack, err)
		}
		raw, err := json.Marshal(v.Spec)
		if err != nil {
			return nil, err
		}
		state, err := (&rawService{Spec: raw}).state(&v)
		if err != nil {
			return nil, err
		}
		out = append(out, state)
	}
	slices.SortFunc(out, func(a, b sources.ServiceState) int { return strings.Compare(a.Name, b.Name) }) // the loader has them from a map
	return out, nil
}

// specOfService is the spec of a service as the docker command makes it (docker/cli, cli/compose/convert: that package imports the docker command's own
// commands, and with them the orchestrator's module and what they send of themselves, so that it is not linked in).
func specOfService(stack string, s *compose.ServiceConfig, c *compose.Config) (out swarm.ServiceSpec, err error) {
	if err := unknownToUs(*s); err != nil {
		return out, err
	}
	d := &s.Deploy
	out.Name, out.Labels = stack+"_"+s.Name, map[string]string{stackLabel: stack, "com.docker.stack.image": s.Image}
	for k, v := range d.Labels {
		out.Labels[k] = v
	}
	out.Mode.Replicated = &swarm.ReplicatedService{Replicas: d.Replicas}
	if d.Mode == "global" {
		out.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	}
	out.UpdateConfig, out.RollbackConfig = updateOf(d.UpdateConfig), updateOf(d.RollbackConfig)
	out.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionMode(d.EndpointMode)}
	for _, p := range s.Ports { // what is left out is as the engine takes it, so that it is no difference to what runs
		out.EndpointSpec.Ports = append(out.EndpointSpec.Ports, swarm.PortConfig{Protocol: network.IPProtocol(orElse(p.Protocol, "tcp")), TargetPort: p.Target, PublishedPort: p.Published,
			PublishMode: swarm.PortConfigPublishMode(orElse(p.Mode, "ingress"))})
	}
	t := &out.TaskTemplate
	t.ContainerSpec = &swarm.ContainerSpec{Image: s.Image, Command: s.Entrypoint, Args: s.Command, Hostname: s.Hostname, StopGracePeriod: compose.ConvertDurationPtr(s.StopGracePeriod), Labels: labelled(stack, s.Labels),
		Dir: s.WorkingDir, User: s.User, StopSignal: s.StopSignal, TTY: s.Tty, OpenStdin: s.StdinOpen, ReadOnly: s.ReadOnly, Init: s.Init, Sysctls: s.Sysctls, Hosts: hostsOf(s.ExtraHosts), Ulimits: ulimitsOf(s.Ulimits)}
	t.ContainerSpec.CapabilityAdd, t.ContainerSpec.CapabilityDrop = opts.EffectiveCapAddCapDrop(s.CapAdd, s.CapDrop)
	t.ContainerSpec.Healthcheck = healthOf(s.HealthCheck)
	if s.Logging != nil {
		t.LogDriver = &swarm.Driver{Name: s.Logging.Driver, Options: s.Logging.Options}
	}
	for k, v := range s.Environment {
		if v != nil {
			k += "=" + *v
		}
		t.ContainerSpec.Env = append(t.ContainerSpec.Env, k)
	}
	slices.Sort(t.ContainerSpec.Env)
	if err := declared(s, c); err != nil {
		return out, err
	}
	for _, x := range s.Secrets {
		f := fileOf(compose.FileReferenceConfig(x), "")
		t.ContainerSpec.Secrets = append(t.ContainerSpec.Secrets, &swarm.SecretReference{SecretName: named(stack, x.Source, c.Secrets[x.Source].Name), File: (*swarm.SecretReferenceFileTarget)(&f)})
	}
	for _, x := range s.Configs {
		f := fileOf(compose.FileReferenceConfig(x), "/")
		t.ContainerSpec.Configs = append(t.ContainerSpec.Configs, &swarm.ConfigReference{ConfigName: named(stack, x.Source, c.Configs[x.Source].Name), File: (*swarm.ConfigReferenceFileTarget)(&f)})
	}
	for i := range s.Volumes {
		m, err := mountOf(stack, &s.Volumes[i], c)
		if err != nil {
			return out, err
		}
		t.ContainerSpec.Mounts = append(t.ContainerSpec.Mounts, m)
	}
	for k, n := range networksOf(s) {
		a := swarm.NetworkAttachmentConfig{Target: named(stack, k, c.Networks[k].Name), Aliases: []string{s.Name}}
		if n != nil {
			a.Aliases = append(slices.Clone(n.Aliases), s.Name)
		}
		t.Networks = append(t.Networks, a)
	}
	slices.SortFunc(t.Networks, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
	t.Placement = &swarm.Placement{Constraints: d.Placement.Constraints, MaxReplicas: d.Placement.MaxReplicas}
	for _, p := range d.Placement.Preferences {
		t.Placement.Preferences = append(t.Placement.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: p.Spread}})
	}
	if t.RestartPolicy, err = restartOf(s.Restart, d.RestartPolicy); err != nil {
		return out, err
	}
	t.Resources, err = resourcesOf(&d.Resources)
	return out, err
}

// declared refuses what a service refers to and the file does not have.
func declared(s *compose.ServiceConfig, c *compose.Config) error {
	for _, x := range s.Secrets {
		if _, ok := c.Secrets[x.Source]; !ok {
			return fmt.Errorf("the file has no secret %q", x.Source)
		}
	}
	for _, x := range s.Configs {
		if _, ok := c.Configs[x.Source]; !ok {
			return fmt.Errorf("the file has no config %q", x.Source)
		}
	}
	for _, v := range s.Volumes {
		if _, ok := c.Volumes[v.Source]; !ok && v.Type == "volume" && v.Source != "" {
			return fmt.Errorf("the file has no volume %q", v.Source)
		}
	}
	for k := range s.Networks {
		if _, ok := c.Networks[k]; !ok && k != defaultNetwork {
			return fmt.Errorf("the file has no network %q", k)
		}
	}
	return nil
}

// unknownToUs says which fields of a service are set that specOfService does not take over.
func unknownToUs(s compose.ServiceConfig) error {
	s.Name, s.Image, s.Entrypoint, s.Command, s.Hostname, s.StopGracePeriod, s.HealthCheck, s.Environment = "", "", nil, nil, "", nil, nil, nil
	s.Secrets, s.Configs, s.Volumes, s.Networks, s.Ports, s.Logging, s.Deploy = nil, nil, nil, nil, nil, nil, compose.DeployConfig{}
	s.Labels, s.WorkingDir, s.User, s.StopSignal, s.Tty, s.StdinOpen, s.ReadOnly, s.Init, s.Sysctls, s.ExtraHosts, s.Ulimits, s.CapAdd, s.CapDrop = nil, "", "", "", false, false, false, nil, nil, nil, nil, nil, nil
	s.EnvFile = nil // the loader has put what is in them into the environment
	// What a swarm has no use for, as loader.GetUnsupportedProperties has it: docker stack deploy passes over it with a word.
	s.Build, s.CgroupNSMode, s.CgroupParent, s.Devices, s.DomainName, s.ExternalLinks, s.Ipc, s.Links, s.MacAddress, s.NetworkMode, s.Pid, s.Privileged, s.Restart, s.SecurityOpt, s.ShmSize, s.UserNSMode, s.DependsOn, s.ContainerName, s.Expose = compose.BuildConfig{}, "", "", nil, "", nil, "", nil, "", "", "", false, "", nil, "", "", nil, "", nil
	rest, err := json.Marshal(s)
	if err != nil {
		return err
	}
	empty, err := json.Marshal(compose.ServiceConfig{})
	if err != nil {
		return err
	}
	if string(rest) != string(empty) {
		return errors.New("it has more fields than are known here: " + string(rest))
	}
	return nil
}

// named is what the swarm calls a thing of a stack: its own name where the file gives one, else with the stack's before it.
func named(stack, key, name string) string {
	if name != "" || key == "" {
		return name
	}
	return stack + "_" + key
}

// filed is where a secret or a config is seen in the container: both references have this shape.
type filed struct {
	Name, UID, GID string
	Mode           fs.FileMode
}

func fileOf(x compose.FileReferenceConfig, below string) filed {
	out := filed{x.Target, "0", "0", 0o444}
	if out.Name == "" {
		out.Name = path.Join(below, x.Source)
	}
	if x.UID != "" {
		out.UID = x.UID
	}
	if x.GID != "" {
		out.GID = x.GID
	}
	if x.Mode != nil {
		out.Mode = fs.FileMode(*x.Mode)
	}
	return out
}

func healthOf(h *compose.HealthCheckConfig) *container.HealthConfig {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	span := func(d *compose.Duration) time.Duration {
		if d == nil {
			return 0
		}
		return time.Duration(*d)
	}
	out := &container.HealthConfig{Test: h.Test, Interval: span(h.Interval), Timeout: span(h.Timeout), StartPeriod: span(h.StartPeriod), StartInterval: span(h.StartInterval)}
	if h.Retries != nil {
		out.Retries = int(*h.Retries)
	}
	return out
}

// restartOf is the restart policy: that of the deployment or, where it has none, what stands for a container of no swarm.
func restartOf(restart string, r *compose.RestartPolicy) (*swarm.RestartPolicy, error) {
	if r != nil {
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyCondition(r.Condition), Delay: compose.ConvertDurationPtr(r.Delay), MaxAttempts: r.MaxAttempts, Window: compose.ConvertDurationPtr(r.Window)}, nil
	}
	p, err := opts.ParseRestartPolicy(restart)
	switch {
	case err != nil || p.IsNone():
		return nil, err
	case p.IsOnFailure():
		attempts := uint64(p.MaximumRetryCount)
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure, MaxAttempts: &attempts}, nil
	}
	if !p.IsAlways() && !p.IsUnlessStopped() {
		return nil, fmt.Errorf("restart: %q is none of no, always, on-failure and unless-stopped", restart)
	}
	return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny}, nil
}

// hostsOf turns HOST:ADDRESS into what the engine takes, ADDRESS HOST.
func hostsOf(extra []string) []string {
	var out []string
	for _, x := range extra {
		host, address, _ := strings.Cut(x, ":")
		out = append(out, address+" "+host)
	}
	return out
}

func ulimitsOf(m map[string]*compose.UlimitsConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for _, k := range slices.Sorted(maps.Keys(m)) {
		soft, hard := m[k].Soft, m[k].Hard
		if m[k].Single != 0 {
			soft, hard = m[k].Single, m[k].Single
		}
		out = append(out, &container.Ulimit{Name: k, Soft: int64(soft), Hard: int64(hard)})
	}
	return out
}

func updateOf(u *compose.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	out := &swarm.UpdateConfig{Parallelism: 1, Delay: time.Duration(u.Delay), FailureAction: swarm.FailureAction(u.FailureAction), Monitor: time.Duration(u.Monitor), MaxFailureRatio: u.MaxFailureRatio, Order: swarm.UpdateOrder(u.Order)}
	if u.Parallelism != nil {
		out.Parallelism = *u.Parallelism
	}
	return out
}

func resourcesOf(r *compose.Resources) (*swarm.ResourceRequirements, error) {
	out := &swarm.ResourceRequirements{}
	cpus := func(text string) (int64, error) {
		if text == "" {
			return 0, nil
		}
		return opts.ParseCPUs(text)
	}
	if l := r.Limits; l != nil {
		n, err := cpus(l.NanoCPUs)
		if err != nil {
			return nil, err
		}
		out.Limits = &swarm.Limit{NanoCPUs: n, MemoryBytes: int64(l.MemoryBytes), Pids: l.Pids}
	}
	if l := r.Reservations; l != nil {
		n, err := cpus(l.NanoCPUs)
		if err != nil {
			return nil, err
		}
		out.Reservations = &swarm.Resources{NanoCPUs: n, MemoryBytes: int64(l.MemoryBytes)}
	}
	return out, nil
}
