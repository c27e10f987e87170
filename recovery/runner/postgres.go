package runner

import (
	"context"
	"errors"
	"io"
	"strings"

	"quarterdeck/recovery"
)

// postgres is saved by pg_dump in its custom format, without compression of its own: restic compresses, and finds again what has not changed.
type postgres struct{ server }

// File is the dump's name.
func (p *postgres) File() string { return p.file("pgdump") }

// Env is libpq's: database names are taken as they are from there, and not read as connection strings.
func (p *postgres) Env() ([]string, error) { return p.to(p.job.DB), nil }

func (p *postgres) to(db string) []string {
	env := []string{"PGHOST=" + p.job.Host, "PGPORT=" + p.port(), "PGUSER=" + p.job.User, "PGDATABASE=" + db, "PGCONNECT_TIMEOUT=10", "PGAPPNAME=quarterdeck"}
	if p.password != "" {
		env = append(env, "PGPASSWORD="+p.password)
	}
	return env
}

// maintenance is the database that one is connected to while the job's own is dropped.
func (p *postgres) maintenance() string {
	if p.job.DB == "postgres" {
		return "template1"
	}
	return "postgres"
}

func (p *postgres) psql(ctx context.Context, db, script string, args ...string) (string, error) {
	out, err := p.tools.output(ctx, command{name: "psql", args: append([]string{"-XAtq", "--no-password", "-v", "ON_ERROR_STOP=1"}, args...), env: p.to(db), stdin: strings.NewReader(script)})
	return strings.TrimSpace(string(out)), err
}

// Version is the server's.
func (p *postgres) Version(ctx context.Context) (string, error) {
	v, err := p.psql(ctx, p.maintenance(), "show server_version;\n")
	if err != nil {
		return "", noServer(&p.server, err)
	}
	v, _, _ = strings.Cut(v, " ") // "15.8 (Debian 15.8-0+deb12u1)"
	return v, nil
}

// Dump writes pg_dump's custom format.
func (p *postgres) Dump(ctx context.Context, w io.Writer) error {
	return p.tools.run(ctx, command{name: "pg_dump", args: []string{"--format=custom", "--compress=0", "--no-password"}, env: p.to(p.job.DB), stdout: w})
}

// Proof lets pg_restore read the table of contents.
func (p *postgres) Proof(ctx context.Context, r io.Reader) error {
	src := &broken{r: r}
	err := p.tools.run(ctx, command{name: "pg_restore", args: []string{"--list"}, stdin: src, stdout: io.Discard})
	if src.err != nil {
		return src.err
	}
	var f *failed
	if errors.As(err, &f) && f.code > 0 {
		return &fault{recovery.Damaged, "what was saved is no dump of postgres: " + f.text, "choose an older snapshot", err}
	}
	return err
}

// evict lets nobody be connected to the database, and drops it.
const evict = `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = :'db' and pid <> pg_backend_pid();
drop database if exists :"db";
`

// Load drops the database and lets pg_restore create it as it was, with its encoding and its settings.
func (p *postgres) Load(ctx context.Context, r io.Reader, touched func()) error {
	touched()
	if _, err := p.psql(ctx, p.maintenance(), evict, "-v", "db="+p.job.DB); err != nil {
		return err
	}
	src := &broken{r: r}
	err := p.tools.run(ctx, command{name: "pg_restore", args: []string{"--create", "--exit-on-error", "--no-password", "--dbname=" + p.maintenance()}, env: p.to(p.maintenance()), stdin: src})
	if src.err != nil {
		return src.err
	}
	return err
}

// broken remembers why a stream could not be read, which the program that it feeds cannot know.
type broken struct {
	r   io.Reader
	err error
}

// Read reads on.
func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}
