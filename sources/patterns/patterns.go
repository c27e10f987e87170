package patterns

import (
	"strings"

	"quarterdeck/sources"
)

// Mine finds the patterns of lines, the most frequent first, at most DefaultMax.
func Mine(lines []sources.Entry) []sources.Pattern {
	m := NewMiner(Options{})
	for i := range lines {
		m.Add(&lines[i])
	}
	return m.Patterns()
}

// New is those of now that baseline has not, in now's order. Two patterns are the same where each part is, or may
// be, the other's: "user ada logged in" was there where "user <_> logged in" was. Patterns of different levels differ.
// Both must come of one miner's kind: Loki's and ours part the lines differently. Where the patterns have samples, a pattern whose sample is a line
// of the same shape that one of the baseline takes in is no new one either: a text with wildcards may part into other words than its lines do
// ("/<_>/<_>" of "/orders/17").
func New(baseline, now []sources.Pattern) []sources.Pattern {
	type group struct {
		level sources.Level
		words int
	}
	known := map[group][][]token{}
	texts := map[string]bool{}
	var s scanner
	parts := func(p *sources.Pattern) (group, []token) {
		s.scan(strings.ReplaceAll(p.Text, Wildcard, "0")) // a number is what varies
		return group{p.Level, len(s.tokens)}, s.tokens
	}
	for i := range baseline {
		g, t := parts(&baseline[i])
		known[g] = append(known[g], append([]token(nil), t...))
		texts[baseline[i].Level.String()+" "+baseline[i].Text] = true
	}
	m := NewMiner(Options{})
	shape := func(p *sources.Pattern) uint64 {
		m.scan.scan(clean(p.Sample))
		return m.shape(p.Level)
	}
	var out []sources.Pattern
next:
	for i := range now {
		if texts[now[i].Level.String()+" "+now[i].Text] {
			continue
		}
		g, t := parts(&now[i])
		for _, k := range known[g] {
			if same(k, t, s.hasMessage) {
				continue next
			}
		}
		if takenIn(baseline, &now[i], shape) {
			continue
		}
		out = append(out, now[i])
	}
	return out
}

// takenIn tells whether one of the baseline's patterns takes in p's sample, and has the shape of its lines.
func takenIn(baseline []sources.Pattern, p *sources.Pattern, shape func(*sources.Pattern) uint64) bool {
	if p.Sample == "" {
		return false
	}
	own := shape(p)
	for i := range baseline {
		if b := &baseline[i]; b.Level == p.Level && b.Sample != "" && Match(b.Text, p.Sample) && shape(b) == own {
			return true
		}
	}
	return false
}

// same tells whether two patterns may be of the same lines: no more than the miner itself would have let vary.
func same(a, b []token, told bool) bool {
	equal, differ := 0, 0
	for i := range a {
		x, y := &a[i], &b[i]
		if x.pre != y.pre || (x.kind == firm || y.kind == firm) && x.text != y.text {
			return false
		}
		switch {
		case x.kind == variable || y.kind == variable, x.kind == value, x.kind == firm, told && x.kind != message:
		case x.text == y.text:
			equal++
		case !hasDigit(x.text) || !hasDigit(y.text):
			differ++
		}
	}
	return differ == 0 || float64(equal)/float64(equal+differ) >= alike
}

// Match tells whether a line is of a pattern: the text between wildcards is there in this order, from the line's
// beginning to its end. It is what LogQL's |> does, with colours left out.
func Match(pattern, line string) bool {
	line = clean(line)
	if i := strings.IndexAny(line, "\r\n"); i >= 0 && strings.TrimRight(line[i:], "\r\n") == "" {
		line = line[:i]
	}
	head, rest, wild := strings.Cut(pattern, Wildcard)
	if !wild {
		return line == pattern
	}
	if !strings.HasPrefix(line, head) {
		return false
	}
	line = line[len(head):]
	for {
		part, after, more := strings.Cut(rest, Wildcard)
		if !more {
			return strings.HasSuffix(line, part)
		}
		i := strings.Index(line, part)
		if i < 0 {
			return false
		}
		line, rest = line[i+len(part):], after
	}
}
