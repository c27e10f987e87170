package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"quarterdeck/sources"
)

// small mounts a file system of its own, of size bytes, on a directory.
func small(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("a small file system cannot be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := small(t, "64k")
	j := open(t, dir)
	n, reason := 0, strings.Repeat("r", 3000)
	var err error
	for ; err == nil && n < 100; n++ {
		_, err = j.Append(Entry{Reason: reason})
	}
	if !errors.Is(err, syscall.ENOSPC) || sources.KindOf(err) != sources.OverLimit || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("%d entries, then %v", n, err)
	}
	if r := sound(t, dir); r.Entries != n-1 {
		t.Errorf("%+v after %d", r, n-1)
	}
	body := []byte(reason + reason)
	if err := j.SaveSpec(sumOf(body), body); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, specsDir, "*", ".tmp-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	add(t, j, Entry{Reason: "there is room again"})
	sound(t, dir)
}

func TestReadOnlyDisk(t *testing.T) {
	dir := small(t, "1m")
	j := open(t, dir)
	add(t, j, Entry{})
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, appended := j.Append(Entry{})
	_, opened := Open(dir)
	_, opening := Open(filepath.Join(dir, "new"))
	_, hold := j.Hold("r")
	_, key := j.Key()
	for what, err := range map[string]error{"append": appended, "open": opened, "make": opening, "hold": hold, "key": key} {
		if !errors.Is(err, syscall.EROFS) || sources.KindOf(err) != sources.Forbidden || !strings.Contains(err.Error(), "read-only file system") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r := sound(t, dir); r.Entries != 1 || len(all(t, j)) != 1 {
		t.Errorf("reading is possible: %+v", r)
	}
}

// As a user who may not write there. Root may everywhere: then it is tried with what root cannot write either.
func TestNotWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if os.Geteuid() != 0 {
		if err := os.Mkdir(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); sources.KindOf(err) != sources.Forbidden || !strings.Contains(err.Error(), "writable") {
			t.Error(err)
		}
	}
	dir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "below")} {
		if _, err := Open(d); sources.KindOf(err) != sources.BadQuestion || !strings.Contains(err.Error(), "must be a directory") {
			t.Errorf("%s: %v", d, err)
		}
	}
	dir = t.TempDir()
	if err := os.Symlink("/dev/null", filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a journal that forgets everything is opened")
	}
}
