package stages

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// feedOn is a feed over a snapshot that a test may change, and what it kept.
func feedOn(s *atomic.Pointer[fleet.Snapshot], words func(context.Context) (map[string]sources.Attestation, error)) (*Feed, *[]*Record) {
	kept := &[]*Record{}
	return &Feed{Fleet: s.Load, From: Sources{Words: words}, Settings: Defaults(), Timeout: time.Minute, Now: func() time.Time { return now }, Keep: func(r *Record) { *kept = append(*kept, r) }}, kept
}

// What turns is remembered once, with what was measured; what cannot be looked at for a while turns when it is seen again as another.
func TestFeedRemembersTurns(t *testing.T) {
	var s atomic.Pointer[fleet.Snapshot]
	f, kept := feedOn(&s, nil)
	well, bad := good().Fleet, good(func(e *Evidence) { web(e).Restart.Condition = "none" }).Fleet
	for _, x := range []*fleet.Snapshot{well, well, {}, bad, bad} {
		s.Store(x)
		f.Once(t.Context())
	}
	got := f.Turned()
	if len(got) != 1 || got[0].Check.ID != "restart-policy" || got[0].From != Pass || got[0].To != Fail || got[0].Says != "1 of 2 services" || !got[0].At.Equal(now) {
		t.Errorf("%+v", got)
	}
	if len(*kept) != 5 || (*kept)[2].States["restart-policy"] != Unknown {
		t.Errorf("%d records; while nothing was seen: %s", len(*kept), (*kept)[2].States["restart-policy"])
	}
	select {
	case <-f.Changed():
	default:
		t.Error("nobody was told")
	}
	if f.Report() == nil || (*Feed)(nil).Report() != nil || (*Feed)(nil).Turned() != nil {
		t.Error("a report where there is none, or none where there is one")
	}
}

// Run gathers one at a time however often it is asked, never lets who asks wait, and ends with its context in the middle of a gathering.
func TestFeedRuns(t *testing.T) {
	var s atomic.Pointer[fleet.Snapshot]
	s.Store(good().Fleet)
	var at, most, begun atomic.Int64
	enter, leave := make(chan struct{}), make(chan struct{})
	f, _ := feedOn(&s, func(ctx context.Context) (map[string]sources.Attestation, error) {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		begun.Add(1)
		select {
		case enter <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case <-leave:
			return map[string]sources.Attestation{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	f.Watch(true) // asks at once
	<-enter
	for range 50 {
		f.Refresh()
	}
	leave <- struct{}{}
	<-enter // those fifty are one
	if f.Report() == nil {
		t.Error("the first gathering left no report")
	}
	first := f.Report()
	cancel()
	<-done
	if f.Report() != first {
		t.Error("a gathering that was cut off made a report")
	}
	if most.Load() != 1 || begun.Load() != 2 {
		t.Errorf("%d at once, %d in all", most.Load(), begun.Load())
	}
}
