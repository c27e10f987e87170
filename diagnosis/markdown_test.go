package diagnosis

import (
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark/ast"

	"quarterdeck/sources/markdown/markdowntest"
)

// TestHostileMarkdown: whatever others have written, an investigation's parts stay where they are.
func TestHostileMarkdown(t *testing.T) {
	for _, s := range markdowntest.Hostile {
		r := Report{Service: s, At: noon, Took: time.Second, Left: []string{s}, Looked: []Looked{{Source: s, State: s, Detail: s}, {Source: "swarm", State: "LIVE", Detail: "all"}},
			Causes: []Cause{{ID: "bad-deploy", Title: s, Service: s, Node: s, Confidence: 0.9, Why: s, EffectOf: s, Effects: []string{s}, Next: []Step{{Text: s}},
				Evidence: []Proof{{Text: s, Source: s, Query: s, At: noon}}, Against: []Proof{{Text: s, Source: s, Query: s}}}}}
		md := r.Markdown()
		heads := 0
		for n := markdowntest.Parse(md).FirstChild(); n != nil; n = n.NextSibling() {
			switch n.Kind() {
			case ast.KindHeading:
				heads++
			case ast.KindHTMLBlock, ast.KindThematicBreak, ast.KindBlockquote, ast.KindFencedCodeBlock:
				t.Errorf("%q: %s is in\n%s", s, n.Kind(), md)
			}
		}
		if heads != 3 { // the title, the cause, what was looked at
			t.Errorf("%q: %d headings, want 3:\n%s", s, heads, md)
		}
		var rows []string
		for line := range strings.SplitSeq(md, "\n") {
			if strings.HasPrefix(line, "| ") {
				rows = append(rows, line)
			}
		}
		markdowntest.CheckTable(t, strings.Join(rows, "\n")+"\n", 3, 2, false)
		if strings.ContainsAny(md, "\x1b\x07\x00\u202e\u200b") {
			t.Errorf("%q: a control character is in\n%s", s, md)
		}
	}
}
