package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// NodeState reads one node by name or id.
func (h *Hands) NodeState(ctx context.Context, nameOrID string) (out sources.NodeState, err error) {
	op := "read node " + nameOrID
	err = h.read.do(ctx, op, func(ctx context.Context, api *client.Client) error {
		got, err := api.NodeInspect(ctx, nameOrID, client.NodeInspectOptions{})
		if err != nil {
			return err
		}
		n := &got.Node
		if nameOrID != n.Description.Hostname && nameOrID != n.ID && (len(nameOrID) < shortID || !strings.HasPrefix(n.ID, nameOrID)) {
			return noNode(op) // the engine takes the shortest beginning of an id for it, and "self"
		}
		out = sources.NodeState{Node: toNode(n), Version: n.Version.Index}
		return nil
	})
	var r *refusal
	if errors.As(err, &r) && r.engine {
		switch {
		case r.status == 404:
			err = noNode(op)
		case strings.Contains(r.Error(), "is ambiguous"):
			err = &sources.Error{Source: name, Kind: sources.BadQuestion, Op: op, Err: errors.New("more than one node has this name"), Next: "name it by its id: see `docker node ls`"}
		}
	}
	return out, err
}

func noNode(op string) error {
	return &sources.Error{Source: name, Kind: sources.NotFound, Op: op, Err: errors.New("no such node"), Next: "see `docker node ls` for the names there are"}
}

// UpdateNode wants something else of a node, if its version is still the one named.
func (h *Hands) UpdateNode(ctx context.Context, id string, version uint64, want sources.NodeWant) error {
	return h.editNode(ctx, "update node "+id, id, version, func(s *swarm.NodeSpec) {
		s.Role, s.Availability = swarm.NodeRole(want.Role), swarm.NodeAvailability(want.Availability)
	})
}

// LabelNode gives a node a label, or takes it away.
func (h *Hands) LabelNode(ctx context.Context, id string, version uint64, key string, value *string) error {
	return h.editNode(ctx, "label node "+id, id, version, func(s *swarm.NodeSpec) {
		s.Labels = maps.Clone(s.Labels)
		if value == nil {
			delete(s.Labels, key)
			return
		}
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[key] = *value
	})
}

// editNode changes a node's spec, if its version is still the one named. All else that the spec has is written back as it was read in that version; what
// this program does not know of it is refused, before anything is sent: it would be lost on the way.
func (h *Hands) editNode(ctx context.Context, op, id string, version uint64, edit func(*swarm.NodeSpec)) error {
	var spec swarm.NodeSpec
	err := h.read.do(ctx, op, func(ctx context.Context, api *client.Client) error {
		got, err := api.NodeInspect(ctx, id, client.NodeInspectOptions{})
		if err != nil {
			return err
		}
		if got.Node.Version.Index != version {
			return &sources.Error{Source: name, Kind: sources.Conflict, Op: op, Err: errors.New("it has changed since it was read"), Next: "nothing was done: read it again and look at what has changed"}
		}
		spec = got.Node.Spec
		return wholeNode(op, got.Raw, &spec)
	})
	if err != nil {
		return err
	}
	edit(&spec)
	return h.write.change(ctx, op, func(ctx context.Context, api *client.Client) error {
		_, err := api.NodeUpdate(ctx, id, client.NodeUpdateOptions{Version: swarm.Version{Index: version}, Spec: spec})
		return err
	})
}

// NodeTasks are the tasks on a node.
func (h *Hands) NodeTasks(ctx context.Context, id string) ([]sources.Task, error) {
	tasks, _, err := h.read.tasksWhere(ctx, nil, client.Filters{}.Add("node", id))
	return tasks, err
}

// wholeNode refuses a node's spec that would not be written back whole.
func wholeNode(op string, raw []byte, spec *swarm.NodeSpec) error {
	var was struct{ Spec json.RawMessage }
	if err := json.Unmarshal(raw, &was); err != nil {
		return err
	}
	again, err := json.Marshal(spec)
	if err != nil {
		return lossy(op, err)
	}
	lost, err := lostFields(was.Spec, again)
	switch {
	case err != nil:
		return lossy(op, err)
	case len(lost) > 0:
		return lossy(op, fmt.Errorf("this program cannot write %s", strings.Join(lost, ", ")))
	}
	return nil
}
