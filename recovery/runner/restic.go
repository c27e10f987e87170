package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/recovery"
)

// restic is the repository, through restic's command line: that of Debian 12 (0.14) and later.
type restic struct {
	tools *tools
	env   []string
	tell  *reporter
	// patience is how long a lock of another is waited for.
	patience time.Duration
}

// kept is a snapshot as restic lists it.
type kept struct {
	ID    string    `json:"id"`
	Time  time.Time `json:"time"`
	Paths []string  `json:"paths"`
	Host  string    `json:"hostname"`
	Tags  []string  `json:"tags"`
}

// The names of tags, before the colon.
const (
	tagService = "service"
	tagEngine  = "engine"
	tagRun     = "run"
	tagOrigin  = "origin"
	tagServer  = "server"
	tagNode    = "node"
)

// tag is the value of a tag; "": it has none.
func (k *kept) tag(name string) string {
	for _, t := range k.Tags {
		if v, ok := strings.CutPrefix(t, name+":"); ok {
			return v
		}
	}
	return ""
}

func (r *restic) command(args ...string) command {
	// SIGINT is what restic of all versions takes its lock away at.
	return command{name: "restic", args: args, env: append(slices.Clone(r.env), "RESTIC_CACHE_DIR="+r.tools.home+"/cache", "RESTIC_PROGRESS_FPS=2"), signal: syscall.SIGINT}
}

// do runs restic, waits for a lock that another has, and tells failures apart. Otherwise is the code of what is none of restic's usual ones.
func (r *restic) do(ctx context.Context, otherwise recovery.Code, args ...string) ([]byte, error) {
	var out []byte
	err := r.unlocked(ctx, func() error {
		var err error
		out, err = r.tools.output(ctx, r.command(args...))
		return resticFault(err, otherwise)
	})
	return out, err
}

// unlocked tries until no other holds the repository's lock, or patience is over. A lock whose holder is gone is taken away, which restic itself decides; so
// there is a second try in any case.
func (r *restic) unlocked(ctx context.Context, try func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 15 * time.Second
	until := time.Now().Add(r.patience)
	first := true
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		var f *fault
		if !errors.As(err, &f) || f.code != recovery.Locked || !first && time.Now().After(until) {
			if err != nil {
				err = backoff.Permanent(err)
			}
			return struct{}{}, err
		}
		if first {
			first = false
			r.tell.say("waiting for a lock: " + f.reason)
		}
		return struct{}{}, errors.Join(err, r.tools.run(ctx, r.command("unlock")))
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(r.patience+time.Minute))
	return err
}

// open looks whether the repository can be read with the password.
func (r *restic) open(ctx context.Context) error {
	_, err := r.do(ctx, recovery.Damaged, "cat", "config")
	return err
}

// list gives the snapshots that restic's arguments choose, the oldest first.
func (r *restic) list(ctx context.Context, args ...string) ([]kept, error) {
	out, err := r.do(ctx, recovery.Damaged, append([]string{"snapshots", "--json"}, args...)...)
	if err != nil {
		return nil, err
	}
	var list []kept
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, &fault{recovery.UnexpectedError, "restic's list of snapshots is not understood: " + err.Error(), "", err}
	}
	slices.SortStableFunc(list, func(a, b kept) int { return a.Time.Compare(b.Time) })
	return list, nil
}

// of gives all snapshots of the job's service in its environment.
func (r *restic) of(ctx context.Context, j *recovery.Job) ([]kept, error) {
	return r.list(ctx, "--host="+j.Environment, "--tag", tagService+":"+j.Service)
}

// inside is a snapshot and what is in it.
type inside struct {
	kept
	size  int64 // of all its files, in bytes
	files int
	first string // a file that is read quickly: "" where there is none
}

// readQuickly bounds such a file, in bytes.
const readQuickly = 64 << 20

// look reads a snapshot, by its id or the beginning of it, and all its trees.
func (r *restic) look(ctx context.Context, id string) (*inside, error) {
	var in inside
	err := r.unlocked(ctx, func() error {
		in = inside{}
		c := r.command("ls", "--json", id)
		c.pipes = pipeOut
		p, err := r.tools.start(ctx, c)
		if err != nil {
			return resticFault(err, recovery.Damaged)
		}
		defer p.end()
		lines := bufio.NewReaderSize(p.out, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			in.line(line)
			if err != nil {
				return resticFault(p.wait(), recovery.Damaged)
			}
		}
	})
	if err == nil && !isID(in.ID) {
		err = &fault{recovery.NoSnapshot, "the repository has no snapshot " + id, ways[recovery.NoSnapshot], nil}
	}
	return &in, err
}

