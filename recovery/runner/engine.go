package runner

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"quarterdeck/recovery"
)

// engine is a database's way out and back. A dump is one stream of bytes.
type engine interface {
	// Version is the server's version. That it answers at all is what it shows too.
	Version(ctx context.Context) (string, error)
	// Dump writes a dump. Nil tells that the database's own tool has ended with 0, and that the end of the dump has been written.
	Dump(ctx context.Context, w io.Writer) error
	// Proof looks at the beginning of a dump.
	Proof(ctx context.Context, r io.Reader) error
	// Load puts a dump's data in the place of what the server has. It calls touched before it changes anything.
	Load(ctx context.Context, r io.Reader, touched func()) error
	// Env is how the verify command finds the server, with its password.
	Env() ([]string, error)
	// File is the dump's name in its snapshot.
	File() string
}

// engineOf is the engine of a job; nil for volumes, whose files restic reads itself.
func (w *work) engineOf() engine {
	s := server{tools: w.tools, job: &w.Job, password: w.password}
	switch w.Job.Engine {
	case recovery.Postgres:
		return &postgres{s}
	case recovery.MySQL:
		return &mysql{s}
	case recovery.Redis:
		return &redis{s}
	}
	return nil
}

// server is where an engine's server is.
type server struct {
	tools    *tools
	job      *recovery.Job
	password string
}

func (s *server) port() string { return strconv.Itoa(s.job.Port) }

// file is a dump's name: the engine, the database as far as a name may have it, and how it is read.
func (s *server) file(kind string) string {
	name := string(s.job.Engine)
	if s.job.DB != "" && s.job.Engine != recovery.Redis {
		name += "-" + strings.Map(func(r rune) rune {
			if r < 128 && token.MatchString("x"+string(r)) {
				return r
			}
			return '_'
		}, s.job.DB)
	}
	return name + "." + kind
}

// refusals are words of servers that know who asks and say no: waiting does not help.
var refusals = []string{"authentication failed", "Access denied", "WRONGPASS", "NOAUTH", "NOPERM", "no pg_hba.conf entry", "does not exist"}

// noServer is a server's no as a fault.
func noServer(s *server, err error) error {
	var f *fault
	if errors.As(err, &f) { // it could not even be asked
		return f
	}
	next := "look whether the service runs and is healthy, and at " + recovery.LabelPort
	if hasAny(err.Error(), refusals) {
		next = "look at " + recovery.LabelUser + ", " + recovery.LabelDB + " and " + recovery.LabelSecret + ": the password that the server has may not be the secret's"
	}
	return &fault{recovery.NoServer, string(s.job.Engine) + " at " + s.job.Host + " does not let the runner in: " + err.Error(), next, err}
}

// firstOf is the first program of some names that is there: MariaDB's have MySQL's names elsewhere.
func firstOf(names ...string) string {
	for _, n := range names {
		if _, err := exec.LookPath(n); err == nil {
			return n
		}
	}
	return names[0]
}

// begins reads the beginning of a stream, and tells whether it is what it is to be.
func begins(r io.Reader, n int, good func([]byte) bool, what string) error {
	head, err := bufio.NewReaderSize(r, n).Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !good(head) {
		return &fault{recovery.Damaged, "what was saved does not begin as " + what, "choose an older snapshot", nil}
	}
	return nil
}
