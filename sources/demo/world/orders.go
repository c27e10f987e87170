package world

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// Update gives a service a new spec. version must be the present one.
func (w *World) Update(ref string, version uint64, spec swarm.ServiceSpec) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if version != s.Version.Index {
		return ErrSequence
	}
	return w.apply(s, spec)
}

// Rollback is POST update?rollback=previous.
func (w *World) Rollback(ref string, version uint64) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if version != s.Version.Index {
		return ErrSequence
	}
	if s.PreviousSpec == nil {
		return fmt.Errorf("rpc error: code = FailedPrecondition desc = service %s does not have a previous spec: %w", s.ID, ErrInvalid)
	}
	w.rollBack(s, "manually requested rollback", true)
	return nil
}

func (w *World) apply(s *Service, spec swarm.ServiceSpec) error {
	if err := w.check(s, &spec); err != nil {
		return err
	}
	old := s.Service
	previous := s.Spec
	s.PreviousSpec, s.Spec = &previous, spec
	s.Endpoint = endpointOf(w, &spec)
	s.prevGen = s.gen
	if !same(previous.TaskTemplate, spec.TaskTemplate) || !same(previous.EndpointSpec, spec.EndpointSpec) {
		s.gen = s.generationOf(&previous, &spec)
	}
	s.UpdateStatus = nil
	w.changed(s, &old)
	w.reconcile(s)
	w.begin(s)
	return nil
}

// generationOf is the generation of a spec that follows another. One that says what an earlier one did is of that one's: as in swarmkit
// (orchestrator.IsTaskDirty), a task of it is up to date.
func (s *Service) generationOf(previous, next *swarm.ServiceSpec) uint64 {
	name := func(x *swarm.ServiceSpec) string {
		b, err := json.Marshal([]any{x.TaskTemplate, x.EndpointSpec})
		if err != nil { // it came as JSON
			panic(err)
		}
		sum := sha256.Sum256(b)
		return string(sum[:])
	}
	if s.known == nil {
		s.known = map[string]uint64{}
	}
	s.known[name(previous)] = s.gen
	key := name(next)
	if _, there := s.known[key]; !there {
		s.lastGen++
		s.known[key] = s.lastGen
	}
	return s.known[key]
}

// same tells whether two parts of a spec say the same, as a client gets them: nothing and an empty list do.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// check is what the engine refuses. What a spec leaves out that the engine writes into it is in it afterwards.
func (w *World) check(s *Service, spec *swarm.ServiceSpec) error {
	if m := &spec.Mode; m.Global == nil && m.ReplicatedJob == nil && (m.Replicated == nil || m.Replicated.Replicas == nil) {
		one := uint64(1)
		m.Replicated = &swarm.ReplicatedService{Replicas: &one}
	}
	if r := spec.TaskTemplate.RestartPolicy; r != nil && r.MaxAttempts == nil { // moby, daemon/cluster/convert/service.go, restartPolicyFromGRPC
		filled, none := *r, uint64(0)
		filled.MaxAttempts = &none
		spec.TaskTemplate.RestartPolicy = &filled
	}
	switch {
	case s == nil && !isName(spec.Name):
		return refused("InvalidArgument", ErrInvalid, badName)
	case spec.TaskTemplate.ContainerSpec == nil:
		return fmt.Errorf("mismatched Runtime and *Spec fields: %w", ErrInvalid)
	case spec.TaskTemplate.ContainerSpec.Image == "":
		return fmt.Errorf("rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided: %w", ErrInvalid)
	case s != nil && spec.Name != s.Spec.Name:
		return fmt.Errorf("rpc error: code = Unimplemented desc = renaming services is not supported: %w", ErrUnimplemented)
	case s != nil && (spec.Mode.Global == nil) != (s.Spec.Mode.Global == nil):
		return fmt.Errorf("rpc error: code = Unimplemented desc = service mode change is not allowed: %w", ErrUnimplemented)
	case spec.Mode.Replicated != nil && spec.Mode.Replicated.Replicas != nil && *spec.Mode.Replicated.Replicas > 100_000:
		return fmt.Errorf("rpc error: code = InvalidArgument desc = the demo runs at most 100,000 replicas: %w", ErrInvalid)
	}
	image := spec.TaskTemplate.ContainerSpec.Image
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return refused("InvalidArgument", ErrInvalid, "ContainerSpec: %q is not a valid repository/tag", image)
	}
	if err := w.resolveNetworks(spec); err != nil {
		return err
	}
	if err := w.checkReferences(SecretKind, spec.TaskTemplate.ContainerSpec); err != nil {
		return err
	}
	return w.checkReferences(ConfigKind, spec.TaskTemplate.ContainerSpec)
}

