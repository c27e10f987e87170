package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"quarterdeck/sources"
)

var runName = sources.LazyRegexp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Hold marks a run as being executed, until release is called or the process ends in any way: so the run of a dead process is told
// from that of a living one. ErrHeld: it is held already. release may be called more than once.
func (j *Journal) Hold(run string) (release func(), err error) {
	const op = "hold a run"
	path, err := j.runLock(op, run)
	if err != nil {
		return nil, err
	}
	// Under the journal's lock all that is done to locks of runs is done, so that nobody sees another's mere look, or a file that is
	// being removed.
	unlock, err := j.lock(op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l := flock.New(path)
	ok, err := l.TryLock()
	if err != nil {
		return nil, failed(op, path, err)
	}
	if !ok {
		return nil, ErrHeld
	}
	return sync.OnceFunc(func() {
		unlock, err := j.lock(op)
		_ = l.Unlock()
		if err == nil {
			_ = os.Remove(path)
			unlock()
		}
	}), nil
}

// Held tells whether a run is being executed, by this process or another. Where that cannot be found out it is true, because a run must
// never be executed twice.
func (j *Journal) Held(run string) bool {
	const op = "look at a run"
	path, err := j.runLock(op, run)
	if err != nil {
		return false // nobody can hold it
	}
	unlock, err := j.lock(op)
	if err != nil {
		return true
	}
	defer unlock()
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		return false
	}
	l := flock.New(path)
	if ok, err := l.TryLock(); !ok || err != nil {
		return true
	}
	_ = l.Unlock()
	_ = os.Remove(path) // of a process that died
	return false
}

func (j *Journal) runLock(op, run string) (string, error) {
	if !runName().MatchString(run) {
		return "", bad(op, fmt.Errorf("%.140q is no run's id", run))
	}
	return filepath.Join(j.dir, runsDir, run+".lock"), nil
}
