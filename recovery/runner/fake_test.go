package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// fakeRestic keeps what it is sent in a file, and calls it saved only at the end of its input. It notes its arguments and its process.
const fakeRestic = `#!/bin/sh
echo "restic $*" >>"$FAKE/argv"
env >"$FAKE/restic.env"
id=1111111111111111111111111111111111111111111111111111111111111111
case "$1" in
backup)
	case "$*" in *roles*)
		cat >"$FAKE/roles"
		echo '{"message_type":"summary","snapshot_id":"22222222","total_bytes_processed":'$(wc -c <"$FAKE/roles")'}'
		exit 0 ;;
	esac
	echo $$ >"$FAKE/restic.pid"
	trap 'exit 130' INT
	cat >"$FAKE/coming"
	mv "$FAKE/coming" "$FAKE/saved"
	echo '{"message_type":"summary","snapshot_id":"11111111","total_bytes_processed":'$(wc -c <"$FAKE/saved")',"data_added":5}' ;;
ls)
	tags=$(sed -n 's/^restic backup .*--tag \(service:[^ ]*\) .*--tag \(run:[^ ]*\) .*/"\1","\2"/p' "$FAKE/argv")
	echo '{"id":"'$id'","time":"2026-11-29T10:00:00Z","paths":["/postgres-shop.pgdump"],"hostname":"lab","tags":['$tags'],"struct_type":"snapshot"}'
	echo '{"type":"file","path":"/postgres-shop.pgdump","size":'$(wc -c <"$FAKE/saved")'}' ;;
dump) cat "$FAKE/saved" ;;
esac
`

const fakePsql = `#!/bin/sh
echo "psql $*" >>"$FAKE/argv"
cat >/dev/null
echo 15.8
`

const fakeDumpAll = `#!/bin/sh
echo "pg_dumpall $*" >>"$FAKE/argv"
echo 'CREATE ROLE app;'
`

const fakeRestore = `#!/bin/sh
echo "pg_restore $*" >>"$FAKE/argv"
cat >/dev/null
`

// fakes puts programs of ours before the system's, and gives the folder where they keep what they saw. FAKE is written into them: they get no environment.
func fakes(t *testing.T, programs map[string]string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("shell scripts")
	}
	dir := t.TempDir()
	for name, text := range programs {
		text = strings.ReplaceAll(text, "$FAKE", dir)
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func there(file string) bool { _, err := os.Stat(file); return err == nil }

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	return string(data)
}

var dumpJob = recovery.Job{Kind: recovery.JobBackup, Engine: recovery.Postgres, Host: "db", Port: 5432, User: "postgres", DB: "shop", Password: true}

func pgDump(body string) map[string]string {
	return map[string]string{"restic": fakeRestic, "psql": fakePsql, "pg_dumpall": fakeDumpAll, "pg_restore": fakeRestore, "pg_dump": "#!/bin/sh\necho \"pg_dump $*\" >>\"$FAKE/argv\"\nenv >\"$FAKE/dump.env\"\n" + body}
}

func TestDumpIsSavedOnlyWhole(t *testing.T) {
	for name, c := range map[string]struct {
		dump string
		code recovery.Code
	}{
		"whole":           {"echo PGDMP; echo rest", ""},
		"dies half way":   {"echo PGDMP; head -c 300000 /dev/zero; echo 'connection to server was lost' >&2; exit 1", recovery.DumpFailed},
		"is killed":       {"echo PGDMP; kill -9 $$", recovery.DumpFailed},
		"says nothing":    {"exit 3", recovery.DumpFailed},
		"newer server":    {"echo 'pg_dump: error: aborting because of server version mismatch' >&2; exit 1", recovery.DumpFailed},
		"a secret leaked": {"echo \"password $PGPASSWORD is bad\" >&2; exit 1", recovery.DumpFailed},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fakes(t, pgDump(c.dump))
			p := newPlace(t)
			res := p.run(dumpJob)
			if res.Code != c.code || res.OK != (c.code == "") {
				t.Fatalf("%+v\n%s", res, p.out.String())
			}
			if saved := there(dir + "/saved"); saved != res.OK {
				t.Errorf("saved: %v", saved)
			}
			if recorded := len(p.records()); recorded != map[bool]int{true: 1, false: 0}[res.OK] {
				t.Errorf("%d records", recorded)
			}
		})
	}
}

