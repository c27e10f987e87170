package logview

import (
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

func TestParseTerm(t *testing.T) {
	for in, want := range map[string]struct {
		t       Term
		exclude bool
	}{
		"timeout":       {Term{"timeout", false}, false},
		"two words":     {Term{"two words", false}, false},
		"~5\\d\\d":      {Term{"5\\d\\d", true}, false},
		"!healthz":      {Term{"healthz", false}, true},
		"!~a|b":         {Term{"a|b", true}, true},
		"|= `x`":        {Term{"x", false}, false},
		"!= \"probe\"":  {Term{"probe", false}, true},
		"|~ `e.*r`":     {Term{"e.*r", true}, false},
		"":              {Term{}, false},
		"a != b stands": {Term{"a != b stands", false}, false},
		`"!not"`:        {Term{"!not", false}, false},
		`"~5"`:          {Term{"~5", false}, false},
		`"`:             {Term{`"`, false}, false},
		`"open`:         {Term{`"open`, false}, false},
	} {
		if got, ex := ParseTerm(in); got != want.t || ex != want.exclude {
			t.Errorf("%q: %+v %v", in, got, ex)
		}
		if back, ex := ParseTerm(want.t.String()); back != want.t || ex {
			t.Errorf("%q is written as %q, which is %+v", in, want.t.String(), back)
		}
	}
}

func TestPatternCase(t *testing.T) {
	for _, c := range []struct {
		term Term
		line string
		want bool
	}{
		{Term{"error", false}, "An ERROR came", true},
		{Term{"Error", false}, "an error came", false},
		{Term{"Error", false}, "an Error came", true},
		{Term{"größe", false}, "GRÖSSE GRÖßE", true},
		{Term{"e.r", true}, "EAR", true},
		{Term{"E.r", true}, "ear", false},
		{Term{"404", false}, "x 404", true},
		{Term{"red", false}, "a \x1b[31mr\x1b[0med word", true},
	} {
		p, err := compile(c.term)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.in(seen(c.line)); got != c.want {
			t.Errorf("%+v in %q: %v", c.term, c.line, got)
		}
	}
	if _, err := compile(Term{"a(", true}); err == nil {
		t.Error("a wrong expression is no error")
	}
}

func FuzzFoldIndex(f *testing.F) {
	f.Add("An ERROR came", "error")
	f.Add("aAaB", "ab")
	f.Fuzz(func(t *testing.T, s, sub string) {
		ascii := func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		s, sub = strings.ToValidUTF8(s, ""), strings.Map(ascii, strings.ToValidUTF8(sub, ""))
		if got, want := foldIndex(s, sub), strings.Index(strings.Map(ascii, s), sub); got != want {
			t.Errorf("%q in %q: %d, want %d", sub, s, got, want)
		}
	})
}

// What stands in for an expression must never turn a match away.
func FuzzNeeds(f *testing.F) {
	for _, expr := range []string{"took=77.ms", "fatal|panic|oom", "(ab)+c?", "a{2,}b", "(?i)KelvinS", "^x|yy$", "(foo|bar)baz|qux", "[ab]cd", "ſs", "status=2.*took=8", "(?i)stack", "İx"} {
		f.Add(expr, "a TOOK=77 ms fatal abab aab foobaz xcd Kelvinſ")
	}
	f.Fuzz(func(t *testing.T, expr, s string) {
		p, err := compile(Term{expr, true})
		if err != nil {
			return
		}
		if p.re.MatchString(s) && !p.may(s) {
			t.Errorf("%q matches %q, and needs %v", expr, s, p.needs)
		}
	})
}

// brute is the filter said in the simplest way.
func brute(f Filter, search Term, e sources.Entry) (shown, found bool) {
	has := func(t Term) bool {
		expr := t.Text
		if !t.Regexp {
			expr = regexp.QuoteMeta(expr)
		}
		if strings.ToLower(t.Text) == t.Text {
			expr = "(?i)" + expr
		}
		return regexp.MustCompile(expr).MatchString(e.Line)
	}
	shown = (len(f.Levels) == 0 || slices.Contains(f.Levels, e.Level)) &&
		(len(f.Services) == 0 || slices.Contains(f.Services, e.Stream.Service)) &&
		(len(f.Tasks) == 0 || slices.Contains(f.Tasks, e.Stream.Task)) &&
		!slices.ContainsFunc(f.Include, func(t Term) bool { return !has(t) }) && !slices.ContainsFunc(f.Exclude, has)
	return shown, shown && search.Text != "" && has(search)
}

// Filter and search, with lines and changes of mind coming in between, end at what brute force says.
func TestFilterEqualsBruteForce(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	words := []string{"alpha", "Beta", "GAMMA", "delta", "timeout", "GET /x", "500", "é"}
	pick := func() string { return words[r.Intn(len(words))] }
	for round := range 30 {
		p := newPane(Options{MaxBytes: 512 << 10})
		var all []sources.Entry
		var f Filter
		var search Term
		for step := range 8 {
			var batch []sources.Entry
			for range r.Intn(600) {
				e := line(len(all)-r.Intn(5), pick()+" "+pick()+" "+pick())
				e.Level = sources.Level(r.Intn(7))
				if r.Intn(2) == 0 {
					e.Stream = api
				}
				batch = append(batch, e)
				all = append(all, e)
			}
			p.Append(sources.LogBatch{Entries: batch})
			cmd := p.Sync(start)
			if r.Intn(2) == 0 {
				f = randomFilter(r, pick)
				if err := p.SetFilter(f); err != nil {
					t.Fatal(err)
				}
			}
			if r.Intn(2) == 0 {
				search = Term{Text: pick()}
				if err := p.SetSearch(search); err != nil {
					t.Fatal(err)
				}
			}
			if cmd != nil { // now stale or not: it must do no harm
				p.ApplyScan(cmd().(ScanMsg))
			}
			_ = step
		}
		settle(t, p)
		slices.SortStableFunc(all, func(a, b sources.Entry) int { return a.Time.Compare(b.Time) })
		var want []string
		found := 0
		for _, e := range all[int(p.snap.evicted):] {
			s, m := brute(f, search, e)
			if s {
				want = append(want, e.Line)
			}
			if m {
				found++
			}
		}
		got := shown(p)
		slices.Sort(got)
		slices.Sort(want) // rows of one time may come in another order
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: filter %+v: %d shown, want %d", round, f, len(got), len(want))
		}
		if s := p.Status(); s.Matches != found || s.Shown != len(want) {
			t.Fatalf("round %d: %d found, want %d", round, s.Matches, found)
		}
	}
}

