package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)

func styles(tb testing.TB, name string) theme.Styles {
	tb.Helper()
	s, err := theme.New(name, true)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// wave is n samples over d.
func wave(n int, d time.Duration, f func(x float64) float64) []sources.Point {
	out := make([]sources.Point, n)
	for i := range out {
		x := float64(i) / float64(max(n-1, 1))
		out[i] = sources.Point{T: t0.Add(time.Duration(x * float64(d))), V: f(x)}
	}
	return out
}

func ptr[T any](v T) *T { return &v }

func base(tb testing.TB) Spec {
	return Spec{Width: 72, Height: 14, Start: t0, End: t0.Add(time.Hour), Unit: "cores", Min0: true, Styles: styles(tb, theme.None)}
}

// specs are the pictures that are kept.
func specs(tb testing.TB) map[string]Spec {
	sine := func(x float64) float64 { return 0.5 + 0.4*math.Sin(x*12) }
	none := styles(tb, theme.None)
	one := base(tb)
	one.Series = []Series{{Name: "cpu", Points: wave(240, time.Hour, sine), Style: none.Series[0]}}
	one.Limit = ptr(1.0)
	one.Marks = []Mark{{Time: t0.Add(20 * time.Minute), Kind: MarkDeploy}, {Time: t0.Add(42 * time.Minute), Kind: MarkDeath}, {Time: t0.Add(42*time.Minute + time.Second), Kind: MarkAlert}}

	colour := one
	colour.Styles = styles(tb, theme.Dark)
	colour.Series = []Series{{Name: "cpu", Points: one.Series[0].Points, Style: colour.Styles.Series[0]}}

	cursor := one
	cursor.Cursor = ptr(t0.Add(30 * time.Minute))

	gaps := base(tb)
	gaps.Unit = "bytes"
	memory := wave(240, time.Hour, func(x float64) float64 { return (180 + 200*x) * (1 << 20) })
	memory = append(memory[:80:80], memory[130:]...) // a time that was not scraped
	memory[140].V = math.NaN()
	gaps.Series = []Series{{Name: "memory", Points: memory, Style: none.Series[0]}}
	gaps.Limit = ptr(512.0 * (1 << 20))

	many := base(tb)
	many.Unit = "s"
	for i, name := range []string{"p50", "p95", "p99"} {
		many.Series = append(many.Series, Series{Name: name, Style: none.Series[i], Points: wave(240, time.Hour, func(x float64) float64 { return 0.01 * float64((i+1)*(i+1)) * (1 + 0.3*math.Sin(9*x)) })})
	}

	spike := base(tb)
	spike.Unit = "1/s"
	points := wave(5000, time.Hour, func(float64) float64 { return 120 })
	points[2345].V = 4800
	spike.Series = []Series{{Name: "requests", Points: points, Style: none.Series[0]}}

	empty := base(tb)
	empty.Empty = "the exporter gives no labels (cAdvisor before 0.54 on Docker 29): this service's figures cannot be told from others"
	empty.Width = 50

	stale := one
	stale.Series = []Series{{Name: "cpu", Points: one.Series[0].Points[:200], Style: none.Series[0]}}
	stale.Now, stale.Limit = t0.Add(time.Hour), nil

	ascii := many
	ascii.ASCII = true

	small := one
	small.Width, small.Height = 40, 5
	three := one
	three.Width, three.Height = 20, 3
	flat := base(tb)
	flat.Series = []Series{{Name: "restarts", Points: wave(60, time.Hour, func(float64) float64 { return 0 }), Style: none.Series[0]}}
	flat.Unit, flat.Height = "1", 8
	days := base(tb)
	days.End = t0.Add(7 * 24 * time.Hour)
	days.Unit = "ratio"
	days.Series = []Series{{Name: "errors", Points: wave(300, 7*24*time.Hour, func(x float64) float64 { return math.Max(0, math.Sin(44*x)) * 0.07 }), Style: none.Series[0]}}
	far := one
	far.Limit, far.Height = ptr(16.0), 8
	negative := base(tb)
	negative.Unit, negative.Min0 = "1", false
	negative.Series = []Series{{Name: "delta", Points: wave(100, time.Hour, func(x float64) float64 { return 30 * math.Cos(7*x) }), Style: none.Series[0]}}

	return map[string]Spec{"one": one, "colour": colour, "cursor": cursor, "gaps": gaps, "many": many, "spike": spike, "empty": empty, "stale": stale,
		"ascii": ascii, "small": small, "three": three, "flat": flat, "days": days, "far-limit": far, "negative": negative}
}

func TestLineGolden(t *testing.T) {
	for name, s := range specs(t) {
		t.Run(name, func(t *testing.T) {
			got := Line(s)
			exact(t, got, s.Width, s.Height)
			if a, b := ansi.StringWidth(got), ansi.StringWidthWc(got); a != b {
				t.Errorf("%d cells by grapheme, %d by character: a terminal that counts otherwise tears", a, b)
			}
			golden.RequireEqual(t, got)
		})
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// exact holds a drawing to its size.
func exact(t failer, got string, w, h int) {
	t.Helper()
	lines := strings.Split(got, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), h, got)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != w {
			t.Fatalf("line %d is %d cells wide, want %d: %q", i, got, w, l)
		}
	}
}

var values = []float64{0, 1, -1, 0.5, math.NaN(), math.Inf(1), math.Inf(-1), 1e18, -1e18, 1e308, -1e308, 5e-324, 1 << 30, 1023.9, 99.95, 1e-7}

func drawSpec(t *rapid.T) Spec {
	value := rapid.OneOf(rapid.SampledFrom(values), rapid.Float64())
	start := t0.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "shift")))
	length := time.Duration(rapid.OneOf(rapid.Int64Range(0, 1e9), rapid.Int64Range(-1e9, 1e15), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "length"))
	s := Spec{Width: rapid.IntRange(-1, 130).Draw(t, "w"), Height: rapid.IntRange(-1, 30).Draw(t, "h"), Start: start, End: start.Add(length),
		Unit: rapid.SampledFrom([]string{"cores", "bytes", "bytes/s", "ratio", "1/s", "s", "ms", "1", "", "odd\nunit"}).Draw(t, "unit"),
		Min0: rapid.Bool().Draw(t, "min0"), ASCII: rapid.Bool().Draw(t, "ascii"), Empty: rapid.String().Draw(t, "empty"), LimitName: rapid.String().Draw(t, "limit name")}
	moment := func(label string) time.Time {
		return start.Add(time.Duration(rapid.Float64Range(-0.1, 1.1).Draw(t, label) * math.Min(math.Abs(float64(length)), 1e18)))
	}
	for range rapid.IntRange(0, 4).Draw(t, "series") {
		series := Series{Name: rapid.String().Draw(t, "name")}
		for range rapid.IntRange(0, 30).Draw(t, "points") {
			series.Points = append(series.Points, sources.Point{T: moment("t"), V: value.Draw(t, "v")})
		}
		s.Series = append(s.Series, series)
	}
	if rapid.Bool().Draw(t, "limited") {
		s.Limit = ptr(value.Draw(t, "limit"))
	}
	for range rapid.IntRange(0, 8).Draw(t, "marks") {
		s.Marks = append(s.Marks, Mark{Time: moment("mark"), Kind: MarkKind(rapid.IntRange(-1, 5).Draw(t, "kind"))})
	}
	if rapid.Bool().Draw(t, "cursor") {
		s.Cursor = ptr(moment("cursor at"))
	}
	if rapid.Bool().Draw(t, "now") {
		s.Now = moment("now at")
	}
	s.Styles, _ = theme.New(rapid.SampledFrom(append(theme.Names(), "")).Draw(t, "theme"), true)
	if rapid.Bool().Draw(t, "no styles") {
		s.Styles = theme.Styles{}
	}
	return s
}

func TestLineHasItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t)
		got := Line(s)
		if s.Width < 1 || s.Height < 1 {
			if got != "" {
				t.Fatalf("no room, and %q", got)
			}
			return
		}
		exact(t, got, s.Width, s.Height)
		if s.ASCII && strings.ContainsAny(got, "⣀─│┊·┤└") {
			t.Fatalf("not ASCII:\n%s", got)
		}
	})
}

// ink counts the braille dots of each dot column of a plot.
func ink(got string) (dots int) {
	for _, r := range ansi.Strip(got) {
		if r > 0x2800 && r <= 0x28ff {
			for b := r - 0x2800; b > 0; b &= b - 1 {
				dots++
			}
		}
	}
	return dots
}

func TestSpikesNeverVanish(t *testing.T) {
	for _, at := range []int{0, 1, 777, 2345, 4999} {
		s := base(t)
		points := wave(5000, time.Hour, func(float64) float64 { return 1 })
		points[at].V = 100
		s.Series = []Series{{Points: points}}
		top := strings.Split(Line(s), "\n")[1] // below the legend
		if ink(top) == 0 {
			t.Errorf("the spike at %d of 5000 is not in the top row:\n%s", at, Line(s))
		}
	}
}

func TestGapsHaveNoLine(t *testing.T) {
	for name, cut := range map[string]func([]sources.Point) []sources.Point{
		"missing": func(p []sources.Point) []sources.Point { return append(p[:100:100], p[140:]...) },
		"nan": func(p []sources.Point) []sources.Point {
			for i := 100; i < 140; i++ {
				p[i].V = math.NaN()
			}
			return p
		},
		"infinite": func(p []sources.Point) []sources.Point {
			for i := 100; i < 140; i++ {
				p[i].V = math.Inf(1)
			}
			return p
		},
	} {
		s := base(t)
		s.Height, s.Width = 12, 80
		s.Series = []Series{{Points: cut(wave(241, time.Hour, func(float64) float64 { return 0.5 }))}}
		var row string
		for _, l := range strings.Split(Line(s), "\n") {
			if ink(l) > 5 && !strings.Contains(l, "cores") {
				row = l
			}
		}
		if inside := strings.Trim(strings.TrimLeft(row, " 0.5│┤"), " "); !strings.Contains(inside, "          ") {
			t.Errorf("%s: no gap in %q", name, row)
		}
	}
	s := base(t)
	s.Series = []Series{{Points: append(wave(241, time.Hour, func(float64) float64 { return 0.5 })[:100:100], wave(241, time.Hour, func(float64) float64 { return 0.5 })[101:]...)}}
	for _, l := range strings.Split(Line(s), "\n") {
		if ink(l) > 5 && strings.Contains(strings.Trim(strings.TrimLeft(l, " 0.│┤"), " "), "  ") && !strings.Contains(l, "cores") {
			t.Errorf("one failed scrape is a gap: %q", l)
		}
	}
}

