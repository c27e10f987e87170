package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropTypedAhead throws away what was typed before a question was asked.
func dropTypedAhead(f *os.File) {
	_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCFLUSH, 1) // FREAD of sys/fcntl.h; no terminal: nothing was typed
}
