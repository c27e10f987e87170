package diagnosis

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources/markdown"
)

// Markdown is the report as a section of a document. What it quotes is untrusted: it goes through package markdown.
func (r *Report) Markdown() string {
	var b strings.Builder
	what := "the fleet"
	if r.Service != "" {
		what = markdown.Code(r.Service)
	}
	fmt.Fprintf(&b, "# Investigation of %s\n\nAs of %s, looked at for %.1f s.\n", what, r.At.UTC().Format(time.RFC3339), r.Took.Seconds())
	if r.Inconclusive() {
		fmt.Fprintf(&b, "\n%s.\n", markdown.Text(upperFirst(r.Outcome())))
	}
	for i := range r.Causes {
		c := &r.Causes[i]
		on := c.About()
		fmt.Fprintf(&b, "\n## %d. %s: %s\n\n`%s`, %.0f%% sure: %s.\n\n", i+1, markdown.Text(on), markdown.Text(c.Title), c.ID, 100*c.Confidence, markdown.Text(c.Why))
		if c.EffectOf != "" {
			fmt.Fprintf(&b, "It is an effect of %s.\n\n", markdown.Text(c.EffectOf))
		}
		for _, p := range c.Evidence {
			p.markdown(&b, "")
		}
		for _, p := range c.Against {
			p.markdown(&b, "Against it: ")
		}
		for _, e := range c.Effects {
			fmt.Fprintf(&b, "- Brings about: %s\n", markdown.Text(e))
		}
		if len(c.Next) > 0 {
			b.WriteString("\nNext:\n\n")
			for _, n := range c.Next {
				fmt.Fprintf(&b, "- %s\n", markdown.Text(n.Text))
			}
		}
	}
	r.troublesMarkdown(&b)
	b.WriteString("\n## What was looked at\n\n")
	var rows [][]string
	for _, l := range r.Looked {
		rows = append(rows, []string{markdown.Text(l.Source), markdown.Text(l.State), markdown.Text(l.Detail)})
	}
	markdown.Table(&b, []string{"Source", "State", "Detail"}, rows)
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "\nNot looked at closely, there are too many at once: %s.\n", markdown.Text(strings.Join(r.Left, ", ")))
	}
	return b.String()
}

func (p *Proof) markdown(b *strings.Builder, head string) {
	when := ""
	if !p.At.IsZero() {
		when = p.At.UTC().Format("15:04:05") + " "
	}
	fmt.Fprintf(b, "- %s%s%s (%s)\n", head, when, markdown.Text(p.Text), markdown.Text(p.Source))
	if p.Query != "" {
		fmt.Fprintf(b, "  %s\n", markdown.Span(p.Query))
	}
}

// troublesMarkdown lists all that is not well, each with its causes or with what was looked at.
func (r *Report) troublesMarkdown(b *strings.Builder) {
	if len(r.Troubles) > 0 {
		b.WriteString("\n## What is not well\n\n")
	}
	for i := range r.Troubles {
		t := &r.Troubles[i]
		fmt.Fprintf(b, "- %s: %s. %s.\n", markdown.Text(t.About()), markdown.Text(t.Words()), markdown.Text(upperFirst(r.Explanation(t))))
	}
	if stray := r.Stray(); stray != "" {
		fmt.Fprintf(b, "\n%s.\n", markdown.Text(upperFirst(stray)))
	}
	if len(r.Elsewhere) > 0 {
		fmt.Fprintf(b, "\nElsewhere: %s.\n", markdown.Text(Tally(r.Elsewhere)))
	}
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
