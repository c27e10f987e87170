package sources

import "context"

// LabelRun names the run that something in the swarm was made for: a job's container, a copy of a service, a lock. Such a service is no service of the platform.
const LabelRun = "qd.run"

// LabelService names the service that such a thing is about.
const LabelService = "qd.service"

// ConfigState is a config read whole. Unlike a secret's, its data can be read back.
type ConfigState struct {
	Reference
	Version uint64
	Data    []byte
}

// Workbench is what a run makes in a swarm, and takes away again: for itself services that run once, networks, locks; for a team a stack. Safe for concurrent use.
//
// Errors are *Error, as those of Hands. What is to be removed and is gone already is as good.
type Workbench interface {
	// CreateService makes a service and gives its id. Conflict: the name is taken.
	CreateService(ctx context.Context, spec Spec) (id string, err error)
	// RemoveService removes a service by id or name; its tasks end after it, and the volumes without a name that they had go with them.
	RemoveService(ctx context.Context, id string) error
	// CreateNetwork makes an overlay network for services and gives its id. Conflict: the name is taken.
	CreateNetwork(ctx context.Context, spec NetworkSpec) (id string, err error)
	// RemoveNetwork removes a network by id or name. Conflict: a service is still on it. Tasks of a service that was removed do not count, though they may
	// still be ending: that it could be removed is no proof that nothing runs.
	RemoveNetwork(ctx context.Context, id string) error
	// NetworkNames are the networks that carry a label of that name and value.
	NetworkNames(ctx context.Context, label, value string) ([]string, error)
	// Networks are the networks of the swarm, which services may be on.
	Networks(ctx context.Context) ([]Network, error)
	// ReadConfig reads a config by id or name.
	ReadConfig(ctx context.Context, id string) (ConfigState, error)
	// RelabelConfig gives a config other labels, if its version is still the one named: the one thing of a config that can be changed. Of two at the same
	// moment one wins, and the other gets Conflict.
	RelabelConfig(ctx context.Context, id string, version uint64, labels map[string]string) error
	// ServiceTasks are a service's tasks, by its id or name, as the orchestrator has them now.
	ServiceTasks(ctx context.Context, service string) ([]Task, error)
}
