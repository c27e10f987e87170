//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"quarterdeck/sources/demo"
)

// built is the product as it is released (CGO_ENABLED=0, -trimpath), built once for all tests of a process.
var built = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(buildDir, "quarterdeck")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// builtBinary is the product's binary, or the one that QUARTERDECK_BIN names.
func builtBinary(tb testing.TB) string {
	tb.Helper()
	if _, test := tb.(*testing.T); test && testing.Short() {
		tb.Skip("-short: another process in a terminal")
	}
	if bin := os.Getenv("QUARTERDECK_BIN"); bin != "" {
		return bin
	}
	bin, err := built()
	if err != nil {
		tb.Fatal(err)
	}
	return bin
}

// terminal is a real pty with an emulator behind it, which answers the program's questions as a terminal does
// and knows which cells a write changed.
type terminal struct {
	cmd  *exec.Cmd
	pty  *os.File
	errs string // the file that stderr goes to

	mu      sync.Mutex
	emu     *vt.Emulator
	shown   string
	bytes   int // written since reset
	writes  int // bursts of bytes, at least settleWrite apart
	idle    int // of bytes: those of bursts after which every cell was as before
	bursts  []string
	stopped chan struct{} // closed when nothing can be written any more and all is drawn
	ended   chan struct{} // closed when the process has ended and was waited for
	raw     []byte        // all that was written, up to rawMost
	hung    atomic.Bool   // what is written is not read
}

// settleWrite parts one frame's bytes from the next one's; rawMost bounds what of them is kept.
const (
	settleWrite = 10 * time.Millisecond
	rawMost     = 16 << 20
)

// openTerminal starts the binary in a terminal of 160x48, on the platform d.
func openTerminal(tb testing.TB, bin string, d *demo.Platform, args ...string) *terminal {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), bin, args...)
	cmd.Env = append(terminalEnv(tb, d), strings.Fields(os.Getenv("QUARTERDECK_BENCH_ENV"))...)
	return startInTerminal(tb, cmd, 160, 48)
}

// terminalEnv is the environment of a good terminal and the platform d.
func terminalEnv(tb testing.TB, d *demo.Platform) []string {
	home := tb.TempDir()
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH")}
	if d != nil {
		env = append(env, "DOCKER_HOST="+d.DockerHost(), "LOKI_ADDR="+d.LokiAddr(), "PROMETHEUS_URL="+d.PrometheusURL(), "ALERTMANAGER_URL="+d.AlertmanagerURL())
	}
	return env
}

// startInTerminal starts a command as the leader of a terminal's session. Its stderr is a file.
func startInTerminal(tb testing.TB, cmd *exec.Cmd, width, height uint16) *terminal {
	tb.Helper()
	t, tty := newTerminal(tb, width, height)
	defer tty.Close()
	t.errs = filepath.Join(tb.TempDir(), "stderr")
	stderr, err := os.Create(t.errs)
	if err != nil {
		tb.Fatal(err)
	}
	defer stderr.Close()
	t.cmd, cmd.Stdin, cmd.Stdout, cmd.Stderr = cmd, tty, tty, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(t.ended)
		_ = cmd.Wait()
	}()
	tb.Cleanup(t.close)
	return t
}

// newTerminal is a terminal with nothing in it yet: what is to be in it is given the tty.
func newTerminal(tb testing.TB, width, height uint16) (t *terminal, tty *os.File) {
	tb.Helper()
	t = &terminal{emu: vt.NewEmulator(int(width), int(height)), stopped: make(chan struct{}), ended: make(chan struct{})}
	blocking, tty, err := pty.Open()
	if err != nil {
		tb.Fatal(err)
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else reads and writes have no deadline, and Close does not end them
		tb.Fatal(err)
	}
	t.pty = os.NewFile(uintptr(fd), "pty")
	t.size(tb, width, height)
	chunks := make(chan []byte, 1024)
	go func() {
		defer close(chunks)
		for {
			p := make([]byte, 64<<10)
			n, err := t.pty.Read(p)
			for t.hung.Load() {
				time.Sleep(settleWrite)
			}
			if err != nil {
				return
			}
			chunks <- p[:n]
		}
	}()
	go t.answer()
	go t.draw(chunks)
	return t, tty
}

