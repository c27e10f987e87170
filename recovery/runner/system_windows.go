package runner

import (
	"errors"
	"io/fs"
	"os/exec"
	"syscall"
)

// The runner's place is a Linux container. Elsewhere it compiles, and ends what it started one by one.

func apart(*exec.Cmd) {}

func signalAll(cmd *exec.Cmd, _ syscall.Signal) error { return cmd.Process.Kill() }

func killAll(*exec.Cmd) {}

func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }

func ownAs(string, fs.FileInfo) error { return nil }
