//go:build tools

package runner

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"quarterdeck/recovery"
)

// account is a user of this machine as whom a server runs; nil where the tests are not root's.
func account(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// folderFor is a temporary folder that a server's user may go into and owns.
func folderFor(t *testing.T, as *syscall.Credential) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qd-server-") // not t.TempDir: its parents are closed to other users
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as != nil {
		must(t, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	return dir
}

// postgresServer is a private one, with a password, and the job that names it.
func postgresServer(t *testing.T) (recovery.Job, []string) {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		t.Fatal("no postgresql: run testdata/recovery-tools")
	}
	bin, as := bins[len(bins)-1], account(t, "postgres")
	dir := folderFor(t, as)
	pass := filepath.Join(dir, "pw")
	must(t, os.WriteFile(pass, []byte(serviceSecret+"\n"), 0o644))
	in := exec.Command(bin+"/initdb", "-D", dir+"/data", "-U", "postgres", "--pwfile="+pass, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	in.Dir, in.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := in.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	serve(t, as, bin+"/postgres", "-D", dir+"/data", "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", dir, "-F")
	j := recovery.Job{Engine: recovery.Postgres, Host: "127.0.0.1", Port: port, User: "postgres", DB: "shop db", Password: true}
	return j, []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(port), "PGUSER=postgres", "PGPASSWORD=" + serviceSecret, "PGDATABASE=postgres"}
}

// waitFor lets the runner's own patience wait until a server answers.
func (p *place) waitFor(j recovery.Job) {
	p.t.Helper()
	home := p.t.TempDir()
	j.Kind = recovery.JobBackup
	w := &work{Runner: p.runner(j), tell: &reporter{out: &p.out}, password: serviceSecret, tools: &tools{home: home, stop: p.runner(j).Patience.Stop}}
	if _, err := w.answers(p.t.Context(), w.engineOf()); err != nil {
		p.t.Fatal(err)
	}
}

const postgresRows = `select md5(string_agg(r::text, chr(10) order by id)), count(*), min(id), max(id) from (select * from orders) r`

func TestPostgresThereAndBack(t *testing.T) {
	p := newPlace(t)
	job, env := postgresServer(t)
	p.waitFor(job)
	sh(t, env, "psql", "-Xqc", `create database "shop db" encoding 'UTF8' template template0`, "-c", `alter database "shop db" set work_mem = '5MB'`, "-c", "create role app login password 'x'")
	env = append(env, "PGDATABASE=shop db")
	sh(t, env, "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", `create table orders (id serial primary key, name text not null, price numeric, at timestamptz default now(), raw bytea)`,
		"-c", `insert into orders (name, price, raw) select 'straße ' || i || E'\n\\N' || chr(1 + i % 50), i / 7.0, decode(md5(i::text), 'hex') from generate_series(1, 50000) i`,
		"-c", "create index on orders (name)", "-c", "alter table orders owner to app", "-c", "create view cheap as select * from orders where price < 10")
	want := sh(t, env, "psql", "-XAtc", postgresRows)
	job.Kind = recovery.JobBackup
	res := p.well(job)
	s := res.Snapshot
	if s.Server == "" || !s.Verified || s.Size < 1<<20 || s.DB != "shop db" {
		t.Errorf("snapshot %+v", s)
	}
	sh(t, env, "psql", "-Xqc", "delete from orders where id > 10", "-c", "insert into orders (name) values ('later')", "-c", "create table later ()")
	check := job
	check.Kind, check.Snapshot = recovery.JobCheck, s.ID
	if c := p.well(check); c.Server != s.Server || c.Touched {
		t.Errorf("check %+v", c)
	}
	back := job
	back.Kind, back.Snapshot = recovery.JobRestore, s.ID
	bare := back
	back.Verify = `psql -Atc 'select count(*) from orders' && test "$(psql -Atc 'select count(*) from cheap')" -gt 5 && test -z "$RESTIC_PASSWORD"`
	r := p.well(back)
	if !r.Touched || r.Verified.Output != "50000" || r.Bytes != s.Size {
		t.Errorf("restore %+v %+v", r, r.Verified)
	}
	if got := sh(t, env, "psql", "-XAtc", postgresRows); got != want {
		t.Errorf("rows are %s, want %s", got, want)
	}
	// A server that has nothing yet, as a drill's: the role that owns the tables comes with its password.
	empty, there := postgresServer(t)
	bare.Host, bare.Port = empty.Host, empty.Port
	p.well(bare)
	there = append(there, "PGDATABASE=shop db")
	if got := sh(t, there, "psql", "-XAtc", postgresRows); got != want {
		t.Errorf("on an empty server rows are %s, want %s", got, want)
	}
	sh(t, append(there, "PGUSER=app", "PGPASSWORD=x"), "psql", "-XAtc", "select max(id) from orders")
	if got := sh(t, env, "psql", "-XAtqc", "show work_mem; select tableowner from pg_tables where tablename = 'orders'; select count(*) from pg_tables where tablename = 'later'; insert into orders (name) values ('x') returning id"); got != "5MB\napp\n0\n50001" {
		t.Errorf("settings, owner, later tables, sequence: %q", got)
	}
}

// mariaServer is a private one.
func mariaServer(t *testing.T) (recovery.Job, []string) {
	t.Helper()
	as := account(t, "mysql")
	dir := folderFor(t, as)
	must(t, os.WriteFile(dir+"/init.sql", []byte("create user app@'%' identified by '"+serviceSecret+"';\ngrant all on *.* to app@'%' with grant option;\n"), 0o644))
	in := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+dir+"/data", "--skip-test-db", "--auth-root-authentication-method=normal")
	in.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := in.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	port := freePort(t)
	serve(t, as, "mariadbd", "--no-defaults", "--datadir="+dir+"/data", "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--socket="+dir+"/s", "--init-file="+dir+"/init.sql", "--innodb-flush-log-at-trx-commit=0")
	j := recovery.Job{Engine: recovery.MySQL, Host: "127.0.0.1", Port: port, User: "app", DB: "shop`db", Password: true}
	return j, []string{"MYSQL_PWD=" + serviceSecret}
}