// Deploy updates a service's image, as `docker service update --image` does. A tag with "bad" or
// "broken" in it crashes, one with "unhealthy" never passes its health check, one that begins with "missing" cannot be
// pulled.
func (w *World) Deploy(ref, image string) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	return w.deploy(s, image)
}

func (w *World) deploy(s *Service, image string) error {
	spec := s.Spec
	box := *spec.TaskTemplate.ContainerSpec
	if !strings.Contains(image, "@") && !missing(image) {
		image += "@" + digestOf(image)
	}
	if box.Image == image {
		spec.TaskTemplate.ForceUpdate++
	}
	box.Image = image
	spec.TaskTemplate.ContainerSpec = &box
	return w.apply(s, spec)
}

// Create makes a new service and returns its id.
func (w *World) Create(spec swarm.ServiceSpec) (string, error) {
	defer w.order()()
	if err := w.check(nil, &spec); err != nil {
		return "", err
	}
	for _, s := range w.services {
		if s.Spec.Name == spec.Name {
			return "", fmt.Errorf("rpc error: code = AlreadyExists desc = name conflicts with an existing object: service %s already exists: %w", spec.Name, ErrConflict)
		}
	}
	s := &Service{slots: map[string][]*Task{}, gen: 1, lastGen: 1, hash: hashText(spec.Name) ^ w.seed}
	s.Profile = Profile{Kind: "go", Format: "logfmt", Errors: 0.001, Median: 0.05, Sigma: 0.5, CPU: 0.05, Memory: 40 * mib, Lines: 0.2, Prepare: 500 * time.Millisecond, StartTime: time.Second}
	if w.jobOf(spec.TaskTemplate.ContainerSpec) != nil {
		s.Profile.Lines = 0 // it says what it does, and no more
	} else if like := w.like(spec.TaskTemplate.ContainerSpec.Image); like != nil {
		s.Profile = like.Profile
	}
	s.shape = newShape(s.hash)
	s.ID = w.nextID()
	s.CreatedAt = w.now().UTC()
	s.Spec = spec
	s.Endpoint = endpointOf(w, &spec)
	w.bump(&s.Meta)
	w.services[s.ID] = s
	w.event(events.ServiceEventType, events.ActionCreate, s.ID, map[string]string{"name": spec.Name})
	w.reconcile(s)
	return s.ID, nil
}

// like is a service that was there from the beginning and has the same image, nil where there is none.
func (w *World) like(image string) *Service {
	for _, s := range w.sorted() {
		if s.founded != "" && s.Spec.TaskTemplate.ContainerSpec.Image == image {
			return s
		}
	}
	return nil
}

// Remove takes a service and its tasks away.
func (w *World) Remove(ref string) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if s.updater != nil {
		s.updater.ended = true
	}
	delete(w.services, s.ID)
	for _, name := range s.slotNames() {
		for _, t := range slices.Clone(s.slots[name]) {
			w.stop(t, swarm.TaskStateRemove, nil)
		}
	}
	w.event(events.ServiceEventType, events.ActionRemove, s.ID, map[string]string{"name": s.Spec.Name})
	return nil
}

// CrashLoop makes a service's containers crash shortly after their start, or lets them live again.
func (w *World) CrashLoop(ref string, on bool) error {
	defer w.order()()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	s.crash = on
	if !on {
		return nil
	}
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil && t.Status.State == swarm.TaskStateRunning {
			w.then(t, w.between(200*time.Millisecond, 2*time.Second), func() { w.crash(t) })
		}
	}
	return nil
}
