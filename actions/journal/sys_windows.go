package journal

import (
	"errors"
	"syscall"
)

// syncDir does nothing: Windows has no call for it, and keeps names in its file system's own journal.
func syncDir(string) error { return nil }

func fullDisk(err error) bool {
	const errorHandleDiskFull, errorDiskFull = syscall.Errno(39), syscall.Errno(112)
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}
