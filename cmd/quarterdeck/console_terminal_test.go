//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"

	"quarterdeck/sources/demo"
)

// allLive is what a wide console on the platform shows when it is ready.
var allLive = []string{"swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE", "shop_web", "services 12"}

// exit waits until the process has ended by itself, and gives its exit code; -1: it was killed by a signal.
func (t *terminal) exit(tb testing.TB, limit time.Duration) int {
	tb.Helper()
	select {
	case <-t.ended:
	case <-time.After(limit):
		_ = t.cmd.Process.Signal(syscall.SIGQUIT) // Go's way to tell where it stands
		select {
		case <-t.ended:
		case <-time.After(5 * time.Second):
		}
		tb.Fatalf("the process has not ended within %s; on stderr %s\non the screen\n%s", limit, t.stderr(tb), t.text())
	}
	return t.cmd.ProcessState.ExitCode()
}

func (t *terminal) stderr(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile(t.errs)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// written is all that was written to the terminal until now.
func (t *terminal) written() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.raw)
}

// termios are the line settings of the pty.
func (t *terminal) termios(tb testing.TB) *term.State {
	tb.Helper()
	var s *term.State
	t.control(tb, func(fd int) (err error) { s, err = term.GetState(uintptr(fd)); return err })
	return s
}

var (
	privateMode = regexp.MustCompile("\x1b\\[\\?([0-9;]+)([hl])")
	keyboardOn  = regexp.MustCompile("\x1b\\[>[0-9]*u")
	keyboardOff = regexp.MustCompile("\x1b\\[<[0-9]*u")
)

// modesLeft names the private modes that a byte stream leaves other than they were: all off, the cursor (25)
// and the wrapping of lines (7) on.
func modesLeft(stream string) []string {
	on := map[string]bool{"7": true, "25": true}
	var order []string
	for _, m := range privateMode.FindAllStringSubmatch(stream, -1) {
		for mode := range strings.SplitSeq(m[1], ";") {
			order = append(order, mode)
			on[mode] = m[2] == "h"
		}
	}
	var left []string
	seen := map[string]bool{}
	for _, mode := range order {
		if usual := mode == "7" || mode == "25"; on[mode] != usual && !seen[mode] {
			left = append(left, mode)
		}
		seen[mode] = true
	}
	return left
}

