package recovery

import (
	"context"
	"reflect"
	"sync"
	"time"

	"quarterdeck/sources"
)

// Feed keeps what a catalogue held when it was read last. Safe for concurrent use; who reads it again, and when, is for its owner to say.
type Feed struct {
	catalogue Catalogue
	now       func() time.Time

	mu   sync.Mutex
	last *Contents
	wake chan struct{}
}

// NewFeed makes a feed that has read nothing yet.
func NewFeed(objects sources.Objects, now func() time.Time) *Feed {
	return &Feed{catalogue: Catalogue{Objects: objects}, now: now, wake: make(chan struct{}, 1)}
}

// Read reads the catalogue once. Where that fails, what was known stays.
func (f *Feed) Read(ctx context.Context) error {
	c, err := f.catalogue.Read(ctx)
	if err != nil {
		return err
	}
	c.Read = f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.last
	f.last = c
	if old != nil && reflect.DeepEqual(old.Snapshots, c.Snapshots) && reflect.DeepEqual(old.Drills, c.Drills) && reflect.DeepEqual(old.Days, c.Days) && reflect.DeepEqual(old.Unreadable, c.Unreadable) {
		return nil
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return nil
}

// Contents is what was read last, never changed afterwards; nil: nothing could be read yet.
func (f *Feed) Contents() *Contents {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Changed is signalled when what was read differs from before. Many changes make one signal. A nil feed's is never signalled.
func (f *Feed) Changed() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.wake
}
