package swarm_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// waitLimit is how long a test waits for what it waits for before it fails.
const waitLimit = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newContext(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}
