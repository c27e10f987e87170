//go:build unix && !linux

package runner

import (
	"os/exec"
	"syscall"
)

// apart gives a program a group of its own, so that what it starts can be ended with it.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
