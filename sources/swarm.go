package sources

import (
	"context"
	"time"
)

// Node is a machine of the swarm.
type Node struct {
	ID           string
	Name         string // the host's name
	Role         string // manager | worker
	State        string // ready | down | disconnected | unknown
	Message      string // the manager's words on State, e.g. "heartbeat failure"
	Availability string // active | pause | drain
	Leader       bool
	Reachability string // of a manager: reachable | unreachable | unknown; "" on a worker
	Addr         string // IP address
	Engine       string // engine version
	OS, Arch     string // e.g. linux, x86_64
	NanoCPUs     int64  // 1e9 is one core
	MemoryBytes  int64
	Labels       map[string]string // node labels
	EngineLabels map[string]string
	Plugins      []string // "type/name", e.g. "Log/loki:latest"; sorted
	Created      time.Time
	Updated      time.Time
}

// Mode is how a service is scheduled.
type Mode string

// The modes of a service.
const (
	Replicated    Mode = "replicated"
	Global        Mode = "global"
	ReplicatedJob Mode = "replicated-job"
	GlobalJob     Mode = "global-job"
)

// Job tells whether tasks of this mode are meant to end.
func (m Mode) Job() bool { return m == ReplicatedJob || m == GlobalJob }

// Service is a service's desired state, and what the orchestrator says of its update.
type Service struct {
	ID      string
	Name    string
	Stack   string // label com.docker.stack.namespace, or ""
	Mode    Mode
	Desired int // replicas asked for; of a job, total completions; of a global service 0 (the fleet counts eligible nodes)
	// DesiredBefore are the replicas of the spec before the last change; 0: none, or that is not known.
	DesiredBefore int
	// Changed tells in a line in what the spec differs from the one before the last change, which the engine keeps; no values of the environment.
	// "": there was no change, or that is not known. Names in it are untrusted.
	Changed string
	// Image is the reference without its digest; Digest is "sha256:…" or "" where the spec names none.
	Image, Digest string
	// Generation names the task template: a task whose Generation is the same runs what is desired.
	Generation string
	Version    uint64 // the object's version, for conflict checks
	Created    time.Time
	Updated    time.Time
	Labels     map[string]string // service labels, not the container's

	// UpdateState is the orchestrator's: "", updating, paused, completed,
	// rollback_started, rollback_paused, rollback_completed.
	UpdateState     string
	UpdateMessage   string
	UpdateStarted   time.Time
	UpdateCompleted time.Time

	Constraints []string // as written: "node.role==manager"
	Platforms   []string // "linux/amd64"; empty: any
	MaxPerNode  int      // 0: no limit
	// Preferences are the labels over whose values tasks are spread, the first first: "node.labels.zone".
	Preferences []string
	Resources   Resources
	Update      UpdatePolicy
	Restart     RestartPolicy
	// Healthcheck: "" unknown to the spec (the image may have one), "none" switched off, else the test's words.
	Healthcheck string
	Ports       []Port
	Networks    []string // network names or ids, as the spec has them
	VIPs        []string // virtual addresses on its networks, without the prefix's length; none with endpoint mode dnsrr
	Secrets     []string // names only, never values
	Configs     []string // names only
	Mounts      []Mount
	EnvNames    []string // names only, never values
	LogDriver   string   // "" : the engine's default
	// JobIteration is the job's run; tasks of older runs do not count.
	JobIteration uint64
}

// Resources are what a task asks for and may use. 0: not set.
type Resources struct {
	LimitNanoCPUs, ReserveNanoCPUs int64 // 1e9 is one core
	LimitBytes, ReserveBytes       int64
	LimitPIDs                      int64
}

// UpdatePolicy is how a rolling update goes.
type UpdatePolicy struct {
	Order         string // start-first | stop-first
	FailureAction string // pause | continue | rollback
	Parallelism   int    // 0: all at once
	Delay         time.Duration
	Monitor       time.Duration
	MaxFailure    float64 // ratio 0..1
}

// RestartPolicy is when a task is replaced.
type RestartPolicy struct {
	Condition   string // any | on-failure | none
	Delay       time.Duration
	MaxAttempts int // 0: no bound
	Window      time.Duration
}

// Port is a published port.
type Port struct {
	Protocol          string // tcp | udp | sctp
	Target, Published int
	Mode              string // ingress | host
}

// Mount is a volume or a path that tasks see.
type Mount struct {
	Type, Source, Target string
	ReadOnly             bool
}

