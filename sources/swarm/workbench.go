package swarm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

var _ sources.Workbench = (*Hands)(nil)

// CreateService makes a service. Registry credentials for its image are sent as the docker command would find them.
func (h *Hands) CreateService(ctx context.Context, spec sources.Spec) (id string, err error) {
	op := "create service " + spec.Name()
	typed, err := typedSpec(op, spec)
	if err != nil {
		return "", err
	}
	o := client.ServiceCreateOptions{Spec: typed}
	if o.EncodedRegistryAuth, err = registryAuth(ctx, spec.Image()); err != nil {
		h.write.log.Warn("swarm: no registry credentials are sent", "image", spec.Image(), "error", err)
	}
	err = h.write.change(ctx, op, func(ctx context.Context, api *client.Client) error {
		r, err := api.ServiceCreate(ctx, o)
		id = r.ID
		return err
	})
	return id, err
}

// RemoveService removes a service by id or name.
func (h *Hands) RemoveService(ctx context.Context, id string) error {
	return gone(h.write.change(ctx, "remove service "+id, func(ctx context.Context, api *client.Client) error {
		_, err := api.ServiceRemove(ctx, id, client.ServiceRemoveOptions{})
		return err
	}))
}

// gone takes what was not there for removed.
func gone(err error) error {
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}

// CreateNetwork makes an overlay network.
func (h *Hands) CreateNetwork(ctx context.Context, spec sources.NetworkSpec) (id string, err error) {
	o := client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", Labels: spec.Labels, Options: spec.Options, Attachable: spec.Attachable, Internal: spec.Internal}
	err = h.write.change(ctx, "create network "+spec.Name, func(ctx context.Context, api *client.Client) error {
		r, err := api.NetworkCreate(ctx, spec.Name, o)
		id = r.ID
		return err
	})
	return id, err
}

// RemoveNetwork removes a network by id or name.
func (h *Hands) RemoveNetwork(ctx context.Context, id string) error {
	err := h.write.change(ctx, "remove network "+id, func(ctx context.Context, api *client.Client) error {
		_, err := api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		return err
	})
	// An engine that still lists what the managers have removed a moment ago answers 500 (seen on 20.10).
	var e *sources.Error
	if errors.As(err, &e) && e.Kind == sources.BadAnswer && e.Err != nil && strings.HasSuffix(e.Err.Error(), "not found") {
		return nil
	}
	return gone(err)
}

// Networks are the networks of the swarm.
func (h *Hands) Networks(ctx context.Context) ([]sources.Network, error) {
	return h.read.networks(ctx, nil)
}

// NetworkNames are the networks with a label.
func (h *Hands) NetworkNames(ctx context.Context, label, value string) ([]string, error) {
	var names []string
	err := h.read.do(ctx, "list networks", func(ctx context.Context, api *client.Client) error {
		r, err := api.NetworkList(ctx, client.NetworkListOptions{})
		if err != nil {
			return err
		}
		names = nil
		for i := range r.Items {
			if n := &r.Items[i]; n.Labels[label] == value {
				names = append(names, n.Name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// ReadConfig reads a config by id or name.
func (h *Hands) ReadConfig(ctx context.Context, id string) (out sources.ConfigState, err error) {
	err = h.read.do(ctx, "read config "+id, func(ctx context.Context, api *client.Client) error {
		r, err := api.ConfigInspect(ctx, id, client.ConfigInspectOptions{})
		if err != nil {
			return err
		}
		out = sources.ConfigState{Reference: toConfig(&r.Config), Version: r.Config.Version.Index, Data: r.Config.Spec.Data}
		return nil
	})
	return out, err
}

// RelabelConfig gives a config other labels.
func (h *Hands) RelabelConfig(ctx context.Context, id string, version uint64, labels map[string]string) error {
	return h.write.change(ctx, "label config "+id, func(ctx context.Context, api *client.Client) error {
		r, err := api.ConfigInspect(ctx, id, client.ConfigInspectOptions{})
		if err != nil {
			return err
		}
		spec := r.Config.Spec
		spec.Labels = labels
		_, err = api.ConfigUpdate(ctx, id, client.ConfigUpdateOptions{Version: swarm.Version{Index: version}, Spec: spec})
		return err
	})
}

// ServiceTasks are a service's tasks.
func (h *Hands) ServiceTasks(ctx context.Context, service string) (out []sources.Task, err error) {
	err = h.read.do(ctx, "list tasks of "+service, func(ctx context.Context, api *client.Client) error {
		r, err := api.TaskList(ctx, client.TaskListOptions{Filters: make(client.Filters).Add("service", service)})
		if err != nil {
			return err
		}
		out = make([]sources.Task, 0, len(r.Items))
		for i := range r.Items {
			out = append(out, toTask(&r.Items[i]))
		}
		return nil
	})
	return out, err
}
