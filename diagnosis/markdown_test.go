package diagnosis

import (
	"testing"
	"time"

	"quarterdeck/sources/markdown/markdowntest"
)

// TestHostileMarkdown: whatever others have written, an investigation's parts stay where they are.
func TestHostileMarkdown(t *testing.T) {
	for _, s := range markdowntest.Hostile {
		r := Report{Service: s, At: noon, Took: time.Second, Left: []string{s}, Looked: []Looked{{Source: s, State: s, Detail: s}, {Source: "swarm", State: "LIVE", Detail: "all"}},
			Causes: []Cause{{ID: "bad-deploy", Title: s, Service: s, Node: s, Confidence: 0.9, Why: s, EffectOf: s, Effects: []string{s}, Next: []Step{{Text: s}},
				Evidence: []Proof{{Text: s, Source: s, Query: s, At: noon}}, Against: []Proof{{Text: s, Source: s, Query: s}}}}}
		markdowntest.CheckDocument(t, r.Markdown(), 3, 3, 2) // the title, the cause, what was looked at
	}
}
