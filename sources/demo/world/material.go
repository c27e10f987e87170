package world

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// Kind tells secrets from configs.
type Kind string

// The kinds of what tasks are given as files.
const (
	SecretKind Kind = "secret"
	ConfigKind Kind = "config"
)

// limits are swarmkit's, in bytes: what is as large is too large.
var limits = map[Kind]int{SecretKind: 500 * 1024, ConfigKind: 1000 * 1024}

// material is a secret or a config. A secret's data is not kept: nothing here needs it and nobody may read it.
type material struct {
	id string
	swarm.Meta
	swarm.Annotations
	data []byte
}

var materialName = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)

// CreateMaterial makes a secret or a config and returns its id.
func (w *World) CreateMaterial(kind Kind, a swarm.Annotations, data []byte) (string, error) {
	defer w.order()()
	switch {
	case a.Name == "":
		return "", refused("InvalidArgument", ErrInvalid, "name must be provided")
	case len(a.Name) > 64 || !materialName.MatchString(a.Name):
		return "", refused("InvalidArgument", ErrInvalid, "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]")
	case len(data) == 0 || len(data) >= limits[kind]:
		return "", refused("InvalidArgument", ErrInvalid, "%s data must be larger than 0 and less than %d bytes", kind, limits[kind])
	case slices.ContainsFunc(w.materials[kind], func(m material) bool { return m.Name == a.Name }):
		return "", refused("AlreadyExists", ErrConflict, "%s %s already exists", kind, a.Name)
	}
	m := material{id: w.nextID(), Annotations: a}
	if kind == ConfigKind {
		m.data = data
	}
	m.CreatedAt = w.now().UTC()
	w.bump(&m.Meta)
	w.materials[kind] = append(slices.Clone(w.materials[kind]), m)
	w.materialEvent(kind, events.ActionCreate, m)
	return m.id, nil
}

// foundSecret is a secret of a service's stack by name, made as long ago as the service where there is none.
func (w *World) foundSecret(s *Service, name string) material {
	if i, err := w.material(SecretKind, name); err == nil {
		return w.materials[SecretKind][i]
	}
	m := material{id: w.nextID(), Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"com.docker.stack.namespace": s.Spec.Labels["com.docker.stack.namespace"]}}}
	m.CreatedAt = w.now().UTC()
	w.bump(&m.Meta)
	w.materials[SecretKind] = append(slices.Clone(w.materials[SecretKind]), m)
	w.materialEvent(SecretKind, events.ActionCreate, m)
	return m
}

// forgetSecret removes a secret.
func (w *World) forgetSecret(id string) {
	if i, err := w.material(SecretKind, id); err == nil {
		m := w.materials[SecretKind][i]
		w.materials[SecretKind] = slices.Delete(slices.Clone(w.materials[SecretKind]), i, i+1)
		w.materialEvent(SecretKind, events.ActionRemove, m)
	}
}

// LabelMaterial gives a secret or a config new labels, which is all that can be changed of it.
func (w *World) LabelMaterial(kind Kind, ref string, version uint64, a swarm.Annotations, data []byte) error {
	defer w.order()()
	i, err := w.material(kind, ref)
	if err != nil {
		return err
	}
	m := w.materials[kind][i]
	if m.Version.Index != version {
		return ErrSequence
	}
	if a.Name != m.Name || data != nil && (kind == SecretKind || string(data) != string(m.data)) {
		return refused("InvalidArgument", ErrInvalid, "only updates to Labels are allowed")
	}
	m.Labels = a.Labels
	w.bump(&m.Meta)
	all := slices.Clone(w.materials[kind])
	all[i] = m
	w.materials[kind] = all
	w.materialEvent(kind, events.ActionUpdate, m)
	return nil
}

// RemoveMaterial takes away a secret or a config that no service's present spec refers to.
func (w *World) RemoveMaterial(kind Kind, ref string) error {
	defer w.order()()
	i, err := w.material(kind, ref)
	if err != nil {
		return err
	}
	m := w.materials[kind][i]
	if users := w.users(kind, m.id); len(users) > 0 {
		noun := "services"
		if len(users) == 1 {
			noun = "service"
		}
		return refused("InvalidArgument", ErrInvalid, "%s '%s' is in use by the following %s: %s", kind, m.Name, noun, strings.Join(users, ", "))
	}
	w.materials[kind] = slices.Delete(slices.Clone(w.materials[kind]), i, i+1)
	w.materialEvent(kind, events.ActionRemove, m)
	return nil
}

