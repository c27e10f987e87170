//go:build lab

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"quarterdeck/sources/demo"
	"quarterdeck/stages"
)

// Where the exporters' targets belong to: services of the embedded swarm.
const (
	postgresService = "shop_store"
	mariaService    = "shop_payments"
	redisService    = "shop_cache"
)

// TestExportersLab holds what is asked about databases and caches against the real exporters: a Postgres, a MariaDB and a Redis of the test's own, on loopback, each
// with Debian's exporter, scraped by a Prometheus each three seconds. Trouble is made, is found by `investigate` and `check`, is taken back, and is found no more.
func TestExportersLab(t *testing.T) {
	pg := exportersTools(t)
	x := &stores{t: t}
	x.postgres(pg)
	slow := x.holds(pg("psql"), nil, "-Xqc", "select pg_sleep(600)", x.pgAddress("postgres")) // a diagnosis minds it from 30 s on: it begins first
	x.redis()
	x.maria()
	x.scrape()
	x.until("a database is well", func() string {
		return x.sees(map[string]string{}, map[string]stages.State{"cache-hit": stages.NA})
	})

	var crowd []*exec.Cmd
	for range 20 { // until it turns away who is no superuser, with three of its ten places free
		crowd = append(crowd, x.holds(pg("psql"), x.open(), "-Xq", x.pgAddress("app")))
	}
	for range 9 {
		crowd = append(crowd, x.holds("mariadb", x.open(), "--no-defaults", "-h127.0.0.1", "--protocol=tcp", "-P"+x.mariaPort, "-uapp", "--connect-timeout=5"))
	}
	x.lines(3000, "GET none%d")
	x.lines(4000, "SET k%d "+strings.Repeat("x", 1000))
	x.until("all trouble is found", func() string {
		return x.sees(map[string]string{
			"connections-near-limit " + postgresService: "its connections are used up",
			"connections-near-limit " + mariaService:    "",
			"statement-slow " + postgresService:         "a statement runs long",
			"cache-evicting " + redisService:            "it throws away what it is asked for",
		}, map[string]stages.State{"cache-hit": stages.Fail, "slow-queries": stages.Fail})
	})

	for _, c := range append(crowd, slow) {
		_ = c.Process.Kill()
	}
	x.run(nil, pg("psql"), "-Xqc", "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()", x.pgAddress("postgres"))
	x.run(nil, "redis-cli", "-p", x.redisPort, "config", "set", "maxmemory", "200mb")
	x.lines(30_000, "SET k%d x")
	x.lines(30_000, "GET k%d")
	x.until("nothing is found any more", func() string {
		return x.sees(map[string]string{}, map[string]stages.State{"cache-hit": stages.Pass, "slow-queries": stages.Pass})
	})
	x.must(os.WriteFile(x.team.config, []byte("{context: a, contexts: {a: {stages: {thresholds: {cache-hit.pass: 99%}}}}}\n"), 0o600))
	x.until("a team that wants 99% is warned", func() string {
		return x.sees(map[string]string{}, map[string]stages.State{"cache-hit": stages.Warn})
	})
	maria := []string{"--no-defaults", "-h127.0.0.1", "--protocol=tcp", "-P" + x.mariaPort, "-uapp", "-e", "set long_query_time = 0.1; select sleep(0.3); select sleep(0.3)"}
	x.run(nil, "mariadb", maria...) // these are counted for an hour: they come last
	x.until("slow statements of MariaDB are found", func() string {
		return x.sees(map[string]string{"statements-slow " + mariaService: "statements take long"}, map[string]stages.State{"slow-queries": stages.Warn})
	})
}

// exportersTools skips the test where a program of it is not there. It gives where Postgres' own are.
func exportersTools(t *testing.T) func(string) string {
	t.Helper()
	var missing []string
	for _, name := range []string{"prometheus", "prometheus-postgres-exporter", "prometheus-mysqld-exporter", "prometheus-redis-exporter", "redis-server", "redis-cli", "mariadbd", "mariadb-install-db", "mariadb"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		missing = append(missing, "postgresql")
	}
	if len(missing) > 0 {
		t.Skipf("%s: not there: testdata/lab/lab install", strings.Join(missing, ", "))
	}
	return func(name string) string { return filepath.Join(bins[len(bins)-1], name) }
}

// stores are the servers of the test, and the commands' platform.
type stores struct {
	t                            *testing.T
	pgPort, mariaPort, redisPort string
	targets                      [][2]string // an exporter's port, and the service that it is of
	team                         team
}

