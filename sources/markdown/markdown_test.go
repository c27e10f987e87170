package markdown

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"

	"quarterdeck/sources/markdown/markdowntest"
)

// unescape is what CommonMark makes of the source of text.
func unescape(s string) string {
	var out bytes.Buffer
	if err := goldmark.Convert([]byte(s), &out); err != nil {
		return err.Error()
	}
	text := strings.NewReplacer("<p>", "", "</p>", "", "<code>", "", "</code>", "").Replace(out.String())
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&").Replace(strings.TrimSpace(text))
}

// folded is text as Markdown reads it: harmless, and spaces in code spans and paragraphs at the ends gone.
func folded(s string) string { return strings.TrimSpace(Harmless(s)) }

func checkEscaped(t testing.TB, s string) {
	t.Helper()
	want := folded(s)
	src := []byte("- " + Text(s) + "\n")
	doc := markdowntest.Parse(string(src))
	if doc.ChildCount() != 1 || doc.FirstChild().Kind() != ast.KindList || doc.FirstChild().ChildCount() != 1 {
		t.Fatalf("%q breaks out of its item: %q", s, src)
	}
	markdowntest.PlainOf(t, doc, src, false)
	if got := unescape(Text(s)); want != "" && got != want {
		t.Fatalf("%q reads as %q, want %q (%q)", s, got, want, Text(s))
	}
	src = []byte("- " + Span(s) + " x\n")
	if doc = markdowntest.Parse(string(src)); doc.ChildCount() != 1 || doc.FirstChild().ChildCount() != 1 {
		t.Fatalf("%q breaks out of its item as code: %q", s, src)
	}
	markdowntest.PlainOf(t, doc, src, false)
	if got := unescape(Span(s)); want != "" && strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Fatalf("%q reads as %q in code, want %q", s, got, want)
	}
	var b strings.Builder
	Table(&b, []string{"One", "Two", "Three"}, [][]string{{Text(s), Code(s), Text(s)}, {"x", "y", "z"}})
	markdowntest.CheckTable(t, b.String(), 3, 2, false)
	b.Reset()
	Fence(&b, "text", s, "after")
	doc = markdowntest.Parse(b.String())
	if doc.ChildCount() != 1 || doc.FirstChild().Kind() != ast.KindFencedCodeBlock {
		t.Fatalf("%q ends its block of code: %q", s, b.String())
	}
}

func TestEscaping(t *testing.T) {
	for _, s := range markdowntest.Hostile {
		checkEscaped(t, s)
	}
	for in, want := range map[string]string{"shop_api": "shop_api", "13.1s": "13.1s", "ada@example.com": "ada@example.com", "2026-11-24": "2026-11-24", "10.0.3.7:5432": "10.0.3.7:5432"} {
		if got := Text(in); got != want {
			t.Errorf("%q is written %q: what needs no escape has none", in, got)
		}
	}
}

func FuzzEscaping(f *testing.F) {
	for _, s := range markdowntest.Hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2<<10 {
			return
		}
		checkEscaped(t, s)
	})
}
