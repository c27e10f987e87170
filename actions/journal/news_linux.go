package journal

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// lookAnyway is how often Follow looks although the system announces changes: for file systems that do not.
const lookAnyway = 5 * time.Second

// news tells on its channel that something in a directory may have changed. At rest it costs nothing, where looking four times a second
// costs what four wake-ups cost. stop ends it.
func news(dir string) (changed <-chan struct{}, stop func(), err error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, nil, err
	}
	events := os.NewFile(uintptr(fd), "inotify") // not blocking: Close ends a Read
	const what = syscall.IN_MODIFY | syscall.IN_CREATE | syscall.IN_MOVED_TO | syscall.IN_DELETE | syscall.IN_MOVED_FROM
	if _, err := syscall.InotifyAddWatch(fd, dir, what); err != nil {
		return nil, nil, errors.Join(err, events.Close())
	}
	c, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			if _, err := events.Read(b); err != nil && !errors.Is(err, io.EOF) {
				return
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}()
	return c, func() {
		_ = events.Close()
		<-done
	}, nil
}
