package journal

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// FuzzLines reads any bytes as a journal: all ways of reading agree, nothing is held that is too long, and what is appended after the
// last good line is found.
func FuzzLines(f *testing.F) {
	good := func(n int) []byte {
		var b []byte
		var last tip
		for i := range n {
			e, l, err := encode(Entry{Seq: last.seq + 1, Prev: last.hash, Run: fmt.Sprint(i), Reason: "r\x00<"})
			if err != nil {
				f.Fatal(err)
			}
			b, last = append(b, l...), e.tip()
		}
		return b
	}
	three := good(3)
	for _, seed := range [][]byte{
		nil, []byte("\n"), []byte("\n\n{}\n"), three, three[:len(three)-1], three[10:], append(good(1), good(2)...),
		bytes.ReplaceAll(three, []byte("r"), []byte("\xff")), bytes.ReplaceAll(three, []byte(`"seq"`), []byte(`"SEQ"`)),
		[]byte(strings.Repeat("[", 20_000) + `"hash":"` + strings.Repeat("0", 64) + `"}` + "\n"),
		[]byte(`{"seq":1,"hash":"` + strings.Repeat("0", 64) + `"}` + "\n"), append(bytes.Repeat([]byte{0}, 9000), three...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []Entry
		var sum int64
		torn := int64(0)
		if err := scan(bytes.NewReader(b), func(l line) bool {
			sum += l.bytes
			if l.torn {
				torn = l.bytes
			} else if e, err := l.decode(); err == nil {
				entries = append(entries, e)
			}
			return true
		}); err != nil || sum != int64(len(b)) {
			t.Fatalf("%d of %d bytes, %v", sum, len(b), err)
		}
		r := bytes.NewReader(b)
		end, err := lineEnd(r, 0, int64(len(b)))
		if err != nil || end != int64(len(b))-torn {
			t.Fatalf("the last line ends at %d, %d are torn, %v", end, torn, err)
		}
		last, found, err := lastGood(r, 0, end)
		if err != nil || found != (len(entries) > 0) || found && last != entries[len(entries)-1].tip() {
			t.Fatalf("from the end %v, from the beginning %d, %v", last, len(entries), err)
		}
		v := verifier{}
		if err := scan(bytes.NewReader(b), v.line); err != nil || v.report.Entries != len(entries) || v.report.Torn != torn {
			t.Fatalf("%+v, %d, %v", v.report, len(entries), err)
		}
		e, l, err := encode(Entry{Seq: last.seq + 1, Prev: last.hash})
		if err != nil {
			t.Fatal(err)
		}
		whole := append(bytes.Clone(b[:end]), l...)
		if got, found, err := lastGood(bytes.NewReader(whole), 0, int64(len(whole))); err != nil || !found || got != e.tip() {
			t.Fatalf("what was appended is not found: %v %v", got, err)
		}
	})
}
