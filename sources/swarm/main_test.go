package swarm_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// waitLimit is how long a test waits for what it waits for before it fails.
const waitLimit = 30 * time.Second

// TestMain lets the tests wait beside each other, whatever the number of cores: they wait, they do not work.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func newContext(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}