func randomFilter(r *rand.Rand, pick func() string) Filter {
	var f Filter
	if r.Intn(2) == 0 {
		f.Include = append(f.Include, Term{Text: pick()})
	}
	if r.Intn(3) == 0 {
		f.Include = append(f.Include, Term{Text: "a.*" + regexp.QuoteMeta(pick()), Regexp: true})
	}
	for range r.Intn(3) {
		f.Exclude = append(f.Exclude, Term{Text: pick()})
	}
	if r.Intn(3) == 0 {
		f.Levels = levelsFrom(sources.LevelInfo)
	}
	if r.Intn(4) == 0 {
		f.Services = []string{"shop_api"}
	}
	return f
}

// The work of a changed filter is not done in Sync, but by commands; a stale one changes nothing.
func TestRescanIsSlicedAndStaleResultsDropped(t *testing.T) {
	p := newPane(Options{})
	p.slice = 0 // no more than it must do
	long := strings.Repeat("z", 400)
	for i := range 60 {
		batch := numbered(i*1000, 1000)
		for j := range batch {
			batch[j].Line += long
		}
		p.Append(sources.LogBatch{Entries: batch})
	}
	settle(t, p)
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "line 0000"}}}))
	stale := p.Sync(start)
	if stale == nil || p.Status().Progress == 1 {
		t.Fatal("24 MB were looked through at once")
	}
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "line 05999"}}}))
	cmd := p.Sync(start)
	if cmd == nil {
		t.Fatal("no work for the new filter")
	}
	if next := p.ApplyScan(stale().(ScanMsg)); next != nil {
		t.Error("a stale result starts work")
	}
	slices := 0
	for ; cmd != nil; slices++ {
		cmd = p.ApplyScan(cmd().(ScanMsg))
	}
	if got := shown(p); len(got) != 10 || slices < 2 {
		t.Errorf("%d shown after %d slices", len(got), slices)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Lines that come are matched once, and a filtered line keeps its place for jumps in time.
func TestIncremental(t *testing.T) {
	p := newPane(Options{})
	must(t, p.SetFilter(Filter{Include: []Term{{Text: "7"}}}))
	p.Append(sources.LogBatch{Entries: numbered(0, 100)})
	settle(t, p)
	before := p.known[p.list.chunks[0].id]
	p.Append(sources.LogBatch{Entries: numbered(100, 100)})
	settle(t, p)
	now := p.known[p.list.chunks[0].id]
	if before.n != 100 || now.n != 200 || !slices.Equal(now.shown[:len(before.shown)], before.shown) || len(now.shown) != 38 {
		t.Errorf("%d then %d rows known, %d shown", before.n, now.n, len(now.shown))
	}
	if !p.JumpTo(at(118)) || selected(p) != "line 000127" {
		t.Errorf("jumped to %s", selected(p))
	}
	if p.JumpTo(at(0).Add(-time.Hour)) {
		t.Error("the buffer does not reach back an hour")
	}
}

// A trace that comes as a line an entry stays whole when only errors are shown.
func TestTraceKeepsItsLevel(t *testing.T) {
	p := newPane(Options{})
	e := func(ms int, l sources.Level, s *sources.Stream, text string) sources.Entry {
		return sources.Entry{Time: at(ms), Line: text, Level: l, Stream: s}
	}
	feed(t, p,
		e(0, sources.LevelInfo, web, "fine"),
		e(1, sources.LevelError, web, "panic: boom"),
		e(1, sources.LevelUnknown, web, "goroutine 41 [running]:"),
		e(1, sources.LevelInfo, api, "of another task"),
		e(2, sources.LevelUnknown, api, "  indented after info"),
		e(2, sources.LevelUnknown, web, "main.checkout(0xc000014a80, 0x1)"),
		e(3, sources.LevelUnknown, web, "\t/src/checkout.go:88 +0x1d4"),
		e(3, sources.LevelUnknown, web, "10.0.0.1 - GET /healthz (200)"),
		e(2000, sources.LevelUnknown, web, "  long after"),
	)
	must(t, p.SetFilter(Filter{Levels: levelsFrom(sources.LevelError)}))
	settle(t, p)
	want := []string{"panic: boom", "goroutine 41 [running]:", "main.checkout(0xc000014a80, 0x1)", "\t/src/checkout.go:88 +0x1d4"}
	if got := shown(p); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
