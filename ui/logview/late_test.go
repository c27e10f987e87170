package logview

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quarterdeck/sources"
)

// onScreen is the screen's line on which a text stands, -1: it is not there.
func onScreen(tb testing.TB, p *Pane, text string) int {
	tb.Helper()
	return slices.IndexFunc(strings.Split(screen(tb, p), "\n"), func(s string) bool { return strings.Contains(s, text) })
}

// lateLines: several streams, one of which comes late and in any order: what is shown is in the order of time, and the selected line stays
// selected and where it is on the screen, whether the late ones go above the screen, between its top and the selection, or below.
func lateLines(tb testing.TB, rt *rapid.T) {
	p := newPane(Options{MaxBytes: 4 << 20})
	if err := p.SetFilter(rapid.SampledFrom([]Filter{{}, {Include: []Term{{Text: "line"}}}, {Include: []Term{{Text: "l.ne .*[02468]\\b", Regexp: true}}},
		{Levels: levelsFrom(sources.LevelInfo)}, {Fields: []FieldTerm{{"level", "=", "info"}}}}).Draw(rt, "filter")); err != nil {
		rt.Fatal(err)
	}
	// Even moments are of the stream in time, so that a late one never has the moment of another line.
	n := rapid.IntRange(40, 1500).Draw(rt, "n")
	var first []sources.Entry
	for i := range n {
		first = append(first, line(1000+2*i, fmt.Sprintf("line %06d", 1000+2*i)))
	}
	p.Append(sources.LogBatch{Entries: first})
	settle(tb, p)
	p.Move(-rapid.IntRange(1, 30).Draw(rt, "up"))
	p.Scroll(-rapid.IntRange(0, 12).Draw(rt, "scroll"))
	want := selected(p)
	row := onScreen(tb, p, want)
	if p.Following() || row < 1 {
		rt.Fatalf("selected %q on line %d:\n%s", want, row, screen(tb, p))
	}
	here := int(p.Selected().Time.Sub(start).Milliseconds())
	for range rapid.IntRange(1, 5).Draw(rt, "batches") {
		var late []sources.Entry
		for range rapid.IntRange(1, 40).Draw(rt, "lines") {
			ms := here + 2*rapid.IntRange(-60, 60).Draw(rt, "off") + 1
			e := line(ms, fmt.Sprintf("line %06d of another 2", ms))
			e.Stream = api
			late = append(late, e)
		}
		p.Append(sources.LogBatch{Entries: late})
		// Before what was left to a command has come, and after it.
		cmd := p.Sync(start)
		if got := onScreen(tb, p, want); selected(p) != want || got != row {
			rt.Fatalf("the selection %q went from line %d to %d (%q):\n%s", want, row, got, selected(p), screen(tb, p))
		}
		for cmd != nil {
			cmd = p.ApplyScan(cmd().(ScanMsg))
		}
		if got := onScreen(tb, p, want); selected(p) != want || got != row {
			rt.Fatalf("the selection %q went from line %d to %d (%q):\n%s", want, row, got, selected(p), screen(tb, p))
		}
	}
	for i := 1; i < p.list.len(); i++ {
		if p.list.key(i).less(p.list.key(i - 1)) {
			rt.Fatalf("row %d is before the one above it", i)
		}
	}
	fresh := newPane(Options{MaxBytes: 4 << 20}) // what is known bit by bit is what is known at once
	if err := fresh.SetFilter(p.Filter()); err != nil {
		rt.Fatal(err)
	}
	for e := range p.All() {
		fresh.Append(sources.LogBatch{Entries: []sources.Entry{*e}})
	}
	settle(tb, fresh)
	if a, b := shown(p), shown(fresh); !slices.Equal(a, b) {
		rt.Fatalf("%d are shown, of the same in order %d", len(a), len(b))
	}
}

func TestLateLinesLeaveTheScreen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { lateLines(t, rt) })
}

func FuzzLateLines(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		rapid.MakeFuzz(func(rt *rapid.T) { lateLines(t, rt) })(t, data)
	})
}

// A late line in a large piece under a slow filter: what was shown stays while the line is being looked at, and only it is looked at.
func TestLateLineCostsItself(t *testing.T) {
	p := newPane(Options{MaxBytes: 8 << 20})
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "l(i|1)ne", Regexp: true}}}))
	must(t, p.SetSearch(Term{Text: "7"}))
	batch := numbered(0, 1000)
	for i := range batch {
		batch[i].Line += strings.Repeat(" long", 60)
	}
	p.Append(sources.LogBatch{Entries: batch})
	settle(t, p)
	matches := p.Status().Matches
	p.Append(sources.LogBatch{Entries: []sources.Entry{line(500, "line late"), line(400, "line late 7"), line(300, "another")}})
	have := p.known[p.list.chunks[0].id]
	if c := p.buf.snapshot().chunks[0]; have.ver == c.ver || weight(c, have, p.query) > inlineSlowBytes/8 {
		t.Errorf("three late lines weigh %d bytes", weight(c, have, p.query))
	}
	if l := newList(p.buf.snapshot(), p.known, p.query, nil); l.len() != 1000 || l.fresh == len(l.chunks) {
		t.Errorf("%d rows are shown until they are looked at", l.len())
	}
	if cmd := p.Sync(start); cmd != nil || len(shown(p)) != 1002 || p.Status().Matches != matches+1 {
		t.Errorf("%d shown, %d found, was %d", len(shown(p)), p.Status().Matches, matches)
	}
}
