//go:build tools

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"quarterdeck/recovery"
)

var (
	volumeBackup  = recovery.Job{Kind: recovery.JobBackup, Engine: recovery.Volume, Volume: "shop_files"}
	volumeCheck   = recovery.Job{Kind: recovery.JobCheck, Engine: recovery.Volume, Volume: "shop_files"}
	volumeRestore = recovery.Job{Kind: recovery.JobRestore, Engine: recovery.Volume, Volume: "shop_files"}
)

func with(j recovery.Job, snapshot string) recovery.Job {
	j.Snapshot = snapshot
	return j
}

// snapshots are the ids that the repository has.
func (p *place) snapshots() []string {
	p.t.Helper()
	var list []kept
	must(p.t, json.Unmarshal([]byte(p.repositoryOf("snapshots", "--json", "--no-lock")), &list))
	var out []string
	for _, k := range list {
		if k.tag(tagService) != "" {
			out = append(out, k.ID)
		}
	}
	return out
}

// TestDumpThatDiesHalfWay holds the one thing that must never be with restic itself: half a dump as a snapshot.
func TestDumpThatDiesHalfWay(t *testing.T) {
	for name, end := range map[string]string{"exit": "exit 1", "kill": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			fakes(t, map[string]string{"psql": fakePsql, "pg_dumpall": fakeDumpAll, "pg_dump": "#!/bin/sh\nhead -c 30000000 /dev/urandom\n" + end})
			p := newPlace(t)
			res := p.run(dumpJob)
			if res.Code != recovery.DumpFailed {
				t.Fatalf("%+v", res)
			}
			if list := p.snapshots(); len(list) > 0 || len(p.records()) > 0 {
				t.Errorf("snapshots %v, records %v", list, p.records())
			}
			if locks := p.repositoryOf("list", "locks", "--no-lock"); strings.TrimSpace(locks) != "" {
				t.Errorf("a lock was left: %s", locks)
			}
		})
	}
}

// TestRunnerThatIsKilled kills the runner alone: restic sees the end of its input then, and must not live to save that.
func TestRunnerThatIsKilled(t *testing.T) {
	if os.Getenv("RUNNER_VICTIM") != "" {
		p := newPlace(t)
		p.secret["RESTIC_REPOSITORY"] = os.Getenv("RUNNER_VICTIM")
		r := p.runner(dumpJob)
		r.Out = os.Stdout
		r.Run(t.Context())
		return
	}
	dir := fakes(t, map[string]string{"psql": fakePsql, "pg_dumpall": fakeDumpAll, "pg_dump": "#!/bin/sh\necho $$ >\"$FAKE/dump.pid\"\nhead -c 3000000 /dev/urandom\necho >\"$FAKE/written\"\nexec sleep 300"})
	p := newPlace(t)
	c := exec.Command(os.Args[0], "-test.run", "^TestRunnerThatIsKilled$")
	c.Env = append(os.Environ(), "RUNNER_VICTIM="+p.secret["RESTIC_REPOSITORY"])
	must(t, c.Start())
	must(t, until(t.Context(), func() (bool, error) { return there(dir + "/written"), nil }))
	must(t, c.Process.Kill())
	_ = c.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, dir+"/dump.pid")))
	must(t, err)
	gone(t, "pg_dump", pid)
	if list := p.snapshots(); len(list) > 0 {
		t.Errorf("snapshots %v", list)
	}
}

