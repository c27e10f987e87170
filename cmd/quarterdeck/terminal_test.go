//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"quarterdeck/sources/demo"
)

// builtBinary is the product as it is released (CGO_ENABLED=0, -trimpath), or the one that QUARTERDECK_BIN names.
func builtBinary(tb testing.TB) string {
	tb.Helper()
	if bin := os.Getenv("QUARTERDECK_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(tb.TempDir(), "quarterdeck")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return bin
}

// terminal is a real pty with an emulator behind it, which answers the program's questions as a terminal does
// and knows which cells a write changed.
type terminal struct {
	cmd *exec.Cmd
	pty *os.File

	mu      sync.Mutex
	emu     *vt.Emulator
	shown   string
	bytes   int // written since reset
	writes  int // bursts of bytes, at least settleWrite apart
	idle    int // of bytes: those of bursts after which every cell was as before
	bursts  []string
	stopped chan struct{}
}

// settleWrite parts one frame's bytes from the next one's.
const settleWrite = 10 * time.Millisecond

// openTerminal starts the binary in a terminal of 160x48, on the platform d.
func openTerminal(tb testing.TB, bin string, d *demo.Platform, args ...string) *terminal {
	tb.Helper()
	t := &terminal{emu: vt.NewEmulator(160, 48), stopped: make(chan struct{})}
	t.cmd = exec.CommandContext(tb.Context(), bin, args...)
	home := tb.TempDir()
	t.cmd.Env = []string{"TERM=xterm-256color", "COLORTERM=truecolor", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH")}
	if d != nil {
		t.cmd.Env = append(t.cmd.Env, "DOCKER_HOST="+d.DockerHost(), "LOKI_ADDR="+d.LokiAddr(), "PROMETHEUS_URL="+d.PrometheusURL(), "ALERTMANAGER_URL="+d.AlertmanagerURL())
	}
	t.cmd.Env = append(t.cmd.Env, strings.Fields(os.Getenv("QUARTERDECK_BENCH_ENV"))...)
	var err error
	if t.pty, err = pty.StartWithSize(t.cmd, &pty.Winsize{Rows: 48, Cols: 160}); err != nil {
		tb.Fatal(err)
	}
	chunks := make(chan []byte, 1024)
	go func() {
		defer close(chunks)
		for {
			p := make([]byte, 64<<10)
			n, err := t.pty.Read(p)
			if err != nil {
				return
			}
			chunks <- p[:n]
		}
	}()
	go t.answer()
	go t.draw(chunks)
	tb.Cleanup(t.close)
	return t
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
		_, _ = t.emu.Write(burst)
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
	_ = t.cmd.Wait()
	end.Stop()
	_ = t.pty.Close()
	<-t.stopped
	_ = t.emu.Close()
}
