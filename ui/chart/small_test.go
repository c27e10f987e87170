package chart

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

func TestHumanize(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{1.234, "cores", "1.2 cores"}, {0.0421, "cores", "0.042 cores"}, {0, "cores", "0 cores"}, {16, "cores", "16 cores"},
		{512 << 20, "bytes", "512 MiB"}, {1.5 * (1 << 30), "bytes", "1.5 GiB"}, {1023.9 * 1024, "bytes", "1 MiB"}, {12, "bytes", "12 B"}, {0, "bytes", "0 B"},
		{2048, "bytes/s", "2 KiB/s"}, {0.84, "ratio", "84 %"}, {0.0031, "ratio", "0.31 %"}, {1, "ratio", "100 %"},
		{3400, "1/s", "3.4 k/s"}, {12, "1/s", "12 /s"}, {999.9, "1/s", "1 k/s"}, {0.25, "1/s", "0.25 /s"},
		{0.012, "s", "12 ms"}, {1.5, "s", "1.5 s"}, {90, "s", "90 s"}, {150, "s", "2.5 min"}, {7200, "s", "2 h"}, {0, "s", "0 s"}, {0.00002, "s", "20 µs"}, {0.9999, "s", "1 s"},
		{12, "ms", "12 ms"}, {2500, "ms", "2.5 s"}, {3e6, "1", "3 M"}, {7, "1", "7"}, {-3400, "1", "-3.4 k"}, {5, "", "5"}, {math.Copysign(0, -1), "1", "0"},
		{math.NaN(), "bytes", "–"}, {math.Inf(1), "s", "∞"}, {math.Inf(-1), "s", "-∞"}, {1e18, "1", "1 E"}, {1e30, "1", "1e+12 E"}, {4, "widgets", "4 widgets"}, {4, "a\x1b[2Jb", "4 ab"},
	} {
		if got := Humanize(c.v, c.unit); got != c.want {
			t.Errorf("Humanize(%v, %q) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestHumanizeIsShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.SampledFrom(values), rapid.Float64()).Draw(t, "v")
		unit := rapid.SampledFrom([]string{"cores", "bytes", "bytes/s", "ratio", "1/s", "s", "ms", "1"}).Draw(t, "unit")
		if got := Humanize(v, unit); got == "" || utf8.RuneCountInString(got) > 16 {
			t.Fatalf("Humanize(%v, %q) = %q", v, unit, got)
		}
	})
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 3999 * time.Millisecond: "3s", 119 * time.Second: "119s", 12 * time.Minute: "12m", 119 * time.Minute: "119m", 4*time.Hour + time.Minute: "4h",
		47 * time.Hour: "47h", 50 * time.Hour: "2d", 13 * day: "13d", 36 * day: "5w", 364 * day: "52w", 800 * day: "2y", math.MaxInt64: "292y",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSpanHoldsItsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.SampledFrom([]float64{0, 1, -1, 1e18, 1e300, -1e300, 1e-300, 0.3}), rapid.Float64Range(-1e6, 1e6))
		a, b := value.Draw(t, "a"), value.Draw(t, "b")
		lo, hi := min(a, b), max(a, b)
		n := rapid.IntRange(1, 5).Draw(t, "n")
		unit := rapid.SampledFrom([]string{"cores", "bytes", "ratio", "s", "1"}).Draw(t, "unit")
		s := newSpan(lo, hi, n, unit)
		slack := 1e-280 + 1e-6*max(hi-lo, math.Abs(hi), math.Abs(lo))
		if !(s.hi > s.lo) || s.lo > lo+slack || s.hi < hi-slack || len(s.ticks()) > n+2 || len(s.ticks()) < 2 {
			t.Fatalf("newSpan(%v, %v, %d, %s) = %+v with ticks %v", lo, hi, n, unit, s, s.ticks())
		}
		for _, v := range s.ticks() {
			if l := s.label(v, unit); l == "" || len(l) > 16 {
				t.Fatalf("label of %v: %q", v, l)
			}
		}
	})
}

func TestNiceTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		unit   string
		want   string
	}{
		{0, 0.93, "cores", "1.0 0.5 0"}, {0, 510 << 20, "bytes", "512MiB 256MiB 0"}, {0, 0.047, "ratio", "6% 4% 2% 0"}, {0, 4800, "1/s", "6k 4k 2k 0"}, {0, 900 << 20, "bytes", "1GiB 512MiB 0"}, {0, 81 << 10, "bytes/s", "96KiB 64KiB 32KiB 0"},
		{0, 0.1, "s", "100ms 50ms 0"}, {0, 200, "s", "4min 2min 0"}, {-30, 30, "1", "50 0 -50"}, {0, 0, "1", "1.0 0.5 0"}, {5, 5, "1", "5.5 5.0 4.5"},
	} {
		s := newSpan(c.lo, c.hi, 3, c.unit)
		var got []string
		for _, v := range s.ticks() {
			got = append(got, s.label(v, c.unit))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%v..%v %s: %s, want %s", c.lo, c.hi, c.unit, g, c.want)
		}
	}
}

func TestSpark(t *testing.T) {
	end := t0.Add(8 * time.Minute)
	at := func(v ...float64) []sources.Point {
		var out []sources.Point
		for i, x := range v {
			out = append(out, sources.Point{T: t0.Add(time.Duration(i)*time.Minute + time.Second), V: x})
		}
		return out
	}
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		points []sources.Point
		limit  float64
		want   string
	}{
		{"ramp", at(0, 1, 2, 3, 4, 5, 6, 7), 7, "▁▂▃▄▅▆▇█"},
		{"own peak", at(0, 1, 2, 3, 4, 5, 6, 7), 0, "▁▂▃▄▅▆▇█"},
		{"zeros", at(0, 0, 0, 0, 0, 0, 0, 0), 0, "▁▁▁▁▁▁▁▁"},
		{"gap", at(7, 7, nan, 7, math.Inf(1), 7, 7, -7), 7, "██ █ ██▁"},
		{"over", at(99, 0, 0, 0, 0, 0, 0, 0), 7, "█▁▁▁▁▁▁▁"},
		{"none", nil, 7, "        "},
		{"starts late", append(at(0, 0, 0, 0, 0, 0)[4:], at(0, 0, 0, 0, 0, 0, 0, 0)[6:]...), 1, "    ▁▁▁▁"},
	} {
		if got := Spark(c.points, t0, end, 8, c.limit, false); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := Spark(at(0, 1, 2, 3, 4, 5, 6, 7), t0, end, 8, 7, true); got != "_.:-=+*#" {
		t.Errorf("ascii %q", got)
	}
	if got := Spark(at(0, 4, 7), t0, t0.Add(3*time.Minute), 12, 7, false); got != "▁▁▁▁▅▅▅▅█   " {
		t.Errorf("wider than the points: %q", got)
	}
	many := at(make([]float64, 480)...)
	many[77].V = 7
	if got := Spark(many, t0, t0.Add(8*time.Hour), 8, 7, false); got != "▁█▁▁▁▁▁▁" {
		t.Errorf("a spike vanished: %q", got)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		ratio float64
		want  string
	}{{0, "········"}, {1, "████████"}, {0.5, "████····"}, {0.55, "████▍···"}, {0.0001, "▏·······"}, {1.5, "███████▶"}, {-1, "········"}, {math.NaN(), "????????"}, {math.Inf(1), "███████▶"}} {
		if got := Bar(c.ratio, 8, false); got != c.want {
			t.Errorf("Bar(%v) = %q, want %q", c.ratio, got, c.want)
		}
	}
	if got := Bar(0.55, 8, true); got != "####-..." {
		t.Errorf("ascii %q", got)
	}
}