func TestLegend(t *testing.T) {
	firstLine := func(s Spec) string { return ansi.Strip(strings.Split(Line(s), "\n")[0]) }
	s := specs(t)["many"]
	if first := firstLine(s); !strings.Contains(first, "1 p50 11 ms  2 p95 45 ms  3 p99 101 ms") {
		t.Errorf("legend %q", first)
	}
	s.Width = 30
	if first := firstLine(s); !strings.Contains(first, "+1") || !strings.Contains(first, "p50 11 ms") {
		t.Errorf("narrow legend %q", first)
	}
	s = specs(t)["gaps"]
	s.Width = 32
	if first := firstLine(s); strings.TrimSpace(first) != "⠒ 380 MiB  ╌ limit 512 MiB" {
		t.Errorf("a legend that has no room for the only name: %q", first)
	}
	s = specs(t)["cursor"]
	if first := firstLine(s); !strings.Contains(first, "13:30:00") || !strings.Contains(first, "cpu 0.4 cores") {
		t.Errorf("cursor's legend %q", first)
	}
	s = specs(t)["stale"]
	if first := firstLine(s); !strings.Contains(first, "(10m ago)") {
		t.Errorf("stale legend %q", first)
	}
	s = specs(t)["far-limit"]
	if first := firstLine(s); !strings.Contains(first, "↑ limit 16 cores") {
		t.Errorf("a limit out of sight: %q", first)
	}
}

func TestHostileNamesAreHarmless(t *testing.T) {
	s := base(t)
	s.Series = []Series{{Name: "\x1b]0;x\x07a\nb\u202e", Points: wave(10, time.Hour, func(x float64) float64 { return x })}}
	s.Limit, s.LimitName = ptr(1.0), "\x1b[2J日本"
	got := Line(s)
	exact(t, got, s.Width, s.Height)
	if strings.ContainsAny(ansi.Strip(got), "\x07\x1b\u202e") || strings.Contains(got, "\x1b]") || strings.Contains(got, "\x1b[2J") {
		t.Errorf("%q", got)
	}
}

func TestTimesAreLocal(t *testing.T) {
	zone := time.FixedZone("half", 5*3600+1800)
	s := base(t)
	s.Location = zone
	s.Series = []Series{{Points: wave(10, time.Hour, func(x float64) float64 { return x })}}
	lines := strings.Split(Line(s), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "18:30") || !strings.Contains(last, "19:00") {
		t.Errorf("times %q", last)
	}
}

func TestStampsAcrossAClockChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine:", err)
	}
	start := time.Date(2026, 10, 22, 12, 0, 0, 0, berlin)
	for _, st := range stamps(start, start.Add(8*day), 100, berlin) {
		if l := st.at.In(berlin); l.Hour() != 0 || l.Minute() != 0 {
			t.Errorf("%s stands at %v", st.text, l)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add(60, 10, 0.5, 1e18, "cores", "name", int64(time.Hour))
	f.Add(20, 3, math.NaN(), -1.0, "bytes", "\x1b[31m", int64(1))
	f.Add(200, 50, 1e-300, 1e300, "s", "日本", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, w, h int, a, b float64, unit, name string, length int64) {
		w, h = w%300, h%60
		s := Spec{Width: w, Height: h, Start: t0, End: t0.Add(time.Duration(length)), Unit: unit, Empty: name, Limit: &b,
			Series: []Series{{Name: name, Points: []sources.Point{{T: t0, V: a}, {T: t0.Add(time.Duration(length / 2)), V: b}, {T: t0.Add(time.Duration(length)), V: a - b}}}}}
		if got := Line(s); w > 0 && h > 0 {
			exact(t, got, w, h)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	s := base(b)
	s.Width, s.Height, s.Styles = 160, 20, styles(b, theme.Dark)
	for i := range 4 {
		s.Series = append(s.Series, Series{Name: fmt.Sprint("series ", i), Style: theme.Style{}, Points: wave(400, time.Hour, func(x float64) float64 { return math.Abs(math.Sin(x*float64(9+i))) * float64(i+1) })})
		s.Series[i].Style = s.Styles.Series[i]
	}
	s.Marks = []Mark{{Time: t0.Add(20 * time.Minute), Kind: MarkDeploy}}
	b.ReportAllocs()
	for b.Loop() {
		Line(s)
	}
}

// TestThen: a series of another time is dots, below the others, with a sign of its own; the legend takes the lines that it may.
func TestThen(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var now, then []sources.Point
	for i := range 61 {
		at := start.Add(time.Duration(i) * time.Minute)
		now, then = append(now, sources.Point{T: at, V: 1}), append(then, sources.Point{T: at, V: 3})
	}
	cursor := start.Add(30 * time.Minute)
	s := Spec{Width: 44, Height: 14, Start: start, End: start.Add(time.Hour), Unit: "s", Min0: true, Cursor: &cursor, LegendLines: 3, Series: []Series{
		{Name: "p95", Points: now, Value: func(float64) string { return "0.3–1.2 s" }}, {Name: "p99", Points: now}, {Name: "p95 a day ago", Points: then, Then: true}}}
	out := Line(s)
	lines := strings.Split(out, "\n")
	if len(lines) != s.Height {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if w := ansi.StringWidth(l); w != s.Width {
			t.Errorf("%d cells: %q", w, l)
		}
	}
	legend := strings.Join(lines[:2], " ")
	for _, want := range []string{"12:30:00", "p95 0.3–1.2 s", "p99 1 s", "⠂ p95 a day ago 3 s"} {
		if !strings.Contains(legend, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	row := strings.TrimLeft(strings.TrimSpace(lines[2]), "0123456789. s┤│")
	if blank := strings.Count(row, " "); blank < 5 || !strings.ContainsAny(row, "⠁⠂⠄⡀⠈⠐⠠⢀") {
		t.Errorf("not dotted: %q in\n%s", row, out)
	}
	s.LegendLines = 1
	if first := strings.Split(Line(s), "\n")[0]; !strings.Contains(first, "+1") && !strings.Contains(first, "+2") {
		t.Errorf("what has no room is not counted: %q", first)
	}
	s.NoLegend = true
	if out := Line(s); strings.Contains(out, "p99") || len(strings.Split(out, "\n")) != s.Height {
		t.Errorf("a legend nobody asked for:\n%s", out)
	}
}

// What may be a cause is drawn where it shares a cell with what shows of it, whichever comes first.
func TestCausesWinACell(t *testing.T) {
	at := t0.Add(20 * time.Minute)
	drawn := func(kinds ...MarkKind) string {
		s := base(t)
		s.Marks = nil
		s.Series = []Series{{Name: "cpu", Points: wave(240, time.Hour, func(float64) float64 { return 1 }), Style: s.Styles.Series[0]}}
		for _, k := range kinds {
			s.Marks = append(s.Marks, Mark{Time: at, Kind: k})
		}
		return Line(s)
	}
	for weak := MarkStart; weak < MarkMoment; weak++ {
		for strong := weak + 1; strong <= MarkMoment; strong++ {
			want := drawn(strong)
			if want == drawn(weak) && MarkSign(styles(t, theme.None), weak) != MarkSign(styles(t, theme.None), strong) {
				t.Fatalf("marks %d and %d look the same", weak, strong)
			}
			if drawn(weak, strong) != want || drawn(strong, weak) != want {
				t.Errorf("mark %d hides mark %d", weak, strong)
			}
		}
	}
	st := styles(t, theme.None)
	if !strings.Contains(drawn(MarkAlert, MarkDeploy), MarkSign(st, MarkDeploy)) {
		t.Error("an alert hides the deploy that it came with")
	}
}
