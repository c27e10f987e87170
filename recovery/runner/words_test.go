package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quarterdeck/recovery"
)

// TestResticsWords holds what restic says, of Debian 12's 0.14 and, by exit code, of 0.17 and later.
func TestResticsWords(t *testing.T) {
	for _, c := range []struct {
		exit int
		text string
		want recovery.Code
	}{
		{1, "Fatal: wrong password or no key found", recovery.WrongPassword},
		{12, "Fatal: wrong password or no key found", recovery.WrongPassword},
		{12, "", recovery.WrongPassword},
		{1, "Fatal: unable to open config file: stat /r/config: no such file or directory\nIs there a repository at the following location?\n/r", recovery.NoRepository},
		{1, "Fatal: unable to open config file: Stat: The specified key does not exist.\nIs there a repository at the following location?\ns3:http://h/b/r", recovery.NoRepository},
		{10, "Fatal: repository does not exist: unable to open config file", recovery.NoRepository},
		{1, "Fatal: unable to open config file: Stat: Get \"http://h/b/?location=\": dial tcp 10.0.0.1:9000: connect: connection refused\nIs there a repository at the following location?", recovery.NoStore},
		{1, "Fatal: unable to open config file: Stat: Access Denied.\nIs there a repository at the following location?", recovery.NoStore},
		{1, "Fatal: unable to open config file: something else\nIs there a repository at the following location?", recovery.NoStore},
		{1, "unable to create lock in backend: repository is already locked exclusively by PID 7 on host by root (UID 0, GID 0)", recovery.Locked},
		{11, "", recovery.Locked},
		{1, "Ignoring \"ab\": no matching ID found for prefix \"ab\"", recovery.NoSnapshot},
		{1, "Fatal: unable to save snapshot: write /r/tmp: no space left on device", recovery.NoSpace},
		{2, "cannot dump file: decrypting blob 67 failed: ciphertext verification failed", recovery.Damaged},
		{1, "Fatal: load <index/08f562da19>: invalid data returned", recovery.Damaged},
	} {
		if got := resticCode(c.exit, c.text, recovery.Damaged); got != c.want {
			t.Errorf("exit %d, %q: %s, want %s", c.exit, c.text, got, c.want)
		}
	}
}

