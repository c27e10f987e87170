// Package markdowntest checks that what was written into Markdown is no more than text.
package markdowntest

import (
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// Hostile are texts that want to be more than text.
var Hostile = []string{
	"", "plain words", "a|b", `a\|b`, `ends in \`, "`code`", "``", "**bold** _em_ __x__ ~~s~~", "<script>alert(1)</script>", "<!-- x", "&lt; &amp; &#124;", "[link](http://evil.example)",
	"![img](x)", "http://evil.example/x www.evil.example", "# head", "- item", "1. one", "+ x", "> quote", "a\x1b[2Jb\x07c\x00d", "line\nbreak\r\n| x | y |\n|---|---|", "\u202eright to left\u200b", "$x$", "日本 ✗",
	"```", "~~~", "    indented", "snake_case_name", "_leading", ":---:", "---", "===", "\xff\xfe",
}

var parser = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify)).Parser()

// Parse reads a document as the programs do that show it: CommonMark with tables, strikethrough and links of bare addresses.
func Parse(source string) ast.Node { return parser.Parse(text.NewReader([]byte(source))) }

// PlainOf is the text of a node as a reader sees it. It fails on whatever is more than text.
func PlainOf(t testing.TB, n ast.Node, src []byte, ours bool) string {
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

// CheckTable holds that the source is one table of so many columns and rows, its bars are aligned, and its cells are no more than text.
func CheckTable(t testing.TB, source string, columns, rows int, ours bool) {
	t.Helper()
	doc := Parse(source)
	tab := doc.FirstChild()
	if tab == nil || tab.NextSibling() != nil || tab.Kind() != east.KindTable || tab.ChildCount() != rows+1 {
		t.Fatalf("is no table of %d rows:\n%s", rows, source)
	}
	for r := tab.FirstChild(); r != nil; r = r.NextSibling() {
		if r.ChildCount() != columns {
			t.Fatalf("a row of %d cells:\n%s", r.ChildCount(), source)
		}
		PlainOf(t, r, []byte(source), ours)
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

// CheckDocument holds that a document has so many headings and one table of so many columns and rows, and that what others have written made
// nothing else of it.
func CheckDocument(t testing.TB, md string, headings, columns, rows int) {
	t.Helper()
	heads := 0
	for n := Parse(md).FirstChild(); n != nil; n = n.NextSibling() {
		switch n.Kind() {
		case ast.KindHeading:
			heads++
		case ast.KindHTMLBlock, ast.KindThematicBreak, ast.KindBlockquote, ast.KindFencedCodeBlock:
			t.Errorf("%s is in\n%s", n.Kind(), md)
		}
	}
	if heads != headings {
		t.Errorf("%d headings, want %d:\n%s", heads, headings, md)
	}
	var table strings.Builder
	for line := range strings.SplitSeq(md, "\n") {
		if strings.HasPrefix(line, "| ") {
			table.WriteString(line + "\n")
		}
	}
	CheckTable(t, table.String(), columns, rows, false)
	if strings.ContainsAny(md, "\x1b\x07\x00\u202e\u200b") {
		t.Errorf("a control character is in\n%s", md)
	}
}
