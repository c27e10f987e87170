package frame

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"go.uber.org/goleak"
	"golang.org/x/image/font/gofont/gomono"
	"pgregory.net/rapid"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screen is a small one with all that the console draws: a box, a chart, signs, a selection, wide letters.
func screen(tb testing.TB, name string, dark bool) (s string, w, h int) {
	tb.Helper()
	st, err := theme.New(name, dark)
	if err != nil {
		tb.Fatal(err)
	}
	start := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	spec := chart.Spec{Width: 70, Height: 10, Start: start, End: start.Add(time.Hour), Unit: "cores", Min0: true, Styles: st, Limit: new(float64)}
	*spec.Limit = 2
	for i, n := range []string{"web", "api", "db"} {
		series := chart.Series{Name: n, Style: st.Series[i]}
		for k := range 200 {
			series.Points = append(series.Points, sources.Point{T: start.Add(time.Duration(k) * time.Hour / 200), V: (1 + math.Sin(float64(k)/(12+8*float64(i)))) * (1 - 0.2*float64(i))})
		}
		spec.Series = append(spec.Series, series)
	}
	spec.Marks = []chart.Mark{{Time: start.Add(20 * time.Minute), Kind: chart.MarkDeploy}, {Time: start.Add(40 * time.Minute), Kind: chart.MarkAlert}}
	g := st.Signs
	lines := []string{
		st.Brand.Render(" quarterdeck ") + st.DemoBadge.Render(" DEMO ") + " " + st.OK.Render("● 9 healthy") + " " + st.Warn.Render("▲ 1 degraded") + " " + st.Error.Render("✗ 1 down") + " " + st.Updating.Render("↻ 1"),
		st.BorderFocused.Render(g.TopLeft+strings.Repeat(g.Rule, 68)+g.TopRight) + "",
		st.Border.Render(g.Bar) + st.Selection.Render(plain.Fit(" shop_web  3/3  healthy   ▁▂▃▄▅▆▇█  512 MiB  日本語", 68)) + st.Border.Render(g.Bar),
		st.Border.Render(g.Bar) + st.Text.Render(plain.Fit(" signs ○ ◐ ◌ ◇ ◆ △ ▲ ▼ ■ ▪ ✗ ✓ ↻ ‖ ⏎ ← ↑ → ↓ – … ┊ ╌╌╌ ░▒▓", 68)) + st.Border.Render(g.Bar),
		st.Border.Render(g.BottomLeft + strings.Repeat(g.Rule, 68) + g.BottomRight),
	}
	lines = append(lines, strings.Split(chart.Line(spec), "\n")...)
	lines = append(lines, st.HintKey.Render("?")+st.HintDesc.Render(" help ")+"\x1b[4munder\x1b[0m \x1b[3mitalic\x1b[0m \x1b[9mstruck\x1b[0m \x1b[7mreverse\x1b[0m \x1b[2mfaint\x1b[0m \x1b[1;31mred\x1b[0m \x1b[44;97mblue\x1b[0m 0Ol1|")
	return strings.Join(lines, "\n"), 72, len(lines) + 1
}

func TestTextRoundTrip(t *testing.T) {
	s, w, h := screen(t, theme.Dark, true)
	f := Parse(s, w, h)
	var want []string
	for _, l := range append(strings.Split(ansi.Strip(s), "\n"), "") {
		want = append(want, strings.TrimRight(l, " "))
	}
	if got := f.Text(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	again := Parse(f.ANSI(), w, h)
	if again.Text() != f.Text() || again.ANSI() != f.ANSI() || again.SVG(Options{}) != f.SVG(Options{}) {
		t.Error("a frame is not its own ANSI's frame")
	}
	if gw, gh := f.Size(); gw != w || gh != h || strings.Count(f.Text(), "\n") != h-1 || strings.Count(f.ANSI(), "\n") != h-1 {
		t.Errorf("size %d×%d", gw, gh)
	}
}

func TestParseCutsAndFills(t *testing.T) {
	for _, c := range []struct {
		in   string
		w, h int
		want string
	}{{"abcdef\nx", 3, 3, "abc\nx\n"}, {"a\nb\nc", 5, 2, "a\nb"}, {"", 2, 1, ""}, {"x", 0, 0, "x"}, {"日本", 3, 1, "日"}} {
		if got := Parse(c.in, c.w, c.h).Text(); got != c.want {
			t.Errorf("Parse(%q, %d, %d) is %q, want %q", c.in, c.w, c.h, got, c.want)
		}
	}
}

const hostile = "<script>alert('x')</script>&amp;\"\x1b]0;title\x07\x1b_Gpayload\x1b\\]]>\x00\x07\u202e\ufffe\xff <!-- --> \x1b[5;5Hmoved\x1bPq#\x1b\\"

func wellFormed(tb testing.TB, s string) {
	tb.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			tb.Fatalf("no XML: %v\n%s", err, s)
		}
	}
}