func TestMariaThereAndBack(t *testing.T) {
	p := newPlace(t)
	job, env := mariaServer(t)
	p.waitFor(job)
	ask := func(sql string) string {
		t.Helper()
		return sh(t, env, "mariadb", "-h127.0.0.1", fmt.Sprintf("-P%d", job.Port), "-uapp", "--protocol=tcp", "--default-character-set=utf8mb4", "-Ne", sql)
	}
	ask("create database `shop``db` character set utf8mb4 collate utf8mb4_bin; use `shop``db`; create table orders (id int auto_increment primary key, name text, price decimal(12,4), raw blob);" +
		"insert into orders (name, price, raw) select concat('straße 🐘 ', seq, '\\n\\\\N', char(seq % 50)), seq / 7, unhex(md5(seq)) from seq_1_to_50000; create view cheap as select * from orders where price < 10;" +
		"create trigger up before update on orders for each row set new.price = 0; create procedure two() select 2; create event ev on schedule every 1 day do delete from orders where id < 0")
	const rows = "use `shop``db`; select count(*), sum(crc32(concat_ws('|', id, name, price, hex(raw)))), min(id), max(id) from orders"
	want := ask(rows)
	job.Kind = recovery.JobBackup
	s := p.well(job).Snapshot
	if !strings.Contains(s.Server, "MariaDB") || !s.Verified || s.Size < 1<<20 {
		t.Errorf("snapshot %+v", s)
	}
	ask("use `shop``db`; delete from orders where id > 10; create table later (a int)")
	back := job
	back.Kind, back.Snapshot = recovery.JobRestore, s.ID
	back.Verify = `mysql -Ne 'select count(*) from orders' && test -z "$RESTIC_PASSWORD"`
	r := p.well(back)
	if !r.Touched || r.Verified.Output != "50000" || r.Bytes != s.Size {
		t.Errorf("restore %+v %+v", r, r.Verified)
	}
	if got := ask(rows); got != want {
		t.Errorf("rows are %s, want %s", got, want)
	}
	const things = "select @@collation_database; use `shop``db`; select @@collation_database; call two(); show tables like 'later'; select count(*) from information_schema.triggers where trigger_schema = 'shop`db'; select count(*) from information_schema.events where event_schema = 'shop`db'; update orders set name = 'n' where id = 7; select price from orders where id = 7"
	if got := strings.Split(ask(things), "\n"); strings.Join(got[1:], " ") != "utf8mb4_bin 2 1 1 0.0000" {
		t.Errorf("collation, procedure, triggers, events, trigger's work: %q", got)
	}
}

