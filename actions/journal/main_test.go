package journal

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the child processes of process_test.go, which run this binary again.
func TestMain(m *testing.M) {
	if role := os.Getenv("QD_JOURNAL_CHILD"); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}
