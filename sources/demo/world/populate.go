package world

import (
	"cmp"
	"encoding/hex"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// populate makes the platform as it stands when the demo begins, with a past.
func (w *World) populate(services, tasks int) {
	born := w.began.Add(-41 * 24 * time.Hour)
	w.makeCluster(born)
	drafts := platformOf(w.team)
	nodes := 3
	if services > 0 {
		drafts = fleet(services, max(tasks, 0))
		nodes = max(5, min(60, tasks/250))
	}
	w.makeNodes(nodes, born)
	w.makeNetworks(born)
	w.foundCertificates()
	w.foundWords()
	for i := range drafts {
		w.makeReferences(&drafts[i], born)
	}
	for i := range drafts {
		w.found(&drafts[i], born.Add(time.Duration(i)*time.Minute))
	}
	if w.store != nil && !w.big {
		w.foundBackups(born)
	}
	slices.SortStableFunc(w.journal.kept, func(a, b events.Message) int { return cmp.Compare(a.TimeNano, b.TimeNano) })
}

func (w *World) makeCluster(born time.Time) {
	limit := int64(taskHistory)
	snapshots := uint64(0)
	w.cluster = swarm.ClusterInfo{
		ID: swarmID(w.seed + 7), Meta: swarm.Meta{Version: swarm.Version{Index: 10}, CreatedAt: born.UTC(), UpdatedAt: born.UTC()},
		Spec: swarm.Spec{
			Annotations:   swarm.Annotations{Name: "default", Labels: map[string]string{}},
			Orchestration: swarm.OrchestrationConfig{TaskHistoryRetentionLimit: &limit},
			Raft:          swarm.RaftConfig{SnapshotInterval: 10000, KeepOldSnapshots: &snapshots, LogEntriesForSlowFollowers: 500, ElectionTick: 10, HeartbeatTick: 1},
			Dispatcher:    swarm.DispatcherConfig{HeartbeatPeriod: 5 * time.Second},
			CAConfig:      swarm.CAConfig{NodeCertExpiry: 90 * 24 * time.Hour},
		},
		DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, SubnetSize: 24, DataPathPort: 4789,
	}
}

func (w *World) makeNodes(n int, born time.Time) {
	cpus, mem := int64(4e9), int64(8<<30)
	managers := w.managers
	if w.team != nil {
		managers = w.team.Managers()
	}
	if w.big {
		cpus, mem, managers = 32e9, 128<<30, max(managers, 3)
	}
	n = max(n, managers+1) // what must run on a worker can
	for i := range n {
		role, storage := swarm.NodeRoleWorker, "hdd"
		if i < managers {
			role = swarm.NodeRoleManager
		}
		if i == 1 {
			storage = "ssd"
		}
		addr := "10.20.0." + itoa(11+i)
		node := &Node{ordinal: i, Node: swarm.Node{
			ID:   swarmID(w.seed + 1000 + uint64(i)), //nolint:gosec // small
			Meta: swarm.Meta{CreatedAt: born.UTC(), UpdatedAt: born.Add(time.Minute).UTC()},
			Spec: swarm.NodeSpec{
				Annotations: swarm.Annotations{Labels: map[string]string{"storage": storage, "zone": string(rune('a' + i%3)), "qd.price.hour": "0.12"}},
				Role:        role, Availability: swarm.NodeAvailabilityActive,
			},
			Description: swarm.NodeDescription{
				Hostname: "node" + itoa(i+1), Platform: swarm.Platform{Architecture: "x86_64", OS: "linux"},
				Resources: swarm.Resources{NanoCPUs: cpus, MemoryBytes: mem},
				Engine: swarm.EngineDescription{EngineVersion: EngineVersion, Plugins: []swarm.PluginDescription{
					{Type: "Log", Name: "json-file"}, {Type: "Log", Name: "loki:latest"}, {Type: "Network", Name: "bridge"}, {Type: "Network", Name: "overlay"}, {Type: "Volume", Name: "local"},
				}},
			},
			Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: addr},
		}}
		if w.before(4) {
			delete(node.Spec.Labels, "qd.price.hour")
		}
		if role == swarm.NodeRoleManager {
			node.ManagerStatus = &swarm.ManagerStatus{Leader: i == 0, Reachability: swarm.ReachabilityReachable, Addr: addr + ":2377"}
		}
		w.index++
		node.Version.Index = w.index
		w.nodes = append(w.nodes, node)
	}
}

