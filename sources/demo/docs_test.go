package demo_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"quarterdeck/sources/demo"
)

const (
	docsFile  = "../../docs/demo.md"
	tableHead = "| scenario | what it is | what you see | its cause (id) | what takes it away |\n|---|---|---|---|---|\n"
)

// The manual's table of scenarios is made from the scenarios.
func TestDocsHaveTheScenarios(t *testing.T) {
	var table strings.Builder
	table.WriteString(tableHead)
	for _, s := range demo.Scenarios() {
		cause := "nothing to find"
		if s.Cause != "" {
			cause = "`" + s.Cause + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.Description, s.Sees, cause, s.Remedy)
	}
	have, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, team := range demo.Teams() {
		if !bytes.Contains(have, []byte("\n| `"+team.Name+"` |")) {
			t.Errorf("%s has no row for the team %s", docsFile, team.Name)
		}
	}
	before, rest, found := bytes.Cut(have, []byte(tableHead))
	if !found {
		t.Fatalf("%s has no table of the scenarios", docsFile)
	}
	_, after, _ := bytes.Cut(rest, []byte("\n\n"))
	want := string(before) + table.String() + "\n" + string(after)
	if string(have) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the scenarios say: UPDATE_DOCS=1 go test ./sources/demo -run DocsHave", docsFile)
	}
	if err := os.WriteFile(docsFile, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}
