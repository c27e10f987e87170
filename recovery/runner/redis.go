package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/recovery"
)

// redis is saved as a replica is filled: by the server's own snapshot of one moment, sent over the network. It is brought back in the same way, the runner
// being the master whose data the server takes (master.go).
type redis struct{ server }

// File is the dump's name.
func (r *redis) File() string { return r.file("rdb") }

// Env has what redis-cli reads, and puts before PATH a redis-cli that knows the server: it has no variable for that.
func (r *redis) Env() ([]string, error) {
	bin := filepath.Join(r.tools.home, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return nil, err
	}
	const shim = `#!/bin/sh
# The server of this restore, for commands that do not name one.
PATH=${PATH#*:}
exec redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT" ${REDIS_USER:+--user "$REDIS_USER"} --no-auth-warning "$@"
`
	if err := os.WriteFile(filepath.Join(bin, "redis-cli"), []byte(shim), 0o700); err != nil { //nolint:gosec // a program
		return nil, err
	}
	return append(r.secret(), "REDIS_HOST="+r.job.Host, "REDIS_PORT="+r.port(), "REDIS_USER="+r.job.User, "PATH="+bin+":"+os.Getenv("PATH")), nil
}

func (r *redis) secret() []string {
	if r.password == "" {
		return nil
	}
	return []string{"REDISCLI_AUTH=" + r.password}
}

func (r *redis) command(args ...string) command {
	at := []string{"-h", r.job.Host, "-p", r.port(), "--no-auth-warning"}
	if r.job.User != "" {
		at = append(at, "--user", r.job.User)
	}
	return command{name: "redis-cli", args: append(at, args...), env: r.secret()}
}

// ask gives the server's answer. An error that the server answers is an error.
func (r *redis) ask(ctx context.Context, args ...string) (string, error) {
	out, err := r.tools.output(ctx, r.command(args...))
	text := strings.TrimSpace(string(out))
	if err == nil && isErrorReply(text) {
		err = &failed{tool: "redis-cli", text: r.tools.scrub.clean(text), err: errors.New("the server says no")}
	}
	return text, err
}

// isErrorReply tells an answer that is an error: redis-cli ends with 0 at those. Their first word is in capitals.
func isErrorReply(text string) bool {
	word, rest, _ := strings.Cut(text, " ")
	return rest != "" && len(word) > 2 && word == strings.ToUpper(word) && strings.ContainsFunc(word, func(r rune) bool { return r >= 'A' && r <= 'Z' }) && !strings.Contains(word, ":")
}

// info is a section of INFO.
func (r *redis) info(ctx context.Context, section string) (map[string]string, error) {
	text, err := r.ask(ctx, "INFO", section)
	out := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[name] = value
		}
	}
	return out, err
}

// Version is the server's. A server that still loads its data answers and is not there yet.
func (r *redis) Version(ctx context.Context) (string, error) {
	if _, err := r.ask(ctx, "PING"); err != nil {
		return "", noServer(&r.server, err)
	}
	in, err := r.info(ctx, "server")
	if err == nil && in["redis_version"] == "" {
		err = errors.New("INFO has no redis_version")
	}
	if err != nil {
		return "", noServer(&r.server, err)
	}
	return in["redis_version"], nil
}

// Dump writes an RDB.
func (r *redis) Dump(ctx context.Context, w io.Writer) error {
	said := &tail{max: recovery.MaxOutput}
	back := &holdback{w: w}
	c := r.command("--rdb", "-")
	c.stdout, c.said = back, said
	if err := r.tools.run(ctx, c); err != nil {
		return err
	}
	if strings.Contains(said.String(), "until EOF marker") {
		return nil // what is held back is the mark
	}
	return back.flush()
}

// markLen is how long the mark is, in bytes, that ends an RDB whose length the server did not know beforehand. redis-cli leaves it at the end.
const markLen = 40

// holdback passes on all but the last markLen bytes.
type holdback struct {
	w   io.Writer
	buf []byte
}

// Write passes on what is not among the last.
func (h *holdback) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p...)
	if n := len(h.buf) - markLen; n > 0 {
		if _, err := h.w.Write(h.buf[:n]); err != nil {
			return 0, err
		}
		h.buf = append(h.buf[:0], h.buf[n:]...)
	}
	return len(p), nil
}

func (h *holdback) flush() error {
	_, err := h.w.Write(h.buf)
	return err
}

// Proof looks whether the RDB begins as one.
func (r *redis) Proof(_ context.Context, in io.Reader) error {
	return begins(in, 9, func(b []byte) bool { return len(b) == 9 && bytes.HasPrefix(b, []byte("REDIS")) }, "an RDB of redis")
}

// Load makes the server a replica of the runner until it has taken the RDB, then its own master again, and has it write that down.
func (r *redis) Load(ctx context.Context, in io.Reader, touched func()) error {
	m, err := newMaster(ctx, r.job.Host, r.port(), in)
	if err != nil {
		return noServer(&r.server, err)
	}
	defer m.close()
	touched()
	if err := r.expect(ctx, "OK", "REPLICAOF", m.host, m.port); err != nil {
		return err
	}
	err = m.serve(ctx)
	if err == nil {
		err = r.taken(ctx, m)
	}
	// Whatever came of it, the server must not stay the replica of a master that goes away.
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if e := r.expect(free, "OK", "REPLICAOF", "NO", "ONE"); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return r.keep(ctx)
}

func (r *redis) expect(ctx context.Context, answer string, args ...string) error {
	text, err := r.ask(ctx, args...)
	if err == nil && !strings.HasPrefix(text, answer) {
		err = fmt.Errorf("redis answers %s with %q", args[0], text)
	}
	return err
}

// taken waits until the server has loaded what it was sent.
func (r *redis) taken(ctx context.Context, m *master) error {
	return until(ctx, func() (bool, error) {
		if m.askedAgain() {
			return false, errors.New("redis did not take the RDB and asked for it again: its log says why")
		}
		in, err := r.info(ctx, "replication")
		if err != nil {
			return false, nil //nolint:nilerr // it says LOADING meanwhile
		}
		return in["master_link_status"] == "up" && in["master_sync_in_progress"] == "0", nil
	})
}

// keep has the data written to the server's disk, as its own configuration has it: a new append-only file, or an RDB.
func (r *redis) keep(ctx context.Context) error {
	in, err := r.info(ctx, "persistence")
	if err != nil {
		return err
	}
	if in["aof_enabled"] != "1" {
		return r.expect(ctx, "OK", "SAVE")
	}
	idle := func() (bool, error) {
		in, err = r.info(ctx, "persistence")
		return in["aof_rewrite_in_progress"] == "0" && in["aof_rewrite_scheduled"] == "0" && in["rdb_bgsave_in_progress"] == "0", err
	}
	if err := until(ctx, idle); err != nil { // the server began one by itself when it took the data
		return err
	}
	if err := r.expect(ctx, "Background", "BGREWRITEAOF"); err != nil {
		return err
	}
	if err := until(ctx, idle); err != nil {
		return err
	}
	if in["aof_last_bgrewrite_status"] != "ok" {
		return errors.New("redis could not write its append-only file: its log says why")
	}
	return nil
}

// until asks until something holds.
func until(ctx context.Context, holds func() (bool, error)) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		ok, err := holds()
		switch {
		case err != nil:
			err = backoff.Permanent(err)
		case !ok:
			err = errors.New("not yet")
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(recovery.DefaultWithin))
	return err
}
