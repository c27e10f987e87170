package ui

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"quarterdeck/sources/fleet"
)

// TestPumpGathers: changes that come together wake once, one that comes alone wakes soon, and a flood
// wakes no more often than FrameRate. None is left without a wake after it.
func TestPumpGathers(t *testing.T) {
	for _, c := range []struct {
		name           string
		changes        int
		apart          time.Duration
		least, most    int
		longestWaiting time.Duration
	}{
		{"alone", 5, time.Second, 5, 5, gatherTime},
		{"together", 5, gatherTime / 10, 1, 1, gatherTime},
		{"flood", 1000, time.Millisecond, 25, FrameRate + 2, time.Second / FrameRate},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fleet.New(time.Now)
				var changed time.Time // of the first change that no wake has told of
				wakes := 0
				p := pump{fleet: f, lines: make(chan struct{}), send: func(wakeMsg) {
					wakes++
					if late := time.Since(changed); changed.IsZero() || late > c.longestWaiting {
						t.Errorf("woken %s after the change", late)
					}
					changed = time.Time{}
				}}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); p.Run(ctx) }()
				time.Sleep(time.Second)
				for range c.changes {
					synctest.Wait()
					if changed.IsZero() {
						changed = time.Now()
					}
					f.Note(fleet.Happening{Time: time.Now(), Kind: fleet.OtherHappening, Text: time.Now().String()})
					time.Sleep(c.apart)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if wakes < c.least || wakes > c.most || !changed.IsZero() {
					t.Errorf("%d wakes, want %d to %d; a change without one: %v", wakes, c.least, c.most, !changed.IsZero())
				}
				cancel()
				<-done
			})
		})
	}
}
