package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"quarterdeck/recovery"
)

// mysql is MariaDB and MySQL, saved by mariadb-dump in one transaction.
type mysql struct{ server }

// File is the dump's name.
func (m *mysql) File() string { return m.file("sql") }

// Env is what the mysql client reads of the environment, and a file for what it does not: user and database.
func (m *mysql) Env() ([]string, error) {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	file := filepath.Join(m.tools.home, ".my.cnf") // HOME is the job's own folder
	text := fmt.Sprintf("[client]\nhost=%s\nport=%s\nuser=%s\nprotocol=tcp\n[mysql]\ndatabase=%s\n[mariadb-client]\ndatabase=%[4]s\n", quote(m.job.Host), m.port(), quote(m.job.User), quote(m.job.DB))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return append(m.secret(), "MYSQL_HOST="+m.job.Host, "MYSQL_TCP_PORT="+m.port(), "MYSQL_USER="+m.job.User, "MYSQL_DATABASE="+m.job.DB), nil
}

func (m *mysql) secret() []string {
	if m.password == "" {
		return nil
	}
	return []string{"MYSQL_PWD=" + m.password}
}

func (m *mysql) reach(args ...string) []string {
	return append([]string{"--host=" + m.job.Host, "--port=" + m.port(), "--user=" + m.job.User, "--protocol=tcp", "--default-character-set=utf8mb4"}, args...)
}

func (m *mysql) client(in io.Reader, out io.Writer) command {
	return command{name: firstOf("mariadb", "mysql"), args: m.reach("--batch", "--skip-column-names", "--connect-timeout=10"), env: m.secret(), stdin: in, stdout: out}
}

// Version is the server's.
func (m *mysql) Version(ctx context.Context) (string, error) {
	out, err := m.tools.output(ctx, m.client(strings.NewReader("select version();\n"), nil))
	if err != nil {
		return "", noServer(&m.server, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// dumpEnd is the last line of a whole dump.
const dumpEnd = "-- Dump completed"

// Dump writes SQL, with what creates the database as it is.
func (m *mysql) Dump(ctx context.Context, w io.Writer) error {
	end := &tail{max: 256}
	args := m.reach("--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob", "--skip-lock-tables", "--databases", "--", m.job.DB)
	err := m.tools.run(ctx, command{name: firstOf("mariadb-dump", "mysqldump"), args: args, env: m.secret(), stdout: io.MultiWriter(w, end)})
	if err == nil && !strings.Contains(end.String(), dumpEnd) {
		return &fault{recovery.DumpFailed, "the dump ended without its last line, though its tool ended with 0", "try again", nil}
	}
	return err
}

// Proof looks whether the dump begins as one.
func (m *mysql) Proof(_ context.Context, r io.Reader) error {
	return begins(r, 512, func(b []byte) bool {
		return bytes.Contains(b, []byte("-- MariaDB dump")) || bytes.Contains(b, []byte("-- MySQL dump"))
	}, "a dump of mariadb")
}

// Load drops the database and lets the client run the dump, which creates it again. Binary logs of the server are written as always.
func (m *mysql) Load(ctx context.Context, r io.Reader, touched func()) error {
	touched()
	drop := "drop database if exists `" + strings.ReplaceAll(m.job.DB, "`", "``") + "`;\n"
	src := &broken{r: io.MultiReader(strings.NewReader(drop), r)}
	c := m.client(src, io.Discard)
	c.args = append(c.args, "--binary-mode")
	err := m.tools.run(ctx, c)
	if src.err != nil {
		return src.err
	}
	return err
}
