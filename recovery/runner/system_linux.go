package runner

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncDisk has all that was written to a folder's file system on the disk before it gives back.
func syncDisk(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the volume's folder
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