// EngineVersion is the engine that the demo says it is; its API is 1.51.
const EngineVersion = "28.5.2"

func (w *World) makeNetworks(born time.Time) {
	for i, name := range []string{"ingress", "platform_public", "shop_front", "shop_back"} {
		w.index++
		labels := map[string]string{}
		if stack, _, ok := strings.Cut(name, "_"); ok {
			labels["com.docker.stack.namespace"] = stack
		}
		subnet := netip.MustParsePrefix("10.0." + itoa(i) + ".0/24")
		ipam := &swarm.IPAMOptions{Driver: swarm.Driver{Name: "default"}, Configs: []swarm.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}}
		w.networks = append(w.networks, swarm.Network{
			ID: swarmID(w.seed + 2000 + uint64(i)), Meta: swarm.Meta{Version: swarm.Version{Index: w.index}, CreatedAt: born.UTC(), UpdatedAt: born.UTC()}, //nolint:gosec // small
			Spec:        swarm.NetworkSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, DriverConfiguration: &swarm.Driver{Name: "overlay"}, Ingress: i == 0, IPAMOptions: ipam, Scope: "swarm"},
			DriverState: swarm.Driver{Name: "overlay", Options: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": itoa(4096 + i)}}, IPAMOptions: ipam,
		})
	}
}

func (w *World) makeReferences(d *draft, born time.Time) {
	stack := map[string]string{"com.docker.stack.namespace": d.stack}
	for _, name := range d.secrets {
		w.foundMaterial(SecretKind, swarm.Annotations{Name: name, Labels: stack}, nil, born)
	}
	for _, name := range d.configs {
		w.foundMaterial(ConfigKind, swarm.Annotations{Name: name, Labels: stack}, []byte("# written by the demo\n"), born)
	}
}

func (w *World) foundMaterial(kind Kind, a swarm.Annotations, data []byte, born time.Time) {
	w.index++
	m := material{id: swarmID(hashText(a.Name) + w.seed), Annotations: a, data: data, Meta: swarm.Meta{CreatedAt: born.UTC(), UpdatedAt: born.UTC()}}
	m.Version.Index = w.index
	w.materials[kind] = append(w.materials[kind], m)
}

// found makes a service whose tasks have been running for a while.
func (w *World) found(d *draft, born time.Time) {
	s := &Service{Profile: d.profile, slots: map[string][]*Task{}, hash: hashText(d.name) ^ w.seed}
	s.shape = newShape(s.hash)
	s.prevGen, s.gen, s.lastGen = 1, 2, 2
	s.ID = swarmID(s.hash)
	deployed := w.began.Add(-time.Duration(2+unit(mix(s.hash+5))*30) * time.Hour)
	if w.reached(4) { // longer ago than a week, so that what it costs is even
		deployed = deployed.AddDate(0, 0, -10)
	}
	s.CreatedAt = born.UTC()
	s.Spec = w.specOf(d)
	s.founded = d.image
	w.index++
	s.Version.Index, s.UpdatedAt = w.index, deployed.UTC()
	s.Endpoint = endpointOf(w, &s.Spec)
	w.services[s.ID] = s
	w.pastUpdate(s, deployed)
	keys := w.wanted(s)
	if w.reached(2) && s.Spec.Name == "shop_payments" {
		w.foundDeath(s, keys[0], deployed.Add(startedAfter(keys[0])))
	}
	for _, key := range keys {
		w.foundTask(s, key, deployed)
	}
}

