//go:build unix

package main

import "golang.org/x/sys/unix"

// hasShell tells whether a shell with job control is there, which takes the terminal over when this process
// stops. There is none where the process group is the session leader's (ssh with a command, a tmux window, a
// container) or nobody of the session has started it: there the system ignores a stop (POSIX, "orphaned process group").
func hasShell() bool {
	session, err := unix.Getsid(0)
	if err != nil || unix.Getpgrp() == session {
		return false
	}
	parent, err := unix.Getsid(unix.Getppid())
	return err == nil && parent == session
}
