package plain

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var lines = []struct{ name, in, want string }{
	{"ascii", "plain text 1 ~", "plain text 1 ~"},
	{"empty", "", ""},
	{"sgr", "\x1b[1;31mred\x1b[0m", "red"},
	{"sgr with colons", "\x1b[38:2::255:0:0mred\x1b[m", "red"},
	{"cursor and erase", "a\x1b[2J\x1b[H\x1b[?25lb", "ab"},
	{"title", "\x1b]0;owned\x07ok", "ok"},
	{"link", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"},
	{"osc 52", "a\x1b]52;c;ZXZpbA==\x07b", "ab"},
	{"dcs", "a\x1bPq#0;1~~\x1b\\b", "ab"},
	{"apc pm sos", "\x1b_Ga=T\x1b\\1\x1b^x\x1b\\2\x1bXy\x1b\\3", "123"},
	{"charset, reset", "\x1b(0q\x1b(B\x1bcz\x1b7", "qz"},
	{"c1 csi", "a\u009b31mb", "ab"},
	{"c1 osc", "a\u009d0;t\u009cb", "ab"},
	{"unterminated osc hides nothing", "a\x1b]0;rest of the line", "a0;rest of the line"},
	{"osc ended by another escape", "a\x1b]0;x\x1b[31my", "a0;xy"},
	{"unterminated csi", "a\x1b[31", "a"},
	{"csi broken by text", "a\x1b[3é", "aé"},
	{"lone escape", "a\x1b", "a"},
	{"escape escape", "\x1b\x1b[31mx", "x"},
	{"backspaces", "rm\b\bls\x00\x7f", "rmls"},
	{"tab", "a\tb\tc", "a       b       c"},
	{"tab after wide", "日本\tx", "日本    x"},
	{"newline", "a\nb\r\nc\rd\ve", "a⏎b⏎c⏎d⏎e"},
	{"end of line", "a\r\n", "a"},
	{"separators", "a\u2028b\u2029c\u0085d", "a⏎b⏎c⏎d"},
	{"invalid", "a\xff\xc3(\xe2\x82", "a��(��"},
	{"overlong, surrogate", "\xc0\x9b\xed\xa0\x80", "�����"},
	{"raw c1 byte", "\x9b31m", "�31m"},
	{"bidi", "a\u202eb\u202cc\u2066d\u2069e\u200ff\u061cg", "abcdefg"},
	{"zero width", "\ufeffa\u200bb\u200dc\u2060d\u00ade", "abcde"},
	{"tags", "x\U000e0041\U000e007f", "x"},
	{"variation selector", "⚠\ufe0f!", "⚠!"},
	{"combining", "e\u0301", "e\u0301"},
	{"zalgo", "e" + strings.Repeat("\u0301", 50) + "x", "e" + strings.Repeat("\u0301", MaxMarks) + "x"},
	{"mark at the start", "\u0301x", "◌\u0301x"},
	{"letters that join what follows", "\u0d4e a\U00011a84", "� a�"},
	{"wide", "日本語 한국어", "日本語 한국어"},
	{"skin tone", "👍🏽", "👍"},
	{"box", "─│┌⣿▁→", "─│┌⣿▁→"},
}

func TestLine(t *testing.T) {
	for _, c := range lines {
		if got := Line(c.in); got != c.want {
			t.Errorf("%s: Line(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestTextKeepsLines(t *testing.T) {
	in := "a\tb\r\n\x1b[31mc\x1b[0m\rd\n\n\u0301e\u2028f\n"
	if got, want := Text(in), "a       b\nc\nd\n\n◌\u0301e\nf\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in   string
		w    int
		want string
	}{
		{"abc", 5, "abc  "}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"abcd", 1, "…"}, {"abcd", 0, ""}, {"abcd", -4, ""}, {"", 2, "  "},
		{"日本語", 4, "日… "}, {"日本語", 5, "日本…"}, {"日本", 4, "日本"}, {"日", 1, "…"}, {"\x1b[31mab\x1b[0m", 3, "ab "},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"abcde\u0301", 5, "abcde\u0301"},
	} {
		if got := Fit(c.in, c.w); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.in, c.w, got, c.want)
		}
	}
}

