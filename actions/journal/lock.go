package journal

import (
	"context"
	"time"

	"github.com/gofrs/flock"
)

// lockWait bounds the wait for the lock. Whoever holds it writes one line: longer is a process that hangs.
const lockWait = 30 * time.Second

// lock keeps all other writers out, of this process and of others, until the function that it returns is called.
func (j *Journal) lock(op string) (func(), error) {
	j.mu.Lock()
	l := flock.New(j.path(lockFile))
	if err := take(l, l.TryLock, l.Lock, j.wait); err != nil {
		j.mu.Unlock()
		return nil, failed(op, j.path(lockFile), err)
	}
	return func() {
		_ = l.Unlock()
		j.mu.Unlock()
	}, nil
}

// take waits in the system's queue, where, unlike with trying again and again, each gets its turn. One that gives up leaves its
// place in the queue to a goroutine, which hands the lock on when it gets it.
func take(l *flock.Flock, try func() (bool, error), wait func() error, limit time.Duration) error {
	if ok, err := try(); ok || err != nil {
		return err
	}
	got := make(chan error, 1)
	go func() { got <- wait() }()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-got:
		return err
	case <-late.C:
		go func() {
			if <-got == nil {
				_ = l.Unlock()
			}
		}()
		return context.DeadlineExceeded
	}
}
