package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quarterdeck/sources"
)

// rehash is the line with another hash that fits it: what a careful forger would write.
func rehash(t *testing.T, l []byte) []byte {
	t.Helper()
	body := l[:len(l)-1-len(closer)-hexLen]
	return []byte(string(body) + hashOf(body) + closer + "\n")
}

func TestVerifyNames(t *testing.T) {
	type lines = [][]byte
	forge := func(l []byte) []byte { return bytes.Replace(bytes.Clone(l), []byte("shop_web"), []byte("shop_api"), 1) }
	for _, c := range []struct {
		name   string
		spoil  func(*testing.T, lines) lines
		faults []Fault // What: a part of it
	}{
		{"nothing", func(_ *testing.T, l lines) lines { return l }, nil},
		{"changed", func(_ *testing.T, l lines) lines { l[4] = forge(l[4]); return l }, []Fault{{5, 5, "has been changed"}}},
		{"number changed", func(_ *testing.T, l lines) lines {
			l[4] = bytes.Replace(l[4], []byte(`"seq":5`), []byte(`"seq":77`), 1)
			return l
		}, []Fault{{5, 77, "has been changed"}}},
		{"one byte", func(_ *testing.T, l lines) lines { l[4][20] ^= 1; return l }, []Fault{{5, 5, "changed"}}},
		{"changed with a new hash", func(t *testing.T, l lines) lines { l[4] = rehash(t, forge(l[4])); return l }, []Fault{{5, 5, "was replaced: line 6"}}},
		{"the last changed", func(_ *testing.T, l lines) lines { l[9] = forge(l[9]); return l }, []Fault{{10, 10, "has been changed"}}},
		{"the last changed with a new hash", func(t *testing.T, l lines) lines { l[9] = rehash(t, forge(l[9])); return l }, []Fault{{10, 10, "not the line that was written"}}},
		{"the first changed with a new hash", func(t *testing.T, l lines) lines { l[0] = rehash(t, forge(l[0])); return l }, []Fault{{1, 1, "was replaced: line 2"}}},
		{"removed", func(_ *testing.T, l lines) lines { return slices.Delete(l, 4, 5) }, []Fault{{5, 6, "missing before it: number 5"}}},
		{"three removed", func(_ *testing.T, l lines) lines { return slices.Delete(l, 4, 7) }, []Fault{{5, 8, "numbers 5 to 7"}}},
		{"the first removed", func(_ *testing.T, l lines) lines { return l[1:] }, []Fault{{1, 2, "missing before it: number 1"}}},
		{"the last two removed", func(_ *testing.T, l lines) lines { return l[:8] }, []Fault{{9, 10, "missing at the end: numbers 9 to 10"}}},
		{"all removed", func(_ *testing.T, _ lines) lines { return nil }, []Fault{{1, 10, "missing at the end: numbers 1 to 10"}}},
		{"inserted, well made", func(t *testing.T, l lines) lines { return slices.Insert(l, 5, rehash(t, forge(l[5]))) }, []Fault{{6, 6, "not in its place: line 7"}}},
		{"inserted, badly made", func(_ *testing.T, l lines) lines { return slices.Insert(l, 5, forge(l[5])) }, []Fault{{6, 6, "has been changed"}}},
		{"inserted rubbish", func(_ *testing.T, l lines) lines { return slices.Insert(l, 5, []byte("{}\n")) }, []Fault{{6, 0, "no entry"}}},
		{"twice", func(_ *testing.T, l lines) lines { return slices.Insert(l, 5, l[4]) }, []Fault{{6, 5, "not in its place"}}},
		{"an old one again", func(_ *testing.T, l lines) lines { return slices.Insert(l, 7, l[1]) }, []Fault{{8, 2, "not in its place"}}},
		{"two in each other's place", func(_ *testing.T, l lines) lines { l[4], l[5] = l[5], l[4]; return l }, []Fault{{5, 6, "number 5"}, {6, 5, "not in its place"}}},
		{"a line of windows", func(_ *testing.T, l lines) lines { l[4] = append(l[4][:len(l[4])-1:len(l[4])-1], "\r\n"...); return l }, []Fault{{5, 0, "no entry"}, {6, 6, "missing before it: number 5"}}},
		{"a line too long", func(_ *testing.T, l lines) lines {
			return slices.Insert(l, 5, append(bytes.Repeat([]byte("x"), maxLine+9), '\n'))
		}, []Fault{{6, 0, "longer than"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := filled(t, 10)
			b, err := os.ReadFile(j.path(fileName))
			if err != nil {
				t.Fatal(err)
			}
			l := bytes.SplitAfter(b, []byte("\n"))
			spoiled := bytes.Join(c.spoil(t, l[:10]), nil)
			write(t, j, spoiled)
			r := verify(t, j.dir)
			if got, _ := os.ReadFile(j.path(fileName)); !bytes.Equal(got, spoiled) {
				t.Error("verify changes the journal")
			}
			t.Log(r.Faults)
			named := func(f Fault) bool {
				return slices.ContainsFunc(r.Faults, func(g Fault) bool { return g.Line == f.Line && g.Seq == f.Seq && strings.Contains(g.What, f.What) })
			}
			for _, f := range c.faults {
				if !named(f) {
					t.Errorf("not named: %+v", f)
				}
			}
			if len(c.faults) <= 1 && len(r.Faults) != len(c.faults) || r.OK() != (c.faults == nil) || r.Torn != 0 {
				t.Errorf("%+v", r)
			}
			// What is written after it hides nothing.
			add(t, open(t, j.dir), Entry{Run: "after"})
			r = verify(t, j.dir)
			if r.OK() != (c.faults == nil) {
				t.Errorf("hidden: %+v", r)
			}
			if e := all(t, j); e[len(e)-1].Run != "after" {
				t.Error("what was added is not read")
			}
		})
	}
}

// A hole at the end is kept open by the entries that follow, and said in one of them.
func TestCutEndIsRemembered(t *testing.T) {
	j := filled(t, 10)
	b, err := os.ReadFile(j.path(fileName))
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, bytes.Join(bytes.SplitAfter(b, []byte("\n"))[:6], nil))
	for range 2 {
		add(t, open(t, j.dir), Entry{})
	}
	got := all(t, j)
	if len(got) != 9 || got[6].Seq != 11 || got[6].Phase != PhaseMend || !strings.Contains(got[6].Reason, "had reached number 10; its last good line was number 6") {
		t.Errorf("%+v", got[6:])
	}
	if r := verify(t, j.dir); len(r.Faults) != 1 || r.Faults[0].Line != 7 || !strings.Contains(r.Faults[0].What, "numbers 7 to 10") {
		t.Errorf("%+v", r)
	}
}

