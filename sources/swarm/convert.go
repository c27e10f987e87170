package swarm

import (
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/cespare/xxhash/v2"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
)

// stackLabel is put on everything by `docker stack deploy`.
const stackLabel = "com.docker.stack.namespace"

// generation names a task template. Placement is left out, as the orchestrator leaves it out: tasks whose node still
// satisfies new constraints are not replaced (swarmkit, orchestrator.IsTaskDirty). The lab test compares it with the
// manager's own verdict (the task filter _up-to-date).
func generation(spec *swarm.TaskSpec) string {
	s := *spec
	s.Placement = nil
	if s.Runtime == swarm.RuntimeContainer { // the engine adds it to services and leaves it out of tasks
		s.Runtime = ""
	}
	raw, err := json.Marshal(&s)
	if err != nil { // plain data: cannot be; "" means unknown to the fleet
		return ""
	}
	return strconv.FormatUint(xxhash.Sum64(raw), 16)
}

// shared keeps one copy of a string that thousands of tasks repeat.
func shared(s string) string { return unique.Make(s).Value() }

func toTask(t *swarm.Task) sources.Task {
	out := sources.Task{
		ID: t.ID, ServiceID: shared(t.ServiceID), NodeID: shared(t.NodeID), Slot: t.Slot,
		Generation: shared(generation(&t.Spec)),
		State:      sources.TaskState(shared(string(t.Status.State))), Desired: sources.TaskState(shared(string(t.DesiredState))),
		Message: shared(t.Status.Message), Err: t.Status.Err,
		Created: t.CreatedAt, Since: t.Status.Timestamp,
	}
	if t.Spec.ContainerSpec != nil {
		out.Image = shared(t.Spec.ContainerSpec.Image)
	}
	if s := t.Status.ContainerStatus; s != nil {
		out.ExitCode, out.Container, out.PID = s.ExitCode, s.ContainerID, s.PID
	}
	if t.JobIteration != nil {
		out.JobIteration = t.JobIteration.Index
	}
	return out
}

func toService(s *swarm.Service) sources.Service {
	spec := &s.Spec
	out := sources.Service{
		ID: s.ID, Name: spec.Name, Stack: spec.Labels[stackLabel], Labels: spec.Labels,
		Generation: shared(generation(&spec.TaskTemplate)), Version: s.Version.Index, Created: s.CreatedAt, Updated: s.UpdatedAt,
	}
	out.Mode, out.Desired = modeOf(&spec.Mode)
	if p := s.PreviousSpec; p != nil && p.Mode.Replicated != nil {
		_, out.DesiredBefore = modeOf(&p.Mode)
	}
	out.Changed = changedWords(s.PreviousSpec, spec)
	if s.JobStatus != nil {
		out.JobIteration = s.JobStatus.JobIteration.Index
	}
	if u := s.UpdateStatus; u != nil {
		out.UpdateState, out.UpdateMessage = string(u.State), u.Message
		out.UpdateStarted, out.UpdateCompleted = valueOf(u.StartedAt), valueOf(u.CompletedAt)
	}
	out.Update = updatePolicy(spec.UpdateConfig)
	out.Ports = portsOf(s)
	for _, v := range s.Endpoint.VirtualIPs {
		if v.Addr.IsValid() {
			out.VIPs = append(out.VIPs, v.Addr.Addr().String())
		}
	}
	fillTemplate(&out, &spec.TaskTemplate)
	return out
}

func modeOf(m *swarm.ServiceMode) (sources.Mode, int) {
	switch {
	case m.Global != nil:
		return sources.Global, 0
	case m.ReplicatedJob != nil:
		n := valueOf(m.ReplicatedJob.TotalCompletions)
		if m.ReplicatedJob.TotalCompletions == nil {
			if n = valueOf(m.ReplicatedJob.MaxConcurrent); n == 0 {
				n = 1
			}
		}
		return sources.ReplicatedJob, int(n)
	case m.GlobalJob != nil:
		return sources.GlobalJob, 0
	case m.Replicated != nil && m.Replicated.Replicas != nil:
		return sources.Replicated, int(*m.Replicated.Replicas)
	}
	return sources.Replicated, 1 // the engine's default
}

func updatePolicy(u *swarm.UpdateConfig) sources.UpdatePolicy {
	if u == nil { // the engine's defaults (docker service create --help)
		return sources.UpdatePolicy{Order: "stop-first", FailureAction: "pause", Parallelism: 1, Monitor: 5 * time.Second}
	}
	return sources.UpdatePolicy{
		Order: orElse(string(u.Order), "stop-first"), FailureAction: orElse(string(u.FailureAction), "pause"),
		Parallelism: int(u.Parallelism), Delay: u.Delay, Monitor: u.Monitor, MaxFailure: float64(u.MaxFailureRatio),
	}
}

func restartPolicy(r *swarm.RestartPolicy) sources.RestartPolicy {
	if r == nil {
		return sources.RestartPolicy{Condition: "any", Delay: 5 * time.Second}
	}
	return sources.RestartPolicy{Condition: orElse(string(r.Condition), "any"), Delay: valueOf(r.Delay),
		MaxAttempts: int(valueOf(r.MaxAttempts)), Window: valueOf(r.Window)}
}

