package patterns

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entries(lines ...string) []sources.Entry {
	out := make([]sources.Entry, len(lines))
	for i, l := range lines {
		out[i] = sources.Entry{Time: t0.Add(time.Duration(i) * time.Second), Line: l, Level: sources.LevelOf(l)}
	}
	return out
}

func texts(ps []sources.Pattern) []string {
	out := make([]string, len(ps))
	for i := range ps {
		out[i] = fmt.Sprintf("%d %s", ps[i].Count, ps[i].Text)
	}
	return out
}

func TestMine(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"numbers, times, addresses", []string{
			"2026-03-01T12:00:01.123Z connected to 10.0.0.1:5432 in 3ms",
			"2026-03-01T12:00:02.456Z connected to 10.0.0.2:5432 in 12ms",
		}, []string{"2 <_> connected to <_> in <_>"}},
		{"names vary, sentences do not", []string{"user ada logged in", "user bob logged in", "user bob logged out", "cache is full"},
			[]string{"3 user <_> logged <_>", "1 cache is full"}},
		{"logfmt: the message decides", []string{
			`level=info msg="order placed" service=shop id=17 dur=3ms`,
			`level=info msg="order placed" service=shop id=18 dur=5ms`,
			`level=info msg="payment declined" service=shop id=19 dur=5ms`,
		}, []string{`2 level=info msg="order placed" service=shop id=<_> dur=<_>`, `1 level=info msg="payment declined" service=shop id=<_> dur=<_>`}},
		{"a status is no number", []string{"level=info msg=request status=200 dur=1ms", "level=info msg=request status=500 dur=1ms"},
			[]string{"1 level=info msg=request status=200 dur=<_>", "1 level=info msg=request status=500 dur=<_>"}},
		{"json", []string{
			`{"ts":"2026-03-01T12:00:00Z","level":"error","msg":"cannot reach db","peer":"10.0.0.4:5432"}`,
			`{"ts":"2026-03-01T12:00:09Z","level":"error","msg":"cannot reach db","peer":"10.0.0.5:5432"}`,
		}, []string{`2 {"ts":"<_>","level":"error","msg":"cannot reach db","peer":"<_>"}`}},
		{"a quoted value with spaces is one part", []string{
			`level=info msg=request agent="Mozilla/5.0 (X11; Linux)" path=/a`, `level=info msg=request agent="curl/8.1" path=/b`,
		}, []string{`2 level=info msg=request agent="<_>" path=/<_>`}},
		{"access log", []string{
			`10.1.2.3 - - [01/Mar/2026:12:00:00 +0000] "GET /api/orders/17 HTTP/1.1" 200 512`,
			`10.1.2.4 - - [01/Mar/2026:12:00:01 +0000] "GET /api/orders/18 HTTP/1.1" 200 498`,
		}, nil},
		{"levels stay apart", []string{"WARN disk sda1 is slow", "ERROR disk sda1 is slow"}, []string{"1 WARN disk sda1 is slow", "1 ERROR disk sda1 is slow"}},
		{"stack traces by their first line", []string{"panic: boom 1\ngoroutine 1\n x", "panic: boom 2\ngoroutine 7\n y\n z"}, []string{"2 panic: boom <_>"}},
		{"colours", []string{"\x1b[31merror\x1b[0m: lost peer 1", "\x1b[31merror\x1b[0m: lost peer 2"}, []string{"2 error: lost peer <_>"}},
		{"empty", []string{"", ""}, []string{"2 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := entries(c.lines...)
			got := Mine(in)
			if c.want != nil && !slices.Equal(texts(got), c.want) {
				t.Errorf("got %q, want %q", texts(got), c.want)
			}
			if c.want == nil && len(got) != 1 {
				t.Errorf("got %q, want one pattern", texts(got))
			}
			for _, l := range c.lines {
				if !slices.ContainsFunc(got, func(p sources.Pattern) bool { return Match(p.Text, l) }) {
					t.Errorf("no pattern of %q matches %q", texts(got), l)
				}
			}
		})
	}
}

func TestWhatAPatternTells(t *testing.T) {
	m := NewMiner(Options{From: t0, Step: time.Minute})
	for i := range 5 {
		m.Add(&sources.Entry{Time: t0.Add(time.Duration(i) * 30 * time.Second), Line: fmt.Sprintf("job %d done", i), Level: sources.LevelInfo})
	}
	p := m.Patterns()[0]
	want := []sources.PatternPoint{{Time: t0, Count: 2}, {Time: t0.Add(time.Minute), Count: 2}, {Time: t0.Add(2 * time.Minute), Count: 1}}
	if p.Count != 5 || !p.First.Equal(t0) || !p.Last.Equal(t0.Add(2*time.Minute)) || p.Sample != "job 0 done" || p.Level != sources.LevelInfo || !slices.Equal(p.Points, want) {
		t.Errorf("got %+v", p)
	}
}