// records are the keys of snapshots' records.
func (p *place) records() []string {
	list, err := p.objects.List(context.Background(), "records/snapshots/")
	must(p.t, err)
	var out []string
	for _, o := range list {
		out = append(out, o.Key)
	}
	return out
}

func TestResticThatGoesFirstIsToBlame(t *testing.T) {
	programs := pgDump("exec cat /dev/zero")
	programs["restic"] = strings.Replace(fakeRestic, `cat >"$FAKE/coming"`, `head -c 1000 >/dev/null; echo 'Fatal: unable to save snapshot: Put "http://s3/": dial tcp: connection refused' >&2; exit 1`, 1)
	fakes(t, programs)
	p := newPlace(t)
	if res := p.run(dumpJob); res.Code != recovery.NoStore {
		t.Errorf("%s: %s", res.Code, res.Reason)
	}
}

func TestShortSnapshotIsNone(t *testing.T) {
	programs := pgDump("echo PGDMP")
	programs["restic"] = strings.Replace(fakeRestic, `"total_bytes_processed":'`, `"total_bytes_processed":1'`, 1)
	fakes(t, programs)
	p := newPlace(t)
	if res := p.run(dumpJob); res.Code != recovery.Damaged || len(p.records()) > 0 {
		t.Errorf("%s: %s, records %v", res.Code, res.Reason, p.records())
	}
}

func TestSecretsGoOnlyWhereTheyMust(t *testing.T) {
	dir := fakes(t, pgDump("echo PGDMP"))
	t.Setenv("SOMETHING_ELSE", "of the container's")
	p := newPlace(t)
	p.secret["AWS_SECRET_ACCESS_KEY"] = "aws-hunter2-key"
	p.well(dumpJob)
	argv := read(t, dir+"/argv")
	for _, s := range []string{repositorySecret, serviceSecret, "aws-hunter2-key"} {
		if strings.Contains(argv, s) {
			t.Errorf("a secret is an argument:\n%s", argv)
		}
	}
	resticEnv, dumpEnv := read(t, dir+"/restic.env"), read(t, dir+"/dump.env")
	for what, wrong := range map[string]bool{
		"restic has no password":             !strings.Contains(resticEnv, "RESTIC_PASSWORD="+repositorySecret),
		"restic has no key":                  !strings.Contains(resticEnv, "aws-hunter2-key"),
		"restic has the service's":           strings.Contains(resticEnv, serviceSecret),
		"restic has the address of records":  strings.Contains(resticEnv, "QUARTERDECK_S3"),
		"pg_dump has no password":            !strings.Contains(dumpEnv, "PGPASSWORD="+serviceSecret),
		"pg_dump has the repository's":       strings.Contains(dumpEnv, "hunter2-key") || strings.Contains(dumpEnv, repositorySecret),
		"the container's environment passes": strings.Contains(resticEnv+dumpEnv, "SOMETHING_ELSE"),
	} {
		if wrong {
			t.Errorf("%s:\n%s\n%s", what, resticEnv, dumpEnv)
		}
	}
	for _, want := range []string{"--host=lab", "service:shop_db", "engine:postgres", "run:run1", "origin:manual", "server:15.8", "--stdin-filename=/postgres-shop.pgdump"} {
		if !strings.Contains(argv, want) {
			t.Errorf("restic was not told %s:\n%s", want, argv)
		}
	}
}

// hearing lets a test wait for what is written.
type hearing struct {
	mu    sync.Mutex
	text  strings.Builder
	waits map[string]chan struct{}
}

func (h *hearing) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(p)
	for words, c := range h.waits {
		if strings.Contains(h.text.String(), words) {
			close(c)
			delete(h.waits, words)
		}
	}
	return len(p), nil
}