// redisServer is a private one, with a password.
func redisServer(t *testing.T, args ...string) (recovery.Job, []string) {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	serve(t, nil, "redis-server", append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--requirepass", serviceSecret}, args...)...)
	return recovery.Job{Engine: recovery.Redis, Host: "127.0.0.1", Port: port, Password: true}, []string{"REDISCLI_AUTH=" + serviceSecret, "DIR=" + dir}
}

func TestRedisThereAndBack(t *testing.T) {
	for name, args := range map[string][]string{
		"append only, diskless":  {"--appendonly", "yes"},
		"snapshots, with a disk": {"--save", "900 1", "--repl-diskless-sync", "no"},
		"nothing kept":           {"--save", "", "--repl-diskless-load", "swapdb"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			job, env := redisServer(t, args...)
			p.waitFor(job)
			ask := func(args ...string) string {
				t.Helper()
				return sh(t, env, "redis-cli", append([]string{"-p", strconv.Itoa(job.Port), "--no-auth-warning"}, args...)...)
			}
			ask("eval", `for i = 1, 30000 do redis.call('set', 'k' .. i, string.rep(i, 20)); redis.call('zadd', 'z', i, 'm' .. i) end; redis.call('set', 'gone', 'x', 'ex', 100000); redis.call('hset', 'h', 'a', '\r\n\0'); return 1`, "0")
			digest := ask("debug", "digest")
			job.Kind = recovery.JobBackup
			s := p.well(job).Snapshot
			if s.Server == "" || !s.Verified || s.Size < 1<<17 {
				t.Errorf("snapshot %+v", s)
			}
			rdb := filepath.Join(t.TempDir(), "dump.rdb")
			must(t, os.WriteFile(rdb, []byte(p.repositoryOf("dump", "-q", s.ID, "/redis.rdb")), 0o600))
			if out := sh(t, nil, "redis-check-rdb", rdb); !strings.Contains(out, "30003 keys read") {
				t.Errorf("the RDB: %s", out)
			}
			ask("flushall")
			ask("set", "later", "1")
			back := job
			back.Kind, back.Snapshot = recovery.JobRestore, s.ID
			back.Verify = `redis-cli dbsize && test "$(redis-cli get k7)" = 77777777777777777777 && test -z "$RESTIC_PASSWORD"`
			r := p.well(back)
			if !r.Touched || r.Verified.Output != "30003" || r.Bytes != s.Size {
				t.Errorf("restore %+v %+v", r, r.Verified)
			}
			if got := ask("debug", "digest"); got != digest {
				t.Errorf("the data is not what it was: %s, want %s", got, digest)
			}
			if got := ask("role"); !strings.HasPrefix(got, "master") {
				t.Errorf("the server is left as %s", got)
			}
			// What the server has written down is the same: it is started again on it.
			_, _ = exec.Command("redis-cli", "-p", strconv.Itoa(job.Port), "-a", serviceSecret, "--no-auth-warning", "shutdown", "nosave").CombinedOutput()
			dir := strings.TrimPrefix(env[1], "DIR=")
			serve(t, nil, "redis-server", append([]string{"--port", strconv.Itoa(job.Port), "--bind", "127.0.0.1", "--dir", dir, "--requirepass", serviceSecret}, args...)...)
			p.waitFor(job)
			if got := ask("debug", "digest"); got != digest {
				t.Errorf("after a start it is not what it was: %s, want %s", got, digest)
			}
		})
	}
}