func TestMinerIsBounded(t *testing.T) {
	m := NewMiner(Options{Max: 10})
	for i := range 100 {
		m.Add(&sources.Entry{Line: strings.Repeat("x ", i+1)})
	}
	if n := len(m.Patterns()); n != 10 || m.Other() != 90 || m.Lines() != 100 {
		t.Errorf("%d patterns, %d other, %d lines", n, m.Other(), m.Lines())
	}
}

func TestNew(t *testing.T) {
	base := Mine(entries("user ada logged in", "order 17 placed", "level=info msg=request status=200 dur=3ms", "WARN retry 3 of 5", "peer alpha joined the ring", "peer beta joined the ring"))
	for _, c := range []struct {
		line string
		want bool // new
	}{
		{"user bob logged in", false},
		{"order 99 placed", false},
		{"peer gamma joined the ring", false},
		{"level=info msg=request status=200 dur=77ms", false},
		{"level=info msg=request status=503 dur=77ms", true},
		{"ERROR retry 3 of 5", true},
		{"order 99 rejected by the bank", true},
		{"panic: index out of range [5] with length 5", true},
	} {
		if got := len(New(base, Mine(entries(c.line)))) == 1; got != c.want {
			t.Errorf("%q: new %v, want %v", c.line, got, c.want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, line string
		want          bool
	}{
		{"a <_> c", "a b c", true},
		{"a <_> c", "a b c d", false},
		{"a <_> c", "x a b c", false},
		{"<_> c", "a b c", true},
		{"a <_>", "a b c\n d", true},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"<_>", "", true},
	} {
		if got := Match(c.pattern, c.line); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.line, got)
		}
	}
}

// FuzzMine: whatever the lines are, each is of some pattern, and the counts add up.
func FuzzMine(f *testing.F) {
	f.Add("level=info msg=\"a b\" x=1\nlevel=info msg=\"a c\" x=\"2 3\"\n{\"a\":1}\n{\"a\":\"b\\\"c\"}")
	f.Add("user a in\nuser b in\n<_> in\nuser 1:2 in\n\x1b[1mx\x1b[0m 3\n\x1b")
	f.Fuzz(func(t *testing.T, text string) {
		lines := entries(strings.Split(text, "\n")...)
		got := Mine(lines)
		n := 0
		for i := range got {
			n += got[i].Count
		}
		if n != len(lines) {
			t.Fatalf("%d lines, %d counted", len(lines), n)
		}
		for _, e := range lines {
			if !slices.ContainsFunc(got, func(p sources.Pattern) bool { return Match(p.Text, e.Line) }) {
				t.Fatalf("no pattern of %q matches %q", texts(got), e.Line)
			}
		}
		New(got, got)
	})
}

func BenchmarkMine(b *testing.B) {
	lines := make([]sources.Entry, 20_000)
	for i := range lines {
		var l string
		switch i % 4 {
		case 0:
			l = fmt.Sprintf(`level=info ts=2026-03-01T12:00:00.%03dZ caller=http.go:88 msg="request done" method=GET path=/api/orders/%d status=200 dur=%dms`, i%1000, i, i%90)
		case 1:
			l = fmt.Sprintf(`{"ts":"2026-03-01T12:00:00Z","level":"info","msg":"order placed","order":"ord-%d","user":"u%d","total":%d}`, i, i%77, i%500)
		case 2:
			l = fmt.Sprintf(`10.1.%d.%d - - [01/Mar/2026:12:00:00 +0000] "GET /static/app.%x.js HTTP/1.1" 200 %d`, i%255, i%200, i, i)
		case 3:
			l = fmt.Sprintf("2026-03-01 12:00:00,%03d WARN [worker-%d] queue payments is %d deep, slowing down", i%1000, i%8, i%300)
		}
		lines[i] = sources.Entry{Time: t0, Line: l, Level: sources.LevelOf(l)}
	}
	b.ResetTimer()
	b.ReportAllocs()
	var n int
	for range b.N {
		n = len(Mine(lines))
	}
	b.ReportMetric(float64(len(lines)*b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(n), "patterns")
}