// answer hands the emulator's answers (background colour, modes) to the program.
func (t *terminal) answer() {
	p := make([]byte, 4096)
	for {
		n, err := t.emu.Read(p)
		if err != nil {
			return
		}
		_, _ = t.pty.Write(p[:n])
	}
}

// draw feeds the emulator burst by burst, and looks what each has changed.
func (t *terminal) draw(chunks <-chan []byte) {
	defer close(t.stopped)
	for first := range chunks {
		burst := first
		for more := true; more; {
			select {
			case p, ok := <-chunks:
				burst, more = append(burst, p...), ok
			case <-time.After(settleWrite):
				more = false
			}
		}
		t.mu.Lock()
		t.raw = append(t.raw, burst[:min(len(burst), rawMost-len(t.raw))]...)
		_, _ = t.emu.Write(t.clamped(burst))
		now := t.emu.Render()
		t.bytes += len(burst)
		t.writes++
		if now == t.shown {
			t.idle += len(burst)
		}
		if len(t.bursts) < 1000 {
			t.bursts = append(t.bursts, string(burst))
		}
		t.shown = now
		t.mu.Unlock()
	}
}

// margins are what a program sets as the lines that scroll.
var margins = regexp.MustCompile("\x1b\\[([0-9]+);([0-9]+)r")

// clamped leaves away margins that lie outside the terminal, as terminals do: a frame for the size before may still come after the terminal
// was made smaller, and the emulator (x/vt 0.1.0) scrolls beyond its lines then.
func (t *terminal) clamped(burst []byte) []byte {
	height := t.emu.Height()
	return margins.ReplaceAllFunc(burst, func(seq []byte) []byte {
		var top, bottom int
		if _, err := fmt.Sscanf(string(seq), "\x1b[%d;%dr", &top, &bottom); err != nil || bottom > height {
			return []byte("\x1b[r")
		}
		return seq
	})
}

// size makes the terminal larger or smaller, and tells the program.
func (t *terminal) size(tb testing.TB, width, height uint16) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.emu.Resize(int(width), int(height))
	t.control(tb, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	})
}

// control does something with the pty's descriptor.
func (t *terminal) control(tb testing.TB, do func(fd int) error) {
	tb.Helper()
	conn, err := t.pty.SyscallConn() // File.Fd would make reads block for ever
	if err != nil {
		tb.Fatal(err)
	}
	if cerr := conn.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil || err != nil {
		tb.Fatal(cerr, err)
	}
}

func (t *terminal) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes, t.writes, t.idle, t.bursts = 0, 0, 0, nil
}

// text is the screen without its styles.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.emu.String()
}

// wait until the screen has all texts.
func (t *terminal) wait(tb testing.TB, limit time.Duration, texts ...string) {
	tb.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		screen, missing := t.text(), ""
		for _, s := range texts {
			if !strings.Contains(screen, s) {
				missing = s
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("no %q on the screen within %s:\n%s", missing, limit, screen)
		}
	}
}

func (t *terminal) keys(tb testing.TB, keys string) {
	tb.Helper()
	if _, err := t.pty.WriteString(keys); err != nil {
		tb.Fatal(err)
	}
}

func (t *terminal) close() {
	_ = t.cmd.Process.Signal(os.Interrupt)
	end := time.AfterFunc(5*time.Second, func() { _ = t.cmd.Process.Kill() })
	<-t.ended
	end.Stop()
	t.shut()
}

// shut closes the terminal.
func (t *terminal) shut() {
	_ = t.pty.Close()
	<-t.stopped
	_ = t.emu.InputPipe().(io.Closer).Close() // ends answer; Emulator.Close would race with it
}
