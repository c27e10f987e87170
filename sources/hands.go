package sources

import (
	"context"
	"time"
)

// ServiceState is one service read whole: what it is, what is wanted of it, and the version that a change must name.
type ServiceState struct {
	Service
	// Spec is the whole desired state; see Service.Version for the version that it has.
	Spec Spec
	// Previous is the one spec before that the engine remembers. Every update overwrites it, scaling too, and an automatic
	// rollback clears it: then it is empty (Spec.Empty).
	Previous Spec
}

// NodeWant is what can be wanted of a node: its role (manager, worker) and its availability (active, pause, drain).
type NodeWant struct {
	Role         string `json:"role"`
	Availability string `json:"availability"`
}

// NodeState is one node read whole: what it is, and the version that a change must name.
type NodeState struct {
	Node
	Version uint64
}

// Want is what is wanted of the node now. Its role is the one that is asked for: a manager that was asked for and is none yet has no Reachability.
func (n *NodeState) Want() NodeWant { return NodeWant{n.Role, n.Availability} }

// Image is a reference that a registry has resolved.
type Image struct {
	Ref       string   // as asked, without a digest: registry/name:tag
	Digest    string   // sha256:…
	Platforms []string // "linux/amd64"; empty where the registry does not say
}

// Pinned is the reference with its digest, as it goes into a spec.
func (i Image) Pinned() string { return i.Ref + "@" + i.Digest }

// Material is a secret or a config that is to be made. Data never leaves for a log, a journal or the screen.
type Material struct {
	Name   string
	Labels map[string]string
	Data   []byte
}

// MaterialKind tells secrets from configs.
type MaterialKind string

// The two kinds of material that tasks are given as files.
const (
	Secret MaterialKind = "secret"
	Config MaterialKind = "config"
)

// Hands are what changes a swarm. Nothing is forced: each change names the version it is based on. Safe for concurrent use.
//
// Errors are *Error. Conflict: the object has changed since it was read, its name is taken, or it is in use. Unreachable
// after a change was sent leaves open whether it was done: read again.
type Hands interface {
	// ServiceState reads one service by name or id.
	ServiceState(ctx context.Context, nameOrID string) (ServiceState, error)
	// ServiceStates reads all services.
	ServiceStates(ctx context.Context) ([]ServiceState, error)
	// UpdateService gives a service a new spec, if its version is still the one named. Registry credentials for the spec's
	// image are sent as the docker command would find them. warnings are the engine's words.
	UpdateService(ctx context.Context, id string, version uint64, spec Spec) (warnings []string, err error)
	// NodeState reads one node by name or id. BadQuestion: more than one node has the name.
	NodeState(ctx context.Context, nameOrID string) (NodeState, error)
	// UpdateNode wants something else of a node, if its version is still the one named; its labels stay.
	UpdateNode(ctx context.Context, id string, version uint64, want NodeWant) error
	// LabelNode gives a node a label or, where value is nil, takes it away, if the node's version is still the one named; all else stays.
	LabelNode(ctx context.Context, id string, version uint64, key string, value *string) error
	// NodeTasks are the tasks that the orchestrator knows on a node now, by its id, those that have ended with them.
	NodeTasks(ctx context.Context, id string) ([]Task, error)
	// ResolveImage asks the image's registry, through the engine, for the digest that a reference has now.
	ResolveImage(ctx context.Context, ref string) (Image, error)
	// CreateMaterial makes a secret or a config and gives its id.
	CreateMaterial(ctx context.Context, kind MaterialKind, m Material) (id string, err error)
	// RemoveMaterial removes a secret or a config by id. Conflict: a service still refers to it.
	RemoveMaterial(ctx context.Context, kind MaterialKind, id string) error
	// Materials lists secrets or configs: names, dates and labels.
	Materials(ctx context.Context, kind MaterialKind) ([]Reference, error)
}

// ImageLook is what a registry tells of an image without its layers.
type ImageLook struct {
	// Digest is what the reference names now.
	Digest string
	// Healthcheck tells whether the image has a health check of its own.
	Healthcheck bool
	// Created is when it was built; zero: it does not say.
	Created time.Time
	// Revision is the commit that it was built from, by its label org.opencontainers.image.revision; "": it does not say.
	Revision string
}

// Images looks at images in their registries. Safe for concurrent use.
type Images interface {
	// Digest is what a registry has under an image's tag now, or the digest itself where it is there: one HEAD request, which counts against no limit of
	// pulls (docs.docker.com, "Docker Hub usage and limits": a pull is a GET of a manifest). NotFound: the registry has no such image (any more).
	Digest(ctx context.Context, image string) (string, error)
	// Look reads an image's manifest and config, two requests, one more where the reference names several platforms. NotFound: the registry has no
	// such image (any more).
	Look(ctx context.Context, image string) (ImageLook, error)
}

// Registry lists what an image may be replaced with.
type Registry interface {
	// Tags are the tags of an image's repository; image is a reference with or without tag and digest. The order is the
	// registry's own (lexical, by the distribution specification).
	Tags(ctx context.Context, image string) ([]string, error)
}

// Hook is a way to redeploy through somebody else, such as a Portainer webhook. Its address is a secret.
type Hook interface {
	// Name is the hook's name as configured; never its address.
	Name() string
	// Fire asks for a redeploy, of the tag given or, where it is "", of what is deployed. Its success says that the request was taken and
	// no more.
	Fire(ctx context.Context, tag string) error
}

// LogSink takes lines in, as Loki's push API does.
type LogSink interface {
	// Push hands lines over under one set of labels. Lines must be in order of time.
	Push(ctx context.Context, labels map[string]string, lines []PushLine) error
}

// PushLine is one line for a LogSink.
type PushLine struct {
	Time time.Time
	Line string
}

// Annotation marks a span on the dashboards.
type Annotation struct {
	From, To time.Time // To zero: a moment
	Tags     []string
	Text     string
}

// Annotator puts marks on dashboards.
type Annotator interface {
	Annotate(ctx context.Context, a Annotation) error
}

// String names the material and hides its value, whatever it is printed with.
func (m Material) String() string { return m.Name + " (its value is hidden)" }

// GoString is String, for %#v.
func (m Material) GoString() string { return m.String() }
