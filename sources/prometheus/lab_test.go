//go:build lab

package prometheus_test

import (
	"os"
	"testing"
)

// TestLab runs the suite against the lab's Prometheus, which is the real one.
func TestLab(t *testing.T) {
	address := os.Getenv("PROMETHEUS_URL")
	if address == "" {
		t.Fatal("PROMETHEUS_URL is not set: bring the lab up and take its exports (testdata/lab/lab env)")
	}
	conform(t, address, "shop_web")
}