func TestLockSaysWhoHoldsIt(t *testing.T) {
	err := resticFault(&failed{tool: "restic", code: 1, text: "unable to create lock in backend: repository is already locked exclusively by PID 7 on host by root (UID 0, GID 0)\nlock was created at 2026-11-29 21:31:00 (4m ago)\nstorage ID 29d142e3\nthe `unlock` command can be used to remove stale locks"}, recovery.Damaged)
	want := "another restic holds the repository's lock: exclusively by PID 7 on host by root (UID 0, GID 0), lock was created at 2026-11-29 21:31:00 (4m ago)"
	if !is(err, recovery.Locked) || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestStacksAreNotTold(t *testing.T) {
	text := "ciphertext verification failed\nmain.one.func2\n\t/src/one.go:12\nruntime.goexit\n\truntime/asm_amd64.s:1594"
	if got := lastLines(text); got != "ciphertext verification failed" {
		t.Errorf("%q", got)
	}
	if got := lastLines("a\nb b\nc\nd\n"); got != "b b; c; d" {
		t.Errorf("%q", got)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		engine         recovery.Engine
		dumped, server string
		want           bool
	}{
		{recovery.Postgres, "16.1", "15.8", true}, {recovery.Postgres, "15.9", "15.8", false}, {recovery.Postgres, "9.6", "15", false}, {recovery.Postgres, "17beta1", "16.2", true},
		{recovery.Postgres, "16", "", false}, {recovery.Postgres, "", "9", false}, {recovery.Postgres, "what", "15", false},
		{recovery.MySQL, "10.11.6-MariaDB", "10.6.1-MariaDB", true}, {recovery.MySQL, "10.6.9-MariaDB", "10.6.1-MariaDB", false}, {recovery.MySQL, "11.0.1-MariaDB", "10.11.1-MariaDB", true},
		{recovery.MySQL, "8.0.36", "10.6.1-MariaDB", false}, {recovery.Redis, "7.2.1", "7.0.15", true}, {recovery.Redis, "6.2.1", "7.0.15", false},
	} {
		if got := newer(c.engine, c.dumped, c.server); got != c.want {
			t.Errorf("%s %s into %s: %v", c.engine, c.dumped, c.server, got)
		}
	}
}

func TestJobIsReadStrictly(t *testing.T) {
	good := `{"run":"r1","name":"save","attempt":1,"kind":"backup","service":"shop_db","environment":"lab","engine":"volume","origin":"manual"}`
	id := strings.Repeat("ab", 32)
	change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"good":                 {good, true},
		"unknown field":        {change(`"run"`, `"later":1,"run"`), false},
		"two jobs":             {good + good, false},
		"no JSON":              {"run: r1", false},
		"empty":                {"", false},
		"unknown kind":         {change(`"backup"`, `"erase"`), false},
		"unknown engine":       {change(`"volume"`, `"oracle"`), false},
		"no attempt":           {change(`"attempt":1`, `"attempt":0`), false},
		"run with a path":      {change(`"r1"`, `"../r1"`), false},
		"service as an option": {change(`"shop_db"`, `"--all"`), false},
		"service of two tags":  {change(`"shop_db"`, `"a,engine:redis"`), false},
		"server without host":  {change(`"volume"`, `"redis"`), false},
		"no origin":            {change(`"manual"`, `""`), false},
		"restore of latest":    {change(`"backup"`, `"restore","snapshot":"latest"`), false},
		"restore of an id":     {change(`"backup"`, `"restore","snapshot":"`+id+`"`), true},
	} {
		file := filepath.Join(t.TempDir(), "job.json")
		write(t, file, c.text)
		j, err := ReadJob(file)
		if err == nil {
			err = valid(&j)
		}
		if (err == nil) != c.ok || err != nil && !is(err, recovery.NotUnderstood) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadJob(filepath.Join(t.TempDir(), "none")); !is(err, recovery.NotUnderstood) {
		t.Errorf("no file: %v", err)
	}
}

func TestJobThatIsNotUnderstoodHasAResult(t *testing.T) {
	p := newPlace(t)
	r := p.runner(volumeJob)
	r.Unread = notUnderstood("the job's file is not understood: later", nil)
	if res := r.Run(t.Context()); res.Code != recovery.NotUnderstood {
		t.Errorf("%+v", res)
	}
	if got, err := r.Job.Result(t.Context(), p.objects); err != nil || got.Code != recovery.NotUnderstood {
		t.Errorf("%+v, %v", got, err)
	}
}

var volumeJob = recovery.Job{Kind: recovery.JobBackup, Engine: recovery.Volume}

func TestRepositoryIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "repository")
	write(t, file, "# the lab's\nRESTIC_REPOSITORY=s3:http://h/b/r\r\n\nRESTIC_PASSWORD=a=b c\nQUARTERDECK_S3=s3+http://h/b\nPATH=/evil\nLD_PRELOAD=/evil.so\n")
	r, err := ReadRepository(file)
	if err != nil || r.Get("RESTIC_PASSWORD") != "a=b c" || r.Get("RESTIC_REPOSITORY") != "s3:http://h/b/r" {
		t.Errorf("%v, %v", r, err)
	}
	if env := strings.Join(r.env(), "\n"); strings.Contains(env, "evil") || strings.Contains(env, "QUARTERDECK") || !strings.Contains(env, "RESTIC_PASSWORD=a=b c") {
		t.Errorf("restic is given %s", env)
	}
	for _, text := range []string{"RESTIC_REPOSITORY=x\nsecret words", "RESTIC_REPOSITORY=x\nsecret words=1", "RESTIC_REPOSITORY=x\nRESTIC_PASSWORD=secret", "QUARTERDECK_S3=secret"} {
		write(t, file, text)
		if _, err := ReadRepository(file); !is(err, recovery.NoRepository) || strings.Contains(err.Error(), "secret") && !strings.Contains(err.Error(), "the repository's secret") || strings.Contains(err.Error(), "secret words") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBytesAreToldTwiceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		r := &reporter{out: &out}
		r.begin("dump", "")
		for i := range 1000 { // 10 s
			r.bytes(int64(i+1), 0)
			time.Sleep(10 * time.Millisecond)
		}
		if n := strings.Count(out.String(), `"done"`); n < 19 || n > 21 {
			t.Errorf("bytes were told %d times in ten seconds", n)
		}
	})
}

