package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// dropTypedAhead throws away what was typed before a question was asked.
func dropTypedAhead(f *os.File) {
	_ = windows.FlushConsoleInputBuffer(windows.Handle(f.Fd())) // no console: nothing was typed
}