// line takes a line of `restic ls --json`: the snapshot on the first, a file on each other.
func (in *inside) line(line []byte) {
	var n struct {
		kept
		Type string `json:"type"`
		Path string `json:"path"`
		Size int64  `json:"size"`
	}
	if json.Unmarshal(line, &n) != nil {
		return
	}
	if n.Type == "" && n.ID != "" {
		in.kept = n.kept
	}
	if n.Type == "file" {
		in.size += n.Size
		in.files++
		if in.first == "" && n.Size > 0 && n.Size <= readQuickly {
			in.first = n.Path
		}
	}
}

// contents reads a file of a snapshot, or a folder as a tar archive. Its end is told as io.EOF only where restic has ended with 0.
func (r *restic) contents(ctx context.Context, id, path string) (*contents, error) {
	c := r.command("dump", id, path)
	c.pipes = pipeOut
	p, err := r.tools.start(ctx, c)
	if err != nil {
		return nil, err
	}
	return &contents{p: p}, nil
}

type contents struct {
	p   *process
	err error
	n   int64
}

// Read reads on.
func (c *contents) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.p.out.Read(b)
	c.n += int64(n)
	if err != nil {
		c.err = io.EOF
		if w := resticFault(c.p.wait(), recovery.Damaged); w != nil {
			c.err = w
		} else if !errors.Is(err, io.EOF) {
			c.err = err
		}
		if n == 0 {
			return 0, c.err
		}
	}
	return n, nil
}

// fault is why it could not be read; nil: so far it could.
func (c *contents) fault() error {
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return c.err
}

// close ends restic, if it has not.
func (c *contents) close() {
	if c.err == nil {
		c.err = io.ErrClosedPipe
	}
	c.p.end()
}

// summary is the last that `restic backup` says.
type summary struct {
	ID     string
	Size   int64
	Added  int64
	Errors []string // what could not be read, but for what was gone
	Gone   int      // files that went away while they were read
}

// said reads what `restic backup --json` writes.
type said struct {
	summary
	tell *reporter
	buf  []byte
}

// Write takes restic's lines.
func (s *said) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	for {
		line, rest, ok := bytes.Cut(s.buf, []byte("\n"))
		if !ok {
			break
		}
		s.line(line)
		s.buf = append(s.buf[:0], rest...)
	}
	if len(s.buf) > maxLine {
		s.buf = s.buf[:0]
	}
	return len(p), nil
}

// maxLine bounds a line of restic's, in bytes.
const maxLine = 1 << 20

func (s *said) line(line []byte) {
	var m struct {
		Type   string          `json:"message_type"`
		ID     string          `json:"snapshot_id"`
		Size   int64           `json:"total_bytes_processed"`
		Added  int64           `json:"data_added"`
		Packed int64           `json:"data_added_packed"`
		Done   int64           `json:"bytes_done"`
		Total  int64           `json:"total_bytes"`
		Error  json.RawMessage `json:"error"`
		Item   string          `json:"item"`
	}
	if json.Unmarshal(line, &m) != nil {
		return
	}
	switch m.Type {
	case "summary":
		s.ID, s.Size, s.Added = m.ID, m.Size, m.Added
		if m.Packed > 0 {
			s.Added = m.Packed
		}
	case "status":
		if m.Done > 0 {
			s.tell.bytes(m.Done, m.Total)
		}
	case "error":
		if isGone(m.Error) {
			s.Gone++
			return
		}
		if len(s.Errors) < 10 {
			s.Errors = append(s.Errors, fmt.Sprintf("%s: %s", m.Item, m.Error))
		}
	}
}

// isGone tells an error of a file that is not there: the number of ENOENT in 0.14, its words later.
func isGone(e json.RawMessage) bool {
	var old struct {
		Err int
	}
	if json.Unmarshal(e, &old) == nil && syscall.Errno(old.Err) == syscall.ENOENT {
		return true
	}
	return bytes.Contains(e, []byte("no such file or directory"))
}