func TestScrub(t *testing.T) {
	s := newScrubber("pa$$word", "abc")
	if got := s.clean("login with pa$$word failed, abc \xff"); got != "login with [redacted] failed, abc ?" {
		t.Errorf("%q", got)
	}
}

func TestSafetySnapshotsStay(t *testing.T) {
	now := time.Now()
	snap := func(id string, days int, origin recovery.Origin) kept {
		return kept{ID: id, Time: now.Add(-time.Duration(days) * 24 * time.Hour), Tags: []string{tagOrigin + ":" + string(origin)}}
	}
	w := &work{tell: &reporter{out: io.Discard}}
	list := []kept{snap("a", 40, recovery.Safety), snap("b", 30, recovery.Scheduled), snap("c", 20, recovery.Safety), snap("d", 3, recovery.Safety), snap("e", 1, recovery.Safety)}
	if got := strings.Join(w.oldSafety(list, now), " "); got != "c a" {
		t.Errorf("to be forgotten: %s", got)
	}
	if got := w.oldSafety(list[:3], now); strings.Join(got, " ") != "a" { // the newest stays, however old
		t.Errorf("to be forgotten: %v", got)
	}
}

func TestSnapshotsWithoutARecord(t *testing.T) {
	now := time.Now()
	w := &work{tell: &reporter{out: io.Discard}}
	list := []kept{{ID: "a", Time: now.Add(-72 * time.Hour)}, {ID: "b", Time: now.Add(-48 * time.Hour)}, {ID: "c", Time: now.Add(-time.Hour)}}
	if got := w.strange(list, []recovery.Snapshot{{ID: "b"}}, now); strings.Join(got, " ") != "a" {
		t.Errorf("strange are %v", got)
	}
	if got := w.strange(list[:2], nil, now); got != nil {
		t.Errorf("all the records are lost, and %v are to be forgotten", got)
	}
}

func TestMissingRoles(t *testing.T) {
	script := `--
SET client_encoding = 'UTF8';
CREATE ROLE app;
ALTER ROLE app WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';
CREATE ROLE "odd "" one";
ALTER ROLE "odd "" one" WITH NOLOGIN;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER PASSWORD 'old';
ALTER ROLE app SET search_path TO 'a
b';
GRANT "odd "" one" TO app GRANTED BY postgres;
GRANT app TO postgres GRANTED BY postgres;
`
	want := `CREATE ROLE app;
ALTER ROLE app WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';
CREATE ROLE "odd "" one";
ALTER ROLE "odd "" one" WITH NOLOGIN;
GRANT "odd "" one" TO app GRANTED BY postgres;
`
	if got := missingRoles(script, []string{"postgres"}); got != want {
		t.Errorf("%s", got)
	}
	if got := missingRoles(script, []string{"postgres", "app", `"odd "" one"`}); got != "" {
		t.Errorf("of roles that are there: %s", got)
	}
}

// TestExchangeGoesOn holds that an attempt after one that was killed while it moved files loses nothing.
func TestExchangeGoesOn(t *testing.T) {
	w := &work{Runner: &Runner{DataDir: t.TempDir(), Job: recovery.Job{Run: "r1", Attempt: 2}}}
	aside := w.DataDir + "/" + recovery.AsideDir + "r1"
	at := func(dir, name string) bool { return there(filepath.Join(dir, name)) }

	must(t, os.Mkdir(aside, 0o700)) // killed half way: one file was moved, one was not
	write(t, aside+"/old1", "1")
	write(t, w.DataDir+"/old2", "2")
	must(t, w.putAside())
	if !at(aside, "old1") || !at(aside, "old2") || at(w.DataDir, "old2") {
		t.Error("what was there is not all aside")
	}
	write(t, w.DataDir+"/new", "3") // killed after that: the next attempt finds what this one brought in
	w.Job.Attempt = 3
	must(t, w.putAside())
	if !at(aside, "old1") || !at(aside, "old2") || at(aside, "new") || !at(aside+".3", "new") {
		t.Error("what the attempt before had brought lies with what was there")
	}
	if left, err := w.data(); err != nil || len(left) > 0 {
		t.Errorf("left in the place: %v, %v", left, err)
	}
	must(t, w.dropAside())
	if left, _ := filepath.Glob(w.DataDir + "/.qd*"); len(left) > 0 {
		t.Errorf("left after the end: %v", left)
	}
}

