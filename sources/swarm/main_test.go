package swarm_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// waitLimit is how long a test waits for what it waits for before it fails.
var waitLimit = 30 * time.Second

// TestMain lets the tests wait beside each other, whatever the number of cores: they wait, they do not work. Real engines do work, and take
// longer for it.
func TestMain(m *testing.M) {
	beside := "16"
	if os.Getenv("QD_LAB") == "1" {
		beside, waitLimit = "6", 3*time.Minute
	}
	if err := flag.Set("test.parallel", beside); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func newContext(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}
