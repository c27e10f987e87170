package logview

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quarterdeck/sources"
)

func texts(b *Buffer) []string {
	var out []string
	for _, c := range b.snapshot().chunks {
		for i := range c.recs {
			if r := &c.recs[i]; r.kind == kindLine {
				out = append(out, c.text(r))
			} else {
				out = append(out, "gap "+c.gaps[r.off].Reason)
			}
		}
	}
	return out
}

// checkBuffer holds what must always be true of a buffer.
func checkBuffer(tb interface {
	Helper()
	Fatalf(string, ...any)
}, b *Buffer,
) {
	tb.Helper()
	s := b.snapshot()
	var last key
	rows, bytes := 0, 0
	ids := map[uint64]bool{}
	for _, c := range s.chunks {
		if len(c.recs) == 0 || ids[c.id] {
			tb.Fatalf("chunk %d is empty or there twice", c.id)
		}
		ids[c.id] = true
		sum := 0
		level := sources.LevelUnknown
		for i := range c.recs {
			k := c.recs[i].key()
			if rows > 0 && !last.less(k) {
				tb.Fatalf("row %d: %v after %v", rows, k, last)
			}
			last = k
			rows++
			sum += c.cost(&c.recs[i])
			level = max(level, c.recs[i].level)
		}
		if sum != c.bytes || level != c.maxLevel {
			tb.Fatalf("chunk counts %d bytes and level %v, has %d and %v", c.bytes, c.maxLevel, sum, level)
		}
		bytes += sum
	}
	if rows != s.rows || bytes != s.bytes {
		tb.Fatalf("counted %d rows of %d bytes, has %d of %d", s.rows, s.bytes, rows, bytes)
	}
	if s.bytes > b.max {
		tb.Fatalf("%d bytes, cap %d", s.bytes, b.max)
	}
}

// Whatever comes in whatever order, the buffer holds what a stable sort by time would, less what was evicted.
func TestBufferKeepsOrderAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuffer(1) // the least cap: 64 KiB
		type row struct {
			ts   int64
			text string
		}
		var model []row
		n := 0
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			var batch []sources.Entry
			base := rapid.IntRange(0, 400).Draw(t, "base")
			for range rapid.IntRange(0, 40).Draw(t, "lines") {
				n++
				e := line(base+rapid.IntRange(-20, 20).Draw(t, "off"), fmt.Sprintf("%d %s", n, strings.Repeat("x", rapid.IntRange(0, 60).Draw(t, "len"))))
				e.Level = sources.Level(n % 7)
				if n%3 == 0 {
					e.Stream = api
				}
				batch = append(batch, e)
				model = append(model, row{e.Time.UnixNano(), e.Line})
			}
			// A batch is sorted before it goes in: rows of one time stay as they came within it.
			b.Append(batch)
			if rapid.Bool().Draw(t, "gap") {
				n++
				g := sources.Gap{From: at(rapid.IntRange(0, 400).Draw(t, "gap at")), Reason: fmt.Sprint(n)}
				b.AppendGap(g)
				model = append(model, row{g.From.UnixNano(), "gap " + g.Reason})
			}
			checkBuffer(t, b)
		}
		slices.SortStableFunc(model, func(a, b row) int {
			switch {
			case a.ts < b.ts:
				return -1
			case a.ts > b.ts:
				return 1
			}
			return 0
		})
		var want []string
		for _, r := range model {
			want = append(want, r.text)
		}
		got := texts(b)
		if b.Stats().Evicted == 0 && !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		if uint64(len(got))+b.Stats().Evicted != uint64(len(want)) {
			t.Fatalf("%d rows and %d evicted of %d", len(got), b.Stats().Evicted, len(want))
		}
	})
}

func TestBufferCapAndEviction(t *testing.T) {
	b := NewBuffer(1 << 20)
	for i := range 40 {
		b.Append(numbered(i*1000, 1000))
		checkBuffer(t, b)
	}
	s := b.Stats()
	if s.Appended != 40000 || int(s.Evicted)+s.Lines != 40000 || s.Evicted == 0 {
		t.Fatalf("%+v", s)
	}
	if s.Bytes < b.max*9/10 {
		t.Errorf("the cap is %d, and only %d bytes are kept", b.max, s.Bytes)
	}
	got := texts(b)
	if got[len(got)-1] != "line 039999" || got[0] != fmt.Sprintf("line %06d", s.Evicted) {
		t.Errorf("kept %s to %s", got[0], got[len(got)-1])
	}
	b.Append([]sources.Entry{line(50000, strings.Repeat("y", 3<<20))})
	checkBuffer(t, b)
	if got := texts(b); len(got[len(got)-1]) != b.max/4 {
		t.Errorf("an enormous line keeps %d bytes", len(got[len(got)-1]))
	}
}

func TestBufferPrepend(t *testing.T) {
	b := NewBuffer(1 << 20)
	b.Append(numbered(50000, 500))
	if n := b.Prepend(numbered(45000, 5000)); n != 5000 {
		t.Fatalf("kept %d", n)
	}
	checkBuffer(t, b)
	if got := texts(b); got[0] != "line 045000" || len(got) != 5500 {
		t.Fatalf("%s, %d", got[0], len(got))
	}
	kept := b.Prepend(numbered(0, 45000))
	checkBuffer(t, b)
	got := texts(b)
	if kept == 0 || kept == 45000 || len(got) != 5500+kept || got[0] != fmt.Sprintf("line %06d", 45000-kept) {
		t.Fatalf("kept %d; %d lines from %s", kept, len(got), got[0])
	}
	if got[len(got)-1] != "line 050499" || b.Stats().Evicted != 0 {
		t.Error("older lines pushed newer ones out")
	}
}

func TestBufferStrangeTimes(t *testing.T) {
	b := NewBuffer(0)
	b.Append([]sources.Entry{
		{Line: "no time"}, {Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Line: "far"},
		{Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), Line: "long ago"}, line(1, "now"),
	})
	b.AppendGap(sources.Gap{Reason: "?"})
	b.Append([]sources.Entry{line(2, "then"), {Line: "no time either"}})
	checkBuffer(t, b)
	if got, want := strings.Join(texts(b), ","), "long ago,now,then,far,no time,gap ?,no time either"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Snapshots taken while lines come, late ones among them, never change; at the end nothing is lost.
func TestBufferConcurrent(t *testing.T) {
	b := NewBuffer(0)
	var wg sync.WaitGroup
	const writers, batches, size = 3, 40, 50
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewSource(int64(w)))
			for i := range batches {
				batch := make([]sources.Entry, size)
				for j := range batch {
					batch[j] = line(i*size+j-r.Intn(30), fmt.Sprintf("w%d %d", w, i*size+j))
				}
				b.Append(batch)
				if i%10 == 0 {
					b.AppendGap(sources.Gap{From: at(i * size), Reason: "r"})
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for run := true; run; {
		select {
		case <-done:
			run = false
		default:
		}
		s := b.snapshot()
		rows, sum := 0, 0
		for _, c := range s.chunks {
			for i := range c.recs {
				sum += len(c.text(&c.recs[i])) + len(c.streams[c.recs[i].stream].Service)
			}
			rows += len(c.recs)
		}
		if rows != s.rows {
			t.Fatalf("%d rows, %d counted", rows, s.rows)
		}
	}
	checkBuffer(t, b)
	if n := b.Stats().Lines; n != writers*(batches*size+4) {
		t.Errorf("%d rows", n)
	}
}
