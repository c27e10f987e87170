//go:build tools

package runner

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"quarterdeck/recovery"
)

// The tests with the tag tools need restic, postgresql, mariadb-server and redis-server (testdata/recovery-tools). Servers are private, on loopback.

// repositoryOf asks restic itself what is in the place's repository.
func (p *place) repositoryOf(args ...string) string {
	p.t.Helper()
	c := exec.Command("restic", args...)
	c.Env = append(os.Environ(), p.secret.env()...)
	out, err := c.CombinedOutput()
	if err != nil {
		p.t.Fatalf("restic %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// tree is a folder's files with all that a restore must bring back: modes, owners, times, contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if first, _, _ := strings.Cut(rel, "/"); ours(first) {
			return nil
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%v %v", st.Mode(), owner(st))
		switch {
		case st.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %d %x %s", st.Size(), sha256.Sum256(data), st.ModTime().UTC())
		case st.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			what += " -> " + to
		}
		out[rel] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s is %q, want %q", name, got[name], w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there, and was not saved", name)
		}
	}
}

func TestVolumeThereAndBack(t *testing.T) {
	p := newPlace(t)
	must(t, os.Chmod(p.data, 0o750))
	must(t, os.Mkdir(p.data+"/sub", 0o700))
	must(t, os.Mkdir(p.data+"/empty", 0o755))
	must(t, os.Mkdir(p.data+"/"+recovery.AsideDir+"older", 0o755))
	write(t, p.data+"/"+recovery.AsideDir+"older/not-me", "x")
	write(t, p.data+"/a file", strings.Repeat("hello\n", 100_000))
	write(t, p.data+"/sub/with \"quotes\" \n and lines", "1")
	must(t, os.Symlink("../a file", p.data+"/sub/link"))
	must(t, os.Chown(p.data+"/a file", 1234, 1235))
	must(t, os.Chown(p.data, 1234, 1235))
	want := tree(t, p.data)
	job := recovery.Job{Kind: recovery.JobBackup, Engine: recovery.Volume, Volume: "shop_files"}
	before := time.Now()
	res := p.well(job)
	s := res.Snapshot
	if s == nil || !isID(s.ID) || !s.Verified || s.Size != 600_001 || s.Taken.Before(before) || s.Volume != "shop_files" || s.Node != nodeID {
		t.Fatalf("snapshot %+v", s)
	}
	if list := p.repositoryOf("ls", s.ID); strings.Contains(list, "not-me") {
		t.Errorf("what was put aside was saved:\n%s", list)
	}
	c := p.well(recovery.Job{Kind: recovery.JobCheck, Engine: recovery.Volume, Volume: "shop_files", Snapshot: s.ID})
	if c.Touched || c.Snapshot.Size != s.Size {
		t.Errorf("check %+v", c)
	}
	sameTree(t, tree(t, p.data), want)

	must(t, os.Remove(p.data+"/a file"))
	write(t, p.data+"/newer", "after the snapshot")
	r := p.well(recovery.Job{Kind: recovery.JobRestore, Engine: recovery.Volume, Volume: "shop_files", Snapshot: s.ID, Verify: `test -s "a file" && ls`})
	if !r.Touched || r.Verified == nil || r.Verified.Exit != 0 || !strings.Contains(r.Verified.Output, "sub") {
		t.Errorf("restore %+v, verified %+v", r, r.Verified)
	}
	sameTree(t, tree(t, p.data), want)
	if got, err := os.ReadFile(p.data + "/" + recovery.AsideDir + "run1/newer"); err != nil || string(got) != "after the snapshot" {
		t.Errorf("what was there is not aside: %q, %v", got, err)
	}

	p.data = t.TempDir()
	p.well(recovery.Job{Kind: recovery.JobRestore, Engine: recovery.Volume, Volume: "scratch", Snapshot: s.ID, Fresh: true})
	sameTree(t, tree(t, p.data), want)
	if left, _ := filepath.Glob(p.data + "/.qd*"); len(left) > 0 {
		t.Errorf("a fresh place has %v", left)
	}
}

// server is a private one on loopback.
type private struct {
	cmd *exec.Cmd
	log *bytes.Buffer
}

func serve(t *testing.T, as *syscall.Credential, name string, args ...string) *private {
	t.Helper()
	s := &private{cmd: exec.Command(name, args...), log: &bytes.Buffer{}}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	must(t, s.cmd.Start())
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, s.log.String())
		}
	})
	return s
}

// sh runs a command as a person would, and gives what it says.
func sh(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func owner(st fs.FileInfo) string {
	s := st.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", s.Uid, s.Gid)
}

// freePort is a port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
