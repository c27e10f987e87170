package journal

import (
	"bufio"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// child is what a child process does: it says each thing that it has done on a line of standard output.
func child(role string) int {
	j, err := Open(os.Getenv("QD_JOURNAL_DIR"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	me, n := os.Getenv("QD_JOURNAL_ME"), 1<<30
	switch role {
	case "append":
		_, _ = fmt.Sscan(os.Getenv("QD_JOURNAL_N"), &n)
		for i := range n {
			e, err := j.Append(Entry{Run: me, Step: fmt.Sprint(i), Reason: strings.Repeat("r", i%500)})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Println(e.Seq, e.Hash)
		}
	case "hold":
		_, err := j.Hold(me)
		fmt.Println("held", err)
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "key":
		k, err := j.Key()
		fmt.Println(hex.EncodeToString(k), err)
	}
	return 0
}

type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	input io.WriteCloser
}

func spawn(t *testing.T, role, dir, me string, n int) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "QD_JOURNAL_CHILD="+role, "QD_JOURNAL_DIR="+dir, "QD_JOURNAL_ME="+me)
	if n > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("QD_JOURNAL_N=", n))
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{cmd, bufio.NewScanner(out), in}
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func TestManyProcesses(t *testing.T) {
	dir := t.TempDir()
	const children, each = 5, 60
	var ps []*process
	for i := range children {
		ps = append(ps, spawn(t, "append", dir, fmt.Sprint("child", i), each))
	}
	said := map[string]string{}
	for _, p := range ps {
		for p.lines.Scan() {
			seq, hash, _ := strings.Cut(p.lines.Text(), " ")
			if said[seq] != "" {
				t.Errorf("%s was given twice", seq)
			}
			said[seq] = hash
		}
		if err := p.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if r := sound(t, dir); r.Entries != children*each || len(said) != r.Entries {
		t.Errorf("%+v, %d said", r, len(said))
	}
	next := map[string]int{}
	for _, e := range all(t, open(t, dir)) {
		if said[fmt.Sprint(e.Seq)] != e.Hash {
			t.Errorf("%d is not what its writer was given", e.Seq)
		}
		if e.Step != fmt.Sprint(next[e.Run]) {
			t.Errorf("%s: step %s, want %d", e.Run, e.Step, next[e.Run])
		}
		next[e.Run]++
	}
}

// Killed at any moment, a writer leaves all that it was told is written, and at most one line torn, which the next one mends.
func TestKilledWhileAppending(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 8
	}
	dir := t.TempDir()
	said := map[string]string{}
	for range rounds {
		ps := []*process{spawn(t, "append", dir, "a", 0), spawn(t, "append", dir, "b", 0)}
		for _, p := range ps {
			if !p.lines.Scan() {
				t.Fatal("a child says nothing")
			}
			seq, hash, _ := strings.Cut(p.lines.Text(), " ")
			said[seq] = hash
		}
		time.Sleep(time.Duration(rand.IntN(15_000)) * time.Microsecond) // the fault's moment, not a wait for something
		for _, p := range ps {
			_ = p.cmd.Process.Kill()
		}
		for _, p := range ps {
			for p.lines.Scan() {
				if seq, hash, ok := strings.Cut(p.lines.Text(), " "); ok && len(hash) == hexLen {
					said[seq] = hash
				}
			}
			_ = p.cmd.Wait()
		}
		if r := verify(t, dir); !r.OK() {
			t.Fatalf("%+v", r)
		}
		add(t, open(t, dir), Entry{Run: "parent"})
		sound(t, dir)
	}
	there := map[string]string{}
	for _, e := range all(t, open(t, dir)) {
		there[fmt.Sprint(e.Seq)] = e.Hash
	}
	for seq, hash := range said {
		if there[seq] != hash {
			t.Errorf("%s was said to be written and is not there", seq)
		}
	}
	t.Logf("%d entries, of which %d were read as acknowledged", len(there), len(said))
}

func TestFollowOtherProcess(t *testing.T) {
	j := filled(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := spawn(t, "append", j.dir, "other", 50)
	n := uint64(0)
	err := j.Follow(ctx, 0, func(e Entry) {
		if n++; e.Seq != n || e.Run != "other" {
			t.Errorf("%+v is number %d", e, n)
		}
		if n == 50 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || n != 50 {
		t.Error(n, err)
	}
	p.kill()
}

func TestHoldEndsWithItsProcess(t *testing.T) {
	j := filled(t, 0)
	if j.Held("run-1") {
		t.Error("nobody holds it")
	}
	p := spawn(t, "hold", j.dir, "run-1", 0)
	if !p.lines.Scan() || p.lines.Text() != "held <nil>" {
		t.Fatal(p.lines.Text())
	}
	if !j.Held("run-1") || j.Held("run-2") {
		t.Error("the child holds run-1, and nothing else")
	}
	if _, err := j.Hold("run-1"); !errors.Is(err, ErrHeld) {
		t.Error(err)
	}
	p.kill()
	if j.Held("run-1") {
		t.Error("a dead process holds it")
	}
	release, err := j.Hold("run-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Hold("run-1"); !errors.Is(err, ErrHeld) || !j.Held("run-1") {
		t.Error("our own hold counts too", err)
	}
	release()
	release()
	if j.Held("run-1") {
		t.Error("it was released")
	}
	if left, _ := os.ReadDir(j.path(runsDir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, bad := range []string{"", "../x", ".x", "a/b", "a\x00", strings.Repeat("a", 200)} {
		if _, err := j.Hold(bad); err == nil || errors.Is(err, ErrHeld) || j.Held(bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOneKeyForAll(t *testing.T) {
	j := filled(t, 0)
	var ps []*process
	for range 6 {
		ps = append(ps, spawn(t, "key", j.dir, "", 0))
	}
	keys := map[string]bool{}
	for _, p := range ps {
		if p.lines.Scan() {
			keys[p.lines.Text()] = true
		}
		_ = p.cmd.Wait()
	}
	mine, err := j.Key()
	if err != nil || len(mine) != 32 || hmac.Equal(mine, make([]byte, 32)) {
		t.Fatal(mine, err)
	}
	if len(keys) != 1 || !keys[hex.EncodeToString(mine)+" <nil>"] {
		t.Errorf("%v", keys)
	}
}

// A process that holds the lock and hangs does not make others hang.
func TestLockThatIsNotGivenBack(t *testing.T) {
	j := filled(t, 1)
	j.wait = 50 * time.Millisecond
	other := open(t, j.dir)
	unlock, err := other.lock("test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = j.Append(Entry{})
	if err == nil || !strings.Contains(err.Error(), "hangs") {
		t.Error(err)
	}
	if !j.Held("any") {
		t.Error("what cannot be found out is taken for held")
	}
	unlock()
	j.wait = lockWait
	add(t, j, Entry{}) // also after those who gave up in the queue
	sound(t, j.dir)
}