func (w *World) materialEvent(kind Kind, action events.Action, m material) {
	w.event(events.Type(kind), action, m.id, map[string]string{"name": m.Name})
}

// material is the index of a secret or a config by id, name or unambiguous id prefix.
func (w *World) material(kind Kind, ref string) (int, error) {
	all := w.materials[kind]
	for _, is := range []func(material) bool{
		func(m material) bool { return m.id == ref },
		func(m material) bool { return m.Name == ref },
		func(m material) bool { return ref != "" && strings.HasPrefix(m.id, ref) },
	} {
		if i := slices.IndexFunc(all, is); i >= 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %s %w", kind, ref, ErrNotFound)
}

// users are the names of the services whose present spec refers to a secret or a config.
func (w *World) users(kind Kind, id string) []string {
	var names []string
	for _, s := range w.sorted() {
		if slices.ContainsFunc(referencesOf(kind, s.Spec.TaskTemplate.ContainerSpec), func(r referral) bool { return r.id == id }) {
			names = append(names, s.Spec.Name)
		}
	}
	return names
}

// referral is a spec's reference to a secret or a config; target is "" where the spec names none.
type referral struct{ id, name, target string }

func referencesOf(kind Kind, c *swarm.ContainerSpec) (out []referral) {
	if kind == SecretKind {
		for _, r := range c.Secrets {
			ref := referral{id: r.SecretID, name: r.SecretName}
			if r.File != nil {
				ref.target = r.File.Name
			}
			out = append(out, ref)
		}
		return out
	}
	for _, r := range c.Configs {
		ref := referral{id: r.ConfigID, name: r.ConfigName, target: "runtime"}
		if r.File != nil {
			ref.target = r.File.Name
		} else if r.Runtime == nil {
			ref.target = ""
		}
		out = append(out, ref)
	}
	return out
}

// checkReferences refuses a spec whose secrets or configs do not exist under the id and name given, or lie on top of
// each other.
func (w *World) checkReferences(kind Kind, c *swarm.ContainerSpec) error {
	var gone []string
	at := map[string]string{}
	for _, r := range referencesOf(kind, c) {
		if r.target == "" && kind == ConfigKind {
			return fmt.Errorf("invalid Config: either File or Runtime should be set: %w", ErrInvalid)
		}
		if r.target == "" {
			return refused("InvalidArgument", ErrInvalid, "malformed %s reference, no target provided", kind)
		}
		if other, taken := at[r.target]; taken && r.target != "runtime" {
			return refused("InvalidArgument", ErrInvalid, "%s references '%s' and '%s' have a conflicting target: '%s'", kind, other, r.name, r.target)
		}
		at[r.target] = r.name
		if !slices.ContainsFunc(w.materials[kind], func(m material) bool { return m.id == r.id && m.Name == r.name }) {
			gone = append(gone, r.name)
		}
	}
	switch len(gone) {
	case 0:
		return nil
	case 1:
		return refused("InvalidArgument", ErrInvalid, "%s not found: %s", kind, gone[0])
	}
	return refused("InvalidArgument", ErrInvalid, "%ss not found: %s", kind, strings.Join(gone, ", "))
}

// refused is an error of the swarm's, as gRPC words it, of one of the world's kinds.
func refused(code string, kind error, format string, args ...any) error {
	return fmt.Errorf("rpc error: code = %s desc = %s: %w", code, fmt.Sprintf(format, args...), kind)
}

// Secrets without their values, oldest first.
func (w *World) Secrets() []swarm.Secret {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make([]swarm.Secret, 0, len(w.materials[SecretKind]))
	for _, m := range w.materials[SecretKind] {
		out = append(out, swarm.Secret{ID: m.id, Meta: m.Meta, Spec: swarm.SecretSpec{Annotations: m.Annotations}})
	}
	return out
}

// Configs with their values, oldest first.
func (w *World) Configs() []swarm.Config {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	out := make([]swarm.Config, 0, len(w.materials[ConfigKind]))
	for _, m := range w.materials[ConfigKind] {
		out = append(out, swarm.Config{ID: m.id, Meta: m.Meta, Spec: swarm.ConfigSpec{Annotations: m.Annotations, Data: m.data}})
	}
	return out
}
