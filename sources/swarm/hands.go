package swarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// Hands change a swarm. Safe for concurrent use.
type Hands struct{ read, write *Client }

var _ sources.Hands = (*Hands)(nil)

// NewHands reads through one client and changes through the other, which may be the same: before many engines is a proxy that
// lets only reading through. Closing stays with the clients.
func NewHands(read, write *Client) *Hands {
	if write == nil {
		write = read
	}
	return &Hands{read: read, write: write}
}

// rawService is a service as the engine sent it.
type rawService struct {
	Spec         json.RawMessage
	PreviousSpec json.RawMessage
}

func (r *rawService) state(s *swarm.Service) (out sources.ServiceState, err error) {
	out.Service = toService(s)
	if out.Spec, err = specFrom(r.Spec); err != nil {
		return out, err
	}
	out.Previous, err = specFrom(r.PreviousSpec)
	return out, err
}

func specFrom(raw json.RawMessage) (sources.Spec, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return sources.Spec{}, nil
	}
	spec, err := sources.NewSpec(raw)
	if err != nil {
		err = fmt.Errorf("%w: %w", errNotEngine, err)
	}
	return spec, err
}

// shortID is how much of an id the docker command shows.
const shortID = 12

// ServiceState reads one service by name or id; the beginning of an id will do from 12 characters on.
func (h *Hands) ServiceState(ctx context.Context, nameOrID string) (out sources.ServiceState, err error) {
	op := "read service " + nameOrID
	err = h.read.do(ctx, op, func(ctx context.Context, api *client.Client) error {
		got, err := api.ServiceInspect(ctx, nameOrID, client.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		s := &got.Service
		if nameOrID != s.Spec.Name && nameOrID != s.ID && (len(nameOrID) < shortID || !strings.HasPrefix(s.ID, nameOrID)) {
			return noService(op) // the engine takes the shortest beginning of an id for it
		}
		var raw rawService
		if err := json.Unmarshal(got.Raw, &raw); err != nil {
			return err
		}
		out, err = raw.state(s)
		return err
	})
	var r *refusal
	if errors.As(err, &r) && r.status == 404 && r.engine {
		err = noService(op)
	}
	return out, err
}

func noService(op string) error {
	return &sources.Error{Source: name, Kind: sources.NotFound, Op: op, Err: errors.New("no such service"), Next: "see `docker service ls` for the names there are"}
}

// ServiceStates reads all services.
func (h *Hands) ServiceStates(ctx context.Context) ([]sources.ServiceState, error) {
	var out []sources.ServiceState
	err := h.read.do(ctx, "list services", func(ctx context.Context, api *client.Client) error {
		var body []byte
		got, err := api.ServiceList(context.WithValue(ctx, rawBody{}, &body), client.ServiceListOptions{})
		if err != nil {
			return err
		}
		var raw []rawService
		if err := json.Unmarshal(body, &raw); err != nil {
			return err
		}
		out = make([]sources.ServiceState, len(got.Items))
		for i := range got.Items {
			if out[i], err = raw[i].state(&got.Items[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateService gives a service a new spec, if its version is still the one named. What the spec holds beyond what this
// program knows of the engine's API is refused, before anything is sent: it would be lost on the way.
func (h *Hands) UpdateService(ctx context.Context, id string, version uint64, spec sources.Spec) ([]string, error) {
	op := "update service " + orElse(spec.Name(), id)
	typed, err := typedSpec(op, spec)
	if err != nil {
		return nil, err
	}
	o := client.ServiceUpdateOptions{Version: swarm.Version{Index: version}, Spec: typed}
	if image := spec.Image(); image != "" {
		auth, err := registryAuth(ctx, image)
		if err != nil { // the engine keeps the credentials that the service has
			h.write.log.Warn("swarm: no registry credentials are sent", "image", image, "error", err)
		}
		o.EncodedRegistryAuth = auth
	}
	var warnings []string
	err = h.write.change(ctx, op, func(ctx context.Context, api *client.Client) error {
		r, err := api.ServiceUpdate(ctx, id, o)
		warnings = r.Warnings
		return err
	})
	if err != nil {
		return nil, err
	}
	return warnings, nil
}

// change runs one bounded call that changes something; it is made on another manager only if it was certainly not sent.
func (c *Client) change(ctx context.Context, op string, call func(context.Context, *client.Client) error) error {
	return c.run(ctx, op, changing, call).err
}

// typedSpec is the spec as the client sends it, if it can hold all of it.
func typedSpec(op string, spec sources.Spec) (out swarm.ServiceSpec, err error) {
	if spec.Empty() {
		return out, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: op, Err: errors.New("no spec is given"), Next: "nothing was changed"}
	}
	raw := spec.JSON()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	strict := dec.Decode(&out)
	if strict != nil {
		out = swarm.ServiceSpec{}
		if err := json.Unmarshal(raw, &out); err != nil {
			return out, lossy(op, err)
		}
	}
	again, err := json.Marshal(&out)
	if err != nil {
		return out, lossy(op, err)
	}
	lost, err := lostFields(raw, again)
	switch {
	case err != nil:
		return out, lossy(op, err)
	case len(lost) > 0:
		return out, lossy(op, fmt.Errorf("this program cannot write %s", strings.Join(lost, ", ")))
	case strict != nil:
		return out, lossy(op, strict)
	}
	return out, nil
}

func lossy(op string, err error) error {
	return &sources.Error{Source: name, Kind: sources.TooOld, Op: op, Err: err,
		Next: "the engine that wrote this spec is newer than this program, and nothing was changed: upgrade quarterdeck, or use `docker service update`"}
}