// cutting gives some bytes and breaks.
type cutting struct{ sent int }

func (c *cutting) Read(p []byte) (int, error) {
	if c.sent > 1<<20 {
		return 0, errors.New("the repository broke")
	}
	n := copy(p, strings.Repeat("REDIS0010 and some more", 100))
	c.sent += n
	return n, nil
}

// TestMasterNeverEndsWhatBroke holds that a replica is not told the end of an RDB that was not read to its end.
func TestMasterNeverEndsWhatBroke(t *testing.T) {
	for name, c := range map[string]struct {
		rdb   io.Reader
		whole bool
	}{"whole": {strings.NewReader("REDIS0010 and some more"), true}, "broken": {&cutting{}, false}} {
		t.Run(name, func(t *testing.T) {
			target, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer target.Close()
			_, port, _ := net.SplitHostPort(target.Addr().String())
			m, err := newMaster(t.Context(), "127.0.0.1", port, c.rdb)
			must(t, err)
			got := make(chan string, 1)
			go func() { got <- replica(m.host, m.port) }()
			err = m.serve(t.Context())
			m.close()
			text := <-got
			header, data, _ := strings.Cut(text, "\r\n")
			mark, ok := strings.CutPrefix(header, "$EOF:")
			if !ok || len(mark) != markLen || !strings.HasPrefix(data, "REDIS0010 and some more") {
				t.Fatalf("the replica was sent %q (%v)", text, err)
			}
			if ended := strings.HasSuffix(data, mark); ended != c.whole || (err == nil) != c.whole {
				t.Errorf("ended: %v, %v", ended, err)
			}
		})
	}
}

// replica speaks as one does, and gives what it was sent after the answer to PSYNC.
func replica(host, port string) string {
	c, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for _, words := range [][]string{{"PING"}, {"REPLCONF", "listening-port", "6379"}, {"REPLCONF", "capa", "eof", "capa", "psync2"}, {"PSYNC", "?", "-1"}} {
		fmt.Fprintf(c, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := in.ReadString('\n'); err != nil {
			return err.Error()
		}
	}
	// The end of a whole one is the mark, of a broken one the connection's.
	data, _ := io.ReadAll(in)
	return string(data)
}

func TestVerifyThatSaysNo(t *testing.T) {
	p := newPlace(t)
	w := &work{Runner: p.runner(recovery.Job{Kind: recovery.JobRestore, Engine: recovery.Volume, Verify: "pwd; echo $0 $RESTIC_PASSWORD; yes | head -c 100000; echo the end; exit 3"}),
		tell: &reporter{out: io.Discard}, res: &recovery.Result{}, tools: &tools{home: t.TempDir(), stop: time.Second}}
	err := w.verify(context.Background(), nil)
	v := w.res.Verified
	if !is(err, recovery.VerifyFailed) || v == nil || v.Exit != 3 || len(v.Output) > recovery.MaxOutput || !strings.HasSuffix(v.Output, "the end") {
		t.Errorf("%v, %+v", err, v)
	}
	w.Job.Verify = "pwd"
	if err := w.verify(context.Background(), nil); err != nil || w.res.Verified.Output != p.data {
		t.Errorf("%v, %+v", err, w.res.Verified)
	}
}

func TestSpaceIsLookedAt(t *testing.T) {
	p := newPlace(t)
	free, err := freeSpace(p.data)
	must(t, err)
	w := &work{Runner: p.runner(volumeJob)}
	if err := w.fits(&recovery.Snapshot{Size: free / 2}); err != nil {
		t.Error(err)
	}
	if err := w.fits(&recovery.Snapshot{Size: free * 2}); !is(err, recovery.NoSpace) {
		t.Errorf("%v", err)
	}
	w.Job.Engine = recovery.Postgres
	if err := w.fits(&recovery.Snapshot{Size: free * 4 / 5}); !is(err, recovery.NoSpace) {
		t.Errorf("a database of four fifths of what is free: %v", err)
	}
}
