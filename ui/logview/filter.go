package logview

import (
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/patterns"
	"quarterdeck/ui/plain"
)

// Term is one thing to look for in a line.
type Term struct {
	Text   string
	Regexp bool // RE2; else a substring. Both ignore case where Text has no capital letter.
}

// String is the term as it is typed: ~ before a regular expression; in quotes what would else be read as something other than text.
func (t Term) String() string {
	if t.Regexp {
		return "~" + t.Text
	}
	if back, exclude := ParseTerm(t.Text); exclude || back != t {
		return `"` + t.Text + `"`
	}
	return t.Text
}

// Filter says which lines are shown. Its zero value shows all.
type Filter struct {
	Include  []Term // all must be in the line
	Exclude  []Term // none may be
	Levels   []sources.Level
	Services []string
	Tasks    []string // as in Stream.Task
	Fields   []FieldTerm
	// Patterns are texts with <_> for what varies: each line shown is of one of Patterns, where there are any, and of none of NotPatterns.
	Patterns, NotPatterns []string
}

// Zero tells whether the filter lets everything through.
func (f Filter) Zero() bool {
	return len(f.Include)+len(f.Exclude)+len(f.Levels)+len(f.Services)+len(f.Tasks)+len(f.Fields)+len(f.Patterns)+len(f.NotPatterns) == 0
}

// clone shares nothing with f.
func (f Filter) clone() Filter {
	return Filter{slices.Clone(f.Include), slices.Clone(f.Exclude), slices.Clone(f.Levels), slices.Clone(f.Services), slices.Clone(f.Tasks),
		slices.Clone(f.Fields), slices.Clone(f.Patterns), slices.Clone(f.NotPatterns)}
}

// ParseTerm reads a term as typed: text is a substring, ~re a regular
// expression, and ! before either excludes. LogQL's |= != |~ !~ are understood too.
// What stands in double quotes is text, whatever it is.
func ParseTerm(s string) (t Term, exclude bool) {
	if text, ok := quotedText(s); ok {
		return Term{Text: text}, false
	}
	for _, op := range []struct {
		sign        string
		exclude, re bool
	}{{"|=", false, false}, {"!=", true, false}, {"|~", false, true}, {"!~", true, true}, {"!", true, false}, {"~", false, true}} {
		if rest, ok := strings.CutPrefix(s, op.sign); ok {
			return Term{strings.Trim(strings.TrimSpace(rest), "`\""), op.re}, op.exclude
		}
	}
	return Term{Text: s}, false
}

// quotedText is what stands in double quotes; false: not all of s does.
func quotedText(s string) (string, bool) {
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// matcher is a Filter and a search made ready. It is immutable and safe for concurrent use.
type matcher struct {
	include, exclude      []*pattern
	fields                []*fieldTest
	patterns, notPatterns []string
	levels                uint16 // a bit a level; 0: all
	services, tasks       map[string]bool
	all, slow             bool
}

func newMatcher(f Filter) (*matcher, error) {
	m := &matcher{all: f.Zero(), services: set(f.Services), tasks: set(f.Tasks),
		patterns: slices.Clone(f.Patterns), notPatterns: slices.Clone(f.NotPatterns), slow: len(f.Fields) > 0}
	for _, t := range f.Fields {
		test, err := compileField(t)
		if err != nil {
			return nil, err
		}
		m.fields = append(m.fields, test)
	}
	for _, l := range f.Levels {
		m.levels |= 1 << (l & 15)
	}
	for _, part := range []struct {
		terms []Term
		to    *[]*pattern
	}{{f.Include, &m.include}, {f.Exclude, &m.exclude}} {
		for _, t := range part.terms {
			p, err := compile(t)
			if err != nil {
				return nil, err
			}
			m.slow = m.slow || p.re != nil
			*part.to = append(*part.to, p)
		}
	}
	return m, nil
}

func set(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// streams tells which of the chunk's streams pass; nil: all.
func (m *matcher) streams(c *chunk) []bool {
	if m.services == nil && m.tasks == nil {
		return nil
	}
	ok := make([]bool, len(c.streams))
	for i, s := range c.streams {
		ok[i] = (m.services == nil || m.services[s.Service]) && (m.tasks == nil || m.tasks[s.Task])
	}
	return ok
}

// row tells whether row r of c is shown; streams is what streams said of c.
// A gap is shown whatever the text filter is: what is missing might have matched.
func (m *matcher) row(c *chunk, r *rec, streams []bool) bool {
	if r.kind == kindGap {
		s := c.gaps[r.off].Service
		return m.services == nil || s == "" || m.services[s]
	}
	if m.levels != 0 && m.levels&(1<<(c.level(r)&15)) == 0 || streams != nil && !streams[r.stream] {
		return false
	}
	text := c.text(r)
	if !m.line(text) {
		return false
	}
	for _, f := range m.fields {
		if !f.in(text, c.level(r), c.streams[r.stream]) {
			return false
		}
	}
	return m.ofPatterns(text)
}

// ofPatterns tells whether a line is of one of the patterns that are shown, and of none that is hidden.
func (m *matcher) ofPatterns(text string) bool {
	is := func(p string) bool { return patterns.Match(p, text) }
	return (len(m.patterns) == 0 || slices.ContainsFunc(m.patterns, is)) && !slices.ContainsFunc(m.notPatterns, is)
}

func (m *matcher) line(line string) bool {
	if len(m.include)+len(m.exclude) == 0 {
		return true
	}
	line = seen(line)
	for _, p := range m.include {
		if !p.in(line) {
			return false
		}
	}
	for _, p := range m.exclude {
		if p.in(line) {
			return false
		}
	}
	return true
}

// seen is the line as it is looked through: a coloured word must be found
// although escapes stand within it.
func seen(line string) string {
	if strings.IndexByte(line, 0x1b) < 0 {
		return line
	}
	return plain.Line(line)
}
