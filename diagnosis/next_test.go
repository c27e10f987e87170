package diagnosis

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// literal is the text that an expression begins with: a literal, a format, or the left of a sum.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return literal(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return literal(e.Args[0])
		}
	}
	return ""
}

// TestNextSaysWhatItsKeyDoes reads each next action that the rules name, of all ids: it is one of those that the console has a key for, and its text
// begins with what that key does. What has no key is a command.
func TestNextSaysWhatItsKeyDoes(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	steps, outside := 0, 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			switch {
			case !ok:
			case sel.Sel.Name == "step" && len(call.Args) == 3:
				steps++
				text, action := literal(call.Args[0]), literal(call.Args[1])
				begins, known := Actions[action]
				if !known {
					t.Errorf("%s: %q has the action %q, which there is none of", file.Name(), text, action)
				} else if !slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(text, b) }) {
					t.Errorf("%s: %q is not what %q does: %q", file.Name(), text, action, begins)
				}
			case sel.Sel.Name == "outside":
				outside++
				if command := literal(call.Args[1]); !strings.HasPrefix(command, "docker ") && !slices.Contains([]string{"sudo", "df", "journalctl", "systemctl", "openssl"}, strings.Fields(command)[0]) {
					t.Errorf("%s: %q is no command", file.Name(), command)
				}
			}
			return true
		})
	}
	if steps < len(rules) || outside < 10 {
		t.Fatalf("%d steps, %d commands are seen", steps, outside)
	}
}

// TestShellQuotes: what stands in a command is others' text.
func TestShellQuotes(t *testing.T) {
	for word, want := range map[string]string{"storage=ssd": "storage=ssd", "": "''", "a b": "'a b'", "$(reboot)": "'$(reboot)'", "it's": `'it'\''s'`, "node.labels.x!=y": "'node.labels.x!=y'"} {
		if got := shell(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}
