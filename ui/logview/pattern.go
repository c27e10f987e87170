package logview

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"quarterdeck/ui/plain"
)

// pattern is a term ready to be looked for. It is immutable.
type pattern struct {
	text  string // lower case where fold
	fold  bool
	pivot int
	re    *regexp.Regexp
	// auto tells of most lines whether re matches, and much faster; nil: there is none.
	auto *automaton
	// needs are strings that must be in a line that re can match, the most telling
	// first: of each group one, in lower case and looked for without case.
	needs [][]needle
}

// needle is a string in lower case with the place of its rarest byte.
type needle struct {
	text  string
	pivot int
	// folds: it has a letter that without case is also one beyond ASCII: k, which is U+212A as well, or s, which is U+017F.
	folds bool
}

func compile(t Term) (*pattern, error) {
	fold := !strings.ContainsFunc(t.Text, unicode.IsUpper)
	if !t.Regexp {
		ascii := strings.IndexFunc(t.Text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
		if !fold || ascii {
			return &pattern{text: t.Text, fold: fold && strings.ContainsFunc(t.Text, unicode.IsLetter), pivot: pivot(t.Text)}, nil
		}
		t.Text = regexp.QuoteMeta(t.Text)
	}
	expr := t.Text
	if fold {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", plain.LineN(t.Text, 60), err)
	}
	p := &pattern{re: re, auto: newAutomaton(expr)}
	for _, group := range needsOf(expr) {
		var g []needle
		for _, n := range group {
			g = append(g, needle{n, pivot(n), strings.ContainsAny(n, "ks")})
		}
		p.needs = append(p.needs, g)
	}
	return p, nil
}

// find is the first place in s, or a negative start.
func (p *pattern) find(s string) (from, to int) {
	switch {
	case p.re != nil:
		if at := p.re.FindStringIndex(s); at != nil {
			return at[0], at[1]
		}
		return -1, -1
	case p.fold:
		from = foldIndexAt(s, p.text, p.pivot)
	default:
		from = strings.Index(s, p.text)
	}
	return from, from + len(p.text)
}

// findAll is up to limit places in s, rising and apart from each other.
func (p *pattern) findAll(s string, limit int) [][]int {
	if p.re != nil {
		return p.re.FindAllStringIndex(s, limit)
	}
	var out [][]int
	for at := 0; len(out) < limit && len(p.text) > 0; {
		from, to := p.find(s[at:])
		if from < 0 {
			break
		}
		out = append(out, []int{at + from, at + to})
		at += to
	}
	return out
}

// may tells whether re can match s at all; it costs a hundredth of the match.
func (p *pattern) may(s string) bool {
	for _, group := range p.needs {
		if !anyIn(group, s) {
			return false
		}
	}
	return true
}

func anyIn(group []needle, s string) bool {
	folds := false
	for i := range group {
		if foldIndexAt(s, group[i].text, group[i].pivot) >= 0 {
			return true
		}
		folds = folds || group[i].folds
	}
	// The first bytes of U+017F and U+212A.
	return folds && (strings.IndexByte(s, 0xc5) >= 0 || strings.IndexByte(s, 0xe2) >= 0)
}

func (p *pattern) in(s string) bool {
	if p.re != nil {
		return p.may(s) && p.matches(s)
	}
	from, _ := p.find(s)
	return from >= 0
}

// matches is re.MatchString.
func (p *pattern) matches(s string) bool {
	if p.auto != nil {
		if yes, ok := p.auto.match(s); ok {
			return yes
		}
	}
	return p.re.MatchString(s)
}

// foldIndex is strings.Index where the letters A to Z of s count as a to z;
// lower is in lower case. No copy of s is made.
func foldIndex(s, lower string) int { return foldIndexAt(s, lower, pivot(lower)) }

// foldIndexAt looks for lower by its byte at pivot, in both cases, with the
// machine's fast search for one byte.
func foldIndexAt(s, lower string, pivot int) int {
	n := len(lower)
	if n == 0 {
		return 0
	}
	if n > len(s) {
		return -1
	}
	small := lower[pivot]
	large := small
	if 'a' <= small && small <= 'z' {
		large -= 'a' - 'A'
	}
	end := len(s) - n + pivot + 1 // the pivot must be before
	nextSmall, nextLarge := -1, -1
	if large == small {
		nextLarge = end
	}
	for at := pivot; ; {
		if nextSmall < at {
			nextSmall = indexByte(s, small, at, end)
		}
		if nextLarge < at {
			nextLarge = indexByte(s, large, at, end)
		}
		hit := min(nextSmall, nextLarge)
		if hit >= end {
			return -1
		}
		if from := hit - pivot; foldEqual(s[from:from+n], lower) {
			return from
		}
		at = hit + 1
	}
}

// indexByte is the first c in s[at:end], or end.
func indexByte(s string, c byte, at, end int) int {
	if i := strings.IndexByte(s[at:end], c); i >= 0 {
		return at + i
	}
	return end
}

// common is the bytes that log lines are made of, roughly the most frequent first. A wrong rank costs speed alone.
const common = " e0t1as\"=orni2d:c/lp-.3u45m6789hgf,vyb_wk"

// pivot is the place of the byte of s that is likely to be rarest in a log line.
func pivot(s string) int {
	best := 0
	for i := range len(s) {
		if rarity(s[i]) > rarity(s[best]) {
			best = i
		}
	}
	return best
}

func rarity(c byte) int {
	if r := strings.IndexByte(common, c); r >= 0 {
		return r
	}
	return len(common)
}

// telling says how few lines are likely to hold s.
func telling(s string) int {
	if s == "" {
		return 0
	}
	return 6*len(s) + rarity(s[pivot(s)])
}

func foldEqual(s, lower string) bool {
	for i := range len(lower) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// maxNeeds bounds how many strings stand in for one part of an expression, and how many parts are looked for.
const maxNeeds = 8

// needsOf finds strings that are in every text that expr matches: of each group one, the most telling group first.
func needsOf(expr string) [][]string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	groups := needs(re.Simplify())
	slices.SortStableFunc(groups, func(a, b []string) int { return least(b) - least(a) })
	return groups[:min(len(groups), maxNeeds)]
}

func needs(re *syntax.Regexp) [][]string {
	switch re.Op {
	case syntax.OpLiteral:
		if s := literal(re.Rune); len(s) > 1 {
			return [][]string{{s}}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needs(re.Sub[0])
	case syntax.OpConcat:
		var all [][]string
		for _, sub := range re.Sub {
			all = append(all, needs(sub)...)
		}
		return all
	case syntax.OpAlternate: // of each branch its most telling group
		var all []string
		for _, sub := range re.Sub {
			groups := needs(sub)
			if len(groups) == 0 {
				return nil
			}
			best := groups[0]
			for _, g := range groups[1:] {
				if least(g) > least(best) {
					best = g
				}
			}
			if all = append(all, best...); len(all) > maxNeeds {
				return nil
			}
		}
		return [][]string{all}
	}
	return nil
}

// least is the least telling of s.
func least(s []string) int {
	n := telling(s[0])
	for _, x := range s[1:] {
		n = min(n, telling(x))
	}
	return n
}

// literal is the most telling part of runes that is ASCII, in lower case. Other runes are cut out before: in lower case U+0130 would be an i.
func literal(runes []rune) string {
	best := ""
	for _, part := range strings.FieldsFunc(string(runes), func(r rune) bool { return r >= utf8.RuneSelf }) {
		if part = strings.ToLower(part); telling(part) > telling(best) {
			best = part
		}
	}
	return best
}
