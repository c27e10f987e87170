// Package deploy holds the files that the project is deployed by, so that who hands them on has the very same ones.
package deploy

import "embed"

// Files are the agent's stack and its rules for Prometheus.
//
//go:embed agent/stack.yml agent/rules.yml
var Files embed.FS
