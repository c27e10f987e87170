package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

func typical(i int) Entry {
	return Entry{Run: fmt.Sprint("20261124-100000-", i), Actor: "ann", Host: "laptop", Cluster: "abcdefghijklmnopqrstuvwxy", Context: "prod", Action: "redeploy",
		Target: "shop_web", Phase: "step", Step: "update shop_web", State: "done", Before: json.RawMessage(`{"spec":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","replicas":4}`),
		After: json.RawMessage(`{"spec":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","replicas":4}`), Reason: "new release"}
}

// large writes a journal of n entries at once.
func large(b *testing.B, n int) *Journal {
	b.Helper()
	j := filled(b, 0)
	f, err := os.Create(j.path(fileName))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var last tip
	for i := range n {
		e := typical(i)
		e.Seq, e.Prev = last.seq+1, last.hash
		e, l, err := encode(e)
		if err == nil {
			_, err = f.Write(l)
		}
		if err != nil {
			b.Fatal(err)
		}
		last = e.tip()
	}
	if err := j.writeHead(last); err != nil {
		b.Fatal(err)
	}
	return j
}

// BenchmarkAppend is one entry with its fsync, on the file system of the temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{0, 100_000} {
		b.Run(fmt.Sprint("after ", n), func(b *testing.B) {
			j := large(b, n)
			for i := 0; b.Loop(); i++ {
				if _, err := j.Append(typical(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpenAndRead100k(b *testing.B) {
	dir := large(b, 100_000).dir
	for b.Loop() {
		j, err := Open(dir)
		n := 0
		if err == nil {
			err = j.Read(func(Entry) bool { n++; return true })
		}
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkOpen100k(b *testing.B) {
	dir := large(b, 100_000).dir
	for b.Loop() {
		if _, err := Open(dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify100k(b *testing.B) {
	dir := large(b, 100_000).dir
	for b.Loop() {
		if r, err := Verify(dir); err != nil || !r.OK() || r.Entries != 100_000 {
			b.Fatal(r, err)
		}
	}
}

// BenchmarkFollowAtRest is one look of Follow at a file that has not changed; there are four a second.
func BenchmarkFollowAtRest(b *testing.B) {
	c := cursor{path: filled(b, 100).path(fileName)}
	none := func(Entry) bool { return true }
	if err := c.read(none); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := c.read(none); err != nil {
			b.Fatal(err)
		}
	}
}
