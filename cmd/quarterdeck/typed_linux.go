package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropTypedAhead throws away what was typed before a question was asked.
func dropTypedAhead(f *os.File) {
	_ = unix.IoctlSetInt(int(f.Fd()), unix.TCFLSH, unix.TCIFLUSH) // no terminal: nothing was typed
}
