package diagnosis

import (
	"fmt"
	"strings"
	"time"
)

// Markdown is the report as a section of a document. What it quotes is untrusted: it stands in code, or is escaped.
func (r *Report) Markdown() string {
	var b strings.Builder
	what := "the fleet"
	if r.Service != "" {
		what = "`" + code(r.Service) + "`"
	}
	fmt.Fprintf(&b, "# Investigation of %s\n\nAs of %s, looked at for %.1f s.\n", what, r.At.UTC().Format(time.RFC3339), r.Took.Seconds())
	if r.Inconclusive() {
		b.WriteString("\nNothing was found that explains trouble, in what could be looked at.\n")
	}
	for i := range r.Causes {
		c := &r.Causes[i]
		on := orWord(c.Service, orWord(c.Node, "the platform"))
		fmt.Fprintf(&b, "\n## %d. %s: %s\n\n`%s`, %.0f%% sure: %s.\n\n", i+1, text(on), text(c.Title), c.ID, 100*c.Confidence, text(c.Why))
		if c.EffectOf != "" {
			fmt.Fprintf(&b, "It is an effect of %s.\n\n", text(c.EffectOf))
		}
		for _, p := range c.Evidence {
			p.markdown(&b, "")
		}
		for _, p := range c.Against {
			p.markdown(&b, "Against it: ")
		}
		for _, e := range c.Effects {
			fmt.Fprintf(&b, "- Brings about: %s\n", text(e))
		}
		if len(c.Next) > 0 {
			b.WriteString("\nNext:\n\n")
			for _, n := range c.Next {
				fmt.Fprintf(&b, "- %s\n", text(n.Text))
			}
		}
	}
	b.WriteString("\n## What was looked at\n\n| source | state | detail |\n|---|---|---|\n")
	for _, l := range r.Looked {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", text(l.Source), text(l.State), text(l.Detail))
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "\nNot looked at closely, there are too many at once: %s.\n", text(strings.Join(r.Left, ", ")))
	}
	return b.String()
}

func (p *Proof) markdown(b *strings.Builder, head string) {
	when := ""
	if !p.At.IsZero() {
		when = p.At.UTC().Format("15:04:05") + " "
	}
	fmt.Fprintf(b, "- %s%s%s (%s)\n", head, when, text(p.Text), text(p.Source))
	if p.Query != "" {
		fmt.Fprintf(b, "  `%s`\n", code(p.Query))
	}
}

// text escapes what Markdown and HTML would take for theirs, and control characters.
func text(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		switch {
		case r < ' ' || r == 0x7f:
			continue
		case strings.ContainsRune("\\`*_{}[]<>#|~!&", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code is text inside a code span: without backticks and control characters.
func code(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '`':
			return '\''
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, oneLine(s))
}
