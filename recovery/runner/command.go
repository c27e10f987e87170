package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"quarterdeck/recovery"
)

// maxAnswer bounds what is read of a tool's standard output at once, in bytes: a list of some ten thousand snapshots.
const maxAnswer = 64 << 20

// tools starts the programs. They see none of the runner's own environment but PATH.
type tools struct {
	home  string // a folder of the job's own: HOME, temporary files, restic's cache
	stop  time.Duration
	scrub scrubber
}

// command is a program to be run.
type command struct {
	name   string
	args   []string
	env    []string
	dir    string
	stdin  io.Reader
	stdout io.Writer
	said   *tail          // keeps the end of its standard error; nil: start makes one
	errs   io.Writer      // takes its standard error as well
	signal syscall.Signal // what asks it to end; 0: SIGTERM
	pipes  pipes          // ends that the process value has
}

// pipes are ends of a program's that are ours.
type pipes int

const (
	pipeIn pipes = 1 << iota
	pipeOut
)

// failed is a program that did not end with 0.
type failed struct {
	tool string
	code int    // -1: it was killed, or not even started
	text string // the end of what it said, without secrets
	err  error
}

// Error is what it said, or how it ended.
func (f *failed) Error() string {
	if f.text != "" {
		return f.tool + ": " + f.text
	}
	return fmt.Sprintf("%s: %v", f.tool, f.err)
}

// Unwrap gives the cause.
func (f *failed) Unwrap() error { return f.err }

// process is a program that runs.
type process struct {
	tools  *tools
	cmd    *exec.Cmd
	name   string
	said   *tail
	in     io.WriteCloser // with pipeIn
	out    io.ReadCloser  // with pipeOut: wait only once it is read to its end, or after stop
	cancel context.CancelFunc
	once   sync.Once
	err    error
}

// start starts a program. It is asked to end when ctx does, and killed when it has not some time after, with all that it started.
func (t *tools) start(ctx context.Context, c command) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, c.name, c.args...) //nolint:gosec // names are ours; arguments come from a job that was looked at
	p := &process{tools: t, cmd: cmd, name: c.name, said: c.said, cancel: cancel}
	if p.said == nil {
		p.said = &tail{max: recovery.MaxOutput}
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.home, "TMPDIR=" + t.home, "LC_ALL=C.UTF-8"}, c.env...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = cmp.Or(c.dir, t.home), c.stdin, c.stdout, p.said
	if c.errs != nil {
		cmd.Stderr = io.MultiWriter(p.said, c.errs)
	}
	ask := c.signal
	if ask == 0 {
		ask = syscall.SIGTERM
	}
	apart(cmd)
	cmd.Cancel = func() error { return signalAll(cmd, ask) }
	cmd.WaitDelay = t.stop
	err := p.open(c.pipes)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, &fault{recovery.UnexpectedError, "the runner has no " + c.name, "use the image of the release (Dockerfile.runner), which has the tools", err}
		}
		return nil, &failed{tool: c.name, code: -1, err: err}
	}
	return p, nil
}

// open makes the pipes that were asked for.
func (p *process) open(which pipes) (err error) {
	if which&pipeIn != 0 {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil && which&pipeOut != 0 {
		p.out, err = p.cmd.StdoutPipe()
	}
	return err
}

// run runs a program to its end.
func (t *tools) run(ctx context.Context, c command) error {
	p, err := t.start(ctx, c)
	if err != nil {
		return err
	}
	return p.wait()
}

// output runs a program and gives what it wrote, of at most maxAnswer bytes.
func (t *tools) output(ctx context.Context, c command) ([]byte, error) {
	out := &head{max: maxAnswer}
	c.stdout = out
	err := t.run(ctx, c)
	if err == nil && out.cut {
		err = &failed{tool: c.name, code: -1, err: fmt.Errorf("it wrote more than %d bytes", maxAnswer)}
	}
	return out.Bytes(), err
}

// wait waits for the end and gives how it was. It may be called again.
func (p *process) wait() error {
	p.once.Do(func() {
		err := p.cmd.Wait()
		p.cancel()
		killAll(p.cmd)
		if err == nil {
			return
		}
		code := -1
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		p.err = &failed{tool: p.name, code: code, text: p.tools.scrub.clean(strings.TrimSpace(p.said.String())), err: err}
	})
	return p.err
}

// end asks the program to end, and waits.
func (p *process) end() {
	p.cancel()
	_ = p.wait()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	max int
	buf []byte
}

// Write keeps the end.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-t.max):]...)
	if len(t.buf) > t.max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(p), nil
}

// String is the end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// head keeps the beginning of what is written to it.
type head struct {
	bytes.Buffer
	max int
	cut bool
}

// Write keeps the beginning.
func (h *head) Write(p []byte) (int, error) {
	fits := p[:min(len(p), h.max-h.Len())]
	h.cut = h.cut || len(fits) < len(p)
	h.Buffer.Write(fits)
	return len(p), nil
}