func (h *hearing) wait(words string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan struct{})
	if strings.Contains(h.text.String(), words) {
		close(c)
		return c
	}
	if h.waits == nil {
		h.waits = map[string]chan struct{}{}
	}
	h.waits[words] = c
	return c
}

// alive tells whether a process runs: a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// gone waits until a process does not run any more: a signal that was sent needs its moment.
func gone(t *testing.T, what string, pid int) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	late := time.After(10 * time.Second)
	for alive(pid) {
		select {
		case <-again.C:
		case <-late:
			_ = exec.Command("kill", "-9", strconv.Itoa(pid)).Run()
			t.Errorf("%s, process %d, is still there", what, pid)
			return
		}
	}
}

func TestToldToStop(t *testing.T) {
	const endless = "echo $$ >\"$FAKE/dump.pid\"; (trap '' TERM; sleep 300 & echo $! >\"$FAKE/child.pid\"; wait) & " +
		"until [ -s \"$FAKE/restic.pid\" ] && [ -s \"$FAKE/child.pid\" ]; do sleep 0.02; done; head -c 100000 /dev/zero; exec sleep 300"
	for name, c := range map[string]struct {
		within float64
		code   recovery.Code
	}{"by a signal": {0, recovery.Interrupted}, "by its time": {3, recovery.TimedOut}} {
		t.Run(name, func(t *testing.T) {
			dir := fakes(t, pgDump(endless))
			p := newPlace(t)
			j := dumpJob
			j.Within = c.within
			r := p.runner(j)
			out := &hearing{}
			r.Out = out
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			begun := out.wait(`"phase":"dump","done":`)
			done := make(chan recovery.Result, 1)
			go func() { done <- r.Run(ctx) }()
			<-begun
			if c.within == 0 {
				cancel()
			}
			res := <-done
			if res.Code != c.code || res.Touched {
				t.Errorf("%+v", res)
			}
			if got, err := r.Job.Result(t.Context(), p.objects); err != nil || got.Code != c.code {
				t.Errorf("the result in the store: %+v, %v", got, err)
			}
			if there(dir+"/saved") || len(p.records()) > 0 {
				t.Error("something was saved")
			}
			for _, f := range []string{"dump", "restic", "child"} {
				// On a slow machine its time may be over before a process has come far enough to write its
				// own number; by a signal each of them has, the dump's first byte waits for that.
				if c.within > 0 && !there(dir+"/"+f+".pid") {
					t.Logf("%s had not begun within %v s", f, c.within)
					continue
				}
				pid, err := strconv.Atoi(strings.TrimSpace(read(t, dir+"/"+f+".pid")))
				must(t, err)
				gone(t, f, pid)
			}
		})
	}
}

func TestSecondContainerOfAJobDoesNothing(t *testing.T) {
	dir := fakes(t, pgDump("echo PGDMP"))
	p := newPlace(t)
	r := p.runner(dumpJob)
	if res := r.Run(t.Context()); !res.OK {
		t.Fatalf("%+v", res)
	}
	must(t, os.Remove(dir+"/argv"))
	res := r.Run(t.Context())
	if res.OK || res.Code != recovery.ClaimedBefore || there(dir+"/argv") {
		t.Errorf("%+v, tools ran: %v", res, there(dir+"/argv"))
	}
	if got, err := r.Job.Result(t.Context(), p.objects); err != nil || !got.OK {
		t.Errorf("the first one's result is now %+v, %v", got, err)
	}
}

func TestStoreThatIsAwayForAWhile(t *testing.T) {
	fakes(t, pgDump("echo PGDMP"))
	p := newPlace(t)
	fails := map[string]int{}
	p.objects.fail = func(op, key string) error {
		if fails[op+key]++; fails[op+key] <= 2 && op != "get" && op != "list" {
			return errAway
		}
		return nil
	}
	r := p.runner(dumpJob)
	if res := r.Run(t.Context()); !res.OK {
		t.Fatalf("%+v\n%s", res, p.out.String())
	}
	if got, err := r.Job.Result(t.Context(), p.objects); err != nil || !got.OK || len(p.records()) != 1 {
		t.Errorf("%+v, %v, records %v", got, err, p.records())
	}
}