func (x *stores) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// account is a user of this machine as whom a server runs that does not run as root; nil where the test does not.
func (x *stores) account(name string) *syscall.Credential {
	x.t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	x.must(err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	x.must(err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	x.must(err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// folder is a temporary one that a server's user may go into and owns.
func (x *stores) folder(as *syscall.Credential) string {
	x.t.Helper()
	dir, err := os.MkdirTemp("", "qd-exporters-") // not t.TempDir: its parents are closed to other users
	x.must(err)
	x.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as != nil {
		x.must(os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	return dir
}

func (x *stores) port() string {
	x.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	x.must(err)
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// start runs a program until the test ends. What it says is shown where the test fails.
func (x *stores) start(as *syscall.Credential, env []string, in io.Reader, name string, args ...string) *exec.Cmd {
	x.t.Helper()
	c, said := exec.Command(name, args...), &bytes.Buffer{}
	c.Env, c.Stdin, c.Stdout, c.Stderr = append(os.Environ(), env...), in, said, said
	c.Dir, c.WaitDelay = os.TempDir(), time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	x.must(c.Start())
	x.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if x.t.Failed() {
			text := said.String()
			x.t.Logf("%s: %s", filepath.Base(name), text[max(0, len(text)-1500):])
		}
	})
	return c
}

// holds starts a client that keeps its connection: it waits for its input, or for its statement.
func (x *stores) holds(name string, in io.Reader, args ...string) *exec.Cmd {
	x.t.Helper()
	return x.start(nil, nil, in, name, args...)
}

// open is an input that says nothing and does not end before the test.
func (x *stores) open() io.Reader {
	x.t.Helper()
	r, w, err := os.Pipe()
	x.must(err)
	x.t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r
}

// run runs a command to its end.
func (x *stores) run(in io.Reader, name string, args ...string) string {
	x.t.Helper()
	c := exec.Command(name, args...)
	c.Stdin, c.Dir = in, os.TempDir()
	out, err := c.CombinedOutput()
	if err != nil {
		x.t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}

// until waits for what is wanted; ok says what is amiss.
func (x *stores) until(what string, ok func() string) {
	x.t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for amiss := ok(); amiss != ""; amiss = ok() {
		if time.Since(began) > 3*time.Minute {
			x.t.Fatalf("%s: not after %s: %s", what, time.Since(began).Round(time.Second), amiss)
		}
		<-tick.C
	}
	x.t.Logf("%s: after %s", what, time.Since(began).Round(100*time.Millisecond))
}

// answers waits until a port is listened on.
func (x *stores) answers(port string) {
	x.t.Helper()
	x.until("port "+port, func() string {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err.Error()
		}
		_ = c.Close()
		return ""
	})
}

func (x *stores) pgAddress(who string) string {
	return "postgresql://" + who + "@127.0.0.1:" + x.pgPort + "/postgres?sslmode=disable"
}

// postgres has ten places, three of them for superusers. Its exporter is none, as that of the blueprint.
func (x *stores) postgres(pg func(string) string) {
	x.t.Helper()
	as := x.account("postgres")
	dir := x.folder(as)
	in := exec.Command(pg("initdb"), "-D", dir+"/data", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-N")
	in.Dir, in.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := in.CombinedOutput(); err != nil {
		x.t.Fatalf("initdb: %v\n%s", err, out)
	}
	x.pgPort = x.port()
	x.start(as, nil, nil, pg("postgres"), "-D", dir+"/data", "-p", x.pgPort, "-h", "127.0.0.1", "-k", dir, "-F", "-c", "max_connections=10", "-c", "superuser_reserved_connections=3", "-c", "max_wal_senders=0")
	x.until("Postgres", func() string {
		out, err := exec.Command(pg("psql"), "-Xqc", "create role app login; create role monitor login in role pg_monitor", x.pgAddress("postgres")).CombinedOutput()
		if err != nil {
			return string(out)
		}
		return ""
	})
	port := x.port()
	x.start(nil, []string{"DATA_SOURCE_NAME=" + x.pgAddress("monitor")}, nil, "prometheus-postgres-exporter", "--web.listen-address=127.0.0.1:"+port)
	x.targets = append(x.targets, [2]string{port, postgresService})
}

// redis has 3 MB, and throws away what was used least lately.
func (x *stores) redis() {
	x.t.Helper()
	x.redisPort = x.port()
	x.start(nil, nil, nil, "redis-server", "--port", x.redisPort, "--bind", "127.0.0.1", "--dir", x.t.TempDir(), "--save", "", "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru")
	x.answers(x.redisPort)
	port := x.port()
	x.start(nil, nil, nil, "prometheus-redis-exporter", "-redis.addr=redis://127.0.0.1:"+x.redisPort, "-web.listen-address=127.0.0.1:"+port)
	x.targets = append(x.targets, [2]string{port, redisService})
}

// lines gives Redis n commands, the number of each in its place.
func (x *stores) lines(n int, format string) {
	x.t.Helper()
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, format+"\r\n", i)
	}
	x.run(strings.NewReader(all.String()), "redis-cli", "-p", x.redisPort, "--pipe")
}

// maria has ten places.
func (x *stores) maria() {
	x.t.Helper()
	as := x.account("mysql")
	dir := x.folder(as)
	for name, text := range map[string]string{"init.sql": "create user app@'%';\ncreate user exporter@'%' identified by 'exporter';\ngrant process, replication client, select on *.* to exporter@'%';\n"} {
		x.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	in := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+dir+"/data", "--skip-test-db", "--auth-root-authentication-method=normal")
	in.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := in.CombinedOutput(); err != nil {
		x.t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	x.mariaPort = x.port()
	x.start(as, nil, nil, "mariadbd", "--no-defaults", "--datadir="+dir+"/data", "--port="+x.mariaPort, "--bind-address=127.0.0.1", "--socket="+dir+"/s", "--init-file="+dir+"/init.sql",
		"--max-connections=10", "--skip-name-resolve", "--innodb-buffer-pool-size=32M")
	x.answers(x.mariaPort)
	config, port := filepath.Join(x.t.TempDir(), "my.cnf"), x.port()
	x.must(os.WriteFile(config, []byte("[client]\nuser=exporter\npassword=exporter\nhost=127.0.0.1\nport="+x.mariaPort+"\n"), 0o600))
	x.start(nil, nil, nil, "prometheus-mysqld-exporter", "--config.my-cnf="+config, "--web.listen-address=127.0.0.1:"+port)
	x.targets = append(x.targets, [2]string{port, mariaService})
}

// scrape starts Prometheus, and the embedded swarm beside it whose services the stores are; it waits until all exporters were read, and tell of their servers.
func (x *stores) scrape() {
	x.t.Helper()
	dir, port := x.t.TempDir(), x.port()
	config := "global: {scrape_interval: 3s, scrape_timeout: 3s}\nscrape_configs:\n- job_name: exporters\n  static_configs:\n"
	for _, target := range x.targets {
		config += fmt.Sprintf("  - {targets: ['127.0.0.1:%s'], labels: {swarm_service: %s}}\n", target[0], target[1])
	}
	x.must(os.WriteFile(dir+"/prometheus.yml", []byte(config), 0o600))
	x.start(nil, nil, nil, "prometheus", "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address=127.0.0.1:"+port, "--log.level=warn")
	p, err := demo.Start(x.t.Context(), demo.Options{Seed: 1})
	x.must(err)
	x.t.Cleanup(func() { _ = p.Close() })
	x.team = team{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "PROMETHEUS_URL": "http://127.0.0.1:" + port, "QUARTERDECK_STATE_DIR": x.t.TempDir()}, config: filepath.Join(x.t.TempDir(), "config.yaml")}
	x.must(os.WriteFile(x.team.config, []byte("{}\n"), 0o600))
	ask := "http://127.0.0.1:" + port + "/api/v1/query?query=count(pg_up==1)*count(mysql_up==1)*count(redis_up==1)"
	x.until("all exporters are read", func() string {
		resp, err := http.Get(ask)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(body, []byte(`"1"`)) {
			return fmt.Sprintf("%v %s", err, body)
		}
		return ""
	})
}

// storeCauses are those that exporters of databases and caches tell of.
var storeCauses = []string{"connections-near-limit", "statement-slow", "statements-slow", "cache-evicting"}

// sees says what differs: causes of the stores by id and service, with their titles ("": any), no others of these kinds, and states of checks.
func (x *stores) sees(causes map[string]string, checks map[string]stages.State) string {
	x.t.Helper()
	var amiss []string
	found := map[string]string{}
	for _, service := range []string{"", postgresService, mariaService} { // what is a hint alone is told of a service that is asked about
		var doc investigationJSON
		out, errs, code := x.team.ask(x.t, append([]string{"investigate", "-o", "json"}, strings.Fields(service)...)...)
		if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitDone {
			x.t.Fatalf("investigate %s: exit %d: %v: %s", service, code, err, errs)
		}
		for i := range doc.Causes {
			if c := &doc.Causes[i]; slices.Contains(storeCauses, c.ID) {
				found[c.ID+" "+c.Service] = c.Title
				if _, wanted := causes[c.ID+" "+c.Service]; !wanted {
					amiss = append(amiss, "found "+c.ID+" "+c.Service+": "+c.Title)
				}
			}
		}
	}
	for key, title := range causes {
		if got, ok := found[key]; !ok || title != "" && got != title {
			amiss = append(amiss, fmt.Sprintf("%s is %q", key, got))
		}
	}
	_, results := x.team.check(x.t)
	for id, state := range checks {
		if r := results[id]; r.State != state {
			amiss = append(amiss, fmt.Sprintf("%s is %s, not %s: %s %s %v", id, r.State, state, r.Value, r.Reason, r.Subjects))
		}
	}
	return strings.Join(amiss, "; ")
}