// One that is open while the journal and its head are taken away knows where it was.
func TestCutEndWithoutHead(t *testing.T) {
	j := filled(t, 0)
	for range 4 {
		add(t, j, Entry{})
	}
	for _, f := range []string{fileName, headFile} {
		if err := os.Remove(j.path(f)); err != nil {
			t.Fatal(err)
		}
	}
	if e := add(t, j, Entry{}); e.Seq != 6 {
		t.Errorf("%+v", e)
	}
	if r := verify(t, j.dir); len(r.Faults) != 1 || !strings.Contains(r.Faults[0].What, "numbers 1 to 4") {
		t.Errorf("%+v", r)
	}
}

func TestHeadThatIsBroken(t *testing.T) {
	for _, text := range []string{"", "x", strings.Repeat("0", headLen), "99999999999999999999 " + strings.Repeat("a", 64) + "\n"} {
		j := filled(t, 2)
		if err := os.WriteFile(j.path(headFile), []byte(text), filePerm); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, j.dir); len(r.Faults) != 1 || !strings.Contains(r.Faults[0].What, "head") {
			t.Errorf("%q: %+v", text, r)
		}
		add(t, j, Entry{})
		if r := sound(t, j.dir); r.Entries != 4 {
			t.Errorf("%+v", r)
		}
	}
}

func TestVerifyNothing(t *testing.T) {
	_, err := Verify(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) || sources.KindOf(err) != sources.NotFound || sources.NextOf(err) == "" {
		t.Error(err)
	}
	if r := sound(t, filled(t, 0).dir); r.Entries != 0 || !r.Last.IsZero() {
		t.Errorf("%+v", r)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	j := filled(t, 1)
	b, _ := os.ReadFile(j.path(fileName))
	write(t, j, append(bytes.Repeat([]byte("\n"), 50_000), b...))
	if r := verify(t, j.dir); len(r.Faults) != maxFaults || r.More != 49_000 || r.Entries != 1 {
		t.Errorf("%d and %d, %d entries", len(r.Faults), r.More, r.Entries)
	}
	if all(t, j); j.Broken() != 50_000 {
		t.Error(j.Broken())
	}
	if e := add(t, j, Entry{}); e.Seq != 2 {
		t.Errorf("%+v", e)
	}
}