// fillTemplate takes over what the task template says. Of env values and secrets only names are taken.
func fillTemplate(out *sources.Service, t *swarm.TaskSpec) {
	out.Restart = restartPolicy(t.RestartPolicy)
	if r := t.Resources; r != nil {
		if r.Limits != nil {
			out.Resources.LimitNanoCPUs, out.Resources.LimitBytes, out.Resources.LimitPIDs = r.Limits.NanoCPUs, r.Limits.MemoryBytes, r.Limits.Pids
		}
		if r.Reservations != nil {
			out.Resources.ReserveNanoCPUs, out.Resources.ReserveBytes = r.Reservations.NanoCPUs, r.Reservations.MemoryBytes
		}
	}
	if p := t.Placement; p != nil {
		out.Constraints, out.MaxPerNode = p.Constraints, int(p.MaxReplicas)
		for _, x := range p.Preferences {
			if x.Spread != nil {
				out.Preferences = append(out.Preferences, x.Spread.SpreadDescriptor)
			}
		}
		for _, f := range p.Platforms {
			out.Platforms = append(out.Platforms, f.OS+"/"+f.Architecture)
		}
	}
	for _, n := range t.Networks {
		out.Networks = append(out.Networks, n.Target)
	}
	if t.LogDriver != nil {
		out.LogDriver = t.LogDriver.Name
	}
	if t.ContainerSpec != nil {
		fillContainer(out, t.ContainerSpec)
	}
}

func fillContainer(out *sources.Service, c *swarm.ContainerSpec) {
	out.Image, out.Digest = splitDigest(c.Image)
	for _, kv := range c.Env {
		key, _, _ := strings.Cut(kv, "=")
		out.EnvNames = append(out.EnvNames, key)
	}
	for _, s := range c.Secrets {
		if s != nil {
			out.Secrets = append(out.Secrets, s.SecretName)
		}
	}
	for _, s := range c.Configs {
		if s != nil {
			out.Configs = append(out.Configs, s.ConfigName)
		}
	}
	for _, m := range c.Mounts {
		out.Mounts = append(out.Mounts, sources.Mount{Type: string(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	if h := c.Healthcheck; h != nil && len(h.Test) > 0 {
		switch h.Test[0] {
		case "NONE":
			out.Healthcheck = "none"
		case "CMD", "CMD-SHELL":
			out.Healthcheck = strings.Join(h.Test[1:], " ")
		default:
			out.Healthcheck = strings.Join(h.Test, " ")
		}
	}
}

func portsOf(s *swarm.Service) []sources.Port {
	ports := s.Endpoint.Ports // with the numbers that the swarm chose
	if len(ports) == 0 && s.Spec.EndpointSpec != nil {
		ports = s.Spec.EndpointSpec.Ports
	}
	var out []sources.Port
	for _, p := range ports {
		out = append(out, sources.Port{Protocol: string(p.Protocol), Target: int(p.TargetPort), Published: int(p.PublishedPort), Mode: string(p.PublishMode)})
	}
	return out
}

// splitDigest parts "name:tag@sha256:…".
func splitDigest(image string) (ref, digest string) {
	ref, digest, _ = strings.Cut(image, "@")
	return ref, digest
}

func toNode(n *swarm.Node) sources.Node {
	out := sources.Node{
		ID: n.ID, Name: n.Description.Hostname, Role: string(n.Spec.Role), State: string(n.Status.State), Message: n.Status.Message,
		Availability: string(n.Spec.Availability), Addr: n.Status.Addr, Engine: n.Description.Engine.EngineVersion,
		OS: n.Description.Platform.OS, Arch: n.Description.Platform.Architecture,
		NanoCPUs: n.Description.Resources.NanoCPUs, MemoryBytes: n.Description.Resources.MemoryBytes,
		Labels: n.Spec.Labels, EngineLabels: n.Description.Engine.Labels, Created: n.CreatedAt, Updated: n.UpdatedAt,
	}
	if m := n.ManagerStatus; m != nil {
		out.Leader, out.Reachability = m.Leader, string(m.Reachability)
		if host, _, err := net.SplitHostPort(m.Addr); err == nil && (out.Addr == "" || out.Addr == "0.0.0.0" || out.Addr == "127.0.0.1") {
			out.Addr = host // a manager does not know its own address from the outside
		}
	}
	for _, p := range n.Description.Engine.Plugins {
		out.Plugins = append(out.Plugins, p.Type+"/"+p.Name)
	}
	slices.Sort(out.Plugins)
	return out
}

func toNetwork(n *network.Summary) sources.Network {
	out := sources.Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Scope: n.Scope, Stack: n.Labels[stackLabel],
		Ingress: n.Ingress, Attachable: n.Attachable, Internal: n.Internal, Created: n.Created, Labels: n.Labels}
	for _, c := range n.IPAM.Config {
		if c.Subnet.IsValid() {
			out.Subnets = append(out.Subnets, c.Subnet.String())
		}
	}
	return out
}

func toSecret(s *swarm.Secret) sources.Reference {
	return sources.Reference{ID: s.ID, Name: s.Spec.Name, Stack: s.Spec.Labels[stackLabel], Created: s.CreatedAt, Updated: s.UpdatedAt, Labels: s.Spec.Labels}
}

// toConfig leaves the config's data behind, which the engine does send.
func toConfig(s *swarm.Config) sources.Reference {
	return sources.Reference{ID: s.ID, Name: s.Spec.Name, Stack: s.Spec.Labels[stackLabel], Created: s.CreatedAt, Updated: s.UpdatedAt, Labels: s.Spec.Labels}
}

func toEvent(m *events.Message) sources.Event {
	e := sources.Event{Type: string(m.Type), Action: string(m.Action), ID: m.Actor.ID, Name: m.Actor.Attributes["name"], Attrs: m.Actor.Attributes}
	switch {
	case m.TimeNano != 0:
		e.Time = time.Unix(0, m.TimeNano)
	case m.Time != 0:
		e.Time = time.Unix(m.Time, 0)
	}
	return e
}

func valueOf[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