// lossy makes what it is told to and loses the first answer.
type lossy struct {
	sources.Objects
	lost bool
}

func (l *lossy) Create(ctx context.Context, key string, data []byte) error {
	err := l.Objects.Create(ctx, key, data)
	if !l.lost && err == nil {
		l.lost = true
		return errAway
	}
	return err
}

func TestClaimWhoseAnswerWasLostIsOurs(t *testing.T) {
	fakes(t, pgDump("echo PGDMP"))
	p := newPlace(t)
	r := p.runner(dumpJob)
	r.Objects = &lossy{Objects: p.objects}
	if res := r.Run(t.Context()); !res.OK {
		t.Errorf("%+v", res)
	}
}

func TestStoreThatStaysAway(t *testing.T) {
	dir := fakes(t, pgDump("echo PGDMP"))
	p := newPlace(t)
	p.objects.fail = func(string, string) error { return errAway }
	r := p.runner(dumpJob)
	r.Patience.Store = 300 * time.Millisecond
	res := r.Run(t.Context())
	if res.OK || res.Code != recovery.NoStore || there(dir+"/argv") {
		t.Errorf("%+v", res)
	}
	list := p.events()
	if last := list[len(list)-1]; last.Result == nil || last.Result.Code != recovery.NoStore {
		t.Errorf("the last event is %+v", last)
	}
}

func TestResultThatCannotBeWrittenIsNotWell(t *testing.T) {
	fakes(t, pgDump("echo PGDMP"))
	p := newPlace(t)
	p.objects.fail = func(op, key string) error {
		if strings.HasSuffix(key, "result.json") {
			return errAway
		}
		return nil
	}
	r := p.runner(dumpJob)
	r.Patience.Store = 300 * time.Millisecond
	if res := r.Run(t.Context()); res.OK || res.Code != recovery.NoStore {
		t.Errorf("%+v", res)
	}
}

func TestToolThatIsNotThere(t *testing.T) {
	for _, missing := range []string{"psql", "pg_dump", "restic"} {
		programs := pgDump("echo PGDMP")
		delete(programs, missing)
		dir := fakes(t, programs)
		for _, used := range []string{"sh", "cat", "wc", "mv", "sed", "env"} {
			file, err := exec.LookPath(used)
			must(t, err)
			must(t, os.Symlink(file, filepath.Join(dir, used)))
		}
		t.Setenv("PATH", dir)
		p := newPlace(t)
		if res := p.run(dumpJob); res.Code != recovery.UnexpectedError || res.Reason != "the runner has no "+missing || there(dir+"/saved") {
			t.Errorf("%s: %s: %s", missing, res.Code, res.Reason)
		}
	}
}

func TestServerThatRefusesIsNotWaitedFor(t *testing.T) {
	programs := pgDump("echo PGDMP")
	programs["psql"] = "#!/bin/sh\necho 'psql: error: FATAL:  password authentication failed for user \"postgres\"' >&2\nexit 2\n"
	dir := fakes(t, programs)
	p := newPlace(t)
	r := p.runner(dumpJob)
	r.Patience.Server = time.Hour
	if res := r.Run(t.Context()); res.Code != recovery.NoServer || !strings.Contains(res.Next, recovery.LabelSecret) || there(dir+"/argv") && strings.Contains(read(t, dir+"/argv"), "restic") {
		t.Errorf("%+v", res)
	}
}

func TestServerThatComesLate(t *testing.T) {
	programs := pgDump("echo PGDMP")
	programs["psql"] = "#!/bin/sh\ncat >/dev/null\nif test -e $FAKE/asked; then echo 15.8; else echo >$FAKE/asked; echo 'could not translate host name \"db\" to address' >&2; exit 2; fi\n"
	fakes(t, programs)
	newPlace(t).well(dumpJob)
}