// pastUpdate gives a service with an update policy the deploy that it last had.
func (w *World) pastUpdate(s *Service, at time.Time) {
	if w.big || s.Spec.UpdateConfig == nil || !strings.HasPrefix(s.Spec.Name, "shop_") || s.Profile.Kind == "postgres" {
		return
	}
	previous := s.Spec
	body := *s.Spec.TaskTemplate.ContainerSpec
	ref, _, _ := strings.Cut(body.Image, "@")
	old := ref + "-rc1"
	body.Image = old + "@" + digestOf(old)
	previous.TaskTemplate.ContainerSpec = &body
	s.PreviousSpec = &previous
	start, end := at.UTC(), at.Add(31*time.Second).UTC()
	s.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateCompleted, StartedAt: &start, CompletedAt: &end, Message: "update completed"}
	w.eventAt(at, events.ServiceEventType, events.ActionUpdate, "swarm", s.ID, map[string]string{"name": s.Spec.Name, "image.old": body.Image, "image.new": s.Spec.TaskTemplate.ContainerSpec.Image, "updatestate.new": "updating"})
	w.eventAt(end, events.ServiceEventType, events.ActionUpdate, "swarm", s.ID, map[string]string{"name": s.Spec.Name, "updatestate.old": "updating", "updatestate.new": "completed"})
	var placed []*Task
	for _, key := range w.wanted(s) {
		t := w.newTask(s, key)
		placed = append(placed, t)
		t.Spec = previous.TaskTemplate
		t.spec = s.prevGen
		t.CreatedAt = at.Add(-5 * 24 * time.Hour).UTC()
		w.place(t)
		if t.node == nil {
			continue
		}
		w.openBox(t, t.CreatedAt)
		t.box.End = seconds(at.Add(12 * time.Second))
		t.DesiredState = swarm.TaskStateShutdown
		t.Status = swarm.TaskStatus{State: swarm.TaskStateShutdown, Timestamp: at.Add(12 * time.Second).UTC(), Message: "shutdown", ContainerStatus: &swarm.ContainerStatus{ContainerID: t.box.ID}}
	}
	for _, t := range placed {
		w.release(t)
	}
}

func (w *World) foundTask(s *Service, key slotKey, deployed time.Time) {
	t := w.newTask(s, key)
	t.CreatedAt = deployed.UTC()
	w.place(t)
	if t.node == nil {
		t.Status = swarm.TaskStatus{State: swarm.TaskStatePending, Timestamp: deployed.UTC(), Message: "pending task scheduling", Err: w.unplaceable(t)}
		return
	}
	started := deployed.Add(startedAfter(key))
	w.openBox(t, started)
	t.UpdatedAt = started.UTC()
	t.DesiredState = swarm.TaskStateRunning
	t.Status = swarm.TaskStatus{
		State: swarm.TaskStateRunning, Timestamp: started.UTC(), Message: "started",
		ContainerStatus: &swarm.ContainerStatus{ContainerID: t.box.ID, PID: 2000 + int(t.box.hash%30000)},
	}
}

// startedAfter is how long after a deploy a slot's task runs.
func startedAfter(key slotKey) time.Duration { return time.Duration(8+10*key.slot%40) * time.Second }

// openBox starts a task's container at a moment.
func (w *World) openBox(t *Task, at time.Time) {
	s := t.service
	h := mix(hashText(t.ID))
	name := s.Spec.Name + "." + t.slotName() + "." + t.ID
	c := &Container{
		ID: hexID(h), Name: name, TaskID: t.ID, TaskName: name, Image: t.Spec.ContainerSpec.Image, NodeID: t.NodeID, Host: t.node.Description.Hostname,
		Service: s.Spec.Name, ServiceID: s.ID, Stack: s.Spec.Labels["com.docker.stack.namespace"], Slot: t.Slot,
		Start: seconds(at), End: math.Inf(1), Instance: t.node.Status.Addr + ":8080", owner: s, hash: h, scale: spread(mix(h+3), 0.15),
	}
	if r := t.Spec.Resources; r != nil && r.Limits != nil {
		c.Limit, c.Cores = r.Limits.MemoryBytes, float64(r.Limits.NanoCPUs)/1e9
	}
	c.Unshipped = !w.ships(&t.Spec)
	c.Sick = sick(t.Spec.ContainerSpec)
	c.Checked = c.Sick || t.Spec.ContainerSpec.Healthcheck != nil && !unchecked(t.Spec.ContainerSpec.Healthcheck)
	t.box = c
	w.containers = append(w.containers, c)
	w.prune()
}