// asBefore checks that the terminal is as it was before the console: modes, line settings, screen, and nothing on stderr.
func (t *terminal) asBefore(tb testing.TB, before *term.State) {
	tb.Helper()
	select {
	case <-t.stopped: // all that was written is drawn
	case <-time.After(5 * time.Second):
		tb.Fatal("something still holds the terminal")
	}
	raw := t.written()
	if !strings.Contains(raw, "\x1b[?1049h") || !strings.Contains(raw, "\x1b[?25l") || !strings.Contains(raw, "\x1b[?2004h") {
		tb.Errorf("the console never took the terminal over: %.300q", raw)
	}
	if left := modesLeft(raw); len(left) > 0 {
		tb.Errorf("modes left: %v; last bytes %q", left, raw[max(0, len(raw)-300):])
	}
	if on, off := len(keyboardOn.FindAllString(raw, -1)), len(keyboardOff.FindAllString(raw, -1)); on != off {
		tb.Errorf("the keyboard's enhancements were pushed %d times, popped %d times", on, off)
	}
	if now := t.termios(tb); !reflect.DeepEqual(before, now) {
		tb.Errorf("line settings: before %+v, now %+v", before, now)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.emu.IsAltScreen() || t.emu.CursorHidden() {
		tb.Errorf("alternate screen %v, cursor hidden %v", t.emu.IsAltScreen(), t.emu.CursorHidden())
	}
	if s := strings.TrimSpace(t.emu.String()); s != "" {
		tb.Errorf("left on the screen: %q", s)
	}
	b, err := os.ReadFile(t.errs)
	if err != nil || len(b) > 0 {
		tb.Errorf("stderr: %q, %v", b, err)
	}
}

// consoleIn opens the console on d and waits until all is there.
func consoleIn(t *testing.T, d *demo.Platform) *terminal {
	t.Helper()
	c := openTerminal(t, builtBinary(t), d)
	c.wait(t, 30*time.Second, allLive...)
	return c
}

// TestTheWaysOut ends the console in each way that there is: exit codes as documented, and the terminal as before.
func TestTheWaysOut(t *testing.T) {
	d := quietDemo(t)
	for _, way := range []struct {
		name string
		do   func(*testing.T, *terminal)
		want int
	}{
		{"q", func(t *testing.T, c *terminal) { c.keys(t, "q") }, 0},
		{"ctrl-c", func(t *testing.T, c *terminal) { c.keys(t, "\x03") }, 0},
		{"ctrl-c in another view", func(t *testing.T, c *terminal) {
			c.keys(t, "9")
			c.wait(t, 10*time.Second, "leader")
			c.keys(t, "\x03")
		}, 0},
		{"SIGTERM", func(t *testing.T, c *terminal) { c.signal(t, syscall.SIGTERM) }, exitInterrupted},
		{"SIGINT", func(t *testing.T, c *terminal) { c.signal(t, syscall.SIGINT) }, exitInterrupted},
		{"SIGHUP", func(t *testing.T, c *terminal) { c.signal(t, syscall.SIGHUP) }, exitInterrupted},
		{"SIGTERM with help open", func(t *testing.T, c *terminal) {
			c.keys(t, "?")
			c.wait(t, 10*time.Second, "Everywhere")
			c.signal(t, syscall.SIGTERM)
		}, exitInterrupted},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			before := freshTermios(t)
			c := consoleIn(t, d)
			if reflect.DeepEqual(before, c.termios(t)) {
				t.Fatal("the console has not set the terminal to raw")
			}
			way.do(t, c)
			if code := c.exit(t, 10*time.Second); code != way.want {
				t.Errorf("exit code %d, want %d", code, way.want)
			}
			c.asBefore(t, before)
		})
	}
}

func (t *terminal) signal(tb testing.TB, s syscall.Signal) {
	tb.Helper()
	if err := t.cmd.Process.Signal(s); err != nil {
		tb.Fatal(err)
	}
}

// freshTermios are the line settings of a terminal that nothing has touched.
func freshTermios(t *testing.T) *term.State {
	t.Helper()
	c := startInTerminal(t, exec.CommandContext(t.Context(), "sleep", "60"), 160, 48)
	return c.termios(t)
}

// TestTerminalGone: the terminal is closed under the console, which ends by itself, whether it is told by a signal or not.
func TestTerminalGone(t *testing.T) {
	d := quietDemo(t)
	for name, script := range map[string]string{"SIGHUP": `exec "$0"`, "SIGHUP is ignored": `trap '' HUP; exec "$0"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", script, builtBinary(t))
			cmd.Env = terminalEnv(t, d)
			c := startInTerminal(t, cmd, 160, 48)
			c.wait(t, 30*time.Second, allLive...)
			if err := c.pty.Close(); err != nil {
				t.Fatal(err)
			}
			code := c.exit(t, 10*time.Second)
			if code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if s := c.stderr(t); s != "" {
				t.Errorf("stderr: %q", s)
			}
			if err := syscall.Kill(cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) && !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("the process is still there: %v", err)
			}
		})
	}
}

// TestTerminalDoesNotRead: the other side has stopped reading (a hung ssh), and the console is asked to end.
func TestTerminalDoesNotRead(t *testing.T) {
	t.Parallel()
	c := consoleIn(t, quietDemo(t))
	c.hung.Store(true)
	defer c.hung.Store(false)
	for { // each draws the whole screen again, until the console is held up and takes no key any more
		if err := c.pty.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.pty.WriteString(strings.Repeat("\x0c", 1024)); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	c.signal(t, syscall.SIGTERM)
	if code := c.exit(t, 10*time.Second); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
