package actions_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// waitLimit is how long a test waits for what it waits for before it fails.
var waitLimit = time.Minute

// TestMain is also the child processes of child_test.go, which run this binary again. The tests wait beside each other, whatever the number
// of cores: they wait, they do not work.
func TestMain(m *testing.M) {
	if role := os.Getenv("QD_ACT_CHILD"); role != "" {
		os.Exit(child(role))
	}
	if os.Getenv("QD_LAB") == "1" { // real engines, on the machine that runs the tests
		waitLimit *= 3
	}
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(shared{m})
}

// shared runs the tests and ends what they share before leaks are looked for.
type shared struct{ m *testing.M }

func (s shared) Run() int {
	code := s.m.Run()
	for i := len(atEnd) - 1; i >= 0; i-- {
		atEnd[i]()
	}
	return code
}

// atEnd are what ends the platforms that all tests share. It is added to under a sync.Once's hold alone.
var atEnd []func()