func TestFastPathsDoNotAllocate(t *testing.T) {
	ascii := `level=info msg="a line that is printable ASCII" n=1`
	clean := "a line – clean, but not ASCII: ─│ ⣿ 日本"
	for name, f := range map[string]func(){
		"Line ascii": func() { Line(ascii) }, "Line clean": func() { Line(clean) }, "LineN": func() { LineN(ascii, 20) },
		"Clip": func() { Clip(ascii, 60) }, "Fit exact": func() { Fit(ascii, len(ascii)) },
	} {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// TestLineNLooksOnlyAtWhatIsShown puts what must not be read behind a text that fills the cells.
func TestLineNLooksOnlyAtWhatIsShown(t *testing.T) {
	for _, unit := range []string{"x", "日", "\x1b[31mx\x1b[0m"} {
		s := strings.Repeat(unit, 1<<20/len(unit))
		got := LineN(s, 100)
		if w := Width(got); w != 100 {
			t.Errorf("%q: %d cells", unit, w)
		}
		if len(got) > 400 {
			t.Errorf("%q: %d bytes for 100 cells", unit, len(got))
		}
	}
	invisible := strings.Repeat("\u200b", 1<<20) + "x"
	if got := LineN(invisible, 10); got != "" {
		t.Errorf("a text behind more than MaxLook of nothing: %q", got)
	}
}

// TestHostileMegabytesEnd would not end in the test's time if any of them took quadratic time.
func TestHostileMegabytesEnd(t *testing.T) {
	start := time.Now()
	for _, unit := range []string{"\x1b]", "\u009d", "\x1bP\x1b", "\x1b[", "\u0301", "\xff", "\t", "\u200d", "\x1b]0;", "\u009b1;", "\U0001f468\u200d"} {
		s := strings.Repeat(unit, 1<<20/len(unit))
		check(t, "Line", Line(s), false)
		check(t, "Text", Text(s), true)
		if w := Width(Fit(s, 80)); w != 80 {
			t.Errorf("%q: Fit is %d wide", unit, w)
		}
	}
	t.Logf("11 MB in %v", time.Since(start))
}

type fataler interface {
	Helper()
	Errorf(string, ...any)
}

func check(t fataler, what, out string, text bool) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%s: invalid UTF-8", what)
	}
	for _, r := range out {
		if text && r == '\n' {
			continue
		}
		if r < ' ' || r == 0x7f || (r >= 0x80 && r <= 0x9f) || r == 0x2028 || r == 0x2029 || unicode.In(r, unicode.Bidi_Control, unicode.Cf, unicode.Variation_Selector) {
			t.Errorf("%s: %U is left", what, r)
			return
		}
	}
}

func checkAll(t fataler, s string, w int) {
	t.Helper()
	line, text := Line(s), Text(s)
	check(t, "Line", line, false)
	check(t, "Text", text, true)
	if again := Line(line); again != line {
		t.Errorf("Line is not idempotent: %q, %q", line, again)
	}
	if again := Text(text); again != text {
		t.Errorf("Text is not idempotent: %q, %q", text, again)
	}
	if a, b := ansi.StringWidth(line), Width(line); a != b {
		t.Errorf("Width(%q) = %d, ansi says %d", line, b, a)
	}
	if a, b, c := Width(line), Width(line+" "), Width(line+"│"); b != a+1 || c != a+1 {
		t.Errorf("%q is %d wide, with a space %d, with a border %d: it joins what follows", line, a, b, c)
	}
	n := LineN(s, w)
	if len(s) <= MaxLook && !strings.HasPrefix(line, n) {
		t.Errorf("LineN(%q, %d) = %q is no prefix of %q", s, w, n, line)
	}
	if got := Width(n); got > w || (len(s) <= MaxLook && n != line && got < w-1) {
		t.Errorf("LineN(%q, %d) is %d wide", s, w, got)
	}
	fit := Fit(s, w)
	check(t, "Fit", fit, false)
	if got := ansi.StringWidth(fit); got != w {
		t.Errorf("Fit(%q, %d) = %q is %d wide", s, w, fit, got)
	}
	if w > 0 && len(s) <= MaxLook && Width(line) > w && !strings.HasSuffix(strings.TrimRight(fit, " "), "…") {
		t.Errorf("Fit(%q, %d) = %q does not say that it is cut", s, w, fit)
	}
	if again := Fit(fit, w); again != fit {
		t.Errorf("Fit is not idempotent: %q, %q", fit, again)
	}
}

func TestProperties(t *testing.T) {
	nasty := []rune("\x1b\u009b\u009d\u0090\u009c\x07\\[]mP_;0123\n\r\t\v\x00\x7f\u200b\u200d\u202e\u2066\ufeff\ufe0f\u0301\u0903\u20e3日한👨👍🏽🇩🇪é a~\u0d4e\u1160\u1100\u11a8\u094d\u0915\u0937\u2028")
	rapid.Check(t, func(t *rapid.T) {
		var s string
		if rapid.Bool().Draw(t, "bytes") {
			s = string(rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "b"))
		} else {
			s = rapid.StringOfN(rapid.SampledFrom(nasty), 0, 40, -1).Draw(t, "s")
		}
		checkAll(t, s, rapid.IntRange(0, 50).Draw(t, "w"))
	})
}

func FuzzLine(f *testing.F) {
	for _, c := range lines {
		f.Add(c.in, 7)
	}
	f.Fuzz(func(t *testing.T, s string, w int) {
		checkAll(t, s, max(w, 0)%300)
	})
}

func BenchmarkLine(b *testing.B) {
	for name, s := range map[string]string{
		"ascii":  strings.Repeat(`level=info msg="request done" `, 6),
		"utf8":   strings.Repeat("größe – 日本語 ", 12),
		"colour": strings.Repeat("\x1b[32mok\x1b[0m done ", 12),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				Line(s)
			}
		})
	}
}

func BenchmarkFit(b *testing.B) {
	s := strings.Repeat(`level=info msg="request done" `, 6)
	b.ReportAllocs()
	for b.Loop() {
		Fit(s, 80)
	}
}

func BenchmarkLineNMegabyte(b *testing.B) {
	s := strings.Repeat("\x1b[32mok\x1b[0m done ", 1<<20/16)
	b.ReportAllocs()
	for b.Loop() {
		LineN(s, 160)
	}
}