func TestHostileText(t *testing.T) {
	f := Parse(hostile, 80, 2)
	svg := f.SVG(Options{Title: hostile})
	wellFormed(t, svg)
	if strings.Contains(svg, "<script") {
		t.Error("a script got through")
	}
	for what, out := range map[string]string{"text": f.Text(), "svg": svg} {
		if strings.ContainsAny(out, "\x1b\x00\x07\u202e") {
			t.Errorf("%s has a control character: %q", what, out)
		}
	}
	if out := f.ANSI(); strings.Contains(out, "\x1b_") || strings.Contains(out, "\x1b]") || strings.Contains(out, "\x1bP") {
		t.Errorf("ANSI acts: %q", out)
	}
}

func TestAnythingIsAFrame(t *testing.T) {
	parts := []string{"a", "日", "⣿", "─", "█", "\n", "\x1b[1m", "\x1b[31;7m", "\x1b[0m", "\x1b[38;2;1;2;3m", "\x1b[48;5;200m", "\x1b]8;;x\x1b\\", "<", "&", " ", "\x1b", "\xff", "e\u0301", "👍🏽", "\x1b_x\x1b\\", "\ufffe"}
	rapid.Check(t, func(rt *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 60).Draw(rt, "s"), "")
		w, h := rapid.IntRange(1, 20).Draw(rt, "w"), rapid.IntRange(1, 4).Draw(rt, "h")
		f := Parse(s, w, h)
		wellFormed(t, f.SVG(Options{Dark: true}))
		for _, l := range strings.Split(f.ANSI(), "\n") {
			if ansi.StringWidth(l) > w {
				rt.Fatalf("%q is wider than %d", l, w)
			}
		}
		if _, err := f.paint(Options{Scale: 1}); err != nil {
			rt.Fatal(err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(hostile, 40, 3)
	f.Add("\x1b[38;5;1mx\x1b[4:3my", 3, 1)
	f.Fuzz(func(t *testing.T, s string, w, h int) {
		fr := Parse(s, w%100, h%20)
		wellFormed(t, fr.SVG(Options{Title: s}))
		fr.ANSI()
	})
}

func decode(t *testing.T, f Frame, o Options) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := f.PNG(&b, o); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// lit tells whether the pixel at a place of a cell, in units, has a colour.
func lit(img image.Image, s, col, row int, x, y float64, want color.RGBA) bool {
	px := func(cell int, size, v float64) int { return int((margin + float64(cell)*size + v) * float64(s)) }
	got := color.RGBAModel.Convert(img.At(px(col, cellW, x), px(row, cellH, y))).(color.RGBA)
	return got == want
}

func TestPNGSizesAndPixels(t *testing.T) {
	f := Parse("\x1b[31m⣿\x1b[0m│─┼█▄x\n \x1b[44m \x1b[0m", 10, 2)
	for _, s := range []int{1, 2, 3} {
		img := decode(t, f, Options{Dark: true, Scale: s})
		if got, want := img.Bounds().Size(), image.Pt((90+2*margin)*s, (36+2*margin)*s); got != want {
			t.Fatalf("scale %d: %v, want %v", s, got, want)
		}
		c := newColours(true)
		for _, x := range []struct {
			what     string
			col, row int
			x, y     float64
			want     color.RGBA
		}{
			{"a braille dot", 0, 0, 2.25, 2.25, c.basic[1]}, {"its opposite dot", 0, 0, 6.75, 15.75, c.basic[1]}, {"between the dots", 0, 0, 4.5, 4.5, c.bg},
			{"a bar's middle", 1, 0, midX + 0.4, 9, c.fg}, {"a bar's top", 1, 0, midX + 0.4, 0.1, c.fg}, {"a bar's bottom", 1, 0, midX + 0.4, 17.6, c.fg}, {"beside a bar", 1, 0, 7, 9, c.bg},
			{"a rule's left end", 2, 0, 0.1, midY + 0.4, c.fg}, {"a rule's right end", 2, 0, 8.6, midY + 0.4, c.fg}, {"a cross", 3, 0, midX + 0.4, midY + 0.4, c.fg},
			{"a block", 4, 0, 0.1, 0.1, c.fg}, {"half a block", 5, 0, 4, 12, c.fg}, {"above half a block", 5, 0, 4, 4, c.bg},
			{"a background", 1, 1, 4, 9, c.basic[4]}, {"beside it", 2, 1, 4, 9, c.bg},
		} {
			if !lit(img, s, x.col, x.row, x.x, x.y, x.want) {
				t.Errorf("scale %d: %s is not %v", s, x.what, x.want)
			}
		}
	}
}

// TestLinesJoin walks a box's edges pixel by pixel: no gap between cells.
func TestLinesJoin(t *testing.T) {
	img := decode(t, Parse("┌──┐\n│  │\n└──┘", 4, 3), Options{Dark: true, Scale: 2})
	fg := newColours(true).fg
	at := func(x, y int) bool { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) == fg }
	left, top := (margin+int(midX))*2, (margin+int(midY))*2
	right, bottom := left+3*int(cellW)*2, top+2*int(cellH)*2
	for x := left; x <= right; x++ {
		if !at(x, top) || !at(x, bottom) {
			t.Fatalf("a hole at %d", x)
		}
	}
	for y := top; y <= bottom; y++ {
		if !at(left, y) || !at(right, y) {
			t.Fatalf("a hole at line %d", y)
		}
	}
}

func TestEverySignIsDrawn(t *testing.T) {
	s, err := newLetters(gomono.TTF, 15)
	if err != nil {
		t.Fatal(err)
	}
	st, _ := theme.New(theme.Dark, true)
	signs := strings.Join([]string{st.Signs.OK, st.Signs.Updating, st.Signs.Degraded, st.Signs.Down, st.Signs.Idle, st.Signs.Gap, st.Signs.Dropped, st.Signs.Stale, st.Signs.Deploy,
		st.Signs.Start, st.Signs.Mark, st.Signs.Cursor, st.Signs.Up, st.Signs.Left, st.Signs.Rule, st.Signs.Bar, st.Signs.Dash, st.Signs.Paused, st.Signs.Polling, st.Signs.Absent, st.Signs.Ellipsis, st.Signs.Dot}, "")
	for _, r := range signs + "┊▶◀✓□⏎∞µ×°" {
		if _, ok := drawn(r); !ok && !s.has(r) {
			t.Errorf("%c would be a box", r)
		}
	}
}

func TestLargeFramesAreBounded(t *testing.T) {
	for _, c := range []struct{ w, h, asked, want int }{{1000, 1000, 0, 2}, {1000, 1000, 3, 3}, {9024, 9024, 4, 1}, {4000, 2000, 40, 3}} {
		if got, err := fitScale(c.w, c.h, c.asked); err != nil || got != c.want {
			t.Errorf("%d×%d at %d: %d, %v", c.w, c.h, c.asked, got, err)
		}
	}
	if err := (Frame{w: 4000, h: 2000}).PNG(io.Discard, Options{}); err == nil {
		t.Error("a picture of a gigabyte is no error")
	}
}

func TestPNGSaysWhatTheWriterSays(t *testing.T) {
	want := errors.New("disk full")
	if err := Parse("x", 3, 1).PNG(failing{want}, Options{}); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestSVGGolden(t *testing.T) {
	s, w, h := screen(t, theme.Dark, true)
	got := Parse(s, w, h).SVG(Options{Dark: true, Title: "quarterdeck"})
	wellFormed(t, got)
	golden.RequireEqual(t, got)
}

func BenchmarkPNG(b *testing.B) {
	s, w, h := screen(b, theme.Dark, true)
	for b.Loop() {
		_ = Parse(s, w, h).PNG(io.Discard, Options{Dark: true})
	}
}
