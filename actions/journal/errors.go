package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"quarterdeck/sources"
)

// ErrHeld is returned for a run that another live process, or another part of this one, is executing.
var ErrHeld = errors.New("the run is being executed elsewhere")

const name = "journal"

// bad is an error of what was asked for.
func bad(op string, err error) error {
	return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "this is a defect of quarterdeck: nothing was written", Err: err}
}

// failed makes an error that says what to do of what the system said about a file of the journal.
func failed(op, path string, err error) error {
	var already *sources.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	dir := filepath.Dir(path)
	e := &sources.Error{Source: name, Op: op, Kind: sources.Unreachable, Err: err, Next: "look at the disk that holds " + dir + ", or set another directory for the journal"}
	switch {
	case fullDisk(err):
		e.Kind, e.Next = sources.OverLimit, "make room on the disk that holds "+dir+", or set another directory for the journal"
	case errors.Is(err, syscall.EROFS):
		e.Kind, e.Next = sources.Forbidden, dir+" is on a read-only file system: set another directory for the journal"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Next = sources.Forbidden, "make "+dir+" and what is in it writable for this user alone, or set another directory for the journal"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		e.Kind, e.Next = sources.BadQuestion, dir+" must be a directory: move what is there, or set another directory for the journal"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Next = sources.NotFound, "there is no journal in "+dir+"; it is made before the first action"
	case errors.Is(err, context.DeadlineExceeded):
		e.Next = "another quarterdeck holds " + path + ": it hangs or is stopped; end it"
		e.Err = fmt.Errorf("the lock was not to be had within %s", lockWait)
	}
	return e
}