func (w *World) specOf(d *draft) swarm.ServiceSpec {
	box := &swarm.ContainerSpec{
		Image: d.image, Env: d.env, Args: d.command, Init: new(bool),
		Labels: map[string]string{"com.docker.stack.namespace": d.stack}, Isolation: container.IsolationDefault,
	}
	if !d.loose {
		box.Image += "@" + digestOf(d.image)
	}
	if d.health != "" {
		box.Healthcheck = &container.HealthConfig{Test: []string{"CMD-SHELL", d.health}, Interval: 5 * time.Second, Timeout: 3 * time.Second, Retries: 3}
	}
	for _, v := range d.volumes {
		from, to, _ := strings.Cut(v, ":")
		box.Mounts = append(box.Mounts, mount.Mount{Type: mount.TypeVolume, Source: from, Target: to})
	}
	w.refer(box, d)
	labels := map[string]string{"com.docker.stack.image": d.image, "com.docker.stack.namespace": d.stack}
	for k, v := range d.labels {
		labels[k] = v
	}
	delay, attempts := 5*time.Second, uint64(0)
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: d.name, Labels: labels},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: box, Resources: resourcesOf(d), Runtime: swarm.RuntimeContainer,
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay, MaxAttempts: &attempts},
			Placement:     &swarm.Placement{Constraints: d.constraints, Platforms: []swarm.Platform{{Architecture: "amd64", OS: "linux"}}},
		},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP},
	}
	if d.restart != "" {
		spec.TaskTemplate.RestartPolicy.Condition = swarm.RestartPolicyCondition(d.restart)
	}
	if d.logDriver != "" {
		spec.TaskTemplate.LogDriver = &swarm.Driver{Name: d.logDriver}
	}
	if d.mode == "global" {
		spec.Mode.Global = &swarm.GlobalService{}
	} else {
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &d.replicas}
	}
	if d.order != "" {
		u := swarm.UpdateConfig{Parallelism: d.parallel, Delay: 2 * time.Second, FailureAction: swarm.FailureAction(d.failure), Monitor: 5 * time.Second, Order: swarm.UpdateOrder(d.order)}
		spec.UpdateConfig = &u
		back := u
		back.FailureAction = swarm.UpdateFailureActionPause
		spec.RollbackConfig = &back
	}
	mode := swarm.PortConfigPublishModeIngress
	if d.host {
		mode = swarm.PortConfigPublishModeHost
	}
	for _, p := range d.ports {
		spec.EndpointSpec.Ports = append(spec.EndpointSpec.Ports, swarm.PortConfig{Protocol: network.TCP, TargetPort: p, PublishedPort: p, PublishMode: mode})
	}
	for _, n := range d.nets {
		for i := range w.networks {
			if w.networks[i].Spec.Name == n {
				_, alias, _ := strings.Cut(d.name, "_")
				spec.TaskTemplate.Networks = append(spec.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: w.networks[i].ID, Aliases: []string{alias}})
			}
		}
	}
	return spec
}

func (w *World) refer(box *swarm.ContainerSpec, d *draft) {
	for _, name := range d.secrets {
		_, short, _ := strings.Cut(name, "_")
		box.Secrets = append(box.Secrets, &swarm.SecretReference{SecretID: swarmID(hashText(name) + w.seed), SecretName: name, File: &swarm.SecretReferenceFileTarget{Name: short, UID: "0", GID: "0", Mode: 0o444}})
	}
	for _, name := range d.configs {
		box.Configs = append(box.Configs, &swarm.ConfigReference{ConfigID: swarmID(hashText(name) + w.seed), ConfigName: name, File: &swarm.ConfigReferenceFileTarget{Name: "/etc/" + name, UID: "0", GID: "0", Mode: 0o444}})
	}
}

func resourcesOf(d *draft) *swarm.ResourceRequirements {
	r := &swarm.ResourceRequirements{}
	if d.cpuLimit > 0 || d.memLimit > 0 {
		r.Limits = &swarm.Limit{NanoCPUs: int64(d.cpuLimit * 1e9), MemoryBytes: d.memLimit * mib}
	}
	if d.cpu > 0 || d.mem > 0 {
		r.Reservations = &swarm.Resources{NanoCPUs: int64(d.cpu * 1e9), MemoryBytes: d.mem * mib}
	}
	return r
}

func endpointOf(w *World, spec *swarm.ServiceSpec) swarm.Endpoint {
	e := swarm.Endpoint{}
	if spec.EndpointSpec != nil {
		e.Spec, e.Ports = *spec.EndpointSpec, spec.EndpointSpec.Ports
	}
	for _, n := range spec.TaskTemplate.Networks {
		for i := range w.networks {
			if c := w.networks[i].IPAMOptions; w.networks[i].ID == n.Target && c != nil && len(c.Configs) > 0 {
				b := c.Configs[0].Subnet.Addr().As4()
				b[3] = byte(2 + hashText(spec.Name)%250)
				e.VirtualIPs = append(e.VirtualIPs, swarm.EndpointVirtualIP{NetworkID: n.Target, Addr: netip.PrefixFrom(netip.AddrFrom4(b), 24)})
			}
		}
	}
	return e
}

// checksum is a short stable hex text of anything named.
func checksum(s string) string {
	h := hashText(s)
	return hex.EncodeToString([]byte{byte(h), byte(h >> 8), byte(h >> 16), byte(h >> 24)})
}