// TaskState is the state of a task, in the orchestrator's words and order.
type TaskState string

// The states of a task that are told apart here; the orchestrator has more on
// the way from new to running (https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/).
const (
	TaskPending   TaskState = "pending"
	TaskRunning   TaskState = "running"
	TaskComplete  TaskState = "complete"
	TaskShutdown  TaskState = "shutdown"
	TaskFailed    TaskState = "failed"
	TaskRejected  TaskState = "rejected"
	TaskRemove    TaskState = "remove"
	TaskOrphaned  TaskState = "orphaned"
	TaskPreparing TaskState = "preparing"
	TaskStarting  TaskState = "starting"
)

// Ended tells whether a task in this state will never run (again).
func (s TaskState) Ended() bool {
	switch s {
	case TaskComplete, TaskShutdown, TaskFailed, TaskRejected, TaskRemove, TaskOrphaned:
		return true
	}
	return false
}

// Task is one container's worth of a service: a slot's holder, or a node's of a global service.
type Task struct {
	ID         string
	ServiceID  string
	NodeID     string // "" until it is assigned
	Slot       int    // 0 on a global service
	Generation string // see Service.Generation
	Image      string // as the spec has it, with digest
	State      TaskState
	Desired    TaskState
	Message    string // the orchestrator's words on State
	Err        string // what went wrong, or ""
	ExitCode   int    // of an ended container
	Container  string // container id, or ""
	PID        int
	Created    time.Time
	Since      time.Time // when State began
	// JobIteration: see Service.JobIteration.
	JobIteration uint64
}

// Network is a network that services join.
type Network struct {
	ID, Name, Driver, Scope, Stack string
	Ingress, Attachable, Internal  bool
	Subnets                        []string
	Created                        time.Time
	Labels                         map[string]string
}

// Reference is a secret or a config: its name and dates, never its value.
type Reference struct {
	ID, Name, Stack  string
	Created, Updated time.Time
	Labels           map[string]string
}

// Event is something that the orchestrator says has happened.
type Event struct {
	Time   time.Time
	Type   string // service | node | network | secret | config | container
	Action string // create | update | remove | …
	ID     string
	Name   string
	Attrs  map[string]string
}

// EngineInfo is what the engine that we talk to says of itself.
type EngineInfo struct {
	Version, API string
	NodeID       string
	Manager      bool
	ClusterID    string
	Name         string
}

// World is one whole listing of the swarm, taken at one moment.
type World struct {
	At       time.Time
	Engine   EngineInfo
	Nodes    []Node
	Services []Service
	Tasks    []Task
	Networks []Network
	Secrets  []Reference
	Configs  []Reference
	// Missing names the lists that the endpoint did not allow to be read (tasks, nodes, networks, secrets, configs);
	// each of them is nil, which is not the same as empty.
	Missing []string
}

// Change is a piece of news about the swarm. Exactly one of its fields is set.
// Everything in it is the object's state as read at At, never a guess from an event's text.
type Change struct {
	At time.Time
	// World: a whole listing, which replaces all that was known.
	World *World
	// Services with these ids now look so; Removed names those that are gone.
	Services []Service
	Removed  []string // ids of services
	// Tasks are all tasks of the services named in TasksOf, as they are now.
	Tasks   []Task
	TasksOf []string
	// Nodes is the whole list of nodes.
	Nodes []Node
	// Networks, Secrets, Configs: the whole list, non-nil where read.
	Networks []Network
	Secrets  []Reference
	Configs  []Reference
	// Event is what the orchestrator's stream said; the objects follow by themselves.
	Event *Event
	// Status is the source's state.
	Status *Status
}

// Orchestrator is the swarm as its readers need it. Safe for concurrent use.
type Orchestrator interface {
	// List reads everything once.
	List(ctx context.Context) (*World, error)
	// Watch lists, then streams changes into emit until ctx ends; it reconnects by
	// itself with backoff, lists again after each reconnect, and says its state
	// through Change.Status. emit is called from one goroutine at a time and must not block long.
	// It returns only ctx's error.
	Watch(ctx context.Context, emit func(Change)) error
	// Probe asks for the least that tells whether the source can serve, with what it allows.
	Probe(ctx context.Context) Probe
}

// Probe is what doctor shows of a source.
type Probe struct {
	Name, Address, Version string
	State                  State
	Allows                 []string // abilities tried and had
	Missing                []string // abilities tried and not had
	Fix                    string   // what to do, or ""
	Took                   time.Duration
}
