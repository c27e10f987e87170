package runner

import (
	"os/exec"
	"syscall"
)

// apart gives a program a group of its own, so that what it starts can be ended with it; and it dies with the runner, however that ends: a restic whose
// input ends because its runner was killed must not live to take that for the dump's end.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
