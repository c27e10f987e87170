package incident

import (
	"bytes"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// hostile are texts that want to be more than text.
var hostile = []string{
	"", "plain words", "a|b", `a\|b`, `ends in \`, "`code`", "``", "**bold** _em_ __x__ ~~s~~", "<script>alert(1)</script>", "<!-- x", "&lt; &amp; &#124;", "[link](http://evil.example)",
	"![img](x)", "http://evil.example/x www.evil.example", "# head", "- item", "1. one", "+ x", "> quote", "a\x1b[2Jb\x07c\x00d", "line\nbreak\r\n| x | y |\n|---|---|", "\u202eright to left\u200b", "$x$", "日本 ✗",
	"```", "~~~", "    indented", "snake_case_name", "_leading", ":---:", "---", "===", "\xff\xfe",
}

var parser = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify)).Parser()

// plainOf is the text of a node as a reader sees it. It fails on whatever is more than text.
func plainOf(t testing.TB, n ast.Node, src []byte, ours bool) string {
	t.Helper()
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch x := n.(type) {
		case *ast.RawHTML, *ast.HTMLBlock, *ast.Link, *ast.Image, *east.Strikethrough, *ast.Heading, *ast.ThematicBreak, *ast.Blockquote:
			t.Fatalf("%s comes of %q", n.Kind(), src)
		case *ast.AutoLink:
			if x.AutoLinkType != ast.AutoLinkEmail { // somebody's address may be written to
				t.Fatalf("a link comes of %q", src)
			}
		case *ast.Emphasis:
			if x.Level != 2 || !ours { // what is bad stands out in our own tables
				t.Fatalf("emphasis comes of %q", src)
			}
		case *ast.Text:
			b.Write(x.Segment.Value(src))
		case *ast.String:
			b.Write(x.Value)
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

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
func folded(s string) string { return strings.TrimSpace(harmless(s)) }

func checkEscaped(t testing.TB, s string) {
	t.Helper()
	want := folded(s)
	src := []byte("- " + esc(s) + "\n")
	doc := parser.Parse(text.NewReader(src))
	if doc.ChildCount() != 1 || doc.FirstChild().Kind() != ast.KindList || doc.FirstChild().ChildCount() != 1 {
		t.Fatalf("%q breaks out of its item: %q", s, src)
	}
	plainOf(t, doc, src, false)
	if got := unescape(esc(s)); want != "" && got != want {
		t.Fatalf("%q reads as %q, want %q (%q)", s, got, want, esc(s))
	}
	var b strings.Builder
	table(&b, []string{"One", "Two", "Three"}, [][]string{{esc(s), code(s), esc(s)}, {"x", "y", "z"}})
	checkTable(t, b.String(), 3, 2, false)
	b.Reset()
	fence(&b, "text", s, "after")
	doc = parser.Parse(text.NewReader([]byte(b.String())))
	if doc.ChildCount() != 1 || doc.FirstChild().Kind() != ast.KindFencedCodeBlock {
		t.Fatalf("%q ends its block of code: %q", s, b.String())
	}
}

// checkTable: the source is one table of so many columns and rows, its bars are aligned, and its cells are no more than text.
func checkTable(t testing.TB, source string, columns, rows int, ours bool) {
	t.Helper()
	doc := parser.Parse(text.NewReader([]byte(source)))
	tab := doc.FirstChild()
	if tab == nil || tab.NextSibling() != nil || tab.Kind() != east.KindTable || tab.ChildCount() != rows+1 {
		t.Fatalf("is no table of %d rows:\n%s", rows, source)
	}
	for r := tab.FirstChild(); r != nil; r = r.NextSibling() {
		if r.ChildCount() != columns {
			t.Fatalf("a row of %d cells:\n%s", r.ChildCount(), source)
		}
		plainOf(t, r, []byte(source), ours)
	}
	width := -1
	for line := range strings.SplitSeq(strings.TrimSuffix(source, "\n"), "\n") {
		if w := displaywidth.String(line); width >= 0 && w != width {
			t.Fatalf("the lines are not of one width:\n%s", source)
		} else {
			width = w
		}
	}
}

func TestEscaping(t *testing.T) {
	for _, s := range hostile {
		checkEscaped(t, s)
	}
	for in, want := range map[string]string{"shop_api": "shop_api", "13.1s": "13.1s", "ada@example.com": "ada@example.com", "2026-11-24": "2026-11-24", "10.0.3.7:5432": "10.0.3.7:5432"} {
		if got := esc(in); got != want {
			t.Errorf("%q is written %q: what needs no escape has none", in, got)
		}
	}
}

func FuzzEscaping(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2<<10 {
			return
		}
		checkEscaped(t, s)
	})
}
