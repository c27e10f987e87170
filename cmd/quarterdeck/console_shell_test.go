//go:build unix

package main

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shellScript starts the console as a shell with job control does, and takes the terminal over when it stops.
const shellScript = `set -m
echo before
"$0"
echo "stopped $?"
read -r line
fg >/dev/null
echo "ended $?"
read -r line`

// TestToTheShellAndBack: ctrl-z gives the shell the terminal as it was, twice, and fg brings the console back whole.
func TestToTheShellAndBack(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", shellScript, builtBinary(t))
	cmd.Env = terminalEnv(t, quietDemo(t))
	c := startInTerminal(t, cmd, 160, 48)
	c.wait(t, 10*time.Second, "before")
	before := freshTermios(t)
	c.wait(t, 30*time.Second, allLive...)
	c.keys(t, "\x1a")
	c.wait(t, 10*time.Second, "before", "stopped")
	if now := c.termios(t); !reflect.DeepEqual(before, now) {
		t.Errorf("the shell's line settings: before %+v, now %+v", before, now)
	}
	if left := modesLeft(c.written()); len(left) > 0 {
		t.Errorf("modes left for the shell: %v", left)
	}
	if group := c.foreground(t); group != c.cmd.Process.Pid {
		t.Errorf("the terminal is group %d's, not the shell's", group)
	}
	if s := c.text(); strings.Contains(s, "shop_web") {
		t.Errorf("the console is still there:\n%s", s)
	}
	c.size(t, 130, 40) // while it does not look
	c.keys(t, "\n")
	c.wait(t, 10*time.Second, "● swarm ● loki", "shop_web", "services 12", "timeline, last hour", "? help")
	c.keys(t, "q")
	c.wait(t, 10*time.Second, "stopped", "ended 0")
	if left := modesLeft(c.written()); len(left) > 0 {
		t.Errorf("modes left at the end: %v", left)
	}
	if s := c.stderr(t); s != "" {
		t.Errorf("stderr: %q", s)
	}
	c.keys(t, "\n")
	c.exit(t, 10*time.Second)
}

// TestNoShellToGoTo: as a session's leader nothing could bring the console back. ctrl-z says so, and it lives.
func TestNoShellToGoTo(t *testing.T) {
	t.Parallel()
	c := consoleIn(t, quietDemo(t))
	c.keys(t, "\x1a")
	c.wait(t, 10*time.Second, "no shell is there", "shop_web")
	if group := c.foreground(t); group != c.cmd.Process.Pid {
		t.Errorf("the terminal is group %d's, not the console's", group)
	}
	c.keys(t, "9")
	c.wait(t, 10*time.Second, "leader")
}

// foreground is the process group that has the terminal.
func (t *terminal) foreground(tb testing.TB) (group int) {
	tb.Helper()
	t.control(tb, func(fd int) (err error) { group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP); return err })
	return group
}
