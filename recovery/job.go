package recovery

import (
	"time"
)

// Kind is what a runner does.
type Kind string

// The kinds of jobs. Each is one container that ends: a plain service with one replica and restart condition none (OPERATIONS.md, "Restore").
const (
	// JobBackup saves a service's data as a new snapshot, and looks whether it is there.
	JobBackup Kind = "backup"
	// JobCheck opens the repository, finds the snapshot, and compares what the restore needs with what there is. It changes nothing.
	JobCheck Kind = "check"
	// JobRestore brings a snapshot's data into the place that is mounted, or the server that is named, and runs the policy's verify command there. A drill is
	// the same into a place that is thrown away.
	JobRestore Kind = "restore"
	// JobForget removes the snapshots that the policy's keep does not keep, and what only they needed.
	JobForget Kind = "forget"
	// JobAudit looks through the whole repository, and reads a share of its data back (restic check). It is of no service.
	JobAudit Kind = "audit"
)

// Where a runner finds what it is given.
const (
	// JobFile is the job, a swarm config.
	JobFile = "/qd/job.json"
	// RepositoryFile is the repository's secret, a file of lines NAME=VALUE as restic reads them from the environment: RESTIC_REPOSITORY, RESTIC_PASSWORD, and
	// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or what another backend wants. QUARTERDECK_S3 (s3+http://host/bucket/prefix) is where records go.
	RepositoryFile = "/run/secrets/qd-repository"
	// PasswordFile is the service's own password.
	PasswordFile = "/run/secrets/qd-password"
	// DataDir is where the volume is mounted.
	DataDir = "/qd/data"
)

// Job is what a runner is told. It holds no secret: it is a swarm config, which whoever may read configs can read.
type Job struct {
	// Run is the run that it is of, Name the step of the run, Attempt counts from 1. Together they name the job's claim and its result in the object store.
	Run     string `json:"run"`
	Name    string `json:"name"`
	Attempt int    `json:"attempt"`
	Kind    Kind   `json:"kind"`

	Service     string `json:"service"`
	Environment string `json:"environment"` // the context's name; snapshots carry it as their host
	Engine      Engine `json:"engine"`
	// Host is where the server is reached, of engines that have one; Port, User and DB as the policy has them. Password tells whether PasswordFile is there.
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	User     string `json:"user,omitempty"`
	DB       string `json:"db,omitempty"`
	Password bool   `json:"password,omitempty"`
	// Volume is the name of what is mounted at DataDir; "": nothing is.
	Volume string `json:"volume,omitempty"`
	Node   string `json:"node,omitempty"`

	// Origin is why a backup is made, Due the time of the schedule that it is made for; zero: of none.
	Origin Origin    `json:"origin,omitempty"`
	Due    time.Time `json:"due,omitzero"`
	// Snapshot is the one to be restored or checked, its whole id.
	Snapshot string `json:"snapshot,omitempty"`
	// Fresh: the place that is restored into is thrown away afterwards. Where it is not, what was there is put aside in the volume (AsideDir) first.
	Fresh  bool   `json:"fresh,omitempty"`
	Verify string `json:"verify,omitempty"`
	Keep   Keep   `json:"keep,omitzero"`
	// Within is how long the job may take, in seconds; 0: DefaultWithin.
	Within float64 `json:"within,omitempty"`
}

// AsideDir is where a restore of files puts what was in the volume, until the run has ended well. Its name has the run's id behind it.
const AsideDir = ".qd-aside-"

// DefaultWithin bounds a job.
const DefaultWithin = 2 * time.Hour

// Origin is why a snapshot was made.
type Origin string

// The origins.
const (
	Scheduled Origin = "scheduled"
	Manual    Origin = "manual"
	Safety    Origin = "safety" // before a restore, of what it is about to replace
)

// Event is a line of progress: JSON on the runner's standard output, one object a line.
type Event struct {
	QD   int       `json:"qd"` // 1: so that the line is told from others
	Time time.Time `json:"time"`
	// Phase is what is being done: opening the repository, dumping, restoring, verifying, cleaning up.
	Phase string `json:"phase"`
	// Done and Total are bytes; Total 0: not known.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Text  string `json:"text,omitempty"`
	// Result is on the last line.
	Result *Result `json:"result,omitempty"`
}