func TestSizesOfTheSmallOnes(t *testing.T) {
	st := styles(t, theme.Dark)
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 80).Draw(t, "w"), rapid.IntRange(1, 8).Draw(t, "h")
		value := rapid.OneOf(rapid.SampledFrom(values), rapid.Float64())
		length := time.Duration(rapid.Int64Range(-5, math.MaxInt64).Draw(t, "length"))
		ascii := rapid.Bool().Draw(t, "ascii")
		var points []sources.Point
		var volume []sources.VolumePoint
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			at := t0.Add(time.Duration(rapid.Float64Range(-0.1, 1).Draw(t, "t") * float64(length)))
			points = append(points, sources.Point{T: at, V: value.Draw(t, "v")})
			volume = append(volume, sources.VolumePoint{Time: at, Counts: map[sources.Level]float64{sources.Level(rapid.IntRange(0, 9).Draw(t, "l")): value.Draw(t, "c")}})
		}
		exact(t, Spark(points, t0, t0.Add(length), w, value.Draw(t, "max"), ascii), w, 1)
		exact(t, Bar(value.Draw(t, "ratio"), w, ascii), w, 1)
		theirs := st
		if ascii {
			theirs = st.WithASCII()
		}
		exact(t, Levels(volume, t0, t0.Add(length), w, h, theirs), w, h)
	})
	if Spark(nil, t0, t0, 0, 1, false)+Bar(1, -3, false)+Levels(nil, t0, t0, 0, 1, st) != "" {
		t.Error("no room, and something is drawn")
	}
}

func volume() []sources.VolumePoint {
	var out []sources.VolumePoint
	for i := range 60 {
		if i >= 20 && i < 26 {
			continue // not known
		}
		p := sources.VolumePoint{Time: t0.Add(time.Duration(i) * time.Minute), Counts: map[sources.Level]float64{}}
		if i < 50 {
			p.Counts[sources.LevelInfo] = 100 + 60*math.Sin(float64(i)/6)
			p.Counts[sources.LevelDebug] = 30
		}
		if i > 35 && i < 45 {
			p.Counts[sources.LevelError] = float64(i-35) * 20
			p.Counts[sources.LevelWarn] = 15
		}
		out = append(out, p)
	}
	return out
}

func TestLevelsGolden(t *testing.T) {
	for name, st := range map[string]theme.Styles{"dark": styles(t, theme.Dark), "none": styles(t, theme.None), "ascii": styles(t, theme.None).WithASCII()} {
		t.Run(name, func(t *testing.T) {
			golden.RequireEqual(t, Levels(volume(), t0, t0.Add(time.Hour), 60, 4, st))
		})
	}
}

func TestOneErrorAmongMillionsIsSeen(t *testing.T) {
	st := styles(t, theme.Dark)
	calm := []sources.VolumePoint{{Time: t0, Counts: map[sources.Level]float64{sources.LevelInfo: 1e6}}}
	bad := []sources.VolumePoint{{Time: t0, Counts: map[sources.Level]float64{sources.LevelInfo: 1e6, sources.LevelError: 1}}}
	for _, h := range []int{1, 3} {
		a, b := Levels(calm, t0, t0.Add(time.Minute), 4, h, st), Levels(bad, t0, t0.Add(time.Minute), 4, h, st)
		on := st.Error.Pen().On
		if strings.Contains(a, on) || !strings.Contains(b, on) {
			t.Errorf("%d rows: %q, %q", h, a, b)
		}
	}
}

func BenchmarkSpark(b *testing.B) {
	p := wave(60, time.Hour, func(x float64) float64 { return x })
	b.ReportAllocs()
	for b.Loop() {
		Spark(p, t0, t0.Add(time.Hour), 8, 1, false)
	}
}

func BenchmarkLevels(b *testing.B) {
	st, v := styles(b, theme.Dark), volume()
	b.ReportAllocs()
	for b.Loop() {
		Levels(v, t0, t0.Add(time.Hour), 160, 4, st)
	}
}
