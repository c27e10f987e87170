//go:build lab

package loki

import (
	"os"
	"testing"
)

func labAddr(t *testing.T) string {
	t.Helper()
	a := os.Getenv("LOKI_ADDR")
	if a == "" {
		t.Skip("LOKI_ADDR is not set: start the lab")
	}
	return a
}

// TestLabConformance runs the suite against the real Loki.
func TestLabConformance(t *testing.T) {
	conformance(t, httpTarget(labAddr(t)))
}