func TestRefusalsBeforeAnythingIsTouched(t *testing.T) {
	p := newPlace(t)
	write(t, p.data+"/file", strings.Repeat("some data ", 1000))
	s := p.well(volumeBackup).Snapshot
	good := p.secret
	nowhere := Repository{"RESTIC_REPOSITORY": t.TempDir() + "/none", "RESTIC_PASSWORD": repositorySecret}
	for name, c := range map[string]struct {
		secret Repository
		change func(*recovery.Job)
		code   recovery.Code
	}{
		"wrong password": {Repository{"RESTIC_REPOSITORY": good["RESTIC_REPOSITORY"], "RESTIC_PASSWORD": "another"}, nil, recovery.WrongPassword},
		"no repository":  {nowhere, nil, recovery.NoRepository},
		"store is away":  {Repository{"RESTIC_REPOSITORY": "rest:http://127.0.0.1:1/x", "RESTIC_PASSWORD": repositorySecret}, nil, recovery.NoStore},
		"no snapshot":    {good, func(j *recovery.Job) { j.Snapshot = strings.Repeat("ab", 32) }, recovery.NoSnapshot},
		"other service":  {good, func(j *recovery.Job) { j.Service = "shop_other" }, recovery.OtherService},
		"other engine": {good, func(j *recovery.Job) {
			j.Engine, j.Host, j.Port, j.User, j.DB = recovery.Postgres, "127.0.0.1", 1, "u", "d"
		}, recovery.OtherService},
		"damaged packs":   {damaged(t, good, func(f string) bool { return strings.Contains(f, "/data/") }), nil, recovery.Damaged},
		"damaged indexes": {damaged(t, good, func(f string) bool { return strings.Contains(f, "/index/") }), nil, recovery.Damaged},
		"damaged config":  {damaged(t, good, func(f string) bool { return strings.HasSuffix(f, "/config") }), nil, recovery.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			before := tree(t, p.data)
			for _, j := range []recovery.Job{with(volumeCheck, s.ID), with(volumeRestore, s.ID)} {
				p.secret = c.secret
				r := p.runner(j)
				r.Patience.Store = time.Second
				if c.change != nil {
					c.change(&r.Job)
				}
				res := r.Run(t.Context())
				if res.Code != c.code || res.Touched || res.Next == "" {
					t.Errorf("%s: %+v", j.Kind, res)
				}
				t.Logf("%s: %s: %s", j.Kind, res.Reason, res.Next)
			}
			sameTree(t, tree(t, p.data), before)
			if left, _ := filepath.Glob(p.data + "/.qd*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// damaged is a copy of a repository in which bytes of some files are others.
func damaged(t *testing.T, of Repository, which func(string) bool) Repository {
	t.Helper()
	dir := t.TempDir() + "/copy"
	must(t, os.CopyFS(dir, os.DirFS(of["RESTIC_REPOSITORY"])))
	must(t, filepath.WalkDir(dir, func(f string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !which(f) {
			return err
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for i := 8; i < len(data); i += 16 {
			data[i] ^= 0x55
		}
		_ = os.Chmod(f, 0o600)
		return os.WriteFile(f, data, 0o600)
	}))
	return Repository{"RESTIC_REPOSITORY": dir, "RESTIC_PASSWORD": of["RESTIC_PASSWORD"]}
}

func TestLocks(t *testing.T) {
	p := newPlace(t)
	write(t, p.data+"/file", "1")
	p.well(volumeBackup)
	forget := recovery.Job{Kind: recovery.JobForget, Engine: recovery.Volume, Keep: recovery.Keep{Last: 1}}
	p.well(volumeBackup) // so that there is one to be forgotten

	// Another restic that lives: it waits for its input with a lock in its hand.
	c := exec.Command("restic", "backup", "--stdin", "--json")
	c.Env = append(os.Environ(), p.secret.env()...)
	in, err := c.StdinPipe()
	must(t, err)
	must(t, c.Start())
	lock := func() []string { l, _ := filepath.Glob(p.secret["RESTIC_REPOSITORY"] + "/locks/*"); return l }
	must(t, until(t.Context(), func() (bool, error) { return len(lock()) > 0, nil }))
	res := p.run(forget)
	if res.Code != recovery.Locked || !strings.Contains(res.Reason, fmt.Sprintf("PID %d", c.Process.Pid)) {
		t.Errorf("%+v", res)
	}
	// It is killed, and its lock stays: the same job goes through.
	must(t, c.Process.Kill())
	_ = in.Close()
	_ = c.Wait()
	if len(lock()) == 0 {
		t.Fatal("the killed restic left no lock")
	}
	if res := p.well(forget); len(res.Forgot) != 1 {
		t.Errorf("%+v", res)
	}
	if left := lock(); len(left) > 0 {
		t.Errorf("locks are left: %v", left)
	}
}

func TestForget(t *testing.T) {
	p := newPlace(t)
	backup := func(text string, origin recovery.Origin) string {
		write(t, p.data+"/file", text)
		j := volumeBackup
		j.Origin = origin
		return p.well(j).Snapshot.ID
	}
	a := backup("1", recovery.Scheduled)
	safety := backup("2", recovery.Safety)
	b := backup("3", recovery.Scheduled)
	c := backup("4", recovery.Manual)
	other := p.runner(volumeBackup)
	other.Job.Service = "shop_other"
	if res := other.Run(t.Context()); !res.OK {
		t.Fatalf("%+v", res)
	}
	must(t, os.Mkdir(p.data+"/"+recovery.AsideDir+"run1", 0o700))
	must(t, os.Mkdir(p.data+"/"+recovery.AsideDir+"run2", 0o700))
	res := p.well(recovery.Job{Kind: recovery.JobForget, Engine: recovery.Volume, Volume: "shop_files", Keep: recovery.Keep{Last: 1}})
	if strings.Join(res.Forgot, " ") != a+" "+b {
		t.Errorf("forgot %v, want %v", res.Forgot, []string{a, b})
	}
	left := strings.Join(p.snapshots(), " ")
	for _, id := range []string{safety, c} {
		if !strings.Contains(left, id) {
			t.Errorf("%s is gone: %s", id, left)
		}
	}
	if n := len(p.records()); n != 3 || len(p.snapshots()) != 3 {
		t.Errorf("%d records, %d snapshots", n, len(p.snapshots()))
	}
	if !strings.Contains(p.out.String(), "1 safety snapshots stay") {
		t.Error("it does not say that a safety snapshot stays")
	}
	if there(p.data+"/"+recovery.AsideDir+"run1") || !there(p.data+"/"+recovery.AsideDir+"run2") {
		t.Error("what was put aside by this run is there, or another's is not")
	}
	p.repositoryOf("check", "--read-data")
}

// TestLargeVolume holds the memory flat: 200 MB there and back, and restic beside it is not counted.
func TestLargeVolume(t *testing.T) {
	p := newPlace(t)
	random := rand.New(rand.NewSource(1))
	buf := make([]byte, 1<<20)
	for i := range 20 {
		f, err := os.Create(fmt.Sprintf("%s/%d", p.data, i))
		must(t, err)
		for range 10 {
			random.Read(buf)
			_, err := f.Write(buf)
			must(t, err)
		}
		must(t, f.Close())
	}
	want := tree(t, p.data)
	before := peak(t)
	began := time.Now()
	s := p.well(volumeBackup).Snapshot
	saved := time.Since(began)
	p.well(with(volumeCheck, s.ID))
	began = time.Now()
	p.well(with(volumeRestore, s.ID))
	t.Logf("%d MB: saved in %s, restored in %s; peak of memory %d MB before, %d MB after", s.Size>>20, saved, time.Since(began), before>>20, peak(t)>>20)
	if grown := peak(t) - before; grown > 20<<20 {
		t.Errorf("the runner's memory has grown by %d MB", grown>>20)
	}
	sameTree(t, tree(t, p.data), want)
}

// peak is the largest resident set of this process so far, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Maxrss << 10
}

// TestLargeDump holds it flat for what passes through the runner itself.
func TestLargeDump(t *testing.T) {
	fakes(t, map[string]string{"psql": fakePsql, "pg_dumpall": fakeDumpAll, "pg_restore": fakeRestore, "pg_dump": "#!/bin/sh\nhead -c 200000000 /dev/urandom"})
	p := newPlace(t)
	before := peak(t)
	began := time.Now()
	s := p.well(dumpJob).Snapshot
	saved := time.Since(began)
	began = time.Now()
	r := p.well(recovery.Job{Kind: recovery.JobRestore, Engine: recovery.Postgres, Host: "db", Port: 5432, User: "postgres", DB: "shop", Snapshot: s.ID})
	t.Logf("%d bytes: saved in %s, restored in %s; peak of memory %d MB before, %d MB after", s.Size, saved, time.Since(began), before>>20, peak(t)>>20)
	if grown := peak(t) - before; s.Size != 200_000_000 || r.Bytes != s.Size || grown > 20<<20 {
		t.Errorf("size %d, restored %d, the runner's memory has grown by %d MB", s.Size, r.Bytes, grown>>20)
	}
	var told []recovery.Event
	for _, e := range p.events() {
		if e.Done > 0 {
			told = append(told, e)
		}
	}
	for i := 1; i < len(told); i++ {
		if told[i].Phase == told[i-1].Phase && told[i].Time.Sub(told[i-1].Time) < progressEvery-10*time.Millisecond {
			t.Errorf("bytes were told %s after the last time", told[i].Time.Sub(told[i-1].Time))
		}
	}
}

func TestNewerServerIsRefused(t *testing.T) {
	p := newPlace(t)
	fakes(t, map[string]string{"psql": strings.Replace(fakePsql, "15.8", "16.1", 1), "pg_dumpall": fakeDumpAll, "pg_restore": fakeRestore, "pg_dump": "#!/bin/sh\necho PGDMP"})
	s := p.well(dumpJob).Snapshot
	fakes(t, map[string]string{"psql": fakePsql})
	for _, j := range []recovery.Job{with(dumpJob, s.ID), with(dumpJob, s.ID)} {
		for _, kind := range []recovery.Kind{recovery.JobCheck, recovery.JobRestore} {
			j.Kind = kind
			if res := p.run(j); res.Code != recovery.NewerServer || res.Touched {
				t.Errorf("%s: %+v", kind, res)
			}
		}
	}
	write(t, p.data+"/PG_VERSION", "14\n")
	j := with(dumpJob, s.ID)
	j.Kind, j.Host = recovery.JobCheck, ""
	if res := p.run(j); res.Code != recovery.NewerServer || !strings.Contains(res.Reason, "14") {
		t.Errorf("by its folder: %+v", res)
	}
}

// TestTwoFirstBackupsAtOnce holds that two runners do not both make the repository.
func TestTwoFirstBackupsAtOnce(t *testing.T) {
	p := newPlace(t)
	write(t, p.data+"/file", "1")
	ended := make(chan recovery.Result)
	for range 2 {
		r := p.runner(volumeBackup)
		r.Out = &bytes.Buffer{}
		go func() { ended <- r.Run(context.WithoutCancel(t.Context())) }()
	}
	for range 2 {
		if res := <-ended; !res.OK {
			t.Errorf("%+v", res)
		}
	}
	if n := len(p.snapshots()); n != 2 {
		t.Errorf("%d snapshots", n)
	}
	if keys, _ := filepath.Glob(p.secret["RESTIC_REPOSITORY"] + "/keys/*"); len(keys) != 1 {
		t.Errorf("%d keys: both made the repository", len(keys))
	}
}
