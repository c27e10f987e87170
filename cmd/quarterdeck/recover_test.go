package main

import (
	"testing"
	"time"
)

// A moment is in the past, and is named in place of a snapshot.
func TestPointInTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		at, snapshot string
		want         time.Time
		ok           bool
	}{
		{"", "", time.Time{}, true},
		{"", "abcd", time.Time{}, true},
		{"3h", "", now.Add(-3 * time.Hour), true},
		{"11:30", "", now.Add(-30 * time.Minute), true},
		{"12:30", "", time.Time{}, false},
		{"3h", "latest", time.Time{}, false},
		{"soon", "", time.Time{}, false},
	} {
		got, err := pointInTime(x.at, x.snapshot, now)
		if (err == nil) != x.ok || x.ok && !got.Equal(x.want) {
			t.Errorf("%q with %q: %v, %v", x.at, x.snapshot, got, err)
		}
		if status, is := err.(*exitStatus); err != nil && (!is || status.code != exitUsage) { //nolint:errorlint // it is wrapped by nothing
			t.Errorf("%q with %q is no question of usage: %v", x.at, x.snapshot, err)
		}
	}
}
