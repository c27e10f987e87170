package logview

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAutomatonIsRegexp: on expressions and texts of all kinds it tells what package regexp tells.
func TestAutomatonIsRegexp(t *testing.T) {
	pieces := []string{"a", "b", "ab", "k", "S", ".", "x", "_", "0", `\d`, `\w`, `\s`, `\b`, `\B`, "^", "$", `\A`, `\z`, "[^a]", "[a-c0-3]", "[[:upper:]]", "(a|b0)", "(?:x|)", "(?s:.)", "(?m:^)", "(?m:$)", "é", ""}
	repeats := []string{"", "", "", "*", "+", "?", "*?", "{2}", "{0,3}", "{2,}"}
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		var expr strings.Builder
		expr.WriteString(rapid.SampledFrom([]string{"", "(?i)", "(?U)"}).Draw(t, "flags"))
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			expr.WriteString(rapid.SampledFrom(pieces).Draw(t, "piece") + rapid.SampledFrom(repeats).Draw(t, "repeat"))
			if rapid.IntRange(0, 6).Draw(t, "alternative") == 0 {
				expr.WriteString("|")
			}
		}
		re, err := regexp.Compile(expr.String())
		if err != nil {
			t.Skip("no expression")
		}
		a := newAutomaton(expr.String())
		for range 8 {
			text := rapid.StringOfN(rapid.SampledFrom([]rune("aabbABkKsSx0 3_\n-é\u212a")), 0, 12, -1).Draw(t, "text")
			yes, ok := a.match(text)
			if !ok {
				continue
			}
			told++
			if want := re.MatchString(text); yes != want {
				t.Fatalf("%q in %q: %t, and regexp says %t", expr.String(), text, yes, want)
			}
		}
	})
	if told < 100 {
		t.Fatalf("it has told of %d texts alone", told)
	}
}

// TestAutomatonKnowsItsBounds: an expression whose automaton explodes is left to package regexp, and the pattern still tells the truth.
func TestAutomatonKnowsItsBounds(t *testing.T) {
	expr := "[ab]*a[ab]{12}c"
	p, err := compile(Term{Text: expr, Regexp: true})
	if err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile("(?i)" + expr)
	left := 0
	for i := range 20000 {
		text := strings.NewReplacer("0", "a", "1", "b").Replace(strings.Repeat("0", i%3) + strings.ReplaceAll(bits(i*2654435761), "2", "c"))
		if _, ok := p.auto.match(text); !ok {
			left++
		}
		if got, want := p.in(text), re.MatchString(text); got != want {
			t.Fatalf("%q: %t, and regexp says %t", text, got, want)
		}
	}
	if n := len(p.auto.states); n > automatonStates || left == 0 {
		t.Fatalf("%d states, %d texts were left to regexp", n, left)
	}
}

func bits(n int) string {
	var b strings.Builder
	for range 24 {
		b.WriteByte('0' + byte(n&1))
		n >>= 1
	}
	return b.String() + "2"
}

// TestAutomatonBeginsBeyondASCII: a match that begins with a character beyond ASCII is not passed over, and one that cannot is.
func TestAutomatonBeginsBeyondASCII(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		told       bool // by the automaton, and not left to package regexp
	}{
		{`(?i)k8s`, "a \u212a8s", false},
		{`(?i)s3`, "a \u017f3", false},
		{`é`, "café", false},
		{`x[^a]`, "é x", true},
		{`8\d`, "é 81", true},
		{`8\d`, "é 8", true},
	} {
		a := newAutomaton(c.expr)
		yes, ok := a.match(c.text)
		if want := regexp.MustCompile(c.expr).MatchString(c.text); ok != c.told || ok && yes != want {
			t.Errorf("%q in %q: %t %t, and regexp says %t", c.expr, c.text, yes, ok, want)
		}
	}
}
