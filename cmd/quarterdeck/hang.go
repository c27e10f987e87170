package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
)

// hangTime is how long the process may take to end after it was told to.
const hangTime = 5 * time.Second

// endAnyway ends the process some time after ctx has, if stop was not called by then: a terminal or a pipe that is
// not read any more (a hung ssh) holds up every write, those too that would put the terminal right. Its line
// settings are put back, which needs no write.
func endAnyway(ctx context.Context, in io.Reader) (stop func()) {
	restore := func() {}
	if f, ok := in.(*os.File); ok {
		if before, err := term.GetState(f.Fd()); err == nil {
			restore = func() { _ = term.Restore(f.Fd(), before) }
		}
	}
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		select {
		case <-done:
		case <-time.After(hangTime):
			restore()
			os.Exit(exitInterrupted)
		}
	})
	return func() { unhook(); close(done) }
}
