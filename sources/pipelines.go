package sources

import (
	"context"
	"time"
)

// LabelRepository names the repository that a service is built from.
const LabelRepository = "qd.repository"

// LabelCommit names the commit that a service runs, where its image does not.
const LabelCommit = "qd.commit"

// PipelineState is how a run of a pipeline, or a step of one, stands.
type PipelineState string

// The states of runs and steps.
const (
	PipelinePassed  PipelineState = "passed"
	PipelineFailed  PipelineState = "failed"
	PipelineStopped PipelineState = "stopped" // by a person, or because its time was up
	PipelineRunning PipelineState = "running"
	PipelineWaiting PipelineState = "waiting" // for its turn
	PipelinePaused  PipelineState = "paused"  // what ran has passed, and the rest waits for a person
	PipelineSkipped PipelineState = "skipped" // a step that did not run
	PipelineUnknown PipelineState = "unknown" // the server uses a word that is not known here
)

// Ended tells whether nothing more comes of it.
func (s PipelineState) Ended() bool {
	return s == PipelinePassed || s == PipelineFailed || s == PipelineStopped || s == PipelineSkipped
}

// PipelineRun is one run of a repository's pipeline.
type PipelineRun struct {
	ID         string
	Number     int
	Repository string
	Branch     string // "": it ran for something else, as a tag
	Commit     string // the hash
	State      PipelineState
	Created    time.Time
	Ended      time.Time // zero: it has not
}

// PipelineStep is one of a run's.
type PipelineStep struct {
	Name           string
	State          PipelineState
	Started, Ended time.Time // zero: not yet
}

// scanStep is in the name of a step that looks for credentials.
var scanStep = LazyRegexp(`(?i)gitleaks|trufflehog|secret`)

// Scans tells whether the step looks for credentials in the repository, by its name.
func (s *PipelineStep) Scans() bool { return scanStep().MatchString(s.Name) }

// PipelineQuery says which runs are wanted; what is empty is not asked for.
type PipelineQuery struct {
	Repository, Branch, Commit string
	Most                       int // 0: ten
}

// repositoryName is a repository's, alone or after its workspace.
var repositoryName = LazyRegexp(`^([A-Za-z0-9_][A-Za-z0-9._-]{0,127}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// IsRepository tells whether a text can name a repository.
func IsRepository(text string) bool { return repositoryName().MatchString(text) }

// Pipelines reads and starts the pipelines that build what runs. Safe for concurrent use; errors are *Error.
type Pipelines interface {
	// Runs are a repository's, the newest first.
	Runs(ctx context.Context, q PipelineQuery) ([]PipelineRun, error)
	// Steps are a run's, in order.
	Steps(ctx context.Context, repository, run string) ([]PipelineStep, error)
	// Start begins a run for the head of a branch. It is tried once: after Unreachable it may have begun or not.
	Start(ctx context.Context, repository, branch string) (PipelineRun, error)
}
