package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
)

func open(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func add(t testing.TB, j *Journal, e Entry) Entry {
	t.Helper()
	e, err := j.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// filled is a journal of n entries, opened anew.
func filled(t testing.TB, n int) *Journal {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir)
	for i := range n {
		add(t, j, Entry{Run: fmt.Sprintf("run-%d", i+1), Actor: "ann", Host: "h", Action: "scale", Target: "shop_web", Phase: "step"})
	}
	return open(t, dir)
}

func all(t testing.TB, j *Journal) []Entry {
	t.Helper()
	var out []Entry
	if err := j.Read(func(e Entry) bool { out = append(out, e); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func verify(t testing.TB, dir string) Report {
	t.Helper()
	r, err := Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sound fails unless the journal is whole, and gives its report.
func sound(t testing.TB, dir string) Report {
	t.Helper()
	r := verify(t, dir)
	if !r.OK() || r.Torn != 0 {
		t.Fatalf("%+v", r)
	}
	return r
}

func TestAppendGivesWhatIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	j := open(t, dir)
	when := time.Date(2026, 11, 24, 10, 0, 0, 5, time.FixedZone("x", 3600))
	first := add(t, j, Entry{Time: when, Run: "r1", Actor: "ann", Host: "h", Cluster: "c", Context: "prod", Action: "scale", Target: "a,b", Phase: "begin",
		Before: json.RawMessage("{ \"replicas\" : 2,\n\"image\":\"<a&b>\" }"), After: json.RawMessage(`{"replicas":4}`), Detail: json.RawMessage("null"), Reason: "line\nend \x00 <b>"})
	before := time.Now()
	second := add(t, j, Entry{Run: "r1", Phase: "end", Result: "done", Step: "update a", State: "done"})
	if first.Seq != 1 || first.Prev != "" || len(first.Hash) != 64 || second.Seq != 2 || second.Prev != first.Hash {
		t.Errorf("%+v\n%+v", first, second)
	}
	if !first.Time.Equal(when) || first.Time.Location() != time.UTC || second.Time.Before(before.Round(0)) || first.Detail != nil {
		t.Errorf("%+v\n%+v", first, second)
	}
	if got := all(t, j); !reflect.DeepEqual(got, []Entry{first, second}) {
		t.Errorf("read %+v\nwritten %+v", got, []Entry{first, second})
	}
	if r := sound(t, dir); r.Entries != 2 || !r.Last.Equal(second.Time) {
		t.Errorf("%+v", r)
	}
	if third := add(t, open(t, dir), Entry{}); third.Seq != 3 || third.Prev != second.Hash {
		t.Errorf("opened anew: %+v", third)
	}
	if fourth := add(t, j, Entry{}); fourth.Seq != 4 {
		t.Errorf("the first one sees what the other wrote: %+v", fourth)
	}
	sound(t, dir)
}

func TestReadStopsWhenToldTo(t *testing.T) {
	n := 0
	if err := filled(t, 5).Read(func(Entry) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Error(n, err)
	}
}

// A Reader that was stopped goes on where it was, and gives what others add.
func TestReaderGoesOn(t *testing.T) {
	j := filled(t, 5)
	r := j.NewReader()
	var got []uint64
	for range 3 {
		if err := r.Read(func(e Entry) bool { got = append(got, e.Seq); return len(got)%2 == 1 }); err != nil {
			t.Fatal(err)
		}
	}
	add(t, open(t, j.dir), Entry{})
	if err := r.Read(func(e Entry) bool { got = append(got, e.Seq); return true }); err != nil || fmt.Sprint(got) != "[1 2 3 4 5 6]" {
		t.Error(got, err)
	}
}

// The hash is what the package's text says it is: any machine's tools make it.
func TestHashBySedAndSha256sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip(err)
	}
	j := filled(t, 3)
	out, err := exec.Command("sh", "-c", `sed -n 3p "$0" | sed 's/"hash":"[0-9a-f]*"}$/"hash":""}/' | tr -d '\n' | sha256sum`, j.path(fileName)).Output()
	if want := all(t, j)[2].Hash; err != nil || string(out[:64]) != want {
		t.Errorf("%s, want %s, %v", out, want, err)
	}
}

func TestOnlyItsOwnerMayReadIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	j := filled(t, 1)
	if _, err := j.Key(); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{}`)
	if err := j.SaveSpec(sumOf(body), body); err != nil {
		t.Fatal(err)
	}
	release, err := j.Hold("r1")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	dir := filepath.Join(t.TempDir(), "new")
	open(t, dir)
	for _, root := range []string{j.dir, dir} {
		_ = filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
			if err != nil {
				t.Error(err)
			} else if path != j.dir && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %s", path, info.Mode())
			}
			return nil
		})
	}
}

func TestTextIsCutAndJSONIsNot(t *testing.T) {
	j := filled(t, 0)
	long := strings.Repeat("ä", maxTarget)
	e := add(t, j, Entry{Run: long, Actor: "a\xffb", Step: long, Target: long, Reason: long, Detail: json.RawMessage("\"\xff\"")})
	for _, c := range []struct {
		s     string
		limit int
	}{{e.Run, maxName}, {e.Step, maxStep}, {e.Target, maxTarget}, {e.Reason, maxReason}} {
		if len(c.s) > c.limit || len(c.s) < c.limit-2 || !strings.HasSuffix(c.s, "ä…") {
			t.Errorf("%d bytes of %d, ends in %q", len(c.s), c.limit, c.s[len(c.s)-6:])
		}
	}
	if e.Actor != "a\uFFFDb" || string(e.Detail) != "\"\uFFFD\"" {
		t.Errorf("%q %q", e.Actor, e.Detail)
	}
	for what, raw := range map[string]string{
		"no JSON": "{", "two": "{} {}", "too large": `"` + strings.Repeat("x", MaxJSON) + `"`, "too deep": strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	} {
		if _, err := j.Append(Entry{Before: json.RawMessage(raw)}); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := j.Append(Entry{Time: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}); sources.KindOf(err) != sources.BadQuestion {
		t.Error(err)
	}
	full := json.RawMessage(`"` + strings.Repeat("x", MaxJSON-2) + `"`)
	biggest := add(t, j, Entry{Before: full, After: full, Detail: full, Target: long})
	if got := all(t, j); len(got) != 2 || !reflect.DeepEqual(got[1], biggest) {
		t.Errorf("the largest entry that is written cannot be read: %d", len(got))
	}
	sound(t, j.dir)
}

func TestManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	const writers, each = 6, 20
	for w := range writers {
		j := open(t, dir) // each a Journal of its own, as processes have
		for range 2 {
			wg.Go(func() {
				for range each {
					if _, err := j.Append(Entry{Run: fmt.Sprint(w)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if r := sound(t, dir); r.Entries != 2*writers*each {
		t.Errorf("%+v", r)
	}
}

// However much of the last line is there, and whatever comes after the last line's end: it is cut off, kept and said.
func TestTornEnd(t *testing.T) {
	j := filled(t, 3)
	whole, err := os.ReadFile(j.path(fileName))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	keep := len(whole) - len(lines[2])
	torn := [][]byte{[]byte("\x00"), bytes.Repeat([]byte{0}, 5000), bytes.Repeat([]byte("x"), 200_000)}
	for n := 1; n < len(lines[2]); n += 7 {
		torn = append(torn, lines[2][:n])
	}
	torn = append(torn, lines[2][:len(lines[2])-1])
	for _, tail := range torn {
		t.Run(fmt.Sprint(len(tail)), func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir)
			write(t, j, append(bytes.Clone(whole[:keep]), tail...))
			e, err := decode(bytes.TrimSuffix(lines[1], []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			if err := j.writeHead(e.tip()); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, dir); r.Torn != int64(len(tail)) || !r.OK() || r.Entries != 2 {
				t.Fatalf("%+v", r)
			}
			if got := all(t, j); len(got) != 2 || j.Broken() != 0 {
				t.Fatal(got)
			}
			added := add(t, j, Entry{Run: "after"})
			if r := sound(t, dir); r.Entries != 4 || added.Seq != 4 {
				t.Fatalf("%+v %+v", r, added)
			}
			mend := all(t, j)[2]
			var m mending
			if err := json.Unmarshal(mend.Detail, &m); err != nil || mend.Phase != PhaseMend || m.TornBytes != int64(len(tail)) {
				t.Fatalf("%+v %v", mend, err)
			}
			if kept, err := os.ReadFile(j.path(m.Kept)); err != nil || !bytes.Equal(kept, tail) {
				t.Errorf("%v: %d bytes kept", err, len(kept))
			}
			if n, err := j.Mend(); n != 0 || err != nil {
				t.Error(n, err)
			}
		})
	}
}

func TestMendByItself(t *testing.T) {
	j := filled(t, 2)
	f, err := os.OpenFile(j.path(fileName), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"seq":3,`)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := j.Mend(); n != 1 || err != nil {
		t.Error(n, err)
	}
	if r := sound(t, j.dir); r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

func write(t testing.TB, j *Journal, b []byte) {
	t.Helper()
	if err := os.WriteFile(j.path(fileName), b, filePerm); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) { followed(t, filled(t, 3)) }

func TestFollowByLooking(t *testing.T) {
	j := filled(t, 3)
	j.news = func(string) (<-chan struct{}, func(), error) { return nil, nil, errors.ErrUnsupported }
	followed(t, j)
}

func followed(t *testing.T, j *Journal) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan Entry, 100)
	done := make(chan error, 1)
	go func() { done <- j.Follow(ctx, 1, func(e Entry) { got <- e }) }()
	expect := func(seqs ...uint64) {
		t.Helper()
		for _, want := range seqs {
			select {
			case e := <-got:
				if e.Seq != want {
					t.Fatalf("got %d, want %d", e.Seq, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%d does not come", want)
			}
		}
	}
	expect(2, 3)
	add(t, open(t, j.dir), Entry{})
	add(t, j, Entry{})
	expect(4, 5)
	// A torn line is not given, and what mends it is.
	whole, err := os.ReadFile(j.path(fileName))
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, append(whole, `{"seq":6`...))
	add(t, j, Entry{})
	expect(6, 7)
	// Taken away and begun anew, the numbers go on.
	if err := os.Remove(j.path(fileName)); err != nil {
		t.Fatal(err)
	}
	add(t, j, Entry{})
	expect(8, 9)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(got) != 0 {
		t.Errorf("%d more", len(got))
	}
}

// TestReadOf: of one action all entries are given, whatever else has its name in it, and a broken line of another is none of its business.
func TestReadOf(t *testing.T) {
	j := filled(t, 3)
	add(t, j, Entry{Run: "i", Action: "incident", Phase: "start"})
	add(t, j, Entry{Run: "n", Action: "note", Reason: "action", Detail: json.RawMessage(`{"action":"incident"}`)})
	f, err := os.OpenFile(filepath.Join(j.Dir(), fileName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("no entry\n"); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	add(t, j, Entry{Run: "i", Action: "incident", Phase: "end"})
	var phases []string
	if err := j.ReadOf("incident", func(e Entry) bool { phases = append(phases, e.Run+" "+e.Phase); return true }); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(phases); got != "[i start i end]" {
		t.Error(got)
	}
	n := 0
	if err := j.ReadOf("incident", func(Entry) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d after it was told to stop, %v", n, err)
	}
}
