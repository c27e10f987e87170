package fleet

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A tenth of a minute under the race detector on a busy machine; more by -rapid.checks.
	_ = flag.Set("rapid.checks", "30")
	_ = flag.Set("rapid.nofailfile", "true")
	goleak.VerifyTestMain(m)
}
