//go:build lab

package objectstore_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"quarterdeck/sources/objectstore"
)

// TestConformanceLab runs the suite against the lab's versitygw, under a prefix of its own that it removes.
func TestConformanceLab(t *testing.T) {
	at, err := objectstore.ParseAddress(os.Getenv("QUARTERDECK_S3"))
	if err != nil {
		t.Fatalf("%v: bring the lab up and take its exports (testdata/lab/lab env)", err)
	}
	keys, err := objectstore.KeysFrom(os.Getenv)
	must(t, err)
	p := place{at, keys}.under(fmt.Sprintf("objectstore-test-%d-%d", os.Getpid(), time.Now().Unix()))
	t.Cleanup(func() { p.clear(context.Background(), t) }) //nolint:usetesting // the test's own has ended by then
	testConformance(t, p)
}
