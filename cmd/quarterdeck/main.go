package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// Exit codes (the command line's contract).
const (
	exitDone        = 0
	exitDegraded    = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
	exitTakenBack   = 5
	exitLeft        = 6
	exitInterrupted = 130
)

// exitStatus is an error that knows its exit code. Where err is nil nothing is printed.
type exitStatus struct {
	code int
	err  error
}

// Error is the cause's.
func (e *exitStatus) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

// Unwrap gives the cause.
func (e *exitStatus) Unwrap() error { return e.err }

func main() {
	// Libraries that print through the standard logger would tear the screen.
	log.SetOutput(io.Discard)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings given, and the exit code returned.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	unhang := sync.OnceFunc(endAnyway(ctx, in))
	defer unhang()
	root := newRootCommand(&surroundings{in: in, out: out, errs: errs, getenv: os.Getenv, endsItself: unhang})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	code := codeOf(ctx, err)
	if err != nil && !silent(err) && code != exitInterrupted {
		fmt.Fprintln(errs, "quarterdeck:", plain.Line(err.Error()))
	}
	return code
}

func silent(err error) bool {
	var e *exitStatus
	return errors.As(err, &e) && e.err == nil
}

// codeOf is the one place that maps errors to exit codes.
func codeOf(ctx context.Context, err error) int {
	var e *exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	case ctx.Err() != nil:
		return exitInterrupted
	case sources.KindOf(err) == sources.BadQuestion:
		return exitUsage
	case sources.KindOf(err) != 0:
		return exitUnreachable
	}
	return exitUsage
}
