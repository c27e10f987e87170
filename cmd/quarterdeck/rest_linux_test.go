package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"quarterdeck/sources/demo"
)

// builtBinary is the product as it is released (CGO_ENABLED=0, -trimpath), or the one that QUARTERDECK_BIN names.
func builtBinary(b *testing.B) string {
	b.Helper()
	if bin := os.Getenv("QUARTERDECK_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(b.TempDir(), "quarterdeck")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
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
func openTerminal(b *testing.B, bin string, d *demo.Platform, args ...string) *terminal {
	b.Helper()
	t := &terminal{emu: vt.NewEmulator(160, 48), stopped: make(chan struct{})}
	t.cmd = exec.CommandContext(b.Context(), bin, args...)
	home := b.TempDir()
	t.cmd.Env = []string{"TERM=xterm-256color", "COLORTERM=truecolor", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH")}
	if d != nil {
		t.cmd.Env = append(t.cmd.Env, "DOCKER_HOST="+d.DockerHost(), "LOKI_ADDR="+d.LokiAddr(), "PROMETHEUS_URL="+d.PrometheusURL(), "ALERTMANAGER_URL="+d.AlertmanagerURL())
	}
	t.cmd.Env = append(t.cmd.Env, strings.Fields(os.Getenv("QUARTERDECK_BENCH_ENV"))...)
	var err error
	if t.pty, err = pty.StartWithSize(t.cmd, &pty.Winsize{Rows: 48, Cols: 160}); err != nil {
		b.Fatal(err)
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
	b.Cleanup(t.close)
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
func (t *terminal) wait(b *testing.B, limit time.Duration, texts ...string) {
	b.Helper()
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
			b.Fatalf("no %q on the screen within %s:\n%s", missing, limit, screen)
		}
	}
}

func (t *terminal) keys(b *testing.B, keys string) {
	b.Helper()
	if _, err := t.pty.WriteString(keys); err != nil {
		b.Fatal(err)
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

// spent is what the process has used of a CPU since it began, all its threads together.
func (t *terminal) spent(b *testing.B) time.Duration {
	b.Helper()
	dir := fmt.Sprintf("/proc/%d/task", t.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(0)
	for _, e := range tasks {
		s, err := os.ReadFile(filepath.Join(dir, e.Name(), "schedstat")) // nanoseconds on a CPU, waiting, slices
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseInt(strings.Fields(string(s))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// resident is the memory of the process that is in RAM, in MiB: all of it, and what no file backs (the
// rest is the binary's own pages).
func (t *terminal) resident(b *testing.B) (all, anonymous float64) {
	b.Helper()
	s, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(s) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(string(f[1]), 64)
		switch string(f[0]) {
		case "VmRSS:":
			all = kib / 1024
		case "RssAnon:":
			anonymous = kib / 1024
		}
	}
	return all, anonymous
}

// restTime is how long a console at rest is watched, after as long a settling time as the sparklines need.
func restTime() (settle, watch time.Duration) {
	settle, watch = 30*time.Second, 60*time.Second
	if d, err := time.ParseDuration(os.Getenv("QUARTERDECK_BENCH_REST")); err == nil {
		watch = d
	}
	return settle, watch
}

// BenchmarkAtRest is a console (the real binary, in a real terminal of 160x48) of 300 services and 1,200 tasks
// with every source live, in two views: the overview, whose figures, charts and log lines move by
// themselves, and one on which nothing moves. The platform is another process' (this one's).
func BenchmarkAtRest(b *testing.B) {
	bin := builtBinary(b)
	d, err := demo.Start(b.Context(), demo.Options{Services: 300, Tasks: 1200, Seed: 1, Quiet: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	settle, watch := restTime()
	for name, key := range map[string]string{"overview": "1", "still": "6"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				t := openTerminal(b, bin, d)
				t.wait(b, 30*time.Second, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE")
				t.keys(b, key)
				time.Sleep(settle)
				t.reset()
				before, began := t.spent(b), time.Now()
				time.Sleep(watch)
				used, took := t.spent(b)-before, time.Since(began)
				t.wait(b, time.Second, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE")
				all, anonymous := t.resident(b)
				t.mu.Lock()
				b.ReportMetric(100*used.Seconds()/took.Seconds(), "%core")
				b.ReportMetric(all, "RSS-MiB")
				b.ReportMetric(anonymous, "anon-MiB")
				b.ReportMetric(float64(t.bytes), "B-written")
				b.ReportMetric(float64(t.writes), "writes")
				b.ReportMetric(float64(t.idle), "B-in-vain")
				if os.Getenv("QUARTERDECK_BENCH_SHOW") != "" {
					for _, w := range t.bursts {
						b.Logf("%q", w)
					}
					b.Log("\n" + t.emu.String())
				}
				t.mu.Unlock()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
