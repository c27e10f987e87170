package world

import (
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// Services is all services, oldest first as the engine lists them.
func (w *World) Services() []swarm.Service {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make([]swarm.Service, 0, len(w.services))
	for _, s := range w.services {
		out = append(out, s.Service)
	}
	slices.SortFunc(out, func(a, b swarm.Service) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Service is one service by id, name or id prefix.
func (w *World) Service(ref string) (swarm.Service, error) {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	s, err := w.find(ref)
	if err != nil {
		return swarm.Service{}, err
	}
	return s.Service, nil
}

// Status counts every service's tasks, by service id. As in swarmkit, a task that was last seen running on a lost node
// counts: `docker service ls` then says 4/3.
func (w *World) Status() map[string]swarm.ServiceStatus {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make(map[string]swarm.ServiceStatus, len(w.services))
	for id, s := range w.services {
		st := swarm.ServiceStatus{DesiredTasks: uint64(len(w.wanted(s)))}
		for _, tasks := range s.slots {
			for _, t := range tasks {
				if t.Status.State == swarm.TaskStateRunning {
					st.RunningTasks++
				}
			}
		}
		out[id] = st
	}
	return out
}

// TaskView is a task with what filters ask of it.
type TaskView struct {
	swarm.Task
	ServiceName, NodeName, Name string
	UpToDate                    bool
	ServiceLabels               map[string]string
	Box                         string // container id
}

func (t *Task) view() TaskView {
	v := TaskView{Task: t.Task, ServiceLabels: t.service.Spec.Labels, ServiceName: t.service.Spec.Name, UpToDate: t.spec == t.service.gen, Name: t.service.Spec.Name + "." + t.slotName() + "." + t.ID}
	if t.node != nil {
		v.NodeName = t.node.Description.Hostname
	}
	if t.box != nil {
		v.Box = t.box.ID
	}
	return v
}

// Tasks is all tasks, by id.
func (w *World) Tasks() []TaskView {
	return w.TasksOf(func(string, string) bool { return true })
}

// TasksOf is all tasks of the services that keep approves of, by id. In a big fleet a view of each task, to
// leave out most of them, would be what a filtered listing costs.
func (w *World) TasksOf(keep func(serviceID, serviceName string) bool) []TaskView {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	var kept []*Task
	for _, t := range w.tasks {
		if keep(t.ServiceID, t.service.Spec.Name) {
			kept = append(kept, t)
		}
	}
	slices.SortFunc(kept, func(a, b *Task) int { return strings.Compare(a.ID, b.ID) })
	out := make([]TaskView, len(kept))
	for i, t := range kept {
		out[i] = t.view()
	}
	return out
}

// Nodes is all nodes, by id.
func (w *World) Nodes() []swarm.Node {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make([]swarm.Node, 0, len(w.nodes))
	for _, n := range w.nodes {
		out = append(out, n.Node)
	}
	slices.SortFunc(out, func(a, b swarm.Node) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Manager is one of the nodes whose engines the demo speaks for, counted from 0.
func (w *World) Manager(i int) swarm.Node {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.nodes[i].Node
}

// Networks are the swarm's.
func (w *World) Networks() []swarm.Network {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.networks
}

// Cluster is the swarm itself.
func (w *World) Cluster() swarm.ClusterInfo { return w.cluster }
