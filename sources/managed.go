package sources

import (
	"context"
	"time"
)

// StackState is how a stack stands with who deploys it.
type StackState string

// The states of a managed stack.
const (
	StackActive    StackState = "active"
	StackStopped   StackState = "stopped"
	StackDeploying StackState = "deploying"
	StackFailed    StackState = "failed" // its last deployment did
	StackUnknown   StackState = "unknown"
)

// ManagedStack is a stack that somebody else deploys from its files, and how. Its texts are untrusted; no credential is in them.
type ManagedStack struct {
	Name string
	// Swarm is the id of the swarm that it is deployed into; "": it does not say.
	Swarm string
	State StackState
	// Says is what was said of the deployment that failed.
	Says string
	// Repository is the address of the git repository that its file is in; "": the file was typed or uploaded. Branch may be another reference, as refs/tags/v1; "" is the
	// repository's own default.
	Repository, Branch, File string
	// Commit is the repository's that was deployed last.
	Commit string
	// Every is how often the repository is looked at for a newer commit; 0: it is not.
	Every time.Duration
	// Webhook: a request to a secret address makes it look. Force: it deploys though nothing is new; Pull: it pulls the images anew.
	Webhook, Force, Pull bool
	// Updated is when it was deployed or changed last, UpdatedBy by whom.
	Updated   time.Time
	UpdatedBy string
}

// StackManager is who deploys stacks from their files, as Portainer does. Safe for concurrent use; errors are *Error.
type StackManager interface {
	// Name is what people call it.
	Name() string
	// Stacks are those that it deploys into a swarm, by the swarm's id; "": into any.
	Stacks(ctx context.Context, swarm string) ([]ManagedStack, error)
}
