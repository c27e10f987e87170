package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// strippers are what a program strips or looks for control characters with.
var strippers = map[string][]string{
	"ansi":    {"Strip"},
	"unicode": {"IsControl", "IsPrint", "IsGraphic", "Bidi_Control", "Cc", "Cf", "C", "Other"},
	"strconv": {"IsPrint", "IsGraphic", "QuoteToASCII", "QuoteToGraphic"},
}

// strips names where a Go file strips by itself.
func strips(t *testing.T, name string, src any) []string {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := s.X.(*ast.Ident); ok && slices.Contains(strippers[pkg.Name], s.Sel.Name) {
				found = append(found, set.Position(s.Pos()).String()+": "+pkg.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return found
}

// TestUntrustedTextIsStrippedInOnePlace: ui/plain alone makes text harmless that is drawn, and sources/markdown what leaves as Markdown. The embedded platform plays other programs.
func TestUntrustedTextIsStrippedInOnePlace(t *testing.T) {
	files, inPlain := 0, 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || rel == "sources/demo" || strings.HasPrefix(e.Name(), ".") && rel != "."):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		found := strips(t, path, nil)
		if rel == "sources/markdown/markdown.go" { // ui is not to be imported there
			return nil
		}
		if strings.HasPrefix(rel, "ui/plain/") {
			inPlain += len(found)
			return nil
		}
		for _, where := range found {
			t.Errorf("%s: ui/plain does that", where)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || inPlain == 0 {
		t.Errorf("%d files were read, ui/plain strips in %d places: the search finds nothing any more", files, inPlain)
	}
	if got := strips(t, "x.go", "package x\nfunc f(s string) string { return ansi.Strip(s) }"); len(got) != 1 {
		t.Errorf("ansi.Strip is not found: %v", got)
	}
}
