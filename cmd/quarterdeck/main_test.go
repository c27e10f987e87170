package main

import (
	"fmt"
	"os"
	"testing"
)

// buildDir is where the tests' binary is built, once.
var buildDir string

func TestMain(m *testing.M) {
	if address := os.Getenv(rawTailEnv); address != "" {
		fmt.Fprintln(os.Stderr, rawTail(address))
		os.Exit(1)
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "quarterdeck-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

// oneByOne leaves a test out of a short run, which is the race detector's: each of its commands runs by itself, on a platform of its own, and nothing is shared that other tests do not share.
func oneByOne(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("commands by themselves: nothing for the race detector")
	}
}
