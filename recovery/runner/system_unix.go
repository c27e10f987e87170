//go:build unix

package runner

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// signalAll tells a program and what it started.
func signalAll(cmd *exec.Cmd, s syscall.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, s)
}

// killAll ends what a program has left behind.
func killAll(cmd *exec.Cmd) { _ = signalAll(cmd, syscall.SIGKILL) }

// freeSpace is how many bytes can be written where a folder is.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ by system
}

// ownAs gives a file the owner of another.
func ownAs(file string, like fs.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(file, int(st.Uid), int(st.Gid))
}