// Result is what came of a job. The runner writes it to the object store, and it is its last line as well.
type Result struct {
	Run     string    `json:"run"`
	Name    string    `json:"name"`
	Attempt int       `json:"attempt"`
	Kind    Kind      `json:"kind"`
	Service string    `json:"service"`
	Node    string    `json:"node,omitempty"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	OK      bool      `json:"ok"`
	// Code is what failed, of those below; Reason says it in a sentence, Next what to do.
	Code   Code   `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"`
	// Touched: the place that was restored into is not what it was.
	Touched bool `json:"touched,omitempty"`
	// Snapshot is the one that was made, or restored.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"` // read or written, of the data itself
	Server   string    `json:"server,omitempty"`
	Verified *Verified `json:"verified,omitempty"`
	Forgot   []string  `json:"forgot,omitempty"` // ids of snapshots
}

// Code names what failed.
type Code string

// The codes of failures that a person acts on in different ways.
const (
	WrongPassword   Code = "wrong-password"   // of the repository
	NoRepository    Code = "no-repository"    // there is none at that place
	Damaged         Code = "damaged"          // the repository, or the snapshot, cannot be read back
	Locked          Code = "locked"           // the repository, by another restic
	NoSnapshot      Code = "no-snapshot"      // of that id
	OtherService    Code = "other-service"    // the snapshot is of another service
	NewerServer     Code = "newer-server"     // the dump is of a newer server than the one that it would go into
	NoSpace         Code = "no-space"         // where the data would go
	NoServer        Code = "no-server"        // does not answer, or refuses the user
	NoStore         Code = "no-store"         // the object store
	VerifyFailed    Code = "verify-failed"    // the policy's command said no
	DumpFailed      Code = "dump-failed"      // the database's own tool
	RestoreFailed   Code = "restore-failed"   // the same, on the way back
	ClaimedBefore   Code = "claimed-before"   // another container had this very job already
	TimedOut        Code = "timed-out"        //
	Interrupted     Code = "interrupted"      // the container was told to stop
	NotUnderstood   Code = "not-understood"   // the job's file
	UnexpectedError Code = "unexpected-error" //
)

// Verified is what the policy's command said.
type Verified struct {
	Command string `json:"command"`
	Exit    int    `json:"exit"`
	Output  string `json:"output"` // the end of it, bounded by MaxOutput
}

// MaxOutput bounds what is kept of a command's output, in bytes.
const MaxOutput = 4 << 10

// Snapshot is a record of the catalogue: one thing that was saved.
type Snapshot struct {
	// ID is restic's, whole: 64 hexadecimal digits.
	ID          string `json:"id"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Engine      Engine `json:"engine"`
	DB          string `json:"db,omitempty"`
	Volume      string `json:"volume,omitempty"`
	Node        string `json:"node,omitempty"`
	Origin      Origin `json:"origin"`
	// Due is the time of the schedule that it was made for; zero: of none.
	Due time.Time `json:"due,omitzero"`
	Run string    `json:"run"`
	// Taken is the moment whose state it holds: when the dump's transaction began, or the files were first read.
	Taken time.Time `json:"taken"`
	Ended time.Time `json:"ended"`
	// Size is what it holds, Added what it added to the repository, in bytes.
	Size  int64 `json:"size"`
	Added int64 `json:"added"`
	// Server is the version of the server that the dump is of.
	Server string `json:"server,omitempty"`
	// Verified is whether what was written could be read back at once (restic check of the snapshot's own data, pg_restore --list).
	Verified bool `json:"verified"`
}

// Short is as much of the id as people read and type.
func (s *Snapshot) Short() string { return s.ID[:min(len(s.ID), 8)] }

// Drill is the record of a restore, into a scratch place or for real.
type Drill struct {
	Run      string    `json:"run"`
	Service  string    `json:"service"`
	Engine   Engine    `json:"engine"`
	Snapshot string    `json:"snapshot"`
	Taken    time.Time `json:"taken"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	// Real: it was a restore, and not a drill.
	Real bool `json:"real,omitempty"`
	OK   bool `json:"ok"`
	// RTO is how long it took from its beginning until the data was back and verified; RPO how much of the newest data was lost with that snapshot: from its moment
	// until the drill began. In seconds.
	RTO      float64   `json:"rto"`
	RPO      float64   `json:"rpo"`
	Bytes    int64     `json:"bytes"`
	Reason   string    `json:"reason,omitempty"`
	Verified *Verified `json:"verified,omitempty"`
	Actor    string    `json:"actor,omitempty"`
	// Steps are those that were done until the record was written, with how long each took.
	Steps []DrillStep `json:"steps,omitempty"`
}

// DrillStep is a step of a drill or a restore. Kind is the same from one to the next (Step).
type DrillStep struct {
	Step
	Took float64 `json:"took"` // seconds
}
