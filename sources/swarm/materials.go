package swarm

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// CreateMaterial makes a secret or a config and gives its id. Its data goes into the request and nowhere else.
func (h *Hands) CreateMaterial(ctx context.Context, kind sources.MaterialKind, m sources.Material) (id string, err error) {
	about := swarm.Annotations{Name: m.Name, Labels: m.Labels}
	err = h.write.change(ctx, "create "+string(kind)+" "+m.Name, func(ctx context.Context, api *client.Client) error {
		if kind == sources.Config {
			r, err := api.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: about, Data: m.Data}})
			id = r.ID
			return err
		}
		r, err := api.SecretCreate(ctx, client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: about, Data: m.Data}})
		id = r.ID
		return err
	})
	return id, err
}

// RemoveMaterial removes a secret or a config by id.
func (h *Hands) RemoveMaterial(ctx context.Context, kind sources.MaterialKind, id string) error {
	return h.write.change(ctx, "remove "+string(kind)+" "+id, func(ctx context.Context, api *client.Client) (err error) {
		if kind == sources.Config {
			_, err = api.ConfigRemove(ctx, id, client.ConfigRemoveOptions{})
		} else {
			_, err = api.SecretRemove(ctx, id, client.SecretRemoveOptions{})
		}
		return err
	})
}

// Materials lists secrets or configs: names, dates and labels.
func (h *Hands) Materials(ctx context.Context, kind sources.MaterialKind) ([]sources.Reference, error) {
	if kind == sources.Config {
		return h.read.configs(ctx, nil)
	}
	return h.read.secrets(ctx, nil)
}
